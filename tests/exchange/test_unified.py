"""Exchanges other than OKX: unified structures in, our types out, and no more than is certain."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

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
from reconciliation.exchange.fields import Fields, UnreadableAnswer
from reconciliation.exchange.gateway import (
    PermanentExchangeError,
    RetryableExchangeError,
    Unsupported,
)
from reconciliation.exchange.instruments import table_from_markets
from reconciliation.exchange.transport import NoSuchOrder
from reconciliation.exchange.unified import UnifiedReader, order_status
from tests.exchange.builders import NOW_MS, STUB_CREDENTIALS, market
from tests.exchange.paper.builders import NOW

SWAP = "BTC/USDT:USDT"


class FakeClient:
    """Answers each unified method with what it is told; knows what it has."""

    id = "other"

    def __init__(self, **answers: Any) -> None:
        self.has: dict[str, object] = dict.fromkeys(answers, True)
        self.markets: list[object] = []
        self._answers = answers

    def set_markets(self, markets: list[object]) -> None:
        self.markets = markets

    def __getattr__(self, name: str) -> Any:
        def answer(*_: object) -> object:
            found = self._answers[name]
            if isinstance(found, Exception):
                raise found
            return found

        return answer


def reader(mode: PositionMode = PositionMode.NET, **answers: Any) -> UnifiedReader:
    types = frozenset({InstrumentType.SWAP})
    table = table_from_markets([market()], types=types, aliases={}, keep_markets=True)
    return UnifiedReader(
        client=FakeClient(**answers),
        table=lambda: table,
        clock=lambda: NOW,
        position_mode=mode,
        types=types,
        sub_tag_field="label",
    )


def order(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": "1001",
        "clientOrderId": "c1",
        "symbol": SWAP,
        "side": "buy",
        "type": "limit",
        "status": "open",
        "amount": "50",
        "filled": "0",
        "price": "60000",
        "average": None,
        "timestamp": NOW_MS,
        "lastUpdateTimestamp": None,
        "reduceOnly": True,
        "info": {"label": "alpha01"},
    }
    return row | changes


def ask(found: UnifiedReader, client_order_id: str | None = None) -> Any:
    return found.fetch_order(
        symbol=SWAP,
        exchange_order_id="1001",
        client_order_id=client_order_id,
        order_class=OrderClass.REGULAR,
    )


def test_an_order_is_read_in_base_units() -> None:
    (read,) = reader(fetchOpenOrders=[order()]).fetch_open_orders(OrderClass.REGULAR).orders

    assert (read.exchange_order_id, read.client_order_id, read.sub_tag) == ("1001", "c1", "alpha01")
    assert (read.side, read.type, read.status) == (Side.BUY, OrderType.LIMIT, OrderStatus.OPEN)
    assert (read.quantity, read.filled_quantity) == (Decimal("0.5"), Decimal(0))
    assert (read.price, read.average_price) == (Decimal("60000"), None)
    assert (read.created_at, read.updated_at, read.reduce_only) == (NOW, None, True)
    assert read.raw == '{"label":"alpha01"}'


@pytest.mark.parametrize(
    ("word", "quantity", "filled", "status"),
    [
        ("open", "1", "0", OrderStatus.OPEN),
        ("open", "1", None, OrderStatus.OPEN),
        ("open", "1", "0.4", OrderStatus.PARTIALLY_FILLED),
        ("closed", "1", "1", OrderStatus.FILLED),
        ("closed", "1", "0.4", OrderStatus.CANCELED),
        ("closed", "1", "0", OrderStatus.CANCELED),
        ("canceled", "1", "0.4", OrderStatus.CANCELED),
        ("expired", "1", "0", OrderStatus.EXPIRED),
        ("rejected", None, None, OrderStatus.REJECTED),
    ],
)
def test_the_quantity_decides_what_the_word_does_not(
    word: str, quantity: str | None, filled: str | None, status: OrderStatus
) -> None:
    fields = Fields({"status": word}, kind="order", id_fields=())

    assert status == order_status(
        fields,
        quantity=None if quantity is None else Decimal(quantity),
        filled=None if filled is None else Decimal(filled),
    )


@pytest.mark.parametrize("word", ["closed", "weird", ""])
def test_a_status_that_cannot_be_decided_is_an_error(word: str) -> None:
    fields = Fields({"status": word}, kind="order", id_fields=())

    with pytest.raises(UnreadableAnswer):
        order_status(fields, quantity=None, filled=None)


def test_an_order_is_only_what_was_asked_for() -> None:
    assert ask(reader(fetchOrder=order())).exchange_order_id == "1001"
    for answered in ({"id": None}, {"id": "77"}):
        with pytest.raises(RetryableExchangeError, match="asked for order 1001"):
            ask(reader(fetchOrder=order(**answered)))


def test_an_order_that_is_not_known_is_none_only_where_every_id_was_asked_for() -> None:
    unknown = reader(fetchOrder=NoSuchOrder("unknown", None))

    assert ask(unknown) is None
    with pytest.raises(Unsupported, match="client id"):
        ask(unknown, client_order_id="c1")


def test_other_classes_of_orders_are_unsupported() -> None:
    with pytest.raises(Unsupported):
        reader(fetchOpenOrders=[]).fetch_open_orders(OrderClass.CONDITIONAL)
    assert reader().order_classes == (OrderClass.REGULAR,)


def test_a_window_of_fills_is_unsupported_because_nothing_proves_it() -> None:
    with pytest.raises(Unsupported, match="cannot be proven"):
        list(reader().fetch_fill_pages(InstrumentType.SWAP, start=NOW - timedelta(days=1), end=NOW))


def test_the_fills_of_an_order_are_read_newest_first() -> None:
    first: dict[str, Any] = {
        "id": "9001",
        "order": "1001",
        "side": "buy",
        "amount": "20",
        "price": "60000",
        "timestamp": NOW_MS - 10,
        "fee": {"cost": "1.5", "currency": "USDT"},
        "info": {},
    }
    second = first | {"id": "9002", "timestamp": NOW_MS, "fee": None}

    fills = reader(fetchOrderTrades=[first, second]).fetch_order_fills(
        symbol=SWAP, exchange_order_id="1001"
    )

    assert [(each.fill_id, each.quantity, each.fee) for each in fills] == [
        ("9002", Decimal("0.2"), None),
        ("9001", Decimal("0.2"), Decimal("1.5")),
    ]


def position(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "symbol": SWAP,
        "side": "short",
        "contracts": "50",
        "hedged": False,
        "entryPrice": "60000",
        "markPrice": "0",
        "info": {},
    }
    return row | changes


def test_positions_are_signed_base_units_and_never_zero() -> None:
    flat = position(symbol="ETH/USDT:USDT", contracts="0")

    (held,) = reader(fetchPositions=[position(), flat]).fetch_positions()

    assert (held.side, held.quantity) == (PositionSide.NET, Decimal("-0.5"))
    assert (held.entry_price, held.mark_price) == (Decimal("60000"), None)


def test_a_hedged_position_is_of_its_side() -> None:
    (held,) = reader(PositionMode.HEDGE, fetchPositions=[position(hedged=True)]).fetch_positions()

    assert (held.side, held.quantity) == (PositionSide.SHORT, Decimal("-0.5"))


def test_a_position_mode_that_is_not_the_configured_one_is_an_error() -> None:
    with pytest.raises(PermanentExchangeError, match="position mode"):
        reader(fetchPositions=[position(hedged=True)]).fetch_positions()


def test_a_position_without_contracts_is_an_error_and_not_flat() -> None:
    with pytest.raises(UnreadableAnswer, match="contracts"):
        reader(fetchPositions=[position(contracts=None)]).fetch_positions()


def test_mode_balances_and_marks_are_read() -> None:
    found = reader(
        fetchPositionMode={"hedged": True},
        fetchBalance={"total": {"USDT": "50000", "BTC": "0", "ETH": None}},
        fetchMarkPrice={"markPrice": "60000.5"},
    )

    assert found.fetch_position_mode() == PositionMode.HEDGE
    assert found.fetch_balances() == {"USDT": Decimal("50000")}
    assert found.fetch_mark(SWAP) == Decimal("60000.5")


def test_what_an_exchange_does_not_have_is_unsupported() -> None:
    for method in ("fetch_positions", "fetch_balances", "fetch_margin_in_use"):
        with pytest.raises(Unsupported):
            getattr(reader(), method)()


@pytest.mark.parametrize("answer", [None, {}, "text"])
def test_what_is_no_list_is_no_answer(answer: object) -> None:
    with pytest.raises(RetryableExchangeError, match="expected a list"):
        reader(fetchPositions=answer).fetch_positions()


def test_a_gateway_of_another_exchange_is_made_and_says_what_it_cannot_do() -> None:
    gateway = CcxtGateway(
        exchange_id="deribit",
        credentials=STUB_CREDENTIALS,
        position_mode="net",
        clock=lambda: NOW,
        sleep=lambda seconds: None,
        base_url="http://127.0.0.1:9/deribit",
    )

    assert gateway._client.urls["api"]["rest"] == "http://127.0.0.1:9/deribit"
    assert gateway.order_classes == (OrderClass.REGULAR,)
    with pytest.raises(Unsupported):
        next(iter(gateway.fetch_fill_pages(InstrumentType.SWAP, start=NOW, end=NOW)))
    gateway.close()
