"""What is read of an account at Binance, spot and USD-M, from the bodies it sends."""

from decimal import Decimal
from typing import Any

import pytest

from reconciliation.enums import (
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
    Unsupported,
)
from tests.exchange.binance.wire import (
    USDM,
    BinanceWire,
    algo_row,
    asset_row,
    fill_row,
    order_row,
    position_row,
    spot_fill_row,
    spot_order_row,
)
from tests.exchange.builders import as_gateway

SWAP, SPOT = "BTC/USDT:USDT", "BTC/USDT"


def find(
    gateway: CcxtGateway,
    exchange_id: str | None,
    client_id: str | None = None,
    *,
    symbol: str = SWAP,
    kind: OrderClass = OrderClass.REGULAR,
) -> Any:
    return gateway.fetch_order(
        symbol=symbol,
        exchange_order_id=exchange_id,
        client_order_id=client_id,
        order_class=kind,
    )


def test_instruments_cost_one_request_of_one_host_though_there_are_keys(wire: BinanceWire) -> None:
    usdm = as_gateway(wire.connect("binanceusdm")).load_instruments()
    spot = as_gateway(wire.connect("binance")).load_instruments()

    assert set(usdm) == {SWAP, "ETH/USDT:USDT"}
    assert set(spot) == {SPOT, "ETH/USDT"}
    assert usdm[SWAP].amount_step == Decimal("0.001")
    assert [each.place for each in wire.asked] == [
        "fapi.binance.com/fapi/v1/exchangeInfo",
        "api.binance.com/api/v3/exchangeInfo",
    ]


def test_usdm_orders_are_read_by_class(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm")
    wire.orders = [order_row(status="PARTIALLY_FILLED", executedQty="0.2", avgPrice="59975.0")]
    wire.algo_orders = [
        algo_row(),
        algo_row(algoId=5002, orderType="TRAILING_STOP_MARKET"),
        algo_row(algoId=5003, orderType="STOP", price="54990.0"),
    ]

    read = {kind: gateway.fetch_open_orders(kind).orders for kind in gateway.order_classes}

    assert {kind: [each.exchange_order_id for each in read[kind]] for kind in read} == {
        OrderClass.REGULAR: ["1001"],
        OrderClass.CONDITIONAL: ["5001", "5003"],
        OrderClass.TRAILING: ["5002"],
    }
    (order,) = read[OrderClass.REGULAR]
    assert (order.side, order.type, order.status) == (
        Side.BUY,
        OrderType.LIMIT,
        OrderStatus.PARTIALLY_FILLED,
    )
    assert (order.quantity, order.filled_quantity) == (Decimal("0.5"), Decimal("0.2"))
    assert (order.price, order.average_price) == (Decimal(60000), Decimal(59975))
    assert (order.client_order_id, order.sub_tag) == ("alpha01-1", "alpha01")
    stop, limited = read[OrderClass.CONDITIONAL]
    assert (stop.type, stop.price, stop.filled_quantity) == (OrderType.MARKET, None, None)
    assert (limited.type, limited.price) == (OrderType.LIMIT, Decimal(54990))


def test_spot_orders_are_one_list(wire: BinanceWire) -> None:
    gateway = wire.connect("binance")
    wire.orders = [
        spot_order_row(),
        spot_order_row(orderId=1002, type="STOP_LOSS", price="0.00000000", stopPrice="55000"),
    ]

    limited, stop = gateway.fetch_open_orders(OrderClass.REGULAR).orders

    assert (limited.symbol, limited.type, limited.price) == (SPOT, OrderType.LIMIT, Decimal(60000))
    assert (stop.type, stop.price, stop.average_price) == (OrderType.MARKET, None, None)
    with pytest.raises(Unsupported, match="conditional"):
        gateway.fetch_open_orders(OrderClass.CONDITIONAL)


@pytest.mark.parametrize(("exchange_id", "symbol"), [("binanceusdm", SWAP), ("binance", SPOT)])
def test_an_order_is_found_by_either_id_and_not_found_by_the_one_code(
    wire: BinanceWire, exchange_id: str, symbol: str
) -> None:
    gateway = wire.connect(exchange_id)
    wire.orders = [order_row(status="EXPIRED")]

    assert find(gateway, "1001", symbol=symbol).status == OrderStatus.EXPIRED
    assert find(gateway, None, "alpha01-1", symbol=symbol).exchange_order_id == "1001"
    assert find(gateway, "7", "alpha01-1", symbol=symbol).exchange_order_id == "1001"
    assert find(gateway, "7", "gone", symbol=symbol) is None


def test_a_triggered_stop_names_the_order_that_it_placed(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm")
    wire.algo_orders = [algo_row(algoStatus="FINISHED", actualOrderId="2002")]

    for ids in (("5001", None), (None, "alpha01-stop")):
        found = find(gateway, *ids, kind=OrderClass.CONDITIONAL)
        assert (found.status, found.child_ids) == (OrderStatus.OPEN, ("2002",))
    assert find(gateway, "7", kind=OrderClass.TRAILING) is None


def test_another_order_than_asked_for_is_no_answer(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm")
    wire.routes[f"{USDM}/v1/order"] = lambda _: order_row(orderId=77)

    with pytest.raises(RetryableExchangeError, match="asked for order 1001"):
        find(gateway, "1001")


def test_an_order_of_another_symbol_than_asked_for_is_no_answer(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm")
    wire.algo_orders = [algo_row(symbol="ETHUSDT")]

    with pytest.raises(RetryableExchangeError, match="ETH/USDT:USDT"):
        find(gateway, "5001", kind=OrderClass.CONDITIONAL)


def test_the_fills_of_an_order_carry_its_client_id(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm")
    wire.orders = [order_row()]
    wire.fills = [fill_row(9, 20), fill_row(10, 10), fill_row(11, orderId=7)]

    fills = gateway.fetch_order_fills(symbol=SWAP, exchange_order_id="1001")

    assert [(fill.fill_id, fill.client_order_id, fill.sub_tag) for fill in fills] == [
        ("10", "alpha01-1", "alpha01"),
        ("9", "alpha01-1", "alpha01"),
    ]


def test_a_spot_fee_in_base_currency_is_told_as_such(wire: BinanceWire) -> None:
    gateway = wire.connect("binance")
    wire.orders = [spot_order_row()]
    wire.fills = [spot_fill_row(), spot_fill_row(2, isBuyer=False)]

    sold, bought = sorted(
        gateway.fetch_order_fills(symbol=SPOT, exchange_order_id="1001"),
        key=lambda fill: fill.side,
        reverse=True,
    )

    assert (bought.side, bought.fee, bought.fee_currency) == (Side.BUY, Decimal("0.0002"), "BTC")
    assert sold.side == Side.SELL


def test_net_positions_are_signed_and_zero_sizes_are_none(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm")
    wire.positions = [position_row(positionAmt="-0.500"), position_row(symbol="ETHUSDT")]
    wire.positions[1]["positionAmt"] = "0.000"

    (held,) = gateway.fetch_positions()

    assert (held.symbol, held.side, held.quantity) == (SWAP, PositionSide.NET, Decimal("-0.5"))
    assert (held.entry_price, held.mark_price) == (Decimal(60000), Decimal(61000))


def test_positions_are_the_first_question_and_cost_one_request(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm")
    wire.positions = [position_row()]
    gateway.fetch_positions()

    assert [each.place.rpartition("/")[2] for each in wire.asked] == [
        "positionRisk",
        "exchangeInfo",
    ]


def test_hedged_positions_are_of_their_side(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm", position_mode=PositionMode.HEDGE)
    wire.hedged = True
    wire.positions = [
        position_row(positionSide="LONG"),
        position_row(positionSide="SHORT", positionAmt="-0.300"),
    ]

    assert gateway.fetch_position_mode() == PositionMode.HEDGE
    assert [(each.side, each.quantity) for each in gateway.fetch_positions(SWAP)] == [
        (PositionSide.LONG, Decimal("0.5")),
        (PositionSide.SHORT, Decimal("-0.3")),
    ]


def test_a_position_mode_that_is_not_the_configured_one_is_an_error(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm")
    wire.positions = [position_row(positionSide="LONG")]

    assert gateway.fetch_position_mode() == PositionMode.NET
    with pytest.raises(PermanentExchangeError, match="position mode"):
        gateway.fetch_positions()


def test_balances_are_cash_and_margin_is_that_of_positions(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm")
    wire.assets = [
        asset_row(),
        asset_row(asset="BNB", walletBalance="0", positionInitialMargin="0"),
    ]

    assert gateway.fetch_balances() == {"USDT": Decimal(50000)}
    assert gateway.fetch_margin_in_use() == {"USDT": Decimal(3050)}
    assert wire.connect("binance").fetch_balances() == {"BTC": Decimal("0.5")}


def test_marks_are_read(wire: BinanceWire) -> None:
    assert wire.connect("binanceusdm").fetch_mark(SWAP) == Decimal("61000.5")
    assert wire.connect("binance").fetch_mark(SPOT) == Decimal("60990.1")


def test_what_spot_has_not_is_said(wire: BinanceWire) -> None:
    gateway = wire.connect("binance")

    for ask in (gateway.fetch_positions, gateway.fetch_position_mode):
        with pytest.raises(Unsupported, match="held as a balance"):
            ask()
    with pytest.raises(Unsupported, match="no margin"):
        gateway.fetch_margin_in_use()


def test_what_is_held_in_an_undeclared_symbol_is_an_error_that_names_the_way_out(
    wire: BinanceWire,
) -> None:
    gateway = wire.connect("binanceusdm", options={"symbols": [SWAP]})
    wire.positions = [position_row(symbol="ETHUSDT")]
    wire.orders = [order_row(symbol="ETHUSDT")]

    for ask in (gateway.fetch_positions, lambda: gateway.fetch_open_orders(OrderClass.REGULAR)):
        with pytest.raises(Unsupported, match=r"ETH/USDT:USDT is not among .* option symbols"):
            ask()
    with pytest.raises(Unsupported, match="option symbols"):
        find(gateway, "1001", symbol="ETH/USDT:USDT")
