"""What people asked the workers to do: a page that follows it until it has ended."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django_q.models import OrmQ
from django_q.tasks import async_task

from reconciliation.admin import columns as col
from reconciliation.admin import display, tables
from reconciliation.admin.account_checks import check_table
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.deciding_types import now
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import anchor, changelist_url, link, object_url
from reconciliation.admin.page import Block, Facts, Lines, Notice, Section
from reconciliation.admin.run_sections import counts, parts
from reconciliation.admin.search import by_number
from reconciliation.enums import ENDED_ERRAND_STATUSES, ErrandKind, ErrandStatus, RunStatus
from reconciliation.handlers.errands import SILENT_FOR, Asked
from reconciliation.models import ClusterBeat, Errand, Run

FOLLOWED_EVERY_SECONDS = 2
# How the steps that a worker tells begin, in order.
_PHASES = ("reading", "comparing", "writing")


def follow(asked: Asked) -> HttpResponse | None:
    """Queue a new errand's task and lead to the page that follows it; None where it was refused."""
    if asked.errand is None:
        return None
    queue(asked)
    return HttpResponseRedirect(object_url(Errand, asked.errand.pk))


def queue(asked: Asked) -> None:
    """Queue the task of a new errand; one that is under way has its own already."""
    if asked.is_new and asked.errand is not None:
        async_task(
            "reconciliation.tasks.do_errand",
            asked.errand.pk,
            task_name=str(asked.errand),
            group="asked for by a person",
        )


@admin.register(Errand)
class ErrandAdmin(ReadOnlyAdmin[Errand]):
    list_title = "Asked for by people"
    note = "Read-only: what somebody asked the workers to do on a page, and what it came to."
    empty_text = "Nobody has asked the workers for anything."
    list_display = (
        col.Column("Errand", lambda row: str(row.pk)),
        col.text("Status", "status"),
        col.text("Kind", "kind"),
        col.whole_link("Account", "account"),
        col.text("Asked by", "asked_by"),
        col.moment("Asked", "asked_at"),
        col.text("Outcome", "says"),
    )
    list_defer = ("result",)
    list_filter = (("status", WordFilter), ("kind", WordFilter), "account")
    list_select_related = ("account",)
    narrowed_by = {"run__id__exact": Run}
    object_related = ("account", "run")
    search_by = (by_number(),)
    search_help_text = "The number of an errand."

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show an errand; while it is under way its page loads itself again."""
        response = super().change_view(request, object_id, form_url, extra_context)
        context: dict[str, Any] | None = getattr(response, "context_data", None)
        if context is not None and context["original"].status not in ENDED_ERRAND_STATUSES:
            context["refresh_seconds"] = FOLLOWED_EVERY_SECONDS
        return response

    def sections(self, obj: Errand) -> Iterable[Section]:
        moment = now()
        yield verdict(obj, moment)
        if obj.status not in ENDED_ERRAND_STATUSES:
            yield Lines(title="How far it is", lines=progress(obj, moment))
        if obj.kind == ErrandKind.CHECK_ACCOUNT and obj.result:
            yield check_table(obj)
        yield Facts(
            title="Errand",
            rows=[
                ("Kind", display.text(obj.kind)),
                ("Status", display.text(obj.status)),
                ("Account", link(obj.account)),
                ("Run", link(obj.run)),
                ("Asked by", display.text(obj.asked_by)),
                ("Asked", display.age(obj.asked_at, moment)),
                ("Taken up", display.age(obj.started_at, moment)),
                ("Ended", display.age(obj.finished_at, moment)),
            ],
        )
        if _is_silent(obj, moment):
            yield Lines(title="Whether the workers run", lines=_where_to_look())
        if obj.run is not None and obj.run.status != RunStatus.RUNNING:
            yield replace(counts(obj.run), title="What it found")
            yield parts(obj.run)
        if obj.kind != ErrandKind.CHECK_ACCOUNT and obj.result:
            yield Block.of(title="Result", text=display.pretty_json(obj.result))
        yield tables.audit_events_of(obj)


def verdict(errand: Errand, moment: datetime) -> Notice:
    """Return how far an errand is, or what it came to, in a sentence."""
    if errand.status == ErrandStatus.DONE:
        return Notice(level="success", sentence=display.text(errand.says or "Done."))
    if errand.status == ErrandStatus.FAILED:
        return Notice(level="error", sentence=display.text(errand.says))
    waited = moment - (errand.seen_at or errand.asked_at)
    if _is_silent(errand, moment):
        return Notice(
            level="error",
            sentence=(
                f"Nothing was heard of it for {waited.total_seconds():.0f} s: no worker runs, or"
                " the one that did it has died. Ask for it again; if nothing happens then either,"
                " see below whether the workers run."
            ),
        )
    if errand.status == ErrandStatus.ASKED:
        return Notice(
            level="warning",
            sentence=f"Waiting for a worker, for {waited.total_seconds():.0f} s so far.",
        )
    counted = f" ({errand.done} of {errand.total})" if errand.total else ""
    return Notice(level="warning", sentence=f"Under way: {display.text(errand.step)}{counted}.")


def progress(errand: Errand, moment: datetime) -> list[str]:
    """Return the phases of an errand that runs a job, the one that it is in with its seconds."""
    asked_for = (moment - errand.asked_at).total_seconds()
    if errand.status == ErrandStatus.ASKED:
        return [f"now: waiting for a worker, {asked_for:.0f} s", *(f"then: {p}" for p in _PHASES)]
    at = next((n for n, each in enumerate(_PHASES) if errand.step.startswith(each)), None)
    if at is None:
        return [f"now: {display.text(errand.step)}, {asked_for:.0f} s since it was asked for"]
    since = (moment - (errand.seen_at or errand.asked_at)).total_seconds()
    return [
        "done: waiting for a worker",
        *(f"done: {each}" for each in _PHASES[:at]),
        f"now: {_PHASES[at]}, {since:.0f} s ({asked_for:.0f} s since it was asked for)",
        *(f"then: {each}" for each in _PHASES[at + 1 :]),
    ]


def _is_silent(errand: Errand, moment: datetime) -> bool:
    if errand.status in ENDED_ERRAND_STATUSES:
        return False
    return moment - (errand.seen_at or errand.asked_at) > SILENT_FOR


def _where_to_look() -> list[str]:
    return [
        format_html(
            "The {} show when a worker last took a task, and when a result was last kept.",
            anchor(changelist_url(ClusterBeat), "signs of life of the workers"),
        ),
        format_html("The {} show what waits for a worker.", anchor(changelist_url(OrmQ), "tasks")),
        "docs/operations.md, “Running it” and “What happens when a process is killed”, says how to"
        " start them again.",
    ]
