"""Tables of related rows, as several object pages show them. Each is one query."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model, QuerySet

from reconciliation.admin import columns as col
from reconciliation.admin.audit_urls import explorer_url
from reconciliation.admin.display import clipped, duration, first_line, text
from reconciliation.admin.links import changelist_url, link_to
from reconciliation.admin.objects import audit_word, audited_model
from reconciliation.admin.page import Grid
from reconciliation.admin.reads import events_of_fill, open_quantity, unbooked_quantity
from reconciliation.domain.audit_filter import AuditFilter
from reconciliation.models import (
    AuditEvent,
    BackfillCandidate,
    ExternalOrder,
    Fill,
    FillAllocation,
    Mismatch,
    Order,
    OrderLeg,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.audit import filtered_events

Lookups = Mapping[str, object]

OPEN_QUANTITY = col.computed_signed("Open quantity", open_quantity)
UNBOOKED_QUANTITY = col.computed_amount("Not booked", unbooked_quantity)
RUN_DURATION = col.Column("Duration", lambda run: duration(run.started_at, run.finished_at))
RUN_ERROR = col.Column("Error", lambda run: first_line(run.error))
RESOLUTION = col.Column("Resolution", lambda row: text(clipped(row.resolution, 160)))


def trades(queryset: QuerySet[Trade], *, title: str, lookups: Lookups, empty: str) -> Grid:
    return grid(
        title,
        queryset.order_by("-id"),
        (
            col.itself("Trade"),
            col.text("Status", "status"),
            col.text("Symbol", "symbol"),
            col.text("Direction", "direction"),
            OPEN_QUANTITY,
            col.moment("Opened", "opened_at"),
            col.moment("Closed", "closed_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def orders(queryset: QuerySet[Order], *, title: str, lookups: Lookups, empty: str) -> Grid:
    return grid(
        title,
        queryset.select_related("trade").order_by("-id"),
        (
            col.itself("Order"),
            col.short_text("Exchange order id", "exchange_order_id"),
            col.text("Purpose", "purpose"),
            col.text("Status", "status"),
            col.text("Side", "side"),
            col.amount("Quantity", "quantity"),
            col.amount("Filled", "filled_quantity"),
            col.amount("Average price", "average_price"),
            col.link("Trade", "trade"),
            col.moment("Placed", "created_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def history(queryset: QuerySet[TradeHistory], *, title: str, lookups: Lookups, empty: str) -> Grid:
    return grid(
        title,
        queryset.select_related("trade", "order", "run").order_by("-id"),
        (
            col.itself("Row"),
            col.link("Trade", "trade"),
            col.text("Source", "source"),
            col.amount("Quantity", "quantity"),
            col.amount("Booked", "booked_quantity"),
            col.amount("Price", "price"),
            col.yes_no("Estimated", "estimated"),
            col.link("Order", "order"),
            col.link("Run", "run"),
            col.moment("Executed", "executed_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def fills(queryset: QuerySet[Fill], *, title: str, lookups: Lookups, empty: str) -> Grid:
    return grid(
        title,
        queryset.select_related("run").order_by("-id"),
        (
            col.itself("Fill"),
            col.text("Kind", "kind"),
            col.text("Side", "side"),
            col.amount("Quantity", "quantity"),
            UNBOOKED_QUANTITY,
            col.amount("Price", "price"),
            col.short_text("Exchange order id", "exchange_order_id"),
            col.link("First read by", "run"),
            col.moment("Executed", "executed_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def allocations(
    queryset: QuerySet[FillAllocation], *, title: str, lookups: Lookups, empty: str
) -> Grid:
    return grid(
        title,
        queryset.select_related("fill", "trade", "history").order_by("-id"),
        (
            col.itself("Allocation"),
            col.link("Fill", "fill"),
            col.link("Trade", "trade"),
            col.link("History row", "history"),
            col.amount("Quantity", "quantity"),
            col.amount("Price", "fill.price"),
            col.Column("Effect", effect),
            col.moment("Recorded", "recorded_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def effect(allocation: FillAllocation) -> str:
    """Return what an allocation does to its fill, in words."""
    return "frees the fill again" if allocation.released else "books the fill"


def mismatches(queryset: QuerySet[Mismatch], *, title: str, lookups: Lookups, empty: str) -> Grid:
    return grid(
        title,
        queryset.select_related("trade", "order").order_by("-id"),
        (
            col.itself("Mismatch"),
            col.text("Status", "status"),
            col.text("Kind", "kind"),
            col.text("Symbol", "symbol"),
            col.signed("Drift", "drift"),
            col.link("Trade", "trade"),
            col.link("Order", "order"),
            col.moment("Opened", "opened_at"),
            RESOLUTION,
        ),
        lookups=lookups,
        empty=empty,
    )


def legs(queryset: QuerySet[OrderLeg], *, title: str, lookups: Lookups, empty: str) -> Grid:
    return grid(
        title,
        queryset.order_by("-id"),
        (
            col.itself("Exchange order id"),
            col.text("Kind", "kind"),
            col.moment("Recorded", "recorded_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def reviews(queryset: QuerySet[ReviewItem], *, title: str, lookups: Lookups, empty: str) -> Grid:
    return grid(
        title,
        queryset.select_related("trade", "fill").order_by("-id"),
        (
            col.itself("Item"),
            col.text("Status", "status"),
            col.text("Reason", "reason"),
            col.amount("Quantity", "quantity"),
            col.link("Trade", "trade"),
            col.link("Fill", "fill"),
            col.moment("Opened", "opened_at"),
            col.moment("Closed", "closed_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def candidates(
    queryset: QuerySet[BackfillCandidate], *, title: str, lookups: Lookups, empty: str
) -> Grid:
    return grid(
        title,
        queryset.select_related("trade", "fill").order_by("-id"),
        (
            col.itself("Candidate"),
            col.text("Status", "status"),
            col.text("Verdict", "verdict"),
            col.Column("Reasons", lambda row: text(", ".join(row.reasons))),
            col.text("Mode", "mode"),
            col.amount("Quantity", "quantity"),
            col.link("Trade", "trade"),
            col.link("Fill", "fill"),
            col.moment("Opened", "opened_at"),
            col.moment("Closed", "closed_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def external_orders(
    queryset: QuerySet[ExternalOrder], *, title: str, lookups: Lookups, empty: str
) -> Grid:
    return grid(
        title,
        queryset.order_by("-id"),
        (
            col.itself("Exchange order id"),
            col.text("Status", "status"),
            col.text("Symbol", "symbol"),
            col.text("Side", "side"),
            col.amount("Quantity", "quantity"),
            col.text("Why", "why"),
        ),
        lookups=lookups,
        empty=empty,
    )


def runs(queryset: QuerySet[Run], *, title: str, lookups: Lookups, empty: str) -> Grid:
    return grid(
        title,
        queryset.order_by("-started_at", "-id"),
        (
            col.itself("Run"),
            col.text("Kind", "kind"),
            col.text("Status", "status"),
            col.text("Coverage", "coverage"),
            col.moment("Started", "started_at"),
            RUN_DURATION,
            RUN_ERROR,
        ),
        lookups=lookups,
        empty=empty,
    )


AUDIT_COLUMNS = (
    col.itself("Event"),
    col.moment("Time", "occurred_at"),
    col.text("Actor", "actor_name"),
    col.text("Action", "action"),
    col.text("Outcome", "outcome"),
)


def audit_events_of(obj: Model, *, title: str = "", note: str = "") -> Grid:
    """Return the trail of one object."""
    word = audit_word(type(obj))
    return _audit(
        title or f"Audit events of this {word}",
        {"object_type": word, "object_id": str(obj.pk)},
        empty=f"No audit event names this {word}.",
        note=note,
    )


def audit_events_of_run(run: Run) -> Grid:
    return _audit(
        "Audit events of this run",
        {"run": run.pk},
        empty="This run has recorded no audit event: it changed nothing.",
    )


def audit_events_of_fill(fill: Fill) -> Grid:
    """Return the events of a fill, and those in which it was booked: these name the trade."""
    return Grid(
        title="Audit events of this fill",
        queryset=events_of_fill(fill).defer("payload").order_by("-sequence"),
        columns=(*AUDIT_COLUMNS, col.Column("Object", object_link)),
        order="newest",
        url="",
        empty="No audit event names this fill, and nothing is booked of it.",
        note="Booking a fill is an event of the trade that it is booked to.",
    )


def object_link(event: AuditEvent) -> str:
    """Return a link to the page of an event's object, without asking whether it exists."""
    words = text(f"{event.object_type} {event.object_id}".strip())
    model = audited_model(event.object_type, event.object_id)
    return words if model is None else link_to(model, event.object_id, words)


def _audit(title: str, asked: Mapping[str, Any], *, empty: str, note: str = "") -> Grid:
    """Return the events of a filter by the explorer's names, which is where the rest is."""
    return Grid(
        title=title,
        queryset=filtered_events(AuditFilter(**asked)).defer("payload"),
        columns=AUDIT_COLUMNS,
        order="newest",
        url=explorer_url(asked),
        empty=empty,
        note=note,
    )


def grid(
    title: str,
    queryset: QuerySet[Any],
    shown: tuple[col.Column, ...],
    *,
    lookups: Lookups,
    empty: str,
    note: str = "",
) -> Grid:
    return Grid(
        title=title,
        queryset=queryset,
        columns=shown,
        order="newest",
        url=changelist_url(queryset.model, lookups),
        empty=empty,
        note=note,
    )
