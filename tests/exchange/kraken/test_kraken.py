"""What is read of an account at Kraken, through the real ccxt class, from the bodies it sends."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.domain.types import ExchangeFill
from reconciliation.enums import InstrumentType, OrderClass, OrderStatus, OrderType, Side
from reconciliation.exchange.ccxt_gateway import CcxtGateway
from reconciliation.exchange.gateway import AccountHalted, RetryableExchangeError, Unsupported
from tests.exchange.builders import NOW_MS, as_gateway
from tests.exchange.kraken.wire import HOST, ORDER, KrakenWire, body, fill_row, order_row, seconds
from tests.exchange.paper.builders import NOW
from tests.exchange.wire import read_window

SPOT = "BTC/USD"
HISTORY = f"{HOST}/private/TradesHistory"


def find(gateway: CcxtGateway, exchange_id: str | None, client_id: str | None = None) -> Any:
    return gateway.fetch_order(
        symbol=SPOT,
        exchange_order_id=exchange_id,
        client_order_id=client_id,
        order_class=OrderClass.REGULAR,
    )


def window(gateway: CcxtGateway, days: float = 1) -> list[ExchangeFill]:
    return read_window(gateway, InstrumentType.SPOT, days=days)


def test_instruments_are_spot_markets_by_their_unified_names(wire: KrakenWire) -> None:
    instruments = as_gateway(wire.connect("kraken")).load_instruments()

    assert set(instruments) == {SPOT, "SOL/EUR"}
    assert instruments[SPOT].amount_step == Decimal("0.00000001")
    assert [each.method for each in wire.asked] == ["GET"]


def test_open_orders_of_every_type_are_one_list(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {
        ORDER: order_row(vol_exec="0.20000000", price="59975.0"),
        "OSTOP": order_row(descr_ordertype="stop-loss-limit", descr_price2="54990.0"),
        "OMARK": order_row(descr_ordertype="take-profit", descr_type="sell"),
        "OQUOTE": order_row(descr_ordertype="market", oflags="fciq,viqc"),
    }

    limited, stop, profit, in_quote = gateway.fetch_open_orders(OrderClass.REGULAR).orders

    assert (limited.exchange_order_id, limited.symbol, limited.side) == (ORDER, SPOT, Side.BUY)
    assert (limited.type, limited.status) == (OrderType.LIMIT, OrderStatus.PARTIALLY_FILLED)
    assert (limited.quantity, limited.filled_quantity) == (Decimal("0.5"), Decimal("0.2"))
    assert (limited.price, limited.average_price) == (Decimal(60000), Decimal(59975))
    assert (limited.client_order_id, limited.sub_tag) == ("alpha01-1", "alpha01")
    assert (stop.type, stop.price) == (OrderType.LIMIT, Decimal(54990))
    assert (profit.type, profit.price, profit.side) == (OrderType.MARKET, None, Side.SELL)
    assert in_quote.quantity is None
    with pytest.raises(Unsupported, match="conditional"):
        gateway.fetch_open_orders(OrderClass.CONDITIONAL)


@pytest.mark.parametrize(
    ("word", "executed", "status"),
    [
        ("open", "0.0", OrderStatus.OPEN),
        ("pending", "0.0", OrderStatus.OPEN),
        ("closed", "0.5", OrderStatus.FILLED),
        ("closed", "0.2", OrderStatus.CANCELED),
        ("canceled", "0.2", OrderStatus.CANCELED),
        ("expired", "0.0", OrderStatus.EXPIRED),
    ],
)
def test_an_order_is_found_by_either_id_whatever_became_of_it(
    wire: KrakenWire, word: str, executed: str, status: OrderStatus
) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {ORDER: order_row(status=word, vol_exec=executed)}

    assert find(gateway, ORDER).status == status
    assert find(gateway, None, "alpha01-1").exchange_order_id == ORDER
    assert find(gateway, "OGONE", "alpha01-1").exchange_order_id == ORDER
    assert find(gateway, "OGONE", "gone") is None


def test_a_refusal_with_another_word_than_unknown_is_no_not_found(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.routes[f"{HOST}/private/QueryOrders"] = lambda _: {"error": ["EOrder:Invalid order"]}

    with pytest.raises(RetryableExchangeError, match="Invalid order"):
        find(gateway, ORDER)


def test_the_newest_order_under_a_client_id_is_the_answer(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {"ONEW": order_row(opentm=seconds(10)), ORDER: order_row()}

    assert find(gateway, None, "alpha01-1").exchange_order_id == "ONEW"


def test_an_order_of_another_symbol_than_asked_for_is_no_answer(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {ORDER: order_row(descr_pair="SOLEUR")}

    with pytest.raises(RetryableExchangeError, match="SOL/EUR"):
        find(gateway, ORDER)


def test_the_fills_of_an_order_add_up_to_what_it_executed(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {ORDER: order_row(status="closed", vol_exec="0.40000000")}
    wire.fills = {"T1": fill_row(20), "T2": fill_row(10), "T3": fill_row(ordertxid="O7")}

    fills = gateway.fetch_order_fills(symbol=SPOT, exchange_order_id=ORDER)

    assert [fill.fill_id for fill in fills] == ["T2", "T1"]
    wire.orders[ORDER]["vol_exec"] = "0.50000000"
    with pytest.raises(RetryableExchangeError, match=r"has executed 0\.5, .* add up to 0\.4"):
        gateway.fetch_order_fills(symbol=SPOT, exchange_order_id=ORDER)


def test_a_fill_has_the_client_id_of_its_order_and_the_fee_that_it_says(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {ORDER: order_row(), "OBASE": order_row(oflags="fcib", cl_ord_id=None)}
    wire.fills = {
        "T1": fill_row(),
        "T2": fill_row(ordertxid="OBASE"),
        "T3": fill_row(time=seconds(-1), ordertxid="OBASE"),
    }

    first, second = sorted(window(gateway), key=lambda fill: fill.fill_id)

    assert (first.symbol, first.side, first.quantity) == (SPOT, Side.BUY, Decimal("0.2"))
    assert (first.fee, first.fee_currency) == (Decimal("19.2"), "USD")
    assert (first.client_order_id, first.sub_tag) == ("alpha01-1", "alpha01")
    assert (second.client_order_id, second.fee, second.fee_currency) == (None, None, None)


def test_every_fill_of_several_pages_is_read(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {ORDER: order_row()}
    wire.fills = {f"T{n}": fill_row(1000 * (n // 3)) for n in range(120)}

    assert {fill.fill_id for fill in window(gateway)} == set(wire.fills)
    assert [query["ofs"] for query in wire.queries("TradesHistory")] == ["0", "50", "100"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"count": 61}, "counts 61 rows and shows 60"),
        ({"count": None}, "does not say how many"),
        ({"trades": {}}, "counts 60 rows and shows 50"),
        ({"trades": {"T0": fill_row(0)}}, "a page repeats T0"),
    ],
)
def test_a_list_that_does_not_hold_what_it_counts_is_an_error(
    wire: KrakenWire, change: Mapping[str, object], says: str
) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {ORDER: order_row()}
    wire.fills = {f"T{n}": fill_row(1000 * n) for n in range(60)}
    whole = wire.routes[HISTORY]

    def changed(query: Mapping[str, str]) -> object:
        answer: Any = whole(query)
        if query["ofs"] != "0" or "count" in change:
            answer["result"] |= change
        return answer

    wire.routes[HISTORY] = changed

    with pytest.raises(RetryableExchangeError, match=says):
        window(gateway)


def test_a_fill_that_comes_while_a_list_is_read_is_an_error(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {ORDER: order_row()}
    wire.fills = {f"T{n}": fill_row(1000 * n) for n in range(60)}
    whole = wire.routes[HISTORY]

    def grow(query: Mapping[str, str]) -> object:
        answer = whole(query)
        wire.fills["TNEW"] = fill_row(1)
        return answer

    wire.routes[HISTORY] = grow

    with pytest.raises(RetryableExchangeError, match="counted 60 rows, and now 61"):
        window(gateway)


def test_an_empty_list_is_believed_because_it_counts_none(wire: KrakenWire) -> None:
    assert window(wire.connect("kraken")) == []


def test_balances_are_totals_by_unified_names(wire: KrakenWire) -> None:
    assert wire.connect("kraken").fetch_balances() == {
        "BTC": Decimal("0.5"),
        "USD": Decimal("25435.21"),
    }


def test_the_last_price_is_read(wire: KrakenWire) -> None:
    assert wire.connect("kraken").fetch_mark(SPOT) == Decimal("60990.1")


def test_what_spot_has_not_is_said(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")

    for ask in (gateway.fetch_positions, gateway.fetch_position_mode):
        with pytest.raises(Unsupported, match="held as a balance"):
            ask()
    with pytest.raises(Unsupported, match="no margin"):
        gateway.fetch_margin_in_use()


def test_a_rate_limit_halts_the_account(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.routes[f"{HOST}/private/OpenOrders"] = lambda _: {"error": ["EAPI:Rate limit exceeded"]}

    for _ in range(2):
        with pytest.raises(AccountHalted):
            gateway.fetch_open_orders(OrderClass.REGULAR)
    assert len(wire.queries("OpenOrders")) == 1


def test_reads_by_post_are_paced_by_what_they_cost(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    for _ in range(3):
        gateway.fetch_balances()

    assert sum(wire.monotonic.slept) >= 6


def test_every_nonce_is_higher_than_the_one_before(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken", options={"pace": 0})
    for _ in range(5):
        gateway.fetch_balances()

    nonces = [int(query["nonce"]) for query in wire.queries("BalanceEx")]
    assert nonces == sorted(set(nonces))


@pytest.mark.parametrize("path", ["AddOrder", "CancelOrder", "CancelAll", "EditOrder", "Withdraw"])
def test_no_other_post_is_ever_sent(wire: KrakenWire, path: str) -> None:
    gateway = wire.connect("kraken")

    with pytest.raises(Unsupported, match="only reads"):
        getattr(gateway._client, f"privatePost{path}")({"txid": ORDER})
    with pytest.raises(Unsupported, match="only reads"):
        gateway._client.request("OpenOrders", ["public"], "POST", {})
    assert wire.asked == []


def test_a_time_keeps_its_milliseconds(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {ORDER: order_row(opentm=f"@{(NOW_MS - 1) // 1000}.9999")}

    (order,) = gateway.fetch_open_orders(OrderClass.REGULAR).orders

    assert order.created_at == NOW - timedelta(milliseconds=1)


def test_an_order_that_an_answer_leaves_out_is_not_unknown(wire: KrakenWire) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {ORDER: order_row()}
    wire.fills = {"F1": fill_row(), "F2": fill_row(7_200_000, ordertxid="O2")}
    wire.routes[f"{HOST}/private/QueryOrders"] = lambda query: body(
        {ORDER: order_row()} if "O2" in query["txid"] else {}
    )
    with pytest.raises(RetryableExchangeError, match=f"order {ORDER}, .* answered without it"):
        find(gateway, ORDER)
    with pytest.raises(RetryableExchangeError, match=r"order O2, .* answered without it"):
        read_window(gateway, InstrumentType.SPOT)


def test_a_closed_order_that_does_not_say_how_much_was_filled_is_an_error(
    wire: KrakenWire,
) -> None:
    gateway = wire.connect("kraken")
    wire.orders = {ORDER: order_row(status="closed", vol_exec="")}
    with pytest.raises(RetryableExchangeError, match="how much was filled is not known"):
        find(gateway, ORDER)
