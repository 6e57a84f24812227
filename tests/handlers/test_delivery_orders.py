"""A delivered order agrees with its trade, and an adopted one learns what it is for."""

import pytest

from reconciliation.enums import Direction, OrderStatus, Origin, PositionSide, Purpose, Side
from reconciliation.models import Order
from tests.builders import SYMBOL, make_order, make_profile, make_trade
from tests.handlers.worlds import (
    deliver_rows,
    history_row,
    order_row,
    outcomes,
    refusal,
    the_order,
    the_trade,
    trade_row,
)

pytestmark = pytest.mark.django_db
LONG, SHORT, NET = PositionSide.LONG, PositionSide.SHORT, PositionSide.NET


@pytest.mark.parametrize(
    ("direction", "side", "fits"),
    [
        (Direction.LONG, LONG, True),
        (Direction.LONG, NET, True),
        (Direction.LONG, SHORT, False),
        (Direction.SHORT, SHORT, True),
        (Direction.SHORT, LONG, False),
    ],
)
def test_a_position_side_is_the_trades_direction(direction, side, fits):
    deliver_rows(trade_row(direction=direction))
    enters = Side.BUY if direction == Direction.LONG else Side.SELL
    report = deliver_rows(order_row(side=enters, position_side=side))
    assert outcomes(report) == ["accepted" if fits else "refused"]
    if not fits:
        assert refusal(report).startswith("position_side:")


def test_a_known_order_keeps_its_purpose():
    deliver_rows(trade_row(), order_row(trade_id=None))
    short = trade_row("T2", direction=Direction.SHORT)
    report = deliver_rows(short, order_row(trade_id="T2", purpose=Purpose.EXIT, side=Side.BUY))
    assert refusal(report).startswith("purpose:")
    assert the_order().trade is None


def test_an_exchange_id_of_another_order_beside_an_own_client_id_is_refused():
    deliver_rows(trade_row(), order_row("A"), order_row("B", exchange_order_id=None))
    report = deliver_rows(
        order_row("B", exchange_order_id="1001"), order_row("C", exchange_order_id="1003")
    )
    assert outcomes(report) == ["refused", "accepted"]
    assert the_order("B").exchange_order_id is None


# --- history rows that name an order ---


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"purpose": Purpose.EXIT, "side": Side.SELL}, "kind"),
        ({"purpose": None, "side": Side.SELL}, "order_ref"),
        ({"symbol": "ETH/USDT:USDT"}, "order_ref"),
    ],
    ids=["purpose", "side", "symbol"],
)
def test_a_row_that_names_an_order_of_another_kind_is_refused(order, field):
    make_trade(trade_id="T1")
    make_order(None, client_order_id="client1", **order)
    reason = refusal(deliver_rows(history_row(order_ref="client1")))
    assert reason.startswith(f"{field}:")
    assert the_trade().entry_quantity == 0


def test_a_row_that_names_an_order_of_another_profile_is_refused():
    make_trade(trade_id="T1")
    make_order(None, profile=make_profile("beta", sub_tag="beta01"), client_order_id="client1")
    assert "profile" in refusal(deliver_rows(history_row(order_ref="client1")))


# --- adopted orders ---


def adopted(**values: object) -> Order:
    """Return an order that was adopted by its tag alone: the exchange knows it as 1001."""
    defaults = {"origin": Origin.EXCHANGE, "purpose": None, "client_order_id": None}
    return make_order(None, exchange_order_id="1001", **{**defaults, **values})


def test_an_adopted_order_that_is_delivered_gets_its_trade_purpose_and_client_id():
    adopted()
    assert outcomes(deliver_rows(trade_row(), order_row())) == ["accepted", "merged"]
    order = the_order("client1")
    assert (order.trade, order.purpose, order.origin) == (the_trade(), "ENTRY", "EXCHANGE")
    assert outcomes(deliver_rows(order_row())) == ["unchanged"]


def test_an_adopted_order_that_is_delivered_without_a_trade_gets_its_purpose():
    adopted()
    deliver_rows(order_row(trade_id=None))
    assert the_order().purpose == "ENTRY"
    assert outcomes(deliver_rows(trade_row(), order_row())) == ["accepted", "merged"]
    assert the_order().trade == the_trade()


def test_an_adopted_order_is_checked_against_the_trade_it_is_delivered_with():
    adopted(side=Side.SELL)
    report = deliver_rows(trade_row(), order_row(side=Side.SELL))
    assert refusal(report).startswith("side:")
    assert Order.objects.get().trade is None


def test_an_adopted_order_of_a_known_trade_is_not_given_to_another():
    make_order(make_trade(trade_id="T0"), client_order_id="client1", origin=Origin.EXCHANGE)
    report = deliver_rows(trade_row(), order_row(exchange_order_id=None))
    assert refusal(report).startswith("trade_id:")


def test_a_trade_row_names_the_trade_of_an_adopted_order_of_another_symbol_not():
    adopted(symbol="ETH/USDT:USDT")
    # Ids may be counted per symbol: this is another order.
    assert outcomes(deliver_rows(trade_row(), order_row(symbol=SYMBOL))) == ["accepted"] * 2


# --- what a decision on the trade did not see ---


def test_an_order_that_is_new_to_a_trade_makes_older_decisions_on_it_void():
    deliver_rows(trade_row())
    before = the_trade().version
    deliver_rows(order_row())
    assert the_trade().version == before + 1
    deliver_rows(order_row())
    assert the_trade().version == before + 1
    deliver_rows(order_row(status=OrderStatus.CANCELED))
    assert the_trade().version == before + 1


def test_an_order_that_is_linked_to_a_trade_makes_older_decisions_on_it_void():
    adopted()
    deliver_rows(trade_row())
    before = the_trade().version
    deliver_rows(order_row())
    assert the_trade().version == before + 1
