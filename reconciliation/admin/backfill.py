"""Fills that could be missed exits: the verdict on each, and what it rests on."""

from collections.abc import Iterable

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables, waiting
from reconciliation.admin.deciding_bulk import BulkAdmin
from reconciliation.admin.deciding_queues import load_queue_case
from reconciliation.admin.deciding_terms import RIGHTS
from reconciliation.admin.deciding_types import QueuedCase
from reconciliation.admin.filters import WaitingFilter, WordFilter
from reconciliation.admin.links import link
from reconciliation.admin.page import Block, Facts, Section
from reconciliation.admin.questions import question_sections
from reconciliation.admin.reasons import NO_GO
from reconciliation.admin.search import by_account_and_text, by_number, through
from reconciliation.enums import WAITING_REVIEW_STATUSES
from reconciliation.models import BackfillCandidate, Decision, Fill, Run, Trade
from reconciliation.selectors.queues import Queue


def _reasons(row: BackfillCandidate) -> str:
    return display.text(", ".join(row.reasons))


@admin.register(BackfillCandidate)
class BackfillCandidateAdmin(BulkAdmin[BackfillCandidate]):
    list_title = "Missed exits"
    note = (
        "Fills of no known order that could have closed a slice; they change by decisions alone. "
        "GO: booked as its exit. NO_GO: not booked, for the reasons given. The trade of a "
        "NO_GO is the slice that the verdict is about, not an owner."
    )
    bulk = {verb: RIGHTS[verb] for verb in ("approve", "reject")}
    empty_text = "No fill has been found that could be a missed exit."
    list_display = (
        col.Column("Candidate", lambda row: str(row.pk)),
        col.text("Status", "status"),
        *waiting.columns(),
        col.Column("Reasons", _reasons),
        col.link("Fill", "fill"),
        col.text("Symbol", "fill.symbol"),
        col.amount("Quantity", "quantity"),
        col.link("Trade", "trade"),
        col.whole_link("Profile", "profile"),
    )
    legend = NO_GO
    legend_title = "What the reasons mean"
    list_defer = ("evidence",)
    waits = tuple(sorted(WAITING_REVIEW_STATUSES))
    list_filter = (
        WaitingFilter,
        ("status", WordFilter),
        ("verdict", WordFilter),
        ("mode", WordFilter),
        "account",
        "profile",
    )
    list_select_related = ("profile", "trade", "fill")
    narrowed_by = {
        "status__in": None,
        "trade__id__exact": Trade,
        "fill__id__exact": Fill,
        "first_run__id__exact": Run,
    }
    object_related = ("account", "profile", "trade", "fill", "first_run")
    search_by = (
        through("trade", Trade, by_account_and_text("trade_id")),
        through("fill", Fill, by_account_and_text("exchange_fill_id")),
        by_number(),
    )
    search_help_text = "A whole trade id or exchange fill id, or the number of a candidate."

    def queue_of(self, row: BackfillCandidate) -> Queue:
        return Queue.BACKFILL

    def case(self, pk: int) -> QueuedCase | None:
        return load_queue_case(BackfillCandidate, pk)

    def sections(self, obj: BackfillCandidate) -> Iterable[Section]:
        yield from question_sections(obj)
        yield Facts(
            title="Verdict",
            rows=[
                ("Verdict", display.text(obj.verdict)),
                ("Reasons", _reasons(obj)),
                ("Mode", display.text(obj.mode)),
                ("Status", display.text(obj.status)),
                ("Fill", link(obj.fill)),
                ("Symbol", display.text(obj.fill.symbol)),
                ("Side", display.text(obj.fill.side)),
                ("Quantity", display.amount(obj.quantity)),
                ("Caused by the exchange", "yes" if obj.exchange_initiated else "no"),
                ("Trade", link(obj.trade)),
                ("Profile", link(obj.profile)),
                ("Account", link(obj.account)),
                ("First judged by", link(obj.first_run)),
                ("Opened", display.moment(obj.opened_at)),
                ("Evidence new last", display.moment(obj.judged_at)),
                ("Closed", display.moment(obj.closed_at)),
                ("Evidence hash", display.text(obj.evidence_hash)),
                ("Version", str(obj.version)),
            ],
        )
        yield Block.of(
            title="Evidence",
            text=display.pretty_json(obj.evidence),
            folded="The record as it was written",
        )
        yield supervision_tables.decisions(
            Decision.objects.filter(candidate=obj),
            title="Decisions on this fill as a missed exit",
            lookups={"candidate__id__exact": obj.pk},
            empty="Nobody has decided whether this fill is a missed exit.",
        ).without("About")
        yield tables.audit_events_of(obj)
        if obj.trade is not None:
            yield tables.audit_events_of(obj.trade, title="Audit events of its trade")
