"""When a profile's trading stops by itself, and when it may go on.

Invariants: what is not known neither stops trading nor lets it go on; a sum that leaves something
out is a lower bound, so one that exceeds the limit stops it all the same. Exactly at the limit is
within it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from reconciliation.domain.amounts import ZERO, product
from reconciliation.enums import PauseSource

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What one heartbeat knows of a profile's mismatches.

    `notional_usd` is their sum: its slices' shares, and every orphan of the account in full; None
    where a mark, or the reading of a position, is missing. `is_known` says whether every position
    that the profile has a slice in was compared.
    """

    profile_id: int
    notional_usd: Decimal | None
    is_known: bool


class ResumeCondition(StrEnum):
    """What a pause of the watchdog needs to end by itself; units are in the names."""

    ENABLED = "enabled"
    SOURCE = "source"
    PAUSED_MS = "paused_ms"
    CLEAN_HEARTBEATS = "clean_heartbeats"
    SINCE_AUTO_RESUME_MS = "since_auto_resume_ms"


Measure = bool | int | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition, and how far it is met; `actual` None is: it never happened before."""

    name: ResumeCondition
    met: bool
    needed: Measure
    actual: Measure

    def as_data(self) -> dict[str, Measure]:
        """Return it as evidence holds it."""
        return {
            "name": self.name.value,
            "met": self.met,
            "needed": self.needed,
            "actual": self.actual,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePolicy:
    """The settings of the auto-resume."""

    enabled: bool
    min_pause: timedelta
    clean_heartbeats: int
    cooldown: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Whether a pause may end by itself, with every condition."""

    conditions: tuple[Condition, ...]

    @property
    def may(self) -> bool:
        """Return whether all conditions are met."""
        return all(condition.met for condition in self.conditions)

    def as_data(self) -> list[dict[str, Measure]]:
        """Return the conditions as evidence holds them."""
        return [condition.as_data() for condition in self.conditions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """The clean heartbeats in a row; `counted_as_of` is the snapshot of the last that counted."""

    clean: int
    counted_as_of: datetime | None


def pause_limit(*, allocated_capital_usd: Decimal, max_notional_pct: Decimal) -> Decimal:
    """Return the notional, in USD, beyond which a profile pauses."""
    return product(allocated_capital_usd, max_notional_pct)


def decide_pause(
    exposure: Exposure, *, allocated_capital_usd: Decimal, max_notional_pct: Decimal
) -> bool | None:
    """Return whether the mismatches stop the profile's trading; None is: keep what is."""
    if exposure.notional_usd is None:
        return None
    return exposure.notional_usd > pause_limit(
        allocated_capital_usd=allocated_capital_usd, max_notional_pct=max_notional_pct
    )


def is_clean(exposure: Exposure, *, has_open_mismatch: bool, was_repaired: bool) -> bool:
    """Return whether a heartbeat found a profile clean.

    One that found something and repaired it at once has seen it: the next one is the first clean.
    """
    return (
        exposure.is_known
        and exposure.notional_usd == ZERO
        and not has_open_mismatch
        and not was_repaired
    )


def count_clean(streak: Streak, *, clean: bool, as_of: datetime, interval: timedelta) -> Streak:
    """Return the streak after a heartbeat.

    One that is not clean ends it at once. A clean one that follows the last counted one by less
    than half an interval saw no more than that one did. A gap breaks nothing: heartbeats that did
    not run found nothing either way, and the pause lasted on.
    """
    if not clean:
        return Streak(clean=0, counted_as_of=as_of)
    last = streak.counted_as_of
    if last is not None and as_of - last < interval / 2:
        return streak
    return Streak(clean=streak.clean + 1, counted_as_of=as_of)


def decide_resume(
    *,
    source: PauseSource,
    started_at: datetime,
    clean_heartbeats: int,
    last_auto_resume_at: datetime | None,
    policy: ResumePolicy,
    now: datetime,
) -> Resume:
    """Return every condition of a pause's end by itself; what never happened cannot be too near."""
    paused = now - started_at
    since = None if last_auto_resume_at is None else now - last_auto_resume_at
    return Resume(
        conditions=(
            Condition(
                name=ResumeCondition.ENABLED,
                met=policy.enabled,
                needed=True,
                actual=policy.enabled,
            ),
            Condition(
                name=ResumeCondition.SOURCE,
                met=source == PauseSource.PARITY_WATCHDOG,
                needed=PauseSource.PARITY_WATCHDOG.value,
                actual=source.value,
            ),
            Condition(
                name=ResumeCondition.PAUSED_MS,
                met=paused >= policy.min_pause,
                needed=policy.min_pause // _MILLISECOND,
                actual=paused // _MILLISECOND,
            ),
            Condition(
                name=ResumeCondition.CLEAN_HEARTBEATS,
                met=clean_heartbeats >= policy.clean_heartbeats,
                needed=policy.clean_heartbeats,
                actual=clean_heartbeats,
            ),
            Condition(
                name=ResumeCondition.SINCE_AUTO_RESUME_MS,
                met=since is None or since >= policy.cooldown,
                needed=policy.cooldown // _MILLISECOND,
                actual=None if since is None else since // _MILLISECOND,
            ),
        )
    )


def pause_evidence(
    exposure: Exposure, *, allocated_capital_usd: Decimal, max_notional_pct: Decimal
) -> Mapping[str, object]:
    """Return what the watchdog stopped trading for, in USD and as it was."""
    return {
        "notional_usd": exposure.notional_usd,
        "limit_usd": pause_limit(
            allocated_capital_usd=allocated_capital_usd, max_notional_pct=max_notional_pct
        ),
        "allocated_capital_usd": allocated_capital_usd,
        "max_notional_pct": max_notional_pct,
    }
