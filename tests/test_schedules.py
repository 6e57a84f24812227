"""The table of jobs is applied to the queue, whoever has had a hand on it in between."""

import json
from datetime import timedelta
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings
from django_q.models import Schedule

from reconciliation import conf
from reconciliation.schedules import (
    LATE,
    Job,
    NotInMinutes,
    SyncedSchedule,
    jobs,
    neglected,
    sync_schedules,
)
from tests.builders import NOW

pytestmark = pytest.mark.django_db
JOB = Job(name="reconcile", task="reconciliation.tasks.reconcile_all", minutes=1, meaning="")


def synced(*table: Job) -> list[SyncedSchedule]:
    return sync_schedules(table, now=NOW)


def row() -> dict[str, Any]:
    (found,) = Schedule.objects.filter(name="reconcile").values()
    return found


def test_every_job_of_the_table_names_a_task_that_there_is() -> None:
    for job in jobs(conf.require({})):
        module, _, name = job.task.rpartition(".")
        assert callable(getattr(import_module(module), name))
        assert job.meaning


def test_a_schedule_is_made_once_and_is_due_at_once() -> None:
    assert synced(JOB) == [SyncedSchedule(name="reconcile", outcome="created")]
    before = row()
    assert (before["schedule_type"], before["minutes"], before["next_run"]) == ("I", 1, NOW)
    assert synced(JOB) == [SyncedSchedule(name="reconcile", outcome="unchanged")]
    assert row() == before


@pytest.mark.parametrize(
    ("hand", "told"),
    [
        ({"repeats": 0}, "repeats: 0 → -1"),
        ({"minutes": 600}, "minutes: 600 → 1"),
        ({"schedule_type": "Y"}, "schedule_type: Y → I"),
        ({"func": "os.abort"}, "func: os.abort → reconciliation.tasks.reconcile_all"),
        ({"cluster": "another"}, "cluster: another → None"),
        ({"kwargs": "x=1"}, "kwargs: x=1 → None"),
        ({"next_run": None}, f"next_run: None → {NOW}"),
        ({"next_run": NOW + timedelta(days=9)}, f"next_run: {NOW + timedelta(days=9)} → {NOW}"),
    ],
)
def test_what_somebody_changed_is_repaired_and_told(hand: dict[str, Any], told: str) -> None:
    synced(JOB)
    before = row()
    Schedule.objects.update(**hand)
    assert synced(JOB) == [SyncedSchedule(name="reconcile", outcome="repaired", changes=(told,))]
    assert row() == before


def test_a_schedule_that_waits_for_its_next_minute_is_left_to_wait() -> None:
    synced(JOB)
    Schedule.objects.update(next_run=NOW + timedelta(seconds=59))
    assert synced(JOB)[0].outcome == "unchanged"


def test_a_double_and_a_job_that_is_no_more_are_deleted_and_what_others_made_is_kept() -> None:
    synced(JOB)
    Schedule.objects.create(name="reconcile", func=JOB.task)
    Schedule.objects.create(name="old", func="reconciliation.tasks.no_more", schedule_type="H")
    Schedule.objects.create(name="theirs", func="shop.tasks.clean", schedule_type="H")
    once = {"func": "reconciliation.tasks.reconcile_account", "schedule_type": Schedule.ONCE}
    Schedule.objects.create(name="reconcile main after a claim", **once)

    outcomes = [(each.name, each.outcome) for each in synced(JOB)]

    assert sorted(outcomes) == [
        ("old", "deleted"),
        ("reconcile", "deleted"),
        ("reconcile", "unchanged"),
    ]
    names = list(Schedule.objects.order_by("name").values_list("name", flat=True))
    assert names == ["reconcile", "reconcile main after a claim", "theirs"]


@pytest.mark.parametrize(
    "hand",
    [
        {"repeats": 0},
        {"func": "os.abort"},
        {"next_run": None},
        {"next_run": NOW - LATE - timedelta(seconds=1)},
        {"next_run": NOW + timedelta(seconds=61)},
    ],
)
def test_a_task_that_its_schedule_does_not_queue_in_time_is_neglected(hand: dict[str, Any]) -> None:
    assert neglected([JOB.task], now=NOW) == [JOB.task]
    synced(JOB)
    for next_run in (NOW, NOW - LATE, NOW + timedelta(seconds=60)):
        Schedule.objects.update(next_run=next_run)
        assert neglected([JOB.task], now=NOW) == []
    Schedule.objects.update(**hand)
    assert neglected([JOB.task], now=NOW) == [JOB.task]


def test_an_interval_of_whole_minutes_is_kept_and_another_one_is_refused() -> None:
    table = jobs(conf.require({"RECON_INTERVAL_SECONDS": "180"}))
    assert {job.name: job.minutes for job in table} == {
        "reconcile": 3,
        "heartbeat": 3,
        "watch": 1,
        "verify_audit": 24 * 60,
        "checkpoint_audit": 60,
    }
    with pytest.raises(NotInMinutes, match=r"90 is not a multiple of 60: .*=60"):
        jobs(conf.require({"RECON_INTERVAL_SECONDS": "90"}))


def test_the_command_tells_what_it_did() -> None:
    out = StringIO()
    call_command("sync_schedules", stdout=out)
    names = ["checkpoint_audit", "heartbeat", "reconcile", "verify_audit", "watch"]
    made = [word for name in names for word in (name, "created")]
    assert out.getvalue().split() == ["SCHEDULE", "OUTCOME", "CHANGES", *made]
    Schedule.objects.update(repeats=0)
    out = StringIO()
    call_command("sync_schedules", "--json", stdout=out)
    repaired = {"outcome": "repaired", "changes": ["repeats: 0 → -1"]}
    assert json.loads(out.getvalue()) == {
        "schedules": [{"name": name, **repaired} for name in names]
    }


def test_the_command_refuses_an_interval_that_no_schedule_can_keep() -> None:
    odd = {**settings.RECON_ENVIRON, "RECON_INTERVAL_SECONDS": "90"}
    with override_settings(RECON_ENVIRON=odd), pytest.raises(CommandError, match="90 is not"):
        call_command("sync_schedules")
    assert not Schedule.objects.exists()
