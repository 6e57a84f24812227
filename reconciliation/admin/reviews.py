"""Questions to a person, with the evidence as it was."""

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
from reconciliation.admin.reasons import QUARANTINE
from reconciliation.admin.search import by_account_and_text, by_number, through
from reconciliation.enums import WAITING_REVIEW_STATUSES
from reconciliation.models import Decision, Fill, ReviewItem, Run, Trade
from reconciliation.selectors.queues import Queue


@admin.register(ReviewItem)
class ReviewItemAdmin(BulkAdmin[ReviewItem]):
    list_title = "Quarantine"
    note = (
        "Slices that wait, or have waited, for a person's decision. The rows are read-only: they "
        "change by decisions alone."
    )
    bulk = {verb: RIGHTS[verb] for verb in ("approve", "reject")}
    empty_text = "No slice waits for a decision, and none has."
    list_display = (
        col.Column("Item", lambda item: str(item.pk)),
        col.text("Status", "status"),
        *waiting.columns(),
        col.text("Reason", "reason"),
        col.text("Symbol", "trade.symbol"),
        col.link("Trade", "trade"),
        col.amount("Quantity", "quantity"),
        col.link("Fill", "fill"),
        col.whole_link("Profile", "profile"),
        col.moment("Opened", "opened_at"),
    )
    legend = QUARANTINE
    legend_title = "What the reasons mean"
    list_defer = ("evidence",)
    waits = tuple(sorted(WAITING_REVIEW_STATUSES))
    list_filter = (
        WaitingFilter,
        ("status", WordFilter),
        ("reason", WordFilter),
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
    search_help_text = "A whole trade id or exchange fill id, or the number of an item."

    def queue_of(self, row: ReviewItem) -> Queue:
        return Queue.QUARANTINE

    def case(self, pk: int) -> QueuedCase | None:
        return load_queue_case(ReviewItem, pk)

    def sections(self, obj: ReviewItem) -> Iterable[Section]:
        yield from question_sections(obj)
        yield Facts(
            title="Question",
            rows=[
                ("Status", display.text(obj.status)),
                ("Reason", display.text(obj.reason)),
                ("Profile", link(obj.profile)),
                ("Account", link(obj.account)),
                ("Trade", link(obj.trade)),
                ("Symbol", display.text(obj.trade.symbol)),
                ("Fill", link(obj.fill)),
                ("Quantity", display.amount(obj.quantity)),
                ("Opened by", link(obj.first_run)),
                ("Opened", display.moment(obj.opened_at)),
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
            Decision.objects.filter(review=obj),
            title="Decisions on this question",
            lookups={"review__id__exact": obj.pk},
            empty="Nobody has decided this question.",
        ).without("About")
        yield tables.audit_events_of(obj)
        yield tables.audit_events_of(obj.trade, title="Audit events of its trade")
