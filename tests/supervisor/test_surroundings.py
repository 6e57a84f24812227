"""What the portal stands on goes away and comes back: the port, the database, the disk."""

import resource
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from django.conf import settings
from django.db import connection

from tests.supervisor.portal import NOT_ASKED, Portal
from tests.supervisor.scratch import Scratch, administer, environ

pytestmark = pytest.mark.timeout(300)


@contextmanager
def database_gone(scratch: Scratch) -> Iterator[None]:
    """Cut a database off: nobody may connect to it, or nobody may write to it."""
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(scratch.file, timeout=60, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            yield
            holder.execute("ROLLBACK")
        return
    administer(f"ALTER DATABASE {scratch.name} ALLOW_CONNECTIONS false")
    administer(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{scratch.name}'"
    )
    try:
        yield
    finally:
        administer(f"ALTER DATABASE {scratch.name} ALLOW_CONNECTIONS true")


def limit_files(portal: Portal, largest: int) -> None:
    """Let no process of a portal write a file beyond a size, as a full disk would."""
    for process in portal.processes():
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))


def test_a_database_that_was_gone_is_used_again_when_it_is_back(portal: Portal) -> None:
    portal.wait_for_runs(1)
    portal.wait_until_whole()
    portal.forget()
    with database_gone(portal.scratch):
        portal.wait_for("the parent's notice", lambda: NOT_ASKED in portal.said() or None)
        assert portal.parent.poll() is None
    again = "the cluster can be asked for a sign of life again"
    portal.wait_for("the parent's other notice", lambda: again in portal.said() or None)
    portal.queue("reconciliation.tasks.reconcile_all")

    portal.wait_for_runs(1)
    portal.wait_until_whole()
    assert portal.said().count("web started") == 1


def test_a_full_disk_ends_nothing_and_all_goes_on_when_there_is_space_again(portal: Portal) -> None:
    portal.wait_for_runs(1)
    portal.wait_until_whole()
    portal.forget()
    limit_files(portal, 0)
    if connection.vendor == "sqlite":
        portal.wait_for("the parent's notice", lambda: NOT_ASKED in portal.said() or None)
    assert portal.answers()
    assert portal.parent.poll() is None
    if connection.vendor == "sqlite":
        limit_files(portal, resource.RLIM_INFINITY)
    # A server has a disk of its own: on PostgreSQL ours being full keeps nothing from its work.
    portal.queue("reconciliation.tasks.reconcile_all")

    portal.wait_for_runs(1)
    portal.wait_until_whole()
    assert portal.said().count("web started") == 1


def test_a_port_in_use_is_named_with_the_way_out(original: Scratch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(  # noqa: S603  (our own command)
            [sys.executable, "manage.py", "run_portal", "--bind", f"127.0.0.1:{port}"],
            cwd=settings.BASE_DIR,
            env=environ(original.url),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert f"--bind: 127.0.0.1:{port} is in use by another process" in done.stderr
    assert f"--bind 127.0.0.1:{port + 1}" in done.stderr
    assert "Traceback" not in done.stderr
