"""What people asked the workers to do: a page that follows it until it has ended."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django_q.tasks import async_task

from reconciliation.admin import columns as col
from reconciliation.admin import display, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.deciding_types import now
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import anchor, link, object_url
from reconciliation.admin.page import Block, Facts, Notice, Section, Table, strong
from reconciliation.admin.search import by_number
from reconciliation.enums import ENDED_ERRAND_STATUSES, CheckState, ErrandKind, ErrandStatus
from reconciliation.handlers.errands import SILENT_FOR, Asked
from reconciliation.models import Errand, Run

FOLLOWED_EVERY_SECONDS = 2


def follow(asked: Asked) -> HttpResponse | None:
    """Queue a new errand's task and lead to the page that follows it; None where it was refused."""
    if asked.errand is None:
        return None
    if asked.is_new:
        async_task(
            "reconciliation.tasks.do_errand",
            asked.errand.pk,
            task_name=str(asked.errand),
            group="asked for by a person",
        )
    return HttpResponseRedirect(object_url(Errand, asked.errand.pk))


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
        yield verdict(obj, now())
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
                ("Asked", display.moment(obj.asked_at)),
                ("Taken up", display.moment(obj.started_at)),
                ("Ended", display.moment(obj.finished_at)),
            ],
        )
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
    if waited > SILENT_FOR:
        return Notice(
            level="error",
            sentence=(
                f"Nothing was heard of it for {waited.total_seconds():.0f} s: no worker runs, or"
                " the one that did it has died. Ask for it again; if nothing happens then either,"
                " see whether the workers run."
            ),
        )
    if errand.status == ErrandStatus.ASKED:
        return Notice(
            level="warning",
            sentence=f"Waiting for a worker, for {waited.total_seconds():.0f} s so far.",
        )
    counted = f" ({errand.done} of {errand.total})" if errand.total else ""
    return Notice(level="warning", sentence=f"Under way: {display.text(errand.step)}{counted}.")


_FOUND = {
    CheckState.PASSED: "✓ passed",
    CheckState.WARNING: "! to look at",
    CheckState.FAILED: "✗ failed",
    CheckState.NOT_ASKED: "– not asked",
}


def check_table(errand: Errand) -> Table:
    """Return what a test of an account found: a line a part, in words, with the way out."""
    lines = errand.result.get("lines", [])
    return Table(
        title="What was tested",
        headings=["Part", "Result", "What was found", "What to do"],
        rows=[
            [
                display.text(each["part"]),
                _FOUND[CheckState(each["state"])],
                strong(display.text(each["says"]))
                if each["state"] == CheckState.FAILED
                else display.text(each["says"]),
                display.text(each["way_out"]),
            ]
            for each in lines
        ],
        empty="Nothing could be tested.",
        more=_set_up(errand),
        foreign=True,
    )


def _set_up(errand: Errand) -> str:
    if errand.account_id is None:
        return ""
    url = reverse("admin:console_setup_account", args=[errand.account_id])
    return anchor(url, "Back to the set-up of the account, to test it again")
