"""Mismatches: the two sides of each difference, and how often it was seen."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables, waiting
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.deciding_bulk import BulkAdmin
from reconciliation.admin.deciding_nobodys import RIGHTS, load_mismatch_case
from reconciliation.admin.deciding_shortfalls import ShortfallCase
from reconciliation.admin.deciding_types import QueuedCase
from reconciliation.admin.filters import WaitingFilter, WordFilter
from reconciliation.admin.kinds import MEANINGS, meaning
from reconciliation.admin.links import anchor, changelist_url, link
from reconciliation.admin.page import Block, Facts, Notice, Section
from reconciliation.admin.runbook_links import runbook_link, what_to_do
from reconciliation.admin.search import by_account_and_text, by_number, through
from reconciliation.admin.sides import compare_sides
from reconciliation.domain.order_rules import OrderRule
from reconciliation.enums import MismatchKind, MismatchStatus
from reconciliation.models import (
    Decision,
    Mismatch,
    MismatchSighting,
    Order,
    ReviewItem,
    Run,
    Trade,
)
from reconciliation.selectors.decisions import PARITY_PREFIX
from reconciliation.selectors.queues import Queue

_OF_NOBODY = (MismatchKind.UNATTRIBUTED_FILL, MismatchKind.ORPHAN_POSITION)

_QUEUES: Mapping[str, Queue] = {
    MismatchKind.UNATTRIBUTED_FILL: Queue.FILLS,
    MismatchKind.ORPHAN_POSITION: Queue.ORPHANS,
    MismatchKind.POSITION_MISMATCH: Queue.SHORTFALLS,
}


@admin.register(Mismatch)
class MismatchAdmin(BulkAdmin[Mismatch]):
    bulk = {"ignore": RIGHTS["ignore"]}
    note = (
        "Read-only: differences between the database and an exchange. Drift is exchange − "
        "database, in base units; a dash means that it is unknown or no quantity."
    )
    empty_text = (
        "No mismatch is recorded. The books are proven clean only as far as the latest run of "
        "each account succeeded with COMPLETE coverage."
    )
    list_display = (
        col.text("Status", "status"),
        col.text("Kind", "kind"),
        # When it was opened stands beside: for how long it waits would make the list too wide.
        *(each for each in waiting.columns() if each.title != "Waits"),
        col.moment("Opened", "opened_at"),
        col.whole_link("Profile", "profile"),
        col.text("Symbol", "symbol"),
        col.link("Trade", "trade"),
        col.signed("Drift", "drift"),
        tables.RESOLUTION,
        col.link("Order", "order"),
    )
    legend = MEANINGS
    legend_title = "What the kinds mean"
    list_defer = ("database_side", "exchange_side")
    list_display_links = (list_display[1],)
    waits = (MismatchStatus.OPEN.value,)
    list_filter = (
        WaitingFilter,
        ("status", WordFilter),
        ("kind", WordFilter),
        "account",
        "profile",
    )
    list_select_related = ("profile", "trade", "order", "sighting")
    narrowed_by = {
        "trade__isnull": None,
        "order__id__exact": Order,
        "trade__id__exact": Trade,
        "first_run__id__exact": Run,
        "sighting__last_run__id__exact": Run,
    }
    object_related = ("account", "profile", "trade", "order", "first_run", "sighting__last_run")
    search_by = (
        through("trade", Trade, by_account_and_text("trade_id")),
        through(
            "order",
            Order,
            by_account_and_text("client_order_id"),
            by_account_and_text("exchange_order_id"),
        ),
        by_number(),
    )
    search_help_text = (
        "A whole trade id, client order id or exchange order id, or the number of a mismatch."
    )

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return what can be done to a list of what is nobody's; other mismatches are repaired."""
        is_nobodys = request.GET.get("kind__exact") in _OF_NOBODY
        return super().get_actions(request) if is_nobodys else {}

    def queue_of(self, row: Mismatch) -> Queue | None:
        """Return where it waits for a person; the others are repaired by the cycles."""
        if row.profile_id is not None or row.trade_id is not None:
            return None
        return _QUEUES.get(row.kind)

    def case(self, pk: int) -> QueuedCase | None:
        """Return what of a mismatch is decided here: what is nobody's, and shared shortfalls."""
        row = Mismatch.objects.select_related("account", "profile").filter(pk=pk).first()
        if row is None:
            return None
        is_shared = (
            row.kind == MismatchKind.POSITION_MISMATCH
            and row.trade_id is None
            and row.key.startswith(PARITY_PREFIX)
        )
        return ShortfallCase(row) if is_shared else load_mismatch_case(row)

    def sections(self, obj: Mismatch) -> Iterable[Section]:
        sighting: MismatchSighting | None = getattr(obj, "sighting", None)
        if obj.status == MismatchStatus.OPEN and obj.trade is not None:
            yield _who_settles(obj, obj.trade)
        yield Facts(
            title="Mismatch",
            rows=[
                ("Status", display.text(obj.status)),
                ("Kind", display.text(obj.kind)),
                ("What it means", meaning(obj.kind) or display.NOTHING),
                *_judged(obj.exchange_side.get("rule")),
                ("Runbook", what_to_do(MismatchKind(obj.kind))),
                ("Symbol", display.text(obj.symbol)),
                ("Drift (exchange − database)", display.signed(obj.drift)),
                ("Profile", link(obj.profile) if obj.profile else "belongs to no profile"),
                ("Account", link(obj.account)),
                ("Trade", link(obj.trade)),
                ("Order", link(obj.order)),
                ("First seen by", link(obj.first_run)),
                *_sightings(sighting),
                ("Opened", display.moment(obj.opened_at)),
                ("Closed", display.moment(obj.closed_at)),
                ("Resolution", display.text(obj.resolution)),
                ("Key", display.text(obj.key)),
                ("Evidence hash", display.text(obj.evidence_hash)),
            ],
        )
        shown = {name: value for name, value in obj.exchange_side.items() if name != "rule"}
        yield from compare_sides(obj.database_side, shown, obj.account)
        yield supervision_tables.decisions(
            Decision.objects.filter(mismatch=obj),
            title="Decisions on this mismatch",
            lookups={"mismatch__id__exact": obj.pk},
            empty="Nobody has decided on this mismatch.",
        ).without("About")
        yield tables.audit_events_of(obj)
        if obj.order is not None:
            yield tables.audit_events_of(obj.order, title="Audit events of its order")
        if obj.trade is not None:
            yield tables.audit_events_of(obj.trade, title="Audit events of its trade")
        for title, side in (
            ("Database side", obj.database_side),
            ("Exchange side", obj.exchange_side),
        ):
            text = display.pretty_json(side)
            yield Block.of(title=title, text=text, folded="The record as it was written")


def _who_settles(obj: Mismatch, trade: Trade) -> Notice:
    """Return who closes a mismatch of a trade, and where a person is asked about it."""
    questions = changelist_url(ReviewItem, {"trade__id__exact": trade.pk})
    return Notice(
        level="warning",
        sentence=format_html(
            "It is open: the next runs repair what the evidence proves. What they cannot prove"
            " waits for a person: {}.",
            anchor(questions, f"Quarantine of {trade.trade_id or 'its trade'}"),
        ),
        runbook=runbook_link(MismatchKind(obj.kind)),
    )


def _judged(rule: object) -> list[tuple[str, str]]:
    """Return by which row of the decision table an order's difference was judged, in its words."""
    name = str(rule or "").upper()
    if not name:
        return []
    row = OrderRule.__members__.get(name)
    words = "" if row is None else f": {row.value.exchange}. {row.value.why}"
    return [("Judged by", f"{display.text(name)}{words}")]


def _sightings(sighting: MismatchSighting | None) -> list[tuple[str, str]]:
    if sighting is None:
        return [("Sightings", display.NOTHING)]
    return [
        ("Last seen by", link(sighting.last_run)),
        ("Last seen", display.moment(sighting.last_seen_at)),
        ("Sightings", str(sighting.count)),
        ("Look-ups that found no such order", str(sighting.not_found_count)),
        ("Confirmed by heartbeats in a row", str(sighting.streak)),
        ("Share of the difference", display.amount(sighting.quantity)),
        ("Mark", display.amount(sighting.mark)),
        ("Notional (USD)", display.amount(sighting.notional_usd)),
    ]


@admin.register(MismatchSighting)
class MismatchSightingAdmin(ReadOnlyAdmin[MismatchSighting]):
    note = "Read-only: how often, and when last, a run saw each mismatch."
    empty_text = "No mismatch has been seen."
    list_display = (
        col.Column("Sighting", lambda row: str(row.pk)),
        col.link("Mismatch", "mismatch"),
        col.text("Kind", "mismatch.kind"),
        col.text("Status", "mismatch.status"),
        col.text("Sightings", "count"),
        col.text("Not found", "not_found_count"),
        col.link("Last seen by", "last_run"),
        col.moment("Last seen", "last_seen_at"),
    )
    list_select_related = ("mismatch", "last_run")
    object_related = ("mismatch", "last_run")

    def sections(self, obj: MismatchSighting) -> Iterable[Section]:
        yield Facts(
            title="Sightings",
            rows=[
                ("Mismatch", link(obj.mismatch)),
                ("Kind", display.text(obj.mismatch.kind)),
                ("Symbol", display.text(obj.mismatch.symbol)),
                ("Status", display.text(obj.mismatch.status)),
                *_sightings(obj),
            ],
        )
