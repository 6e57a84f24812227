"""A delivered row counts no more of the fill it names than nothing else has taken."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.conf import require
from reconciliation.domain.keys import client_order_id
from reconciliation.enums import HistoryKind, HistorySource, InstrumentType, Purpose
from reconciliation.models import AuditEvent, Fill, Order, Trade, TradeHistory
from tests.builders import (
    arranging,
    make_allocation,
    make_fill,
    make_history,
    make_leg,
    make_order,
    make_profile,
    make_trade,
)
from tests.handlers import worlds
from tests.handlers.worlds import (
    deliver_rows,
    history_row,
    order_row,
    outcomes,
    refusal,
    the_rows,
    the_trade,
    trade_row,
)

pytestmark = pytest.mark.django_db
SPOT = "BTC/USDT"
EXIT, ENTRY = HistoryKind.EXIT, HistoryKind.ENTRY
SYNTHETIC, DUST = HistorySource.SYNTHETIC, HistorySource.DUST


def fill(quantity: str = "0.5", fill_id: str = "9001", **values: Any) -> Fill:
    return make_fill(exchange_fill_id=fill_id, quantity=quantity, **values)


def booked(trade: Trade, kept: Fill, quantity: str, **values: Any) -> TradeHistory:
    """Book a part of a fill to a trade, as a cycle would have."""
    defaults = {"source": HistorySource.RECONCILED, "exchange_fill_id": kept.exchange_fill_id}
    row = make_history(trade, quantity=quantity, **{**defaults, **values})
    with arranging():
        kept.allocated_quantity += Decimal(quantity)
        kept.save(update_fields=["allocated_quantity"])
        trade.entry_quantity += Decimal(quantity)
        trade.status = "OPEN"
        trade.save()
    make_allocation(kept, row)
    return row


def names(fill_id: str = "9001", row_id: str = "h1", quantity: str = "0.5", **values: Any) -> Any:
    return history_row(row_id, quantity, exchange_fill_id=fill_id, **values)


def counted() -> list[tuple[str, str]]:
    """Return what each delivered row of T1 says and how much of it counts."""
    return [
        (str(row.quantity), str(row.booked_quantity))
        for row in the_rows()
        if row.key.startswith("delivered:")
    ]


# --- taken by others ---


def test_a_fill_that_another_trade_has_taken_is_refused_and_the_trade_named():
    booked(make_trade(trade_id="T0"), fill(), "0.5")
    reason = refusal(deliver_rows(trade_row(), names()))
    assert reason.startswith("exchange_fill_id:")
    assert "T0" in reason
    assert the_trade().entry_quantity == 0
    assert AuditEvent.objects.filter(outcome="refused", action="history.delivered").count() == 1


def test_what_another_trade_has_left_of_a_fill_counts():
    booked(make_trade(trade_id="T0"), fill(), "0.3")
    assert outcomes(deliver_rows(trade_row(), names())) == ["accepted", "accepted"]
    assert counted() == [("0.5", "0.2")]


def test_two_trades_that_name_one_fill_at_once_share_it_once():
    fill()
    report = deliver_rows(
        trade_row("T1"), trade_row("T2"), names(), names(row_id="h2", trade_id="T2")
    )
    assert outcomes(report) == ["accepted", "accepted", "accepted", "refused"]
    assert "T1" in refusal(report)
    assert the_trade("T2").entry_quantity == 0


def test_a_row_that_waits_for_its_link_has_taken_its_part():
    deliver_rows(trade_row("T1"), trade_row("T2"), names())
    fill()  # seen since, and not linked yet
    assert "T1" in refusal(deliver_rows(names(row_id="h2", trade_id="T2")))


def test_a_fill_counts_once_however_many_rows_name_it():
    fill()
    deliver_rows(trade_row(), names())
    assert outcomes(deliver_rows(names(row_id="h2"))) == ["accepted"]
    assert counted() == [("0.5", "0.5"), ("0.5", "0")]


def test_a_fill_that_nobody_has_seen_counts_once_too_as_the_largest_row_tells_it():
    deliver_rows(trade_row(), names(), names(row_id="h2"), names(row_id="h3", quantity="0.6"))
    assert counted() == [("0.5", "0.5"), ("0.5", "0"), ("0.6", "0.1")]
    # More of it comes to light: what no row has counted is left to whoever books it.
    fill("0.8")
    deliver_rows(names(row_id="h4", quantity="0.8"))
    assert the_trade().entry_quantity == Decimal("0.8")


@pytest.mark.parametrize("first", ["named", "nameless"])
def test_rows_of_an_order_count_no_more_than_it_where_no_fill_proves_them(first):
    rows = {
        "named": names(order_ref="client1"),
        "nameless": history_row("h2", order_ref="client1"),
    }
    deliver_rows(trade_row(), order_row(), rows.pop(first))
    deliver_rows(*rows.values())
    assert [count for _, count in counted()] == ["0.5", "0"]
    assert the_trade().entry_quantity == Decimal("0.5")


def test_a_fill_proves_that_an_order_has_grown():
    fill("0.8")
    deliver_rows(trade_row(), order_row(), names(quantity="0.8", order_ref="client1"))
    assert counted() == [("0.8", "0.8")]


def test_a_row_that_says_more_than_its_fill_counts_the_fill():
    fill("0.5")
    deliver_rows(trade_row(), names(quantity="0.6"))
    assert counted() == [("0.6", "0.5")]


def test_a_row_that_repeats_what_the_portal_booked_counts_the_rest_of_its_fill():
    booked(make_trade(trade_id="T1"), fill(), "0.2")
    deliver_rows(names())
    assert counted() == [("0.5", "0.3")]


def test_a_fill_that_a_nameless_row_of_the_trade_covers_counts_no_second_time():
    trade, kept = make_trade(trade_id="T1"), fill("0.2")
    booked(trade, kept, "0.2", source=HistorySource.BOT, exchange_fill_id=None, key="delivered:h0")
    booked(trade, fill("0.3", "9002"), "0.3")
    deliver_rows(names("9001", "h1", "0.2"), names("9002", "h2", "0.3"))
    assert counted()[1:] == [("0.2", "0"), ("0.3", "0")]
    assert the_trade().entry_quantity == Decimal("0.5")
    # What the portal booked of 9002 is told by now; a nameless row may still repeat it, once.
    deliver_rows(history_row("h3", "0.3"))
    assert the_trade().entry_quantity == Decimal("0.8")


def test_a_repeat_of_a_nameless_row_hides_no_booking_of_the_portal():
    trade = make_trade(trade_id="T1")
    booked(
        trade,
        fill("0.2"),
        "0.2",
        source=HistorySource.BOT,
        exchange_fill_id=None,
        key="delivered:h0",
    )
    booked(trade, fill("0.3", "9002"), "0.3")
    deliver_rows(names("9001", "h1", "0.2"), history_row("h2", "0.3"))
    assert counted()[1:] == [("0.2", "0"), ("0.3", "0")]


def test_a_fill_of_the_other_side_is_another_fill():
    fill(side="sell")
    deliver_rows(trade_row(), names())
    assert counted() == [("0.5", "0.5")]


def test_a_fee_in_the_base_leaves_of_a_fill_what_was_gained():
    fill(symbol=SPOT, instrument_type=InstrumentType.SPOT, fee="0.001", fee_currency="BTC")
    deliver_rows(trade_row(symbol=SPOT), names())
    assert counted() == [("0.5", "0.499")]


# --- whose a fill proves to be ---


@pytest.mark.parametrize(
    "evidence",
    [
        {"sub_tag": "beta01"},
        {"client_order_id": client_order_id(sub_tag="beta01", trade_id="B", purpose=Purpose.ENTRY)},
        {"exchange_order_id": "77"},
        {"client_order_id": "of beta"},
        {"exchange_order_id": "78"},
    ],
    ids=["tag", "client id", "order", "order by client id", "leg of an order"],
)
def test_a_fill_of_another_profile_is_never_used(evidence):
    beta = make_profile("beta", sub_tag="beta01")
    order = make_order(None, profile=beta, client_order_id="of beta", exchange_order_id="77")
    make_leg(order, exchange_order_id="78")
    fill(**evidence)
    reason = refusal(deliver_rows(trade_row(), names()))
    assert reason.startswith("exchange_fill_id:")
    assert "profile" in reason
    assert the_trade().entry_quantity == 0


@pytest.mark.parametrize(
    "evidence",
    [
        {
            "client_order_id": client_order_id(
                sub_tag="alpha01", trade_id="T2", purpose=Purpose.ENTRY
            )
        },
        {"exchange_order_id": "77"},
    ],
    ids=["client id", "order"],
)
def test_a_fill_of_another_trade_of_the_profile_is_not_used(evidence):
    make_order(make_trade(trade_id="T2"), exchange_order_id="77")
    fill(**evidence)
    assert "another trade's" in refusal(deliver_rows(trade_row(), names()))


def test_a_fill_of_an_order_that_comes_with_the_row_is_that_orders():
    fill(exchange_order_id="1001")
    report = deliver_rows(
        trade_row("T1"), trade_row("T2"), order_row(trade_id="T2"), names(), names(row_id="h2")
    )
    assert outcomes(report)[-2:] == ["refused", "refused"]


def test_a_fill_that_proves_to_be_the_trades_own_counts():
    own = client_order_id(sub_tag="alpha01", trade_id="T1", purpose=Purpose.ENTRY)
    fill(sub_tag="alpha01", client_order_id=own, trade_hint="T1")
    deliver_rows(trade_row(), names())
    assert counted() == [("0.5", "0.5")]


def test_named_fills_cost_the_same_number_of_statements_however_many():
    def count(first: int, rows: int) -> int:
        ids = [str(first + n) for n in range(rows)]
        for each in ids:
            fill("0.1", each)
        with CaptureQueriesContext(connection) as queries:
            report = deliver_rows(*(names(each, f"h{each}", "0.1") for each in ids))
        assert set(outcomes(report)) == {"accepted"}
        return len(queries)

    deliver_rows(trade_row())
    assert count(100, 2) == count(200, 40)


# --- what was closed without a fill ---


def closed(source: HistorySource, **values: Any) -> Trade:
    """Return T1, whose exit of 0.5 (or of a residue of it) the portal booked without a fill."""
    trade = make_trade(trade_id="T1", entry_quantity="0.500005", exit_quantity="0.500005")
    make_history(trade, kind=EXIT, source=source, price=None, **values)
    return trade


@pytest.mark.parametrize("names_order", [True, False])
def test_an_exit_of_what_closed_as_dust_is_taken_and_counts_for_nothing(names_order):
    trade = closed(DUST, quantity="0.000005")
    make_history(
        trade,
        kind=EXIT,
        quantity="0.5",
        source=HistorySource.RECONCILED,
        exchange_fill_id="9002",
        order=make_order(trade, client_order_id="out", purpose=Purpose.EXIT, side="sell"),
    )
    row = history_row("h1", "0.500005", kind=EXIT, **({"order_ref": "out"} if names_order else {}))
    assert outcomes(deliver_rows(row)) == ["accepted"]
    assert counted() == [("0.500005", "0")]
    assert the_trade().status == "CLOSED"


def test_an_exit_that_was_reversed_hides_nothing():
    trade = make_trade(trade_id="T1", entry_quantity="0.5")
    row = make_history(trade, kind=EXIT, source=SYNTHETIC, quantity="0.5")
    make_history(
        trade,
        kind=HistoryKind.REVERSAL,
        source=HistorySource.OPERATOR,
        quantity="0.5",
        reverses=row,
    )
    deliver_rows(history_row("h1", "0.5", kind=EXIT))
    assert counted() == [("0.5", "0.5")]
    assert the_trade().status == "CLOSED"


def test_dust_of_an_earlier_round_takes_nothing_from_an_exit_that_has_room():
    trade = closed(DUST, quantity="0.000005")
    with arranging():
        Trade.objects.filter(pk=trade.pk).update(entry_quantity=Decimal("0.600005"), status="OPEN")
    deliver_rows(names("9009", "h1", "0.1", kind=EXIT))
    assert counted() == [("0.1", "0.1")]


def test_a_row_without_an_order_is_a_sign_of_life_of_its_possible_orders_only():
    deliver_rows(
        trade_row(),
        order_row("in"),
        order_row("out", exchange_order_id="1002", purpose=Purpose.EXIT),
    )
    with arranging():
        Order.objects.update(last_activity_at=the_trade().opened_at)
    before = dict(Order.objects.values_list("client_order_id", "version"))
    deliver_rows(history_row("h1", "0.2"), history_row("h2", "0.1"))
    after = dict(Order.objects.values_list("client_order_id", "version"))
    assert after == {"in": before["in"] + 1, "out": before["out"]}


def test_a_fill_that_is_anothers_by_the_bots_own_scheme_of_ids_is_refused(monkeypatch):
    make_profile("beta", sub_tag="beta01")
    fill(client_order_id="beta01-T7-ENTRY")
    taken = (trade_row(), names())
    scheme = {"RECON_CLIENT_ORDER_ID_PATTERN": "(?P<sub_tag>[a-z0-9]+)-(?P<trade_id>T[0-9]+)"}
    with monkeypatch.context() as patched:
        patched.setattr(worlds, "CONF", require(scheme))
        assert "profile beta's by its CLIENT_ORDER_ID" in refusal(deliver_rows(*taken))
    assert outcomes(deliver_rows(*taken))[-1] == "accepted"
