"""The button that runs a job now, on the list of runs and on the page of an account."""

from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.deciding_terms import NO_RIGHT
from reconciliation.admin.deciding_types import Viewer
from reconciliation.enums import ErrandKind
from reconciliation.handlers.errands import RIGHT_FOR

M = TypeVar("M", bound=Model)


def run_now_url(account: object = "") -> str:
    """Return the address of the page that runs a job, for one account or to be chosen."""
    url = reverse("admin:run_now")
    return f"{url}?{urlencode({'account': account})}" if account else url


def run_now_offer(viewer: Viewer, account: object = "") -> dict[str, str]:
    """Return the button that leads there, or why this person has none."""
    may = viewer.may(RIGHT_FOR[ErrandKind.RECONCILE])
    return {
        "label": "Run a job now",
        "url": run_now_url(account) if may else "",
        "why_not": "" if may else NO_RIGHT,
        "key": "n",
    }


class RunNowAdmin(ReadOnlyAdmin[M]):
    """A list and pages with a button that runs a job now."""

    change_list_template = "admin/reconciliation/run_list.html"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list with the button above it."""
        offers = [run_now_offer(Viewer.of(request))]
        return super().changelist_view(request, {"offers": offers, **(extra_context or {})})
