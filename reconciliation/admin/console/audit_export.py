"""Take the filtered events out: how many they are, in which format, and a file that is streamed."""

from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_http_methods

from reconciliation.admin.audit_urls import explorer_url
from reconciliation.admin.audit_verdict import NO_RIGHT
from reconciliation.admin.console.audit import counted, require_view
from reconciliation.admin.console.audit_verify import denied
from reconciliation.admin.console.pages import ConsolePage, render
from reconciliation.admin.deciding_types import Desk, Viewer
from reconciliation.domain.audit_export import ExportForm
from reconciliation.domain.audit_filter import AuditFilter, parse_filter
from reconciliation.enums import DecisionRefusal, Right
from reconciliation.handlers.audit_exports import CONTENT_TYPE, Refused, export_events
from reconciliation.selectors.audit import count_events

FORMS = {
    ExportForm.JSONL: "JSON, an event a line, as it was sealed",
    ExportForm.CSV: "CSV, for a spreadsheet",
}


@require_http_methods(["GET", "HEAD", "POST"])
def export(request: HttpRequest) -> HttpResponseBase:
    """Say what would be exported, or stream it; whoever may not is told so: that is an event."""
    require_view(request)
    given = request.POST if request.method == "POST" else request.GET
    asked, fault = _asked(given)
    if fault:
        return _page(request, asked, fault=fault, status=400)
    if request.method != "POST":
        may = Viewer.of(request).may(Right.EXPORT)
        return _page(request, asked) if may else denied(request, NO_RIGHT)
    form = given.get("format", "")
    if form not in FORMS:
        return _page(request, asked, fault="Choose a format.", status=400)
    desk = Desk.of(request)
    made = export_events(
        asked=asked, form=form, person=desk.person, conf=desk.conf, clock=desk.clock
    )
    if isinstance(made, Refused):
        if made.refusal == DecisionRefusal.DENIED:
            return denied(request, made.says)
        return _page(request, asked, fault=f"{made.says}.", status=409)
    response = StreamingHttpResponse(made.chunks(), content_type=CONTENT_TYPE)
    response["Content-Disposition"] = f'attachment; filename="{made.filename}"'
    response["Cache-Control"] = "no-store"
    return response


def _asked(given: QueryDict) -> tuple[AuditFilter, str]:
    """Return the filter, and what is wrong with it: no more may leave than was asked for."""
    words = {name: str(value) for name, value in given.items()}
    asked, faults = parse_filter(words)
    known = AuditFilter.__dataclass_fields__.keys() | {"format", "csrfmiddlewaretoken"}
    faults |= {name: "it has a null character" for name, text in words.items() if "\x00" in text}
    strangers = sorted(words.keys() - known)
    if strangers:
        faults[strangers[0]] = f"{strangers[0]!r} is no condition"
    told = "; ".join(f"{name}: {text}" for name, text in faults.items())
    return asked, f"Nothing was exported. {told}." if told else ""


def _page(
    request: HttpRequest, asked: AuditFilter, *, fault: str = "", status: int = 200
) -> HttpResponse:
    conditions = asked.as_text()
    return render(
        request,
        title="Export the audit trail",
        template="admin/console/audit_export.html",
        trail=[("Audit", explorer_url())],
        status=status,
        fault=fault,
        conditions=conditions,
        # Exactly, as the manifest will say it, but for what is added until the button is pressed.
        count="" if fault else counted(count_events(asked), is_whole=True),
        forms=[(form.value, words) for form, words in FORMS.items()],
        back_url=explorer_url(conditions),
    )


AUDIT_EXPORT = ConsolePage(
    name="audit_export",
    route="audit/export/",
    view=export,
    title="Export the trail",
    answers="a signed file of events, to be checked without the portal",
)
