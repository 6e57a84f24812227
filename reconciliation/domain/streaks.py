"""How often in a row a position was found alike: what a correction waits for.

Invariants: a snapshot adds at most one; one that is not at least half an interval after the last
that counted adds nothing; clean, another finding and a gap begin anew; what was not known, or too
fresh to judge, changes no streak.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciliation.enums import ParityKind

# A gap of more intervals than this breaks a streak: nobody knows what happened in between.
MOST_MISSED = 3
# Heartbeats that may leave a busy symbol alone before it must be judged after all.
MOST_FRESH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """Where a position stands. A clean one has a streak as well: what is released waits for it."""

    kind: ParityKind
    fingerprint: str
    count: int
    counted_as_of: datetime | None
    fresh_count: int = 0


NEW = Streak(kind=ParityKind.UNKNOWN, fingerprint="", count=0, counted_as_of=None)


def count_sighting(
    before: Streak,
    *,
    kind: ParityKind,
    fingerprint: str,
    as_of: datetime,
    interval: timedelta,
) -> Streak:
    """Return the streak after a heartbeat that came to `kind`."""
    if kind == ParityKind.UNKNOWN:
        return before
    if kind == ParityKind.FRESH:
        return replace(before, fresh_count=before.fresh_count + 1)
    is_alike = before.kind == kind and before.fingerprint == fingerprint
    last = before.counted_as_of
    started = Streak(kind=kind, fingerprint=fingerprint, count=1, counted_as_of=as_of)
    if not is_alike or last is None or as_of - last > interval * MOST_MISSED:
        return started
    if as_of - last < interval / 2:
        return replace(before, fresh_count=0)
    return replace(before, count=before.count + 1, counted_as_of=as_of, fresh_count=0)


def must_judge(before: Streak) -> bool:
    """Return whether a busy symbol was left alone for so long that it must be judged."""
    return before.fresh_count >= MOST_FRESH
