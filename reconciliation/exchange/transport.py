"""Sending one request: paced, within the cycle's budget, retried, and failing by our own names.

Whatever a client raises ends here. It becomes an `ExchangeError` with a redacted text, raised
outside of the handler of the original, so that neither its chain nor its context leads back to a
URL, a header or a key.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeGuard

from reconciliation.exchange.credentials import API_KEY, BASE_URL, PASSWORD, SECRET, Credentials
from reconciliation.exchange.gateway import (
    AccountHalted,
    BudgetExhausted,
    CredentialsRejected,
    ExchangeError,
    PermanentExchangeError,
    RetryableExchangeError,
)
from reconciliation.exchange.pace import Budget, Pace
from reconciliation.exchange.redact import Redactor

MAX_ATTEMPTS = 3
BACK_OFF_SECONDS, BACK_OFF_CAP_SECONDS = 0.25, 4.0
HALTING_STATUSES = frozenset({418, 429})
FIRST_SERVER_ERROR = 500
HTTP_NOT_FOUND = 404
# What keeps a request from being answered, by the first of these in the chain of its error.
_NETWORK_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "connection refused"),
    (socket.gaierror, "host name not found"),
    (ssl.SSLCertVerificationError, "the certificate is not trusted"),
    (ssl.SSLError, "TLS failed"),
    (ConnectionError, "connection closed by the other side"),
    (TimeoutError, "no answer in time"),
    (OSError, "no connection"),
)
# OKX: the timestamp expired, the timestamp is invalid. ccxt takes the second for a wrong key.
CLOCK_CODES = frozenset({"50102", "50112"})
# OKX's codes for one wrong part of the credentials; any other may be about all of them.
BLAMED_SETTINGS = {
    "50103": API_KEY,
    "50111": API_KEY,
    "50104": PASSWORD,
    "50105": PASSWORD,
    "50106": SECRET,
    "50113": SECRET,
}


class Reaction(Enum):
    """What a failed attempt calls for."""

    RAISE = auto()
    RETRY = auto()
    SYNC_CLOCK = auto()
    HALT = auto()


class UnreadableBody(Exception):
    """A success whose body is no answer: HTML, empty, cut, or of another form."""


class NoSuchOrder(PermanentExchangeError):
    """The exchange says that it knows no such order; `code` is the word it said it with."""

    def __init__(self, message: str, code: str | None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Rule:
    """What an error class of the client calls for, and what it becomes; the first match counts."""

    raised: type[BaseException]
    reaction: Reaction
    becomes: type[ExchangeError]


@dataclass(slots=True)
class Received:
    """The last answer: its status, its code where the body has one, whether the body is JSON."""

    status: int | None = None
    code: str | None = None
    is_json: bool = False

    def take(self, status: int, body: str) -> None:
        self.status = status
        self.code = None
        self.is_json = False
        try:
            parsed = json.loads(body)
        except ValueError:
            return
        self.is_json = True
        code = _code_of(parsed) if isinstance(parsed, dict) else None
        self.code = str(code) if isinstance(code, str | int) else None


def _code_of(body: dict[str, object]) -> object:
    """Return the word of a refusal: `code`, Bybit's `retCode`, the first of Kraken's errors."""
    errors = body.get("error")
    if isinstance(errors, list) and errors:
        return errors[0]
    return body.get("code", body.get("retCode"))


class Transport:
    """The one way out to an exchange, for one account; thread-safe, one request at a time."""

    def __init__(
        self,
        *,
        name: str,
        credentials: Credentials,
        rules: Sequence[Rule],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        random: Callable[[], float],
        timeout_seconds: float,
        base_url: str | None = None,
    ) -> None:
        """`base_url` is where the exchange is reached, where that is not its own address."""
        self.received = Received()
        self.redact = Redactor(credentials.values())
        self._name = name
        self._credentials = credentials
        self._rules = (Rule(UnreadableBody, Reaction.RETRY, RetryableExchangeError), *rules)
        self._sleep = sleep
        self._random = random
        self._timeout_seconds = timeout_seconds
        self._base_url = base_url
        self._budget = Budget(monotonic)
        self._pace = Pace(monotonic=monotonic, sleep=sleep)
        self._halted: str | None = None
        self._attempts = MAX_ATTEMPTS
        self._lock = threading.RLock()
        self._sync_clock: Callable[[], object] | None = None
        self._syncing = False

    def use_clock_sync(self, sync_clock: Callable[[], object]) -> None:
        """Name what corrects the client's clock after a rejected timestamp."""
        self._sync_clock = sync_clock

    def begin_cycle(self, budget_seconds: float) -> None:
        """Start a fresh budget, and forget that the exchange asked to stop."""
        with self._lock:
            self._budget.start(budget_seconds)
            self._halted = None
            self._attempts = MAX_ATTEMPTS

    def send(self, request: Callable[[float], object], *, endpoint: str, interval: float) -> object:
        """Return the answer of `request`, which is given the seconds it may take.

        Temporary failures are asked again, with a capped, jittered back-off; a rejected timestamp
        once, after the clock was set. After a request that failed to the last attempt, the next
        ones get one attempt each until one succeeds: an exchange that is down must not use up a
        cycle's time in its first question. Raises `ExchangeError`: `AccountHalted` and
        `BudgetExhausted` also without a request.
        """
        with self._lock:
            return self._send(request, endpoint, interval)

    def translate(self, error: BaseException, *, about: str = "") -> ExchangeError:
        """Return our error for anything that was raised, redacted."""
        return self._judge(error, about)[1]

    def _send(self, request: Callable[[float], object], endpoint: str, interval: float) -> object:
        attempt, synced = 1, False
        while True:
            timeout = self._admit(endpoint, interval)
            failure: BaseException | None = None
            self.received.status = self.received.code = None
            try:
                answer = request(timeout)
            except Exception as raised:
                failure = raised
            if failure is None:
                self._attempts = MAX_ATTEMPTS
                return answer
            reaction, error = self._judge(failure, endpoint)
            failure = None
            if reaction is Reaction.HALT:
                self._halted = str(error)
            elif reaction is Reaction.SYNC_CLOCK and not synced and not self._syncing:
                synced = True
                self._set_clock()
                continue
            elif reaction is Reaction.RETRY and attempt < self._attempts:
                self._back_off(attempt, error)
                attempt += 1
                continue
            elif reaction is Reaction.RETRY:
                self._attempts = 1
            raise error

    def _admit(self, endpoint: str, interval: float) -> float:
        """Wait for one's turn; return the seconds that a request may take."""
        if self._halted is not None:
            raise AccountHalted(self._halted)
        left = self._budget.left()
        if left is None or left > 0:
            in_time = self._pace.wait(interval, at_most=left)
            left = self._budget.left()
            if in_time and left is None:
                return self._timeout_seconds
            if in_time and left is not None and left > 0:
                return min(self._timeout_seconds, left)
        raise BudgetExhausted(
            f"{self._name} {endpoint}: this cycle's time for the network is used up"
        )

    def _back_off(self, attempt: int, error: ExchangeError) -> None:
        seconds: float = min(BACK_OFF_SECONDS * 2 ** (attempt - 1), BACK_OFF_CAP_SECONDS)
        seconds *= 0.5 + 0.5 * self._random()
        left = self._budget.left()
        if left is not None and seconds >= left:
            raise BudgetExhausted(f"{error}; no time is left in this cycle to ask again")
        self._sleep(seconds)

    def _set_clock(self) -> None:
        if self._sync_clock is None:
            return
        self._syncing = True
        try:
            self._sync_clock()
        finally:
            self._syncing = False

    def _judge(self, error: BaseException, about: str) -> tuple[Reaction, ExchangeError]:
        if isinstance(error, ExchangeError):
            # Ours already, of a request within this one.
            return Reaction.RAISE, error
        rule = next((rule for rule in self._rules if isinstance(error, rule.raised)), None)
        detail = self.redact(f"{type(error).__name__}: {error}")
        where = " ".join(part for part in (self._name, about) if part)
        status, code = self.received.status, self.received.code
        if status in HALTING_STATUSES or (rule and rule.reaction is Reaction.HALT):
            told = f"HTTP {status}" if status in HALTING_STATUSES else detail
            return Reaction.HALT, AccountHalted(
                f"{where}: the exchange asked to stop ({told}); nothing more is asked of it in "
                "this cycle"
            )
        cause = network_cause(error) if status is None else None
        if rule is not None and cause is not None:
            return rule.reaction, rule.becomes(
                f"{where}: {type(error).__name__}: {self._unreachable(cause)}"
            )
        if code in CLOCK_CODES:
            return Reaction.SYNC_CLOCK, RetryableExchangeError(f"{where}: {detail}")
        if rule is None:
            reaction = Reaction.RETRY if self._is_server_error() else Reaction.RAISE
            return reaction, RetryableExchangeError(f"{where}: {detail}{self._hint()}")
        if issubclass(rule.becomes, CredentialsRejected):
            return Reaction.RAISE, rule.becomes(f"{where}: {detail}; {self._blame(code)}")
        if issubclass(rule.becomes, NoSuchOrder):
            return Reaction.RAISE, NoSuchOrder(f"{where}: {detail}", code)
        return rule.reaction, rule.becomes(f"{where}: {detail}{self._hint()}")

    def _unreachable(self, cause: str) -> str:
        if self._base_url is None:
            return f"{cause}; check the network"
        name = self._credentials.setting(BASE_URL)
        return f"{cause} at {self._base_url}; check {name} or the network"

    def _hint(self) -> str:
        """Name the setting of the address where what answers does not speak like an exchange."""
        status = self.received.status
        if self._base_url is None or status is None or self._is_server_error():
            return ""
        if self.received.is_json and status != HTTP_NOT_FOUND:
            return ""
        name = self._credentials.setting(BASE_URL)
        return f"; check {name}: {self._base_url} does not answer as the exchange does"

    def _is_server_error(self) -> bool:
        status = self.received.status
        return status is not None and status >= FIRST_SERVER_ERROR

    def _blame(self, code: str | None) -> str:
        suffix = BLAMED_SETTINGS.get(code or "")
        if suffix is not None:
            return f"check {self._credentials.setting(suffix)}"
        parts = (API_KEY, SECRET, *([PASSWORD] if self._credentials.password else []))
        names = ", ".join(map(self._credentials.setting, parts))
        return f"check {names}, and what the key is allowed to do"


def network_cause(error: BaseException) -> str | None:
    """Return what the operating system said of a request, in words that hold nothing of it.

    The client's own error names a URL and nothing else; what happened is at the end of its chain.
    """
    chain = _chain(error)
    for kind, words in _NETWORK_CAUSES:
        # requests derives its own errors from OSError too; those quote the URL.
        found = next((e for e in chain if isinstance(e, kind) and _is_of_the_system(e)), None)
        if found is not None:
            return f"{words} ({found.strerror})" if kind is OSError else words
    return None


def _is_of_the_system(error: BaseException) -> TypeGuard[OSError]:
    module = type(error).__module__
    return isinstance(error, OSError) and module in ("builtins", "socket", "ssl", "http.client")


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error with all that it was made of, each once."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop(0)
        if isinstance(link, BaseException) and not any(link is each for each in found):
            found.append(link)
            waiting += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
    return found
