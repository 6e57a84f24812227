"""The simulation: no wrong close in ten thousand cycles, the same by its seed, able to fail."""

import json
from dataclasses import replace
from decimal import Decimal
from random import SystemRandom
from types import ModuleType

import pytest
from django.core.management import call_command

from reconciliation import conf as portal_conf
from reconciliation.bench import passes
from reconciliation.bench.desk import Desk
from reconciliation.bench.measures import Measures
from reconciliation.bench.simulation import seed_of, simulate
from reconciliation.domain import confirmed
from reconciliation.domain.confirmed import CloseGhost
from reconciliation.domain.types import Unread

CONF = portal_conf.require({})
FIXED_SEEDS = (1, 2, 3, 4, 5, 6, 7)
# Chosen here, so that each worker of the tests knows another; a failure says which it was.
RANDOM_SEED = SystemRandom().randrange(10**9)


def run(seed: int, cycles: int, conf: portal_conf.Conf = CONF) -> Measures:
    return simulate(cycles=cycles, seed=seed, conf=conf).measures


@pytest.mark.parametrize("seed", FIXED_SEEDS)
def test_nothing_that_is_held_is_closed(seed: int) -> None:
    done = simulate(cycles=1200, seed=seed, conf=CONF)
    assert not done.measures.wrong_closes, "\n".join(
        (f"manage.py simulate --cycles 1200 --seed {seed}", *done.history)
    )


def test_nothing_that_is_held_is_closed_whatever_the_seed() -> None:
    done = simulate(cycles=1600, seed=RANDOM_SEED, conf=CONF)
    assert not done.measures.wrong_closes, "\n".join(
        (f"manage.py simulate --cycles 1600 --seed {RANDOM_SEED}", *done.history)
    )


def test_the_same_seed_gives_the_same_result_byte_for_byte(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = []
    for _ in range(2):
        call_command("simulate", "--cycles", "400", "--seed", "11", "--json")
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]
    report = json.loads(answers[0])
    assert report["seed"] == 11
    assert report["cycles"] == 400
    assert report["wrong_automatic_closes"] == 0


def test_another_seed_gives_another_result() -> None:
    assert run(11, 200).as_dict() != run(12, 200).as_dict()


def test_a_desk_can_be_replayed_alone() -> None:
    of_two = run(11, 400)
    alone = [Desk(seed_of(11, number), CONF).run(200) for number in (0, 1)]
    assert of_two.fills == alone[0].fills + alone[1].fills
    second = simulate(cycles=200, seed=11, conf=CONF, first_desk=1).measures
    assert second.as_dict() == alone[1].as_dict()


def test_the_seed_is_printed_before_anything_can_fail(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("simulate", "--cycles", "5")
    assert capsys.readouterr().out.startswith("seed ")


def test_the_world_is_one_in_which_something_happens() -> None:
    done = run(1, 1200)
    report = done.as_dict()
    for name in (
        "synthetic_exits",
        "backfilled_exits",
        "quarantines",
        "healed_without_a_person",
        "reconciled_fills",
    ):
        assert report[name], name


# What follows breaks the portal on purpose: a simulation that cannot fail proves nothing.


def wrong_closes(conf: portal_conf.Conf = CONF, *, seed: int = 99, cycles: int = 6000) -> int:
    """Return how many wrong closes there are, looking no further than the first desk with one."""
    for number in range(cycles // 200):
        done = Desk(seed_of(seed, number), conf).run(200)
        if done.wrong_closes:
            return len(done.wrong_closes)
    return 0


def test_it_sees_that_attribution_is_not_asked_for() -> None:
    assert wrong_closes(replace(CONF, require_subtag_attribution=False), seed=8) > 0


def test_it_sees_that_the_position_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "ask_again", lambda *_, **__: Decimal(0))
    assert wrong_closes() > 0


def test_it_sees_that_unknown_is_read_as_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    make_holdings, ask_again = passes.make_holdings, passes.ask_again

    def read_as_zero(read, books, instruments, gateway, *, is_hedged):  # type: ignore[no-untyped-def]
        if isinstance(read.positions, Unread):
            read = replace(read, positions=())
        return make_holdings(read, books, instruments, gateway, is_hedged=is_hedged)

    monkeypatch.setattr(passes, "make_holdings", read_as_zero)
    monkeypatch.setattr(
        passes, "ask_again", lambda *asked, **terms: ask_again(*asked, **terms) or Decimal(0)
    )
    assert wrong_closes() > 0


def test_it_sees_that_a_verdict_closes_whatever_the_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    module: ModuleType = confirmed
    monkeypatch.setattr(module, "judge_ghost", lambda facts, **gates: CloseGhost(price=Decimal(1)))
    assert wrong_closes() > 0


def test_it_sees_that_a_tag_is_taken_for_a_slice() -> None:
    """A sub tag names a profile: where a bot holds several slices by it alone, it names none."""
    every = (Desk(seed_of(7, number), CONF, one_slice_a_tag=False).run(200) for number in range(40))
    assert any(done.wrong_closes for done in every)
