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
from reconciliation.admin.deciding_forms import DecisionForm, note_of, shown_terms
from reconciliation.admin.deciding_types import Case, Desk, Preview, Told, Viewer
from reconciliation.admin.links import changelist_url, label, object_url, title
from reconciliation.admin.page import gathered
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
        offers = self._offers(request, object_id) if self.has_view_permission(request) else []
        return super().change_view(
            request, object_id, form_url, {"offers": offers, **(extra_context or {})}
        )

    def _offers(self, request: HttpRequest, object_id: str) -> list[dict[str, str]]:
        is_number = object_id.isascii() and object_id.isdigit() and len(object_id) < 19
        case = self.case(int(object_id)) if is_number else None
        if case is None:
            return []
        filters = request.GET.get(FILTERS, "")
        return [
            {
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
                    *gathered(preview.sections),
                ],
                "filters": _filters(request),
            },
        )

    def _next(self, request: HttpRequest, case: Case, told: Told) -> HttpResponse:
        """Lead to the next row that waits, as the list was filtered."""
        messages.success(request, f"{title(case.row)}: {display.text(told.sentence)}")
        filters = _filters(request)
        if told.sentence.startswith("queued"):
            return HttpResponseRedirect(_with(object_url(type(case.row), case.row.pk), filters))
        if case.waiting().query.is_empty():
            return HttpResponseRedirect(object_url(type(case.row), case.row.pk))
        waiting = self._listed(request, filters).filter(
            pk__in=case.waiting().exclude(pk=case.row.pk).values("pk")
        )
        older = waiting.filter(pk__lt=case.row.pk).order_by("-pk").first()
        following = older or waiting.order_by("-pk").first()
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
