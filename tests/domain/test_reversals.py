"""A real exit takes the place of a synthetic one: quantity unchanged, price and fee real."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.domain.amounts import ZERO, plain, total
from reconciliation.domain.books import KeptFill, RealExit, StandingExits, TradeState
from reconciliation.domain.plans.booking import Booking
from reconciliation.domain.plans.reversals import (
    book_exits,
    replace_exit,
    reversed_event,
    standing_after,
)
from reconciliation.enums import HistoryKind, HistorySource, QuarantineReason, TradeStatus
from tests.domain.builders import (
    SPOT,
    ago,
    applied,
    books,
    decide,
    exit_order,
    fill,
    order,
    synthetic,
    trade,
    without_fills,
    written,
)

EXIT, REVERSAL = HistoryKind.EXIT, HistoryKind.REVERSAL
SYNTHETIC, OPERATOR = HistorySource.SYNTHETIC, HistorySource.OPERATOR
RECONCILED = HistorySource.RECONCILED
CLOSED = trade(1, entered="0.5", exited="0.5", average_exit_price="60500")


def sold(id: int = 1, quantity: str = "0.5", **values: Any) -> KeptFill:
    """Build a sale of an hour ago, at 61000."""
    return fill(id, quantity, of=exit_order(), **{"price": "61000", **values})


def book(
    *fills: KeptFill,
    of: TradeState = CLOSED,
    standing: StandingExits | None = None,
    base_currency: str | None = None,
) -> Booking:
    return book_exits(
        trade=of,
        order=None,
        fills=fills,
        base_currency=base_currency,
        source=RECONCILED,
        standing=standing or without_fills(),
    )


def rows(booking: Booking) -> list[tuple[str, str, str, str]]:
    """Return kind, source, quantity and price of every row, in order."""
    return [
        (str(row.kind), str(row.source), plain(row.quantity), str(row.price))
        for row in booking.history
    ]


# --- what is written ---


def test_the_real_exit_is_booked_in_the_place_of_the_synthetic_one():
    booking = book(sold())
    assert rows(booking) == [
        ("REVERSAL", "RECONCILED", "0.5", "60500"),
        ("EXIT", "RECONCILED", "0.5", "61000"),
    ]
    back, real = booking.history
    assert (back.reverses_id, back.exchange_fill_id) == (1, None)
    assert (real.exchange_fill_id, real.estimated) == ("9001", False)
    after = booking.trade
    assert (after.status, after.exit_quantity) == (TradeStatus.CLOSED, Decimal("0.5"))
    assert (after.average_exit_price, after.reversals) == (61000, 1)
    assert after.closed_at == real.executed_at
    assert booking.overclose == 0


def test_a_smaller_fill_takes_back_all_and_books_the_rest_synthetically_again():
    exits = without_fills(synthetic(source=OPERATOR, estimated=False))
    booking = book(sold(quantity="0.2"), standing=exits)
    assert rows(booking) == [
        ("REVERSAL", "RECONCILED", "0.5", "60500"),
        ("EXIT", "RECONCILED", "0.2", "61000"),
        ("EXIT", "OPERATOR", "0.3", "60500"),
    ]
    rest = booking.history[-1]
    assert (rest.estimated, rest.executed_at, rest.reverses_id) == (False, ago(minutes=30), None)
    assert booking.trade.average_exit_price == Decimal(60700)
    assert (booking.trade.status, booking.trade.closed_at) == ("CLOSED", ago(minutes=30))


def test_a_larger_fill_replaces_all_and_leaves_the_rest_with_the_fill():
    booking = book(sold(quantity="0.7"))
    assert rows(booking)[1:] == [("EXIT", "RECONCILED", "0.5", "61000")]
    assert booking.overclose == Decimal("0.2")
    assert [part.quantity for part in booking.allocations] == [Decimal("0.5")]


def test_only_the_synthetic_exits_that_are_needed_are_taken_back_the_oldest_first():
    exits = without_fills(
        synthetic(2, "0.3", executed_at=ago(minutes=20)), synthetic(1, "0.2", price="59000")
    )
    booking = book(sold(quantity="0.1"), standing=exits)
    assert rows(booking) == [
        ("REVERSAL", "RECONCILED", "0.2", "59000"),
        ("EXIT", "RECONCILED", "0.1", "61000"),
        ("EXIT", "SYNTHETIC", "0.1", "59000"),
    ]
    booking = book(sold(quantity="0.4"), standing=exits)
    assert [row.reverses_id for row in booking.history] == [1, 2, None, None]
    assert booking.trade.reversals == 2


def test_rows_have_other_keys_in_every_round():
    first = book(sold(1, "0.2"))
    standing = written(standing_after(without_fills(), first.history))
    second = book(sold(2, "0.2"), of=first.trade, standing=standing)
    keys = [row.key for row in (*first.history, *second.history)]
    assert len(set(keys)) == len(keys) == 6
    assert book(sold(1, "0.2")) == first


def test_a_rest_that_is_only_planned_is_made_less_and_reversed_by_no_row():
    first = book(sold(1, "0.2"))
    standing = standing_after(without_fills(), first.history)
    second = book(sold(2, "0.1"), of=first.trade, standing=standing)
    assert second.dropped == {first.history[-1].key}
    assert rows(second) == [
        ("EXIT", "RECONCILED", "0.1", "61000"),
        ("EXIT", "SYNTHETIC", "0.2", "60500"),
    ]
    assert second.trade.reversals == 1
    assert reversed_event(first.trade, second.trade, second.history) is None


def test_a_fee_in_the_base_is_part_of_what_a_sale_replaces():
    kept = fill(1, "0.4", of=exit_order(symbol=SPOT), fee="0.001", fee_currency="BTC")
    booking = book(kept, base_currency="BTC")
    assert [row[2] for row in rows(booking)] == ["0.5", "0.401", "0.099"]


def test_an_exit_without_a_price_leaves_the_average_unknown_and_dust_does_not():
    priceless = without_fills(synthetic(price=None))
    assert book(sold(quantity="0.2"), standing=priceless).trade.average_exit_price is None
    assert book(sold(), standing=priceless).trade.average_exit_price == Decimal(61000)
    dust = RealExit(quantity=Decimal("0.00001"), price=None, executed_at=ago(hours=1), is_dust=True)
    exits = replace(without_fills(synthetic(quantity="0.49999")), real=(dust,))
    assert book(sold(quantity="0.49999"), standing=exits).trade.average_exit_price == 61000


def test_without_a_synthetic_exit_nothing_is_different():
    open_trade = trade(1, entered="0.5")
    booking = book_exits(
        trade=open_trade,
        order=None,
        fills=[sold()],
        base_currency=None,
        source=RECONCILED,
        standing=None,
    )
    assert rows(booking) == [("EXIT", "RECONCILED", "0.5", "61000")]
    assert booking.trade.reversals == 0


# --- a slice that holds something as well ---

REOPENED = trade(1, entered="0.8", exited="0.5")
LATER = {"executed_at": ago(minutes=10)}


def test_what_was_sold_before_the_slice_was_found_flat_leaves_open_what_is_open():
    booking = book(sold(), of=REOPENED)
    assert (booking.trade.status, booking.trade.open_quantity) == ("OPEN", Decimal("0.3"))
    assert [row.kind for row in booking.history] == [REVERSAL, EXIT]


def test_what_is_sold_later_is_the_exit_of_what_is_open_first():
    booking = book(sold(1, "0.3", **LATER), of=REOPENED)
    assert rows(booking) == [("EXIT", "RECONCILED", "0.3", "61000")]
    assert (booking.trade.status, booking.trade.open_quantity) == (TradeStatus.CLOSED, 0)
    booking = book(sold(1, "0.4", **LATER), of=REOPENED)
    assert [row[2] for row in rows(booking)] == ["0.5", "0.4", "0.4"]
    assert booking.trade.open_quantity == 0


def test_exactly_when_the_slice_was_found_flat_is_before():
    assert book(sold(executed_at=ago(minutes=30)), of=REOPENED).trade.open_quantity > 0
    moment = ago(minutes=30) + timedelta(microseconds=1)
    assert book(sold(executed_at=moment), of=REOPENED).trade.open_quantity == 0


def test_a_quarantined_slice_stays_so_until_it_is_flat():
    waiting = replace(REOPENED, status=TradeStatus.QUARANTINED)
    assert book(sold(), of=waiting).trade.status == TradeStatus.QUARANTINED
    assert book(sold(quantity="0.8"), of=waiting).trade.status == TradeStatus.CLOSED


# --- the bot's own exit ---


def test_a_delivered_exit_replaces_and_nothing_to_replace_is_none():
    def exit_of(quantity: str, of: TradeState = CLOSED, **values: Any) -> Any:
        defaults = {"executed_at": ago(hours=1), "price": Decimal(61000)}
        return replace_exit(
            trade=of,
            standing=without_fills(),
            quantity=Decimal(quantity),
            **{**defaults, **values},
        )

    after, taken = exit_of("0.2")
    assert (after.exit_quantity, after.average_exit_price) == (Decimal("0.5"), Decimal(60700))
    assert [row.quantity for row in (*taken.reversals, *taken.rest)] == [
        Decimal("0.5"),
        Decimal("0.3"),
    ]
    assert exit_of("0.3", of=REOPENED, **LATER) is None


# --- through the orders' plan ---


def ended_exit(**values: Any) -> Any:
    return exit_order(2, status="CANCELED", **values)


def test_a_known_orders_fill_of_a_closed_slice_is_no_overclose():
    world = books(CLOSED, ended_exit(), sold(), synthetic_exits={1: without_fills()})
    (change,) = decide(world).changes
    assert change.reviews == ()
    assert [event.action for event in change.events][:2] == [
        "trade.exit_reversed",
        "trade.exit_filled",
    ]
    after = applied(world, [change])
    assert decide(after).changes == ()


def test_fills_of_two_orders_in_one_cycle_reverse_once():
    world = books(
        CLOSED,
        ended_exit(),
        exit_order(3, status="CANCELED"),
        sold(1, "0.2"),
        fill(2, "0.3", of=exit_order(3), price="62000"),
        synthetic_exits={1: without_fills()},
    )
    (change,) = decide(world).changes
    assert [(str(row.kind), plain(row.quantity)) for row in change.history] == [
        ("REVERSAL", "0.5"),
        ("EXIT", "0.2"),
        ("EXIT", "0.3"),
    ]
    actions = [event.action for event in change.events]
    assert (actions.count("trade.exit_reversed"), actions.count("trade.exit_filled")) == (1, 2)


def test_a_known_orders_larger_fill_is_an_overclose_of_what_is_beyond():
    world = books(
        CLOSED, ended_exit(quantity="0.7"), sold(1, "0.7"), synthetic_exits={1: without_fills()}
    )
    (change,) = decide(world).changes
    (review,) = change.reviews
    assert (review.reason, review.quantity) == (QuarantineReason.OVERCLOSE, Decimal("0.2"))


def test_a_late_entry_reopens_and_reverses_nothing():
    late = order(3, status="CANCELED")
    world = books(CLOSED, late, fill(1, "0.3", of=late), synthetic_exits={1: without_fills()})
    (change,) = decide(world).changes
    assert [row.kind for row in change.history] == [HistoryKind.ENTRY]
    assert change.trade is not None
    assert (change.trade.status, change.trade.open_quantity) == ("OPEN", Decimal("0.3"))


# --- whatever the order of arrival ---


def tenths(dice: Random, low: int, high: int) -> Decimal:
    return Decimal(dice.randint(low, high)) / 10


def scene(seed: int) -> tuple[TradeState, StandingExits, list[KeptFill]]:
    """Return a trade with one or two synthetic exits, and up to three real fills."""
    dice = Random(seed)  # noqa: S311
    exits = [
        synthetic(
            at,
            plain(tenths(dice, 1, 5)),
            price=dice.choice(["60500", "60123.45", None]),
            source=dice.choice([SYNTHETIC, OPERATOR]),
            executed_at=ago(minutes=dice.choice([30, 30, 40])),
        )
        for at in range(1, dice.choice([2, 3]))
    ]
    exited = total(row.quantity for row in exits)
    open_quantity = dice.choice([ZERO, tenths(dice, 1, 5)])
    of = trade(1, entered=plain(exited + open_quantity), exited=plain(exited))
    fills = [
        sold(
            at,
            plain(tenths(dice, 1, 7)),
            price=dice.choice(["61000", "61234.5", "60999.99"]),
            executed_at=ago(minutes=dice.choice([20, 50, 60])),
        )
        for at in range(1, dice.choice([2, 3, 3, 4]))
    ]
    return of, without_fills(*exits), fills


def arrive(
    of: TradeState, standing: StandingExits, batches: Sequence[Sequence[KeptFill]]
) -> tuple[TradeState, StandingExits]:
    """Return trade and exits after the fills arrived, a cycle a batch."""
    for batch in batches:
        if not standing.synthetic:
            booking = book_exits(
                trade=of,
                order=None,
                fills=batch,
                base_currency=None,
                source=RECONCILED,
                standing=None,
            )
        else:
            booking = book(*batch, of=of, standing=standing)
        of = booking.trade
        standing = written(standing_after(standing, booking.history, booking.dropped))
        stand = total(row.quantity for row in (*standing.real, *standing.synthetic))
        assert stand == of.exit_quantity
    return of, standing


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32).map(scene))
def test_the_order_in_which_parts_arrive_does_not_matter(made):
    of, standing, fills = made
    whole, exits = arrive(of, standing, [fills])
    for mixed in permutations(fills):
        after, left = arrive(of, standing, [[kept] for kept in mixed])
        assert (after.status, after.exit_quantity) == (whole.status, whole.exit_quantity)
        assert left.quantity == exits.quantity
        assert _prices(left) == _prices(exits)
        # Of what is beyond the synthetic exits it matters which fill took the last of them.
        fits = total(kept.fill.quantity for kept in fills) <= standing.quantity
        if of.open_quantity == 0 and fits:
            assert after.closed_at == whole.closed_at
            assert after.average_exit_price == whole.average_exit_price


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32).map(scene))
def test_the_open_quantity_only_changes_by_what_exceeds_the_synthetic_exits(made):
    of, standing, fills = made
    booking = book(*fills, of=of, standing=standing)
    sold_in_all = total(kept.fill.quantity for kept in fills)
    assert ZERO <= booking.trade.open_quantity <= of.open_quantity
    assert booking.trade.exit_quantity >= of.exit_quantity
    room = standing.quantity + of.open_quantity
    assert booking.overclose == max(sold_in_all - room, ZERO)
    if of.open_quantity == 0:
        assert booking.trade.exit_quantity == of.exit_quantity
        assert booking.trade.status == TradeStatus.CLOSED


def _prices(exits: StandingExits) -> list[tuple[str, str]]:
    """Return what is synthetic still, by price."""
    sums: dict[str, Decimal] = {}
    for row in exits.synthetic:
        sums[str(row.price)] = sums.get(str(row.price), ZERO) + row.quantity
    return sorted((price, plain(quantity)) for price, quantity in sums.items())


@pytest.mark.parametrize("first", ["0.2", "0.3"])
def test_two_parts_end_with_the_same_price_whichever_comes_first(first):
    second = plain(Decimal("0.5") - Decimal(first))
    one, two = sold(1, first, price="61000"), sold(2, second, price="62000.01")
    ends = {
        arrive(CLOSED, without_fills(), order)[0].average_exit_price
        for order in ([[one], [two]], [[two], [one]], [[one, two]])
    }
    assert len(ends) == 1
