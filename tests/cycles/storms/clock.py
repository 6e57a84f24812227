"""Time of these worlds: only `advance` moves it, also for locks and claims."""

from datetime import datetime, timedelta

from django.db.models import DateTimeField, Value
from django.db.models.expressions import Combinable

from tests.builders import NOW


class WorldClock:
    """A clock whose waits are over at once and take no time."""

    def __init__(self, now: datetime = NOW) -> None:
        self.moment = now

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        return None

    def lock_now(self) -> Combinable:
        return Value(self.moment, output_field=DateTimeField())

    def advance(self, **by: float) -> None:
        self.moment += timedelta(**by)
