"""Everything that waits for a person in one table, the most urgent first."""

from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from reconciliation.admin import display
from reconciliation.admin.base import may_view
from reconciliation.admin.console.pages import ConsolePage, render
from reconciliation.admin.deciding_types import now
from reconciliation.admin.links import anchor, changelist_url, label, link, object_url
from reconciliation.admin.page import Table
from reconciliation.admin.waiting import due, severity
from reconciliation.domain.due import DUE_AFTER
from reconciliation.models import (
    BackfillCandidate,
    ExchangeAccount,
    ExternalOrder,
    Mismatch,
    Profile,
    ReviewItem,
)
from reconciliation.selectors.queues import (
    MOST,
    Narrowing,
    Queue,
    Queues,
    Row,
    Waiting,
    load_queues,
)

SHOWN = 100

TITLES = {
    Queue.QUARANTINE: "Quarantined slices",
    Queue.BACKFILL: "Missed exits",
    Queue.EXTERNAL_ORDERS: "Orders of nobody",
    Queue.FILLS: "Fills of nobody",
    Queue.ORPHANS: "Positions of nobody",
    Queue.SHORTFALLS: "Shared shortfalls",
}
_WAITING: dict[str, object] = {"status__in": "PENDING,PROPOSED"}
LISTS: dict[Queue, tuple[type[Row], dict[str, object]]] = {
    Queue.QUARANTINE: (ReviewItem, _WAITING),
    Queue.BACKFILL: (BackfillCandidate, _WAITING),
    Queue.EXTERNAL_ORDERS: (ExternalOrder, {"status__exact": "PENDING"}),
    Queue.FILLS: (Mismatch, {"status__exact": "OPEN", "kind__exact": "UNATTRIBUTED_FILL"}),
    Queue.ORPHANS: (Mismatch, {"status__exact": "OPEN", "kind__exact": "ORPHAN_POSITION"}),
    Queue.SHORTFALLS: (
        Mismatch,
        {"status__exact": "OPEN", "kind__exact": "POSITION_MISMATCH", "trade__isnull": "True"},
    ),
}
"""The list of each queue, with the lookups that leave what waits."""


def queues_view(request: HttpRequest) -> HttpResponse:
    """Show what waits, narrowed by queue, account, profile and symbol."""
    narrowing = _narrowing(request)
    models: set[type[Row]] = {model for model, _ in LISTS.values() if may_view(request, model)}
    moment = now()
    found = load_queues(narrowing, models=models, now=moment)
    profiles = Profile.objects.order_by("name") if may_view(request, Profile) else []
    accounts = (
        ExchangeAccount.objects.order_by("name") if may_view(request, ExchangeAccount) else []
    )
    return render(
        request,
        title="Queues",
        template="admin/console/queues.html",
        sections=[_table(found, narrowing, moment)],
        refresh_seconds=30,
        says=_says(found),
        lists=[
            (TITLES[queue], changelist_url(model, lookups))
            for queue, (model, lookups) in LISTS.items()
            if model in models
        ],
        queues=[(queue.value, TITLES[queue]) for queue in Queue],
        accounts=[(str(row.pk), label(row)) for row in accounts],
        profiles=[(str(row.pk), label(row)) for row in profiles],
        chosen={
            "queue": "" if narrowing.queue is None else narrowing.queue.value,
            "account": str(narrowing.account_id or ""),
            "profile": str(narrowing.profile_id or ""),
            "overdue": narrowing.overdue_only,
            "symbol": display.text(narrowing.symbol) if narrowing.symbol else "",
        },
    )


def _narrowing(request: HttpRequest) -> Narrowing:
    given = request.GET
    word = given.get("queue", "")
    return Narrowing(
        queue=Queue(word) if word in set(map(str, Queue)) else None,
        account_id=_number(given.get("account", "")),
        profile_id=_number(given.get("profile", "")),
        symbol=given.get("symbol", "").strip().replace("\0", "")[:64],
        overdue_only=given.get("overdue") == "1",
    )


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 19 else None


def _says(found: Queues) -> str:
    """Return in a sentence how much waits, and how much of it too long."""
    if not found.rows:
        return "Nothing waits for a person here."
    overdue = sum(1 for each in found.rows if each.is_overdue)
    more = " at least" if found.cut else ""
    hours = display.span(DUE_AFTER.total_seconds())
    late = f"{overdue} of them longer than {hours}" if overdue else f"none longer than {hours}"
    wait = "waits" if len(found.rows) == 1 else "wait"
    return f"{len(found.rows)}{more} {wait} for a person, {late}."


def _table(found: Queues, narrowing: Narrowing, moment: datetime) -> Table:
    note = "Overdue first, then the worst, then the oldest."
    if len(found.rows) > SHOWN:
        note += f" The most urgent {SHOWN} are shown."
    if found.cut:
        names = ", ".join(TITLES[queue] for queue in found.cut)
        note += f" Only the oldest {MOST} were looked at of: {names}; their lists show the rest."
    return Table(
        title="What waits",
        headings=[
            "Item",
            "Severity",
            "Due",
            "Queue",
            "Reason",
            "Notional (USD)",
            "Symbol",
            "Profile",
            "Account",
            "Waits since",
        ],
        rows=[_row(each, moment) for each in found.rows[:SHOWN]],
        empty="Nothing waits for a person here.",
        note=note,
    )


def _row(each: Waiting, moment: datetime) -> list[str]:
    row = each.row
    profile = None if isinstance(row, ExternalOrder) else row.profile
    model, lookups = LISTS[each.queue]
    filters = urlencode({"_changelist_filters": urlencode(lookups)})
    nobody = "not known" if isinstance(row, BackfillCandidate) else "of nobody"
    worth = "unknown" if each.notional_usd is None else display.amount(each.notional_usd)
    return [
        anchor(f"{object_url(model, row.pk)}?{filters}", label(row)),
        severity(each),
        due(each, moment),
        TITLES[each.queue],
        display.text(", ".join(each.reasons)) + (" (proposed)" if each.is_proposed else ""),
        worth,
        display.text(each.symbol),
        link(profile) if profile is not None else nobody,
        link(row.account),
        display.age(each.opened_at, moment),
    ]


QUEUES = ConsolePage(
    name="queues",
    route="queues/",
    view=queues_view,
    title="Queues",
    answers="what waits for a person, the most urgent first",
    beside=(
        "reconciliation_reviewitem_changelist",
        "reconciliation_backfillcandidate_changelist",
        "reconciliation_externalorder_changelist",
    ),
    nav=True,
    key="q",
)


def queues_url(queue: Queue | None = None) -> str:
    """Return the address of the page, narrowed to a queue."""
    url = reverse(f"admin:{QUEUES.name}")
    return url if queue is None else f"{url}?{urlencode({'queue': queue.value})}"
