"""The drill's time."""

import time
from datetime import datetime, timedelta

from django.db.models import DateTimeField, Value
from django.db.models.expressions import Combinable


class DrillClock:
    """A clock that only `advance` moves.

    A wait is over at once and takes no time: a drill is about what happens, not how long it takes.
    Locks and claims go by this clock too, so a drill can outlive them. `monotonic` is real, because
    it measures the budget of real requests.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        return None

    def lock_now(self) -> Combinable:
        return Value(self._now, output_field=DateTimeField())

    def advance(self, by: timedelta) -> None:
        """Move the drill's time on."""
        self._now += by
