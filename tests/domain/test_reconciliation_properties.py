"""What holds for every world: nothing is invented, lost, done twice, or decided on the unknown."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.domain.amounts import ZERO, total
from reconciliation.domain.books import Books
from reconciliation.domain.order_diff import match_listed
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.transitions import order_may_become, trade_may_become
from reconciliation.domain.types import AccountSnapshot, OpenOrders
from reconciliation.enums import HistoryKind, OrderStatus, TradeStatus
from tests.domain.builders import NOT_READ, applied, decide, plan, writes
from tests.domain.worlds import World, agreeing_worlds, reordered, roll, worlds

generated = settings(max_examples=300, deadline=None)
retries = st.sampled_from([1, 5])


def planned(world: World, retries: int = 5) -> tuple[Change, ...]:
    return plan(world.books, world.seen, world.look_ups, world.unknown, retries=retries)


def after_a_cycle(world: World, retries: int = 5) -> Books:
    return applied(world.books, planned(world, retries))


@generated
@given(agreeing_worlds)
def test_two_sides_that_say_the_same_make_no_mismatch_and_no_change(world):
    assert planned(world) == ()


@generated
@given(worlds, retries, st.randoms(use_true_random=False))
def test_the_order_and_repetition_of_what_was_read_do_not_matter(world, retries, random):
    mixed = reordered(world, random)
    assert decide(mixed.books, mixed.seen, mixed.look_ups, mixed.unknown) == decide(
        world.books, world.seen, world.look_ups, world.unknown
    )
    assert planned(mixed, retries) == planned(world, retries)


@generated
@given(worlds, retries)
def test_a_second_cycle_on_the_same_answers_writes_nothing(world, retries):
    after = after_a_cycle(world, retries)
    again = plan(after, world.seen, world.look_ups, world.unknown, retries=retries)
    assert [change for change in again if writes(change)] == []
    assert [each for change in again for each in change.mismatches if each.resolution] == []


@generated
@given(worlds, retries)
def test_no_fill_is_consumed_beyond_its_quantity(world, retries):
    for kept in after_a_cycle(world, retries).fills:
        assert ZERO <= kept.allocated <= kept.fill.quantity


@generated
@given(worlds, retries)
def test_nothing_that_was_consumed_is_given_back(world, retries):
    for before, after in zip(world.books.fills, after_a_cycle(world, retries).fills, strict=True):
        assert after.allocated >= before.allocated


@generated
@given(worlds, retries)
def test_filled_and_entered_quantities_only_grow_and_exits_never_exceed_entries(world, retries):
    after = after_a_cycle(world, retries)
    for key, order in world.books.orders.items():
        assert after.orders[key].filled_quantity >= order.filled_quantity
    for key, trade in world.books.trades.items():
        assert after.trades[key].entry_quantity >= trade.entry_quantity
        assert after.trades[key].exit_quantity >= trade.exit_quantity
        assert after.trades[key].exit_quantity <= after.trades[key].entry_quantity


@generated
@given(worlds, retries)
def test_every_change_is_one_that_the_database_takes(world, retries):
    after = after_a_cycle(world, retries)
    for key, order in world.books.orders.items():
        now = after.orders[key]
        assert order_may_become(order.status, now.status)
        assert now.status != OrderStatus.FILLED or now.filled_quantity > 0
    for key, trade in world.books.trades.items():
        now = after.trades[key]
        assert trade_may_become(trade.status, now.status)
        if now.status == TradeStatus.CLOSED:
            assert now.open_quantity == 0 < now.entry_quantity
        if now.status in (TradeStatus.PENDING, TradeStatus.CANCELED):
            assert now.entry_quantity == 0
        if now.status in (TradeStatus.OPEN, TradeStatus.QUARANTINED):
            assert now.open_quantity > 0


@generated
@given(worlds, retries)
def test_a_trades_quantities_are_what_its_new_rows_add_up_to(world, retries):
    changes = planned(world, retries)
    after = applied(world.books, changes)
    for key, before in world.books.trades.items():
        rows = [row for change in changes for row in change.history if row.trade_id == key]
        entered = total(row.quantity for row in rows if row.kind == HistoryKind.ENTRY)
        exited = total(row.quantity for row in rows if row.kind == HistoryKind.EXIT)
        exited -= total(row.quantity for row in rows if row.kind == HistoryKind.REVERSAL)
        assert after.trades[key].entry_quantity == before.entry_quantity + entered
        assert after.trades[key].exit_quantity == before.exit_quantity + exited


@generated
@given(worlds, retries)
def test_exits_that_stand_add_up_to_what_was_exited_and_no_row_is_reversed_twice(world, retries):
    changes = planned(world, retries)
    after = applied(world.books, changes)
    for key, exits in after.synthetic_exits.items():
        stand = total(row.quantity for row in (*exits.real, *exits.synthetic))
        assert stand == after.trades[key].exit_quantity
    back = [row.reverses_id for change in changes for row in change.history if row.reverses_id]
    assert len(back) == len(set(back))


@generated
@given(worlds, retries)
def test_rows_have_keys_of_their_own_and_positive_quantities(world, retries):
    changes = planned(world, retries)
    rows = [row for change in changes for row in change.history]
    assert all(row.quantity > 0 for row in rows)
    assert not [key for key, times in Counter(row.key for row in rows).items() if times > 1]
    parts = [part for change in changes for part in change.allocations]
    assert all(part.quantity > 0 for part in parts)
    pairs = Counter((part.fill_id, part.history_id or part.history_key) for part in parts)
    assert set(pairs.values()) <= {1}


@generated
@given(worlds, retries)
def test_every_correction_is_recorded_in_an_event(world, retries):
    for change in planned(world, retries):
        corrected = (change.trade, change.orders, change.history, change.allocations)
        repaired = [each for each in change.mismatches if each.resolution is not None]
        if any(corrected) or repaired:
            assert change.events
        else:
            assert change.events == ()


@generated
@given(worlds, retries)
def test_an_active_order_of_a_class_that_was_not_read_is_never_written(world, retries):
    unread = {
        name for name, part in world.seen.open_orders.items() if not isinstance(part, OpenOrders)
    }
    unknown = {
        order.id
        for order in world.books.orders.values()
        if order.is_active and order.order_class in unread
    }
    changes = planned(world, retries)
    assert not unknown & {order.id for change in changes for order in change.orders}
    assert not unknown & {each.order_id for change in changes for each in change.mismatches}


@generated
@given(worlds)
def test_when_nothing_was_read_no_active_order_is_written(world):
    nothing = World(books=world.books, seen=_nothing_read(world), look_ups=world.look_ups)
    after = after_a_cycle(nothing)
    for key, order in world.books.orders.items():
        if order.is_active:
            assert after.orders[key] == order


@generated
@given(worlds, retries)
def test_an_active_order_that_nobody_showed_or_answered_for_is_never_written(world, retries):
    listed = match_listed(world.books, world.seen)
    after = after_a_cycle(world, retries)
    for key, order in world.books.orders.items():
        if order.is_active and key not in listed and key not in world.look_ups:
            assert after.orders[key] == order


def test_the_worlds_reach_every_kind_of_change():
    # A generator that never makes a difference would prove nothing.
    found: Counter[str] = Counter()
    for world in map(roll, range(300)):
        decided = decide(world.books, world.seen, world.look_ups, world.unknown, retries=1)
        mismatches = list(decided.nobodys_mismatches)
        for change in decided.changes:
            found.update(event.action for event in change.events)
            mismatches += change.mismatches
        found.update(str(each.exchange_side["rule"]) for each in mismatches)
    rules = {rule.name for rule in OrderRule if rule.row.mismatch is not None}
    actions = {"trade.entry_filled", "trade.exit_filled", "trade.fills_linked"}
    actions |= {"order.updated", "order.canceled", "order.adopted", "trade.exit_reversed"}
    assert rules | actions <= found.keys()


def _nothing_read(world: World) -> AccountSnapshot:
    return replace(
        world.seen,
        open_orders=dict.fromkeys(world.seen.open_orders, NOT_READ),
        fills=dict.fromkeys(world.seen.fills, NOT_READ),
    )
