import http.client
import json
import socket
import threading
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest

from reconciliation.exchange.paper.book import PaperAccount, PaperInstrument
from reconciliation.exchange.paper.server import PaperExchange
from tests.exchange.paper.builders import (
    SWAP,
    FrozenClock,
    client_of,
    order,
    position,
    wait_until,
)


def ask(exchange: PaperExchange, method: str, path: str, body: str | None = None) -> Any:
    connection = http.client.HTTPConnection(urlsplit(exchange.url("main")).netloc)
    connection.request(method, path, body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["trade/order", "trade/cancel-order", "account/positions"])
def test_nothing_but_reading_is_possible_over_http(
    exchange: PaperExchange, account: PaperAccount, method: str, path: str
) -> None:
    account.put_orders([order("1001")])
    before = account.orders()
    status, body = ask(exchange, method, f"/main/api/v5/{path}", '{"instId": "BTC-USDT-SWAP"}')
    assert (status, body["code"]) == (405, "50115")
    assert account.orders() == before


def test_the_real_client_cannot_place_or_cancel(client: Any, account: PaperAccount) -> None:
    account.put_orders([order("1001")])
    with pytest.raises(ccxt.BadRequest, match="50115"):
        client.create_order(SWAP, "limit", "buy", "1", "60000")
    with pytest.raises(ccxt.BadRequest, match="50115"):
        client.cancel_order("1001", SWAP)
    assert [each.state for each in account.orders()] == ["live"]


@pytest.mark.parametrize(
    "path", ["/main/api/v5/asset/currencies", "/main/", "/", "/nobody/api/v5/public/time"]
)
def test_an_unknown_path_or_account_is_not_found(exchange: PaperExchange, path: str) -> None:
    status, body = ask(exchange, "GET", path)
    assert (status, body["code"]) == (404, "404")


def test_a_connection_is_kept_alive_also_after_a_refused_body(exchange: PaperExchange) -> None:
    connection = http.client.HTTPConnection(urlsplit(exchange.url("main")).netloc)
    connection.request("POST", "/main/api/v5/trade/order", "{}" * 100)
    assert connection.getresponse().read()
    first = connection.sock
    connection.request("GET", "/main/api/v5/public/time")
    assert connection.getresponse().status == 200
    assert connection.sock is first
    connection.close()


def test_requests_are_logged_with_account_endpoint_and_query(
    client: Any, exchange: PaperExchange
) -> None:
    exchange.requests.clear()
    client.fetch_positions([SWAP])
    client.fetch_open_orders(params={"ordType": "oco"})
    assert list(exchange.requests) == [
        ("main", "GET", "positions", "/api/v5/account/positions?instId=BTC-USDT-SWAP"),
        ("main", "GET", "open_orders", "/api/v5/trade/orders-algo-pending?ordType=oco"),
    ]
    assert exchange.requests.count(endpoint="positions") == 1
    assert exchange.requests.count("main") == 2
    assert exchange.requests.count("other") == 0


def test_the_log_holds_no_secret(
    client: Any, exchange: PaperExchange, account: PaperAccount
) -> None:
    client.fetch_balance()
    text = repr(list(exchange.requests))
    assert not any(
        secret in text for secret in (account.api_key, account.secret, account.passphrase)
    )


def test_budgets_are_off_until_they_are_switched_on(account: PaperAccount) -> None:
    now = [0.0]
    with PaperExchange([account], FrozenClock(), monotonic=lambda: now[0]) as exchange:
        client = client_of(exchange, account)
        assert [client.fetch_positions() for _ in range(12)] == [[]] * 12
        exchange.rate_limited = True
        for _ in range(10):
            client.fetch_positions()
        with pytest.raises(ccxt.RateLimitExceeded, match="50011"):
            client.fetch_positions()
        assert client.fetch_open_orders() == []
        now[0] = 2.0
        assert client.fetch_positions() == []


def test_an_account_can_be_added_while_the_server_runs(exchange: PaperExchange) -> None:
    late = PaperAccount("late")
    exchange.add_account(late)
    late.put_positions([position("0.5")])
    assert len(client_of(exchange, late).fetch_positions()) == 1


def test_an_account_name_is_served_once(exchange: PaperExchange) -> None:
    with pytest.raises(ValueError, match="'main' is served already"):
        exchange.add_account(PaperAccount("main"))


def test_the_url_of_an_unknown_account_is_refused_with_the_known_ones(
    exchange: PaperExchange,
) -> None:
    with pytest.raises(ValueError, match="no account 'other' at the paper exchange; it has main"):
        exchange.url("other")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com", "", "::1"])  # noqa: S104
def test_only_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        PaperExchange([], FrozenClock(), host=host)


def test_a_stopped_exchange_refuses_and_comes_back_on_its_port(
    client: Any, exchange: PaperExchange
) -> None:
    url = exchange.url("main")
    assert client.fetch_positions() == []
    exchange.stop()
    with pytest.raises(ccxt.NetworkError):
        client.fetch_positions()
    exchange.start()
    assert exchange.url("main") == url
    assert client.fetch_positions() == []


def test_an_exchange_runs_once_and_may_be_stopped_twice(exchange: PaperExchange) -> None:
    with pytest.raises(RuntimeError, match="running already"):
        exchange.start()
    exchange.stop()
    exchange.stop()


def test_stopping_leaves_no_thread_behind(account: PaperAccount) -> None:
    before = threading.active_count()
    with PaperExchange([account], FrozenClock()) as exchange:
        client = client_of(exchange, account)
        client.fetch_positions()
    assert wait_until(lambda: threading.active_count() == before)


def test_a_client_that_hangs_up_leaves_no_traceback(
    exchange: PaperExchange, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = threading.active_count()
    address = urlsplit(exchange.url("main"))
    for _ in range(5):
        with socket.create_connection((str(address.hostname), exchange.port)) as connection:
            connection.sendall(b"GET /main/api/v5/public/time HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
            # Closed with answers unread, the connection is reset under the server's hands.
            connection.recv(1)
    assert wait_until(lambda: threading.active_count() == before)
    assert ask(exchange, "GET", "/main/api/v5/public/time")[0] == 200
    assert capfd.readouterr().err == ""
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


def test_a_fixture_that_cannot_be_shown_is_an_error_and_no_dropped_connection(
    client: Any, account: PaperAccount
) -> None:
    account.put_positions([position("0.5")])
    thirds = PaperInstrument(SWAP, Decimal("0.3"), Decimal("1"), Decimal("0.1"), Decimal("60000"))
    account.put_instrument(thirds)
    with pytest.raises(ccxt.ExchangeNotAvailable, match="50026"):
        client.fetch_positions()


def test_many_clients_at_once_get_their_own_answers(
    exchange: PaperExchange, account: PaperAccount
) -> None:
    account.put_orders([order(str(1000 + n)) for n in range(8)])
    clients = [client_of(exchange, account) for _ in range(4)]
    found: list[str] = []

    def read(client: Any) -> None:
        for n in range(8):
            found.append(client.fetch_order(str(1000 + n), SWAP)["id"])
            account.put_positions([position("0.5")])

    threads = [threading.Thread(target=read, args=(each,)) for each in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(str(1000 + n) for n in range(8) for _ in range(4))


def test_time_of_the_data_must_know_its_timezone(account: PaperAccount) -> None:
    with PaperExchange([account], lambda: FrozenClock().now.replace(tzinfo=None)) as exchange:
        status, _ = ask(exchange, "GET", "/main/api/v5/public/time")
    assert status == 500
