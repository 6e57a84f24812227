"""Ask the workers to verify the whole chain, and follow them."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from reconciliation.admin.audit_urls import explorer_url
from reconciliation.admin.console.audit import require_view
from reconciliation.admin.console.pages import ConsolePage, render
from reconciliation.admin.deciding_types import Desk
from reconciliation.admin.errands import follow
from reconciliation.enums import ErrandKind
from reconciliation.handlers.errands import ask_errand


@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """Ask for a verification; a person without the right sees why not, and that is an event."""
    require_view(request)
    desk = Desk.of(request)
    asked = ask_errand(
        kind=ErrandKind.VERIFY_AUDIT,
        account=None,
        person=desk.person,
        conf=desk.conf,
        clock=desk.clock,
    )
    return follow(asked) or denied(request, asked.said)


def denied(request: HttpRequest, said: str) -> HttpResponse:
    """Return the page that tells somebody that he may not, and what to do."""
    return render(
        request,
        title="Not allowed",
        template="admin/console/audit_denied.html",
        trail=[("Audit", explorer_url())],
        status=403,
        sentence=said[:1].upper() + said[1:],
        back_url=explorer_url(),
    )


AUDIT_VERIFY = ConsolePage(
    name="audit_verify",
    route="audit/verify/",
    view=verify,
    title="Verify the trail",
    answers="whether anybody changed the audit trail",
)
