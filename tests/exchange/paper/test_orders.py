from collections.abc import Callable
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.paging import to_ms
from reconciliation.exchange.paper.server import PaperExchange
from tests.exchange.paper.builders import SPOT, SWAP, FrozenClock, ago, client_of, fill, order


def test_an_open_order_comes_back_in_contracts_with_its_ids_and_tag(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders([order("1001", client_order_id="c1", tag="alpha01", trade_hint="T1")])
    [found] = client.fetch_open_orders(SWAP)
    assert (found["id"], found["clientOrderId"], found["status"]) == ("1001", "c1", "open")
    assert (found["amount"], found["filled"], found["price"]) == ("50", "0", "60000")
    assert (found["info"]["sz"], found["info"]["tag"]) == ("50", "alpha01")
    assert found["info"]["tradeIdHint"] == "T1"
    assert found["timestamp"] == to_ms(ago(hours=1))


def test_a_row_without_a_hint_has_no_hint_field(client: Any, account: PaperAccount) -> None:
    account.put_orders([order("1001")])
    assert "tradeIdHint" not in client.fetch_open_orders(SWAP)[0]["info"]


def test_a_spot_order_comes_back_in_base_units(client: Any, account: PaperAccount) -> None:
    account.put_orders([order("1001", symbol=SPOT, quantity=Decimal("0.00001"), type="market")])
    [found] = client.fetch_open_orders(SPOT)
    assert (found["amount"], found["info"]["instId"]) == ("0.00001", "BTC-USDT")


@pytest.mark.parametrize(
    ("quantity", "contracts"),
    [("1E+2", "10000"), ("0.00000100", "0.0001"), ("123456789.123456789", "12345678912.3456789")],
)
def test_sizes_are_exact_digits_without_an_exponent(
    client: Any, account: PaperAccount, quantity: str, contracts: str
) -> None:
    account.put_orders([order(quantity=Decimal(quantity))])
    assert client.fetch_open_orders(SWAP)[0]["info"]["sz"] == contracts


def test_open_orders_are_live_and_partially_filled_ones_of_every_market(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders(
        [
            order("1001"),
            order("1002", state="partially_filled", filled=Decimal("0.1")),
            order("1003", state="filled", filled=Decimal("0.5")),
            order("1004", state="canceled"),
            order("1005", symbol=SPOT),
        ]
    )
    assert {each["id"] for each in client.fetch_open_orders()} == {"1001", "1002", "1005"}
    assert {each["id"] for each in client.fetch_open_orders(SPOT)} == {"1005"}


def test_an_order_is_found_by_either_id(client: Any, account: PaperAccount) -> None:
    account.put_orders(
        [
            order(
                "1001",
                client_order_id="c1",
                state="filled",
                filled=Decimal("0.5"),
                average_price=Decimal("59990"),
            )
        ]
    )
    for found in (
        client.fetch_order("1001", SWAP),
        client.fetch_order("", SWAP, {"clOrdId": "c1"}),
    ):
        assert (found["id"], found["status"]) == ("1001", "closed")
        assert (found["filled"], found["average"]) == ("50", "59990")


def test_the_latest_of_several_orders_under_one_client_id_is_found(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders(
        [
            order("1002", client_order_id="c1", created_at=ago(minutes=1)),
            order("1001", client_order_id="c1", created_at=ago(minutes=2), state="canceled"),
        ]
    )
    assert client.fetch_order("", SWAP, {"clOrdId": "c1"})["id"] == "1002"


@pytest.mark.parametrize(
    ("symbol", "asked"),
    [(SWAP, {}), (SPOT, {"ordId": "1001"}), (SWAP, {"clOrdId": "c9"})],
)
def test_an_order_that_is_not_there_is_code_51603(
    client: Any, account: PaperAccount, symbol: str, asked: dict[str, str]
) -> None:
    account.put_orders([order("1001", client_order_id="c1")])
    with pytest.raises(ccxt.OrderNotFound, match="51603"):
        client.fetch_order("9999", symbol, asked)


def test_an_order_sums_the_fees_of_its_fills_with_the_exchange_s_sign(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders([order("1001", state="filled", filled=Decimal("0.5"))])
    account.put_fills(
        [
            fill("9001", quantity=Decimal("0.2"), fee=Decimal("0.6")),
            fill("9002", quantity=Decimal("0.3"), fee=Decimal("0.9"), executed_at=ago(minutes=1)),
        ]
    )
    found = client.fetch_order("1001", SWAP)
    assert (found["info"]["fee"], found["info"]["feeCcy"]) == ("-1.5", "USDT")
    assert (found["fee"]["cost"], found["info"]["fillSz"]) == ("1.5", "30")
    assert found["lastUpdateTimestamp"] == to_ms(ago(minutes=1))


def test_canceled_orders_are_their_own_list_and_closed_ones_are_filled_only(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders(
        [
            order("1001", state="canceled", updated_at=ago(minutes=5)),
            order("1002", state="canceled", filled=Decimal("0.2"), updated_at=ago(minutes=5)),
            order("1003", state="filled", filled=Decimal("0.5"), updated_at=ago(minutes=5)),
        ]
    )
    canceled = {each["id"]: each["filled"] for each in client.fetch_canceled_orders(SWAP)}
    assert canceled == {"1001": "0", "1002": "20"}
    assert [each["id"] for each in client.fetch_closed_orders(SWAP)] == ["1003"]


def test_a_canceled_order_without_fills_is_forgotten_after_two_hours(
    client: Any, account: PaperAccount, clock: FrozenClock
) -> None:
    account.put_orders(
        [
            order("1001", state="canceled", updated_at=ago(minutes=5)),
            order("1002", state="canceled", filled=Decimal("0.2"), updated_at=ago(minutes=5)),
        ]
    )
    clock.advance(minutes=115)
    assert client.fetch_order("1001", SWAP)["status"] == "canceled"
    clock.advance(milliseconds=1)
    assert [each["id"] for each in client.fetch_canceled_orders(SWAP)] == ["1002"]
    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order("1001", SWAP)


def test_a_canceled_order_whose_cancel_time_is_not_given_is_kept(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders([order("1001", state="canceled", created_at=ago(days=30))])
    assert client.fetch_order("1001", SWAP)["status"] == "canceled"


def test_history_reaches_back_a_week_and_its_archive_three_months(
    client: Any, account: PaperAccount
) -> None:
    done = {"state": "filled", "filled": Decimal("0.5")}
    account.put_orders(
        [
            order("1001", created_at=ago(days=6), **done),
            order("1002", created_at=ago(days=8), **done),
            order("1003", created_at=ago(days=91), **done),
        ]
    )
    archive = {"method": "privateGetTradeOrdersHistoryArchive"}
    assert [each["id"] for each in client.fetch_closed_orders(SWAP)] == ["1001"]
    assert [each["id"] for each in client.fetch_closed_orders(SWAP, params=archive)] == [
        "1002",
        "1001",
    ]


def test_history_is_filtered_by_creation_time(client: Any, account: PaperAccount) -> None:
    account.put_orders(
        [order(f"100{hour}", state="canceled", created_at=ago(hours=hour)) for hour in range(1, 5)]
    )
    found = client.fetch_canceled_orders(
        SWAP, to_ms(ago(hours=3)), params={"until": to_ms(ago(hours=2))}
    )
    assert [each["id"] for each in found] == ["1003", "1002"]


def test_a_long_list_of_open_orders_is_walked_by_order_id(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders([order(str(1000 + n)) for n in range(130)])
    first = client.fetch_open_orders(SWAP)
    oldest = min(int(each["id"]) for each in first)
    second = client.fetch_open_orders(SWAP, params={"after": str(oldest)})
    assert (len(first), len(second)) == (100, 30)
    assert {each["id"] for each in first + second} == {str(1000 + n) for n in range(130)}


def test_a_cursor_stays_valid_when_its_order_is_no_longer_open(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders([order(str(1000 + n)) for n in range(3)])
    account.put_orders([order("1001", state="canceled")])
    assert [each["id"] for each in client.fetch_open_orders(SWAP, params={"after": "1001"})] == [
        "1000"
    ]


def test_an_order_of_a_hedge_account_names_its_position_side(
    connect: Callable[..., Any],
) -> None:
    hedge = PaperAccount("hedge", "hedge")
    hedge.put_orders([order("1001", position_side="short")])
    assert connect(hedge).fetch_open_orders(SWAP)[0]["info"]["posSide"] == "short"


@pytest.mark.parametrize(
    ("kind", "category"),
    [("liquidation", "full_liquidation"), ("adl", "adl"), ("delivery", "delivery")],
)
def test_an_order_of_the_exchange_itself_names_its_category(
    client: Any, account: PaperAccount, kind: str, category: str
) -> None:
    account.put_orders([order("1001", state="filled", filled=Decimal("0.5"))])
    account.put_fills([fill("9001", kind=kind)])
    assert client.fetch_order("1001", SWAP)["info"]["category"] == category


def test_two_accounts_of_one_server_see_each_their_own(
    exchange: PaperExchange, client: Any, account: PaperAccount
) -> None:
    other = PaperAccount("other")
    exchange.add_account(other)
    account.put_orders([order("1001")])
    other.put_orders([order("1001", quantity=Decimal("0.7"))])
    assert client.fetch_order("1001", SWAP)["amount"] == "50"
    assert client_of(exchange, other).fetch_order("1001", SWAP)["amount"] == "70"
