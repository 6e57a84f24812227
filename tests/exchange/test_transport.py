"""Sending: what is retried, what stops a cycle, what becomes which error, on a fake exchange."""

import json
from collections.abc import Callable

import pytest

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
    UnreadableBody,
)
from tests.exchange.fakes import (
    ClockWrong,
    FakeExchange,
    KeyWrong,
    Limited,
    NotFound,
    Temporary,
)


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
