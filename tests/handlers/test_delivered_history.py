"""Delivered history counts once: what the portal booked of it before is not booked again."""

from datetime import timedelta
from decimal import Decimal

import pytest

from reconciliation.domain.keys import client_order_id, trade_code
from reconciliation.enums import (
    Direction,
    HistoryKind,
    HistorySource,
    Purpose,
    TradeStatus,
)
from reconciliation.models import Order, Trade, TradeHistory
from tests.builders import (
    NOW,
    FixedClock,
    arranging,
    make_allocation,
    make_fill,
    make_history,
    make_order,
    make_profile,
    make_trade,
)
from tests.handlers.worlds import (
    HOURS_AGO,
    actions,
    deliver_rows,
    history_row,
    order_row,
    outcomes,
    refusal,
    the_order,
    the_position,
    the_rows,
    the_trade,
    trade_row,
)

pytestmark = pytest.mark.django_db
EXIT = HistoryKind.EXIT
SPOT = "BTC/USDT"
IN_BASE = {"fee": "0.001", "fee_currency": "BTC"}


def exit_row(row_id: str = "x1", quantity: str = "0.5", **values):
    return history_row(row_id, quantity, kind=EXIT, **values)


def booked_by_portal(quantity: str = "0.5", **values) -> Trade:
    """Return T1 with a fill that the portal booked to it before the bot said anything."""
    trade = make_trade(trade_id="T1", entry_quantity=quantity)
    defaults = {"source": HistorySource.RECONCILED, "exchange_fill_id": "9001", "key": "portal"}
    make_history(trade, quantity=quantity, **{**defaults, **values})
    return trade


def delivered() -> list[tuple[str, str]]:
    """Return what the delivered rows say and how much of each counts."""
    return [
        (str(row.quantity), str(row.booked_quantity))
        for row in the_rows()
        if row.key.startswith("delivered:")
    ]


# --- what a row does ---


def test_an_entry_opens_its_trade_and_moves_the_position():
    deliver_rows(trade_row(), history_row())
    trade = the_trade()
    assert (trade.status, trade.entry_quantity) == (TradeStatus.OPEN, Decimal("0.5"))
    assert trade.average_entry_price == Decimal(60000)
    assert (the_position().quantity, the_position().entry_price) == (Decimal("0.5"), 60000)
    assert actions() == ["trade.delivered", "history.delivered"]


def test_an_exit_of_all_closes_it_when_it_was_executed():
    at = NOW - timedelta(minutes=5)
    deliver_rows(trade_row(), history_row(), exit_row(executed_at=at, price="61000"))
    trade = the_trade()
    assert (trade.status, trade.closed_at) == (TradeStatus.CLOSED, at)
    assert trade.average_exit_price == Decimal(61000)
    assert the_position().quantity == 0


def test_a_round_trip_closes_a_trade_that_was_known_as_pending():
    deliver_rows(trade_row())
    later = NOW - timedelta(minutes=5)
    assert outcomes(deliver_rows(history_row(), exit_row(executed_at=later))) == ["accepted"] * 2
    assert the_trade().status == TradeStatus.CLOSED


@pytest.mark.parametrize("status", [TradeStatus.CLOSED, TradeStatus.CANCELED])
def test_an_entry_reopens_a_trade_that_was_over(status):
    deliver_rows(trade_row(), history_row())
    closed = {"exit_quantity": Decimal("0.5")} if status == TradeStatus.CLOSED else {}
    if status == TradeStatus.CANCELED:
        deliver_rows(trade_row("T2", status=TradeStatus.CANCELED))
    name = "T1" if status == TradeStatus.CLOSED else "T2"
    with arranging():
        Trade.objects.filter(trade_id=name).update(status=status, **closed)
    assert outcomes(deliver_rows(history_row("h2", trade_id=name))) == ["accepted"]
    assert (the_trade(name).status, the_trade(name).closed_at) == (TradeStatus.OPEN, None)


def test_a_quarantined_trade_stays_quarantined():
    make_trade(trade_id="T1", entry_quantity="0.5", status=TradeStatus.QUARANTINED)
    deliver_rows(history_row("h2", "0.1"), exit_row(quantity="0.2"))
    assert the_trade().status == TradeStatus.QUARANTINED
    assert (the_trade().entry_quantity, the_trade().exit_quantity) == (
        Decimal("0.6"),
        Decimal("0.2"),
    )


def test_a_short_is_entered_and_left_by_its_kinds():
    deliver_rows(trade_row(direction=Direction.SHORT), history_row(quantity="0.4"))
    assert the_position().quantity == Decimal("-0.4")


def test_rows_are_judged_in_order_of_time_entries_first():
    report = deliver_rows(trade_row(), exit_row(), history_row())
    assert [row.ref for row in report.rows] == ["T1", "h1", "x1"]
    assert outcomes(report) == ["accepted"] * 3
    assert the_trade().status == TradeStatus.CLOSED


def test_a_row_knows_its_order_by_either_of_its_ids():
    deliver_rows(trade_row(), order_row(), history_row("h1", "0.2", order_ref="client1"))
    deliver_rows(history_row("h2", "0.2", order_ref="1001"))
    assert [row.order for row in the_rows()] == [the_order(), the_order()]


def test_an_order_id_of_another_symbol_is_not_the_rows_order():
    make_order(None, client_order_id="eth", exchange_order_id="1001", symbol="ETH/USDT:USDT")
    deliver_rows(trade_row(), order_row(), history_row(order_ref="1001"))
    assert the_rows()[0].order == the_order()


def test_a_row_is_a_sign_of_life_of_its_trade_and_order():
    deliver_rows(trade_row(), order_row(), order_row("client2", exchange_order_id="1002"))
    later = FixedClock(NOW + timedelta(minutes=5))
    deliver_rows(history_row("h1", "0.1", order_ref="client1"), clock=later)
    assert the_trade().last_activity_at == later.now()
    assert the_order("client1").last_activity_at == later.now()
    assert the_order("client2").last_activity_at == NOW


def test_a_row_without_an_order_is_a_sign_of_life_of_every_order_it_may_speak_of():
    deliver_rows(
        trade_row(),
        order_row("entry1"),
        order_row("entry2", exchange_order_id="1002"),
        order_row("exit1", exchange_order_id="1003", purpose=Purpose.EXIT),
    )
    later = FixedClock(NOW + timedelta(minutes=5))
    deliver_rows(history_row(), clock=later)
    fresh = Order.objects.filter(last_activity_at=later.now())
    assert sorted(fresh.values_list("client_order_id", flat=True)) == ["entry1", "entry2"]


# --- repeats ---


def test_the_same_row_again_is_a_no_op():
    deliver_rows(trade_row(), history_row())
    before = (the_trade().version, actions())
    assert outcomes(deliver_rows(history_row())) == ["unchanged"]
    assert (the_trade().version, actions()) == before
    assert the_trade().entry_quantity == Decimal("0.5")


@pytest.mark.parametrize(
    "changed", [{"quantity": "0.4"}, {"price": "59000"}, {"price": None}, {"kind": EXIT}]
)
def test_history_never_changes(changed):
    deliver_rows(trade_row(), history_row())
    assert refusal(deliver_rows(history_row(**changed))).startswith("row_id:")
    assert the_trade().entry_quantity == Decimal("0.5")


def test_a_row_delivered_twice_at_once_counts_once():
    report = deliver_rows(trade_row(), history_row(), history_row())
    assert outcomes(report) == ["accepted", "accepted", "unchanged"]
    assert the_trade().entry_quantity == Decimal("0.5")


def test_row_ids_are_each_trades_own():
    deliver_rows(trade_row("T1"), trade_row("T2"), history_row(), history_row(trade_id="T2"))
    assert the_trade("T2").entry_quantity == Decimal("0.5")


@pytest.mark.parametrize("net", [True, False])
def test_a_spot_row_again_is_a_no_op_whether_net_or_gross(net):
    row = history_row(quantity="0.5", net_of_fee=net, **IN_BASE)
    deliver_rows(trade_row(symbol=SPOT), row)
    assert outcomes(deliver_rows(row)) == ["unchanged"]


# --- refusals ---


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (history_row(kind=HistoryKind.REVERSAL), "kind"),
        (history_row(quantity="0"), "quantity"),
        (history_row(quantity="-1"), "quantity"),
        (history_row(trade_id="T9"), "trade_id"),
        (history_row(order_ref="nobody"), "order_ref"),
        (exit_row(), "quantity"),
    ],
)
def test_a_row_that_cannot_be_is_refused_and_the_field_named(row, field):
    report = deliver_rows(trade_row(), row)
    assert refusal(report).startswith(f"{field}:")
    assert not TradeHistory.objects.exists()
    assert "history.delivered" in actions()


def test_an_exit_beyond_what_is_open_says_what_is_missing():
    deliver_rows(trade_row(), history_row(quantity="0.3"))
    reason = refusal(deliver_rows(exit_row(quantity="0.5")))
    assert "exits 0.5 of 0.3" in reason
    assert the_trade().exit_quantity == 0


def test_a_fee_that_takes_all_of_a_purchase_is_refused_and_stops_no_other_row():
    spent = history_row("h1", "0.001", net_of_fee=False, **IN_BASE)
    report = deliver_rows(trade_row(symbol=SPOT), spent, history_row("h2"))
    assert refusal(report).startswith("fee:")
    assert the_trade().entry_quantity == Decimal("0.5")


def test_a_row_that_names_the_order_of_another_trade_is_refused():
    deliver_rows(trade_row("T1"), trade_row("T2"), order_row(trade_id="T1"))
    reason = refusal(deliver_rows(history_row(trade_id="T2", order_ref="client1")))
    assert reason.startswith("order_ref:")
    assert the_trade("T2").entry_quantity == 0


def test_a_row_may_name_the_order_that_comes_with_it():
    report = deliver_rows(trade_row(), order_row(), history_row(order_ref="client1"))
    assert outcomes(report) == ["accepted"] * 3
    other = deliver_rows(
        trade_row("T2"),
        order_row("client2", exchange_order_id="1002", trade_id="T2"),
        history_row("h2", trade_id="T1", order_ref="client2"),
    )
    assert outcomes(other) == ["accepted", "accepted", "refused"]


def test_a_row_for_a_refused_trade_is_refused_too():
    report = deliver_rows(trade_row(profile="gamma"), history_row())
    assert outcomes(report) == ["refused", "refused"]


# --- fees of spot markets ---


@pytest.mark.parametrize(
    ("symbol", "net", "fee", "entered"),
    [
        (SPOT, True, IN_BASE, "0.5"),
        (SPOT, False, IN_BASE, "0.499"),
        (SPOT, False, {"fee": "30", "fee_currency": "USDT"}, "0.5"),
        (SPOT, False, {}, "0.5"),
        ("BTC/USDT:USDT", False, IN_BASE, "0.5"),
    ],
    ids=["net", "gross", "quote fee", "no fee", "swap"],
)
def test_what_was_gained_is_what_a_row_says_less_its_fee_where_it_is_gross(
    symbol, net, fee, entered
):
    deliver_rows(trade_row(symbol=symbol), history_row(net_of_fee=net, **fee))
    assert the_trade().entry_quantity == Decimal(entered)


def test_a_gross_sale_takes_its_fee_from_the_holding_too():
    deliver_rows(trade_row(symbol=SPOT), history_row(quantity="0.501"))
    deliver_rows(exit_row(quantity="0.5", net_of_fee=False, **IN_BASE))
    assert the_trade().status == TradeStatus.CLOSED


# --- what the portal booked before ---


def test_a_row_that_names_a_fill_the_portal_booked_counts_for_nothing():
    booked_by_portal()
    assert outcomes(deliver_rows(history_row(exchange_fill_id="9001"))) == ["accepted"]
    assert delivered() == [("0.5", "0")]
    assert the_trade().entry_quantity == Decimal("0.5")


def test_a_row_that_names_another_fill_counts():
    booked_by_portal()
    deliver_rows(history_row(exchange_fill_id="9002"))
    assert the_trade().entry_quantity == Decimal(1)


def test_a_nameless_row_counts_only_what_exceeds_what_the_portal_booked():
    booked_by_portal("0.3")
    deliver_rows(history_row(quantity="0.5"))
    assert delivered() == [("0.5", "0.2")]
    assert the_trade().entry_quantity == Decimal("0.5")


def test_several_nameless_rows_share_what_the_portal_booked():
    booked_by_portal("0.5")
    deliver_rows(history_row("h1", "0.3"), history_row("h2", "0.3"))
    assert sorted(delivered()) == [("0.3", "0"), ("0.3", "0.1")]
    deliver_rows(history_row("h3", "0.2"))
    assert the_trade().entry_quantity == Decimal("0.8")


def test_a_nameless_row_of_an_order_looks_only_at_what_was_booked_of_that_order():
    trade = booked_by_portal("0.3")
    first, second = make_order(trade, client_order_id="one"), make_order(trade)
    make_history(
        trade, quantity="0.2", order=second, source=HistorySource.RECONCILED, key="of second"
    )
    with arranging():
        Trade.objects.update(entry_quantity=Decimal("0.5"))
    deliver_rows(history_row("h1", "0.2", order_ref="one"))
    assert delivered() == [("0.2", "0.2")]
    deliver_rows(history_row("h2", "0.2", order_ref=second.client_order_id))
    assert delivered()[-1] == ("0.2", "0")
    assert first.pk != second.pk


def test_a_row_of_the_portals_exit_does_not_hide_an_entry():
    trade = booked_by_portal()
    make_history(trade, kind=EXIT, quantity="0.1", source=HistorySource.RECONCILED, key="exit")
    deliver_rows(history_row(quantity="0.6"))
    assert delivered() == [("0.6", "0.1")]


@pytest.mark.parametrize("source", [HistorySource.SYNTHETIC, HistorySource.DUST])
def test_what_the_portal_booked_without_a_fill_is_not_repeated_by_an_entry(source):
    booked_by_portal(source=source, exchange_fill_id=None)
    deliver_rows(history_row(quantity="0.5"))
    assert delivered() == [("0.5", "0.5")]


def test_a_row_delivered_before_the_portal_booked_anything_counts_whole():
    deliver_rows(trade_row(), history_row(exchange_fill_id="9001"))
    assert delivered() == [("0.5", "0.5")]


def test_a_net_booking_and_a_gross_row_of_the_same_fill_are_the_same():
    trade = make_trade(trade_id="T1", symbol=SPOT, entry_quantity="0.499")
    make_history(
        trade,
        quantity="0.499",
        exchange_fill_id="9001",
        source=HistorySource.RECONCILED,
        key="portal",
    )
    deliver_rows(history_row(exchange_fill_id="9001", net_of_fee=False, **IN_BASE))
    assert delivered() == [("0.499", "0")]


def test_a_trade_that_was_opened_for_an_adopted_order_counts_its_history_once():
    trade = make_trade(trade_id="adopted-x", code=trade_code("alpha01", "T1"), entry_quantity="0.5")
    make_history(trade, exchange_fill_id="9001", source=HistorySource.RECONCILED, key="portal")
    report = deliver_rows(trade_row(), history_row(exchange_fill_id="9001"))
    assert outcomes(report) == ["merged", "accepted"]
    assert the_trade().entry_quantity == Decimal("0.5")


def test_a_trade_of_another_profile_and_its_rows_are_not_touched():
    other = make_trade(make_profile("beta", sub_tag="beta01"), trade_id="T9")
    deliver_rows(trade_row(), history_row(), history_row("h9", trade_id="T9"))
    other.refresh_from_db()
    # The bot of one account delivers for all its profiles; its row names the trade it means.
    assert other.entry_quantity == Decimal("0.5")
    assert the_trade().entry_quantity == Decimal("0.5")


def test_executed_at_is_kept_and_says_nothing_of_when_it_was_recorded():
    deliver_rows(trade_row(), history_row())
    (row,) = the_rows()
    assert (row.executed_at, row.recorded_at) == (HOURS_AGO, NOW)


# --- the fills that rows name ---


def test_a_row_counts_no_more_of_a_fill_than_is_left_of_it():
    trade = make_trade(trade_id="T1", entry_quantity="0.3")
    fill = make_fill(exchange_fill_id="9001", quantity="0.5", allocated_quantity="0.3")
    first = make_history(
        trade,
        quantity="0.3",
        exchange_fill_id="9001",
        source=HistorySource.RECONCILED,
        key="portal",
    )
    make_allocation(fill, first)
    deliver_rows(history_row(quantity="0.5", exchange_fill_id="9001"))
    assert delivered() == [("0.5", "0.2")]
    assert the_trade().entry_quantity == Decimal("0.5")


@pytest.mark.parametrize("evidence", ["sub_tag", "client_order_id", "order"])
def test_a_row_that_names_the_fill_of_another_profile_is_refused(evidence):
    beta = make_profile("beta", sub_tag="beta01")
    theirs = make_order(make_trade(beta, trade_id="B1"))
    values = {
        "sub_tag": {"sub_tag": "beta01"},
        "client_order_id": {
            "client_order_id": client_order_id(
                sub_tag="beta01", trade_id="B1", purpose=Purpose.ENTRY
            )
        },
        "order": {"exchange_order_id": theirs.exchange_order_id},
    }[evidence]
    make_fill(exchange_fill_id="9001", **values)
    deliver_rows(trade_row())
    reason = refusal(deliver_rows(history_row(exchange_fill_id="9001")))
    assert reason.startswith("exchange_fill_id:")
    assert the_trade().entry_quantity == 0


def test_a_row_that_names_a_fill_which_another_trade_took_whole_is_refused():
    other = make_trade(trade_id="T2", entry_quantity="0.5")
    row = make_history(
        other, exchange_fill_id="9001", source=HistorySource.RECONCILED, key="portal"
    )
    make_allocation(make_fill(exchange_fill_id="9001", allocated_quantity="0.5"), row)
    deliver_rows(trade_row())
    reason = refusal(deliver_rows(history_row(exchange_fill_id="9001")))
    assert reason.startswith("exchange_fill_id:")
    assert "T2" in reason


def test_a_row_that_names_a_fill_nobody_has_seen_yet_counts():
    deliver_rows(trade_row(), history_row(exchange_fill_id="9001"))
    assert the_trade().entry_quantity == Decimal("0.5")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (history_row(executed_at=NOW + timedelta(hours=1)), "executed_at"),
        (trade_row("T9", opened_at=NOW + timedelta(hours=1)), "opened_at"),
        (order_row(created_at=NOW + timedelta(hours=1)), "created_at"),
        (history_row(executed_at=NOW.replace(tzinfo=None)), "executed_at"),
        (trade_row("T9", opened_at=NOW.replace(tzinfo=None)), "opened_at"),
    ],
)
def test_what_has_not_happened_yet_or_nowhere_is_refused_and_stops_no_other(row, field):
    report = deliver_rows(trade_row(), row)
    assert refusal(report).startswith(f"{field}:")
    assert outcomes(report).count("accepted") == 1


def test_an_exit_that_only_exceeds_by_what_closed_as_dust_is_taken():
    trade = make_trade(trade_id="T1", entry_quantity="0.50005", exit_quantity="0.50005")
    make_history(trade, kind=EXIT, quantity="0.00005", source=HistorySource.DUST, key="dust")
    make_history(
        trade,
        kind=EXIT,
        quantity="0.5",
        exchange_fill_id="9001",
        source=HistorySource.RECONCILED,
        key="portal",
    )
    assert outcomes(deliver_rows(exit_row(quantity="0.50005"))) == ["accepted"]
    assert the_trade().status == TradeStatus.CLOSED
    assert the_trade().exit_quantity == Decimal("0.50005")
