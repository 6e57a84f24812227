"""Sending: what is retried, what stops a cycle, what becomes which error, on a fake exchange."""

import json
import socket
import ssl
from collections.abc import Callable

import pytest

from reconciliation.exchange.credentials import Credentials
from reconciliation.exchange.gateway import (
    AccountHalted,
    BudgetExhausted,
    CredentialsRejected,
    ExchangeError,
    RetryableExchangeError,
)
from reconciliation.exchange.transport import (
    BACK_OFF_CAP_SECONDS,
    MAX_ATTEMPTS,
    NoSuchOrder,
    Reaction,
    Rule,
    Transport,
    UnreadableBody,
)
from tests.exchange.builders import Monotonic


class Temporary(Exception):
    pass


class ClockWrong(Exception):
    pass


class KeyWrong(Exception):
    pass


class Limited(Exception):
    pass


class NotFound(Exception):
    pass


RULES = (
    Rule(Limited, Reaction.HALT, AccountHalted),
    Rule(ClockWrong, Reaction.SYNC_CLOCK, RetryableExchangeError),
    Rule(KeyWrong, Reaction.RAISE, CredentialsRejected),
    Rule(NotFound, Reaction.RAISE, NoSuchOrder),
    Rule(Temporary, Reaction.RETRY, RetryableExchangeError),
)


class FakeExchange:
    """Fails with the given errors one after the other, then answers; counts what it is asked."""

    def __init__(
        self,
        *failures: Exception,
        status: int | None = None,
        body: str = "",
        base_url: str | None = None,
    ) -> None:
        self.failures = list(failures)
        self.timeouts: list[float] = []
        self.syncs = 0
        self.monotonic = Monotonic()
        self.transport = Transport(
            name="okx",
            credentials=Credentials(
                api_key="key-0001", secret="secret-0001", password="pass-0001", prefix="MAIN"
            ),
            rules=RULES,
            monotonic=self.monotonic,
            sleep=self.monotonic.sleep,
            random=lambda: 1.0,
            timeout_seconds=10,
            base_url=base_url,
        )
        self.transport.use_clock_sync(self.sync)
        self._status, self._body = status, body

    def sync(self) -> None:
        self.syncs += 1

    def ask(self, interval: float = 0) -> object:
        return self.transport.send(self.request, endpoint="GET trade/order", interval=interval)

    def request(self, timeout: float) -> object:
        self.timeouts.append(timeout)
        if not self.failures:
            return "answer"
        if self._status is not None:
            self.transport.received.take(self._status, self._body)
        raise self.failures.pop(0)


def test_a_temporary_failure_is_asked_again_up_to_three_times() -> None:
    exchange = FakeExchange(Temporary(), UnreadableBody("HTML"))

    assert exchange.ask() == "answer"
    assert len(exchange.timeouts) == MAX_ATTEMPTS == 3


def test_the_last_attempt_that_fails_is_the_error() -> None:
    exchange = FakeExchange(Temporary("one"), Temporary("two"), Temporary("three"))

    with pytest.raises(RetryableExchangeError, match="okx GET trade/order: Temporary: three"):
        exchange.ask()
    assert len(exchange.timeouts) == 3


def test_the_back_off_doubles() -> None:
    exchange = FakeExchange(Temporary(), Temporary())

    exchange.ask()

    assert exchange.monotonic.slept == [0.25, 0.5]


def test_the_back_off_is_jittered_and_capped() -> None:
    exchange = FakeExchange()
    exchange.transport._random = lambda: 0.0

    exchange.transport._back_off(1, RetryableExchangeError())
    exchange.transport._back_off(60, RetryableExchangeError())

    assert exchange.monotonic.slept == [0.125, BACK_OFF_CAP_SECONDS / 2]


def test_after_a_request_that_failed_to_the_end_the_next_ones_get_one_attempt() -> None:
    exchange = FakeExchange(*[Temporary() for _ in range(4)])
    for _ in range(2):
        with pytest.raises(RetryableExchangeError):
            exchange.ask()

    assert len(exchange.timeouts) == 4


def test_a_success_and_a_new_cycle_bring_the_attempts_back() -> None:
    exchange = FakeExchange(*[Temporary() for _ in range(3)])
    with pytest.raises(RetryableExchangeError):
        exchange.ask()
    assert exchange.ask() == "answer"
    exchange.failures = [Temporary(), Temporary()]
    assert exchange.ask() == "answer"

    exchange.failures = [Temporary() for _ in range(5)]
    with pytest.raises(RetryableExchangeError):
        exchange.ask()
    exchange.transport.begin_cycle(30)
    assert exchange.ask() == "answer"


def test_what_calls_for_no_retry_is_asked_once() -> None:
    exchange = FakeExchange(KeyWrong())

    with pytest.raises(CredentialsRejected):
        exchange.ask()
    assert len(exchange.timeouts) == 1


@pytest.mark.parametrize("status", [418, 429])
@pytest.mark.parametrize("error", [Temporary(), ValueError(), Limited()])
def test_being_asked_to_stop_halts_the_cycle_whatever_the_client_made_of_it(
    status: int, error: Exception
) -> None:
    exchange = FakeExchange(error, status=status)

    with pytest.raises(AccountHalted, match=f"HTTP {status}"):
        exchange.ask()
    with pytest.raises(AccountHalted, match=f"HTTP {status}"):
        exchange.ask()
    assert len(exchange.timeouts) == 1


def test_a_limit_that_is_told_by_a_code_halts_as_well() -> None:
    exchange = FakeExchange(Limited("50011"), status=200)

    for _ in range(2):
        with pytest.raises(AccountHalted, match="50011"):
            exchange.ask()
    assert len(exchange.timeouts) == 1


def test_the_next_cycle_forgets_the_halt() -> None:
    exchange = FakeExchange(Limited())
    with pytest.raises(AccountHalted):
        exchange.ask()

    exchange.transport.begin_cycle(30)

    assert exchange.ask() == "answer"


def test_a_rejected_timestamp_is_cured_by_one_sync_without_waiting() -> None:
    exchange = FakeExchange(ClockWrong())

    assert exchange.ask() == "answer"
    assert (exchange.syncs, exchange.monotonic.slept) == (1, [])


def test_a_timestamp_that_is_rejected_after_the_sync_is_an_error() -> None:
    exchange = FakeExchange(ClockWrong(), ClockWrong())

    with pytest.raises(RetryableExchangeError):
        exchange.ask()
    assert (exchange.syncs, len(exchange.timeouts)) == (1, 2)


@pytest.mark.parametrize("code", ["50102", "50112"])
def test_a_timestamp_that_the_client_took_for_a_wrong_key_is_cured_too(code: str) -> None:
    exchange = FakeExchange(KeyWrong(), status=401, body=json.dumps({"code": code}))

    assert exchange.ask() == "answer"
    assert exchange.syncs == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_of_an_unknown_word_is_asked_again(status: int) -> None:
    exchange = FakeExchange(ValueError("unknown"), status=status)

    assert exchange.ask() == "answer"


def test_anything_unexpected_is_retryable_but_not_asked_again_at_once() -> None:
    exchange = FakeExchange(KeyError("data"))

    with pytest.raises(RetryableExchangeError, match="KeyError"):
        exchange.ask()
    assert len(exchange.timeouts) == 1


def test_a_request_gets_what_is_left_of_the_cycle_and_no_more_than_its_timeout() -> None:
    exchange = FakeExchange()
    exchange.ask()
    exchange.transport.begin_cycle(30)
    exchange.ask()
    exchange.monotonic.pass_time(27)
    exchange.ask()

    assert exchange.timeouts == [10, 10, 3]


def test_a_budget_that_is_used_up_ends_without_a_request() -> None:
    exchange = FakeExchange()
    exchange.transport.begin_cycle(30)
    exchange.monotonic.pass_time(30)

    with pytest.raises(BudgetExhausted):
        exchange.ask()
    assert exchange.timeouts == []


def test_a_turn_that_would_come_too_late_ends_without_a_request() -> None:
    exchange = FakeExchange()
    exchange.transport.begin_cycle(1)
    exchange.ask(interval=2)

    with pytest.raises(BudgetExhausted):
        exchange.ask()
    assert len(exchange.timeouts) == 1


def test_a_retry_that_would_come_too_late_says_what_failed() -> None:
    exchange = FakeExchange(Temporary("overload"))
    exchange.transport.begin_cycle(0.125)

    with pytest.raises(BudgetExhausted, match="overload"):
        exchange.ask()


def test_no_such_order_keeps_the_word_it_was_said_with() -> None:
    exchange = FakeExchange(NotFound(), status=200, body='{"code":"51603"}')

    with pytest.raises(NoSuchOrder) as caught:
        exchange.ask()
    assert caught.value.code == "51603"


@pytest.mark.parametrize(
    ("code", "setting"),
    [
        ("50111", "MAIN_API_KEY"),
        ("50105", "MAIN_PASSWORD"),
        ("50113", "MAIN_SECRET"),
        ("50110", "MAIN_API_KEY, MAIN_SECRET, MAIN_PASSWORD"),
    ],
)
def test_rejected_credentials_name_the_setting(code: str, setting: str) -> None:
    exchange = FakeExchange(KeyWrong(), status=401, body=json.dumps({"code": code}))

    with pytest.raises(CredentialsRejected, match=f"check {setting}"):
        exchange.ask()


def test_a_code_of_an_answer_before_is_not_taken_for_this_one() -> None:
    exchange = FakeExchange(KeyWrong(), status=401, body='{"code":"50111"}')
    with pytest.raises(CredentialsRejected):
        exchange.ask()
    exchange.failures = [NotFound()]
    exchange._status = None

    with pytest.raises(NoSuchOrder) as caught:
        exchange.ask()
    assert caught.value.code is None


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

    with pytest.raises(RetryableExchangeError, match="Temporary: overload$"):
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


def test_an_error_of_ours_passes_as_it_is() -> None:
    ours = BudgetExhausted("used up")
    exchange = FakeExchange(ours)

    with pytest.raises(BudgetExhausted) as caught:
        exchange.ask()
    assert caught.value is ours


@pytest.mark.parametrize(
    "make", [Temporary, KeyWrong, ClockWrong, Limited, NotFound, ValueError, UnreadableBody]
)
def test_no_error_leads_back_to_what_the_client_raised(make: Callable[[str], Exception]) -> None:
    exchange = FakeExchange(*[make("secret-0001") for _ in range(3)])

    with pytest.raises(ExchangeError) as caught:
        exchange.ask()

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "secret-0001" not in str(caught.value)
