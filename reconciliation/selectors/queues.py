"""Everything that waits for a person, of all six queues, in the order in which it is urgent.

Each queue is read from its oldest row on, by the index of its status, and no further than
`MOST` rows. Rows are opened in the order of their ids, so what is overdue is among the oldest.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db.models import Q, QuerySet

from reconciliation.domain.amounts import product, total
from reconciliation.domain.due import due_at, is_overdue
from reconciliation.domain.severity import (
    EXCHANGE_INITIATED,
    EXTERNAL_ORDER,
    Severity,
    severity_of,
)
from reconciliation.enums import (
    WAITING_REVIEW_STATUSES,
    ExternalStatus,
    MismatchKind,
    MismatchStatus,
)
from reconciliation.models import (
    BackfillCandidate,
    ExchangeAccount,
    ExternalOrder,
    MarkPrice,
    Mismatch,
    Profile,
    ReviewItem,
)
from reconciliation.selectors.reviews import row_worth

MOST = 200
"""Rows that are read of a queue, for each of its waiting statuses."""

Row = ReviewItem | BackfillCandidate | ExternalOrder | Mismatch


class Queue(StrEnum):
    """The queues, by the words of their filter."""

    QUARANTINE = "quarantine"
    BACKFILL = "missed-exits"
    EXTERNAL_ORDERS = "orders"
    FILLS = "fills"
    ORPHANS = "positions"
    SHORTFALLS = "shortfalls"


OF_NOBODY = {
    Queue.FILLS: Q(kind=MismatchKind.UNATTRIBUTED_FILL),
    Queue.ORPHANS: Q(kind=MismatchKind.ORPHAN_POSITION),
    Queue.SHORTFALLS: Q(kind=MismatchKind.POSITION_MISMATCH, trade__isnull=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """What the rows are narrowed to; None and empty narrow nothing."""

    queue: Queue | None = None
    account_id: int | None = None
    profile_id: int | None = None
    symbol: str = ""
    overdue_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A row that waits. `notional_usd` is what it is worth, None where that is not known."""

    queue: Queue
    row: Row
    symbol: str
    reasons: tuple[str, ...]
    notional_usd: Decimal | None
    severity: Severity
    opened_at: datetime
    due_at: datetime
    is_overdue: bool
    is_proposed: bool

    @property
    def urgency(self) -> tuple[bool, int, datetime, int]:
        """Return what sorts it: overdue first, then the worst, then the oldest."""
        return (not self.is_overdue, -self.severity, self.opened_at, self.row.pk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """What waits, most urgent first. `cut` are the queues of which only the oldest were read."""

    rows: tuple[Waiting, ...]
    cut: tuple[Queue, ...]


def load_queues(narrowing: Narrowing, *, models: Iterable[type[Row]], now: datetime) -> Queues:
    """Return what waits in the queues of the models that may be seen."""
    rows: list[tuple[Queue, Row]] = []
    cut = []
    seen = set(models)
    for queue, querysets in _of_queues(narrowing):
        if narrowing.queue not in (None, queue) or querysets[0].model not in seen:
            continue
        for queryset in querysets:
            found = list(queryset.order_by("pk")[: MOST + 1])
            rows += [(queue, row) for row in found[:MOST]]
            if len(found) > MOST and queue not in cut:
                cut.append(queue)
    if narrowing.overdue_only:
        rows = [(queue, row) for queue, row in rows if is_overdue(_opened_at(row), now)]
    weighed = weigh(rows, now=now)
    return Queues(rows=tuple(sorted(weighed, key=lambda each: each.urgency)), cut=tuple(cut))


def weigh(rows: Iterable[tuple[Queue, Row]], *, now: datetime) -> list[Waiting]:
    """Return rows, in their order, with what they are worth and how bad they are: two queries."""
    rows = list(rows)
    marks = _marks({row.account_id for _, row in rows})
    capital, of_account = _capital({row.account_id for _, row in rows})
    found = []
    for queue, row in rows:
        symbol, reasons = _symbol(row), _reasons(row)
        notional = notional_of(row, marks.get((row.account_id, symbol)))
        profile_id = None if isinstance(row, ExternalOrder) else row.profile_id
        found.append(
            Waiting(
                queue=queue,
                row=row,
                symbol=symbol,
                reasons=reasons,
                notional_usd=notional,
                severity=severity_of(
                    reasons,
                    notional_usd=notional,
                    capital_usd=of_account.get(row.account_id)
                    if profile_id is None
                    else capital.get(profile_id),
                ),
                opened_at=_opened_at(row),
                due_at=due_at(_opened_at(row)),
                is_overdue=is_overdue(_opened_at(row), now),
                is_proposed=row.status == "PROPOSED",
            )
        )
    return found


def notional_of(row: Row, mark: Decimal | None) -> Decimal | None:
    """Return what a row is about in USD, None where quantity or price is not known."""
    if isinstance(row, Mismatch):
        sighting = getattr(row, "sighting", None)
        return None if sighting is None else sighting.notional_usd
    if not isinstance(row, ExternalOrder):
        return row_worth(row, mark)
    price = row.price if row.price is not None else mark
    return None if price is None or row.quantity is None else product(row.quantity, price)


def _of_queues(narrowing: Narrowing) -> Iterator[tuple[Queue, list[QuerySet[Any]]]]:
    """Yield the queues with their rows, a queryset for each status by which an index finds them."""
    of_row = _narrowed(narrowing, account="account_id", profile="profile_id")
    for queue, model, symbol in (
        (Queue.QUARANTINE, ReviewItem, "trade__symbol"),
        (Queue.BACKFILL, BackfillCandidate, "fill__symbol"),
    ):
        by_symbol = Q(**{symbol: narrowing.symbol}) if narrowing.symbol else Q()
        rows = model.objects.filter(of_row, by_symbol).defer("evidence", "fill__raw")
        rows = rows.select_related("account", "profile", "trade", "fill")
        yield queue, [rows.filter(status=status) for status in sorted(WAITING_REVIEW_STATUSES)]
    by_symbol = Q(symbol=narrowing.symbol) if narrowing.symbol else Q()
    orders = ExternalOrder.objects.filter(status=ExternalStatus.PENDING).filter(by_symbol)
    if narrowing.account_id is not None:
        orders = orders.filter(account_id=narrowing.account_id)
    if narrowing.profile_id is not None:
        orders = orders.none()
    yield Queue.EXTERNAL_ORDERS, [orders.defer("raw").select_related("account")]
    accounts = list(ExchangeAccount.objects.values_list("pk", flat=True))
    for queue, condition in OF_NOBODY.items():
        found = Mismatch.objects.current().filter(
            account_id__in=accounts, profile__isnull=True, status=MismatchStatus.OPEN
        )
        found = found.filter(condition, of_row, by_symbol)
        found = found.defer("database_side", "exchange_side")
        yield queue, [found.select_related("account", "profile", "sighting")]


def _narrowed(narrowing: Narrowing, *, account: str, profile: str) -> Q:
    found = Q()
    if narrowing.account_id is not None:
        found &= Q(**{account: narrowing.account_id})
    if narrowing.profile_id is not None:
        found &= Q(**{profile: narrowing.profile_id})
    return found


def _reasons(row: Row) -> tuple[str, ...]:
    if isinstance(row, ReviewItem):
        return (str(row.reason),)
    if isinstance(row, BackfillCandidate):
        forced = (EXCHANGE_INITIATED,) if row.exchange_initiated else ()
        return (*map(str, row.reasons), *forced)
    return (EXTERNAL_ORDER,) if isinstance(row, ExternalOrder) else (str(row.kind),)


def _symbol(row: Row) -> str:
    if isinstance(row, ReviewItem):
        return str(row.trade.symbol)
    return str(row.fill.symbol if isinstance(row, BackfillCandidate) else row.symbol)


def _opened_at(row: Row) -> datetime:
    return row.first_seen_at if isinstance(row, ExternalOrder) else row.opened_at


def _marks(account_ids: set[int]) -> Mapping[tuple[int, str], Decimal]:
    if not account_ids:
        return {}
    rows = MarkPrice.objects.filter(account_id__in=sorted(account_ids))
    return {
        (key, symbol): price
        for key, symbol, price in rows.values_list("account_id", "symbol", "price")
    }


def _capital(account_ids: set[int]) -> tuple[Mapping[int, Decimal], Mapping[int, Decimal]]:
    """Return what is allocated by profile, and what the enabled ones of each account have."""
    of_profile: dict[int, Decimal] = {}
    of_account: dict[int, list[Decimal]] = {}
    if not account_ids:
        return {}, {}
    rows = Profile.objects.filter(account_id__in=sorted(account_ids)).order_by()
    for pk, account_id, amount, is_enabled in rows.values_list(
        "pk", "account_id", "allocated_capital_usd", "enabled"
    ):
        of_profile[pk] = amount
        if is_enabled:
            of_account.setdefault(account_id, []).append(amount)
    return of_profile, {key: total(amounts) for key, amounts in of_account.items()}
