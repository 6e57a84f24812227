"""Pages on which people decide: offers on a row's page, a confirmation, the answer.

A GET writes nothing. A POST calls the handler with the version that the page showed; whoever may
not do it is refused by the handler, which records that he tried.
"""

from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from reconciliation.admin import display, supervision_tables, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.busy import Busy, busy_account
from reconciliation.admin.consequences import consequence_sections
from reconciliation.admin.deciding_forms import DecisionForm, note_of, shown_terms
from reconciliation.admin.deciding_types import Case, Desk, Preview, Told, Viewer
from reconciliation.admin.links import changelist_url, label, object_url, title
from reconciliation.admin.page import Section, gathered
from reconciliation.admin.seen import difference, sealed
from reconciliation.enums import DecisionRefusal

M = TypeVar("M", bound=Model)

FILTERS = "_changelist_filters"
DENIALS = frozenset({DecisionRefusal.DENIED, DecisionRefusal.SAME_PERSON})
MOVED_ON = frozenset(
    {
        DecisionRefusal.CONFLICT,
        DecisionRefusal.DECIDED_ALREADY,
        DecisionRefusal.NOT_REVERSIBLE,
        DecisionRefusal.UNKNOWN_ITEM,
    }
)
TITLES = {
    "approve": "Approve",
    "allocate": "Allocate",
    "reject": "Reject",
    "reopen": "Reopen",
    "refresh": "Read the evidence anew",
    "adopt": "Adopt",
    "ignore": "Ignore",
    "reverse": "Reverse",
}
"""The verbs by the words of their pages and buttons."""
KEYS = {
    "approve": "a",
    "adopt": "a",
    "allocate": "l",
    "reject": "x",
    "ignore": "x",
    "refresh": "e",
    "reopen": "o",
    "reverse": "v",
}
"""The keys of the buttons on a row's page."""
SAYS = {
    ("reviewitem", "approve"): "writes the exit that the books lack; no order is placed",
    ("reviewitem", "reject"): "keeps the books as they are; the slice is open again",
    ("backfillcandidate", "approve"): "books the fill as the exit of one slice",
    ("backfillcandidate", "reject"): "sets the fill aside as not ours; no books are written",
    ("", "allocate"): "books it in parts, each to a slice that you name",
    ("", "adopt"): "writes it into the books of a profile; no order is placed",
    ("", "ignore"): "marks it as not ours; no books are written",
    ("", "refresh"): "a worker reads the exchange again; nothing is decided",
    ("", "reopen"): "asks the question again",
    ("", "reverse"): "takes back what the decision wrote",
}
"""What pressing each button comes to, by the model and the verb."""


class DecidingAdmin(ReadOnlyAdmin[M]):
    """A list and pages of rows about which people decide; the rows themselves stay read-only."""

    def case(self, pk: int) -> Case | None:
        """Return a row as something to decide on, None where it is no such thing."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.decide_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_decide"
        return [path("<int:pk>/decide/<slug:verb>/", view, name=name), *super().get_urls()]

    def decide_url(self, pk: object, verb: str, filters: str = "") -> str:
        """Return the address of a confirmation page; `filters` are those of the list."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_decide"
        return _with(reverse(name, args=[pk, verb]), filters)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one row, and what this person may do about it now."""
        response = super().change_view(request, object_id, form_url, extra_context)
        context: dict[str, Any] | None = getattr(response, "context_data", None)
        is_number = object_id.isascii() and object_id.isdigit() and len(object_id) < 19
        case = self.case(int(object_id)) if is_number and context is not None else None
        if context is None or case is None:
            return response
        context["offers"] = self._offers(request, case)
        context |= self.stands_on_top(case)
        context["sections"] = [*context.pop("standing", ()), *context["sections"]]
        response.template_name = "admin/reconciliation/item.html"  # type: ignore[attr-defined]
        return response

    def stands_on_top(self, case: Any) -> dict[str, Any]:
        """Return what stands above the buttons of a row (`heads`), and how it is followed."""
        return {}

    def _offers(self, request: HttpRequest, case: Case) -> list[dict[str, str]]:
        filters = request.GET.get(FILTERS, "")
        object_id = case.row.pk
        return [
            {
                "key": KEYS.get(each.verb, ""),
                "says": SAYS.get(
                    (str(self.opts.model_name), each.verb), SAYS.get(("", each.verb), "")
                ),
                "label": each.label,
                "why_not": each.why_not,
                "url": "" if each.why_not else self.decide_url(object_id, each.verb, filters),
            }
            for each in case.offers(Viewer.of(request))
        ]

    def decide_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Show what a decision would write, or carry it out."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        case = self.case(pk) if pk < 2**63 else None
        if case is None or not case.rights(verb):
            raise Http404(f"There is no {self.opts.verbose_name} {pk} to {verb}.")
        if request.method == "POST":
            return self._decide(request, case, verb)
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        viewer = Viewer.of(request)
        if not viewer.may(*case.rights(verb)):
            return self._denied(request, case, f"{viewer.name} has not the right to do that")
        offered = {each.verb: each.why_not for each in case.offers(viewer)}
        if verb not in offered:
            return self._moved_on(request, case, verb, Told(sentence="it cannot be done any more"))
        if offered[verb]:
            return self._denied(request, case, offered[verb])
        form = DecisionForm(case, verb)
        return self._confirm(
            request, case, verb, form, case.preview(verb, form.initial_terms(), viewer)
        )

    def _decide(self, request: HttpRequest, case: Case, verb: str) -> HttpResponse:
        viewer = Viewer.of(request)
        form = DecisionForm(case, verb, request.POST)
        is_valid = form.is_valid()
        terms = form.terms()
        if not viewer.may(*case.rights(verb)):
            # The handler refuses it, and records that it was tried.
            told = case.decide(verb, terms, Desk.of(request))
            return self._denied(request, case, told.sentence)
        if not is_valid:
            return self._confirm(request, case, verb, form, Preview())
        shown = request.POST.get("shown")
        is_other = shown is not None and shown != shown_terms(terms)
        if "_preview" in request.POST or (is_other and case.is_waiting):
            preview = case.preview(verb, terms, viewer)
            note = "" if "_preview" in request.POST else _CHANGED_TERMS
            if preview.code is not None:
                form.refuse(preview.code, preview.sentence)
            return self._confirm(request, case, verb, form, preview, note=note)
        told = case.decide(verb, terms, Desk.of(request))
        if told.code is None:
            return self._next(request, case, told)
        if told.code in DENIALS:
            return self._denied(request, case, told.sentence)
        if told.code in MOVED_ON:
            return self._moved_on(request, case, verb, told)
        preview = case.preview(verb, terms, viewer)
        if told.code == DecisionRefusal.LOCKED:
            busy = busy_account(case.row.account_id, clock=Desk.of(request).clock)
            return busy.mark(self._confirm(request, case, verb, form, preview, busy=busy))
        form.refuse(told.code, told.sentence)
        return self._confirm(request, case, verb, form, preview)

    def _confirm(
        self,
        request: HttpRequest,
        case: Case,
        verb: str,
        form: DecisionForm,
        preview: Preview,
        *,
        note: str = "",
        busy: Busy | None = None,
    ) -> HttpResponse:
        # After a refusal or a bad number the terms shown are none: the next press shows them first.
        terms = form.terms() if form.is_bound else form.initial_terms()
        word = TITLES[verb]
        return self._page(
            request,
            case,
            "admin/reconciliation/decide.html",
            {
                "title": f"{word}: {title(case.row)}",
                "form": form,
                "shown": shown_terms(terms) if form.is_bound or not preview.code else "none",
                "word": "Propose" if preview.second and verb != "refresh" else word,
                "second": preview.second,
                "notional": preview.notional,
                "unwritten": note_of(preview) if preview.code and not form.errors else "",
                "note": note,
                "lines": preview.sentences if not preview.sections else (),
                "has_terms": bool(case.fields(verb) or form.takers),
                "again": busy is not None,
                "sections": [
                    *([] if busy is None else [busy.notice()]),
                    *gathered(case.facts()),
                    *gathered(self._effects(case, preview)),
                ],
                "seen": sealed(case),
                "filters": _filters(request),
            },
        )

    def _effects(self, case: Case, preview: Preview) -> list[Section]:
        """Return what will be written, and what that does to the profiles."""
        profile = getattr(case.row, "profile_id", None)
        ids = set() if profile is None else {profile}
        effects = consequence_sections(None if preview.code else preview.effect, ids)
        return [*preview.sections, *effects]

    def _next(self, request: HttpRequest, case: Case, told: Told) -> HttpResponse:
        """Lead to the next row that waits, as the list was filtered."""
        messages.success(request, f"{title(case.row)}: {display.text(told.sentence)}")
        filters = _filters(request)
        if told.stays:
            return HttpResponseRedirect(_with(object_url(type(case.row), case.row.pk), filters))
        if case.waiting().query.is_empty():
            return HttpResponseRedirect(object_url(type(case.row), case.row.pk))
        waiting = self._listed(request, filters).filter(
            pk__in=case.waiting().exclude(pk=case.row.pk).values("pk")
        )
        # The oldest waits longest; what somebody passed over comes again after the newest.
        newer = waiting.filter(pk__gt=case.row.pk).order_by("pk").first()
        following = newer or waiting.order_by("pk").first()
        if following is not None:
            return HttpResponseRedirect(_with(object_url(type(following), following.pk), filters))
        messages.info(request, "Nothing else waits here.")
        lookups = dict(QueryDict(filters).items())
        return HttpResponseRedirect(changelist_url(self.model, lookups))

    def _listed(self, request: HttpRequest, filters: str) -> QuerySet[Any]:
        """Return the rows of the list as it was filtered; all, where the filters are none of it."""
        asked = _Request(request, filters)
        try:
            found: QuerySet[Any] = self.get_changelist_instance(asked).queryset  # type: ignore[arg-type]
        except (IncorrectLookupParameters, SuspiciousOperation, ValidationError, ValueError):
            found = self.model._default_manager.all()
        return found

    def _denied(self, request: HttpRequest, case: Case, sentence: str) -> HttpResponse:
        context = {"title": "Not allowed", "sentence": capfirst(sentence), "filters": ""}
        template = "admin/reconciliation/denied.html"
        return self._page(request, case, template, context, status=403)

    def _moved_on(self, request: HttpRequest, case: Case, verb: str, told: Told) -> HttpResponse:
        """Show what has happened since; nothing was written, and the comment is kept."""
        fresh = self.case(int(case.row.pk)) or case
        shown = request.POST.get("version", "")
        is_decided = told.code == DecisionRefusal.DECIDED_ALREADY or not fresh.is_waiting
        newest = fresh.decisions().order_by("-pk").first()
        return self._page(
            request,
            fresh,
            "admin/reconciliation/conflict.html",
            {
                "title": "Decided already" if is_decided else "It has changed meanwhile",
                "sentence": capfirst(told.sentence),
                "newest": newest,
                "shown": shown,
                "version": fresh.version,
                "comment": request.POST.get("comment", ""),
                "again": "" if is_decided else self.decide_url(case.row.pk, verb),
                "reason": request.POST.get("reason", ""),
                "sections": gathered(
                    [
                        *difference(fresh, request.POST.get("seen", "")),
                        *fresh.facts(),
                        replace(
                            supervision_tables.decisions(
                                fresh.decisions(),
                                title="Decided so far",
                                lookups={},
                                empty="Nobody has decided on it.",
                            ),
                            url="",
                        ),
                        tables.audit_events_of(fresh.row, title="What happened to it"),
                    ]
                ),
                "filters": _filters(request),
            },
            status=409,
        )

    def _page(
        self,
        request: HttpRequest,
        case: Case,
        template: str,
        context: dict[str, Any],
        *,
        status: int = 200,
    ) -> HttpResponse:
        row_url = _with(object_url(type(case.row), case.row.pk), _filters(request))
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "list_title": self.list_title,
                "label": label(case.row),
                "row_url": row_url,
                **context,
            },
            status=status,
        )


_CHANGED_TERMS = (
    "The terms are not those whose effect was shown. This is what they would write: nothing is "
    "written yet, press again to do it."
)


class _Request:
    """A request as the list would get it, with the filters that it had."""

    def __init__(self, request: HttpRequest, filters: str) -> None:
        self._request = request
        self.GET = QueryDict(filters)
        self.method, self.POST = "GET", QueryDict("")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


def _filters(request: HttpRequest) -> str:
    return str(request.POST.get(FILTERS, request.GET.get(FILTERS, "")))


def _with(url: str, filters: str) -> str:
    return f"{url}?{urlencode({FILTERS: filters})}" if filters else url
