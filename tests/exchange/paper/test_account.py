from collections.abc import Callable
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from reconciliation.exchange.paper.book import PaperAccount, PaperInstrument
from reconciliation.exchange.paper.paging import to_ms
from reconciliation.exchange.paper.server import PaperExchange
from tests.exchange.paper.builders import (
    NOW,
    SPOT,
    SWAP,
    FrozenClock,
    fill,
    order,
    position,
)

ETH = "ETH/USDT:USDT"


def test_markets_load_from_two_requests_with_their_sizes_and_steps(
    client: Any, exchange: PaperExchange
) -> None:
    assert [each.path for each in exchange.requests] == [
        "/api/v5/public/instruments?instType=SPOT",
        "/api/v5/public/instruments?instType=SWAP",
    ]
    swap, spot = client.market(SWAP), client.market(SPOT)
    assert (swap["id"], swap["contractSize"], swap["linear"]) == ("BTC-USDT-SWAP", "0.01", True)
    assert (swap["precision"]["amount"], swap["precision"]["price"]) == ("0.01", "0.1")
    assert (spot["id"], spot["contractSize"], spot["precision"]["amount"]) == (
        "BTC-USDT",
        None,
        "0.00001",
    )


def test_a_market_added_at_run_time_is_listed(client: Any, account: PaperAccount) -> None:
    account.put_instrument(
        PaperInstrument(
            "SOL/USDT:USDT", Decimal("1"), Decimal("0.1"), Decimal("0.001"), Decimal("150")
        )
    )
    client.load_markets(True)
    assert client.market("SOL/USDT:USDT")["id"] == "SOL-USDT-SWAP"


def test_a_ticker_trades_at_the_mark_and_at_the_drill_s_time(
    client: Any, account: PaperAccount, clock: FrozenClock
) -> None:
    account.set_mark(SWAP, Decimal("61000.50"))
    clock.advance(minutes=1)
    ticker = client.fetch_ticker(SWAP)
    assert (ticker["last"], ticker["bid"], ticker["ask"]) == ("61000.5", "61000.4", "61000.6")
    assert ticker["timestamp"] == to_ms(NOW) + 60_000
    assert client.fetch_tickers([SPOT])[SPOT]["last"] == "60000"
    assert client.fetch_mark_price(SWAP)["markPrice"] == "61000.5"


def test_a_ticker_of_an_unknown_market_is_code_51001(client: Any) -> None:
    with pytest.raises(ccxt.BadSymbol, match="51001"):
        client.public_get_market_ticker({"instId": "SOL-USDT"})


@pytest.mark.parametrize(("mode", "hedged"), [("net", False), ("hedge", True)])
def test_the_position_mode_can_be_asked_for(
    connect: Callable[..., Any], mode: Any, hedged: bool
) -> None:
    assert connect(PaperAccount("other", mode)).fetch_position_mode()["hedged"] is hedged


def test_a_key_reads_only_unless_it_is_given_more(client: Any, account: PaperAccount) -> None:
    assert client.fetch_accounts()[0]["info"]["perm"] == "read_only"
    account.permissions = "read_only,withdraw"
    assert client.fetch_accounts()[0]["info"]["perm"] == "read_only,withdraw"


@pytest.mark.parametrize(
    ("quantity", "side", "wire"), [("0.5", "long", "50"), ("-0.5", "short", "-50")]
)
def test_a_net_position_is_signed(
    client: Any, account: PaperAccount, quantity: str, side: str, wire: str
) -> None:
    account.put_positions([position(quantity)])
    [held] = client.fetch_positions()
    assert (held["symbol"], held["side"], held["contracts"]) == (SWAP, side, "50")
    assert (held["info"]["posSide"], held["info"]["pos"]) == ("net", wire)
    assert (held["entryPrice"], held["markPrice"], held["hedged"]) == ("60000", "60000", False)


def test_a_hedge_account_has_two_rows_of_positive_size(connect: Callable[..., Any]) -> None:
    hedge = PaperAccount("hedge", "hedge")
    hedge.put_positions([position("0.5", "long"), position("0.3", "short")])
    rows = {each["side"]: each for each in connect(hedge).fetch_positions()}
    assert {side: row["info"]["pos"] for side, row in rows.items()} == {"long": "50", "short": "30"}
    assert rows["short"]["info"]["posSide"] == "short"
    assert rows["short"]["hedged"] is True


def test_positions_can_be_asked_for_by_symbol(client: Any, account: PaperAccount) -> None:
    account.put_positions([position("0.5"), position("1", symbol=ETH)])
    assert [each["symbol"] for each in client.fetch_positions([ETH])] == [ETH]
    assert {each["symbol"] for each in client.fetch_positions([ETH, SWAP])} == {ETH, SWAP}
    assert client.fetch_position(ETH)["contracts"] == "10"


def test_flat_positions_are_rows_only_where_the_account_shows_them(
    client: Any, account: PaperAccount
) -> None:
    account.put_positions([position("0")])
    assert client.fetch_positions() == []
    account.include_flat_positions = True
    [flat] = client.fetch_positions()
    assert (flat["contracts"], flat["side"]) == ("0", None)


def test_a_position_s_update_time_moves_only_when_it_changes(
    client: Any, account: PaperAccount, clock: FrozenClock
) -> None:
    account.put_positions([position("0.5")])
    clock.advance(seconds=10)
    account.put_positions([position("0.5")])
    assert client.fetch_positions()[0]["lastUpdateTimestamp"] == to_ms(NOW)
    account.put_positions([position("0.4")])
    [held] = client.fetch_positions()
    assert held["lastUpdateTimestamp"] == to_ms(NOW) + 10_000
    assert held["timestamp"] == to_ms(NOW)


def test_margin_in_use_is_the_sum_of_what_the_true_positions_need(
    client: Any, account: PaperAccount
) -> None:
    account.put_positions([position("0.5"), position("-1", symbol=ETH)])
    rows = client.fetch_positions()
    whole = client.fetch_balance()["info"]["data"][0]
    assert Decimal(whole["imr"]) == sum(Decimal(row["info"]["imr"]) for row in rows)
    assert Decimal(whole["mmr"]) == sum(Decimal(row["info"]["mmr"]) for row in rows)
    assert (whole["imr"], whole["details"][0]["imr"]) == ("3300", "3300")


def test_margin_in_use_contradicts_an_answer_that_hides_the_positions(
    client: Any, account: PaperAccount, exchange: PaperExchange
) -> None:
    account.put_positions([position("0.5")])
    exchange.faults.add("main", "positions", "empty_list")
    assert client.fetch_positions() == []
    assert client.fetch_balance()["info"]["data"][0]["imr"] == "3000"


def test_a_total_is_all_that_is_owned_also_what_orders_hold_back(
    client: Any, account: PaperAccount
) -> None:
    account.set_balances({"BTC": Decimal("1.5"), "USDT": Decimal("50000")})
    account.put_orders(
        [
            order("1001", symbol=SPOT, side="sell", quantity=Decimal("0.4")),
            order("1002", symbol=SPOT, quantity=Decimal("0.5"), filled=Decimal("0.3")),
        ]
    )
    balance = client.fetch_balance()
    assert (balance["total"]["BTC"], balance["free"]["BTC"]) == ("1.5", "1.1")
    assert (balance["total"]["USDT"], balance["free"]["USDT"]) == ("50000", "38000")


def test_every_write_is_seen_by_the_next_request(client: Any, account: PaperAccount) -> None:
    def seen() -> tuple[Any, ...]:
        return (
            client.fetch_balance()["total"].get("USDT"),
            len(client.fetch_positions()),
            len(client.fetch_open_orders()),
            len(client.fetch_my_trades(SWAP)),
            client.fetch_ticker(SWAP)["last"],
            len(client.private_get_account_bills()["data"]),
        )

    assert seen() == (None, 0, 0, 0, "60000", 0)
    account.set_balances({"USDT": Decimal("5")})
    assert seen() == ("5", 0, 0, 0, "60000", 0)
    account.put_orders([order("1001")])
    assert seen() == ("5", 0, 1, 0, "60000", 0)
    account.put_fills([fill("9001")])
    assert seen() == ("5", 0, 1, 1, "60000", 1)
    account.deposit("USDT", Decimal("2"))
    assert seen() == ("7", 0, 1, 1, "60000", 2)
    account.set_mark(SWAP, Decimal("61000"))
    assert seen() == ("7", 0, 1, 1, "61000", 2)
    account.put_positions([position("0.5")])
    assert seen() == ("507", 1, 1, 1, "61000", 2)
    account.replace_positions([])
    assert seen() == ("7", 0, 1, 1, "61000", 2)


def test_equity_has_the_unrealised_profit_and_cash_has_not(
    client: Any, account: PaperAccount
) -> None:
    account.set_balances({"USDT": Decimal("50000")})
    account.put_positions([position("-0.5")])
    account.set_mark(SWAP, Decimal("61000"))
    [usdt] = client.fetch_balance()["info"]["data"][0]["details"]
    assert (usdt["cashBal"], usdt["eq"], usdt["upl"]) == ("50000", "49500", "-500")


def test_every_change_of_cash_is_a_bill(client: Any, account: PaperAccount) -> None:
    account.put_fills([fill("9001")])
    deposit = account.deposit("USDT", Decimal("1000"))
    bills = client.private_get_account_bills()["data"]
    assert [(each["billId"], each["type"], each["balChg"]) for each in bills] == [
        (deposit.transfer_id, "1", "1000"),
        ("9001", "2", "-1.5"),
    ]
    ledger = client.fetch_ledger("USDT", params={"instType": "SWAP"})
    assert [(each["id"], each["amount"]) for each in ledger] == [("9001", "-1.5")]
