"""The queue's tables are there to look at: what runs when is the table of jobs' to say."""

from datetime import timedelta

import pytest
from django.db.models import Model
from django_q.models import Failure, OrmQ, Schedule, Success
from django_q.tasks import async_task

from tests.admin.pages import Console, address, column, list_address, object_address
from tests.builders import NOW

pytestmark = pytest.mark.django_db
MODELS = [Failure, OrmQ, Schedule, Success]


@pytest.fixture
def queue() -> dict[type[Model], Model]:
    """Return a row of each table; the schedule's last task is the one that failed."""
    values = {"func": "reconciliation.tasks.reconcile_account", "group": "reconcile an account"}
    times = {"started": NOW, "stopped": NOW + timedelta(seconds=2)}
    failed = Failure.objects.create(
        id="f" * 32, name="reconcile main", success=False, result="<b>boom</b>", **values, **times
    )
    done = Success.objects.create(
        id="e" * 32, name="reconcile other", result="other: SUCCEEDED", **values, **times
    )
    schedule = Schedule.objects.create(
        name="reconcile",
        func="reconciliation.tasks.reconcile_all",
        schedule_type=Schedule.MINUTES,
        minutes=1,
        next_run=NOW,
        task=failed.pk,
    )
    async_task("reconciliation.tasks.reconcile_account", 7, task_name="reconcile third")
    return {Failure: failed, Success: done, Schedule: schedule, OrmQ: OrmQ.objects.get()}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nobody_can_add_change_delete_or_resubmit(
    console: Console, queue: dict[type[Model], Model], model: type[Model]
):
    row = queue[model]
    before = list(model._default_manager.values())

    assert console.get(address(model, "add")).status_code == 403
    assert console.post(object_address(row), repeats="0").status_code == 403
    assert console.post(address(model, "delete", row.pk), post="yes").status_code == 403
    for action in ("delete_selected", "resubmit_task"):
        console.post(list_address(model), action=action, _selected_action=str(row.pk), post="yes")

    assert list(model._default_manager.values()) == before
    assert OrmQ.objects.count() == 1


def test_lists_and_pages_say_what_runs_and_how_it_went(
    console: Console, queue: dict[type[Model], Model]
):
    assert column(console.list_of(Schedule), "Runs") == ["every 1 min"]
    assert column(console.list_of(Success), "Result") == ["other: SUCCEEDED"]
    assert column(console.list_of(OrmQ), "Task") == ["reconcile third"]
    page = console.page_of(queue[Schedule])
    assert page.section("Schedule").href("failed") == object_address(queue[Failure])
    assert "&lt;b&gt;boom" in console.page_of(queue[Failure]).html
    assert console.page_of(queue[OrmQ]).section("Queued task").fact("Arguments") == "(7,)"


def test_a_schedule_that_was_switched_off_is_told_with_the_way_out(
    console: Console, queue: dict[type[Model], Model]
):
    Schedule.objects.update(repeats=0)
    (words,) = column(console.list_of(Schedule), "Runs")
    assert words == "never: switched off, its page or manage.py sync_schedules switches it on"
