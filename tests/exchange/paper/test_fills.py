from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.paging import to_ms
from tests.exchange.paper.builders import NOW, SPOT, SWAP, FrozenClock, ago, fill, order


def walk(client: Any) -> list[str]:
    """Return every bill id of the swap fills, by cursor, oldest first within a page."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while page := client.fetch_my_trades(SWAP, params=cursor):
        found += [each["info"]["billId"] for each in page]
        cursor = {"after": page[0]["info"]["billId"]}
    return found


def test_a_fill_keeps_its_ids_and_shows_contracts_and_a_negative_fee(
    client: Any, account: PaperAccount
) -> None:
    account.put_fills(
        [fill("9001", client_order_id="c1", tag="alpha01", trade_hint="T1", side="sell")]
    )
    [found] = client.fetch_my_trades(SWAP)
    info = found["info"]
    assert (info["billId"], info["tradeId"], info["ordId"]) == ("9001", "9001", "1001")
    assert (info["fillSz"], info["fee"], info["feeCcy"]) == ("50", "-1.5", "USDT")
    assert (info["clOrdId"], info["tag"], info["tradeIdHint"]) == ("c1", "alpha01", "T1")
    assert (found["amount"], found["price"], found["side"]) == ("50", "60000", "sell")
    assert found["fee"] == {"cost": "1.5", "currency": "USDT"}
    assert found["timestamp"] == to_ms(ago(hours=1))


def test_a_fee_that_is_not_known_is_not_shown_as_zero(client: Any, account: PaperAccount) -> None:
    account.put_fills([fill("9001", fee=None, fee_currency=None), fill("9002", fee=Decimal("0"))])
    unknown, free = sorted(client.fetch_my_trades(SWAP), key=lambda each: each["id"])
    assert (unknown["fee"]["cost"], unknown["info"]["fee"]) == (None, "")
    assert free["fee"]["cost"] == "0"


def test_fills_are_numbered_per_symbol_and_side(client: Any, account: PaperAccount) -> None:
    account.put_fills([fill("9001"), fill("9001", side="sell"), fill("9001", symbol=SPOT)])
    account.put_fills([fill("9001", price=Decimal(61000))])
    found = {each["side"]: each["price"] for each in client.fetch_my_trades(SWAP)}
    assert found == {"buy": "61000", "sell": "60000"}
    assert len(client.fetch_my_trades(SPOT)) == 1


def test_a_rebate_is_positive_on_the_wire(client: Any, account: PaperAccount) -> None:
    account.put_fills([fill("9001", fee=Decimal("-0.3"))])
    assert client.fetch_my_trades(SWAP)[0]["info"]["fee"] == "0.3"


def test_a_spot_fill_comes_in_base_units_with_its_base_fee(
    client: Any, account: PaperAccount
) -> None:
    account.put_fills(
        [
            fill(
                "9001",
                symbol=SPOT,
                quantity=Decimal("0.12345"),
                fee=Decimal("0.00012345"),
                fee_currency="BTC",
            )
        ]
    )
    [found] = client.fetch_my_trades(SPOT)
    assert (found["amount"], found["fee"]["cost"]) == ("0.12345", "0.00012345")
    assert client.fetch_my_trades(SWAP) == []


def test_fills_of_each_instrument_type_are_asked_for_apart(
    client: Any, account: PaperAccount
) -> None:
    account.put_fills([fill("9001"), fill("9002", symbol=SPOT)])
    assert [each["id"] for each in client.fetch_my_trades(params={"instType": "SWAP"})] == ["9001"]
    assert [each["id"] for each in client.fetch_my_trades()] == ["9002"]
    with pytest.raises(ccxt.BadRequest, match="instType"):
        client.private_get_trade_fills_history()


def test_a_hundred_fills_and_more_are_walked_by_cursor_without_gap_or_repeat(
    client: Any, account: PaperAccount
) -> None:
    account.put_fills([fill(str(9000 + n), executed_at=ago(seconds=1000 - n)) for n in range(250)])
    assert sorted(walk(client)) == [str(9000 + n) for n in range(250)]


def test_fills_of_one_millisecond_are_walked_across_a_page_s_edge(
    client: Any, account: PaperAccount
) -> None:
    ids = [str(9000 + n) for n in range(150)]
    account.put_fills([fill(each, executed_at=ago(hours=1)) for each in ids])
    assert sorted(walk(client)) == ids


@pytest.mark.parametrize("prefix", ["", "f"])
def test_the_answers_themselves_are_newest_first_whatever_the_ids_look_like(
    client: Any, account: PaperAccount, prefix: str
) -> None:
    ids = [f"{prefix}{95 + n}" for n in range(150)]
    account.put_fills([fill(each, executed_at=ago(hours=1)) for each in ids])
    found: list[str] = []
    cursor: dict[str, str] = {}
    while page := client.private_get_trade_fills_history({"instType": "SWAP", **cursor})["data"]:
        found += [row["billId"] for row in page]
        cursor = {"after": found[-1]}
    assert found == ids[::-1]


def test_since_and_until_bound_the_fills_by_time(client: Any, account: PaperAccount) -> None:
    account.put_fills([fill(f"900{n}", executed_at=ago(hours=n)) for n in range(1, 6)])
    found = client.fetch_my_trades(SWAP, to_ms(ago(hours=4)), params={"until": to_ms(ago(hours=2))})
    assert [each["id"] for each in found] == ["9004", "9003", "9002"]


def test_the_fills_of_one_order_can_be_asked_for(client: Any, account: PaperAccount) -> None:
    account.put_fills([fill("9001"), fill("9002", exchange_order_id="1002")])
    assert [each["id"] for each in client.fetch_order_trades("1002", SWAP)] == ["9002"]


def test_a_late_fill_is_hidden_until_its_time_though_its_order_is_filled(
    client: Any, account: PaperAccount, clock: FrozenClock
) -> None:
    account.put_orders([order("1001", state="filled", filled=Decimal("0.5"))])
    account.put_fills([fill("9001", visible_from=NOW + timedelta(seconds=60))])
    assert client.fetch_my_trades(SWAP) == []
    assert client.fetch_order("1001", SWAP)["filled"] == "50"
    clock.advance(seconds=60)
    assert [each["id"] for each in client.fetch_my_trades(SWAP)] == ["9001"]


@pytest.mark.parametrize(
    ("kind", "side", "code"),
    [
        ("trade", "buy", "1"),
        ("trade", "sell", "2"),
        ("liquidation", "buy", "106"),
        ("liquidation", "sell", "107"),
        ("adl", "buy", "127"),
        ("adl", "sell", "128"),
        ("delivery", "sell", "112"),
        ("delivery", "buy", "113"),
    ],
)
def test_every_kind_of_fill_is_listed_with_its_code_in_net_mode(
    client: Any, account: PaperAccount, kind: str, side: str, code: str
) -> None:
    account.put_fills([fill("9001", kind=kind, side=side)])
    [found] = client.fetch_my_trades(SWAP)
    assert (found["info"]["subType"], found["info"]["posSide"]) == (code, "net")


@pytest.mark.parametrize(
    ("kind", "side", "position_side", "code"),
    [
        ("trade", "buy", "long", "3"),
        ("trade", "sell", "short", "4"),
        ("trade", "sell", "long", "5"),
        ("trade", "buy", "short", "6"),
        ("liquidation", "sell", "long", "104"),
        ("liquidation", "buy", "short", "105"),
        ("adl", "sell", "long", "125"),
        ("adl", "buy", "short", "126"),
        ("delivery", "sell", "long", "112"),
        ("delivery", "buy", "short", "113"),
    ],
)
def test_every_kind_of_fill_is_listed_with_its_code_in_hedge_mode(
    connect: Callable[..., Any], kind: str, side: str, position_side: str, code: str
) -> None:
    hedge = PaperAccount("hedge", "hedge")
    hedge.put_fills([fill("9001", kind=kind, side=side, position_side=position_side)])
    [found] = connect(hedge).fetch_my_trades(SWAP)
    assert (found["info"]["subType"], found["info"]["posSide"]) == (code, position_side)


def test_funding_is_a_bill_and_never_a_fill(client: Any, account: PaperAccount) -> None:
    account.put_fills([fill("9001"), fill("9002", kind="funding", fee=Decimal("3.5"))])
    assert [each["id"] for each in client.fetch_my_trades(SWAP)] == ["9001"]
    bills = client.private_get_account_bills({"type": "8"})["data"]
    assert [(each["billId"], each["subType"], each["balChg"]) for each in bills] == [
        ("9002", "173", "-3.5")
    ]


def test_a_liquidation_of_the_engine_reads_as_one(client: Any, account: PaperAccount) -> None:
    placed = account.place(SWAP, "buy", Decimal("0.5"), Decimal("60000"))
    account.fill(placed.exchange_order_id)
    account.liquidate(SWAP)
    codes = {each["info"]["subType"] for each in client.fetch_my_trades(SWAP)}
    assert codes == {"1", "107"}


def test_the_recent_fills_end_after_three_days_and_all_after_three_months(
    client: Any, account: PaperAccount
) -> None:
    account.put_fills(
        [
            fill("9003", executed_at=ago(days=2)),
            fill("9002", executed_at=ago(days=4)),
            fill("9001", executed_at=ago(days=91)),
        ]
    )
    recent = client.private_get_trade_fills({"instType": "SWAP"})["data"]
    assert [each["billId"] for each in recent] == ["9003"]
    assert [each["id"] for each in client.fetch_my_trades(SWAP)] == ["9002", "9003"]
