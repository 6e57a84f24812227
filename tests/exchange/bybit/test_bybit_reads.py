"""What is read of an account at Bybit, through the real ccxt class, from the bodies it sends."""

from decimal import Decimal

import pytest

from reconciliation.enums import (
    InstrumentType,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
)
from reconciliation.exchange.ccxt_gateway import CcxtGateway
from reconciliation.exchange.gateway import (
    PermanentExchangeError,
    RetryableExchangeError,
    UnknownSymbol,
    Unsupported,
)
from tests.exchange.builders import NOW_MS, as_gateway
from tests.exchange.bybit.wire import BybitWire, coin_row, fill_row, order_row, position_row

SWAP = "BTC/USDT:USDT"


def find(gateway: CcxtGateway, exchange_id: str | None, client_id: str | None = None) -> object:
    return gateway.fetch_order(
        symbol=SWAP,
        exchange_order_id=exchange_id,
        client_order_id=client_id,
        order_class=OrderClass.REGULAR,
    )


def test_instruments_are_linear_swaps_of_every_settlement_currency(wire: BybitWire) -> None:
    instruments = as_gateway(wire.connect("bybit")).load_instruments()

    assert set(instruments) == {SWAP, "ETH/USDT:USDT", "BTC/USDC:USDC"}
    assert instruments[SWAP].amount_step == Decimal("0.001")
    assert instruments[SWAP].contract_size == 1
    assert instruments[SWAP].type == InstrumentType.SWAP


def test_open_orders_are_read_by_class_and_of_every_settlement_currency(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.orders = [
        order_row(cumExecQty="0.2", orderStatus="PartiallyFilled", avgPrice="59975"),
        order_row(
            orderId="b1002", orderStatus="Untriggered", stopOrderType="Stop", orderType="Market"
        ),
        order_row(orderId="b1003", orderStatus="Untriggered", stopOrderType="TrailingStop"),
        order_row(orderId="b1004", symbol="BTCPERP", settleCoin="USDC"),
        order_row(orderId="b1005", orderStatus="Filled"),
    ]

    read = {kind: gateway.fetch_open_orders(kind).orders for kind in gateway.order_classes}

    assert {kind: [each.exchange_order_id for each in read[kind]] for kind in read} == {
        OrderClass.REGULAR: ["b1004", "b1001"],
        OrderClass.CONDITIONAL: ["b1002"],
        OrderClass.TRAILING: ["b1003"],
    }
    order = read[OrderClass.REGULAR][1]
    assert (order.side, order.type, order.status) == (
        Side.BUY,
        OrderType.LIMIT,
        OrderStatus.PARTIALLY_FILLED,
    )
    assert (order.quantity, order.filled_quantity) == (Decimal("0.5"), Decimal("0.2"))
    assert (order.price, order.average_price) == (Decimal("60000"), Decimal("59975"))
    assert (order.client_order_id, order.sub_tag) == ("alpha01-1", "alpha01")
    assert (read[OrderClass.CONDITIONAL][0].type, read[OrderClass.CONDITIONAL][0].price) == (
        OrderType.MARKET,
        None,
    )


def test_open_orders_are_read_to_the_last_page(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.orders = [order_row(orderId=f"b{number}") for number in range(120)]

    assert len(gateway.fetch_open_orders(OrderClass.REGULAR).orders) == 120


def test_a_stop_that_closes_whatever_is_held_has_no_known_quantity(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.orders = [order_row(qty="0", orderStatus="Untriggered", stopOrderType="StopLoss")]

    (order,) = gateway.fetch_open_orders(OrderClass.CONDITIONAL).orders

    assert order.quantity is None


@pytest.mark.parametrize("recent", [True, False])
def test_an_order_is_found_by_either_id_among_recent_and_old_ones(
    wire: BybitWire, recent: bool
) -> None:
    gateway = wire.connect("bybit")
    row = order_row(orderStatus="Cancelled")
    wire.orders, wire.old_orders = ([row], []) if recent else ([], [row])

    for ids in (("b1001", None), (None, "alpha01-1"), ("gone", "alpha01-1")):
        found = find(gateway, *ids)
        assert getattr(found, "exchange_order_id", None) == "b1001"
        assert getattr(found, "status", None) == OrderStatus.CANCELED


def test_the_newest_order_under_a_client_id_is_the_answer(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    newer = order_row(orderId="b1002", createdTime=str(NOW_MS))
    wire.orders = [newer, order_row()]

    assert getattr(find(gateway, None, "alpha01-1"), "exchange_order_id", None) == "b1002"


def test_an_order_that_no_list_shows_is_not_found(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")

    assert find(gateway, "b1", "c1") is None
    asked = [tuple(sorted(each.query)) for each in wire.asked[-4:]]
    assert asked == [
        ("category", "orderId", "symbol"),
        ("category", "orderId", "symbol"),
        ("category", "orderLinkId", "symbol"),
        ("category", "orderLinkId", "symbol"),
    ]


def test_another_order_than_asked_for_is_no_answer(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.routes["api.bybit.com/v5/order/realtime"] = lambda query: {
        "retCode": 0,
        "result": {"category": "linear", "list": [order_row(orderId="77")]},
    }

    with pytest.raises(RetryableExchangeError, match="asked for order b1001"):
        find(gateway, "b1001")


def test_the_fills_of_an_order_are_read_newest_first(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.fills = [fill_row("e1", 20), fill_row("e2", 10), fill_row("e3", orderId="b7")]

    fills = gateway.fetch_order_fills(symbol=SWAP, exchange_order_id="b1001")

    assert [fill.fill_id for fill in fills] == ["e2", "e1"]


def test_net_positions_are_signed_and_zero_sizes_are_none(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.positions = [
        position_row(),
        position_row(symbol="ETHUSDT", side="Sell", size="2"),
        position_row(symbol="BTCPERP", side="", size="0", settleCoin="USDC"),
    ]

    held = gateway.fetch_positions()

    assert [(each.symbol, each.side, each.quantity) for each in held] == [
        (SWAP, PositionSide.NET, Decimal("0.5")),
        ("ETH/USDT:USDT", PositionSide.NET, Decimal(-2)),
    ]
    assert (held[0].entry_price, held[0].mark_price) == (Decimal(60000), Decimal(61000))
    assert [query["settleCoin"] for query in wire.queries("/position/list")] == ["USDC", "USDT"]


def test_hedged_positions_are_of_their_side(wire: BybitWire) -> None:
    gateway = wire.connect("bybit", position_mode=PositionMode.HEDGE)
    wire.positions = [
        position_row(positionIdx=1),
        position_row(positionIdx=2, side="Sell", size="0.3"),
    ]

    assert [(each.side, each.quantity) for each in gateway.fetch_positions(SWAP)] == [
        (PositionSide.LONG, Decimal("0.5")),
        (PositionSide.SHORT, Decimal("-0.3")),
    ]


def test_a_position_mode_that_is_not_the_configured_one_is_an_error(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.positions = [position_row(positionIdx=1)]

    with pytest.raises(PermanentExchangeError, match="position mode"):
        gateway.fetch_positions()


def test_balances_are_cash_and_margin_is_that_of_positions(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.coins = [coin_row(), coin_row(coin="BTC", walletBalance="0", totalPositionIM="0")]

    assert gateway.fetch_balances() == {"USDT": Decimal(50000)}
    assert gateway.fetch_margin_in_use() == {"USDT": Decimal(3000)}


def test_a_margin_that_is_not_told_is_an_error_and_not_nothing(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.coins = [coin_row(totalPositionIM="")]

    with pytest.raises(RetryableExchangeError, match="totalPositionIM"):
        gateway.fetch_margin_in_use()


def test_marks_are_read(wire: BybitWire) -> None:
    assert wire.connect("bybit").fetch_mark(SWAP) == Decimal("61000.5")
    spot = wire.connect("bybit", options={"instrument_types": ["spot"]})
    assert spot.fetch_mark("BTC/USDT") == Decimal("60990.1")


def test_what_there_is_not_is_said(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    spot = wire.connect("bybit", options={"instrument_types": ["spot"]})

    with pytest.raises(Unsupported, match="each symbol has its own position mode"):
        gateway.fetch_position_mode()
    with pytest.raises(Unsupported, match="oco"):
        gateway.fetch_open_orders(OrderClass.OCO)
    with pytest.raises(Unsupported, match="held as a balance"):
        spot.fetch_positions()
    with pytest.raises(Unsupported, match="no margin"):
        spot.fetch_margin_in_use()
    with pytest.raises(UnknownSymbol):
        gateway.fetch_mark("XRP/USDT:USDT")


def test_spot_orders_and_fills_are_read_with_the_fee_in_its_currency(wire: BybitWire) -> None:
    spot = wire.connect("bybit", options={"instrument_types": ["spot"]})
    wire.orders = [order_row()]
    wire.fills = [fill_row(execFee="0.0002", feeCurrency="BTC")]

    (order,) = spot.fetch_open_orders(OrderClass.REGULAR).orders
    (fill,) = spot.fetch_order_fills(symbol="BTC/USDT", exchange_order_id="b1001")

    assert order.symbol == "BTC/USDT"
    assert (fill.fee, fill.fee_currency) == (Decimal("0.0002"), "BTC")
    assert wire.queries("/order/realtime")[0]["orderFilter"] == "Order"
