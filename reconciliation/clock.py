"""Time as the portal sees it; drills bring their own."""

import time
from datetime import UTC, datetime
from typing import Protocol

from django.db.models.expressions import Combinable
from django.db.models.functions import Now


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
