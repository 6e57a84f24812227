"""Windows of fills at Binance: by symbol, in short windows, by rising ids; proven or an error."""

from datetime import timedelta
from decimal import Decimal

import pytest

from reconciliation.domain.types import ExchangeFill
from reconciliation.enums import FillKind, InstrumentType
from reconciliation.exchange.ccxt_gateway import CcxtGateway
from reconciliation.exchange.gateway import (
    HistoryUnobtainable,
    RetryableExchangeError,
    UnknownSymbol,
    Unsupported,
)
from reconciliation.exchange.paging_ids import ID_PAGE_LIMIT
from tests.exchange.binance.wire import (
    DAY_MS,
    USDM,
    BinanceWire,
    fill_row,
    order_row,
    spot_fill_row,
)
from tests.exchange.paper.builders import NOW
from tests.exchange.wire import read_window

SWAP = "BTC/USDT:USDT"


def connect(wire: BinanceWire, *symbols: str) -> CcxtGateway:
    return wire.connect("binanceusdm", options={"symbols": list(symbols or [SWAP])})


def window(
    gateway: CcxtGateway, days: float = 1, kind: InstrumentType = InstrumentType.SWAP
) -> list[ExchangeFill]:
    return read_window(gateway, kind, days=days)


def test_without_symbols_a_window_is_unknown_and_the_way_out_is_said(wire: BinanceWire) -> None:
    gateway = wire.connect("binanceusdm")

    with pytest.raises(Unsupported, match=r"name the symbols .* option symbols"):
        window(gateway)


def test_a_symbol_that_is_not_listed_leaves_the_window_unknown(wire: BinanceWire) -> None:
    with pytest.raises(UnknownSymbol, match="XRP"):
        window(connect(wire, SWAP, "XRP/USDT:USDT"))


def test_fills_of_every_symbol_are_read_with_the_client_ids_of_their_orders(
    wire: BinanceWire,
) -> None:
    gateway = connect(wire, SWAP, "ETH/USDT:USDT")
    wire.orders = [order_row(), order_row(orderId=7, symbol="ETHUSDT", clientOrderId="beta02-9")]
    wire.fills = [fill_row(), fill_row(1, symbol="ETHUSDT", orderId=7, side="SELL")]

    fills = {fill.symbol: fill for fill in window(gateway)}

    assert (fills[SWAP].quantity, fills[SWAP].fee) == (Decimal("0.2"), Decimal("6.5"))
    assert fills[SWAP].client_order_id == "alpha01-1"
    assert (fills["ETH/USDT:USDT"].client_order_id, fills["ETH/USDT:USDT"].sub_tag) == (
        "beta02-9",
        "beta02",
    )


def test_a_fill_whose_order_is_no_longer_shown_has_no_client_id(wire: BinanceWire) -> None:
    gateway = connect(wire)
    wire.fills = [fill_row()]

    (fill,) = window(gateway)

    assert (fill.exchange_order_id, fill.client_order_id, fill.sub_tag) == ("1001", None, None)


def test_a_list_of_orders_that_is_cut_is_asked_for_again(wire: BinanceWire) -> None:
    gateway = connect(wire)
    wire.orders = [order_row(clientOrderId="autoclose-1577432000", status="FILLED")]
    wire.fills = [fill_row()]
    whole = wire.routes[f"{USDM}/v1/allOrders"]
    answers = iter([[]])
    wire.routes[f"{USDM}/v1/allOrders"] = lambda query: next(answers, None) or whole(query)

    (fill,) = window(gateway)

    assert fill.kind == FillKind.LIQUIDATION


@pytest.mark.parametrize(
    ("client_id", "kind"),
    [
        ("autoclose-1577432000", FillKind.LIQUIDATION),
        ("adl_autoclose", FillKind.ADL),
        ("settlement_autoclose-17", FillKind.DELIVERY),
        ("alpha01-1", FillKind.TRADE),
    ],
)
def test_what_the_exchange_did_is_told_by_the_client_id_of_its_order(
    wire: BinanceWire, client_id: str, kind: FillKind
) -> None:
    gateway = connect(wire)
    wire.orders = [order_row(clientOrderId=client_id)]
    wire.fills = [fill_row()]

    assert [fill.kind for fill in window(gateway)] == [kind]


def test_pages_go_on_from_the_highest_number_not_the_last_text(wire: BinanceWire) -> None:
    gateway = connect(wire)
    # Nine and ten thousand: as texts, the higher ids come first.
    wire.fills = [fill_row(9_000 + n, 5_000_000 - n) for n in range(2_500)]

    assert len(window(gateway)) == 2_500
    froms = [query["fromId"] for query in wire.queries("userTrades") if "fromId" in query]
    assert froms == ["9999", "10998"]


def test_many_fills_of_one_millisecond_are_all_read(wire: BinanceWire) -> None:
    gateway = connect(wire)
    wire.fills = [fill_row(n, 1000) for n in range(ID_PAGE_LIMIT + 50)]

    assert len(window(gateway)) == ID_PAGE_LIMIT + 50


def test_a_window_longer_than_the_exchange_answers_is_asked_for_in_parts(
    wire: BinanceWire,
) -> None:
    gateway = connect(wire)
    wire.fills = [fill_row(20 - day, day * DAY_MS) for day in range(20)]
    spot = wire.connect("binance", options={"symbols": ["BTC/USDT"]})

    assert len(window(gateway, days=20)) == 20
    wire.fills = [spot_fill_row(5 - day, day * DAY_MS) for day in range(5)]
    assert len(window(spot, days=5, kind=InstrumentType.SPOT)) == 5


def test_history_that_the_exchange_no_longer_keeps_is_said(wire: BinanceWire) -> None:
    pages = connect(wire).fetch_fill_pages(
        InstrumentType.SWAP, start=NOW - timedelta(days=185), end=NOW - timedelta(days=180)
    )

    with pytest.raises(HistoryUnobtainable):
        list(pages)


def test_an_empty_window_is_asked_for_twice(wire: BinanceWire) -> None:
    assert window(connect(wire)) == []
    assert len(wire.queries("userTrades")) == 2


def test_a_page_that_is_cut_is_completed(wire: BinanceWire) -> None:
    gateway = connect(wire)
    wire.fills = [fill_row(n, 100_000 - 1000 * n) for n in range(6)]
    whole, sizes = wire.routes[f"{USDM}/v1/userTrades"], iter([2, 3, 3, 9])
    wire.routes[f"{USDM}/v1/userTrades"] = lambda query: whole(query)[: next(sizes)]  # type: ignore[index]

    assert len(window(gateway)) == 6


def test_a_second_answer_without_the_known_fill_is_an_error(wire: BinanceWire) -> None:
    gateway = connect(wire)
    wire.fills = [fill_row()]
    whole = wire.routes[f"{USDM}/v1/userTrades"]

    def forget(query: object) -> object:
        answer = whole(query)  # type: ignore[arg-type]
        wire.fills = []
        return answer

    wire.routes[f"{USDM}/v1/userTrades"] = forget

    with pytest.raises(RetryableExchangeError, match="contradict"):
        window(gateway)


def test_an_id_that_is_no_number_is_an_error(wire: BinanceWire) -> None:
    gateway = connect(wire)
    wire.routes[f"{USDM}/v1/userTrades"] = lambda _: [fill_row() | {"id": "x1"}]

    with pytest.raises(RetryableExchangeError, match="no whole number"):
        window(gateway)
