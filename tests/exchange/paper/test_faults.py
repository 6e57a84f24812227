import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest

from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.faults import ENDPOINTS, KINDS, FaultPlan
from reconciliation.exchange.paper.server import PaperExchange
from tests.exchange.paper.builders import (
    SWAP,
    FrozenClock,
    ago,
    client_of,
    fill,
    order,
    position,
    wait_until,
)

CALLS: dict[str, Callable[[Any], Any]] = {
    "time": lambda client: client.fetch_time(),
    "instruments": lambda client: client.fetch_markets(),
    "open_orders": lambda client: client.fetch_open_orders(SWAP),
    "order": lambda client: client.fetch_order("1001", SWAP),
    "order_history": lambda client: client.fetch_canceled_orders(SWAP),
    "fills": lambda client: client.fetch_my_trades(SWAP),
    "positions": lambda client: client.fetch_positions(),
    "balance": lambda client: client.fetch_balance(),
    "ticker": lambda client: client.fetch_ticker(SWAP),
}
RAISED = {
    "http_500": (ccxt.ExchangeNotAvailable, "50026"),
    "http_429": (ccxt.RateLimitExceeded, "50011"),
    "http_418": (ccxt.DDoSProtection, "418"),
    "refused": (ccxt.NetworkError, "okx GET http://127.0.0.1"),
    "auth": (ccxt.AuthenticationError, "50111"),
    "skew": (ccxt.InvalidNonce, "50102"),
    "maintenance": (ccxt.OnMaintenance, "50001"),
}
SILENT = ("html_200", "empty_200", "truncated_200", "empty_list", "short_page")


@pytest.fixture
def account() -> PaperAccount:
    account = PaperAccount("main")
    account.put_orders([order("1001"), order("1002", state="canceled")])
    account.put_fills([fill("9001")])
    account.put_positions([position("0.5")])
    return account


@pytest.fixture
def impatient(account: PaperAccount, clock: FrozenClock) -> Iterator[tuple[PaperExchange, Any]]:
    """An exchange whose time-outs outlast its client's patience."""
    with PaperExchange([account], clock, timeout_fault_seconds=60) as exchange:
        yield exchange, client_of(exchange, account, timeout=100)


@pytest.mark.parametrize("endpoint", CALLS)
@pytest.mark.parametrize("kind", RAISED)
def test_a_fault_that_is_an_error_is_raised_once_by_the_client(
    client: Any, exchange: PaperExchange, endpoint: str, kind: str
) -> None:
    raised, text = RAISED[kind]
    exchange.faults.add("main", endpoint, kind)
    with pytest.raises(raised, match=text):
        CALLS[endpoint](client)
    assert CALLS[endpoint](client)
    assert exchange.faults.armed() == ()


@pytest.mark.parametrize("endpoint", ["open_orders", "order_history", "fills", "positions"])
@pytest.mark.parametrize("kind", SILENT)
def test_a_body_that_says_nothing_reads_as_an_empty_list(
    client: Any, exchange: PaperExchange, endpoint: str, kind: str
) -> None:
    exchange.faults.add("main", endpoint, kind)
    assert CALLS[endpoint](client) == []
    assert len(CALLS[endpoint](client)) == 1


@pytest.mark.parametrize("kind", SILENT)
def test_a_body_that_says_nothing_reads_as_an_order_without_an_id(
    client: Any, exchange: PaperExchange, kind: str
) -> None:
    exchange.faults.add("main", "order", kind)
    assert client.fetch_order("1001", SWAP)["id"] is None
    assert client.fetch_order("1001", SWAP)["id"] == "1001"


@pytest.mark.parametrize("kind", ["truncated_200", "empty_list"])
def test_a_refusal_of_the_endpoint_is_spoilt_like_an_answer_with_rows(
    client: Any, exchange: PaperExchange, kind: str
) -> None:
    exchange.faults.add("main", "order", kind)
    assert client.fetch_order("1009", SWAP)["id"] is None
    with pytest.raises(ccxt.OrderNotFound, match="51603"):
        client.fetch_order("1009", SWAP)


@pytest.mark.parametrize("endpoint", CALLS)
def test_a_timeout_outlasts_the_client_and_the_next_answer_is_good(
    impatient: tuple[PaperExchange, Any], endpoint: str
) -> None:
    exchange, client = impatient
    exchange.faults.add("main", endpoint, "timeout")
    with pytest.raises(ccxt.RequestTimeout):
        CALLS[endpoint](client)
    client.timeout = 3000
    assert CALLS[endpoint](client)


def test_stopping_does_not_wait_for_a_request_that_is_held(
    impatient: tuple[PaperExchange, Any],
) -> None:
    exchange, client = impatient
    exchange.faults.add("main", "time", "timeout")
    with pytest.raises(ccxt.RequestTimeout):
        client.fetch_time()
    before = time.monotonic()
    exchange.stop()
    assert time.monotonic() - before < 2


def test_a_held_request_ends_when_its_client_gives_up(
    impatient: tuple[PaperExchange, Any],
) -> None:
    exchange, client = impatient
    client.close()
    before = threading.active_count()
    exchange.faults.add("main", "time", "timeout")
    with pytest.raises(ccxt.RequestTimeout):
        client.fetch_time()
    client.session.close()
    assert wait_until(lambda: threading.active_count() <= before)


def test_a_timeout_ends_without_an_answer_for_a_patient_client(
    account: PaperAccount, clock: FrozenClock
) -> None:
    with PaperExchange([account], clock, timeout_fault_seconds=0.05) as exchange:
        client = client_of(exchange, account)
        exchange.faults.add("main", "time", "timeout")
        with pytest.raises(ccxt.NetworkError) as ended:
            client.fetch_time()
        assert not isinstance(ended.value, ccxt.RequestTimeout)


def test_a_delayed_answer_is_the_true_one_and_late(client: Any, exchange: PaperExchange) -> None:
    exchange.faults.add("main", "positions", "delay", delay_seconds=0.05)
    before = time.monotonic()
    assert len(client.fetch_positions()) == 1
    assert time.monotonic() - before >= 0.05


def raw(exchange: PaperExchange, path: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection(urlsplit(exchange.url("main")).netloc)
    connection.request("GET", f"/main/api/v5/{path}")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert int(answer.headers["Content-Length"]) == len(body)
    return answer.status, answer.headers["Content-Type"], body


def test_a_truncated_body_is_the_first_half_of_the_true_one(exchange: PaperExchange) -> None:
    path = "public/instruments?instType=SWAP"
    _, _, whole = raw(exchange, path)
    exchange.faults.add("main", "instruments", "truncated_200")
    status, content_type, cut = raw(exchange, path)
    assert (status, content_type) == (200, "application/json")
    assert cut == whole[: len(whole) // 2]


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "start"),
    [
        ("http_418", 418, "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("html_200", 200, "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("empty_200", 200, "application/json", b""),
        ("maintenance", 503, "application/json", b'{"msg":"Service temporarily unavailable'),
    ],
)
def test_bodies_are_what_an_exchange_or_a_proxy_sends(
    exchange: PaperExchange, kind: str, status: int, content_type: str, start: bytes
) -> None:
    exchange.faults.add("main", "time", kind)
    found = raw(exchange, "public/time")
    assert found[:2] == (status, content_type)
    assert found[2].startswith(start)
    assert bool(found[2]) == bool(start)


def test_a_refused_connection_is_reset(exchange: PaperExchange) -> None:
    exchange.faults.add("main", "time", "refused")
    address = urlsplit(exchange.url("main"))
    with socket.create_connection((str(address.hostname), exchange.port)) as connection:
        connection.sendall(b"GET /main/api/v5/public/time HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_fault_acts_as_often_as_it_was_told(client: Any, exchange: PaperExchange) -> None:
    exchange.faults.add("main", "positions", "http_500", 2)
    for _ in range(2):
        with pytest.raises(ccxt.ExchangeNotAvailable):
            client.fetch_positions()
    assert len(client.fetch_positions()) == 1


def test_an_endless_fault_acts_until_it_is_cleared(client: Any, exchange: PaperExchange) -> None:
    exchange.faults.add("main", "positions", "empty_list", "always")
    assert [client.fetch_positions() for _ in range(5)] == [[]] * 5
    exchange.faults.clear()
    assert len(client.fetch_positions()) == 1


def test_faults_act_in_the_order_they_were_armed_one_a_request(
    client: Any, exchange: PaperExchange
) -> None:
    exchange.faults.add("main", "positions", "http_429")
    exchange.faults.add("main", "any", "maintenance")
    with pytest.raises(ccxt.RateLimitExceeded):
        client.fetch_positions()
    with pytest.raises(ccxt.OnMaintenance):
        client.fetch_ticker(SWAP)
    assert len(client.fetch_positions()) == 1


def test_a_fault_leaves_other_endpoints_and_other_accounts_alone(
    client: Any, exchange: PaperExchange, connect: Callable[..., Any]
) -> None:
    other = connect(PaperAccount("other"))
    exchange.faults.add("main", "positions", "http_500", "always")
    assert len(client.fetch_my_trades(SWAP)) == 1
    assert other.fetch_positions() == []


def test_any_takes_in_what_has_no_endpoint_name(client: Any, exchange: PaperExchange) -> None:
    exchange.faults.add("main", "any", "http_500")
    with pytest.raises(ccxt.ExchangeNotAvailable):
        client.fetch_position_mode()


@pytest.mark.parametrize("kind", ["auth", "skew"])
def test_key_faults_on_any_spare_the_endpoints_without_a_key(
    client: Any, exchange: PaperExchange, kind: str
) -> None:
    exchange.faults.add("main", "any", kind)
    assert client.fetch_time()
    assert client.fetch_ticker(SWAP)["last"] == "60000"
    with pytest.raises(RAISED[kind][0]):
        client.fetch_positions()


def test_an_endless_skew_is_cured_by_a_time_sync_after_it_showed(
    client: Any, exchange: PaperExchange
) -> None:
    exchange.faults.add("main", "positions", "skew", "always")
    client.load_time_difference()
    with pytest.raises(ccxt.InvalidNonce):
        client.fetch_positions()
    exchange.faults.add("main", "time", "empty_200")
    assert client.fetch_time() is None
    with pytest.raises(ccxt.InvalidNonce):
        client.fetch_positions()
    client.load_time_difference()
    assert len(client.fetch_positions()) == 1


@pytest.fixture
def many(account: PaperAccount) -> list[str]:
    """Return the ids of 250 fills, newest first: three pages."""
    account.replace_fills(
        [fill(str(9000 + n), executed_at=ago(seconds=1000 - n)) for n in range(250)]
    )
    return [str(9000 + n) for n in reversed(range(250))]


def page_ids(client: Any, after: str | None = None) -> list[str]:
    cursor = {} if after is None else {"after": after}
    return [each["id"] for each in reversed(client.fetch_my_trades(SWAP, params=cursor))]


def test_a_short_page_takes_the_last_page_away_and_no_other(
    client: Any, exchange: PaperExchange, many: list[str]
) -> None:
    exchange.faults.add("main", "fills", "short_page")
    assert page_ids(client) == many[:100]
    assert page_ids(client, many[99]) == many[100:200]
    assert page_ids(client, many[199]) == []
    assert page_ids(client, many[199]) == many[200:]


def test_a_duplicate_page_answers_the_next_cursor_with_the_same_page(
    client: Any, exchange: PaperExchange, many: list[str]
) -> None:
    exchange.faults.add("main", "fills", "duplicate_page")
    assert page_ids(client) == many[:100]
    assert page_ids(client, many[99]) == many[:100]
    assert page_ids(client, many[99]) == many[100:200]


def test_a_duplicate_page_repeats_only_the_answer_to_the_same_question(
    client: Any, exchange: PaperExchange, many: list[str]
) -> None:
    page_ids(client)
    exchange.faults.add("main", "fills", "duplicate_page")
    found = client.fetch_my_trades(SWAP, params={"ordId": "1001", "after": many[99]})
    assert [each["id"] for each in reversed(found)] == many[100:200]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("nobody", "positions", "http_500"), "unknown account 'nobody'; allowed: main"),
        (("main", "orders", "http_500"), "unknown endpoint 'orders'; allowed: time, instruments"),
        (("main", "positions", "http_404"), "unknown kind 'http_404'; allowed: http_500"),
        (("main", "positions", "http_500", 0), "at least 1"),
        (("main", "positions", "http_500", "often"), "whole number or 'always'"),
        (("main", "positions", "delay"), "needs delay_seconds"),
    ],
)
def test_a_fault_that_means_nothing_is_refused_with_what_is_allowed(
    exchange: PaperExchange, arguments: tuple[Any, ...], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        exchange.faults.add(*arguments)


def test_the_words_for_faults_are_those_of_the_drills() -> None:
    assert set(ENDPOINTS) == {*CALLS, "any"}
    assert set(KINDS) == {*RAISED, *SILENT, "timeout", "duplicate_page", "delay"}


def test_what_is_left_of_a_fault_can_be_seen() -> None:
    plan = FaultPlan()
    plan.add("main", "fills", "http_500", 2)
    plan.take("main", "fills", signed=True)
    assert [(each.kind, each.times) for each in plan.armed()] == [("http_500", 1)]
