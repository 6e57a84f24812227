"""Signs of life of the clusters of workers, and tasks that failed: not part of the books."""

from datetime import datetime, timedelta

from django_q.models import Failure

from reconciliation.models import ClusterBeat

KEPT = timedelta(days=1)
FAILURES_KEPT = 250
FAILURES_KEPT_FOR = timedelta(days=30)


def record_task_taken(*, cluster: str, host: str, now: datetime) -> None:
    """Stamp a cluster's row, which the first stamp makes; two workers may do so at once."""
    ClusterBeat.objects.bulk_create(
        [ClusterBeat(cluster=cluster, host=host, started_at=now, task_at=now)],
        update_conflicts=True,
        unique_fields=["cluster"],
        update_fields=["task_at"],
    )


def record_result_kept(*, cluster: str, now: datetime) -> None:
    """Stamp a cluster's row when the result of a task has been recorded."""
    ClusterBeat.objects.filter(cluster=cluster).update(result_at=now)


def drop_old_beats(*, now: datetime) -> int:
    """Delete the rows of clusters that ended long ago; return how many."""
    return ClusterBeat.objects.filter(task_at__lt=now - KEPT).delete()[0]


def drop_old_failures(*, now: datetime) -> int:
    """Delete tasks that failed long ago, and all but the newest; return how many.

    The queue keeps 250 successes by itself and failures for ever: a fault of every minute would
    fill the disk with tracebacks.
    """
    newest = Failure.objects.order_by("-stopped", "-id").values_list("pk", flat=True)
    kept = list(newest.filter(stopped__gte=now - FAILURES_KEPT_FOR)[:FAILURES_KEPT])
    return int(Failure.objects.exclude(pk__in=kept).delete()[0])
