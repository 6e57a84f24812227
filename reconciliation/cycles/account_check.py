"""Try everything that a reconciliation reads of an account, once, and say how each went.

Nothing is kept of what is read and nothing is decided by it. One part that fails stops no other,
and each failure is told with its reason, which the gateway has redacted, and with the way out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from reconciliation.cycles.ports import Ports
from reconciliation.domain.key_rights import KeyRights
from reconciliation.enums import CheckState, InstrumentType, OrderClass, PositionMode
from reconciliation.exchange.gateway import (
    AccountHalted,
    BudgetExhausted,
    CredentialsRejected,
    ExchangeError,
    Gateway,
    HistoryUnobtainable,
    RetryableExchangeError,
    Unsupported,
)
from reconciliation.models import ExchangeAccount

BUDGET_SECONDS = 30.0
FILLS_OF = timedelta(days=1)
# Exchanges refuse what is signed further off than this: 30 s at OKX, 5 s at Bybit and Binance.
MOST_LEAD = timedelta(seconds=3)

CLOCK, RIGHTS, MODE, CREDENTIALS = "Clock", "Rights of the key", "Position mode", "Keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """How one part went: `says` in plain words, `way_out` where there is something to do."""

    part: str
    state: CheckState
    says: str
    way_out: str = ""

    @property
    def is_failed(self) -> bool:
        """Return whether the part cannot be read, or is not as it must be."""
        return self.state == CheckState.FAILED

    def as_data(self) -> dict[str, str]:
        """Return the line as an errand keeps it."""
        return {
            "part": self.part,
            "state": self.state.value,
            "says": self.says,
            "way_out": self.way_out,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCheck:
    """All lines of a check."""

    lines: tuple[CheckLine, ...]

    @property
    def passed(self) -> bool:
        """Return whether no part failed; what is only warned about is told, and stops nothing."""
        return not any(line.is_failed for line in self.lines)

    @property
    def says(self) -> str:
        """Return the outcome in a sentence."""
        failed = [line.part for line in self.lines if line.is_failed]
        warned = [line.part for line in self.lines if line.state == CheckState.WARNING]
        said = (
            f"not readable or not right: {', '.join(failed)}"
            if failed
            else "everything that the portal needs can be read"
        )
        said = f"{said}; to look at: {', '.join(warned)}" if warned else said
        # What the portal must not hold is said where it is read first.
        loud = [line.says for line in self.lines if line.part == RIGHTS and line.is_failed]
        return f"{loud[0]}; {said}" if loud else said

    def as_data(self) -> dict[str, Any]:
        """Return the check as an errand keeps it."""
        return {"lines": [line.as_data() for line in self.lines]}


Progress = Callable[[str, int, int], None]


def check_account(
    *, account: ExchangeAccount, ports: Ports, progress: Progress = lambda part, done, total: None
) -> AccountCheck:
    """Read each part of an account once; `progress` is told the part that comes next."""
    try:
        gateway = ports.gateways.of(account)
    except ExchangeError as error:
        line = _failed(CREDENTIALS, error, account)
        return AccountCheck(lines=(line,))
    gateway.begin_cycle(budget_seconds=BUDGET_SECONDS)
    now = ports.clock.now()
    parts = list(_parts(gateway, account, now))
    lines = []
    for done, (part, read) in enumerate(parts):
        progress(part, done, len(parts))
        try:
            line = read()
        except ExchangeError as error:
            line = _failed(part, error, account)
        lines.append(replace(line, part=part))
    return AccountCheck(lines=tuple(lines))


Read = Callable[[], CheckLine]


def _parts(gateway: Gateway, account: ExchangeAccount, now: datetime) -> Iterator[tuple[str, Read]]:
    """Yield what is read, under the name by which it is told."""
    yield CLOCK, lambda: _clock(gateway)
    yield "Instruments", lambda: _passed(f"{len(gateway.load_instruments())} are listed")
    yield RIGHTS, lambda: _rights(gateway, account)
    yield MODE, lambda: _mode(gateway, account)
    for order_class in gateway.order_classes:
        yield f"Open orders ({order_class})", partial(_orders, gateway, order_class)
    for kind in gateway.instrument_types:
        yield f"Fills ({kind})", partial(_fills, gateway, kind, now)
    if InstrumentType.SWAP in gateway.instrument_types:
        yield "Positions", lambda: _positions(gateway)
    yield "Balances", lambda: _balances(gateway)


def _clock(gateway: Gateway) -> CheckLine:
    try:
        lead = gateway.fetch_clock_lead()
    except Unsupported:
        return _warning("the exchange does not tell its time", "keep the server's clock set by NTP")
    seconds = abs(lead.total_seconds())
    word = "ahead of" if lead > timedelta(0) else "behind"
    said = f"this server is {seconds:.1f} s {word} the exchange"
    if abs(lead) > MOST_LEAD:
        return CheckLine(
            part="",
            state=CheckState.FAILED,
            says=said,
            way_out="set the server's clock, by NTP; exchanges refuse what is signed so far off",
        )
    return _passed(said)


def _rights(gateway: Gateway, account: ExchangeAccount) -> CheckLine:
    prefix = account.credential_prefix
    try:
        rights = gateway.fetch_key_rights()
    except Unsupported as error:
        return _warning(
            str(error),
            f"look at the key of {prefix} in the exchange's own list of keys, and take all but"
            " reading from it",
        )
    words = ", ".join(rights.words)
    if rights.reads_only:
        return _passed(f"it may only read ({words})" if words else "it may only read")
    return CheckLine(
        part="",
        state=CheckState.FAILED,
        says=f"THE KEY MAY {_may(rights)} ({words}). The portal only reads, and must not hold it",
        way_out=f"make a key at the exchange that may only read, put it under {prefix}_…, start"
        " the portal again, and delete this key at the exchange",
    )


def _may(rights: KeyRights) -> str:
    trade = ["TRADE"] if rights.may_trade else []
    move = ["MOVE MONEY OUT, or more than is known here"] if rights.may_move_money else []
    return " AND ".join(trade + move)


def _mode(gateway: Gateway, account: ExchangeAccount) -> CheckLine:
    try:
        mode = gateway.fetch_position_mode()
    except Unsupported as error:
        return CheckLine(part="", state=CheckState.NOT_ASKED, says=str(error))
    wanted = PositionMode(account.position_mode)
    if mode != wanted:
        return CheckLine(
            part="",
            state=CheckState.FAILED,
            says=f"it is {mode.value} at the exchange and {wanted.value} here",
            way_out=f"set {wanted.value} at the exchange; or, if {mode.value} is what is wanted,"
            " disable this account and add one that says so",
        )
    return _passed(f"it is {mode.value}, here and at the exchange")


def _orders(gateway: Gateway, order_class: OrderClass) -> CheckLine:
    return _passed(f"{len(gateway.fetch_open_orders(order_class).orders)} are open now")


def _fills(gateway: Gateway, kind: InstrumentType, now: datetime) -> CheckLine:
    count = 0
    try:
        for page in gateway.fetch_fill_pages(kind, start=now - FILLS_OF, end=now):
            count += len(page.fills)
    except HistoryUnobtainable:
        return _warning(f"{count} are kept; the exchange keeps less than a day of them", "")
    return _passed(f"{count} in the last 24 h")


def _positions(gateway: Gateway) -> CheckLine:
    return _passed(f"{len(gateway.fetch_positions())} positions are held")


def _balances(gateway: Gateway) -> CheckLine:
    try:
        balances = gateway.fetch_balances()
    except Unsupported as error:
        return CheckLine(part="", state=CheckState.NOT_ASKED, says=str(error))
    return _passed(f"{len(balances)} currencies have a balance")


def _passed(says: str) -> CheckLine:
    return CheckLine(part="", state=CheckState.PASSED, says=says)


def _warning(says: str, way_out: str) -> CheckLine:
    return CheckLine(part="", state=CheckState.WARNING, says=says, way_out=way_out)


def _failed(part: str, error: ExchangeError, account: ExchangeAccount) -> CheckLine:
    return CheckLine(
        part=part, state=CheckState.FAILED, says=str(error), way_out=_way_out(error, account)
    )


def _way_out(error: ExchangeError, account: ExchangeAccount) -> str:
    prefix = account.credential_prefix
    match error:
        case CredentialsRejected():
            return (
                f"put a key that is right, and may read, under {prefix}_API_KEY and its"
                " neighbours where the portal is started, start it again, and test again"
            )
        case AccountHalted():
            return "wait some minutes, and test again; if it comes back, ask less often (pace)"
        case BudgetExhausted():
            return "test again; the exchange answers too slowly"
        case Unsupported():
            return "the portal cannot read this here: docs/exchanges.md says what follows"
        case RetryableExchangeError():
            return "test again in a minute; if it stays, look at the exchange's status page"
        case _:
            return "change what the reason names, and test again"
