"""Whole heartbeats over a fake exchange: what is confirmed, what is closed, and what never is."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from reconciliation.cycles import heartbeat_outcomes
from reconciliation.cycles.heartbeat import heartbeat_accounts
from reconciliation.cycles.reconcile import UnknownName
from reconciliation.enums import (
    CycleStep,
    InstrumentType,
    RunKind,
    RunStatus,
    TradeStatus,
)
from reconciliation.exchange.gateway import RetryableExchangeError, Unsupported
from reconciliation.handlers.leases import take_lease
from reconciliation.handlers.runs import CLAIM_TTL
from reconciliation.models import (
    ParityReading,
    ParityWatch,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
)
from tests.builders import NOW, SYMBOL, arranging, make_accepted_position, make_profile
from tests.cycles.fakes import instrument
from tests.cycles.heartbeats import (
    ONE,
    beat,
    findings,
    hold,
    questions,
    show_fill,
    slice_of,
    status_of,
)
from tests.cycles.worlds import World, actions, everything, last_run, sources

pytestmark = pytest.mark.django_db
CLOSED, OPEN, QUARANTINED = TradeStatus.CLOSED, TradeStatus.OPEN, TradeStatus.QUARANTINED
DOWN = RetryableExchangeError("the exchange is down")


@pytest.fixture
def one(world: World) -> World:
    """A world in which one confirmation is enough."""
    world.environ = dict(ONE)
    world.exchange.instruments["ETH/USDT:USDT"] = instrument("ETH/USDT:USDT")
    return world


def once_judged(deliver: Callable[[], None]) -> Callable[[CycleStep], None]:
    """Return what lets something arrive after the verdicts: the loop's pass looks up before."""
    reached: list[CycleStep] = []

    def reach(step: CycleStep) -> None:
        reached.append(step)
        if step == CycleStep.LOOKUPS and reached.count(step) == 2:
            with arranging():
                deliver()

    return reach


def assert_untouched(*trades: Trade) -> None:
    assert [status_of(trade) for trade in trades] == [OPEN] * len(trades)
    assert {"trade.synthetic_exit", "trade.quarantined"}.isdisjoint(actions())


def test_a_ghost_is_closed_at_the_third_confirmation_and_no_sooner(world):
    ghost = slice_of(world)
    for _ in range(2):
        assert beat(world).status == RunStatus.SUCCEEDED
        assert_untouched(ghost)
    beat(world)

    assert status_of(ghost) == CLOSED
    assert sources()[-1] == ("EXIT", "SYNTHETIC", "0.5")
    assert findings() == [("GHOST_POSITION", "RESOLVED", ghost.pk)]


def test_a_second_heartbeat_on_unchanged_input_writes_nothing_audited(one):
    slice_of(one)
    beat(one)
    beat(one)
    before = everything()
    beat(one)

    assert everything() == before


@pytest.mark.parametrize(
    "method", ["fetch_positions", "fetch_fill_pages", "load_instruments", "fetch_margin_in_use"]
)
def test_what_cannot_be_read_leads_to_nothing(one, method):
    ghost, held = slice_of(one), slice_of(one, symbol="ETH/USDT:USDT")
    hold(one, "0.5", "ETH/USDT:USDT")
    one.exchange.fail(method, DOWN)
    for _ in range(3):
        beat(one)

    assert_untouched(ghost, held)


def test_nothing_readable_fails_the_run(one):
    slice_of(one)
    one.exchange.fail("fetch_positions", DOWN)

    outcome = beat(one)

    assert (outcome.status, last_run().kind) == (RunStatus.FAILED, RunKind.HEARTBEAT)
    assert "no position could be read" in outcome.error


def test_an_exchange_that_does_not_tell_its_margin_cannot_contradict(one):
    ghost = slice_of(one)
    one.exchange.fail("fetch_margin_in_use", Unsupported("no such endpoint"))
    beat(one)

    assert status_of(ghost) == CLOSED


def test_margin_in_use_that_no_position_explains_is_a_hidden_position(one):
    ghost = slice_of(one)
    one.exchange.margin_in_use = {"USDT": Decimal(3000)}
    for _ in range(3):
        beat(one)

    assert_untouched(ghost)


def test_margin_that_another_position_does_not_explain_whole_is_a_hidden_position(one):
    ghost, _ = slice_of(one), slice_of(one, symbol="ETH/USDT:USDT")
    hold(one, "0.5", "ETH/USDT:USDT", initial_margin=Decimal(1000))
    one.exchange.margin_in_use = {"USDT": Decimal(4000)}
    beat(one)
    assert_untouched(ghost)

    one.exchange.margin_in_use = {"USDT": Decimal(1005)}
    beat(one)
    assert status_of(ghost) == CLOSED


def test_a_slice_of_a_symbol_without_an_instrument_is_never_judged(one):
    strange = slice_of(one)
    del one.exchange.instruments[SYMBOL]
    one.exchange.fills.clear()
    outcome = beat(one)

    assert_untouched(strange)
    assert outcome.status == RunStatus.FAILED or f"position {SYMBOL} net" in outcome.unread


def test_spot_coins_are_not_gone_because_their_market_is_not_listed(one):
    one.exchange.types = (InstrumentType.SWAP, InstrumentType.SPOT)
    one.exchange.balances = {"BTC": Decimal("0.5")}
    strange = slice_of(one, symbol="BTC/USDT")
    assert beat(one).status == RunStatus.SUCCEEDED
    del one.exchange.instruments["BTC/USDT"]
    one.exchange.fills.clear()
    for _ in range(2):
        beat(one)

    assert_untouched(strange)


def test_what_a_person_ignored_may_net_with_a_slice(one):
    held = slice_of(one)
    with arranging():
        make_accepted_position(one.account, symbol=SYMBOL, side="net", quantity="-0.5")
    for _ in range(2):
        beat(one)

    assert_untouched(held)


def test_a_delivery_between_reading_and_writing_leaves_the_position_alone(one):
    ghost, other = slice_of(one), slice_of(one, "0.2", profile=make_profile("beta"))
    moved = Trade.objects.filter(pk=other.pk)

    beat(one, reach=once_judged(lambda: moved.update(version=other.version + 1)))
    assert_untouched(ghost, other)
    beat(one)
    assert [status_of(ghost), status_of(other)] == [CLOSED, CLOSED]


def test_a_new_slice_between_reading_and_writing_leaves_the_position_alone(one):
    ghost = slice_of(one)

    beat(one, reach=once_judged(lambda: slice_of(one, "0.1")))

    assert status_of(ghost) == OPEN


def test_a_closed_trade_of_the_symbol_moves_nothing(one):
    ghost = slice_of(one)
    closed = {"status": "CLOSED", "exit_quantity": "0.1", "closed_at": NOW}

    beat(one, reach=once_judged(lambda: slice_of(one, "0.1", **closed)))

    assert status_of(ghost) == CLOSED


def test_a_position_that_a_locked_profile_has_part_in_is_left_whole(one):
    beta = make_profile("beta", sub_tag="beta01")
    mine, other = slice_of(one), slice_of(one, "0.3", profile=beta)
    alone = slice_of(one, "2", symbol="ETH/USDT:USDT")
    lease = take_lease(
        profile_id=beta.pk, holder="another", ttl=timedelta(minutes=10), clock=one.clock
    )
    assert lease is not None

    outcome = beat(one)

    assert outcome.status == RunStatus.PARTIAL
    assert last_run().skipped_profiles == ["beta"]
    assert [status_of(each) for each in (mine, other, alone)] == [OPEN, OPEN, CLOSED]


def test_a_slice_of_a_disabled_profile_counts_and_is_never_written(one):
    off = make_profile("off", sub_tag="off01", enabled=False)
    ghost, its = slice_of(one), slice_of(one, "0.3", profile=off)
    beat(one)

    assert [status_of(ghost), status_of(its)] == [CLOSED, OPEN]


def test_a_disabled_profiles_slice_still_explains_a_position(one):
    off = make_profile("off", sub_tag="off01", enabled=False)
    slice_of(one), slice_of(one, "0.3", profile=off)
    hold(one, "0.8")
    beat(one)

    assert findings() == []


def test_what_a_person_rejected_is_not_asked_again_and_new_evidence_is(one):
    ghost = slice_of(one, tag=None)
    beat(one)
    assert questions() == [(ghost.pk, "UNATTRIBUTED", "PENDING")]
    with arranging():
        ReviewItem.objects.update(status="REJECTED", closed_at=NOW)
        Trade.objects.filter(pk=ghost.pk).update(status="OPEN", version=9)
    for _ in range(3):
        beat(one)
    assert status_of(ghost) == OPEN

    show_fill(one, at=NOW)
    beat(one)
    assert status_of(ghost) == QUARANTINED
    assert questions()[-1] == (ghost.pk, "UNRESOLVED_FILLS", "PENDING")


def test_a_dry_run_keeps_what_it_would_do_and_writes_no_exit(one):
    one.environ["RECON_POSITION_PARITY_DRY_RUN"] = "true"
    ghost = slice_of(one)
    beat(one)

    assert_untouched(ghost)
    reading = ParityReading.objects.get()
    assert reading.dry_run
    assert "would be" in reading.outcome
    assert "60000" in reading.outcome


def test_streaks_survive_a_run_that_is_skipped(world):
    world.environ["RECON_POSITION_PARITY_CONFIRMATIONS"] = "2"
    ghost = slice_of(world)
    lease = take_lease(
        profile_id=world.alpha.pk, holder="x", ttl=timedelta(seconds=90), clock=world.clock
    )
    assert lease is not None
    assert beat(world).status == RunStatus.SKIPPED_LOCKED
    assert ParityWatch.objects.get().streak == 1
    beat(world)

    assert status_of(ghost) == CLOSED


def test_off_means_no_run_at_all_and_a_wrong_name_is_still_told(world):
    slice_of(world)
    world.environ["ENABLE_RECON_POSITION_PARITY_HEARTBEAT"] = "false"

    assert heartbeat_accounts(ports=world.ports()) == ()
    assert Run.objects.count() == 0
    with pytest.raises(UnknownName):
        heartbeat_accounts(ports=world.ports(), account="nowhere")


class Killed(BaseException):
    """What a kill looks like from within."""


@pytest.mark.parametrize("step", CycleStep, ids=str)
def test_a_heartbeat_killed_at_any_step_is_made_good_by_a_later_one(one, step):
    ghost = slice_of(one)

    def reach(at: CycleStep) -> None:
        if at == step:
            raise Killed

    with pytest.raises(Killed):
        beat(one, reach=reach)
    assert_untouched(ghost)
    one.clock.advance(seconds=CLAIM_TTL.total_seconds())
    beat(one)
    beat(one)

    assert status_of(ghost) == CLOSED
    assert TradeHistory.objects.filter(source="SYNTHETIC").count() == 1
    assert actions().count("trade.synthetic_exit") == 1


def test_a_fault_in_one_profile_stops_no_other_and_is_recorded(one, monkeypatch):
    spoiled = slice_of(one)
    with arranging():
        other = make_profile("other", account=spoiled.account)
    closed = slice_of(one, profile=other, symbol="ETH/USDT:USDT")
    real = heartbeat_outcomes.apply_parity

    def fail_first(*, context, **rest):
        if context.profile == spoiled.profile:
            raise RuntimeError("a fault of ours")
        return real(context=context, **rest)

    monkeypatch.setattr(heartbeat_outcomes, "apply_parity", fail_first)
    assert beat(one).status == RunStatus.PARTIAL
    assert (status_of(spoiled), status_of(closed)) == (OPEN, CLOSED)
    assert "unexpected RuntimeError: a fault of ours" in last_run().row_errors[0]
