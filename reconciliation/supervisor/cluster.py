"""The cluster of workers, and its pulse: a task that goes all the way through the queue.

A beat is queued every few seconds. The worker that takes it stamps the row of its own cluster, and
so does the process that records its result. That proves pusher, worker and monitor, which the mere
existence of their processes does not: one that is killed while it waits for a queue takes the
queue's lock with it, and its successor waits for ever.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from uuid import uuid4

from django.db import close_old_connections
from django_q.brokers import get_broker
from django_q.tasks import async_task

from reconciliation.clock import SystemClock
from reconciliation.domain.audit import system_actor
from reconciliation.models import ClusterBeat
from reconciliation.schedules import Job, mind_schedules, neglected
from reconciliation.supervisor.pulse import Sign
from reconciliation.supervisor.workers import CLUSTER_ID

logger = logging.getLogger(__name__)

SUPERVISOR = system_actor("supervisor")
BEAT = "reconciliation.tasks.beat"
# Whatever waits is as good a beat; and while no cluster comes up, they must not pile up.
ENOUGH_WAITING = 10
MIND_SECONDS = 60.0


class ClusterSource:
    """Queues beats and reads the stamps of the cluster that was started last.

    Where several clusters share a queue, a beat may go to another one; so as long as its own
    cluster is not heard of, a beat is queued at each look.
    """

    def __init__(
        self,
        *,
        every: float,
        catch_up: Sequence[str] = (),
        table: Sequence[Job] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._every = every
        self._catch_up = catch_up
        self._table = table
        self._monotonic = monotonic
        self._cluster = ""
        self._stamps: tuple[object, object] = (None, None)
        self._stamped_at: float | None = None
        self._mind_at = 0.0
        self._trouble = ""

    def begin(self) -> Mapping[str, str]:
        """Name the new cluster, so that no stamp of the one before is taken for its own."""
        self._cluster, self._stamps, self._stamped_at = uuid4().hex, (None, None), None
        return {CLUSTER_ID: self._cluster}

    def look(self) -> Sign:
        """Read the stamps, and queue the next beat when it is due."""
        cluster = self._cluster
        try:
            close_old_connections()
            sign = self._read(cluster)
            if sign is Sign.ALIVE:
                self._mind_schedules()
            if self._is_beat_due() and get_broker().queue_size() < ENOUGH_WAITING:
                async_task(BEAT, save=False, group="sign of life")
        except Exception as error:
            # Whatever the database or the broker raise: the cluster is not to blame for it.
            self._say(f"cannot ask the cluster for a sign of life: {type(error).__name__}: {error}")
            return Sign.UNKNOWN
        self._say("")
        return sign

    def _read(self, cluster: str) -> Sign:
        stamps = (
            ClusterBeat.objects.filter(cluster=cluster, result_at__isnull=False)
            .values_list("task_at", "result_at")
            .first()
        )
        # A busy cluster gives the one sooner than the other: only both together are a sign.
        if stamps is None or any(new == old for new, old in zip(stamps, self._stamps, strict=True)):
            return Sign.SILENT
        if self._stamped_at is None:
            # What the one before had taken is lost until it is due again: not for a minute or two.
            for task in self._catch_up:
                async_task(task, group="after a start")
            self._mind_at = self._monotonic() + MIND_SECONDS
        self._stamps, self._stamped_at = stamps, self._monotonic()
        return Sign.ALIVE

    def _is_beat_due(self) -> bool:
        return self._stamped_at is None or self._monotonic() - self._stamped_at >= self._every

    def _mind_schedules(self) -> None:
        """Queue what should recur and does not: a cluster that works may still fire nothing."""
        if self._monotonic() < self._mind_at:
            return
        self._mind_at = self._monotonic() + MIND_SECONDS
        for task in neglected(self._catch_up, now=SystemClock().now()):
            logger.error(
                "no schedule queues %s in time, so it is queued from here every minute; look among"
                " the scheduled tasks for one that is broken, and run `manage.py sync_schedules`",
                task,
            )
            async_task(task, group="its schedule is late")
        if self._table:
            for each in mind_schedules(self._table, clock=SystemClock(), actor=SUPERVISOR):
                if each.outcome != "unchanged":
                    logger.error("schedule %s was off and is %s", each.name, each.outcome)

    def _say(self, trouble: str) -> None:
        if trouble and not self._trouble:
            logger.warning("%s", trouble)
        elif self._trouble and not trouble:
            logger.info("the cluster can be asked for a sign of life again")
        self._trouble = trouble
