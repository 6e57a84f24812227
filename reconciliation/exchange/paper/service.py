"""What the exchange answers to a request, apart from how the answer travels.

The order of things: the request is logged; a wrong account, method or path is refused; a fault
that replaces the answer takes over; the rate limit and the signature are checked; the endpoint
answers; a fault that spoils a true answer spoils it.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from reconciliation.exchange.paper import auth
from reconciliation.exchange.paper.answers import (
    HTML,
    Answer,
    OkxError,
    Row,
    method_refused,
    not_found,
    rows_answer,
    too_many_requests,
)
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.faults import Fault, FaultPlan
from reconciliation.exchange.paper.paging import Page
from reconciliation.exchange.paper.questions import Question, Retention
from reconciliation.exchange.paper.records import check_aware
from reconciliation.exchange.paper.routes import ROUTES, Route
from reconciliation.exchange.paper.store import Clock

logger = logging.getLogger(__name__)

UNKNOWN_ENDPOINT = "unknown"
CURSORS = ("after", "before", "limit")
REMEMBERED_PAGES = 256
LOGGED_REQUESTS = 10_000

_HTML_PAGE = b"<!DOCTYPE html><html><head><title>%s</title></head><body>%s</body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, how long to hold it back first, and whether to reset the connection instead.

    Without an answer the connection is closed.
    """

    answer: Answer | None
    hold_seconds: float = 0.0
    reset: bool = False


class LoggedRequest(NamedTuple):
    """One request as it came in; `path` has its query, and no secret is in either."""

    account: str
    method: str
    endpoint: str
    path: str


class RequestLog:
    """The last requests, oldest first; thread-safe."""

    def __init__(self, kept: int = LOGGED_REQUESTS) -> None:
        self._lock = threading.Lock()
        self._requests: deque[LoggedRequest] = deque(maxlen=kept)

    def add(self, request: LoggedRequest) -> None:
        with self._lock:
            self._requests.append(request)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def count(self, account: str | None = None, endpoint: str | None = None) -> int:
        """Return how many requests there were of an account, of an endpoint, of both."""
        return sum(
            account in (None, each.account) and endpoint in (None, each.endpoint) for each in self
        )

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._lock:
            return iter(tuple(self._requests))

    def __len__(self) -> int:
        with self._lock:
            return len(self._requests)


class RateLimiter:
    """Count requests per account and path in sliding windows; thread-safe."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked: dict[tuple[str, str], deque[float]] = {}

    def admits(self, account: str, path: str, route: Route) -> bool:
        now = self._monotonic()
        with self._lock:
            asked = self._asked.setdefault((account, path), deque())
            while asked and asked[0] <= now - route.per_seconds:
                asked.popleft()
            if len(asked) >= route.budget:
                return False
            asked.append(now)
            return True


class PaperService:
    """Answer requests for a set of accounts; thread-safe."""

    def __init__(
        self,
        clock: Clock,
        *,
        timeout_fault_seconds: float,
        retention: Retention,
        rate_limited: bool,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.accounts: dict[str, PaperAccount] = {}
        self.faults = FaultPlan(lambda: tuple(self.accounts))
        self.requests = RequestLog()
        self.timeout_fault_seconds = timeout_fault_seconds
        self.retention = retention
        self.rate_limited = rate_limited
        self.skew_ms = 0
        self._clock = clock
        self._wall_clock = wall_clock
        self._limiter = RateLimiter(monotonic)
        self._lock = threading.Lock()
        self._last_pages: OrderedDict[tuple[object, ...], Page[Row]] = OrderedDict()

    def add_account(self, account: PaperAccount) -> None:
        """Serve an account under its name; raises ValueError for a name that is served already."""
        with self._lock:
            if account.name in self.accounts:
                raise ValueError(f"account {account.name!r} is served already")
            account.use_clock(self._clock)
            self.accounts = self.accounts | {account.name: account}

    def respond(self, method: str, target: str, headers: Mapping[str, str]) -> Reply:
        """Answer one request; `target` is its path, with the account in front, and its query."""
        name, _, rest = target.lstrip("/").partition("/")
        request_path = f"/{rest}"
        parts = urlsplit(request_path)
        route, account = ROUTES.get(parts.path), self.accounts.get(name)
        endpoint = UNKNOWN_ENDPOINT if route is None else route.endpoint
        self.requests.add(LoggedRequest(name, method, endpoint, request_path))
        try:
            if account is None:
                raise not_found(target)
            if method != "GET":
                raise method_refused()
            if route is None:
                raise not_found(parts.path)
            fault = self.faults.take(account.name, endpoint, signed=route.signed)
            if fault is not None and (instead := self._instead(fault)) is not None:
                return instead
            if self.rate_limited and not self._limiter.admits(name, parts.path, route):
                raise too_many_requests()
            if route.signed:
                self._check_signature(account, headers, method, request_path)
            answer = self._answer(account, route, parts.path, parts.query)
            if endpoint == "time" and fault is None:
                self.faults.end_skew(account.name)
            return _spoilt(fault, answer)
        except OkxError as error:
            return Reply(error.answer())
        except Exception:
            # A fixture that cannot be shown must not look like a dropped connection.
            logger.exception("paper exchange could not answer %s", request_path)
            return Reply(_system_error())

    def _wall_seconds(self) -> float:
        return self._wall_clock() + self.skew_ms / 1000

    def _check_signature(
        self, account: PaperAccount, headers: Mapping[str, str], method: str, request_path: str
    ) -> None:
        refusal = auth.find_fault(
            account.credentials,
            headers,
            method=method,
            request_path=request_path,
            wall_seconds=self._wall_seconds(),
        )
        if refusal is not None:
            raise refusal

    def _answer(self, account: PaperAccount, route: Route, path: str, raw_query: str) -> Answer:
        """Return what the endpoint says; "no such order" is an answer, which can be spoilt too."""
        try:
            return rows_answer(self._page(account, route, path, raw_query).rows)
        except OkxError as error:
            return error.answer()

    def _page(self, account: PaperAccount, route: Route, path: str, raw_query: str) -> Page[Row]:
        query = dict(parse_qsl(raw_query))
        question = Question(
            view=account.view(),
            query=query,
            now=check_aware("clock", self._clock()),
            wall_ms=int(self._wall_seconds() * 1000),
            retention=self.retention,
        )
        page = route.handler(question)
        return self._misturned(account.name, route.endpoint, path, query, page)

    def _misturned(
        self, account: str, endpoint: str, path: str, query: Mapping[str, str], page: Page[Row]
    ) -> Page[Row]:
        """Return the page that paging faults make of a true page."""
        asked = tuple(sorted((key, text) for key, text in query.items() if key not in CURSORS))
        with self._lock:
            last = self._last_pages.get((account, path, asked))
        fault = self.faults.take_paging(
            account,
            endpoint,
            has_cursor=last is not None and ("after" in query or "before" in query),
            is_last_page=bool(page.rows) and not page.has_more,
        )
        if fault is not None and fault.kind == "duplicate_page" and last is not None:
            page = last
        elif fault is not None:
            page = Page((), has_more=False)
        self._remember((account, path, asked), page)
        return page

    def _remember(self, key: tuple[object, ...], page: Page[Row]) -> None:
        with self._lock:
            self._last_pages[key] = page
            self._last_pages.move_to_end(key)
            while len(self._last_pages) > REMEMBERED_PAGES:
                self._last_pages.popitem(last=False)

    def _instead(self, fault: Fault) -> Reply | None:
        """Return what a fault puts in the place of the answer, or None where it only spoils it."""
        if fault.kind == "timeout":
            return Reply(None, hold_seconds=fault.delay_seconds + self.timeout_fault_seconds)
        if fault.kind == "refused":
            return Reply(None, hold_seconds=fault.delay_seconds, reset=True)
        make = _REPLACEMENTS.get(fault.kind)
        return None if make is None else Reply(make(), hold_seconds=fault.delay_seconds)


def _spoilt(fault: Fault | None, answer: Answer) -> Reply:
    """Return a true answer as the fault leaves it."""
    if fault is None:
        return Reply(answer)
    if fault.kind == "truncated_200":
        answer = Answer(answer.status, answer.body[: len(answer.body) // 2])
    elif fault.kind == "empty_list":
        answer = rows_answer(())
    return Reply(answer, hold_seconds=fault.delay_seconds)


def _system_error() -> Answer:
    return OkxError("50026", "System error. Try again later", 500).answer()


def _html(status: int, title: bytes) -> Answer:
    return Answer(status, _HTML_PAGE % (title, title), HTML)


_REPLACEMENTS: dict[str, Callable[[], Answer]] = {
    "http_500": _system_error,
    "http_429": lambda: too_many_requests().answer(),
    "http_418": lambda: _html(418, b"I'm a teapot"),
    "html_200": lambda: _html(200, b"Checking your browser"),
    "empty_200": lambda: Answer(200, b""),
    "auth": lambda: auth.invalid_key().answer(),
    "skew": lambda: auth.timestamp_expired().answer(),
    "maintenance": lambda: OkxError(
        "50001", "Service temporarily unavailable. Try again later", 503
    ).answer(),
}
