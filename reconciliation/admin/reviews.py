"""Questions to a person, with the evidence as it was."""

from collections.abc import Iterable

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import link
from reconciliation.admin.page import Block, Facts, Section
from reconciliation.admin.search import by_account_and_text, by_number, through
from reconciliation.models import Fill, ReviewItem, Run, Trade


@admin.register(ReviewItem)
class ReviewItemAdmin(ReadOnlyAdmin[ReviewItem]):
    note = "Read-only: what waits, or has waited, for a person's decision."
    empty_text = "Nothing waits for a decision, and nothing has."
    list_display = (
        col.Column("Item", lambda item: str(item.pk)),
        col.text("Status", "status"),
        col.text("Queue", "queue"),
        col.text("Reason", "reason"),
        col.text("Symbol", "trade.symbol"),
        col.link("Trade", "trade"),
        col.amount("Quantity", "quantity"),
        col.link("Fill", "fill"),
        col.whole_link("Profile", "profile"),
        col.moment("Opened", "opened_at"),
    )
    list_defer = ("evidence",)
    list_filter = (
        ("queue", WordFilter),
        ("status", WordFilter),
        ("reason", WordFilter),
        "account",
        "profile",
    )
    list_select_related = ("profile", "trade", "fill")
    narrowed_by = {
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

    def sections(self, obj: ReviewItem) -> Iterable[Section]:
        yield Facts(
            title="Question",
            rows=[
                ("Queue", display.text(obj.queue)),
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
        yield Block.of(title="Evidence", text=display.pretty_json(obj.evidence))
        yield tables.audit_events_of(obj)
        yield tables.audit_events_of(obj.trade, title="Audit events of its trade")
