"""What is still to be put right, counted: mismatches, trades, review queues, the jobs' queue.

Counts of the portal's own rows are numbers, 0 where there are none; what cannot be known from
here is None. Each is one query by ids, since a join for the sake of a name would keep an engine
from the index by which the cost follows what is open, not what ever was.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q
from django_q.conf import Conf as QueueConf
from django_q.models import OrmQ

from reconciliation.enums import (
    ExternalStatus,
    HistorySource,
    MismatchKind,
    MismatchStatus,
    ReviewQueue,
    TradeStatus,
)
from reconciliation.models import (
    BackfillCandidate,
    ClusterBeat,
    ExternalOrder,
    Mismatch,
    ReviewItem,
    Trade,
    TradeHistory,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MismatchGroup:
    """Mismatches that are alike; `profile` is None where they are nobody's."""

    account_id: int
    profile_id: int | None
    kind: MismatchKind
    status: MismatchStatus
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits in a queue, and for how long the oldest of it has; an empty one: 0 and no time."""

    waiting: int
    oldest_age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueue:
    """Tasks that no worker has taken yet, and those that one has, or had when it died."""

    queue: Queue
    taken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAge:
    """How long ago a machine's workers took a task, and a result was recorded (None: never)."""

    host: str
    task: timedelta
    result: timedelta | None


def load_current_mismatches() -> list[MismatchGroup]:
    """Return the mismatches that are open or accepted, by account, profile and kind."""
    rows = Mismatch.objects.current().order_by()
    groups = rows.values_list("account_id", "profile_id", "kind", "status")
    return [
        MismatchGroup(
            account_id=account_id,
            profile_id=profile_id,
            kind=MismatchKind(kind),
            status=MismatchStatus(status),
            count=count,
        )
        for account_id, profile_id, kind, status, count in groups.annotate(count=Count("pk"))
    ]


def count_mismatches(
    groups: Iterable[MismatchGroup],
    kind: MismatchKind | None = None,
    *,
    status: MismatchStatus = MismatchStatus.OPEN,
) -> int:
    """Return how many mismatches of a kind (of any, unless given) the groups hold."""
    alike = (group for group in groups if group.status == status)
    return sum(group.count for group in alike if kind is None or group.kind == kind)


def load_quarantined_trades() -> dict[int, int]:
    """Return by profile id the trades that wait in quarantine."""
    rows = Trade.objects.filter(status=TradeStatus.QUARANTINED).order_by()
    return dict(rows.values_list("profile_id").annotate(count=Count("pk")))


def load_auto_closed_trades() -> dict[int, int]:
    """Return by profile id the trades that were ever closed by a synthetic exit."""
    rows = TradeHistory.objects.filter(source=HistorySource.SYNTHETIC).order_by()
    groups = rows.values_list("trade__profile_id")
    return dict(groups.annotate(count=Count("trade", distinct=True)))


def load_review_queues(*, now: datetime) -> dict[ReviewQueue, Queue]:
    """Return both queues of what waits for a person."""
    waiting = {
        ReviewQueue.QUARANTINE: ReviewItem.objects.waiting(),
        ReviewQueue.BACKFILL: BackfillCandidate.objects.waiting(),
    }
    rows = {
        queue: items.aggregate(count=Count("pk"), oldest=Min("opened_at"))
        for queue, items in waiting.items()
    }
    return {queue: _queue(row["count"], row["oldest"], now) for queue, row in rows.items()}


def load_external_orders(*, now: datetime) -> dict[int, Queue]:
    """Return by account id the orders that belong to nobody and wait to be adopted or ignored."""
    rows = ExternalOrder.objects.filter(status=ExternalStatus.PENDING).order_by()
    groups = rows.values_list("account_id").annotate(Count("pk"), Min("first_seen_at"))
    return {account_id: _queue(count, oldest, now) for account_id, count, oldest in groups}


def load_job_queue(*, now: datetime) -> JobQueue | None:
    """Return the tasks of the jobs' queue; None where it is not in the database."""
    if not QueueConf.ORM:
        return None
    tasks = OrmQ.objects.using(QueueConf.ORM)
    # `lock` is since when a task may be taken; taking it moves that into the future.
    waiting = Q(lock__lte=now)
    row = tasks.aggregate(
        waiting=Count("pk", filter=waiting),
        taken=Count("pk", filter=~waiting),
        oldest=Min("lock", filter=waiting),
    )
    return JobQueue(queue=_queue(row["waiting"], row["oldest"], now), taken=row["taken"])


def load_cluster_ages(*, now: datetime) -> list[ClusterAge]:
    """Return each machine's signs of life; none where no cluster ever ran."""
    machines = ClusterBeat.objects.order_by().values_list("host")
    rows = machines.annotate(Max("task_at"), Max("result_at"))
    return [
        ClusterAge(
            host=host,
            task=_age(task_at, now),
            result=None if result_at is None else _age(result_at, now),
        )
        for host, task_at, result_at in rows
    ]


def _queue(waiting: int, oldest: datetime | None, now: datetime) -> Queue:
    return Queue(waiting=waiting, oldest_age=timedelta(0) if oldest is None else _age(oldest, now))


def _age(since: datetime, now: datetime) -> timedelta:
    # Another machine's clock may be a little ahead of this one's.
    return max(timedelta(0), now - since)
