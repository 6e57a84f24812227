"""Switch a job off, and on again: on the page of its schedule, with a reason, told to everybody."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django_q.models import Schedule

from reconciliation.admin import display
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.deciding_terms import NO_RIGHT
from reconciliation.admin.deciding_types import Desk, Viewer, load_conf
from reconciliation.admin.links import object_url
from reconciliation.admin.page import Notice, gathered
from reconciliation.admin.runbook_links import runbook_link
from reconciliation.enums import DecisionRefusal, EscalationKind, Right
from reconciliation.handlers.schedules import (
    MAY_BE_OFF,
    switch_schedule_off,
    switch_schedule_on,
)
from reconciliation.selectors.portal import STALLED_AFTER_INTERVALS

_WORDS = {"off": "Switch off", "on": "Switch on"}


class SwitchForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        label="Reason",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why: everybody is told, and it is kept in the trail."},
    )


class SwitchingAdmin(ReadOnlyAdmin[Schedule]):
    """The pages of schedules, with a button that switches a job of the portal off or on."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.switch_view)
        name = "django_q_schedule_switch"
        return [path("<int:pk>/switch/<slug:verb>/", view, name=name), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a schedule, and whether it can be switched now."""
        is_number = object_id.isascii() and object_id.isdigit() and len(object_id) < 19
        row = Schedule.objects.filter(pk=int(object_id)).first() if is_number else None
        offers = []
        if row is not None and row.name in MAY_BE_OFF:
            verb = "on" if row.repeats == 0 else "off"
            why = "" if Viewer.of(request).may(Right.SET_UP) else NO_RIGHT
            url = reverse("admin:django_q_schedule_switch", args=[row.pk, verb])
            offers.append({"label": _WORDS[verb], "why_not": why, "url": "" if why else url})
        return super().change_view(
            request, object_id, form_url, {"offers": offers, **(extra_context or {})}
        )

    def switch_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Say what it means and ask why, then switch."""
        # A POST goes on: who tries it without the right is told so, and it is recorded.
        if request.method != "POST" and not self.has_view_permission(request):
            raise PermissionDenied
        row = Schedule.objects.filter(pk=pk).first() if pk < 2**63 else None
        if row is None or row.name not in MAY_BE_OFF or verb not in _WORDS:
            raise Http404(f"There is no schedule {pk} to switch {verb}.")
        may = Viewer.of(request).may(Right.SET_UP)
        if request.method != "POST":
            return (
                self._ask(request, row, verb, SwitchForm())
                if may
                else self.denied_page(request, row, NO_RIGHT)
            )
        form = SwitchForm(request.POST)
        if not form.is_valid() and may:
            return self._ask(request, row, verb, form)
        desk = Desk.of(request)
        act = switch_schedule_off if verb == "off" else switch_schedule_on
        outcome = act(
            schedule=str(row.name),
            person=desk.person,
            reason=form.cleaned_data.get("reason", ""),
            clock=desk.clock,
            conf=desk.conf,
        )
        if outcome.refusal == DecisionRefusal.DENIED:
            return self.denied_page(request, row, outcome.said)
        level = messages.SUCCESS if outcome.changed and verb == "on" else messages.WARNING
        messages.add_message(request, level, capfirst(display.text(outcome.said)))
        return HttpResponseRedirect(object_url(Schedule, row.pk))

    def _ask(
        self, request: HttpRequest, row: Schedule, verb: str, form: SwitchForm
    ) -> HttpResponse:
        return self.page_about(
            request,
            row,
            "admin/reconciliation/decide.html",
            {
                "title": f"{_WORDS[verb]} {row.name}",
                "label": row.name,
                "form": form,
                "word": f"{_WORDS[verb]} {row.name}",
                "destroys": verb == "off",
                "sections": gathered([_warning(row, verb)]),
                "lines": _lines(row, verb),
            },
        )


def _warning(row: Schedule, verb: str) -> Notice:
    if verb == "on":
        return Notice(level="success", sentence="It runs again within a minute, and recurs.")
    sentence = {
        "reconcile": (
            "Nothing is found and nothing is repaired while the loop is off: divergence will only"
            " grow, and bots trade on books that nobody checks."
        ),
        "heartbeat": (
            "Ghosts and orphans are not found while the heartbeat is off, and the watchdog stops"
            " nobody: divergence of positions will only grow."
        ),
    }[str(row.name)]
    return Notice(
        level="error",
        sentence=sentence,
        runbook=runbook_link(EscalationKind.SCHEDULE_DISABLED),
    )


def _lines(row: Schedule, verb: str) -> list[str]:
    if verb == "on":
        return ["The escalation that it is off is resolved. The reason is kept in the trail."]
    minutes = load_conf().interval.total_seconds() * STALLED_AFTER_INTERVALS / 60
    after = {
        "reconcile": f"After {minutes:g} min health is down",
        "heartbeat": f"After {minutes:g} min health says that the heartbeat has not finished",
    }[str(row.name)]
    return [
        f"{after}, and bots are told STALE: they may open nothing new.",
        "Everybody is told by an escalation, SCHEDULE_DISABLED, until it is on again.",
        "To switch it on, come back to this page, or restart the portal: every start and"
        " manage.py sync_schedules switch it on.",
        "A run that is asked for by hand still works. To stop a profile's trading, pause the"
        " profile instead.",
    ]
