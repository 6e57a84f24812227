"""What the paper exchange can be told to do wrong.

A fault is armed for one account and one endpoint (or `any`) and consumed by the requests it
matches, oldest fault first, one fault a request.

================  ==================================================================================
kind              what the next matching request gets
================  ==================================================================================
http_500          HTTP 500, code 50026 as JSON
http_429          HTTP 429, code 50011 as JSON
http_418          HTTP 418 with an HTML page, as a firewall in front of an exchange answers
timeout           nothing: the request is held for the exchange's `timeout_fault_seconds`, until the
                  client gives up or until the exchange stops, and the connection is then closed
refused           nothing: the connection is reset at once
html_200          HTTP 200 with an HTML page
empty_200         HTTP 200 with an empty body
truncated_200     HTTP 200 with the first half of the true answer, its length correctly declared
empty_list        a well-formed answer without rows
auth              HTTP 401, code 50111 (invalid key)
skew              HTTP 401, code 50102 (timestamp expired). A time sync (a successful `time` answer)
                  after the first rejection ends what is left of the fault
maintenance       HTTP 503, code 50001
short_page        the page that would be the last one comes back empty, so that paging ends early
                  and without an error. A list of one page has no rows then. Requests for earlier
                  pages are answered truly and consume nothing
duplicate_page    a request with a cursor gets the page again that was answered last to the same
                  question. Requests without a cursor are answered truly and consume nothing
delay             the true answer, `delay_seconds` late
================  ==================================================================================

Every kind may have `delay_seconds` on top. `auth` and `skew` on `any` leave out the public
endpoints (time, instruments, ticker), whose requests carry neither key nor timestamp; on one of
those by name they act. `any` also covers what has no endpoint name of its own: the account's
configuration and its bills.
"""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, get_args

Endpoint = Literal[
    "time",
    "instruments",
    "open_orders",
    "order",
    "order_history",
    "fills",
    "positions",
    "balance",
    "ticker",
    "any",
]
Kind = Literal[
    "http_500",
    "http_429",
    "http_418",
    "timeout",
    "refused",
    "html_200",
    "empty_200",
    "truncated_200",
    "empty_list",
    "auth",
    "skew",
    "maintenance",
    "short_page",
    "duplicate_page",
    "delay",
]
Times = int | Literal["always"]

ENDPOINTS: tuple[str, ...] = get_args(Endpoint)
KINDS: tuple[str, ...] = get_args(Kind)
PAGING_KINDS = ("short_page", "duplicate_page")
SIGNED_KINDS = ("auth", "skew")


@dataclass(frozen=True, slots=True)
class Fault:
    """One armed fault; `times` is what is left of it."""

    account: str
    endpoint: str
    kind: str
    times: Times
    delay_seconds: float = 0.0


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int | None
    fired: bool = False

    def matches(self, account: str, endpoint: str) -> bool:
        return self.fault.account == account and self.fault.endpoint in (endpoint, "any")


class FaultPlan:
    """The faults that are armed; thread-safe."""

    def __init__(self, accounts: Callable[[], Collection[str]] | None = None) -> None:
        self._accounts = accounts
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(
        self,
        account: str,
        endpoint: str,
        kind: str,
        times: Times = 1,
        *,
        delay_seconds: float = 0.0,
    ) -> None:
        """Arm a fault; raises ValueError, naming what is allowed, for a word it does not know."""
        if self._accounts is not None:
            _check("account", account, self._accounts())
        _check("endpoint", endpoint, ENDPOINTS)
        _check("kind", kind, KINDS)
        if times != "always" and (isinstance(times, bool) or not isinstance(times, int)):
            raise ValueError(f"times must be a whole number or 'always', not {times!r}")
        if times != "always" and times < 1:
            raise ValueError(f"times must be at least 1, not {times}")
        if kind == "delay" and delay_seconds <= 0:
            raise ValueError("kind delay needs delay_seconds above zero")
        fault = Fault(account, endpoint, kind, times, delay_seconds)
        with self._lock:
            self._armed.append(_Armed(fault, None if times == "always" else times))

    def clear(self) -> None:
        """Disarm everything; a request that is being held stays held."""
        with self._lock:
            self._armed.clear()

    def armed(self) -> tuple[Fault, ...]:
        """Return what is armed, with what is left of it."""
        with self._lock:
            return tuple(
                Fault(
                    each.fault.account,
                    each.fault.endpoint,
                    each.fault.kind,
                    "always" if each.left is None else each.left,
                    each.fault.delay_seconds,
                )
                for each in self._armed
            )

    def take(self, account: str, endpoint: str, *, signed: bool) -> Fault | None:
        """Consume and return the fault of a request, paging faults excepted."""

        def applies(fault: Fault) -> bool:
            if fault.kind in PAGING_KINDS:
                return False
            return signed or fault.kind not in SIGNED_KINDS or fault.endpoint != "any"

        return self._consume(account, endpoint, applies)

    def take_paging(
        self, account: str, endpoint: str, *, has_cursor: bool, is_last_page: bool
    ) -> Fault | None:
        """Consume and return the paging fault that a page gives occasion to."""
        occasions = {"duplicate_page": has_cursor, "short_page": is_last_page}
        return self._consume(account, endpoint, lambda fault: occasions.get(fault.kind, False))

    def end_skew(self, account: str) -> None:
        """Disarm the clock faults of an account that has rejected a timestamp and been synced."""
        with self._lock:
            self._armed = [
                each
                for each in self._armed
                if not (each.fired and each.fault.kind == "skew" and each.fault.account == account)
            ]

    def _consume(
        self, account: str, endpoint: str, applies: Callable[[Fault], bool]
    ) -> Fault | None:
        with self._lock:
            for each in self._armed:
                if each.matches(account, endpoint) and applies(each.fault):
                    each.fired = True
                    if each.left is not None:
                        each.left -= 1
                        if each.left == 0:
                            self._armed.remove(each)
                    return each.fault
            return None


def _check(what: str, given: str, allowed: Collection[str]) -> None:
    if given not in allowed:
        names = ", ".join(allowed) or "none yet"
        raise ValueError(f"unknown {what} {given!r}; allowed: {names}")
