"""Trades in the navigation, and the timeline of one: as many pages as its life is long."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from reconciliation.admin.base import may_view
from reconciliation.admin.console.pages import ConsolePage, render
from reconciliation.admin.deciding_types import now
from reconciliation.admin.links import changelist_url, label, object_url
from reconciliation.admin.timelines import parse_before, sums_up, timeline_table
from reconciliation.models import Trade
from reconciliation.selectors.timelines import load_timeline


def trades(request: HttpRequest) -> HttpResponse:
    """Show the list of trades."""
    return admin.site.get_model_admin(Trade).changelist_view(request)


def trade_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a page of a trade's timeline: the latest moments, or those before a place."""
    if not may_view(request, Trade):
        raise PermissionDenied
    trade = Trade.objects.select_related("account").filter(pk=pk).first() if pk < 2**63 else None
    try:
        before = parse_before(request.GET.dict())
    except ValueError:
        raise Http404("The address names no place of a timeline.") from None
    if trade is None:
        raise Http404(f"There is no trade {pk}.")
    timeline = load_timeline(trade, before=before)
    return render(
        request,
        title=f"Timeline of trade {label(trade)}",
        trail=[
            ("Trades", changelist_url(Trade)),
            (label(trade), object_url(Trade, trade.pk)),
        ],
        sections=[
            *sums_up(trade, timeline),
            timeline_table(trade, timeline, now(), is_newest=before is None),
        ],
        template="admin/console/timeline.html",
    )


PAGES = (
    # Named as Django names the list, so that links to it and its filters stay what they are.
    ConsolePage(
        name="reconciliation_trade_changelist",
        route="reconciliation/trade/",
        view=trades,
        title="Trades",
        answers="what is open, and what became of each trade",
        nav=True,
        key="t",
    ),
    ConsolePage(
        name="trade_timeline",
        route="reconciliation/trade/<int:pk>/timeline/",
        view=trade_timeline,
        title="Timeline of a trade",
        answers="What happened to one trade, moment by moment",
    ),
)
