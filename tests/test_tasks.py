"""Jobs as the queue calls them: apart, asked again whether they are wanted, told in words."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django_q.models import OrmQ, Schedule, Task
from django_q.scheduler import scheduler

from reconciliation import conf, tasks
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.enums import Coverage, RunKind, RunStatus
from reconciliation.models import Escalation, EscalationSighting, ExchangeAccount, Run
from reconciliation.schedules import jobs, sync_schedules
from tests import builders
from tests.supervisor.scratch import environ

pytestmark = pytest.mark.django_db


@pytest.fixture
def cycles(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return the accounts whose cycle was run: none really is."""
    ran: list[str] = []

    def run(*, account: ExchangeAccount, ports: object) -> RunOutcome:
        ran.append(account.name)
        return RunOutcome(
            account=account.name,
            kind=RunKind.RECONCILE,
            status=RunStatus.FAILED,
            coverage=Coverage.NONE,
            run_id=7,
            error="nothing could be read: no network",
            counts={},
            unread={},
            row_errors=(),
        )

    for kind, job in tasks._JOBS.items():
        monkeypatch.setitem(tasks._JOBS, kind, replace(job, run=run))
    yield ran
    tasks._ports.cache_clear()


def ended(account: ExchangeAccount, *, seconds_ago: float, took: float = 1, **values: Any) -> Run:
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return builders.make_run(
        account, started_at=at - timedelta(seconds=took), finished_at=at, **values
    )


def test_each_enabled_account_gets_a_task_of_its_own() -> None:
    main, second = builders.make_account("main"), builders.make_account("second")
    builders.make_account("off", enabled=False)

    assert tasks.reconcile_all() == "queued: main, second"

    queued = [(row.func(), row.args(), row.name()) for row in OrmQ.objects.order_by("pk")]
    task = "reconciliation.tasks.reconcile_account"
    assert queued == [
        (task, (main.pk,), "reconcile main"),
        (task, (second.pk,), "reconcile second"),
    ]


def test_tasks_that_no_worker_gets_round_to_do_not_pile_up() -> None:
    for number in range(20):
        builders.make_account(f"account{number}")
    tasks.reconcile_all()
    tasks.heartbeat_all()
    assert tasks.reconcile_all().startswith("queued: ")
    assert tasks.heartbeat_all() == "60 tasks wait for a worker already: none is added"
    assert OrmQ.objects.count() == 60


def test_the_heartbeat_of_each_enabled_account_is_a_task_of_its_own() -> None:
    main = builders.make_account("main")
    assert tasks.heartbeat_all() == "queued: main"
    (row,) = OrmQ.objects.all()
    task = "reconciliation.tasks.heartbeat_account"
    assert (row.func(), row.args(), row.name()) == (task, (main.pk,), "heartbeat main")


def test_a_heartbeat_that_is_switched_off_is_neither_queued_nor_run(
    cycles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = builders.make_account()
    off = {"ENABLE_RECON_POSITION_PARITY_HEARTBEAT": "false"}
    monkeypatch.setattr(settings, "RECON_ENVIRON", off)
    tasks._ports.cache_clear()
    assert tasks.heartbeat_all().startswith("the heartbeat is off")
    assert tasks.heartbeat_account(account.pk) == "the heartbeat is off: nothing to do"
    assert cycles == []
    assert not OrmQ.objects.exists()


def test_a_run_of_one_job_keeps_none_of_the_other_away(cycles: list[str]) -> None:
    account = builders.make_account()
    ended(account, seconds_ago=20)
    assert "FAILED" in tasks.heartbeat_account(account.pk)
    assert cycles == ["main"]


def test_without_an_account_nothing_is_queued() -> None:
    assert tasks.reconcile_all() == "no account is enabled"
    assert not OrmQ.objects.exists()


def test_a_run_that_fails_for_an_expected_reason_is_a_sentence_and_no_failed_task(
    cycles: list[str],
) -> None:
    account = builders.make_account()
    words = tasks.reconcile_account(account.pk)
    assert cycles == ["main"]
    assert words == "main: FAILED, coverage NONE, run 7: nothing could be read: no network"


def test_an_account_that_was_disabled_meanwhile_is_left_alone(cycles: list[str]) -> None:
    account = builders.make_account(enabled=False)
    assert "is not enabled any more" in tasks.reconcile_account(account.pk)
    assert "is not enabled any more" in tasks.reconcile_account(account.pk + 1)
    assert cycles == []


def test_a_stalled_loop_is_told_of_without_an_exchange_and_one_of_a_disabled_account_is_not() -> (
    None
):
    for name, enabled in (("main", True), ("off", False), ("second", True)):
        account = builders.make_account(name, enabled=enabled)
        ended(account, seconds_ago=10 if name == "second" else 1000)

    for _ in range(2):
        assert tasks.watch_loops() == "looked at the loops of 3 accounts"
        (row,) = Escalation.objects.all()
        assert (row.kind, row.account.name, row.status) == ("LOOP_STALLED", "main", "OPEN")
    assert EscalationSighting.objects.get().count == 2
    tasks._ports.cache_clear()


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED])
def test_a_task_that_is_delivered_again_finds_its_work_done(
    cycles: list[str], status: RunStatus
) -> None:
    account = builders.make_account()
    ended(account, seconds_ago=20, status=status)
    assert "main: a run of it began 21 s ago and ended" in tasks.reconcile_account(account.pk)
    assert cycles == []


def test_after_half_an_interval_a_run_is_wanted_again(cycles: list[str]) -> None:
    account = builders.make_account()
    ended(account, seconds_ago=30)
    tasks.reconcile_account(account.pk)
    assert cycles == ["main"]


def test_a_slow_run_does_not_cost_the_next_one(cycles: list[str]) -> None:
    account = builders.make_account()
    ended(account, seconds_ago=25, took=35)
    tasks.reconcile_account(account.pk)
    assert cycles == ["main"]


def test_a_run_from_when_the_clock_was_wrong_keeps_none_away(cycles: list[str]) -> None:
    account = builders.make_account()
    ended(account, seconds_ago=-86_400)
    tasks.reconcile_account(account.pk)
    assert cycles == ["main"]


def test_a_run_of_one_profile_or_another_account_does_not_count(cycles: list[str]) -> None:
    account, other = builders.make_account(), builders.make_account("other")
    ended(account, seconds_ago=1, only_profile="alpha")
    ended(other, seconds_ago=1)
    tasks.reconcile_account(account.pk)
    assert cycles == ["main"]


def test_while_another_run_holds_the_account_it_comes_back_when_the_claim_is_over(
    cycles: list[str],
) -> None:
    account = builders.make_account()
    until = datetime.now(UTC) + timedelta(seconds=80)
    builders.make_run(account, status=RunStatus.RUNNING, claim_expires_at=until)

    assert "a run of it is under way" in tasks.reconcile_account(account.pk)
    tasks.reconcile_account(account.pk)

    assert cycles == []
    schedule = Schedule.objects.get()
    assert schedule.next_run == until
    assert schedule.schedule_type == Schedule.ONCE
    assert (schedule.func, ast.literal_eval(schedule.args)) == (
        "reconciliation.tasks.reconcile_account",
        (account.pk,),
    )


def test_a_claim_whose_time_is_over_is_taken_over(cycles: list[str]) -> None:
    account = builders.make_account()
    past = datetime.now(UTC) - timedelta(seconds=1)
    builders.make_run(account, status=RunStatus.RUNNING, claim_expires_at=past)
    tasks.reconcile_account(account.pk)
    assert cycles == ["main"]


def test_gateways_are_kept_within_a_process_and_made_anew_in_another() -> None:
    pid = os.getpid()
    ours = tasks._ports(pid)
    assert tasks._ports(pid) is ours
    assert tasks._ports(pid + 1) is not ours


def test_a_task_is_never_started_twice_while_it_runs_or_waits_in_the_cluster() -> None:
    queue = settings.Q_CLUSTER
    # One is run, `queue_limit` and one in the pusher's hand wait behind it: each for its time-out.
    assert queue["retry"] > queue["timeout"] * (queue["queue_limit"] + 2)
    assert (queue["bulk"], queue["max_attempts"], queue["ack_failures"]) == (1, 1, True)
    assert queue["catch_up"] is False


def test_the_pages_import_no_exchange_client() -> None:
    code = "import sys; import recon_portal.wsgi; sys.exit('ccxt' in sys.modules)"
    done = subprocess.run(  # noqa: S603  (our own code)
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env=environ("sqlite:///unused.sqlite3"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_on_one_database_queue_a_job_once() -> None:
    sync_schedules(jobs(conf.require({})), now=datetime.now(UTC))
    together = Barrier(2)

    def schedule() -> None:
        together.wait()
        scheduler()
        connections.close_all()

    threads = [Thread(target=schedule) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(row.func() for row in OrmQ.objects.all()) == [
        "reconciliation.tasks.checkpoint_audit",
        "reconciliation.tasks.heartbeat_all",
        "reconciliation.tasks.reconcile_all",
        "reconciliation.tasks.verify_audit",
        "reconciliation.tasks.watch_loops",
    ]


def test_the_watch_drops_failed_tasks_that_are_old_or_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reconciliation.handlers.jobs.FAILURES_KEPT", 2)
    now = datetime.now(UTC)
    for name, days in (("new", 0), ("yesterday", 1), ("last week", 7), ("long ago", 31)):
        at = now - timedelta(days=days)
        Task.objects.create(id=name, name=name, func="beat", started=at, stopped=at, success=False)
    Task.objects.create(id="done", name="done", func="beat", started=now, stopped=now, success=True)
    assert tasks.watch_loops().endswith("; dropped 2 old failed tasks")
    assert set(Task.objects.values_list("id", flat=True)) == {"new", "yesterday", "done"}
    assert "dropped" not in tasks.watch_loops()
    tasks._ports.cache_clear()
