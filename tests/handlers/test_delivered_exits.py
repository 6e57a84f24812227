"""The bot's own exit of a slice that was closed synthetically takes the place of that."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.enums import HistoryKind, HistorySource, Purpose, TradeStatus
from reconciliation.models import AuditEvent, Trade, TradeHistory
from tests.builders import NOW, arranging, make_fill, make_history, make_order, make_trade
from tests.cycles.worlds import everything
from tests.handlers.worlds import (
    actions,
    deliver_rows,
    history_row,
    outcomes,
    refusal,
    the_position,
    the_rows,
    the_trade,
    trade_row,
)

pytestmark = pytest.mark.django_db
EXIT, REVERSAL = HistoryKind.EXIT, HistoryKind.REVERSAL
SYNTHETIC, OPERATOR = HistorySource.SYNTHETIC, HistorySource.OPERATOR
RECONCILED = HistorySource.RECONCILED
FOUND_FLAT = NOW - timedelta(minutes=30)


def closed(source: HistorySource = SYNTHETIC, *, entered: str = "0.5", **values: Any) -> Trade:
    """Return T1, of which half a coin was exited without a fill half an hour ago."""
    trade = make_trade(
        trade_id="T1",
        entry_quantity=entered,
        exit_quantity="0.5",
        average_entry_price="60000",
        average_exit_price="60500",
    )
    make_history(trade, quantity=entered)
    defaults = {"key": "portal", "price": "60500", "executed_at": FOUND_FLAT, "estimated": True}
    make_history(trade, kind=EXIT, source=source, **{**defaults, **values})
    return trade


def exit_row(row_id: str = "x1", quantity: str = "0.5", **values: Any) -> Any:
    return history_row(row_id, quantity, kind=EXIT, **{"price": "61000", **values})


def standing(trade_id: str = "T1") -> list[tuple[str, str, str]]:
    """Return source, booked quantity and price of the exits in force, in order."""
    rows = TradeHistory.objects.filter(
        trade__trade_id=trade_id, kind=EXIT, reversed_by=None, booked_quantity__gt=0
    )
    return [(r.source, str(r.booked_quantity), str(r.price)) for r in rows.order_by("pk")]


def reversals() -> list[TradeHistory]:
    return [row for row in the_rows() if row.kind == REVERSAL]


@pytest.mark.parametrize("source", [SYNTHETIC, OPERATOR])
@pytest.mark.parametrize("fill_id", ["9002", None], ids=["named", "nameless"])
def test_it_replaces_the_synthetic_exit_and_the_quantity_stays(source, fill_id):
    closed(source)
    report = deliver_rows(exit_row(exchange_fill_id=fill_id))
    assert outcomes(report) == ["accepted"]
    assert standing() == [("BOT", "0.5", "61000")]
    (back,) = reversals()
    assert (back.source, back.booked_quantity, back.reverses.key) == (
        "RECONCILED",
        Decimal("0.5"),
        "portal",
    )
    trade = the_trade()
    assert (trade.status, trade.exit_quantity, trade.reversals) == ("CLOSED", Decimal("0.5"), 1)
    assert trade.average_exit_price == Decimal(61000)
    assert the_position().quantity == 0
    assert actions() == ["history.delivered", "trade.exit_reversed"]


def test_the_event_names_trade_profile_and_the_rows_that_were_taken_back():
    trade = closed()
    deliver_rows(exit_row())
    event = AuditEvent.objects.get(action="trade.exit_reversed")
    assert (event.object_type, event.object_id) == ("trade", str(trade.pk))
    assert (event.profile_name, event.account_name) == ("alpha", "main")
    row = TradeHistory.objects.get(key="portal")
    assert f'"history":{row.pk}' in event.payload


def test_delivered_again_it_writes_nothing():
    closed()
    deliver_rows(exit_row())
    before = everything()
    assert outcomes(deliver_rows(exit_row())) == ["unchanged"]
    assert everything() == before


def test_a_smaller_one_leaves_the_rest_synthetic():
    closed(OPERATOR, estimated=False)
    deliver_rows(exit_row(quantity="0.2"))
    assert standing() == [("BOT", "0.2", "61000"), ("OPERATOR", "0.3", "60500")]
    rest = the_rows()[-1]
    assert (rest.estimated, rest.executed_at, rest.recorded_at) == (False, FOUND_FLAT, NOW)
    assert the_trade().exit_quantity == Decimal("0.5")
    assert the_trade().average_exit_price == Decimal(60700)
    deliver_rows(exit_row("x2", "0.3", price="62000"))
    assert standing() == [("BOT", "0.2", "61000"), ("BOT", "0.3", "62000")]
    assert the_trade().reversals == 2


def test_two_parts_in_one_delivery_reverse_once():
    closed()
    report = deliver_rows(exit_row("x1", "0.2"), exit_row("x2", "0.3", price="62000"))
    assert outcomes(report) == ["accepted", "accepted"]
    assert standing() == [("BOT", "0.2", "61000"), ("BOT", "0.3", "62000")]
    assert len(reversals()) == 1
    assert actions().count("trade.exit_reversed") == 1
    assert the_trade().average_exit_price == Decimal(61600)


def test_a_larger_one_of_a_closed_slice_counts_as_much_as_it_replaces():
    closed()
    assert outcomes(deliver_rows(exit_row(quantity="0.7"))) == ["accepted"]
    assert standing() == [("BOT", "0.5", "61000")]
    assert (the_trade().status, the_trade().exit_quantity) == ("CLOSED", Decimal("0.5"))


def test_a_larger_one_than_an_open_slice_has_is_refused_as_ever():
    closed(entered="0.6")
    reason = refusal(deliver_rows(exit_row(quantity="0.7")))
    assert reason.startswith("quantity: exits 0.7 of 0.6 that is open")
    assert standing() == [("SYNTHETIC", "0.5", "60500")]


def test_an_exit_of_what_was_entered_since_reverses_nothing():
    closed(entered="0.8")
    deliver_rows(exit_row(quantity="0.3", executed_at=NOW - timedelta(minutes=10)))
    assert standing() == [("SYNTHETIC", "0.5", "60500"), ("BOT", "0.3", "61000")]
    assert the_trade().status == TradeStatus.CLOSED
    deliver_rows(exit_row("x2", "0.5"))
    assert standing() == [("BOT", "0.3", "61000"), ("BOT", "0.5", "61000")]
    assert the_trade().exit_quantity == Decimal("0.8")


def test_an_exit_of_before_leaves_open_what_was_entered_since():
    closed(entered="0.8")
    deliver_rows(exit_row())
    assert (the_trade().status, the_trade().exit_quantity) == ("OPEN", Decimal("0.5"))
    assert standing() == [("BOT", "0.5", "61000")]
    assert the_position().quantity == Decimal("0.3")


def test_a_late_entry_is_no_exit():
    closed()
    deliver_rows(history_row("h9", "0.3"))
    assert standing() == [("SYNTHETIC", "0.5", "60500")]
    assert (the_trade().status, the_trade().entry_quantity) == ("OPEN", Decimal("0.8"))


def test_what_the_portal_booked_of_the_real_exit_is_repeated_and_only_the_rest_replaces():
    trade = closed(quantity="0.3")
    order = make_order(trade, client_order_id="out", purpose=Purpose.EXIT, side="sell")
    make_history(
        trade,
        kind=EXIT,
        quantity="0.2",
        source=RECONCILED,
        order=order,
        exchange_fill_id="9002",
        price="61000",
    )
    deliver_rows(exit_row(order_ref="out"))
    assert standing() == [("RECONCILED", "0.2", "61000"), ("BOT", "0.3", "61000")]
    assert the_trade().exit_quantity == Decimal("0.5")


def test_after_the_real_fill_was_booked_it_counts_for_nothing():
    trade = closed()
    row = TradeHistory.objects.get(key="portal")
    make_history(trade, kind=REVERSAL, source=RECONCILED, reverses=row, key="back")
    make_history(trade, kind=EXIT, source=RECONCILED, exchange_fill_id="9002", price="61000")
    for row_id, fill_id in (("x1", None), ("x2", "9002")):
        deliver_rows(exit_row(row_id, exchange_fill_id=fill_id))
    assert standing() == [("RECONCILED", "0.5", "61000")]
    assert len(reversals()) == 1


def test_it_counts_no_more_of_a_fill_than_is_left_of_it():
    closed()
    make_fill(exchange_fill_id="9002", side="sell", quantity="0.5", allocated_quantity="0.3")
    deliver_rows(exit_row(exchange_fill_id="9002"))
    assert standing() == [("BOT", "0.2", "61000"), ("SYNTHETIC", "0.3", "60500")]


def test_a_delivered_exit_without_a_fill_is_synthetic_by_its_source_whatever_its_key():
    deliver_rows(
        trade_row(),
        history_row("h1"),
        exit_row("s1", source=SYNTHETIC, price="60500", executed_at=FOUND_FLAT),
    )
    assert standing() == [("SYNTHETIC", "0.5", "60500")]
    deliver_rows(exit_row("s2", source=SYNTHETIC, price="60500"))
    assert reversals() == []
    deliver_rows(exit_row())
    assert standing() == [("BOT", "0.5", "61000")]


def test_synthetic_and_real_exit_in_one_delivery_leave_the_real_one():
    report = deliver_rows(
        trade_row(),
        history_row("h1"),
        exit_row("s1", source=SYNTHETIC, price="60500", executed_at=FOUND_FLAT),
        exit_row("x1", executed_at=FOUND_FLAT),
    )
    assert report.refused == ()
    assert standing() == [("BOT", "0.5", "61000")]
    (back,) = reversals()
    assert back.reverses.key == "delivered:s1"
    assert the_trade().status == TradeStatus.CLOSED


def test_a_slice_in_quarantine_stays_there_while_it_holds_something():
    trade = closed(entered="0.8")
    with arranging():
        Trade.objects.filter(pk=trade.pk).update(status=TradeStatus.QUARANTINED)
    deliver_rows(exit_row())
    assert the_trade().status == TradeStatus.QUARANTINED


def test_rows_of_another_slice_are_not_touched():
    other = make_trade(trade_id="T2", entry_quantity="0.5", exit_quantity="0.5")
    make_history(other, kind=EXIT, source=SYNTHETIC, price="60500")
    closed()
    deliver_rows(exit_row())
    assert standing("T2") == [("SYNTHETIC", "0.5", "60500")]
