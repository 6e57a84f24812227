"""Delivered trades, orders and positions: taken, merged or refused; a repair is never undone."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.keys import trade_code
from reconciliation.enums import (
    Direction,
    OrderStatus,
    Purpose,
    Side,
    TradeStatus,
)
from reconciliation.models import AuditEvent, ExchangeAccount, Order, Position, Trade
from tests.builders import (
    NOW,
    SYMBOL,
    FixedClock,
    arranging,
    make_account,
    make_order,
    make_profile,
    make_trade,
)
from tests.handlers.worlds import (
    CONF,
    actions,
    deliver_rows,
    history_row,
    order_row,
    outcomes,
    position_row,
    refusal,
    the_order,
    the_position,
    the_trade,
    trade_row,
)

pytestmark = pytest.mark.django_db

FILLED, CANCELED = OrderStatus.FILLED, OrderStatus.CANCELED
PARTIALLY = OrderStatus.PARTIALLY_FILLED


def repaired(**values: object) -> None:
    """Let the portal change order client1, as a cycle would have."""
    with arranging():
        Order.objects.filter(client_order_id="client1").update(**values)


# --- every kind ---

EVERY_KIND = {
    "trade": (trade_row(), trade_row(status=TradeStatus.CANCELED)),
    "order": (order_row(trade_id=None), order_row(trade_id=None, status=CANCELED)),
    "position": (position_row("0.5"), position_row("0.4")),
}
every_kind = pytest.mark.parametrize(("first", "changed"), EVERY_KIND.values(), ids=EVERY_KIND)


@every_kind
def test_a_new_row_is_accepted_and_audited(first, changed):
    report = deliver_rows(first)
    assert outcomes(report) == ["accepted"]
    event = AuditEvent.objects.get()
    assert event.action == f"{report.rows[0].kind}.delivered"
    assert (event.actor_name, event.profile_name, event.account_name) == (
        "bot of alpha",
        "alpha",
        "main",
    )
    assert CONF.hash() in event.payload


@every_kind
def test_the_same_row_again_is_a_no_op(first, changed):
    deliver_rows(first)
    with CaptureQueriesContext(connection) as queries:
        assert outcomes(deliver_rows(first)) == ["unchanged"]
    written = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE"))]
    assert written == []
    assert AuditEvent.objects.count() == 1


@every_kind
def test_a_changed_row_is_merged_and_audited_once(first, changed):
    deliver_rows(first)
    assert outcomes(deliver_rows(changed)) == ["merged"]
    assert outcomes(deliver_rows(changed)) == ["unchanged"]
    assert AuditEvent.objects.count() == 2


@every_kind
def test_a_row_that_is_delivered_twice_at_once_is_taken_once(first, changed):
    assert outcomes(deliver_rows(first, first)) == ["accepted", "unchanged"]
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize(
    "row",
    [trade_row(profile="gamma"), order_row(profile="gamma"), position_row(profile="gamma")],
    ids=EVERY_KIND,
)
def test_a_row_of_a_profile_that_the_account_has_not_is_refused_with_those_it_has(row):
    make_profile("elsewhere", account=make_account("other"))
    reason = refusal(deliver_rows(trade_row("T0"), row))
    assert reason.startswith("profile: 'gamma'")
    assert "alpha" in reason
    assert "elsewhere" not in reason


def test_a_refusal_names_its_row_and_is_audited_and_the_other_rows_are_taken():
    report = deliver_rows(
        trade_row(), order_row(quantity="0"), order_row("client2", exchange_order_id="1002")
    )
    assert outcomes(report) == ["accepted", "refused", "accepted"]
    assert [(row.kind, row.ref) for row in report.refused] == [("order", "client1")]
    event = AuditEvent.objects.get(outcome="refused")
    assert (event.action, event.account_name) == ("order.delivered", "main")
    assert "quantity" in event.payload
    assert Order.objects.count() == 1


def test_an_unknown_account_is_an_error_and_nothing_is_written():
    with pytest.raises(ExchangeAccount.DoesNotExist):
        deliver_rows(trade_row(), account="nowhere")
    assert not AuditEvent.objects.exists()


def test_rows_are_answered_trades_first_then_orders_then_history_then_positions():
    report = deliver_rows(position_row(), history_row(), order_row(), trade_row())
    assert [row.kind for row in report.rows] == ["trade", "order", "history", "position"]
    # The history made the position row; what is delivered of it is merged into that one.
    assert outcomes(report) == ["accepted", "accepted", "accepted", "merged"]


def test_a_delivery_costs_the_same_number_of_statements_however_many_rows():
    def count(trades: int, account: str) -> int:
        make_profile(account, account=make_account(account))
        rows = [
            row
            for n in range(trades)
            for row in (
                trade_row(f"{account}{n}", profile=account),
                order_row(
                    f"{account}{n}",
                    profile=account,
                    trade_id=f"{account}{n}",
                    exchange_order_id=f"{n}",
                ),
                history_row(f"{account}{n}", trade_id=f"{account}{n}"),
            )
        ]
        with CaptureQueriesContext(connection) as queries:
            assert set(outcomes(deliver_rows(*rows, account=account))) == {"accepted"}
        return len(queries)

    make_profile()
    assert count(2, "few") == count(60, "many")


# --- trades ---


def test_a_trade_is_pending_until_its_history_comes():
    deliver_rows(trade_row(status=TradeStatus.OPEN))
    trade = the_trade()
    assert (trade.status, trade.delivered_status) == (TradeStatus.PENDING, TradeStatus.OPEN)
    assert (trade.entry_quantity, trade.exit_quantity) == (0, 0)
    assert trade.code == trade_code("alpha01", "T1")
    assert trade.last_activity_at == NOW


def test_a_trade_that_is_delivered_as_canceled_is_canceled():
    deliver_rows(trade_row(status=TradeStatus.CANCELED))
    assert the_trade().status == TradeStatus.CANCELED


def test_a_pending_trade_can_be_canceled_by_the_bot_and_an_open_one_cannot():
    deliver_rows(trade_row(), trade_row("T2"), history_row(trade_id="T2"))
    deliver_rows(
        trade_row(status=TradeStatus.CANCELED), trade_row("T2", status=TradeStatus.CANCELED)
    )
    assert the_trade("T1").status == TradeStatus.CANCELED
    assert the_trade("T2").status == TradeStatus.OPEN


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"symbol": "ETH/USDT:USDT"}, "symbol"),
        ({"direction": Direction.SHORT}, "direction"),
        ({"profile": "beta"}, "profile"),
    ],
)
def test_a_trade_id_is_never_reused(other, field):
    make_profile("beta", sub_tag="beta01")
    deliver_rows(trade_row())
    reason = refusal(deliver_rows(trade_row(**other)))
    assert reason.startswith(f"{field}:")
    assert "never reused" in reason


def test_the_same_trade_id_on_another_account_is_another_trade():
    make_profile("beta", account=make_account("other"))
    deliver_rows(trade_row())
    report = deliver_rows(trade_row(profile="beta", sub_tag="beta01"), account="other")
    assert outcomes(report) == ["accepted"]
    assert Trade.objects.filter(trade_id="T1").count() == 2


def test_a_trade_that_was_opened_for_an_adopted_order_gets_its_name():
    make_trade(trade_id="adopted-1", code=trade_code("alpha01", "T1"))
    assert outcomes(deliver_rows(trade_row())) == ["merged"]
    assert list(Trade.objects.values_list("trade_id", flat=True)) == ["T1"]
    assert outcomes(deliver_rows(trade_row())) == ["unchanged"]


def test_a_merged_trade_is_a_new_version_that_older_decisions_do_not_know():
    deliver_rows(trade_row())
    before = the_trade().version
    deliver_rows(trade_row(status=TradeStatus.OPEN))
    assert the_trade().version == before + 1


# --- orders ---


def test_a_new_order_is_what_was_delivered():
    deliver_rows(trade_row(), order_row(status=PARTIALLY, filled_quantity="0.2"))
    order = the_order()
    assert (order.status, order.delivered_status) == (PARTIALLY, PARTIALLY)
    assert order.filled_quantity == order.delivered_filled_quantity == Decimal("0.2")
    assert (order.trade.trade_id, order.origin) == ("T1", "BOT")
    assert order.last_activity_at == NOW


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"client_order_id": None, "exchange_order_id": None}, "client_order_id"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"filled_quantity": "-0.1"}, "filled_quantity"),
        ({"filled_quantity": "0.6"}, "filled_quantity"),
        ({"status": FILLED, "filled_quantity": "0"}, "filled_quantity"),
        ({"trade_id": "T9"}, "trade_id"),
    ],
)
def test_an_order_that_cannot_be_is_refused_and_the_field_named(values, field):
    reason = refusal(deliver_rows(trade_row(), order_row(**values)))
    assert reason.startswith(f"{field}:")
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"profile": "beta"}, "profile"),
        ({"symbol": "ETH/USDT:USDT"}, "symbol"),
        ({"side": Side.SELL}, "side"),
    ],
)
def test_an_order_that_contradicts_its_trade_is_refused(values, field):
    make_profile("beta", sub_tag="beta01")
    reason = refusal(deliver_rows(trade_row(), order_row(**values)))
    assert reason.startswith(f"{field}:")
    assert not Order.objects.exists()


def test_an_exit_of_a_short_buys():
    short = trade_row(direction=Direction.SHORT)
    leaves = order_row(purpose=Purpose.EXIT, side=Side.BUY)
    assert outcomes(deliver_rows(short, leaves)) == ["accepted", "accepted"]


@pytest.mark.parametrize("field", ["profile", "symbol", "side"])
def test_an_order_id_that_is_another_order_already_is_refused(field):
    make_profile("beta", sub_tag="beta01")
    deliver_rows(order_row(trade_id=None))
    other = {"profile": "beta", "symbol": "ETH/USDT:USDT", "side": Side.SELL}[field]
    assert "another" in refusal(deliver_rows(order_row(trade_id=None, **{field: other})))


def test_an_order_is_found_by_its_exchange_id_where_it_has_no_client_id():
    deliver_rows(trade_row(), order_row(None))
    assert outcomes(deliver_rows(order_row(None, status=CANCELED))) == ["merged"]
    assert Order.objects.get().status == CANCELED


def test_an_exchange_id_of_another_symbol_is_another_order():
    # Some exchanges count their order ids per symbol.
    deliver_rows(trade_row(), order_row())
    eth = {"symbol": "ETH/USDT:USDT", "trade_id": None}
    assert outcomes(deliver_rows(order_row("client2", **eth))) == ["accepted"]
    assert Order.objects.filter(exchange_order_id="1001").count() == 2


def test_an_exchange_id_under_another_client_id_is_refused():
    deliver_rows(trade_row(), order_row("client1"))
    reason = refusal(deliver_rows(order_row("client2", status=CANCELED)))
    assert reason.startswith("exchange_order_id:")
    assert the_order("client1").status == OrderStatus.OPEN


def test_two_orders_that_turn_out_to_share_an_exchange_id_refuse_the_row_and_stop_no_other():
    deliver_rows(trade_row(), order_row("client1", exchange_order_id=None), order_row(None))
    report = deliver_rows(
        order_row("client1", exchange_order_id="1001", status=CANCELED),
        order_row("client3", exchange_order_id="1003"),
    )
    assert outcomes(report) == ["refused", "accepted"]


def test_a_client_id_that_becomes_known_is_taken():
    deliver_rows(trade_row(), order_row(None))
    assert outcomes(deliver_rows(order_row("client1"))) == ["merged"]
    assert outcomes(deliver_rows(order_row("client1", exchange_order_id=None))) == ["unchanged"]
    assert Order.objects.get().client_order_id == "client1"


def test_an_exchange_id_that_becomes_known_is_taken():
    deliver_rows(trade_row(), order_row(exchange_order_id=None))
    assert outcomes(deliver_rows(order_row())) == ["merged"]
    assert the_order().exchange_order_id == "1001"
    assert outcomes(deliver_rows(order_row(exchange_order_id=None))) == ["unchanged"]
    assert the_order().exchange_order_id == "1001"


def test_an_order_whose_exchange_id_nobody_knows_yet_is_unchanged_when_it_is_repeated():
    deliver_rows(trade_row(), order_row(exchange_order_id=None))
    before = the_order().version
    assert outcomes(deliver_rows(order_row(exchange_order_id=None))) == ["unchanged"]
    assert the_order().version == before


def test_a_trade_that_becomes_known_is_taken():
    deliver_rows(trade_row(), order_row(trade_id=None))
    assert outcomes(deliver_rows(order_row(trade_id="T1"))) == ["merged"]
    assert the_order().trade == the_trade()


def test_an_order_that_was_adopted_by_its_tag_alone_learns_its_trade_and_purpose():
    make_order(None, client_order_id="client1", exchange_order_id="1001", purpose=None)
    assert outcomes(deliver_rows(trade_row(), order_row())) == ["accepted", "merged"]
    assert (the_order().trade, the_order().purpose) == (the_trade(), Purpose.ENTRY)


def test_an_order_never_changes_its_trade():
    deliver_rows(trade_row("T1"), trade_row("T2"), order_row(trade_id="T1"))
    reason = refusal(deliver_rows(order_row(trade_id="T2", status=CANCELED)))
    assert reason.startswith("trade_id:")
    assert the_order().trade == the_trade("T1")
    again = order_row("client2", exchange_order_id="1002", trade_id="T1")
    both = deliver_rows(again, replace(again, trade_id="T2"))
    assert outcomes(both) == ["accepted", "refused"]


@pytest.mark.parametrize("stale", [OrderStatus.PENDING, OrderStatus.OPEN])
def test_a_stale_row_never_undoes_a_repair(stale):
    deliver_rows(trade_row(), order_row(status=stale))
    repaired(status=FILLED, filled_quantity=Decimal("0.5"), average_price=Decimal(59000))

    assert outcomes(deliver_rows(order_row(status=stale))) == ["unchanged"]
    late = order_row(status=PARTIALLY, filled_quantity="0.2", average_price="60000")
    assert outcomes(deliver_rows(late)) == ["merged"]

    order = the_order()
    assert (order.status, order.filled_quantity) == (FILLED, Decimal("0.5"))
    assert order.average_price == Decimal(59000)
    assert (order.delivered_status, order.delivered_filled_quantity) == (PARTIALLY, Decimal("0.2"))


def test_an_order_that_the_portal_reopened_stays_open_when_its_end_is_delivered_again():
    deliver_rows(trade_row(), order_row(status=CANCELED))
    repaired(status=OrderStatus.OPEN)
    assert outcomes(deliver_rows(order_row(status=CANCELED))) == ["unchanged"]
    assert the_order().status == OrderStatus.OPEN


def test_terms_that_the_portal_mirrored_stay_when_the_old_ones_are_delivered_again():
    deliver_rows(trade_row(), order_row(price="60000"))
    repaired(price=Decimal(59000), quantity=Decimal(1))
    deliver_rows(order_row(price="60000", status=PARTIALLY, filled_quantity="0.1"))
    assert (the_order().price, the_order().quantity) == (Decimal(59000), Decimal(1))


def test_terms_that_the_bot_changed_are_taken():
    deliver_rows(trade_row(), order_row(price="60000"))
    deliver_rows(order_row(price="58000", quantity="0.7"))
    assert (the_order().price, the_order().quantity) == (Decimal(58000), Decimal("0.7"))


def test_terms_of_a_row_that_is_behind_are_not_taken():
    deliver_rows(trade_row(), order_row(status=PARTIALLY, filled_quantity="0.2"))
    deliver_rows(order_row(price="58000"))
    assert the_order().price == Decimal(60000)


def test_a_filled_quantity_only_grows():
    deliver_rows(trade_row(), order_row(status=PARTIALLY, filled_quantity="0.4"))
    deliver_rows(order_row(status=PARTIALLY, filled_quantity="0.3"))
    assert the_order().filled_quantity == Decimal("0.4")
    deliver_rows(order_row(status=FILLED, filled_quantity="0.5", average_price="60000"))
    assert (the_order().status, the_order().filled_quantity) == (FILLED, Decimal("0.5"))
    assert the_order().average_price == Decimal(60000)


def test_a_merged_order_is_activity_and_a_new_version():
    deliver_rows(trade_row(), order_row())
    before = the_order().version
    later = FixedClock(NOW + timedelta(minutes=5))
    deliver_rows(order_row(status=CANCELED), clock=later)
    assert the_order().version == before + 1
    assert the_order().last_activity_at == later.now()
    assert the_order().delivered_at == later.now()


def test_a_repeated_order_is_no_activity():
    deliver_rows(trade_row(), order_row())
    deliver_rows(order_row(), clock=FixedClock(NOW + timedelta(minutes=5)))
    assert the_order().last_activity_at == NOW


# --- what no column can hold ---


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (trade_row("T" * 65), "trade_id"),
        (trade_row("T\x00"), "trade_id"),
        (trade_row("T\ud800"), "trade_id"),
        (trade_row("T9", symbol="B" * 65), "symbol"),
        (trade_row("T9", sub_tag="a" * 65), "sub_tag"),
        (order_row("c" * 65), "client_order_id"),
        (order_row(exchange_order_id="1" * 65), "exchange_order_id"),
        (order_row(trade_id="T\x00"), "trade_id"),
        (order_row(price="1.0000000000000000001"), "price"),
        (order_row(quantity="100000000000000000000"), "quantity"),
        (history_row("h" * 80), "row_id"),
        (history_row(order_ref="c\x00"), "order_ref"),
        (history_row(trade_id="T\ud800"), "trade_id"),
        (history_row(exchange_fill_id="9" * 65), "exchange_fill_id"),
        (history_row(fee="1", fee_currency="C" * 17), "fee_currency"),
        (history_row(price="1.0000000000000000001"), "price"),
        (position_row(symbol="B" * 65), "symbol"),
        (position_row(symbol="B\x00"), "symbol"),
        (position_row(entry_price="1.0000000000000000001"), "entry_price"),
    ],
)
def test_a_row_that_no_column_can_hold_is_refused_and_stops_no_other(row, field):
    report = deliver_rows(trade_row(), row, trade_row("T2"))
    assert sorted(outcomes(report)) == ["accepted", "accepted", "refused"]
    assert refusal(report).startswith(f"{field}: ")
    assert the_trade("T2")
    assert AuditEvent.objects.filter(outcome="refused").count() == 1


@pytest.mark.parametrize(
    "row",
    [
        trade_row("T" * 64, sub_tag="ü" * 64),
        order_row("c" * 64, exchange_order_id="1" * 64),
        history_row("h" * 70, exchange_fill_id="9" * 64, fee="1", fee_currency="C" * 16),
        position_row(symbol="🜁" * 64),
    ],
)
def test_a_row_that_just_fits_is_taken(row):
    assert set(outcomes(deliver_rows(trade_row(), row))) == {"accepted"}


# --- positions ---


def test_a_delivered_position_is_kept_beside_what_the_slices_say():
    deliver_rows(trade_row(), history_row())
    deliver_rows(position_row("0.4", entry_price="59000"))
    position = the_position()
    assert (position.quantity, position.delivered_quantity) == (Decimal("0.4"), Decimal("0.4"))
    assert (position.entry_price, position.delivered_entry_price) == (59000, 59000)
    assert position.delivered_at == NOW


def test_a_short_position_is_negative():
    deliver_rows(position_row("0.5", direction=Direction.SHORT))
    assert the_position().delivered_quantity == Decimal("-0.5")
    assert outcomes(deliver_rows(position_row("0.5", direction=Direction.SHORT))) == ["unchanged"]


def test_a_negative_position_is_refused():
    assert refusal(deliver_rows(position_row("-0.5"))).startswith("quantity:")
    assert not Position.objects.exists()


def test_a_stale_position_never_undoes_an_alignment():
    deliver_rows(position_row("0.5"))
    with arranging():
        Position.objects.update(quantity=Decimal("0.3"))
    assert outcomes(deliver_rows(position_row("0.5"))) == ["unchanged"]
    assert the_position().quantity == Decimal("0.3")


def test_long_and_short_of_one_symbol_are_two_positions():
    deliver_rows(position_row("0.5"), position_row("0.2", direction=Direction.SHORT))
    assert {str(p.quantity) for p in Position.objects.filter(symbol=SYMBOL)} == {"0.5", "-0.2"}


def test_a_position_that_comes_with_its_history_is_judged_after_it():
    report = deliver_rows(position_row("0.5"), trade_row(), history_row("h1", "0.5"))
    assert outcomes(report) == ["accepted", "accepted", "merged"]
    assert actions() == ["trade.delivered", "history.delivered", "position.delivered"]
