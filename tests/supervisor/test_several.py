"""Two portals on one database, as on two machines: they share the queue and nothing else."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.supervisor.portal import Portal

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def other(portal: Portal) -> Iterator[Portal]:
    second = Portal(portal.scratch, portal.exchange)
    yield second
    second.end()


def test_each_hears_of_its_own_cluster_and_an_account_is_reconciled_once(
    portal: Portal, other: Portal
) -> None:
    for each in (portal, other):
        each.wait_until_whole()
    beats = "SELECT host FROM reconciliation_clusterbeat WHERE result_at IS NOT NULL"
    portal.wait_for("both clusters", lambda: len(portal.scratch.ask(beats)) == 2 or None)
    portal.wait_for_runs(1)
    portal.forget()
    os.kill(other.parent.pid, signal.SIGKILL)
    other.parent.wait()
    portal.queue("reconciliation.tasks.reconcile_all")

    portal.wait_for_runs(1)
    assert "no sign of life" not in portal.said()
    assert "no sign of life" not in other.said()
