"""An exchange that cannot be reached, or is not one: the cause, and the setting to check."""

import socket
import ssl

import pytest

from reconciliation.exchange.gateway import RetryableExchangeError
from reconciliation.exchange.transport import UnreadableBody
from tests.exchange.fakes import FakeExchange, Temporary

PAPER = "http://127.0.0.1:8877/main"


def caused_by(cause: BaseException) -> Temporary:
    """Return what the client makes of a request that was never answered."""
    error = Temporary(f"okx GET {PAPER}/api/v5/order?ordId=1")
    error.__cause__ = Exception(cause)
    return error


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "host name not found"),
        (ConnectionResetError(104, "Reset"), "connection closed by the other side"),
        (ssl.SSLCertVerificationError(1, "?sign=x"), "the certificate is not trusted"),
        (ssl.SSLEOFError(8, "EOF"), "TLS failed"),
        (TimeoutError("timed out"), "no answer in time"),
        (OSError(101, "Network is unreachable"), "no connection (Network is unreachable)"),
    ],
)
def test_an_exchange_that_cannot_be_reached_is_told_with_cause_and_way_out(
    cause: Exception, words: str
) -> None:
    own = FakeExchange(*[caused_by(cause) for _ in range(3)])
    with pytest.raises(RetryableExchangeError) as caught:
        own.ask()
    assert str(caught.value) == f"okx GET trade/order: Temporary: {words}; check the network"

    moved = FakeExchange(*[caused_by(cause) for _ in range(3)], base_url=PAPER)
    with pytest.raises(RetryableExchangeError) as caught:
        moved.ask()
    assert str(caught.value) == (
        f"okx GET trade/order: Temporary: {words} at {PAPER}; check MAIN_BASE_URL or the network"
    )


def test_an_error_without_a_known_cause_keeps_its_text() -> None:
    exchange = FakeExchange(*[Temporary("overload") for _ in range(3)], base_url=PAPER)

    with pytest.raises(RetryableExchangeError, match=r"Temporary: overload$"):
        exchange.ask()


@pytest.mark.parametrize(
    ("status", "body", "named"),
    [
        (200, "<html></html>", True),
        (404, "<html></html>", True),
        (404, '{"code": "404"}', True),
        (200, '{"code": "1"}', False),
        (502, "<html></html>", False),
    ],
)
def test_what_does_not_speak_like_an_exchange_names_the_setting_of_its_address(
    status: int, body: str, named: bool
) -> None:
    for base_url in (PAPER, None):
        failures = [UnreadableBody("no JSON") for _ in range(3)]
        exchange = FakeExchange(*failures, status=status, body=body, base_url=base_url)
        with pytest.raises(RetryableExchangeError) as caught:
            exchange.ask()
        assert ("check MAIN_BASE_URL" in str(caught.value)) is (named and base_url is not None)
