"""The life of a trade as moments in one order, with what was open after each.

Invariants: the order of what comes in does not matter; what is open after the last history row is
the sum of them all; an unknown quantity is a gap, never a zero; pages have no moment twice and
leave none out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, total
from reconciliation.enums import Direction, HistoryKind, TimelineSource

_RANKS = {source: rank for rank, source in enumerate(TimelineSource)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The place of a moment among all of a trade; two things at one time have two places."""

    at: datetime
    source: TimelineSource
    row_id: int

    @property
    def place(self) -> tuple[datetime, int, int]:
        """Return what moments are ordered by."""
        return self.at, _RANKS[self.source], self.row_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A history row as far as quantity goes; base units, without a sign.

    `reverses` is the kind of the row that a REVERSAL takes back.
    """

    row_id: int
    at: datetime
    kind: HistoryKind
    quantity: Decimal
    reverses: HistoryKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What was open of a trade from a moment on: signed by direction, base units."""

    row_id: int
    at: datetime
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an exchange was read to hold; None where the reading came to nothing."""

    row_id: int
    at: datetime
    quantity: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A line in steps: each quantity holds from its moment to the next, the last until `until`."""

    points: tuple[tuple[datetime, Decimal], ...]
    until: datetime


def in_order(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return moments from the earliest to the latest."""
    return tuple(sorted(marks, key=lambda mark: mark.place))


def newest(marks: Iterable[Mark], *, limit: int) -> tuple[tuple[Mark, ...], bool]:
    """Return the latest moments in order, and whether there are earlier ones."""
    every = in_order(marks)
    return every[-limit:], len(every) > limit


def precedes(source: TimelineSource, other: TimelineSource) -> bool:
    """Return whether the moments of a source stand before those of another at the same time."""
    return _RANKS[source] < _RANKS[other]


def run_up(bookings: Iterable[Booking], direction: Direction) -> tuple[Open, ...]:
    """Return what was open after each history row, in the order in which they were recorded."""
    opened: list[Open] = []
    running = ZERO
    for booking in sorted(bookings, key=lambda each: (each.at, each.row_id)):
        running = total([running, _effect(booking)])
        signed = running.copy_negate() if direction == Direction.SHORT and running else running
        opened.append(Open(row_id=booking.row_id, at=booking.at, quantity=signed))
    return tuple(opened)


def own_line(opened: Sequence[Open], *, until: datetime) -> tuple[Stretch, ...]:
    """Return what was open over time, in one stretch; none where nothing was booked."""
    if not opened:
        return ()
    points = tuple((each.at, each.quantity) for each in opened)
    return (Stretch(points=points, until=max(until, points[-1][0])),)


def exchange_line(
    readings: Iterable[Held], *, holds_for: timedelta, until: datetime
) -> tuple[Stretch, ...]:
    """Return what the exchange was read to hold over time, with a gap wherever nothing is known.

    A reading holds until the next one, for `holds_for` at the longest: who has not looked for
    longer knows nothing. One that came to nothing ends what was known before.
    """
    stretches: list[Stretch] = []
    points: list[tuple[datetime, Decimal]] = []
    end: datetime | None = None
    for reading in sorted(readings, key=lambda each: (each.at, each.row_id)):
        if points and end is not None and (reading.quantity is None or reading.at > end):
            stretches.append(Stretch(points=tuple(points), until=min(end, reading.at)))
            points = []
        if reading.quantity is not None:
            points.append((reading.at, reading.quantity))
            end = reading.at + holds_for
    if points and end is not None:
        stretches.append(Stretch(points=tuple(points), until=max(points[-1][0], min(end, until))))
    return tuple(stretches)


def _effect(booking: Booking) -> Decimal:
    kind = booking.reverses if booking.kind == HistoryKind.REVERSAL else booking.kind
    adds = (kind == HistoryKind.ENTRY) != (booking.kind == HistoryKind.REVERSAL)
    return booking.quantity if adds else booking.quantity.copy_negate()
