"""Tables of decisions, positions compared, pauses, capital and escalations. Each is one query."""

from django.db.models import Model, QuerySet

from reconciliation.admin import columns as col
from reconciliation.admin.display import clipped, first_line, text
from reconciliation.admin.links import short_link
from reconciliation.admin.page import Grid
from reconciliation.admin.tables import Lookups, grid
from reconciliation.models import (
    AcceptedPosition,
    CapitalEntry,
    Decision,
    Escalation,
    ParityReading,
    Pause,
)

SUBJECTS = ("review", "candidate", "external_order", "fill", "mismatch")
# What a list that joins the subjects does not read of them.
LARGE_OF_SUBJECTS = (
    "review__evidence",
    "candidate__evidence",
    "external_order__raw",
    "fill__raw",
    "mismatch__database_side",
    "mismatch__exchange_side",
)


def subject(decision: Decision) -> Model | None:
    """Return the one thing that a decision is about, which the queryset must have joined."""
    for name in SUBJECTS:
        found: Model | None = getattr(decision, name)
        if found is not None:
            return found
    return None


SUBJECT = col.Column("About", lambda row: short_link(subject(row)))
SAYS = col.Column("Says", lambda row: first_line(row.says))
OUTCOME = col.Column("Outcome", lambda row: text(clipped(row.outcome, 160)))


def decisions(queryset: QuerySet[Decision], *, title: str, lookups: Lookups, empty: str) -> Grid:
    return grid(
        title,
        queryset.select_related(*SUBJECTS).defer("terms", *LARGE_OF_SUBJECTS).order_by("-id"),
        (
            col.itself("Decision"),
            col.text("Kind", "kind"),
            col.text("Reason", "reason"),
            SUBJECT,
            col.text("Maker", "maker_name"),
            col.text("Checker", "checker_name"),
            col.amount("Notional (USD)", "notional_usd"),
            col.moment("Decided", "decided_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def parity_readings(
    queryset: QuerySet[ParityReading], *, title: str, lookups: Lookups, empty: str
) -> Grid:
    return grid(
        title,
        queryset.select_related("run").defer("evidence").order_by("-id"),
        (
            col.itself("Reading"),
            col.text("Symbol", "symbol"),
            col.text("Side", "side"),
            col.text("Kind", "kind"),
            col.text("Streak", "streak"),
            col.signed("Slices", "virtual_quantity"),
            col.signed("Exchange", "actual_quantity"),
            col.amount("Mark", "mark"),
            OUTCOME,
            col.link("Run", "run"),
            col.moment("As of", "as_of"),
        ),
        lookups=lookups,
        empty=empty,
    )


def accepted_positions(
    queryset: QuerySet[AcceptedPosition], *, title: str, lookups: Lookups, empty: str
) -> Grid:
    return grid(
        title,
        queryset.select_related("decision").order_by("-id"),
        (
            col.itself("Accepted position"),
            col.signed("Quantity", "quantity"),
            col.link("Decision", "decision"),
            col.moment("Updated", "updated_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def pauses(queryset: QuerySet[Pause], *, title: str, lookups: Lookups, empty: str) -> Grid:
    return grid(
        title,
        queryset.defer("evidence", "end_evidence").order_by("-id"),
        (
            col.itself("Pause"),
            col.text("Source", "source"),
            col.Column("Reason", lambda row: first_line(row.reason)),
            col.moment("Started", "started_at"),
            col.text("Started by", "started_by"),
            col.moment("Ended", "ended_at"),
            col.text("Ended by", "ended_by"),
        ),
        lookups=lookups,
        empty=empty,
    )


def capital_entries(
    queryset: QuerySet[CapitalEntry], *, title: str, lookups: Lookups, empty: str
) -> Grid:
    return grid(
        title,
        queryset.select_related("run").order_by("-id"),
        (
            col.itself("Entry"),
            col.text("Cause", "cause"),
            col.signed("Allocated (USD)", "allocated_usd"),
            col.signed("Reserved (USD)", "reserved_usd"),
            col.signed("Used (USD)", "used_usd"),
            col.link("Run", "run"),
            col.moment("Recorded", "recorded_at"),
        ),
        lookups=lookups,
        empty=empty,
    )


def escalations(
    queryset: QuerySet[Escalation], *, title: str, lookups: Lookups, empty: str
) -> Grid:
    return grid(
        title,
        queryset.defer("detail").order_by("-id"),
        (
            col.itself("Escalation"),
            col.text("Kind", "kind"),
            col.text("Status", "status"),
            SAYS,
            col.moment("Opened", "opened_at"),
            col.moment("Resolved", "resolved_at"),
        ),
        lookups=lookups,
        empty=empty,
    )
