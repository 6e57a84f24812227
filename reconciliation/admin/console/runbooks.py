"""The runbooks: what to do when something is wrong, beside the pages on which it is done."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from reconciliation.admin.console.documents import OTHERS, RUNBOOKS, Document, load_document
from reconciliation.admin.console.pages import ConsolePage, render

_DEEPEST = 3


def runbooks_view(request: HttpRequest) -> HttpResponse:
    """List the documents, with the sections of the runbooks."""
    return render(
        request,
        title="Runbooks",
        template="admin/console/runbooks.html",
        runbooks=[_listed(load_document(name)) for name in RUNBOOKS],
        others=[_listed(load_document(name)) for name in OTHERS],
    )


def runbook_view(request: HttpRequest, name: str) -> HttpResponse:
    """Show one document, with its contents beside it."""
    try:
        document = load_document(name)
    except KeyError:
        raise Http404(f"There is no runbook {name}.") from None
    return render(
        request,
        title=document.title,
        template="admin/console/runbook.html",
        trail=[("Runbooks", reverse("admin:runbooks"))],
        document=document,
        contents=[each for each in document.headings if 1 < each.level <= _DEEPEST],
    )


def _listed(document: Document) -> dict[str, object]:
    return {
        "title": document.title,
        "url": reverse("admin:runbook", args=[document.name]),
        "sections": [each for each in document.headings if each.level == 2],
    }


RUNBOOK_PAGES = (
    ConsolePage(
        name="runbooks",
        route="runbooks/",
        view=runbooks_view,
        title="Runbooks",
        answers="what to do when something is wrong, step by step",
        nav=True,
        key="b",
    ),
    ConsolePage(
        name="runbook",
        route="runbooks/<slug:name>/",
        view=runbook_view,
        title="Runbook",
        answers="One runbook",
    ),
)
