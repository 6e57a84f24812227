"""Say that one is at it: on an escalation's page, with a comment for those who come after."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from reconciliation.admin import display
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.deciding_terms import NO_RIGHT
from reconciliation.admin.deciding_types import Desk, Viewer
from reconciliation.admin.links import object_url, title
from reconciliation.admin.page import Notice, gathered
from reconciliation.admin.runbook_links import runbook_link
from reconciliation.enums import DecisionRefusal, EscalationKind, EscalationStatus
from reconciliation.handlers.escalations import MAY_ACKNOWLEDGE, acknowledge_escalation
from reconciliation.models import Escalation

_MEANS = (
    "Others see that you look after it. It changes nothing else: the escalation ends by itself"
    " when its cause is gone."
)
_ACCEPTS = (
    "You accept the values that the row has now: from the next run on it is compared and repaired"
    " again like every other. Compare it with the exchange first."
)


class AcknowledgeForm(forms.Form):
    """What one has found out, or will do."""

    comment = forms.CharField(
        label="Comment",
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What you have found out, or will do. It is kept in the audit trail.",
    )


class AcknowledgingAdmin(ReadOnlyAdmin[Escalation]):
    """The pages of escalations, with a button that says who is at it."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.acknowledge_view)
        name = "reconciliation_escalation_acknowledge"
        return [path("<int:pk>/acknowledge/", view, name=name), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show an escalation; one that nobody is at can be acknowledged."""
        response = super().change_view(request, object_id, form_url, extra_context)
        context: dict[str, Any] | None = getattr(response, "context_data", None)
        if context is not None and context["original"].status == EscalationStatus.OPEN:
            may = Viewer.of(request).may(*MAY_ACKNOWLEDGE)
            pk = context["original"].pk
            url = reverse("admin:reconciliation_escalation_acknowledge", args=[pk])
            offer = {"label": "Acknowledge", "key": "a", "why_not": "" if may else NO_RIGHT}
            context["offers"] = [offer | {"url": url if may else ""}]
        return response

    def acknowledge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Say what it means, then acknowledge."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = Escalation.objects.filter(pk=pk).first() if pk < 2**63 else None
        if row is None:
            raise Http404(f"There is no escalation {pk}.")
        if request.method != "POST":
            if not Viewer.of(request).may(*MAY_ACKNOWLEDGE):
                return self.denied_page(request, row, NO_RIGHT)
            return self._ask(request, row, AcknowledgeForm(label_suffix=""))
        form = AcknowledgeForm(request.POST, label_suffix="")
        if not form.is_valid():
            return self._ask(request, row, form)
        desk = Desk.of(request)
        answer = acknowledge_escalation(
            person=desk.person,
            escalation_id=pk,
            clock=desk.clock,
            comment=form.cleaned_data["comment"],
            settings_hash=desk.conf.hash(),
        )
        if answer.refusal == DecisionRefusal.DENIED:
            return self.denied_page(request, row, answer.says)
        if answer.refusal is None:
            messages.success(request, f"You are at it: escalation {pk} is acknowledged.")
        else:
            messages.warning(request, capfirst(display.text(answer.says)))
        return HttpResponseRedirect(object_url(Escalation, pk))

    def _ask(self, request: HttpRequest, row: Escalation, form: AcknowledgeForm) -> HttpResponse:
        kind = EscalationKind(row.kind)
        notice = Notice(
            level="warning", sentence=display.text(row.says), runbook=runbook_link(kind)
        )
        return self.page_about(
            request,
            row,
            "admin/reconciliation/decide.html",
            {
                "title": f"Acknowledge: {title(row)}",
                "form": form,
                "word": "Acknowledge",
                "lines": [_ACCEPTS if kind == EscalationKind.EDITED_OUTSIDE else _MEANS],
                "sections": gathered([notice]),
            },
        )
