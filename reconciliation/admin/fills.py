"""Fills as they were read, what they are booked to, and which fills are known."""

from collections.abc import Iterable

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.filters import ConsumptionFilter, OfOrderFilter, WordFilter
from reconciliation.admin.links import link
from reconciliation.admin.page import Block, Facts, Section
from reconciliation.admin.reads import orders_of_fill, unbooked_quantity
from reconciliation.admin.search import by_account_and_text, by_number, through
from reconciliation.models import (
    BackfillCandidate,
    Decision,
    Fill,
    FillAllocation,
    FillCoverage,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
)


@admin.register(Fill)
class FillAdmin(ReadOnlyAdmin[Fill]):
    note = (
        "Read-only: executions as the exchange showed them. A fill is booked to trades by "
        "allocations, at most once for each part of its quantity."
    )
    empty_text = (
        "No fill has been read. Where orders are open, that is only meaningful once a run has "
        "succeeded: see the runs."
    )
    list_display = (
        col.name("Fill"),
        col.text("Kind", "kind"),
        col.text("Symbol", "symbol"),
        col.text("Side", "side"),
        col.amount("Quantity", "quantity"),
        tables.UNBOOKED_QUANTITY,
        col.amount("Price", "price"),
        col.short_text("Exchange order id", "exchange_order_id"),
        col.whole_link("Account", "account"),
        col.link("First read by", "run"),
        col.moment("Executed", "executed_at"),
    )
    list_defer = ("raw",)
    list_filter = (
        OfOrderFilter,
        ConsumptionFilter,
        ("kind", WordFilter),
        ("side", WordFilter),
        ("instrument_type", WordFilter),
        "account",
    )
    list_select_related = ("account", "run")
    narrowed_by = {"run__id__exact": Run}
    object_related = ("account", "run")
    search_by = (
        by_account_and_text("exchange_fill_id"),
        by_account_and_text("exchange_order_id"),
        by_account_and_text("client_order_id"),
    )
    search_help_text = "A whole exchange fill id, exchange order id or client order id."

    def sections(self, obj: Fill) -> Iterable[Section]:
        yield Facts(
            title="Fill",
            rows=[
                ("Exchange fill id", display.text(obj.exchange_fill_id)),
                ("Kind", display.text(obj.kind)),
                ("Account", link(obj.account)),
                ("Symbol", display.text(obj.symbol)),
                ("Instrument type", display.text(obj.instrument_type)),
                ("Side", display.text(obj.side)),
                ("Position side", display.text(obj.position_side)),
                ("Quantity", display.amount(obj.quantity)),
                ("Booked", display.amount(obj.allocated_quantity)),
                ("Not booked", display.amount(unbooked_quantity(obj))),
                ("Set aside as not ours", display.yes_no(obj.set_aside)),
                ("Price", display.amount(obj.price)),
                ("Fee paid", f"{display.amount(obj.fee)} {display.text(obj.fee_currency)}"),
                ("Exchange order id", display.text(obj.exchange_order_id)),
                ("Client order id", display.text(obj.client_order_id)),
                ("Sub tag", display.text(obj.sub_tag)),
                ("Trade named by the exchange", display.text(obj.trade_hint)),
                ("First read by", link(obj.run)),
                ("Executed", display.moment(obj.executed_at)),
                ("Recorded", display.moment(obj.recorded_at)),
            ],
        )
        yield tables.orders(
            orders_of_fill(obj),
            title="Order of this fill",
            lookups={"q": obj.client_order_id or obj.exchange_order_id or ""},
            empty="No known order carries an id of this fill.",
        )
        yield tables.allocations(
            FillAllocation.objects.filter(fill=obj),
            title="What this fill is booked to",
            lookups={"fill__id__exact": obj.pk},
            empty="This fill is not booked to any trade.",
        ).without("Fill", "Price")
        yield tables.reviews(
            ReviewItem.objects.filter(fill=obj),
            title="Questions to a person about this fill",
            lookups={"fill__id__exact": obj.pk},
            empty="Nobody was asked about this fill.",
        ).without("Fill")
        yield tables.candidates(
            BackfillCandidate.objects.filter(fill=obj),
            title="Whether this fill is a missed exit",
            lookups={"fill__id__exact": obj.pk},
            empty="This fill was never taken for a missed exit.",
        ).without("Fill")
        yield supervision_tables.decisions(
            Decision.objects.filter(fill=obj),
            title="Decisions about this fill",
            lookups={"fill__id__exact": obj.pk},
            empty="Nobody has decided about this fill itself.",
        ).without("About")
        yield tables.audit_events_of_fill(obj)
        yield Block.of(
            title="As the exchange showed it",
            text=display.pretty_json_text(obj.raw) or display.NOTHING,
        )


@admin.register(FillAllocation)
class FillAllocationAdmin(ReadOnlyAdmin[FillAllocation]):
    note = (
        "Read-only: a part of a fill that a history row books, or frees again. What is consumed "
        "is the sum of the rows that book less those that free."
    )
    empty_text = "No fill is booked to a trade yet."
    list_display = (
        col.Column("Allocation", lambda row: str(row.pk)),
        col.link("Fill", "fill"),
        col.link("Trade", "trade"),
        col.link("History row", "history"),
        col.text("Symbol", "fill.symbol"),
        col.amount("Quantity", "quantity"),
        col.amount("Price", "fill.price"),
        col.Column("Effect", tables.effect),
        col.moment("Recorded", "recorded_at"),
    )
    list_filter = ("released",)
    list_select_related = ("fill", "trade", "history")
    narrowed_by = {
        "fill__id__exact": Fill,
        "trade__id__exact": Trade,
        "history__id__exact": TradeHistory,
    }
    object_related = ("fill", "trade", "history__run")
    search_by = (
        through("fill", Fill, by_account_and_text("exchange_fill_id")),
        through("trade", Trade, by_account_and_text("trade_id")),
        by_number(),
    )
    search_help_text = "A whole exchange fill id, a whole trade id, or the number of a row."

    def sections(self, obj: FillAllocation) -> Iterable[Section]:
        yield Facts(
            title="Allocation",
            rows=[
                ("Fill", link(obj.fill)),
                ("Trade", link(obj.trade)),
                ("History row", link(obj.history)),
                ("Run of the history row", link(obj.history.run)),
                ("Effect", tables.effect(obj)),
                ("Quantity", display.amount(obj.quantity)),
                ("Of a fill of", display.amount(obj.fill.quantity)),
                ("Recorded", display.moment(obj.recorded_at)),
            ],
        )
        yield tables.audit_events_of(obj.trade, title="Audit events of its trade")


@admin.register(FillCoverage)
class FillCoverageAdmin(ReadOnlyAdmin[FillCoverage]):
    note = (
        "Read-only: intervals of time whose fills are known. PROVEN: every fill was read. "
        "UNOBTAINABLE: the exchange does not keep them any more. A gap between intervals is "
        "unknown, never empty."
    )
    empty_text = "No interval of fills is proven yet: nothing is known about fills."
    list_display = (
        col.Column("Coverage", lambda row: str(row.pk)),
        col.whole_link("Account", "account"),
        col.text("Instrument type", "instrument_type"),
        col.text("Status", "status"),
        col.moment("From", "start_at"),
        col.moment("To", "end_at"),
        col.Column("Length", lambda row: str(row.end_at - row.start_at)),
    )
    list_filter = (("status", WordFilter), ("instrument_type", WordFilter), "account")
    list_select_related = ("account",)
    object_related = ("account",)

    def sections(self, obj: FillCoverage) -> Iterable[Section]:
        yield Facts(
            title="Interval",
            rows=[
                ("Account", link(obj.account)),
                ("Instrument type", display.text(obj.instrument_type)),
                ("Status", display.text(obj.status)),
                ("From", display.moment(obj.start_at)),
                ("To", display.moment(obj.end_at)),
                ("Length", str(obj.end_at - obj.start_at)),
            ],
        )
