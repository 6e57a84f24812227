"""What waits for a person, queue by queue: how much, since when, and how much of it is overdue.

Four queries, each along the index of what waits: their cost follows what is open now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import Count, Min, Q, QuerySet

from reconciliation.domain.due import opened_before_is_overdue
from reconciliation.enums import ExternalStatus, MismatchKind, MismatchStatus
from reconciliation.models import BackfillCandidate, ExternalOrder, Mismatch, ReviewItem


class QueueName(StrEnum):
    """The queues, in the order in which they are shown."""

    QUARANTINE = "quarantine"
    MISSED_EXITS = "missed exits"
    EXTERNAL_ORDERS = "external orders"
    UNATTRIBUTED_FILLS = "unattributed fills"
    ORPHAN_POSITIONS = "orphan positions"
    SHARED_SHORTFALLS = "shared shortfalls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits in a queue; `oldest` is None where nothing does."""

    queue: QueueName
    count: int
    overdue: int
    oldest: datetime | None


_OF_MISMATCHES = {
    QueueName.UNATTRIBUTED_FILLS: Q(kind=MismatchKind.UNATTRIBUTED_FILL),
    QueueName.ORPHAN_POSITIONS: Q(kind=MismatchKind.ORPHAN_POSITION),
    QueueName.SHARED_SHORTFALLS: Q(kind=MismatchKind.POSITION_MISMATCH, trade__isnull=True),
}


def load_waiting(*, now: datetime) -> list[Waiting]:
    """Return every queue, empty ones too, in the order of their names."""
    before = opened_before_is_overdue(now)
    external = ExternalOrder.objects.filter(status=ExternalStatus.PENDING)
    found = {
        QueueName.QUARANTINE: _measured(ReviewItem.objects.waiting(), "opened_at", before),
        QueueName.MISSED_EXITS: _measured(BackfillCandidate.objects.waiting(), "opened_at", before),
        QueueName.EXTERNAL_ORDERS: _measured(external, "first_seen_at", before),
        **_of_mismatches(before),
    }
    return [
        Waiting(queue=queue, count=row["count"], overdue=row["overdue"], oldest=row["oldest"])
        for queue, row in ((queue, found[queue]) for queue in QueueName)
    ]


def _measured(rows: QuerySet[Any], since: str, before: datetime) -> Mapping[str, Any]:
    return rows.order_by().aggregate(
        count=Count("pk"),
        overdue=Count("pk", filter=Q(**{f"{since}__lt": before})),
        oldest=Min(since),
    )


def _of_mismatches(before: datetime) -> dict[QueueName, Mapping[str, Any]]:
    """Return the three queues that are open mismatches of nobody: one query."""
    rows = Mismatch.objects.current().filter(status=MismatchStatus.OPEN)
    measures: dict[str, Any] = {}
    for queue, condition in _OF_MISMATCHES.items():
        overdue = condition & Q(opened_at__lt=before)
        measures |= {
            f"{queue.name}_count": Count("pk", filter=condition),
            f"{queue.name}_overdue": Count("pk", filter=overdue),
            f"{queue.name}_oldest": Min("opened_at", filter=condition),
        }
    row = rows.order_by().aggregate(**measures)
    return {
        queue: {each: row[f"{queue.name}_{each}"] for each in ("count", "overdue", "oldest")}
        for queue in _OF_MISMATCHES
    }
