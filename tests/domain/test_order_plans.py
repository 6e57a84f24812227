"""How orders end, and what becomes of their trades."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconciliation.domain.books import Books
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.orders import UNKNOWN_TO_EXCHANGE
from reconciliation.enums import MismatchKind, OrderStatus, Side, TradeStatus
from tests.domain.builders import (
    NOT_FOUND,
    NOT_READ,
    NOW,
    SPOT,
    SYMBOL,
    applied,
    books,
    ended,
    exit_order,
    fill,
    mismatch,
    order,
    plan,
    row,
    shown,
    snapshot,
    trade,
)

CANCELED, FILLED, OPEN = OrderStatus.CANCELED, OrderStatus.FILLED, OrderStatus.OPEN
EXITS = exit_order()


def cycle(world: Books, look_ups=None, seen=None, **policy) -> tuple[Books, tuple[Change, ...]]:
    changes = plan(world, seen, look_ups, **policy)
    return applied(world, changes), changes


def actions(changes: tuple[Change, ...]) -> list[str]:
    return [event.action for change in changes for event in change.events]


def test_a_canceled_entry_without_fills_cancels_its_trade():
    after, changes = cycle(books(trade(), order()), {1: ended(CANCELED)})
    assert after.trades[1].status == TradeStatus.CANCELED
    assert after.orders[1].status == CANCELED
    assert actions(changes) == ["order.canceled"]


def test_a_canceled_entry_with_fills_keeps_them_and_its_trade():
    world = books(trade(), order(), fill(1, "0.2"))
    after, changes = cycle(world, {1: ended(CANCELED, "0.2")})
    assert after.trades[1].status == TradeStatus.OPEN
    assert after.trades[1].entry_quantity == Decimal("0.2")
    assert after.orders[1].filled_quantity == Decimal("0.2")
    assert actions(changes) == ["trade.entry_filled", "order.canceled"]


def test_an_entry_that_was_replaced_by_a_larger_one_and_canceled_is_not_filled():
    world = books(trade(), order(quantity="0.5"), fill(1, "0.5"))
    larger = shown(exchange_order_id="78", status=CANCELED, quantity="0.4", filled_quantity="0")
    first = ended(CANCELED, "0.5")
    look_up = replace(first, legs=(*first.legs, larger))
    after, changes = cycle(world, {1: look_up})
    assert (after.orders[1].status, after.orders[1].quantity) == (CANCELED, Decimal("0.9"))
    assert after.trades[1].entry_quantity == Decimal("0.5")
    assert actions(changes) == ["order.legs_found", "trade.entry_filled", "order.canceled"]


def test_a_canceled_second_entry_leaves_what_the_first_one_bought():
    world = books(trade(entered="0.5"), order(2))
    after, _ = cycle(world, {2: ended(CANCELED, of=order(2))})
    assert after.trades[1] == world.trades[1]


def test_a_canceled_entry_does_not_cancel_a_trade_that_another_order_may_still_enter():
    first, second = order(1), order(2)
    world = books(trade(), first, second)
    after, _ = cycle(world, {1: ended(CANCELED)}, snapshot(shown(second)))
    assert after.trades[1].status == TradeStatus.PENDING


def test_a_canceled_exit_leaves_its_trade_open():
    world = books(trade(entered="0.5"), EXITS)
    after, changes = cycle(world, {2: ended(CANCELED, of=EXITS)})
    assert after.trades[1] == world.trades[1]
    assert after.orders[2].status == CANCELED
    assert actions(changes) == ["order.canceled"]


def test_a_canceled_exit_with_fills_books_them_first():
    world = books(trade(entered="0.5"), EXITS, fill(1, "0.2", of=EXITS))
    after, changes = cycle(world, {2: ended(CANCELED, "0.2", of=EXITS)})
    assert after.trades[1].open_quantity == Decimal("0.3")
    assert after.orders[2].status == CANCELED
    assert actions(changes) == ["trade.exit_filled", "order.canceled"]


def test_a_quarantined_trade_takes_the_fills_of_its_own_order():
    waiting = trade(entered="0.5", status=TradeStatus.QUARANTINED)
    world = books(waiting, EXITS, fill(1, "0.2", of=EXITS))
    after, _ = cycle(world, seen=snapshot(shown(EXITS)))
    assert after.trades[1].status == TradeStatus.QUARANTINED
    assert after.trades[1].open_quantity == Decimal("0.3")


def test_an_exit_filled_beyond_what_is_open_closes_the_trade_and_waits_for_a_person():
    sells = exit_order(quantity="0.8")
    world = books(trade(entered="0.5"), sells, fill(1, "0.8", of=sells))
    after, changes = cycle(world, {2: ended(FILLED, "0.8", of=sells)})
    assert after.trades[1].status == TradeStatus.CLOSED
    assert after.fills[0].remaining == Decimal("0.3")
    (found,) = (each for change in changes for each in change.mismatches)
    assert found.resolution is None
    assert "0.3" in str(found.exchange_side["problem"])


def test_an_overclose_is_never_made_an_entry_in_any_later_cycle():
    sells = exit_order(quantity="0.8")
    world = books(trade(entered="0.5"), sells, fill(1, "0.8", of=sells))
    look_ups = {2: ended(FILLED, "0.8", of=sells)}
    after, _ = cycle(world, look_ups)
    for _ in range(3):
        again, changes = cycle(after, look_ups)
        assert again == after
        assert all(each.resolution is None for change in changes for each in change.mismatches)


def test_a_residue_below_one_step_is_closed_by_a_dust_row():
    world = books(trade(entered="0.50005"), EXITS, fill(1, "0.5", of=EXITS))
    after, changes = cycle(world, {2: ended(FILLED, "0.5", of=EXITS)})
    assert after.trades[1].status == TradeStatus.CLOSED
    assert [draft.source for change in changes for draft in change.history] == [
        "RECONCILED",
        "DUST",
    ]


def test_dust_does_not_change_the_price_of_what_was_sold():
    world = books(trade(entered="0.50005"), EXITS, fill(1, "0.5", of=EXITS, price="61000"))
    after, _ = cycle(world, {2: ended(FILLED, "0.5", of=EXITS)})
    assert after.trades[1].average_exit_price == Decimal(61000)


def test_an_entry_leaves_no_dust():
    world = books(trade(), order(), fill(1, "0.5"), amount_steps={SYMBOL: Decimal(1)})
    after, _ = cycle(world, {1: ended(FILLED, "0.5")})
    assert after.trades[1].status == TradeStatus.OPEN


@pytest.mark.parametrize("over", ["closed", "canceled"])
def test_an_entry_fill_reopens_a_trade_that_was_over(over):
    before = {
        "closed": trade(entered="0.5", exited="0.5"),
        "canceled": trade(status=TradeStatus.CANCELED),
    }[over]
    late = order(status=CANCELED)
    after, changes = cycle(books(before, late, fill(1, "0.2")))
    assert after.trades[1].status == TradeStatus.OPEN
    assert after.trades[1].open_quantity == Decimal("0.2")
    assert actions(changes)[0] == "trade.entry_filled"


def test_a_late_fill_that_completes_a_canceled_order_makes_it_filled():
    world = books(trade(), order(status=CANCELED, end_reason="CANCELED"), fill(1, "0.5"))
    after, _ = cycle(world)
    assert (after.orders[1].status, after.orders[1].end_reason) == (FILLED, "")


def test_fills_of_an_order_without_a_trade_wait_for_a_person():
    lonely = order(trade_id=None)
    after, changes = cycle(books(lonely, fill(1)), {1: ended(FILLED, "0.5")})
    assert after.fills[0].remaining == Decimal("0.5")
    assert after.orders[1].status == FILLED
    (found,) = (each for change in changes for each in change.mismatches)
    assert found.resolution is None
    assert found.exchange_side["problem"]


@pytest.mark.parametrize(
    "contradiction",
    [{"profile_id": 2}, {"symbol": "ETH/USDT:USDT"}, {"side": Side.SELL}],
    ids=["profile", "symbol", "side"],
)
def test_fills_of_an_order_that_contradicts_its_trade_are_not_booked(contradiction):
    wrong = order(**contradiction)
    after, changes = cycle(
        books(trade(), wrong, fill(1, of=wrong)), {1: ended(FILLED, "0.5", of=wrong)}
    )
    assert after.trades[1].entry_quantity == 0
    assert after.fills[0].remaining == Decimal("0.5")
    (found,) = (each for change in changes for each in change.mismatches)
    assert found.resolution is None


def test_a_fill_that_its_fee_takes_whole_books_nothing_and_is_said_once_not_each_cycle():
    spot = order(symbol=SPOT)
    eaten = fill(1, "0.5", of=spot, fee="0.5", fee_currency="BTC")
    world = books(trade(symbol=SPOT), spot, eaten)
    look_ups = {1: ended(FILLED, "0.5", of=spot)}
    after, _ = cycle(world, look_ups)
    assert after.trades[1].entry_quantity == 0
    again, changes = cycle(after, look_ups)
    assert again == after
    assert all(each.resolution is None for change in changes for each in change.mismatches)


def test_an_exit_beyond_what_is_open_is_no_question_while_an_entry_is_unsettled():
    # The entry may have bought what the exit sold; nobody knows yet.
    sells = exit_order(quantity="0.8")
    world = books(trade(entered="0.5"), order(1), sells, fill(1, "0.8", of=sells))
    _, changes = cycle(world, {1: NOT_READ, 2: ended(FILLED, "0.8", of=sells)})
    assert [each for change in changes for each in change.reviews] == []
    _, changes = cycle(world, {1: ended(CANCELED), 2: ended(FILLED, "0.8", of=sells)})
    assert [each.reason for change in changes for each in change.reviews] == ["OVERCLOSE"]


def test_an_order_without_a_trade_ends_when_it_has_no_fills():
    after, _ = cycle(books(order(trade_id=None)), {1: ended(CANCELED)})
    assert after.orders[1].status == CANCELED


def test_fills_that_a_delivered_row_reports_end_the_order_and_are_booked_once():
    world = books(trade(entered="0.5"), order(), fill(1, "0.5"), row(7, "0.5", order_id=1))
    after, changes = cycle(world, {1: ended(FILLED, "0.5")})
    assert after.orders[1].status == FILLED
    assert after.trades[1].entry_quantity == Decimal("0.5")
    assert [draft for change in changes for draft in change.history] == []


def test_a_filled_quantity_never_falls_below_what_the_bot_delivered():
    world = books(trade(), order(filled_quantity="0.4"), fill(1, "0.1"))
    after, _ = cycle(world, {1: ended(CANCELED, "0.1")})
    assert after.orders[1].filled_quantity == Decimal("0.4")


# --- no such order ---


def missing(count: int) -> Books:
    """Return the books of an order that the exchange did not know `count` times so far."""
    known = [mismatch(not_found_count=count)] if count else []
    return books(trade(), order(), *known)


def counts(changes: tuple[Change, ...]) -> list[int]:
    return [each.not_found_count for change in changes for each in change.mismatches]


def test_an_order_that_is_not_found_is_counted_and_left_active():
    after, changes = cycle(missing(0), {1: NOT_FOUND})
    assert counts(changes) == [1]
    assert after.orders[1].is_active
    assert changes[0].mismatches[0].resolution is None
    assert changes[0].events == ()


def test_an_order_that_is_not_found_often_enough_is_canceled():
    after, changes = cycle(missing(4), {1: NOT_FOUND})
    assert counts(changes) == [5]
    assert after.orders[1].status == CANCELED
    assert after.orders[1].end_reason == UNKNOWN_TO_EXCHANGE
    assert after.trades[1].status == TradeStatus.CANCELED
    assert changes[0].mismatches[0].resolution is not None
    assert actions(changes) == ["order.canceled"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_one_time_too_few_cancels_nothing(count):
    after, _ = cycle(missing(count), {1: NOT_FOUND})
    assert after.orders[1].is_active


def test_as_often_as_the_setting_says_is_enough():
    assert not cycle(missing(0), {1: NOT_FOUND}, retries=1)[0].orders[1].is_active
    assert cycle(missing(0), {1: NOT_FOUND}, retries=2)[0].orders[1].is_active


def test_without_complete_fills_an_order_that_is_not_found_stays_however_often():
    after, changes = cycle(missing(99), {1: NOT_FOUND}, covered=[])
    assert after.orders[1].is_active
    assert counts(changes) == [100]
    assert changes[0].mismatches[0].resolution is None


def test_the_fills_of_an_order_that_is_not_found_are_booked_before_it_is_canceled():
    world = books(*_all(missing(4)), fill(1, "0.2"))
    after, changes = cycle(world, {1: NOT_FOUND})
    assert after.trades[1].entry_quantity == Decimal("0.2")
    assert after.trades[1].status == TradeStatus.OPEN
    assert after.orders[1].status == CANCELED
    assert actions(changes) == ["trade.entry_filled", "order.canceled"]


def test_an_order_that_is_not_found_but_whose_fills_add_up_was_filled():
    world = books(*_all(missing(4)), fill(1, "0.5"))
    after, _ = cycle(world, {1: NOT_FOUND})
    assert (after.orders[1].status, after.orders[1].end_reason) == (FILLED, "")


@pytest.mark.parametrize(
    "answer", [{1: NOT_READ}, {}], ids=["the look-up failed", "it had no turn"]
)
def test_what_is_unknown_leaves_the_count(answer):
    _, changes = cycle(missing(3), answer)
    assert changes == ()


def test_an_order_that_was_never_found_keeps_its_count_for_the_next_cycle():
    world, total = missing(0), 0
    for expected in (1, 2, 3):
        _, changes = cycle(world, {1: NOT_FOUND})
        (total,) = counts(changes)
        assert total == expected
        world = missing(total)


# --- what a change says ---


def test_a_change_names_every_row_that_it_relied_on():
    world = books(trade(version=3), order(version=7), fill(1, "0.5", allocated="0.1"))
    (change,) = plan(world, snapshot(), {1: ended(FILLED, "0.5")})
    assert change.premises.trades == {1: 3}
    assert change.premises.orders == {1: 7}
    assert change.premises.fills == {1: Decimal("0.1")}
    assert change.profile_id == 1


def test_a_state_that_stays_as_it_is_is_not_written():
    (change,) = plan(missing(0), snapshot(), {1: NOT_FOUND})
    assert (change.trade, change.orders) == (None, ())


def test_changes_are_one_a_trade_in_order_of_trades_after_orders_without_one():
    world = books(
        trade(1),
        trade(2),
        order(3, trade_id=2),
        order(4, trade_id=1),
        order(5, trade_id=None),
    )
    look_ups = {number: ended(CANCELED, of=order(number)) for number in (3, 4, 5)}
    changes = plan(world, snapshot(), look_ups)
    assert [sorted(change.premises.orders) for change in changes] == [[5], [4], [3]]


def test_an_event_shows_both_sides_and_the_hash_of_its_evidence():
    world = books(trade(), order(), fill(1, "0.5"))
    (change,) = plan(world, snapshot(), {1: ended(FILLED, "0.5")})
    (event,) = change.events
    assert event.action == "trade.entry_filled"
    assert event.before["order"]["status"] == "OPEN"
    assert event.after["order"]["status"] == "FILLED"
    assert event.after["trade"]["entry_quantity"] == "0.5"
    assert [each["fill_id"] for each in event.after["fills"]] == ["9001"]
    assert len(event.evidence) == 1


def test_a_mismatch_shows_both_sides_and_the_rule_that_holds():
    (change,) = plan(books(trade(), order()), snapshot(), {1: ended(CANCELED)})
    (found,) = change.mismatches
    assert found.kind == MismatchKind.MISSING_FROM_EXCHANGE
    assert found.key == "order:1:MISSING_FROM_EXCHANGE"
    assert (found.order_id, found.trade_id, found.symbol) == (1, 1, SYMBOL)
    assert found.database_side["status"] == "OPEN"
    assert found.exchange_side["rule"] == "ABSENT_ENDED"
    assert found.exchange_side["order"]["status"] == "CANCELED"
    assert found.drift is None


@pytest.mark.parametrize(
    ("world", "look_up", "listed", "done"),
    [
        (books(trade(), order(), fill(1, "0.5")), ended(FILLED, "0.5"), None, "booked 0.5"),
        (books(trade(), order()), ended(CANCELED), None, "order now CANCELED"),
        (books(trade(), order()), None, shown(price="1"), "the exchange's quantity and price"),
        (missing(4), NOT_FOUND, None, UNKNOWN_TO_EXCHANGE),
    ],
    ids=["fills", "an end", "terms", "not found"],
)
def test_a_repaired_mismatch_says_what_was_done_about_it(world, look_up, listed, done):
    seen = snapshot() if listed is None else snapshot(listed)
    (change,) = plan(world, seen, {} if look_up is None else {1: look_up})
    (found,) = change.mismatches
    assert found.resolution is not None
    assert done in found.resolution
    assert ("booked" in found.resolution) == (done == "booked 0.5")


def test_every_correction_has_its_event():
    world = books(
        trade(1),
        trade(2, entered="0.5"),
        order(1, price="1"),
        exit_order(2, trade_id=2),
        fill(1, "0.2", of=exit_order(2)),
    )
    changes = plan(world, snapshot(shown(order(1))), {2: ended(CANCELED, "0.2", of=EXITS)})
    assert len(changes) == 2
    for change in changes:
        assert change.events


def test_a_fresh_look_up_does_not_make_an_old_order_young():
    # `as_of` of the answer is no activity; only what the exchange says of the order is.
    after, _ = cycle(books(trade(), order()), {1: ended(CANCELED)})
    assert after.orders[1].status == CANCELED
    assert ended(CANCELED).as_of == NOW


def _all(world: Books) -> list[object]:
    return [*world.trades.values(), *world.orders.values(), *world.open_mismatches]
