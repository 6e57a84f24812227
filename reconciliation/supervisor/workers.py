"""The cluster's own process: the queue's cluster, whose tasks and results leave a stamp each."""

import logging
import os
import socket
from typing import Any

import django

logger = logging.getLogger(__name__)

# Whoever starts a cluster names it by this, so that its workers stamp its row and no other's.
CLUSTER_ID = "PORTAL_CLUSTER_ID"


def run() -> None:
    """Be the cluster, until SIGTERM."""
    django.setup()
    from django.core.management import call_command
    from django.db import connections
    from django_q.signals import post_execute, pre_execute

    from reconciliation.supervisor.start import tell_settings

    tell_settings("workers")
    # What was read here must not be shared with the processes that are forked.
    connections.close_all()
    # The one is sent by the workers, the other by the process that has recorded a result.
    pre_execute.connect(stamp_task)
    post_execute.connect(stamp_result)
    call_command("qcluster")


def stamp_task(**kwargs: Any) -> None:
    """Stamp this cluster's row: a worker has taken a task."""
    from reconciliation.clock import SystemClock
    from reconciliation.handlers.jobs import record_task_taken

    try:
        record_task_taken(
            cluster=os.environ[CLUSTER_ID], host=socket.gethostname(), now=SystemClock().now()
        )
    except Exception as error:
        _missed(error)


def stamp_result(**kwargs: Any) -> None:
    """Stamp this cluster's row: the result of a task has been recorded."""
    from django.db import close_old_connections

    from reconciliation.clock import SystemClock
    from reconciliation.handlers.jobs import record_result_kept

    try:
        # The queue itself does so only when it has a result to save, which a beat's is not.
        close_old_connections()
        record_result_kept(cluster=os.environ[CLUSTER_ID], now=SystemClock().now())
    except Exception as error:
        _missed(error)


def _missed(error: Exception) -> None:
    # The queue's processes would die of it, and a stamp that is missed is missed by itself.
    logger.warning("a sign of life could not be recorded: %s: %s", type(error).__name__, error)


if __name__ == "__main__":
    run()
