"""Each row of the table of docs/operations.md, process × signal, with real processes.

Back means: a cycle has succeeded again and the console answers, no process is an orphan, and no
account was reconciled twice.
"""

import os
import signal

import pytest

from tests.supervisor.portal import Portal

pytestmark = pytest.mark.timeout(300)
# What run_portal promises, and what a busy machine may add to it.
STOP_SECONDS, SLACK = 10.0, 10.0


def send(portal: Portal, pid: int, number: signal.Signals) -> None:
    """Send a signal to a portal whose last run is long ago, and see it recover from that."""
    portal.forget()
    os.kill(pid, number)
    portal.wait_for_runs(1)
    portal.wait_until_whole()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_cluster_whose_idle_workers_are_ended_is_started_again(
    standing: Portal, number: signal.Signals
) -> None:
    main, _, workers, _, _ = standing.cluster()
    # Of two that wait one holds the queue's lock; without the other its loss is certain.
    os.kill(workers[0], number)
    send(standing, workers[1], number)
    assert standing.cluster()[0] != main


def test_a_cluster_whose_monitor_is_killed_is_started_again(standing: Portal) -> None:
    main, _, _, monitor, _ = standing.cluster()
    send(standing, monitor, signal.SIGKILL)
    assert standing.cluster()[0] != main


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_cluster_whose_sentinel_is_ended_is_started_again(
    standing: Portal, number: signal.Signals
) -> None:
    main, sentinel, *_ = standing.cluster()
    send(standing, sentinel, number)
    assert standing.cluster()[0] != main


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_cluster_whose_main_process_is_ended_is_started_again(
    standing: Portal, number: signal.Signals
) -> None:
    main, *_ = standing.cluster()
    send(standing, main, number)
    assert standing.cluster()[0] != main


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_web_server_that_is_ended_is_started_again(
    standing: Portal, number: signal.Signals
) -> None:
    web = standing.leader("gunicorn")
    os.kill(web, number)
    standing.wait_for("its end", lambda: web not in standing.children_of(standing.parent.pid))
    standing.wait_until_whole()


def test_a_web_worker_that_is_killed_is_started_again_by_the_web_server(standing: Portal) -> None:
    standing.wait_until_whole()
    web = standing.leader("gunicorn")
    (worker,) = standing.children_of(web)
    os.kill(worker, signal.SIGKILL)
    standing.wait_for("its end", lambda: worker not in standing.children_of(web))
    standing.wait_until_whole()
    assert standing.leader("gunicorn") == web


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_busy_worker_that_is_ended_leaves_its_claim_and_the_next_run_takes_it_over(
    portal: Portal, number: signal.Signals
) -> None:
    portal.exchange.faults.add("main", "positions", "timeout", times="always")
    os.kill(portal.busy_worker(), number)
    portal.exchange.faults.clear()
    portal.let_claims_end()
    portal.queue("reconciliation.tasks.reconcile_all")

    portal.wait_for_runs(1)
    (first, error), *_ = portal.runs()
    assert first == "FAILED"
    assert error.startswith("abandoned")
    portal.wait_until_whole()


def test_a_parent_that_gets_sigterm_ends_everything_within_ten_seconds_also_in_a_run(
    portal: Portal,
) -> None:
    portal.exchange.faults.add("main", "positions", "timeout", times="always")
    portal.busy_worker()
    os.kill(portal.parent.pid, signal.SIGTERM)
    assert portal.wait_for_end(STOP_SECONDS + SLACK) == 0
    assert "everything has ended" in portal.said()


def test_a_second_ctrl_c_ends_everything_at_once(portal: Portal) -> None:
    portal.exchange.faults.add("main", "positions", "timeout", times="always")
    portal.busy_worker()
    os.kill(portal.parent.pid, signal.SIGINT)
    portal.wait_for("the web's end", lambda: len(portal.children_of(portal.parent.pid)) == 1)
    os.kill(portal.parent.pid, signal.SIGINT)
    assert portal.wait_for_end(3 + SLACK) == 0
    assert "did not end in time and was killed" in portal.said()


def test_a_parent_that_is_killed_takes_everything_with_it_and_ctrl_c_ends_the_next(
    portal: Portal,
) -> None:
    portal.wait_until_whole()
    os.kill(portal.parent.pid, signal.SIGKILL)
    portal.parent.wait()
    portal.wait_for("the end of every process", lambda: portal.processes() == [])
    portal.parent = portal.start()
    portal.wait_for_runs(1)
    portal.wait_until_whole()
    os.kill(portal.parent.pid, signal.SIGINT)
    assert portal.wait_for_end(STOP_SECONDS + SLACK) == 0
