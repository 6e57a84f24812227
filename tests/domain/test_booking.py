"""Fills become history rows: each once, exits never beyond what is open, residues as dust."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.books import KeptFill, TradeState
from reconciliation.domain.plans.booking import (
    Booking,
    book_fills,
    booked_average,
    dust_row,
    gross_of,
    net_quantity,
)
from reconciliation.enums import (
    Direction,
    HistoryKind,
    HistorySource,
    Purpose,
    Side,
    TradeStatus,
)
from tests.domain.builders import SPOT, ago, exit_order, fill, order, trade

ENTRY, EXIT = Purpose.ENTRY, Purpose.EXIT


def book(
    into: TradeState, *fills: KeptFill, purpose: Purpose = ENTRY, base: str | None = None
) -> Booking:
    return book_fills(
        trade=into,
        order=order() if purpose == ENTRY else exit_order(),
        purpose=purpose,
        fills=fills,
        base_currency=base,
        source=HistorySource.RECONCILED,
    )


def sell(id: int, quantity: str, **values) -> KeptFill:
    return fill(id, quantity, of=exit_order(), **values)


def in_base(fee: str, side: Side = Side.BUY) -> dict:
    return {"fee": fee, "fee_currency": "BTC", "symbol": SPOT, "side": side}


def test_each_fill_is_one_row_that_says_all_that_the_fill_said():
    paid = fill(1, "0.2", price="59000", fee="1.5", fee_currency="USDT")
    (row,) = book(trade(), paid).history
    assert (row.kind, row.source, row.quantity) == ("ENTRY", "RECONCILED", Decimal("0.2"))
    assert (row.price, row.fee, row.fee_currency) == (Decimal(59000), Decimal("1.5"), "USDT")
    assert (row.exchange_fill_id, row.order_id, row.trade_id) == ("9001", 1, 1)
    assert row.executed_at == paid.fill.executed_at
    assert not row.estimated
    assert row.evidence_hash


def test_an_entry_opens_the_trade_at_the_average_price():
    booked = book(trade(), fill(1, "0.2", price="59000"), fill(2, "0.3", price="60000"))
    assert booked.trade.status == TradeStatus.OPEN
    assert booked.trade.entry_quantity == Decimal("0.5")
    assert booked.trade.average_entry_price == Decimal(59600)


def test_an_entry_price_nobody_knows_leaves_the_average_unknown():
    before = trade(entered="0.5", average_entry_price=None)
    assert book(before, fill(1)).trade.average_entry_price is None


def test_an_exit_of_all_closes_the_trade_when_it_was_executed():
    last = sell(2, "0.3", price="62000")
    booked = book(trade(entered="0.5"), sell(1, "0.2", price="61000"), last, purpose=EXIT)
    assert booked.trade.status == TradeStatus.CLOSED
    assert booked.trade.closed_at == last.fill.executed_at
    assert booked.trade.average_exit_price == Decimal(61600)
    assert booked.overclose == 0


def test_an_exit_of_a_part_leaves_the_trade_open():
    booked = book(trade(entered="0.5"), sell(1, "0.2"), purpose=EXIT)
    assert booked.trade.status == TradeStatus.OPEN
    assert booked.trade.open_quantity == Decimal("0.3")
    assert booked.trade.closed_at is None


def test_an_exit_beyond_what_is_open_books_what_closes_and_leaves_the_rest_with_the_fill():
    booked = book(trade(entered="0.5"), sell(1, "0.8"), purpose=EXIT)
    assert booked.trade.status == TradeStatus.CLOSED
    assert [row.quantity for row in booked.history] == [Decimal("0.5")]
    assert [part.quantity for part in booked.allocations] == [Decimal("0.5")]
    assert booked.overclose == Decimal("0.3")


def test_an_exit_after_the_trade_is_flat_books_nothing_of_itself():
    booked = book(trade(entered="0.5"), sell(1, "0.5"), sell(2, "0.4"), purpose=EXIT)
    assert [part.fill_id for part in booked.allocations] == [1]
    assert booked.overclose == Decimal("0.4")


def test_an_exit_of_a_closed_trade_changes_nothing():
    closed = trade(entered="0.5", exited="0.5")
    booked = book(closed, sell(1, "0.1"), purpose=EXIT)
    assert (booked.trade, booked.history, booked.allocations) == (closed, (), ())
    assert booked.overclose == Decimal("0.1")


@pytest.mark.parametrize(
    "before",
    [trade(entered="0.5", exited="0.5"), trade(status=TradeStatus.CANCELED)],
    ids=["closed", "canceled"],
)
def test_an_entry_reopens_a_trade_that_was_over(before):
    booked = book(before, fill(1, "0.2"))
    assert booked.trade.status == TradeStatus.OPEN
    assert booked.trade.closed_at is None
    assert booked.trade.open_quantity == Decimal("0.2")


@pytest.mark.parametrize("purpose", [ENTRY, EXIT])
def test_a_quarantined_trade_stays_so_while_it_holds_anything(purpose):
    waiting = trade(entered="0.5", status=TradeStatus.QUARANTINED)
    made = book(waiting, sell(1, "0.2") if purpose == EXIT else fill(1, "0.2"), purpose=purpose)
    assert made.history
    assert made.trade.status == TradeStatus.QUARANTINED


def test_a_quarantined_trade_that_is_sold_out_is_closed():
    waiting = trade(entered="0.5", status=TradeStatus.QUARANTINED)
    assert book(waiting, sell(1, "0.5"), purpose=EXIT).trade.status == TradeStatus.CLOSED


def test_fills_are_booked_in_order_of_time_whatever_the_order_of_input():
    early, late = fill(2, executed_at=ago(hours=1)), fill(1, executed_at=ago(minutes=1))
    assert book(trade(), late, early) == book(trade(), early, late)
    assert [row.exchange_fill_id for row in book(trade(), late, early).history] == ["9002", "9001"]


def test_only_what_is_left_of_a_fill_is_booked():
    booked = book(trade(), fill(1, "0.5", allocated="0.2", fee="1", fee_currency="USDT"))
    assert [row.quantity for row in booked.history] == [Decimal("0.3")]
    assert [row.fee for row in booked.history] == [Decimal("0.6")]


def test_a_fill_that_is_booked_is_booked_no_more():
    booked = book(trade(), fill(1, allocated="0.5"))
    assert (booked.trade, booked.history, booked.allocations) == (trade(), (), ())


def test_the_same_event_has_the_same_key_and_no_other_event_has_it():
    first = book(trade(), fill(1)).history[0].key
    assert book(trade(), fill(1)).history[0].key == first
    others = [
        book(trade(2), fill(1)),
        book(trade(), fill(2)),
        book(trade(), fill(1, symbol=SPOT)),
        book(trade(), fill(1, allocated="0.1")),
        book(trade(reversals=1), fill(1)),
        book(trade(entered="1"), sell(1, "0.5"), purpose=EXIT),
    ]
    assert first not in {booked.history[0].key for booked in others}


# What 0.5 bought or sold moved the holding by, for a fee in the base or the quote currency.
@pytest.mark.parametrize(
    ("side", "fee", "currency", "base", "net"),
    [
        (Side.BUY, "0.001", "BTC", "BTC", "0.499"),
        (Side.SELL, "0.001", "BTC", "BTC", "0.501"),
        (Side.BUY, "-0.001", "BTC", "BTC", "0.501"),
        (Side.BUY, "30", "USDT", "BTC", "0.5"),
        (Side.BUY, "0.001", "BTC", None, "0.5"),
        (Side.BUY, None, None, "BTC", "0.5"),
    ],
    ids=["bought", "sold", "rebate", "quote fee", "no spot", "no fee"],
)
def test_a_fee_in_the_base_currency_changes_what_was_gained(side, fee, currency, base, net):
    kept = fill(1, "0.5", side=side, fee=fee, fee_currency=currency)
    assert net_quantity(kept.fill, kept.remaining, base) == Decimal(net)


def test_a_part_of_a_fill_bears_its_part_of_the_fee():
    kept = fill(1, "0.5", **in_base("0.001"))
    assert net_quantity(kept.fill, Decimal("0.25"), "BTC") == Decimal("0.2495")


def test_a_net_entry_consumes_the_whole_fill_and_books_what_was_gained():
    booked = book(trade(symbol=SPOT), fill(1, "0.5", **in_base("0.001")), base="BTC")
    assert booked.trade.entry_quantity == Decimal("0.499")
    assert [part.quantity for part in booked.allocations] == [Decimal("0.5")]


def test_a_sale_with_its_fee_in_base_takes_the_fee_from_the_holding():
    held = trade(entered="0.501", symbol=SPOT)
    booked = book(held, fill(1, "0.5", **in_base("0.001", Side.SELL)), purpose=EXIT, base="BTC")
    assert booked.trade.status == TradeStatus.CLOSED
    assert booked.overclose == 0


def test_an_overclose_of_a_net_sale_consumes_only_the_gross_part_that_closed():
    held = trade(entered="0.2505", symbol=SPOT)
    sold = fill(1, "0.5", **in_base("0.001", Side.SELL))
    booked = book(held, sold, purpose=EXIT, base="BTC")
    assert booked.trade.status == TradeStatus.CLOSED
    assert [part.quantity for part in booked.allocations] == [Decimal("0.25")]
    assert booked.overclose == Decimal("0.2505")


def test_all_that_remains_stands_for_all_of_its_net_quantity():
    kept = fill(1, "0.7", allocated="0.3", **in_base("0.0013"))
    everything = net_quantity(kept.fill, kept.remaining, "BTC")
    assert gross_of(kept, everything, "BTC") == kept.remaining
    assert gross_of(kept, everything * 2, "BTC") == kept.remaining
    assert gross_of(kept, ZERO, "BTC") == 0


STEP = Decimal("0.001")


def dust(*, entered: str, exited: str, step: Decimal | None = STEP):
    after = book(trade(entered="1"), sell(1, "0.1"), purpose=EXIT).history[0]
    return dust_row(trade(entered=entered, exited=exited), amount_step=step, after=after)


def test_a_residue_below_one_step_is_dust_without_a_price():
    row = dust(entered="0.5", exited="0.4995")
    assert row is not None
    assert (row.kind, row.source) == (HistoryKind.EXIT, HistorySource.DUST)
    assert (row.quantity, row.price, row.estimated) == (Decimal("0.0005"), None, True)


@pytest.mark.parametrize("exited", ["0.499", "0.4", "0.5"], ids=["a step", "much", "nothing"])
def test_a_residue_of_a_whole_step_or_of_nothing_is_no_dust(exited):
    assert dust(entered="0.5", exited=exited) is None


def test_without_an_exit_or_a_known_step_nothing_is_dust():
    assert dust(entered="0.0005", exited="0") is None
    assert dust(entered="0.5", exited="0.4995", step=None) is None


def test_the_dust_after_an_exit_has_a_key_of_its_own():
    first, again = dust(entered="0.5", exited="0.4995"), dust(entered="0.5", exited="0.4995")
    assert first is not None
    assert again is not None
    assert first.key == again.key
    assert first.key != book(trade(entered="1"), sell(1, "0.1"), purpose=EXIT).history[0].key


def test_the_average_of_an_order_is_weighted_over_all_its_fills():
    fills = [fill(1, "0.3", price="60000", allocated="0.3"), fill(2, "0.1", price="56000")]
    assert booked_average(fills) == Decimal(59000)
    assert booked_average([]) is None


def test_a_short_is_entered_by_selling_and_left_by_buying():
    short = trade(direction=Direction.SHORT)
    entered = book(short, fill(1, "0.5", side=Side.SELL)).trade
    assert entered.signed_open_quantity == Decimal("-0.5")
    left = book(entered, fill(2, "0.5", side=Side.BUY), purpose=EXIT).trade
    assert left.status == TradeStatus.CLOSED
    assert replace(left, closed_at=None).signed_open_quantity == 0
