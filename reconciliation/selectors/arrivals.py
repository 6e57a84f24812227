"""How many mismatches were first seen in each hour of the last day.

Mismatches are numbered as they are opened, so the newest are found by their keys, and no more of
them are read than a page can pay for; of the hours before those, nothing is known.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciliation.models import Mismatch

HOURS = 24
MOST_READ = 5_000
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """An hour from `start` on; `kinds` counts by kind, None where it was not read."""

    start: datetime
    kinds: dict[str, int] | None

    @property
    def total(self) -> int | None:
        """Return how many there were of any kind; None is unknown."""
        return None if self.kinds is None else sum(self.kinds.values())


def load_arrivals(*, now: datetime) -> list[Hour]:
    """Return the last 24 hours, the one that is not over last: one query of bounded length."""
    newest = Mismatch.objects.order_by("-id").values_list("opened_at", "kind")
    return hours_of(list(newest[: MOST_READ + 1]), now=now)


def hours_of(rows: list[tuple[datetime, str]], *, now: datetime) -> list[Hour]:
    """Return hours with what opened in each; `rows` are the newest first, one more than count."""
    known, known_since = rows[:MOST_READ], None
    if len(rows) > MOST_READ:
        known_since = min(opened_at for opened_at, _ in known)
    last = now.replace(minute=0, second=0, microsecond=0)
    counts = _by_hour(known)
    return [
        Hour(
            start=start,
            kinds=None
            if known_since is not None and start < known_since
            else dict(sorted(counts.get(start, Counter()).items())),
        )
        for start in (last - _HOUR * back for back in reversed(range(HOURS)))
    ]


def _by_hour(rows: Iterable[tuple[datetime, str]]) -> dict[datetime, Counter[str]]:
    counts: dict[datetime, Counter[str]] = {}
    for opened_at, kind in rows:
        start = opened_at.replace(minute=0, second=0, microsecond=0)
        counts.setdefault(start, Counter())[kind] += 1
    return counts
