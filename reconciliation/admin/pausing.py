"""Stop a profile's trading, and let it go on: on the profile's page, with a reason."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from reconciliation.admin import deciding_types, display
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.console.profile import blocked_by
from reconciliation.admin.deciding_terms import NO_RIGHT
from reconciliation.admin.deciding_types import Desk, Viewer
from reconciliation.admin.links import object_url, title
from reconciliation.admin.page import Table, gathered
from reconciliation.enums import DecisionRefusal, GateReason, PauseSource, Right
from reconciliation.handlers.pauses import pause_profile, resume_profile
from reconciliation.models import Pause, Profile

REFRESH_SECONDS = 15
_SOURCES = {
    PauseSource.OPERATOR: "OPERATOR: a person stopped it",
    PauseSource.PARITY_WATCHDOG: "PARITY_WATCHDOG: the watchdog stopped it by itself",
}


_PAUSED = frozenset({GateReason.PAUSED_OPERATOR, GateReason.PAUSED_WATCHDOG})


class PauseForm(forms.Form):
    """Why; and for a resumption, whose pause is lifted."""

    reason = forms.CharField(
        label="Reason",
        max_length=500,
        required=True,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why: it is kept in the audit trail."},
    )

    def __init__(self, verb: str, held: list[str], data: Any = None) -> None:
        super().__init__(data, label_suffix="")
        if verb == "resume":
            choices = [(each, _SOURCES[PauseSource(each)]) for each in held]
            # One that the watchdog holds is never lifted without being named.
            self.fields = {
                "source": forms.ChoiceField(
                    label="Whose pause is lifted",
                    choices=[("", "choose a pause"), *choices],
                    initial=held[0] if held == [PauseSource.OPERATOR] else "",
                    error_messages={"required": "Name the pause that is to be lifted."},
                ),
                **self.fields,
            }


class PausingAdmin(ReadOnlyAdmin[Profile]):
    """The pages of profiles, with a button that stops trading and one that lets it go on."""

    object_template = "admin/reconciliation/profile.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.pause_view)
        return [
            path("<int:pk>/trading/<slug:verb>/", view, name="reconciliation_profile_trading"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a profile, and what can be done about its trading now."""
        is_number = object_id.isascii() and object_id.isdigit() and len(object_id) < 19
        if not is_number:
            # Not a row: the base answers that there is none.
            return super().change_view(request, object_id, form_url, extra_context)
        held = _held(int(object_id))
        why = "" if Viewer.of(request).may(Right.PAUSE) else NO_RIGHT
        verbs = [] if PauseSource.OPERATOR in held else [("pause", "Pause trading")]
        verbs += [("resume", "Resume trading")] if held else []
        offers = [
            {"label": words, "why_not": why, "url": "" if why else _url(object_id, verb)}
            for verb, words in verbs
        ]
        return super().change_view(
            request,
            object_id,
            form_url,
            {"offers": offers, "refresh_seconds": REFRESH_SECONDS, **(extra_context or {})},
        )

    def pause_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Ask why, then pause or resume."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        profile = None
        if pk < 2**63:
            profile = Profile.objects.select_related("account").filter(pk=pk).first()
        if profile is None or verb not in ("pause", "resume"):
            raise Http404(f"There is no profile {pk} to {verb}.")
        may = Viewer.of(request).may(Right.PAUSE)
        if request.method == "POST":
            return self._act(request, profile, verb, may=may)
        if not may:
            return self.denied_page(request, profile, NO_RIGHT)
        return self._ask(request, profile, verb, PauseForm(verb, _held(pk)))

    def _act(self, request: HttpRequest, profile: Profile, verb: str, *, may: bool) -> HttpResponse:
        form = PauseForm(verb, _held(profile.pk), request.POST)
        if not form.is_valid() and may:
            return self._ask(request, profile, verb, form)
        desk = Desk.of(request)
        given: dict[str, Any] = {
            "profile": profile,
            "person": desk.person,
            "reason": form.cleaned_data.get("reason", ""),
            "clock": desk.clock,
            "conf": desk.conf,
        }
        if verb == "pause":
            outcome = pause_profile(**given)
        else:
            source = form.cleaned_data.get("source") or PauseSource.OPERATOR
            outcome = resume_profile(source=PauseSource(source), **given)
        if outcome.refusal == DecisionRefusal.DENIED:
            return self.denied_page(request, profile, outcome.said)
        level = messages.SUCCESS if outcome.changed else messages.WARNING
        messages.add_message(request, level, capfirst(display.text(outcome.said)))
        return HttpResponseRedirect(object_url(Profile, profile.pk))

    def _ask(
        self, request: HttpRequest, profile: Profile, verb: str, form: PauseForm
    ) -> HttpResponse:
        rows = [
            [str(row.source), display.first_line(row.reason), display.moment(row.started_at)]
            for row in Pause.objects.open().filter(profile=profile).order_by("pk")
        ]
        told = {
            "pause": "The bots of this profile are told to open nothing new. Exits go on, and no"
            " order is canceled by the portal.",
            "resume": "Trading goes on when no pause holds any more. While the cause of a pause of"
            " the watchdog lasts, the next heartbeat pauses again.",
        }
        table = Table(
            title="Pauses that hold",
            headings=["Source", "Reason", "Started"],
            rows=rows,
            empty="No pause of this profile holds.",
        )
        return self.page_about(
            request,
            profile,
            "admin/reconciliation/decide.html",
            {
                "title": f"{capfirst(verb)} trading: {title(profile)}",
                "form": form,
                "word": f"{capfirst(verb)} trading",
                "lines": [told[verb], _afterwards(profile, verb)],
                # Before the first pause there is nothing that the next one is added to.
                "sections": gathered([table] if rows or verb == "resume" else []),
            },
        )


def _afterwards(profile: Profile, verb: str) -> str:
    """Return what the profile's bot is told afterwards, as far as it is known now."""
    desk_clock, conf = deciding_types.page_clock(), deciding_types.load_conf()
    reasons = blocked_by(profile, conf=conf, clock=desk_clock)
    if verb == "pause":
        if not reasons:
            return "Until now it may open new entries: that ends with the pause."
        return f"New entries are blocked already: {', '.join(reasons)}."
    others = [each for each in reasons if each not in _PAUSED]
    if others:
        return f"New entries stay blocked after it by: {', '.join(others)}."
    return "Nothing else blocks new entries: when the last pause is lifted, its bot may trade."


def _held(pk: int) -> list[str]:
    rows = Pause.objects.open().filter(profile_id=pk).order_by("pk")
    return list(rows.values_list("source", flat=True))


def _url(pk: object, verb: str) -> str:
    return reverse("admin:reconciliation_profile_trading", args=[pk, verb])
