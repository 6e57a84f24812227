"""A position in words: every number with what it means, and what is unknown said as such."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from reconciliation.admin import display
from reconciliation.admin.console.meters import usd
from reconciliation.admin.kinds import parity_meaning
from reconciliation.admin.links import anchor, link, short_link
from reconciliation.conf import Conf
from reconciliation.domain.amounts import total
from reconciliation.enums import ParityKind, PositionSide
from reconciliation.models import Trade
from reconciliation.selectors.compared import Compared, signed_open
from reconciliation.selectors.portal import is_in_time

SLICES_SHOWN = 8
_OPEN_QUESTIONS = frozenset({ParityKind.UNKNOWN, ParityKind.FRESH})


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionShown:
    """The cells of a position; each is harmless to show."""

    position: Compared
    is_clean: bool
    is_differing: bool
    account: str
    words: str
    name: str
    by_profile: str
    virtual: str
    actual: str
    drift: str
    worth: str
    finding: str
    streak: str
    read: str
    leads: str


def shown(position: Compared, *, conf: Conf, now: datetime) -> PositionShown:
    """Return a position as a row of the page."""
    words = display.text(position.symbol)
    if position.side != PositionSide.NET:
        words = f"{words} {position.side}"
    url = reverse(
        "admin:console_position", args=[position.account.pk, position.side, position.symbol]
    )
    is_open = bool(position.mismatches or position.reviews)
    return PositionShown(
        position=position,
        is_clean=position.is_clean,
        is_differing=is_open or position.kind not in {ParityKind.CLEAN, *_OPEN_QUESTIONS},
        account=link(position.account),
        words=words,
        name=anchor(url, words),
        by_profile=_by_profile(position.slices),
        virtual=_known(position.virtual),
        actual=_actual(position),
        drift=_drift(position),
        worth=_worth(position),
        finding=_finding(position),
        streak=_streak(position, conf),
        read=_read(position, conf, now),
        leads=_leads(position),
    )


def _known(quantity: Decimal | None) -> str:
    return "UNKNOWN" if quantity is None else display.signed(quantity)


def _agrees(position: Compared) -> bool:
    return position.reading is None and position.kind == ParityKind.CLEAN


def _actual(position: Compared) -> str:
    if _agrees(position):
        return "what the slices say"
    return _known(position.actual)


def _drift(position: Compared) -> str:
    return "none" if _agrees(position) else _known(position.drift)


def _worth(position: Compared) -> str:
    if _agrees(position):
        return "nothing"
    if position.notional_usd is not None:
        return usd(position.notional_usd)
    return "UNKNOWN" if position.drift is None else "UNKNOWN: no mark"


def _finding(position: Compared) -> str:
    kind, reading = position.kind, position.reading
    if position.watch is None and reading is None:
        return "UNKNOWN: no heartbeat has compared this position yet"
    words = f"{kind}: {parity_meaning(kind)}"
    if kind == ParityKind.FRESH:
        words = f"{kind}, waits: {parity_meaning(kind)}"
    if reading is not None and reading.outcome:
        words = f"{words}; {display.first_line(reading.outcome, 200)}"
    return words


def _streak(position: Compared, conf: Conf) -> str:
    watch = position.watch
    if watch is None or watch.kind in {ParityKind.CLEAN, *_OPEN_QUESTIONS}:
        return display.NOTHING
    needed = conf.parity_confirmations
    words = f"{watch.streak} of {needed}"
    if position.kind in _OPEN_QUESTIONS:
        return f"stays at {words}"
    return f"{words}, confirmed" if watch.streak >= needed else words


def _read(position: Compared, conf: Conf, now: datetime) -> str:
    if position.as_of is None:
        return "never"
    age = display.age(position.as_of, now)
    if is_in_time(position.as_of, conf=conf, now=now):
        return age
    return format_html("{} <strong>old</strong>", age)


def _by_profile(slices: list[Trade]) -> str:
    """Return what each profile has open now, with a link to each of its slices."""
    of: dict[str, list[Trade]] = {}
    for trade in slices:
        of.setdefault(trade.profile.name, []).append(trade)
    return format_html_join(
        "; ",
        "{}: {} ({})",
        (
            (
                link(trades[0].profile),
                display.signed(total(signed_open(trade) for trade in trades)),
                _listed(trades),
            )
            for trades in of.values()
        ),
    )


def _listed(trades: list[Trade]) -> str:
    listed = format_html_join(
        ", ",
        "{}{}",
        (
            (short_link(trade), " in quarantine" if trade.status == "QUARANTINED" else "")
            for trade in trades[:SLICES_SHOWN]
        ),
    )
    more = len(trades) - SLICES_SHOWN
    return format_html("{} and {} more", listed, more) if more > 0 else listed


def _leads(position: Compared) -> str:
    rows = [
        *position.mismatches[:SLICES_SHOWN],
        *position.reviews[:SLICES_SHOWN],
        *([position.reading] if position.reading is not None else []),
    ]
    return format_html_join(" ", "{}", ((link(row),) for row in rows))
