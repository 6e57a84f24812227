"""Runs in the navigation, and the page that runs a job now."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from reconciliation.admin.console.pages import ConsolePage
from reconciliation.admin.console.run_now import run_now
from reconciliation.models import Run


def runs(request: HttpRequest) -> HttpResponse:
    """Show the list of runs."""
    return admin.site.get_model_admin(Run).changelist_view(request)


PAGES = (
    # Named as Django names the list, so that links to it and its filters stay what they are.
    ConsolePage(
        name="reconciliation_run_changelist",
        route="reconciliation/run/",
        view=runs,
        title="Runs",
        answers="which jobs ran, what they read and what they wrote; run one now",
        nav=True,
        key="u",
    ),
    ConsolePage(
        name="run_now",
        route="reconciliation/run/now/",
        view=run_now,
        title="Run a job now",
        answers="Read the exchange now rather than at the next interval",
    ),
)
