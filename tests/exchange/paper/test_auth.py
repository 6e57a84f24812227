import http.client
import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest

from reconciliation.exchange.paper.auth import WINDOW_SECONDS, Credentials, find_fault, sign
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.server import PaperExchange
from tests.exchange.paper.builders import SWAP, order

PATH = "/api/v5/account/positions?instId=BTC-USDT-SWAP%2CETH-USDT-SWAP"
CREDENTIALS = Credentials("key", "secret", "passphrase")
SIGNED_AT = 1767614400


def headers(**changes: str) -> dict[str, str]:
    """Build the headers of a well-signed GET of PATH."""
    timestamp = "2026-01-05T12:00:00.000Z"
    return {
        "OK-ACCESS-KEY": "key",
        "OK-ACCESS-PASSPHRASE": "passphrase",
        "OK-ACCESS-TIMESTAMP": timestamp,
        "OK-ACCESS-SIGN": sign("secret", timestamp, "GET", PATH),
        **{f"OK-ACCESS-{name.upper()}": value for name, value in changes.items()},
    }


def code(given: dict[str, str], wall_seconds: float = SIGNED_AT) -> str | None:
    refusal = find_fault(
        CREDENTIALS, given, method="GET", request_path=PATH, wall_seconds=wall_seconds
    )
    assert refusal is None or refusal.status == 401
    return None if refusal is None else refusal.code


def test_a_well_signed_request_is_let_in() -> None:
    assert code(headers()) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"key": ""}, "50103"),
        ({"passphrase": ""}, "50104"),
        ({"sign": ""}, "50106"),
        ({"timestamp": ""}, "50107"),
        ({"timestamp": "yesterday"}, "50112"),
        ({"timestamp": "2026-01-05T12:00:00"}, "50112"),
        ({"key": "another"}, "50111"),
        ({"passphrase": "wrong"}, "50105"),
        ({"sign": sign("wrong", "2026-01-05T12:00:00.000Z", "GET", PATH)}, "50113"),
        ({"sign": sign("secret", "2026-01-05T12:00:00.000Z", "GET", "/main" + PATH)}, "50113"),
    ],
)
def test_every_fault_of_a_signature_has_its_code(changes: dict[str, str], expected: str) -> None:
    assert code(headers(**changes)) == expected


@pytest.mark.parametrize(
    ("late", "expected"), [(WINDOW_SECONDS, None), (WINDOW_SECONDS + 0.001, "50102")]
)
@pytest.mark.parametrize("direction", [1, -1])
def test_a_timestamp_counts_for_thirty_seconds_both_ways(
    late: float, expected: str | None, direction: int
) -> None:
    assert code(headers(), SIGNED_AT + direction * late) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [({"apiKey": "x"}, "50111"), ({"password": "x"}, "50105"), ({"secret": "x"}, "50113")],
)
def test_the_real_client_is_refused_with_a_wrong_secret(
    connect: Any, account: PaperAccount, config: dict[str, str], expected: str
) -> None:
    with pytest.raises(ccxt.AuthenticationError, match=expected):
        connect(account, **config).fetch_balance()


def test_a_comma_in_the_query_is_signed_as_it_is_sent(client: Any) -> None:
    assert client.fetch_positions([SWAP, "ETH/USDT:USDT"]) == []


def test_a_clock_that_is_wrong_is_cured_by_a_time_sync(
    client: Any, exchange: PaperExchange
) -> None:
    exchange.skew_ms = 45_000
    with pytest.raises(ccxt.InvalidNonce, match="50102"):
        client.fetch_balance()
    client.load_time_difference()
    assert client.fetch_balance()["info"]["code"] == "0"


def test_signatures_go_by_the_wall_clock_and_data_by_the_given_one(client: Any) -> None:
    assert abs(client.fetch_time() - time.time() * 1000) < 10_000
    assert client.fetch_ticker(SWAP)["timestamp"] == SIGNED_AT * 1000


def test_public_endpoints_need_no_key_and_private_ones_do(
    exchange: PaperExchange, account: PaperAccount
) -> None:
    account.put_orders([order("1001")])
    connection = http.client.HTTPConnection(urlsplit(exchange.url("main")).netloc)
    connection.request("GET", "/main/api/v5/public/time")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (200, "0")
    connection.request("GET", "/main/api/v5/trade/orders-pending")
    answer = connection.getresponse()
    assert answer.status == 401
    assert json.loads(answer.read()) == {
        "msg": "Request header OK-ACCESS-KEY can not be empty.",
        "code": "50103",
    }
    connection.close()


def test_the_secrets_are_in_no_repr(account: PaperAccount) -> None:
    text = repr(account.credentials) + repr(account)
    assert account.secret not in text
    assert account.passphrase not in text


def test_a_timestamp_is_read_in_its_own_timezone() -> None:
    moment = datetime.fromtimestamp(SIGNED_AT, UTC)
    text = moment.isoformat(timespec="milliseconds")
    given = headers(timestamp=text, sign=sign("secret", text, "GET", PATH))
    assert code(given) is None
