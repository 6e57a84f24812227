"""Windows of fills at Bybit: every kind, every page, proven or an error."""

from datetime import timedelta
from decimal import Decimal

import pytest

from reconciliation.domain.types import ExchangeFill
from reconciliation.enums import FillKind, InstrumentType
from reconciliation.exchange import bybit
from reconciliation.exchange.ccxt_gateway import CcxtGateway
from reconciliation.exchange.gateway import HistoryUnobtainable, RetryableExchangeError
from tests.exchange.bybit.wire import BybitWire, fill_row
from tests.exchange.paper.builders import NOW
from tests.exchange.wire import read_window

DAY_MS = 24 * 3600 * 1000


def window(gateway: CcxtGateway, days: float = 1) -> list[ExchangeFill]:
    return read_window(gateway, InstrumentType.SWAP, days=days)


def test_a_fill_is_read_with_its_fee_and_tags(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.fills = [fill_row()]

    (fill,) = window(gateway)

    assert (fill.fill_id, fill.exchange_order_id) == ("e1", "b1001")
    assert (fill.quantity, fill.price) == (Decimal("0.2"), Decimal(59975))
    assert (fill.fee, fill.fee_currency) == (Decimal("6.5"), "USDT")
    assert (fill.client_order_id, fill.sub_tag) == ("alpha01-1", "alpha01")


def test_liquidations_and_the_like_are_fills_and_funding_is_none(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    words = ("Trade", "BustTrade", "AdlTrade", "Delivery", "Funding")
    wire.fills = [fill_row(word, number, execType=word) for number, word in enumerate(words)]

    kinds = {fill.fill_id: fill.kind for fill in window(gateway)}

    assert kinds == {
        "Trade": FillKind.TRADE,
        "BustTrade": FillKind.LIQUIDATION,
        "AdlTrade": FillKind.ADL,
        "Delivery": FillKind.DELIVERY,
    }
    assert not any("execType" in query for query in wire.queries("/execution/list"))


def test_a_kind_that_nobody_told_of_is_an_error(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.fills = [fill_row(execType="Surprise")]

    with pytest.raises(RetryableExchangeError, match="Surprise"):
        window(gateway)


@pytest.mark.parametrize("same_ms", [1, 2, 7, 25])
def test_every_fill_of_several_pages_is_read(
    wire: BybitWire, monkeypatch: pytest.MonkeyPatch, same_ms: int
) -> None:
    monkeypatch.setitem(bybit.PAGE_LIMITS, "fills", "5")
    gateway = wire.connect("bybit")
    wire.fills = [fill_row(f"e{n}", 1000 * (n // same_ms)) for n in range(23)]

    assert {fill.fill_id for fill in window(gateway)} == {f"e{n}" for n in range(23)}


def test_a_window_longer_than_the_exchange_answers_is_asked_for_in_parts(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.fills = [fill_row(f"e{day}", day * DAY_MS) for day in range(20)]

    assert len(window(gateway, days=20)) == 20


def test_history_that_the_exchange_no_longer_keeps_is_said(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    pages = gateway.fetch_fill_pages(
        InstrumentType.SWAP, start=NOW - timedelta(days=731), end=NOW - timedelta(days=728)
    )

    with pytest.raises(HistoryUnobtainable):
        list(pages)


def test_an_empty_window_is_asked_for_twice(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")

    assert window(gateway) == []
    assert len(wire.queries("/execution/list")) == 2


def test_a_page_that_is_cut_is_completed(wire: BybitWire, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = wire.connect("bybit")
    wire.fills = [fill_row(f"e{n}", 1000 * n) for n in range(6)]
    whole = wire.routes["api.bybit.com/v5/execution/list"]
    answers = iter([2, 6, 6, 6])

    def cut(query: object) -> object:
        answer = whole(query)  # type: ignore[arg-type]
        answer["result"]["list"] = answer["result"]["list"][: next(answers)]  # type: ignore[index]
        return answer

    wire.routes["api.bybit.com/v5/execution/list"] = cut

    assert len(window(gateway)) == 6


def test_a_second_answer_without_the_known_fill_is_an_error(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.fills = [fill_row("e1", 1000)]
    whole = wire.routes["api.bybit.com/v5/execution/list"]

    def forget(query: object) -> object:
        answer = whole(query)  # type: ignore[arg-type]
        wire.fills = []
        return answer

    wire.routes["api.bybit.com/v5/execution/list"] = forget

    with pytest.raises(RetryableExchangeError, match="contradict"):
        window(gateway)


def test_another_category_than_asked_for_is_no_answer(wire: BybitWire) -> None:
    gateway = wire.connect("bybit")
    wire.routes["api.bybit.com/v5/execution/list"] = lambda _: {
        "retCode": 0,
        "result": {"category": "spot", "list": []},
    }

    with pytest.raises(RetryableExchangeError, match="asked for linear"):
        window(gateway)
