"""Time as the portal sees it; drills bring their own."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django.db.models.expressions import Combinable
from django.db.models.functions import Now

# How far another machine's clock may be ahead of this one's. What is said to be later than that was
# written by a clock that was wrong, and must not pass for news until that moment comes.
MOST_AHEAD = timedelta(minutes=1)


class Clock(Protocol):
    """Supplies the moment, waiting, and the time by which locks expire."""

    def now(self) -> datetime:
        """Return the moment, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that only grow, for budgets and durations."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def lock_now(self) -> Combinable:
        """Return the moment that leases and claims are measured by, as a query expression."""


class SystemClock:
    """The machine's time; locks go by the database's, which all workers share."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def lock_now(self) -> Combinable:
        return Now()
