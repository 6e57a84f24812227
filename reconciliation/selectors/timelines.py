"""The rows of a trade's life, a page at a time: found by trade, order and fill, never by a scan.

Each kind of row is asked for once, newest first, with one row more than a page holds, from below
the place where the page before ended. So a page costs the same number of statements however long
the trade's life was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Model, Q, QuerySet

from reconciliation.domain.timelines import (
    Booking,
    Held,
    Mark,
    Open,
    newest,
    precedes,
    run_up,
)
from reconciliation.enums import (
    HOLDING_TRADE_STATUSES,
    TERMINAL_ORDER_STATUSES,
    Direction,
    HistoryKind,
    PositionMode,
    PositionSide,
    TimelineSource,
)
from reconciliation.models import (
    AuditEvent,
    BackfillCandidate,
    Decision,
    Fill,
    Mismatch,
    Order,
    OrderLeg,
    ParityReading,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
)

MOMENTS_PER_PAGE = 60
# Orders whose fills and events are looked for by id; more of one trade are not followed.
ORDERS_FOLLOWED = 200
ORDERS_AUDITED = 50
# No run takes longer: within it, numbers and moments may be in another order.
_LONGEST_RUN = timedelta(minutes=10)
ROWS_ADDED_UP = 20_000
READINGS_DRAWN = 400
Before = tuple[datetime, TimelineSource, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One page: its moments in order, the row of each, and what was open after history rows.

    `running` is None where the history is too long to be added up. `others` counts the other
    trades that hold something in the same position now: a reading is of all of them.
    """

    marks: tuple[Mark, ...]
    has_earlier: bool
    rows: Mapping[tuple[TimelineSource, int], Model]
    running: tuple[Open, ...] | None
    reversed_by: Mapping[int, int]
    others: int
    orders_cut: bool

    def row(self, mark: Mark) -> Any:
        """Return the row that a moment is about."""
        return self.rows[mark.source, mark.row_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A kind of moment: its rows, by which column they are dated and by which key they go."""

    source: TimelineSource
    rows: Callable[[], Iterable[QuerySet[Any]]]
    at: str
    key: str = "id"
    by_key: bool = False
    """Whether its numbers grow with its moments: so that its index gives the order."""


def load_timeline(
    trade: Trade, *, before: Before | None = None, limit: int = MOMENTS_PER_PAGE
) -> Timeline:
    """Return the latest moments of a trade's life, or those before a place."""
    found = _Found(trade)
    marks: list[Mark] = []
    rows: dict[tuple[TimelineSource, int], Model] = {}
    for source in found.sources():
        for row in _page(source, before, limit):
            mark = Mark(at=getattr(row, source.at), source=source.source, row_id=row.pk)
            if (source.source, row.pk) not in rows:
                rows[source.source, row.pk] = row
                marks.append(mark)
    shown, has_earlier = newest(marks, limit=limit)
    running, reversed_by = load_running(trade)
    return Timeline(
        marks=shown,
        has_earlier=has_earlier,
        rows={(mark.source, mark.row_id): rows[mark.source, mark.row_id] for mark in shown},
        running=running,
        reversed_by=reversed_by,
        others=_others(trade),
        orders_cut=len(found.orders) == ORDERS_FOLLOWED,
    )


def load_running(trade: Trade) -> tuple[tuple[Open, ...] | None, Mapping[int, int]]:
    """Return what was open after each history row, and which row took which back.

    None where there are more than `ROWS_ADDED_UP` rows.
    """
    found = TradeHistory.objects.filter(trade=trade).order_by("id")
    light = list(
        found.values_list(
            "id", "recorded_at", "kind", "booked_quantity", "reverses_id", "reverses__kind"
        )[: ROWS_ADDED_UP + 1]
    )
    reversed_by = {taken: row_id for row_id, _, _, _, taken, _ in light if taken is not None}
    if len(light) > ROWS_ADDED_UP:
        return None, reversed_by
    bookings = [
        Booking(
            row_id=row_id,
            at=at,
            kind=HistoryKind(kind),
            quantity=quantity,
            reverses=None if of is None else HistoryKind(of),
        )
        for row_id, at, kind, quantity, _, of in light
    ]
    return run_up(bookings, Direction(trade.direction)), reversed_by


def load_held(trade: Trade, *, until: datetime) -> tuple[tuple[Held, ...], bool]:
    """Return what the exchange was read to hold in the position of a trade while it lived.

    A clean comparison leaves no reading. True where there were earlier ones than are returned.
    """
    rows = _readings(trade).order_by("-id")[: READINGS_DRAWN + 1]
    found = [
        Held(row_id=row.pk, at=row.as_of, quantity=row.actual_quantity)
        for row in rows
        if row.as_of <= until
    ]
    return tuple(reversed(found[:READINGS_DRAWN])), len(found) > READINGS_DRAWN


class _Found:
    """What belongs to one trade."""

    def __init__(self, trade: Trade) -> None:
        self.trade = trade

    @cached_property
    def orders(self) -> list[Order]:
        return list(Order.objects.filter(trade=self.trade).order_by("-id")[:ORDERS_FOLLOWED])

    def sources(self) -> Iterator[_Source]:
        """Yield every kind of moment, those of the exchange first."""
        trade, source = self.trade, TimelineSource
        orders = Order.objects.filter(trade=trade)
        ended = orders.filter(status__in=sorted(TERMINAL_ORDER_STATUSES))
        history = TradeHistory.objects.filter(trade=trade)
        history = history.select_related("order", "run", "decision", "reverses")
        reviews = ReviewItem.objects.filter(trade=trade).defer("evidence")
        candidates = BackfillCandidate.objects.filter(trade=trade).select_related("fill")
        candidates = candidates.defer("evidence", "fill__raw")
        yield _Source(source=source.ORDER_PLACED, rows=lambda: [orders], at="created_at")
        yield _Source(source=source.ORDER_ENDED, rows=lambda: [ended], at="last_activity_at")
        yield _Source(source=source.FILL, rows=self._fills, at="executed_at")
        yield _Source(source=source.HISTORY, rows=lambda: [history], at="recorded_at")
        yield _Source(source=source.MISMATCH_SEEN, rows=self._mismatches, at="opened_at")
        yield _Source(source=source.MISMATCH_RESOLVED, rows=self._resolved, at="closed_at")
        yield _Source(source=source.REVIEW_OPENED, rows=lambda: [reviews], at="opened_at")
        yield _Source(
            source=source.REVIEW_CLOSED,
            rows=lambda: [reviews.filter(closed_at__isnull=False)],
            at="closed_at",
        )
        yield _Source(source=source.CANDIDATE_JUDGED, rows=lambda: [candidates], at="opened_at")
        yield _Source(
            source=source.CANDIDATE_CLOSED,
            rows=lambda: [candidates.filter(closed_at__isnull=False)],
            at="closed_at",
        )
        yield _Source(source=source.DECISION, rows=self._decisions, at="decided_at")
        yield _Source(
            source=source.AUDIT,
            rows=self._events,
            at="occurred_at",
            key="sequence",
            by_key=True,
        )
        yield _Source(source=source.READING, rows=self._readings, at="as_of", by_key=True)

    def _fills(self) -> list[QuerySet[Fill]]:
        """Return the fills booked to the trade, and those that carry an id of its orders.

        Three questions: joined by OR, no engine would answer them by their indexes.
        """
        account = self.trade.account_id
        fills = Fill.objects.filter(account=account).select_related("run").defer("raw")
        ids = {each.exchange_order_id for each in self.orders if each.exchange_order_id}
        legs = OrderLeg.objects.filter(order__in=[each.pk for each in self.orders])
        ids |= set(legs.order_by().values_list("exchange_order_id", flat=True)[:ORDERS_FOLLOWED])
        clients = {each.client_order_id for each in self.orders if each.client_order_id}
        return [
            fills.filter(allocations__trade=self.trade).distinct(),
            fills.filter(exchange_order_id__in=sorted(ids), symbol=self.trade.symbol),
            fills.filter(client_order_id__in=sorted(clients), symbol=self.trade.symbol),
        ]

    def _mismatches(self) -> list[QuerySet[Mismatch]]:
        rows = Mismatch.objects.select_related("order", "first_run")
        rows = rows.defer("database_side", "exchange_side")
        ids = [order.pk for order in self.orders]
        return [rows.filter(trade=self.trade), rows.filter(order__in=ids, trade__isnull=True)]

    def _resolved(self) -> list[QuerySet[Mismatch]]:
        return [rows.filter(closed_at__isnull=False) for rows in self._mismatches()]

    def _decisions(self) -> list[QuerySet[Decision]]:
        rows = Decision.objects.defer("terms")
        return [rows.filter(review__trade=self.trade), rows.filter(candidate__trade=self.trade)]

    def _events(self) -> list[QuerySet[AuditEvent]]:
        """Return the events of the trade, and those of its newest orders."""
        events = AuditEvent.objects.defer("payload")
        ids = [str(order.pk) for order in self.orders[:ORDERS_AUDITED]]
        return [
            events.filter(object_type="trade", object_id=str(self.trade.pk)),
            events.filter(object_type="order", object_id__in=ids),
        ]

    def _readings(self) -> list[QuerySet[ParityReading]]:
        return [_readings(self.trade).select_related("run")]


def _page(source: _Source, before: Before | None, limit: int) -> Iterator[Any]:
    for queryset in source.rows():
        rows = queryset
        if before is not None:
            rows = rows.filter(_below(source, before))
        order = [f"-{source.key}"] if source.by_key else [f"-{source.at}", f"-{source.key}"]
        yield from rows.order_by(*order)[: limit + 1]


def _below(source: _Source, before: Before) -> Q:
    """Return the condition that a row stands before a place: by its moment, source and number."""
    at, other, row_id = before
    earlier = Q(**{f"{source.at}__lt": at})
    if source.source == other:
        return earlier | Q(**{source.at: at, f"{source.key}__lt": row_id})
    if precedes(source.source, other):
        return earlier | Q(**{source.at: at})
    return earlier


def _readings(trade: Trade) -> QuerySet[ParityReading]:
    """Return the readings of the trade's position while it lived, by a range of their numbers.

    Their numbers grow with time, as those of runs do, and their index goes by number.
    """
    rows = ParityReading.objects.filter(account=trade.account_id, symbol=trade.symbol)
    if trade.account.position_mode == PositionMode.HEDGE:
        rows = rows.filter(side__in=[trade.direction, PositionSide.NET])
    first = _first_reading_from(trade.opened_at - _LONGEST_RUN)
    if first is not None:
        rows = rows.filter(pk__gte=first)
    rows = rows.filter(as_of__gte=trade.opened_at)
    if trade.closed_at is not None:
        last = _first_reading_from(trade.closed_at + _LONGEST_RUN)
        rows = rows.filter(as_of__lte=trade.closed_at)
        if last is not None:
            rows = rows.filter(pk__lte=last)
    return rows.defer("evidence")


def _first_reading_from(moment: datetime) -> int | None:
    """Return the number of a reading of the first run since a moment that left one."""
    run = (
        Run.objects.filter(started_at__gte=moment)
        .order_by("started_at", "id")
        .values_list("pk", flat=True)
        .first()
    )
    if run is None:
        return None
    rows = ParityReading.objects.filter(run__gte=run).order_by("run_id", "symbol")
    found: int | None = rows.values_list("pk", flat=True).first()
    return found


def _others(trade: Trade) -> int:
    """Return how many other slices hold something of the same position now."""
    rows = Trade.objects.filter(
        account=trade.account_id,
        symbol=trade.symbol,
        status__in=sorted(HOLDING_TRADE_STATUSES),
    ).exclude(pk=trade.pk)
    if trade.account.position_mode == PositionMode.HEDGE:
        rows = rows.filter(direction=trade.direction)
    return rows.order_by().count()
