"""Money against its limit, and how far the end of a pause is: as words, and as bars beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from reconciliation.admin import display
from reconciliation.admin.links import link
from reconciliation.domain.watchdog import Condition, ResumeCondition
from reconciliation.enums import PauseSource
from reconciliation.models import Pause, Profile
from reconciliation.selectors.watchdog import HeldPause, Strain

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A profile's mismatches against the watchdog's limit; without `percent` there is no bar."""

    profile: Profile
    link: str
    words: str
    since: str
    percent: int | None
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionShown:
    """A condition of a pause's end: whether it is met, and a bar where it is on its way."""

    words: str
    met: bool
    progress: int | None
    """How far, in per cent; None where it is met or not, and nothing in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseShown:
    """A pause that holds, with what has to happen before it ends."""

    pause: Pause
    profile: str
    row: str
    source: str
    started: str
    reason: str
    ends: str
    conditions: Sequence[ConditionShown]


def usd(value: Decimal) -> str:
    """Return an amount of USD for reading: to the cent, thousands apart."""
    return f"{value.quantize(_CENT, rounding=ROUND_HALF_EVEN):,} USD"


def meter_of(strain: Strain, *, now: datetime) -> Meter:
    """Return how near a profile is to being paused; what is unknown is said, never drawn."""
    limit = strain.limit_usd
    if strain.notional_usd is None:
        words = "UNKNOWN: the last heartbeat could not judge all: not read, no mark, or just moved"
        if strain.as_of is None:
            words = "UNKNOWN: no heartbeat has judged this profile yet"
        elif strain.last_known_usd is not None:
            words += f"; {usd(strain.last_known_usd)} was known last"
        percent, over = None, False
        words = f"{words}. It pauses beyond {usd(limit)}."
    else:
        share = strain.notional_usd / limit * 100 if limit else None
        percent = None if share is None else int(min(share, Decimal(100)))
        over = strain.notional_usd > limit
        told = "" if share is None else f" ({share.quantize(Decimal('0.1'))} %)"
        words = f"{usd(strain.notional_usd)} of {usd(limit)}{told}"
        words += ": beyond the limit" if over else ""
    return Meter(
        profile=strain.profile,
        link=link(strain.profile),
        words=words,
        since=display.age(strain.as_of, now),
        percent=percent,
        over=over,
    )


def pause_shown(held: HeldPause, *, now: datetime) -> PauseShown:
    """Return a pause as a page tells of it."""
    pause = held.pause
    by_itself = pause.source == PauseSource.PARITY_WATCHDOG
    if not by_itself:
        ends = "It ends when a person resumes the profile, and never by itself."
    elif held.resume.may:
        ends = "All conditions are met: the next heartbeat ends it."
    else:
        met = sum(each.met for each in held.resume.conditions)
        ends = f"It ends by itself when all are met: {met} of {len(held.resume.conditions)} are."
    who = f"by {display.text(pause.started_by)}" if pause.started_by else "by the watchdog"
    return PauseShown(
        pause=pause,
        profile=link(pause.profile),
        row=link(pause),
        source=f"{pause.source}, {who}",
        started=display.age(pause.started_at, now),
        reason=display.first_line(pause.reason, 240) if pause.reason else "",
        ends=ends,
        conditions=[_shown(each) for each in held.resume.conditions] if by_itself else [],
    )


def _shown(condition: Condition) -> ConditionShown:
    needed, actual = condition.needed, condition.actual
    progress = None
    match condition.name:
        case ResumeCondition.ENABLED:
            words = "Auto-resume is on" if condition.met else "Auto-resume is off in the settings"
        case ResumeCondition.SOURCE:
            words = "The watchdog itself paused it"
        case ResumeCondition.PAUSED_MS:
            words = f"Paused for at least {_span(needed)}: {_span(actual)} so far"
            progress = _share(actual, needed)
        case ResumeCondition.CLEAN_HEARTBEATS:
            words = f"Clean heartbeats in a row: {actual} of {needed}"
            progress = _share(actual, needed)
        case ResumeCondition.SINCE_AUTO_RESUME_MS:
            words = f"At least {_span(needed)} since it last went on by itself: "
            words += "it never did" if actual is None else f"{_span(actual)} so far"
            progress = None if actual is None else _share(actual, needed)
    return ConditionShown(words=words, met=condition.met, progress=progress)


def _span(milliseconds: object) -> str:
    return display.span(milliseconds / 1000) if isinstance(milliseconds, int) else display.NOTHING


def _share(actual: object, needed: object) -> int | None:
    if not isinstance(actual, int) or not isinstance(needed, int) or needed <= 0:
        return None
    return max(0, min(100, actual * 100 // needed))
