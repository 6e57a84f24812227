"""Positions compared: streaks, readings with both sides, marks, and what a person accepted."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.kinds import PARITY_MEANINGS, parity_meaning
from reconciliation.admin.links import link
from reconciliation.admin.page import Block, Facts, Notice, Section
from reconciliation.admin.reads import same_position
from reconciliation.admin.runbook_links import what_to_do
from reconciliation.admin.search import by_account_and_text, by_number
from reconciliation.enums import ParityKind
from reconciliation.models import (
    AcceptedPosition,
    Decision,
    MarkPrice,
    ParityReading,
    ParityWatch,
    Run,
)

THE_SYMBOL = "A whole symbol."


def _readings(queryset: QuerySet[ParityReading], symbol: str, account: int) -> Section:
    return supervision_tables.parity_readings(
        queryset,
        title="Latest readings of this position",
        lookups={"account__id__exact": account, "q": symbol},
        empty="No heartbeat found this position other than equal.",
    ).without("Symbol", "Side")


@admin.register(ParityWatch)
class ParityWatchAdmin(ReadOnlyAdmin[ParityWatch]):
    note = (
        "Read-only: what the heartbeat came to for each position, and how many heartbeats in a row "
        "came to the same. UNKNOWN and FRESH leave a streak as it is."
    )
    legend = PARITY_MEANINGS
    legend_title = "What the kinds mean"
    empty_text = "No heartbeat has compared a position yet."
    list_display = (
        col.Column("Watch", lambda row: str(row.pk)),
        col.text("Symbol", "symbol"),
        col.text("Side", "side"),
        col.text("Kind", "kind"),
        col.text("Streak", "streak"),
        col.text("Left alone", "fresh_count"),
        col.whole_link("Account", "account"),
        col.link("Last run", "last_run"),
        col.moment("Counted as of", "counted_as_of"),
    )
    list_filter = (("kind", WordFilter), ("side", WordFilter), "account")
    list_select_related = ("account", "last_run")
    narrowed_by = {"last_run__id__exact": Run}
    object_related = ("account", "last_run")
    search_by = (by_account_and_text("symbol"),)
    search_help_text = THE_SYMBOL

    def sections(self, obj: ParityWatch) -> Iterable[Section]:
        yield Facts(
            title="Streak",
            rows=[
                ("Account", link(obj.account)),
                ("Symbol", display.text(obj.symbol)),
                ("Side", display.text(obj.side)),
                ("Kind", display.text(obj.kind)),
                ("What it means", parity_meaning(obj.kind) or display.NOTHING),
                ("Heartbeats in a row", str(obj.streak)),
                ("Last counted as of", display.moment(obj.counted_as_of)),
                ("Left alone for fresh activity, in a row", str(obj.fresh_count)),
                ("Last run", link(obj.last_run)),
                ("Fingerprint", display.text(obj.fingerprint)),
            ],
        )
        yield _readings(same_position(obj), obj.symbol, obj.account_id)


@admin.register(ParityReading)
class ParityReadingAdmin(ReadOnlyAdmin[ParityReading]):
    note = (
        "Read-only: both sides of a position as one heartbeat read them, wherever they were not "
        "simply equal. A dash is unknown, never zero."
    )
    legend = PARITY_MEANINGS
    legend_title = "What the kinds mean"
    empty_text = (
        "No heartbeat found a position other than equal. That is proven only as far as the latest "
        "heartbeat of each account succeeded with COMPLETE coverage."
    )
    list_display = (
        col.Column("Reading", lambda row: str(row.pk)),
        col.text("Symbol", "symbol"),
        col.text("Side", "side"),
        col.text("Kind", "kind"),
        col.text("Streak", "streak"),
        col.signed("Slices", "virtual_quantity"),
        col.signed("Exchange", "actual_quantity"),
        col.yes_no("Dry run", "dry_run"),
        col.whole_link("Account", "account"),
        col.link("Run", "run"),
        col.moment("As of", "as_of"),
    )
    list_defer = ("evidence", "outcome")
    list_filter = (("kind", WordFilter), ("side", WordFilter), "dry_run", "account")
    list_select_related = ("account", "run")
    narrowed_by = {"run__id__exact": Run}
    object_related = ("account", "run")
    search_by = (by_account_and_text("symbol"), by_number())
    search_help_text = "A whole symbol, or the number of a reading."

    def sections(self, obj: ParityReading) -> Iterable[Section]:
        if obj.dry_run:
            yield Notice(
                level="warning",
                sentence="This was a dry run: nothing was closed and nothing was quarantined.",
            )
        yield Facts(
            title="Reading",
            rows=[
                ("Account", link(obj.account)),
                ("Symbol", display.text(obj.symbol)),
                ("Side", display.text(obj.side)),
                ("Kind", display.text(obj.kind)),
                ("What it means", parity_meaning(obj.kind) or display.NOTHING),
                ("Runbook", what_to_do(ParityKind(obj.kind))),
                ("Open here, all slices", display.signed(obj.virtual_quantity)),
                ("Held at the exchange", display.signed(obj.actual_quantity)),
                ("Mark", display.amount(obj.mark)),
                ("Streak", str(obj.streak)),
                ("Outcome", display.text(obj.outcome)),
                ("Run", link(obj.run)),
                ("Exchange as of", display.moment(obj.as_of)),
            ],
        )
        yield Block.of(title="Evidence", text=display.pretty_json(obj.evidence))
        yield _readings(
            same_position(obj).exclude(pk=obj.pk),
            obj.symbol,
            obj.account_id,
        )


@admin.register(MarkPrice)
class MarkPriceAdmin(ReadOnlyAdmin[MarkPrice]):
    note = "Read-only: the last mark of each symbol that a run read, by which money is shown."
    empty_text = "No mark has been read yet: what a mismatch comes to in money is unknown."
    list_display = (
        col.text("Symbol", "symbol"),
        col.amount("Price", "price"),
        col.whole_link("Account", "account"),
        col.moment("As of", "as_of"),
    )
    list_filter = ("account",)
    list_select_related = ("account",)
    object_related = ("account",)
    search_by = (by_account_and_text("symbol"),)
    search_help_text = THE_SYMBOL

    def sections(self, obj: MarkPrice) -> Iterable[Section]:
        yield Facts(
            title="Mark",
            rows=[
                ("Symbol", display.text(obj.symbol)),
                ("Price", display.amount(obj.price)),
                ("Account", link(obj.account)),
                ("As of", display.moment(obj.as_of)),
            ],
        )


@admin.register(AcceptedPosition)
class AcceptedPositionAdmin(ReadOnlyAdmin[AcceptedPosition]):
    note = (
        "Read-only: what an account holds beyond its slices, and a person ignored, in base units. "
        "It is zero again once the exchange no longer shows it."
    )
    empty_text = "Nobody has accepted a position that no slice explains."
    list_display = (
        col.Column("Accepted", lambda row: str(row.pk)),
        col.text("Symbol", "symbol"),
        col.text("Side", "side"),
        col.signed("Quantity", "quantity"),
        col.whole_link("Account", "account"),
        col.link("Decision", "decision"),
        col.moment("Updated", "updated_at"),
    )
    list_filter = (("side", WordFilter), "account")
    list_select_related = ("account", "decision")
    narrowed_by = {"decision__id__exact": Decision}
    object_related = ("account", "decision")
    search_by = (by_account_and_text("symbol"),)
    search_help_text = THE_SYMBOL

    def sections(self, obj: AcceptedPosition) -> Iterable[Section]:
        yield Facts(
            title="Accepted position",
            rows=[
                ("Account", link(obj.account)),
                ("Symbol", display.text(obj.symbol)),
                ("Side", display.text(obj.side)),
                ("Quantity", display.signed(obj.quantity)),
                ("Decision", link(obj.decision)),
                ("Decided by", display.text(obj.decision.maker_name)),
                ("Reason", display.text(obj.decision.reason)),
                ("Updated", display.moment(obj.updated_at)),
            ],
        )
        yield _readings(same_position(obj), obj.symbol, obj.account_id)
        yield tables.audit_events_of(obj)
