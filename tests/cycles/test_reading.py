"""What could not be read is unknown: recorded with its reason, and never a ground to write."""

from datetime import timedelta
from decimal import Decimal

import pytest

from reconciliation.enums import (
    Coverage,
    CoverageStatus,
    CycleStep,
    InstrumentType,
    OrderClass,
    RunStatus,
)
from reconciliation.exchange.gateway import (
    AccountHalted,
    BudgetExhausted,
    CredentialsRejected,
    PermanentExchangeError,
    RetryableExchangeError,
    UnknownSymbol,
)
from reconciliation.models import AuditEvent, Fill, FillCoverage, Run
from reconciliation.selectors.coverage import MARGIN, OVERLAP
from tests.builders import NOW, make_account, make_order, make_profile
from tests.cycles.worlds import CANCELED, FILLED, OPEN, World, everything, last_run, mismatches

pytestmark = pytest.mark.django_db
DOWN = RetryableExchangeError("http 500")
ERRORS = [
    DOWN,
    AccountHalted("http 429"),
    BudgetExhausted("the time is used up"),
    PermanentExchangeError("the key lacks a right"),
    CredentialsRejected("MAIN_SECRET is wrong"),
]
every_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


@every_error
def test_a_class_that_was_not_read_leaves_its_orders_and_says_why(world, error):
    regular = world.entry()
    algo = world.entry(order_class=OrderClass.CONDITIONAL)
    for order in (regular, algo):
        world.end(order, CANCELED)
    world.exchange.fail("fetch_open_orders", error, only=OrderClass.CONDITIONAL)

    outcome = world.cycle()

    regular.refresh_from_db()
    algo.refresh_from_db()
    assert (regular.status, algo.status) == (CANCELED, OPEN)
    assert (outcome.status, outcome.coverage) == (RunStatus.PARTIAL, Coverage.PARTIAL)
    assert outcome.unread == {"open_orders.conditional": str(error)}
    assert last_run().unread == outcome.unread


@every_error
def test_without_the_fills_of_the_window_orders_still_end_by_their_own(world, error):
    order = world.entry()
    world.fill(order, "0.5")
    world.end(order)
    world.exchange.fail("fetch_fill_pages", error)
    outcome = world.cycle()
    order.refresh_from_db()
    # The look-up brought the order's own fills: they prove as much as is needed of it.
    assert order.status == FILLED
    assert (outcome.status, outcome.unread) == (RunStatus.PARTIAL, {"fills.swap": str(error)})


@every_error
def test_without_positions_the_orders_are_reconciled_all_the_same(world, error):
    order = world.entry()
    world.end(order, CANCELED)
    world.exchange.fail("fetch_positions", error)
    outcome = world.cycle()
    order.refresh_from_db()
    assert order.status == CANCELED
    assert (outcome.status, outcome.unread) == (RunStatus.PARTIAL, {"positions": str(error)})


@every_error
def test_when_nothing_could_be_read_the_run_failed_and_nothing_is_written(world, error):
    order = world.entry()
    world.end(order, CANCELED)
    for method in ("fetch_open_orders", "fetch_fill_pages", "fetch_positions"):
        world.exchange.fail(method, error)
    before = everything()

    outcome = world.cycle()

    assert everything() == before
    assert (outcome.status, outcome.coverage) == (RunStatus.FAILED, Coverage.NONE)
    assert outcome.error == f"nothing could be read: {error}"
    run = last_run()
    assert (run.status, run.error) == (RunStatus.FAILED, outcome.error)
    assert run.finished_at is not None
    assert world.exchange.asked["fetch_order"] == 0


@every_error
def test_without_instruments_the_run_failed_with_the_reason(world, error):
    world.exchange.fail("load_instruments", error)
    outcome = world.cycle()
    assert (outcome.status, outcome.error) == (RunStatus.FAILED, str(error))
    assert last_run().status == RunStatus.FAILED


@every_error
@pytest.mark.parametrize("method", ["fetch_order", "fetch_order_fills"])
def test_a_look_up_that_fails_leaves_its_order_and_stops_no_other(world, error, method):
    bad, good = world.entry(), world.entry()
    for order in (bad, good):
        world.end(order, CANCELED)
    world.exchange.fail(method, error, only=bad.exchange_order_id)

    outcome = world.cycle()

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, good.status) == (OPEN, CANCELED)
    assert (outcome.status, outcome.coverage) == (RunStatus.PARTIAL, Coverage.PARTIAL)
    assert outcome.counts["look_ups_failed"] == 1
    assert str(error) in str(outcome.unread)
    assert [kind for kind, _ in mismatches()] == ["MISSING_FROM_EXCHANGE"]


def test_an_order_of_a_symbol_that_the_exchange_does_not_list_stops_no_other(world):
    delisted, good = world.entry(symbol="OLD/USDT:USDT"), world.entry()
    world.end(good, CANCELED)
    outcome = world.cycle()
    good.refresh_from_db()
    delisted.refresh_from_db()
    assert (good.status, delisted.status) == (CANCELED, OPEN)
    assert outcome.status == RunStatus.PARTIAL
    assert isinstance(UnknownSymbol("x"), PermanentExchangeError)


def test_what_failed_once_is_read_in_the_next_cycle(world):
    order = world.entry()
    world.end(order, CANCELED)
    world.exchange.fail("fetch_open_orders", DOWN, times=2)
    assert world.cycle().status == RunStatus.PARTIAL
    assert world.cycle().status == RunStatus.SUCCEEDED
    order.refresh_from_db()
    assert order.status == CANCELED


def test_an_open_mismatch_is_not_taken_for_healed_by_an_outage(world):
    world.entry()
    world.cycle()
    world.exchange.fail("fetch_open_orders", DOWN)
    world.cycle()
    assert mismatches() == [("MISSING_FROM_EXCHANGE", "OPEN")]


def test_an_order_of_nobody_is_not_taken_for_gone_by_an_outage(world):
    order = make_order(None)
    shown = world.show(order, exchange_order_id="77", client_order_id=None, sub_tag=None)
    world.show(order)
    world.cycle()
    assert mismatches() == [("MISSING_IN_DB", "OPEN")]
    world.exchange.fail("fetch_open_orders", DOWN, only=OrderClass.CONDITIONAL)
    world.exchange.orders.remove(shown)
    world.cycle()
    assert mismatches() == [("MISSING_IN_DB", "OPEN")]
    world.exchange.heal()
    world.cycle()
    assert mismatches() == [("MISSING_IN_DB", "RESOLVED")]


# --- accounts ---


@every_error
def test_an_account_that_cannot_be_reached_has_a_failed_run_and_the_others_go_on(world, error):
    other = make_account("other")
    make_profile("beta", account=other, sub_tag="beta01")
    world.gateways.of_account["main"] = error
    world.serve(other)

    main, second = world.cycles()

    assert (main.status, main.error) == (RunStatus.FAILED, str(error))
    assert second.status == RunStatus.SUCCEEDED
    assert set(Run.objects.values_list("account__name", "status")) == {
        ("main", "FAILED"),
        ("other", "SUCCEEDED"),
    }


def test_a_mistake_of_ours_in_one_account_is_recorded_and_the_others_go_on(world):
    other = make_account("other")
    world.exchange.fail("fetch_open_orders", ZeroDivisionError("a mistake"))
    world.serve(other)

    main, second = world.cycles()

    assert main.status == RunStatus.FAILED
    assert "a mistake" in main.error
    assert second.status == RunStatus.SUCCEEDED
    run = Run.objects.get(account__name="main")
    assert (run.status, run.error) == (RunStatus.FAILED, main.error)


@pytest.mark.parametrize("text", ["a NUL \x00", "half \ud800 a pair"], ids=["NUL", "surrogate"])
@pytest.mark.parametrize("method", ["load_instruments", "fetch_open_orders", "fetch_order"])
def test_a_reason_that_no_column_can_hold_is_recorded_as_far_as_it_can_be(world, text, method):
    order = world.entry()
    world.end(order, CANCELED)
    world.exchange.fail(method, RetryableExchangeError(f"bad: {text}"))
    outcome = world.cycle()
    run = last_run()
    assert run.status == outcome.status != RunStatus.RUNNING
    assert "bad: " in f"{run.error}{run.unread}"


def test_a_failed_run_gives_its_claim_back(world):
    world.exchange.fail("load_instruments", DOWN, times=1)
    assert world.cycle().status == RunStatus.FAILED
    assert world.cycle(minutes=0.1).status == RunStatus.SUCCEEDED


def test_each_cycle_has_a_budget_of_its_own(world):
    world.cycle()
    world.cycle()
    assert world.exchange.budgets == [30.0, 30.0]


# --- bounded look-ups ---


def test_look_ups_are_bounded_oldest_first_and_the_rest_is_carried_over(world):
    world.environ["RECON_MAX_ORDER_LOOKUPS_PER_CYCLE"] = "2"
    orders = [world.entry(created_at=NOW - timedelta(hours=hours)) for hours in (2, 4, 3)]
    for order in orders:
        world.end(order, CANCELED)

    first = world.cycle()
    assert (first.counts["look_ups"], first.counts["look_ups_waiting"]) == (2, 1)
    assert (first.status, first.coverage) == (RunStatus.PARTIAL, Coverage.PARTIAL)
    statuses = [order.status for order in map(_refreshed, orders)]
    assert statuses == [OPEN, CANCELED, CANCELED]

    second = world.cycle()
    assert (second.counts["look_ups"], second.status) == (1, RunStatus.SUCCEEDED)
    assert _refreshed(orders[0]).status == CANCELED


def test_orders_that_stay_unanswered_keep_no_other_from_its_turn(world):
    world.environ["RECON_MAX_ORDER_LOOKUPS_PER_CYCLE"] = "1"
    stuck = world.entry(created_at=NOW - timedelta(hours=9))
    order = world.entry()
    world.end(order, CANCELED)
    world.exchange.fail("fetch_order", DOWN, only=stuck.exchange_order_id)
    world.cycle()
    world.cycle()
    assert _refreshed(order).status == CANCELED


def _refreshed(order):
    order.refresh_from_db()
    return order


# --- the window of fills ---


def known() -> list[tuple[str, object, object]]:
    rows = FillCoverage.objects.order_by("start_at")
    return [(row.status, row.start_at, row.end_at) for row in rows]


def test_the_first_reading_begins_before_the_oldest_thing_that_is_open(world):
    order = world.entry(created_at=NOW - timedelta(days=3))
    world.show(order)
    world.cycle()
    as_of = world.clock.now()
    grace = timedelta(minutes=5)
    start = order.created_at - grace - MARGIN
    assert known() == [(CoverageStatus.PROVEN, start, as_of)]
    assert world.exchange.windows == [(start, as_of)]


def test_a_later_reading_goes_back_no_further_than_it_must(world):
    world.environ["RECON_INFLIGHT_GRACE_MS"] = "0"
    order = world.entry(created_at=NOW - timedelta(days=3))
    world.show(order)
    world.exchange.page_size = 2
    for minutes in (3000, 2000, 60, 30, 20, 1):
        world.fill(order, "0.01", executed_at=NOW - timedelta(minutes=minutes))
    world.cycle()
    world.exchange.asked.clear()
    world.cycle()
    # Pages of two: one with the newest ones, one that reaches the overlap.
    assert world.exchange.asked["fetch_fill_pages"] <= 2
    (interval,) = known()
    assert interval[2] == world.clock.now()


def test_a_fill_that_appears_late_within_the_overlap_is_found(world):
    order = world.entry()
    world.show(order)
    world.cycle()
    late = world.clock.now() - OVERLAP + timedelta(minutes=2)
    world.fill(order, "0.2", executed_at=late)
    world.cycle()
    assert Fill.objects.get().allocated_quantity == Decimal("0.2")


def test_the_pages_before_an_error_are_kept_and_the_gap_is_read_next_time(world):
    order = world.entry(created_at=NOW - timedelta(days=2))
    world.show(order)
    world.exchange.page_size = 1
    for minutes in (600, 300, 100):
        world.fill(order, "0.1", executed_at=NOW - timedelta(minutes=minutes))
    world.exchange.fail("fetch_fill_pages", DOWN, times=0)
    _fail_on_page(world, 3)

    first = world.cycle()
    assert first.unread == {"fills.swap": "http 500"}
    assert Fill.objects.count() == 2

    world.exchange.heal()
    second = world.cycle()
    assert second.status == RunStatus.SUCCEEDED
    assert Fill.objects.count() == 3
    assert len(known()) == 1


def _fail_on_page(world: World, number: int) -> None:
    """Let the fake fail when it is asked for that page, and not before."""
    ask = world.exchange._ask

    def counting(method: str, *arguments: object) -> None:
        ask(method, *arguments)
        if method == "fetch_fill_pages" and world.exchange.asked[method] == number:
            raise DOWN

    world.exchange._ask = counting  # type: ignore[method-assign]


def test_a_list_that_loses_a_fill_without_saying_so_proves_nothing(world):
    order = world.entry()
    world.show(order)
    world.fill(order, "0.2", executed_at=NOW - timedelta(minutes=2))
    world.cycle()
    before = known()
    fills, world.exchange.fills = world.exchange.fills, []
    outcome = world.cycle()
    assert outcome.status == RunStatus.PARTIAL
    assert "shown before" in outcome.unread["fills.swap"]
    assert known() == before
    world.exchange.fills = fills
    assert world.cycle().status == RunStatus.SUCCEEDED


def test_history_that_the_exchange_keeps_no_more_is_no_failure(world):
    order = world.entry(created_at=NOW - timedelta(days=30))
    world.show(order)
    world.fill(order, "0.1")
    kept = world.exchange.kept_since = NOW - timedelta(days=10)
    outcome = world.cycle()
    assert (outcome.status, outcome.unread) == (RunStatus.SUCCEEDED, {})
    statuses = [(status, end) for status, _, end in known()]
    assert statuses == [
        (CoverageStatus.UNOBTAINABLE, kept),
        (CoverageStatus.PROVEN, world.clock.now()),
    ]
    before = len(known())
    assert world.cycle().status == RunStatus.SUCCEEDED
    assert len(known()) == before


def test_each_instrument_type_is_read_and_known_apart(world):
    world.exchange.types = (InstrumentType.SWAP, InstrumentType.SPOT)
    world.exchange.fail("fetch_fill_pages", DOWN, only=InstrumentType.SPOT)
    outcome = world.cycle()
    assert outcome.unread == {"fills.spot": "http 500"}
    assert set(FillCoverage.objects.values_list("instrument_type", flat=True)) == {"swap"}


# --- nothing is asked while anything is locked ---


def test_the_network_is_finished_before_the_first_lock_is_taken(world):
    order = world.entry()
    world.fill(order, "0.5")
    world.end(order)
    asked: dict[CycleStep, int] = {}
    world.cycle(
        reach=lambda step: asked.setdefault(step, sum(world.exchange.asked.values())) or None
    )
    total = sum(world.exchange.asked.values())
    assert asked[CycleStep.SNAPSHOT] < asked[CycleStep.LOOKUPS] == total
    assert asked[CycleStep.LOCK] == asked[CycleStep.BEFORE_COMMIT] == total
    assert list(asked) == list(CycleStep)


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_network_is_used():
    world = World()
    assert world.exchange._outside == 0
    order = world.entry()
    world.fill(order, "0.5")
    world.end(order)
    assert world.cycle().status == RunStatus.SUCCEEDED
    assert world.exchange.asked["fetch_order"] >= 1
    assert AuditEvent.objects.filter(action="trade.entry_filled").exists()


@pytest.mark.parametrize("text", ["a NUL \x00", "half \ud800 a pair"], ids=["NUL", "surrogate"])
@pytest.mark.parametrize("field", ["sub_tag", "client_order_id"])
def test_what_a_stranger_wrote_on_its_order_stops_nobody(world, text, field):
    mine, strange = world.entry(), make_order(None)
    world.end(mine, CANCELED)
    world.show(strange)
    ids = {"client_order_id": None, "sub_tag": None, field: text}
    world.show(strange, exchange_order_id="77", raw=f'{{"text":"{text!a}"}}', **ids)
    outcome = world.cycle()
    assert outcome.status == RunStatus.SUCCEEDED
    assert _refreshed(mine).status == CANCELED
    assert mismatches()[-1] == ("MISSING_IN_DB", "OPEN")
