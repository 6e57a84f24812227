"""The queue's own tables, to look at: django-q2's pages would let anyone change what runs when."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import Model
from django_q import admin as editable_pages
from django_q.models import Failure, OrmQ, Schedule, Success, Task

from reconciliation.admin import columns as col
from reconciliation.admin import display
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.links import link_to
from reconciliation.admin.page import Block, Facts, Notice, Section
from reconciliation.admin.runbook_links import runbook_link
from reconciliation.admin.search import by_number, by_text
from reconciliation.admin.switching import SwitchingAdmin
from reconciliation.enums import EscalationKind
from reconciliation.handlers.schedules import MAY_BE_OFF
from reconciliation.models import ClusterBeat

__all__ = ["editable_pages"]

# Theirs are registered by importing them; whoever comes last has the page.
for _model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


def how_often(schedule: Schedule) -> str:
    """Return when a schedule runs, in words."""
    if schedule.repeats == 0:
        return "never: switched off, its page or manage.py sync_schedules switches it on"
    if schedule.schedule_type == Schedule.MINUTES:
        return f"every {schedule.minutes or 1} min"
    return str(schedule.get_schedule_type_display()).lower()


def last_task(schedule: Schedule) -> str:
    """Return a link to the result of the task that a schedule has queued last."""
    task = Task.objects.filter(pk=schedule.task).only("pk", "success").first()
    if task is None:
        return "none yet"
    model: type[Model] = Success if task.success else Failure
    return link_to(model, task.pk, "succeeded" if task.success else "failed")


@admin.register(Schedule)
class ScheduleAdmin(SwitchingAdmin):
    note = (
        "The portal's own schedules are made and repaired by manage.py sync_schedules, which "
        "runs whenever the portal starts. A job can be switched off on its page, until then."
    )
    empty_text = "No schedule is set up: manage.py sync_schedules has not run yet."
    list_display = (
        col.text("Schedule", "name"),
        col.Column("Runs", how_often),
        col.moment("Next", "next_run"),
    )
    ordering = ("name", "id")
    search_by = (by_text("name"),)
    search_help_text = "The whole name of a schedule."

    def sections(self, obj: Schedule) -> Iterable[Section]:
        if obj.repeats == 0 and obj.name in MAY_BE_OFF:
            yield Notice(
                level="error",
                sentence=f"{obj.name} is switched off: divergence will only grow until it is on.",
                runbook=runbook_link(EscalationKind.SCHEDULE_DISABLED),
            )
        yield Facts(
            title="Schedule",
            rows=[
                ("Name", display.text(obj.name)),
                ("Task", display.text(obj.func)),
                ("Arguments", display.text(obj.args)),
                ("Runs", how_often(obj)),
                ("Next", display.moment(obj.next_run)),
                ("Last task", last_task(obj)),
            ],
        )


class _ResultAdmin(ReadOnlyAdmin[Task]):
    list_display = (
        col.Column("Task", lambda task: display.text(task.name)),
        col.text("Kind", "group"),
        col.Column("Result", lambda task: display.first_line(str(task.result or ""))),
        col.moment("Queued", "started"),
        col.moment("Ended", "stopped"),
    )
    list_defer = ("args", "kwargs")
    ordering = ("-stopped", "-id")
    search_by = (by_text("name"), by_text("pk"))
    search_help_text = "The whole name or id of a task."

    def sections(self, obj: Task) -> Iterable[Section]:
        yield Facts(
            title="Task",
            rows=[
                ("Name", display.text(obj.name)),
                ("Kind", display.text(obj.group)),
                ("Function", display.text(obj.func)),
                ("Arguments", display.text(obj.args)),
                ("Queued", display.moment(obj.started)),
                ("Ended", display.moment(obj.stopped)),
                ("Attempts", str(obj.attempt_count)),
            ],
        )
        yield Block.of(title="Result", text=str(obj.result or "nothing"))


@admin.register(Success)
class SuccessAdmin(_ResultAdmin):
    note = (
        "Read-only: tasks that did their work, the last 250. A run that FAILED for a reason that "
        "was to be expected is such work too: its row among the runs says more."
    )
    empty_text = "No task has ended yet: is the portal running?"


@admin.register(Failure)
class FailureAdmin(_ResultAdmin):
    note = (
        "Read-only: tasks that ended by an error nobody expected, or took too long. The next ones"
        " do their work; what is listed here is for an engineer."
    )
    empty_text = "No task has failed."


@admin.register(OrmQ)
class QueuedAdmin(ReadOnlyAdmin[OrmQ]):
    note = (
        "Read-only: tasks that wait, or that a worker has and has not answered for. One whose "
        "worker died is given to another after five minutes, and finds its work done."
    )
    empty_text = "Nothing waits in the database's queue."
    list_display = (
        col.Column("Task", lambda task: display.text(task.name())),
        col.Column("Kind", lambda task: display.text(task.group())),
        col.Column("Function", lambda task: display.text(task.func())),
        col.moment("Not given to another before", "lock"),
    )
    ordering = ("id",)
    search_by = (by_number(),)
    search_help_text = "The number of a queued task."

    def sections(self, obj: OrmQ) -> Iterable[Section]:
        yield Facts(
            title="Queued task",
            rows=[
                ("Name", display.text(obj.name())),
                ("Kind", display.text(obj.group())),
                ("Function", display.text(obj.func())),
                ("Arguments", display.text(obj.args())),
                ("Not given to another before", display.moment(obj.lock)),
            ],
        )


@admin.register(ClusterBeat)
class ClusterBeatAdmin(ReadOnlyAdmin[ClusterBeat]):
    note = (
        "Read-only: each start of a cluster of workers, and its last signs of life. The newest of"
        " a machine is the one that runs; one that is silent for a minute is started again."
    )
    empty_text = "No cluster has been started by manage.py run_portal."
    list_display = (
        col.name("Cluster"),
        col.text("Machine", "host"),
        col.moment("Started", "started_at"),
        col.moment("Took a task", "task_at"),
        col.moment("Recorded a result", "result_at"),
    )
    ordering = ("-task_at", "-id")
    search_by = (by_text("cluster"),)
    search_help_text = "The whole name of a cluster."

    def sections(self, obj: ClusterBeat) -> Iterable[Section]:
        yield Facts(
            title="Cluster",
            rows=[
                ("Name", display.text(obj.cluster)),
                ("Machine", display.text(obj.host)),
                ("Started", display.moment(obj.started_at)),
                ("Took a task", display.moment(obj.task_at)),
                ("Recorded a result", display.moment(obj.result_at)),
            ],
        )
