"""Errands as a worker does them: told of at each step, attached to a run that is under way."""

from datetime import timedelta
from typing import Any

import pytest

from reconciliation.cycles.errands import do_errand
from reconciliation.domain.people import Person
from reconciliation.enums import ErrandKind, ErrandStatus, Right, RunKind, RunStatus
from reconciliation.exchange.gateway import RetryableExchangeError
from reconciliation.handlers import errands as handlers
from reconciliation.handlers.errands import SILENT_FOR, Asked, ask_errand
from reconciliation.handlers.runs import claim_run
from reconciliation.models import Errand, Run
from tests.builders import arranging, make_errand
from tests.cycles.worlds import World
from tests.handlers.people import person

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The worker is gone in the middle of its work."""


def asked(world: World, kind: ErrandKind = ErrandKind.RECONCILE) -> Errand:
    return make_errand(
        world.account, kind=kind, status=ErrandStatus.ASKED, asked_at=world.clock.now()
    )


def do(world: World, errand: Errand) -> Errand:
    do_errand(errand_id=errand.pk, ports=world.ports())
    errand.refresh_from_db()
    return errand


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the steps that are told, in order."""
    steps: list[str] = []
    tell = handlers.tell_errand

    def listen(**values: Any) -> None:
        steps.append(values["step"])
        tell(**values)

    monkeypatch.setattr("reconciliation.cycles.errands.tell_errand", listen)
    return steps


@pytest.mark.parametrize("kind", [ErrandKind.RECONCILE, ErrandKind.HEARTBEAT])
def test_each_step_is_told_while_it_is_done(world: World, told: list[str], kind: ErrandKind):
    done = do(world, asked(world, kind))
    assert [step.split(",")[0] for step in told] == ["reading the exchange", "comparing", "writing"]
    assert done.status == ErrandStatus.DONE
    assert done.says == "main: SUCCEEDED, coverage COMPLETE"
    assert done.run == Run.objects.get(kind=kind)


def test_the_run_is_known_before_it_has_ended(world: World, monkeypatch: pytest.MonkeyPatch):
    runs: list[int | None] = []
    monkeypatch.setattr(
        "reconciliation.cycles.errands.tell_errand",
        lambda **values: runs.append(values["run_id"]),
    )
    do(world, asked(world))
    run = Run.objects.get()
    assert runs == [None, run.pk, run.pk]


def test_a_run_that_fails_is_told_with_its_reason(world: World):
    for method in ("fetch_open_orders", "fetch_fill_pages", "fetch_positions"):
        world.exchange.fail(method, RetryableExchangeError("the exchange is away"))
    done = do(world, asked(world))
    assert done.status == ErrandStatus.FAILED
    assert "nothing could be read: the exchange is away" in done.says


def test_an_errand_joins_the_run_that_has_the_account(world: World, told: list[str]):
    other = claim_run(account=world.account, kind=RunKind.RECONCILE, clock=world.clock)
    assert other is not None
    errand = asked(world)

    def end_it(seconds: float) -> None:
        world.clock.advance(seconds=seconds)
        with arranging():
            Run.objects.filter(pk=other.pk).update(
                status=RunStatus.SUCCEEDED, coverage="COMPLETE", finished_at=world.clock.now()
            )

    world.clock.sleep = end_it  # type: ignore[method-assign]
    done = do(world, errand)
    assert told[-1] == f"waiting for run {other.pk}, which was under way already"
    assert (done.status, done.run) == (ErrandStatus.DONE, other)
    assert done.says == (
        f"run {other.pk} was under way already and does the same: "
        "main: SUCCEEDED, coverage COMPLETE"
    )


def test_an_errand_does_not_wait_for_ever_for_another_run(world: World):
    other = claim_run(account=world.account, kind=RunKind.RECONCILE, clock=world.clock)
    assert other is not None
    began = world.clock.now()
    done = do(world, asked(world))
    assert done.run == other
    assert "it has not ended yet" in done.says
    assert world.clock.now() - began <= timedelta(seconds=30)


def test_a_heartbeat_that_is_switched_off_says_so_and_reads_nothing(world: World):
    world.environ["ENABLE_RECON_POSITION_PARITY_HEARTBEAT"] = "false"
    done = do(world, asked(world, ErrandKind.HEARTBEAT))
    assert done.status == ErrandStatus.FAILED
    assert "the heartbeat is switched off" in done.says
    assert not Run.objects.exists()
    assert not world.exchange.asked


def test_an_account_that_was_disabled_meanwhile_is_not_read(world: World):
    errand = asked(world)
    with arranging():
        world.account.enabled = False
        world.account.save()
    done = do(world, errand)
    assert done.status == ErrandStatus.FAILED
    assert "the account is disabled" in done.says
    assert not Run.objects.exists()


def test_what_a_killed_worker_left_can_be_asked_for_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    def killed(*arguments: object) -> None:
        raise Killed

    errand = asked(world)
    with monkeypatch.context() as dying:
        dying.setattr(world.exchange, "fetch_open_orders", killed)
        with pytest.raises(Killed):
            do(world, errand)
    assert Errand.objects.get().status == ErrandStatus.RUNNING
    assert not ask(world).is_new

    world.clock.advance(seconds=SILENT_FOR.total_seconds() + 1)
    again = ask(world)
    assert again.is_new
    assert again.errand is not None
    assert do(world, again.errand).status == ErrandStatus.DONE


def ask(world: World) -> Asked:
    who: Person = person("olga", Right.REFRESH)
    ports = world.ports()
    return ask_errand(
        kind=ErrandKind.RECONCILE,
        account=world.account,
        person=who,
        conf=ports.conf,
        clock=ports.clock,
    )
