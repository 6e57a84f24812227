"""Decide on several rows of a list: shown before, by the rows and versions that were seen, each
answered by itself after."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from reconciliation.admin import display, waiting
from reconciliation.admin.busy import busy_account
from reconciliation.admin.deciding import DENIALS, FILTERS, TITLES, DecidingAdmin
from reconciliation.admin.deciding_forms import DecisionForm
from reconciliation.admin.deciding_types import (
    Case,
    Desk,
    Preview,
    QueuedCase,
    Terms,
    Told,
    Viewer,
    now,
)
from reconciliation.admin.errands import FOLLOWED_EVERY_SECONDS
from reconciliation.admin.gates import nobodys_gates
from reconciliation.admin.links import changelist_url, link
from reconciliation.admin.page import Section, Table, gathered, strong
from reconciliation.admin.refreshing import errand_notice, is_followed, last_errand
from reconciliation.admin.safest import head_of
from reconciliation.domain.amounts import plain
from reconciliation.enums import DecisionReason, DecisionRefusal, Right
from reconciliation.selectors.queues import Queue, weigh

M = TypeVar("M", bound=Model)

MOST = 50
"""Rows at once: as many as a page of a list has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """A row that was selected. `preview` is None where nothing can be decided on it."""

    pk: int
    case: Case | None
    preview: Preview | None
    why_not: str


class BulkAdmin(DecidingAdmin[M]):
    """A list of which several rows can be decided on at once."""

    bulk: dict[str, tuple[Right, ...]] = {}
    """The verbs of the list, with the rights of which one is needed."""

    waits: tuple[str, ...] = ()
    """The statuses of the rows that wait: the list starts with those alone, the oldest first."""

    def case(self, pk: int) -> QueuedCase | None:
        """Return a row of the queue as something to decide on, None where it is no such thing."""
        raise NotImplementedError

    def stands_on_top(self, case: QueuedCase) -> dict[str, Any]:
        """Return the question, what is safest, and what became of reading the evidence anew."""
        if not case.is_waiting:
            return {}
        moment = now()
        queue = self.queue_of(case.row)
        urgent = None if queue is None else weigh([(queue, case.row)], now=moment)[0]
        heads: list[Section] = [
            head_of(case.row, "" if urgent is None else waiting.in_short(urgent, moment))
        ]
        found: dict[str, Any] = {"heads": heads}
        errand = last_errand(case.row.account, case.job, moment)
        if errand is not None or not case.tells_age:
            age = case.age()
            if errand is not None:
                heads.append(errand_notice(errand, age.seen_at, moment))
                followed = is_followed(errand, moment)
                found["refresh_seconds"] = FOLLOWED_EVERY_SECONDS if followed else 0
            if not case.tells_age:
                worth = None if urgent is None else urgent.notional_usd
                found["standing"] = nobodys_gates(case, age, worth, moment)
        return found

    def is_waiting_only(self, request: HttpRequest) -> bool:
        """Return whether only what waits is shown: nobody asked for other rows."""
        asked = request.GET
        others = {"waits", "q", "status__exact", "status__in", *self.narrowed_by}
        return bool(self.waits) and not any(asked.get(name) for name in others)

    def get_ordering(self, request: HttpRequest) -> Any:
        """Return the oldest first of what waits: what is overdue stands on top."""
        return ("id",) if self.is_waiting_only(request) else super().get_ordering(request)

    def queue_of(self, row: Any) -> Queue | None:
        """Return the queue in which a row waits; None where it waits in none."""
        raise NotImplementedError

    def _weigh(self, rows: Iterable[Any]) -> list[Any]:
        """Return the rows of a list, those that wait with how urgent they are."""
        shown = list(rows)
        queues = [(self.queue_of(row), row) for row in shown if row.status in self.waits]
        asked = [(queue, row) for queue, row in queues if queue is not None]
        for weighed in weigh(asked, now=now()):
            weighed.row.weighed = weighed  # type: ignore[union-attr]
        return shown

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the verbs that this person may choose; nothing else can be done to a list."""
        viewer = Viewer.of(request)
        return {
            f"{verb}_selected": (_choose, f"{verb}_selected", f"{TITLES[verb]} the selected rows")
            for verb, rights in self.bulk.items()
            if viewer.may(*rights)
        }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.bulk_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_bulk"
        return [path("decide/<slug:verb>/", view, name=name), *super().get_urls()]

    def bulk_url(self, verb: str) -> str:
        """Return the address of the confirmation of several rows."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_bulk", args=[verb])

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; chosen rows lead to their confirmation, whatever else was posted.

        Only rows with a mark on this page are meant: `select_across` is not known here.
        """
        verb = request.POST.get("action", "").removesuffix("_selected")
        if request.method == "POST" and verb in self.bulk:
            if not self.has_view_permission(request):
                raise PermissionDenied
            ids = [each for each in request.POST.getlist("_selected_action") if each.isdigit()]
            if ids:
                asked = QueryDict(mutable=True)
                asked.setlist("id", ids[:MOST])
                asked[FILTERS] = request.GET.urlencode()
                return HttpResponseRedirect(f"{self.bulk_url(verb)}?{asked.urlencode()}")
        everything = request.GET.copy()
        everything["waits"] = "all"
        response = super().changelist_view(
            request,
            {
                "is_waiting_only": self.is_waiting_only(request),
                "everything": f"?{everything.urlencode()}",
                **(extra_context or {}),
            },
        )
        shown = (getattr(response, "context_data", None) or {}).get("cl")
        if shown is not None:
            shown.result_list = self._weigh(shown.result_list)
            is_empty = self.is_waiting_only(request) and not shown.result_list
            response.context_data["all_answered"] = is_empty and self.rows().exists()  # type: ignore[attr-defined]
        return response

    def bulk_view(self, request: HttpRequest, verb: str) -> HttpResponse:
        """Show what deciding on the chosen rows would write, or do it row by row."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if verb not in self.bulk:
            raise Http404(f"Several rows cannot be decided on by {verb}.")
        viewer = Viewer.of(request)
        if request.method == "POST":
            return self._decide_all(request, verb, viewer)
        if not viewer.may(*self.bulk[verb]):
            raise PermissionDenied
        chosen = self._chosen(_numbers(request.GET.getlist("id")), verb, viewer)
        return self._confirm_all(request, verb, chosen)

    def _chosen(self, ids: Sequence[int], verb: str, viewer: Viewer) -> list[_Chosen]:
        found = []
        for pk in ids:
            case = self.case(pk)
            why = "it is no such question"
            preview = None
            if case is not None and case.rights(verb):
                offers = {each.verb: each.why_not for each in case.offers(viewer)}
                why = offers.get(verb, "it waits no more")
                if not why:
                    terms = DecisionForm(case, verb).initial_terms()
                    preview = case.preview(verb, terms, viewer)
                    why = preview.sentence if preview.code is not None else ""
            found.append(_Chosen(pk=pk, case=case, preview=preview, why_not=why))
        return found

    def _confirm_all(
        self, request: HttpRequest, verb: str, chosen: Sequence[_Chosen], error: str = ""
    ) -> HttpResponse:
        able = [each for each in chosen if not each.why_not and each.case is not None]
        worths = [each.preview.notional for each in able if each.preview is not None]
        known = [worth for worth in worths if worth is not None]
        unknown = len(worths) - len(known)
        total = plain(sum(known, Decimal(0)))
        rows = [
            [
                link(each.case.row) if each.case is not None else str(each.pk),
                _what(each),
                "" if each.preview is None else display.amount(each.preview.notional),
            ]
            for each in chosen
        ]
        form = _words_of(able, verb, request)
        return self._bulk_page(
            request,
            "admin/reconciliation/decide_bulk.html",
            {
                "title": f"{TITLES[verb]} {len(able)} of {len(chosen)} selected rows",
                "table": Table(
                    title="What will be written",
                    headings=["Row", "What will happen", "Notional (USD)"],
                    rows=rows,
                    empty="No row was selected.",
                ),
                "count": len(able),
                "total": f"{total} USD" + (f", and {unknown} of unknown worth" if unknown else ""),
                "items": [f"{each.pk}:{each.case.version}" for each in able if each.case],
                "form": form,
                "word": TITLES[verb],
                "error": error,
            },
        )

    def _decide_all(self, request: HttpRequest, verb: str, viewer: Viewer) -> HttpResponse:
        seen = dict(_pair(each) for each in request.POST.getlist("item")[:MOST])
        seen.pop(0, None)
        reason = request.POST.get("reason", "")
        why = DecisionReason(reason) if reason in DecisionReason.values else None
        comment = request.POST.get("comment", "")[:2000]
        may = viewer.may(*self.bulk[verb])
        missing = _missing(why, comment) if may else ""
        if missing:
            chosen = self._chosen(list(seen), verb, viewer)
            return self._confirm_all(request, verb, chosen, missing)
        rows, denied = [], 0
        locked: list[int] = []
        for pk, version in seen.items():
            case = self.case(pk)
            if case is None or not case.rights(verb):
                rows.append([str(pk), strong("not done"), "There is no such question."])
                continue
            values = DecisionForm(case, verb).initial_terms().values
            terms = Terms(version=version, reason=why, comment=comment, values=values)
            told = case.decide(verb, terms, Desk.of(request))
            denied += told.code in DENIALS
            if told.code == DecisionRefusal.LOCKED:
                locked.append(case.row.account_id)
            rows.append([link(case.row), *_answer(case, told)])
        if not may:
            raise PermissionDenied
        done = sum(1 for row in rows if row[1] == "done")
        response = self._bulk_page(
            request,
            "admin/reconciliation/decided_bulk.html",
            {
                "title": f"{TITLES[verb]}: {done} of {len(rows)} done",
                "table": Table(
                    title="Result of each row",
                    headings=["Row", "Result", "What was written, or why not"],
                    rows=rows,
                    empty="No row was given.",
                ),
            },
            status=403 if rows and denied == len(rows) else 200,
        )
        if locked and len(locked) == len(rows):
            busy_account(locked[0], clock=Desk.of(request).clock).mark(response)
        return response

    def _bulk_page(
        self, request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
    ) -> HttpResponse:
        filters = str(request.POST.get(FILTERS, request.GET.get(FILTERS, "")))
        table = gathered([context.pop("table")])
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "list_title": self.list_title,
                "list_url": changelist_url(self.model, dict(QueryDict(filters).items())),
                "filters": filters,
                "sections": table,
                **context,
            },
            status=status,
        )


def _choose(admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    """Do nothing: a choice leads to its confirmation before Django looks at it."""


def _words_of(able: Sequence[_Chosen], verb: str, request: HttpRequest) -> DecisionForm | None:
    """Return the fields for the one reason and comment of all rows."""
    first = next((each.case for each in able if each.case is not None), None)
    if first is None:
        return None
    given = {name: request.POST.get(name, "") for name in ("reason", "comment")}
    form = DecisionForm(first, verb, initial=given)
    for name in [name for name in form.fields if name not in given]:
        del form.fields[name]
    return form


def _what(each: _Chosen) -> str:
    if each.why_not or each.preview is None:
        return f"Left out: {display.text(each.why_not)}"
    words = "; ".join(map(display.text, each.preview.sentences))
    return f"{words} (proposed: {each.preview.second})" if each.preview.second else words


def _answer(case: Case, told: Told) -> list[str]:
    if told.code is None:
        return ["done", display.text(capfirst(told.sentence))]
    newest = case.decisions().order_by("-pk").first()
    by = "" if newest is None else f" Last decision: {newest}."
    return [strong("not done"), display.text(f"{told.code}: {told.sentence}.{by}")]


def _missing(reason: DecisionReason | None, comment: str) -> str:
    if reason is None:
        return "Choose a reason: it is kept with every row."
    if reason == DecisionReason.OTHER and not comment.strip():
        return "The reason OTHER needs a comment."
    return ""


def _numbers(words: Sequence[str]) -> list[int]:
    found = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 19]
    return list(dict.fromkeys(found))[:MOST]


def _pair(word: str) -> tuple[int, int]:
    """Return a row and its version; 0, 0 for what is none."""
    pk, _, version = word.partition(":")
    numbers = _numbers([pk]) + _numbers([version])
    return (numbers[0], numbers[-1]) if pk and version and numbers else (0, 0)
