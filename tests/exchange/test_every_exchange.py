"""What must hold at every exchange that is asked by its own endpoints, with its real addresses."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.enums import InstrumentType, OrderClass
from reconciliation.exchange.ccxt_gateway import CcxtGateway
from reconciliation.exchange.gateway import (
    AccountHalted,
    CredentialsRejected,
    RetryableExchangeError,
    Unsupported,
)
from tests.exchange.binance import wire as binance
from tests.exchange.bybit import wire as bybit
from tests.exchange.kraken import wire as kraken
from tests.exchange.paper.builders import NOW
from tests.exchange.wire import KEYS, Refusal, Wire

Ask = Callable[[CcxtGateway], object]
SWAP, SPOT = "BTC/USDT:USDT", "BTC/USDT"


def order(symbol: str) -> Ask:
    return lambda gateway: gateway.fetch_order(
        symbol=symbol,
        exchange_order_id="1001",
        client_order_id="c1",
        order_class=OrderClass.REGULAR,
    )


def fills(kind: InstrumentType) -> Ask:
    start = NOW - timedelta(hours=1)
    return lambda gateway: list(gateway.fetch_fill_pages(kind, start=start, end=NOW))


def open_orders(gateway: CcxtGateway) -> object:
    return gateway.fetch_open_orders(OrderClass.REGULAR)


# Exchange, the end of the address, what is asked there.
QUESTIONS = {
    "bybit": {
        "/order/realtime": open_orders,
        "/order/history": order(SWAP),
        "/execution/list": fills(InstrumentType.SWAP),
        "/position/list": CcxtGateway.fetch_positions,
        "/account/wallet-balance": CcxtGateway.fetch_balances,
        "/market/instruments-info": CcxtGateway.load_instruments,
        "/market/tickers": lambda gateway: gateway.fetch_mark(SWAP),
    },
    "binanceusdm": {
        "/openOrders": open_orders,
        "/openAlgoOrders": lambda gateway: gateway.fetch_open_orders(OrderClass.CONDITIONAL),
        "/order": order(SWAP),
        "/userTrades": fills(InstrumentType.SWAP),
        "/positionRisk": CcxtGateway.fetch_positions,
        "/account": CcxtGateway.fetch_margin_in_use,
        "/positionSide/dual": CcxtGateway.fetch_position_mode,
        "/exchangeInfo": CcxtGateway.load_instruments,
        "/premiumIndex": lambda gateway: gateway.fetch_mark(SWAP),
    },
    "binance": {
        "/openOrders": open_orders,
        "/order": order(SPOT),
        "/myTrades": fills(InstrumentType.SPOT),
        "/account": CcxtGateway.fetch_balances,
        "/exchangeInfo": CcxtGateway.load_instruments,
        "/ticker/price": lambda gateway: gateway.fetch_mark(SPOT),
    },
    "kraken": {
        "/OpenOrders": open_orders,
        "/QueryOrders": order("BTC/USD"),
        "/TradesHistory": fills(InstrumentType.SPOT),
        "/BalanceEx": CcxtGateway.fetch_balances,
        "/AssetPairs": CcxtGateway.load_instruments,
        "/Ticker": lambda gateway: gateway.fetch_mark("BTC/USD"),
    },
}
EVERY = [
    pytest.param(exchange, path, ask, id=f"{exchange}{path.replace('/', '-')}")
    for exchange, questions in QUESTIONS.items()
    for path, ask in questions.items()
]
NO_ANSWERS = (
    "<html><body>Bad gateway</body></html>",
    "",
    '{"retCode":0,"result":{"list":[{"symbol":"BTCUS',
    "12",
    "null",
    "{}",
    '{"retCode":0,"error":[]}',
)
OPTIONS = {
    "binanceusdm": {"symbols": [SWAP]},
    "binance": {"symbols": [SPOT]},
}


@pytest.fixture(params=QUESTIONS)
def exchange(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def wire(exchange: str) -> Iterator[Wire]:
    made: dict[str, type[Wire]] = {"bybit": bybit.BybitWire, "kraken": kraken.KrakenWire}
    told = made.get(exchange, binance.BinanceWire)()
    yield told
    told.disconnect()


def connect(wire: Wire, exchange: str, **changes: Any) -> CcxtGateway:
    return wire.connect(exchange, options=OPTIONS.get(exchange, {}), **changes)


@pytest.mark.parametrize(("exchange", "path", "ask"), EVERY)
def test_a_success_that_is_no_answer_raises_and_is_never_empty(
    wire: Wire, exchange: str, path: str, ask: Ask
) -> None:
    gateway = connect(wire, exchange)
    for body in NO_ANSWERS:
        wire.fail(path, body)

        with pytest.raises(RetryableExchangeError):
            ask(gateway)


@pytest.mark.parametrize(
    ("exchange", "body"),
    [
        ("bybit", '{"retCode":0,"retMsg":"OK"}'),
        ("bybit", '{"retMsg":"OK","result":{"list":[]}}'),
        ("bybit", "[]"),
        ("kraken", '{"error":[]}'),
        ("kraken", '{"result":{"open":{}}}'),
        ("kraken", "[]"),
    ],
)
def test_an_envelope_that_lacks_a_part_is_asked_for_again(
    wire: Wire, exchange: str, body: str
) -> None:
    gateway = connect(wire, exchange)
    wire.fail(next(iter(QUESTIONS[exchange])), body)

    with pytest.raises(RetryableExchangeError, match="HTTP 200, but the body"):
        open_orders(gateway)
    # Bybit's instruments are read before.
    asked = [each for each in wire.asked if each.place.endswith(next(iter(QUESTIONS[exchange])))]
    assert len(asked) == 3


@pytest.mark.parametrize("status", [429, 418])
def test_an_exchange_that_asks_to_stop_is_asked_no_more(
    wire: Wire, exchange: str, status: int
) -> None:
    gateway = connect(wire, exchange)
    for path in QUESTIONS[exchange]:
        wire.fail(path, '{"code":-1003,"msg":"slow down"}', status=status)

    for _ in range(2):
        with pytest.raises(AccountHalted):
            open_orders(gateway)
    assert len(wire.asked) == 1


CLOCK = {
    "bybit": Refusal({"retCode": 10002, "retMsg": "invalid request, check your timestamp"}),
    "binanceusdm": Refusal({"code": -1021, "msg": "Timestamp outside of the recvWindow."}, 400),
    "binance": Refusal({"code": -1021, "msg": "Timestamp outside of the recvWindow."}, 400),
    "kraken": Refusal({"error": ["EAPI:Invalid nonce"]}),
}
WRONG_KEY = {
    "bybit": Refusal({"retCode": 10003, "retMsg": "API key is invalid."}),
    "binanceusdm": Refusal({"code": -2015, "msg": "Invalid API-key, IP, or permissions"}, 401),
    "binance": Refusal({"code": -2014, "msg": "API-key format invalid."}, 401),
    "kraken": Refusal({"error": ["EAPI:Invalid key"]}),
}


def place_of(wire: Wire, exchange: str) -> str:
    """Return the full place of an exchange's list of open orders."""
    path = next(iter(QUESTIONS[exchange]))
    host = "fapi." if exchange == "binanceusdm" else "api."
    return next(each for each in wire.routes if each.endswith(path) and each.startswith(host))


def test_a_rejected_time_is_mended_by_the_exchanges_own_clock(wire: Wire, exchange: str) -> None:
    gateway = connect(wire, exchange)
    place = place_of(wire, exchange)
    whole, refusals = wire.routes[place], [CLOCK[exchange]]

    def refuse_once(query: Any) -> object:
        if refusals:
            raise refusals.pop()
        return whole(query)

    wire.routes[place] = refuse_once

    open_orders(gateway)
    assert [each for each in wire.asked if each.place.lower().endswith("time")]


def test_a_wrong_key_names_the_settings_that_the_exchange_needs(wire: Wire, exchange: str) -> None:
    gateway = connect(wire, exchange)

    def refuse(query: Any) -> object:
        raise WRONG_KEY[exchange]

    wire.routes[place_of(wire, exchange)] = refuse

    with pytest.raises(CredentialsRejected, match="MAIN_API_KEY, MAIN_SECRET, and what") as caught:
        open_orders(gateway)
    assert KEYS.api_key not in str(caught.value)


def test_nothing_but_reads_is_sent(wire: Wire, exchange: str) -> None:
    gateway = connect(wire, exchange)
    for method in ("POST", "PUT", "DELETE"):
        for path in ("order", "v5/order/create", "AddOrder", "leverage"):
            with pytest.raises(Unsupported, match="only reads"):
                gateway._client.request(path, ["private"], method, {})
    assert wire.asked == []


def test_digits_beyond_a_double_are_kept() -> None:
    told = binance.BinanceWire()
    gateway = told.connect("binanceusdm")
    row = binance.order_row(orderId=9_007_199_254_740_993, origQty="@")
    text = json.dumps([row]).replace('"@"', "12345678901234567.891")
    told.fail("/openOrders", text)

    (found,) = gateway.fetch_open_orders(OrderClass.REGULAR).orders

    assert found.exchange_order_id == "9007199254740993"
    assert found.quantity == Decimal("12345678901234567.891")
    told.disconnect()


def test_a_sub_tag_is_where_the_account_says_it_is() -> None:
    told = bybit.BybitWire()
    told.orders = [
        bybit.order_row(),
        bybit.order_row(orderId="b2", orderLinkId="beta02:9", smpGroup=7),
        bybit.order_row(orderId="b3", orderLinkId="nothing"),
    ]

    def tags(**options: object) -> list[str | None]:
        gateway = told.connect("bybit", options=options)
        return [each.sub_tag for each in gateway.fetch_open_orders(OrderClass.REGULAR).orders]

    assert tags() == ["alpha01", None, None]
    assert tags(sub_tag_separator=":") == [None, "beta02", None]
    assert tags(sub_tag_separator="") == [None, None, None]
    assert tags(sub_tag_field="smpGroup") == [None, "7", None]
    told.disconnect()
