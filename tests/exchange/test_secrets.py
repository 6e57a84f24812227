"""No key, secret, passphrase, signature or query is in any error, repr, traceback or log."""

import json
import logging
import traceback
from collections.abc import Callable

import pytest

from reconciliation.enums import InstrumentType, OrderClass
from reconciliation.exchange.ccxt_gateway import CcxtGateway
from reconciliation.exchange.gateway import ExchangeError, RetryableExchangeError
from tests.exchange.builders import STUB_CREDENTIALS, Answer, StubExchange
from tests.exchange.paper.builders import NOW

SECRETS = STUB_CREDENTIALS.values()
SWAP = "BTC/USDT:USDT"

READS: list[Callable[[CcxtGateway], object]] = [
    lambda gateway: gateway.fetch_positions(SWAP),
    lambda gateway: gateway.fetch_balances(),
    lambda gateway: gateway.fetch_position_mode(),
    lambda gateway: gateway.fetch_open_orders(OrderClass.REGULAR),
    lambda gateway: list(
        gateway.fetch_fill_pages(InstrumentType.SWAP, start=NOW, end=NOW),
    ),
    lambda gateway: gateway.fetch_order_fills(symbol=SWAP, exchange_order_id="ordid-in-query"),
    lambda gateway: gateway.fetch_order(
        symbol=SWAP,
        exchange_order_id="ordid-in-query",
        client_order_id=None,
        order_class=OrderClass.REGULAR,
    ),
]


def echo(stub: StubExchange, *, status: int, as_json: bool) -> list[str]:
    """Make the exchange answer everything with what it was sent; return the signatures it saw."""
    signatures: list[str] = []

    def answer(headers: object) -> Answer:
        assert isinstance(headers, dict)
        signatures.append(headers.get("OK-ACCESS-SIGN", ""))
        url = f"https://www.okx.com{stub.asked[-1]}&sign={signatures[-1]}"
        said = f"{signatures[-1]} you sent {headers} with {STUB_CREDENTIALS.secret} to {url}"
        body = json.dumps({"code": "50999", "data": [], "msg": said}) if as_json else said
        return status, body, {}

    for path in ("positions", "balance", "config", "orders-pending", "fills-history", "order"):
        stub.answers[path] = answer
    return signatures


def everything_shown(error: BaseException) -> str:
    """Return all that an error could be shown as, with its chain whether suppressed or not."""
    shown = [str(error), repr(error), repr(error.args), repr(vars(error))]
    link: BaseException | None = error
    while link is not None:
        shown += traceback.format_exception(link, chain=True)
        link = link.__cause__ or link.__context__
    return "\n".join(shown)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    ("status", "as_json"),
    [(200, True), (200, False), (400, True), (401, True), (404, False), (500, False), (429, True)],
)
def test_an_exchange_that_sends_back_what_it_was_sent_leaks_nothing(
    stub: StubExchange, read: Callable[[CcxtGateway], object], status: int, as_json: bool
) -> None:
    gateway = stub.connect()
    gateway.load_instruments()
    signatures = echo(stub, status=status, as_json=as_json)

    with pytest.raises(ExchangeError) as caught:
        read(gateway)

    shown = everything_shown(caught.value)
    assert signatures
    assert all(signatures)
    for secret in (*SECRETS, *signatures):
        assert secret not in shown
        assert json.dumps(secret)[1:-1] not in shown
    assert "instId=" not in shown
    assert "ordId=" not in shown


@pytest.mark.parametrize("read", READS)
def test_a_refused_connection_leaks_nothing(
    stub: StubExchange, read: Callable[[CcxtGateway], object]
) -> None:
    gateway = stub.connect()
    gateway.load_instruments()
    gateway._client.urls["api"] = {"rest": "http://127.0.0.1:9"}

    with pytest.raises(ExchangeError) as caught:
        read(gateway)

    shown = everything_shown(caught.value)
    assert not any(secret in shown for secret in SECRETS)
    assert "instId=" not in shown


def test_an_error_has_no_chain_back_to_the_client(stub: StubExchange) -> None:
    gateway = stub.connect()
    stub.answer("/account/positions", "<html></html>", status=502)

    with pytest.raises(ExchangeError) as caught:
        gateway.fetch_positions()

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_error_of_ours_does_not_keep_what_it_was_raised_from(stub: StubExchange) -> None:
    gateway = stub.connect()

    def fail(_: object) -> object:
        try:
            raise ValueError(STUB_CREDENTIALS.secret)
        except ValueError as error:
            raise RetryableExchangeError("no answer") from error

    gateway._client.privateGetAccountPositions = fail

    with pytest.raises(RetryableExchangeError) as caught:
        gateway.fetch_positions()

    assert STUB_CREDENTIALS.secret not in everything_shown(caught.value)


def test_the_rows_of_an_answer_that_quotes_a_secret_are_not_shown(stub: StubExchange) -> None:
    gateway = stub.connect()
    row = {"instType": "SWAP", "instId": STUB_CREDENTIALS.secret, "pos": "1", "posSide": "net"}
    stub.rows("/account/positions", row)

    with pytest.raises(ExchangeError) as caught:
        gateway.fetch_positions()

    assert STUB_CREDENTIALS.secret not in everything_shown(caught.value)


def test_a_gateway_does_not_show_what_it_knows(stub: StubExchange) -> None:
    gateway = stub.connect()

    for shown in (repr(gateway), str(gateway), repr(STUB_CREDENTIALS), f"{STUB_CREDENTIALS}"):
        assert not any(secret in shown for secret in SECRETS)


def test_nothing_is_logged_at_any_level(
    stub: StubExchange, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = stub.connect()
    echo(stub, status=500, as_json=False)

    with caplog.at_level(logging.DEBUG), pytest.raises(ExchangeError):
        gateway.fetch_positions()

    assert not any(secret in caplog.text for secret in SECRETS)
    assert "OK-ACCESS" not in caplog.text
