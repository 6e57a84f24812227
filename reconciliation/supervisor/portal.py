"""The portal's own processes, web and cluster, and what must be right before they are started."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django_q.brokers import get_broker

from reconciliation.schedules import Job
from reconciliation.supervisor.cluster import ClusterSource
from reconciliation.supervisor.pulse import Pulse
from reconciliation.supervisor.supervise import Child
from reconciliation.supervisor.web import Address, WebSource, gunicorn_arguments

# A worker may be busy for 45 s with one task, and stamps each that it takes.
BEAT_LIMIT_SECONDS = 60.0
WEB_LIMIT_SECONDS = 30.0
_LONGEST_BEAT_SECONDS = 10.0


class CannotStart(RuntimeError):
    """Something that both processes need is missing; the text says what, and the way out."""


def require_ready() -> None:
    """Raise `CannotStart` while the tables are of another version or the broker does not answer.

    A database that cannot be reached raises its own error.
    """
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        names = ", ".join(f"{step.app_label}.{step.name}" for step, _ in waiting[:3])
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        raise CannotStart(
            f"the database lacks {len(waiting)} migrations ({names}{more}): run"
            " `manage.py migrate`, then start again"
        )
    if settings.REDIS_URL:
        try:
            get_broker().ping()
        except Exception as error:
            # The URL may hold a password, so neither it nor the error's text is shown.
            raise CannotStart(
                f"REDIS_URL: the broker does not answer ({type(error).__name__}); start it, or"
                " remove REDIS_URL to keep the queue in the database"
            ) from error


def web(address: Address, *, threads: int, environ: Mapping[str, str] = os.environ) -> Child:
    """Return the web server, which answers requests for as long as it is let."""
    source = WebSource(address, allowed_hosts=settings.ALLOWED_HOSTS)
    return Child(
        name="web",
        module="gunicorn",
        arguments=gunicorn_arguments(address, threads=threads),
        environ=environ,
        folder=Path(settings.BASE_DIR),
        pulse=Pulse(source, limit=WEB_LIMIT_SECONDS, every=WEB_LIMIT_SECONDS / 6),
    )


def cluster(
    *,
    table: Sequence[Job],
    limit: float = BEAT_LIMIT_SECONDS,
    environ: Mapping[str, str] = os.environ,
) -> Child:
    """Return the cluster of workers; the jobs of `table` are queued when it has started."""
    every = min(_LONGEST_BEAT_SECONDS, limit / 4)
    return Child(
        name="cluster",
        module="reconciliation.supervisor.workers",
        arguments=[],
        environ=environ,
        folder=Path(settings.BASE_DIR),
        pulse=Pulse(
            ClusterSource(every=every, catch_up=[job.task for job in table], table=table),
            limit=limit,
            every=min(2.0, every),
        ),
    )
