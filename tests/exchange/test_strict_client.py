"""The real ccxt class over HTTP, against bodies that a broken or hostile exchange might send."""

import json
from decimal import Decimal

import pytest

from reconciliation.enums import OrderClass
from reconciliation.exchange.gateway import (
    AccountHalted,
    ExchangeError,
    PermanentExchangeError,
    RetryableExchangeError,
    Unsupported,
)
from tests.exchange.builders import StubExchange, fill_row, order_row, position_row

SWAP = "BTC/USDT:USDT"


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>Bad gateway</body></html>",
        "",
        "   ",
        '{"code":"0","data":[{"instId":"BTC-',
        "null",
        '"ok"',
        "12",
        "[]",
        "{}",
        '{"code":"0","msg":""}',
        '{"code":"0","data":null}',
        '{"code":"0","data":{}}',
        '{"data":[],"msg":""}',
        '{"code":"0","data":[NaN]}',
    ],
)
def test_a_success_that_is_no_answer_raises_and_is_never_flat(
    stub: StubExchange, body: str
) -> None:
    gateway = stub.connect()
    stub.answer("/account/positions", body)

    with pytest.raises(RetryableExchangeError, match="HTTP 200"):
        gateway.fetch_positions()
    assert sum("positions" in path for path in stub.asked) == 3


def test_a_list_of_instruments_that_is_no_answer_raises_too(stub: StubExchange) -> None:
    gateway = stub.connect()
    stub.answer("/public/instruments", '{"code":"0","msg":""}')

    with pytest.raises(RetryableExchangeError, match="no list of data"):
        gateway.load_instruments()


def test_an_empty_list_of_instruments_is_no_answer(stub: StubExchange) -> None:
    gateway = stub.connect()
    stub.rows("/public/instruments")

    with pytest.raises(RetryableExchangeError, match="lists no instruments"):
        gateway.load_instruments()


def test_a_number_in_json_keeps_the_digits_of_the_answer(stub: StubExchange) -> None:
    gateway = stub.connect()
    text = json.dumps({"code": "0", "data": [position_row(pos="@")], "msg": ""})
    # Digits that a double cannot hold, sent without quotes.
    stub.answer("/account/positions", text.replace('"@"', "12345678901234567.89"))

    (held,) = gateway.fetch_positions()

    assert held.quantity == Decimal("123456789012345.6789")


def test_too_many_requests_halt_even_where_ccxt_reads_another_error(stub: StubExchange) -> None:
    gateway = stub.connect()
    stub.answer("/account/positions", {"message": "slow down"}, status=429)

    for _ in range(2):
        with pytest.raises(AccountHalted):
            gateway.fetch_positions()
    assert sum("positions" in path for path in stub.asked) == 1


def test_a_rate_limit_told_by_a_code_with_http_200_halts(stub: StubExchange) -> None:
    gateway = stub.connect()
    stub.answer("/account/positions", {"code": "50011", "data": [], "msg": "Too Many Requests"})

    with pytest.raises(AccountHalted):
        gateway.fetch_positions()


def test_a_code_that_is_not_known_is_temporary(stub: StubExchange) -> None:
    gateway = stub.connect()
    stub.answer("/account/positions", {"code": "99999", "data": [], "msg": "new"})

    with pytest.raises(RetryableExchangeError, match="99999"):
        gateway.fetch_positions()


def test_a_redirect_is_not_followed(stub: StubExchange) -> None:
    gateway = stub.connect()
    stub.answer("/account/positions", "", status=302, Location=f"{stub.url}/elsewhere")

    with pytest.raises(ExchangeError):
        gateway.fetch_positions()
    assert not any("elsewhere" in path for path in stub.asked)


@pytest.mark.parametrize("rows", [[], [order_row(), order_row()], [order_row(ordId="77")]])
def test_an_order_is_only_what_was_asked_for(
    stub: StubExchange, rows: list[dict[str, object]]
) -> None:
    gateway = stub.connect()
    stub.rows("/trade/order", *rows)

    with pytest.raises(RetryableExchangeError, match="asked for order 1001"):
        gateway.fetch_order(
            symbol=SWAP,
            exchange_order_id="1001",
            client_order_id=None,
            order_class=OrderClass.REGULAR,
        )


@pytest.mark.parametrize("code", ["51400", "51401", "51509"])
def test_only_the_one_code_says_that_an_order_is_not_known(stub: StubExchange, code: str) -> None:
    gateway = stub.connect()
    stub.answer("/trade/order", {"code": code, "data": [], "msg": "gone"})

    with pytest.raises(RetryableExchangeError):
        gateway.fetch_order(
            symbol=SWAP,
            exchange_order_id="1001",
            client_order_id=None,
            order_class=OrderClass.REGULAR,
        )


def test_fills_of_another_order_are_no_answer(stub: StubExchange) -> None:
    gateway = stub.connect()
    stub.rows("/trade/fills-history", fill_row(ordId="77"))

    with pytest.raises(RetryableExchangeError, match="of another"):
        gateway.fetch_order_fills(symbol=SWAP, exchange_order_id="1001")


def test_one_fill_id_on_both_sides_is_two_fills(stub: StubExchange) -> None:
    gateway = stub.connect()
    stub.rows("/trade/fills-history", fill_row(), fill_row(side="sell"))

    fills = gateway.fetch_order_fills(symbol=SWAP, exchange_order_id="1001")

    assert {fill.key for fill in fills} == {(SWAP, "buy", "9001"), (SWAP, "sell", "9001")}


@pytest.mark.parametrize("path", ["/account/balance", "/account/config"])
def test_an_account_without_its_row_is_no_answer(stub: StubExchange, path: str) -> None:
    gateway = stub.connect()
    stub.rows(path)

    with pytest.raises(RetryableExchangeError, match="answered 0 rows"):
        gateway.fetch_balances() if "balance" in path else gateway.fetch_position_mode()


def test_a_row_of_a_new_instrument_has_the_list_read_anew(stub: StubExchange) -> None:
    gateway = stub.connect()
    gateway.load_instruments()
    stub.rows("/account/positions", position_row(instId="NEW-USDT-SWAP"))

    with pytest.raises(PermanentExchangeError, match="NEW-USDT-SWAP"):
        gateway.fetch_positions()
    assert sum("instruments" in path for path in stub.asked) == 2

    stub.monotonic.pass_time(61)
    gateway.begin_cycle(budget_seconds=30)
    with pytest.raises(PermanentExchangeError, match="NEW-USDT-SWAP"):
        gateway.fetch_positions()
    assert sum("instruments" in path for path in stub.asked) == 4


def test_nothing_but_get_is_ever_sent(stub: StubExchange) -> None:
    gateway = stub.connect()
    before = len(stub.asked)

    for method in ("privatePostTradeOrder", "privatePostTradeCancelOrder"):
        with pytest.raises(Unsupported, match="only reads"):
            getattr(gateway._client, method)({"instId": "BTC-USDT-SWAP"})
    assert len(stub.asked) == before


def test_a_position_of_another_symbol_is_not_answered_for_one(stub: StubExchange) -> None:
    gateway = stub.connect()
    stub.rows("/account/positions", position_row(), position_row(instId="ETH-USDT-SWAP"))

    assert [held.symbol for held in gateway.fetch_positions(SWAP)] == [SWAP]
    assert len(gateway.fetch_positions()) == 2
    with pytest.raises(Unsupported, match="held as a balance"):
        gateway.fetch_positions("BTC/USDT")
