"""Orders, with what the trading system delivered beside what is held to be true; their legs."""

from collections.abc import Iterable

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables, waiting
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.deciding_bulk import BulkAdmin
from reconciliation.admin.deciding_nobodys import RIGHTS, load_external_case
from reconciliation.admin.deciding_types import QueuedCase
from reconciliation.admin.delivered import Delivered, compare, owed
from reconciliation.admin.filters import WaitingFilter, WordFilter
from reconciliation.admin.links import link
from reconciliation.admin.page import Block, Facts, Section
from reconciliation.admin.reads import fills_of_external_order, fills_of_order
from reconciliation.admin.search import by_account_and_text, through
from reconciliation.admin.sides import compare_sides
from reconciliation.domain.amounts import plain
from reconciliation.enums import ExternalStatus
from reconciliation.models import (
    Decision,
    ExternalOrder,
    Mismatch,
    Order,
    OrderLeg,
    OrderLookUp,
    Run,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.queues import Queue


def delivered_fields(order: Order) -> list[Delivered]:
    """Return the fields that the trading system delivers of an order."""
    return [
        Delivered("Status", order.status, order.delivered_status),
        Delivered("Quantity", order.quantity, order.delivered_quantity),
        Delivered("Price", order.price, order.delivered_price),
        Delivered("Filled quantity", order.filled_quantity, order.delivered_filled_quantity),
        Delivered("Average price", order.average_price, order.delivered_average_price),
    ]


def _owed(order: Order) -> str:
    return owed(delivered_fields(order))


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin[Order]):
    note = (
        "Read-only: the trading system delivers orders and reconciliation corrects them. The "
        "columns hold what the portal holds to be true."
    )
    empty_text = (
        "No order is recorded: the trading system has delivered none, and none was adopted from "
        "the exchange."
    )
    list_display = (
        col.name("Order"),
        col.text("Status", "status"),
        col.text("Purpose", "purpose"),
        col.text("Symbol", "symbol"),
        col.text("Side", "side"),
        col.amount("Quantity", "quantity"),
        col.amount("Filled", "filled_quantity"),
        col.amount("Average price", "average_price"),
        col.Column("Correction owed", _owed),
        col.link("Trade", "trade"),
        col.whole_link("Profile", "profile"),
        col.moment("Placed", "created_at", ordering="created_at"),
    )
    list_filter = (
        ("status", WordFilter),
        ("purpose", WordFilter),
        ("side", WordFilter),
        ("origin", WordFilter),
        ("order_class", WordFilter),
        "account",
        "profile",
    )
    list_select_related = ("profile", "trade")
    narrowed_by = {"trade__id__exact": Trade}
    object_related = ("account", "profile", "trade")
    search_by = (
        by_account_and_text("client_order_id"),
        by_account_and_text("exchange_order_id"),
        through("trade", Trade, by_account_and_text("trade_id")),
    )
    search_help_text = "A whole client order id, exchange order id or trade id."

    def sections(self, obj: Order) -> Iterable[Section]:
        here = {"order__id__exact": obj.pk}
        yield from compare(
            delivered_fields(obj),
            delivered_at=obj.delivered_at,
            undelivered=(
                f"The trading system has not delivered this order; it is known from {obj.origin}."
            ),
        )
        yield Facts(
            title="Order",
            rows=[
                ("Client order id", display.text(obj.client_order_id)),
                ("Exchange order id", display.text(obj.exchange_order_id)),
                ("Trade", link(obj.trade)),
                ("Profile", link(obj.profile)),
                ("Account", link(obj.account)),
                ("Purpose", display.text(obj.purpose)),
                ("Symbol", display.text(obj.symbol)),
                ("Side", display.text(obj.side)),
                ("Position side", display.text(obj.position_side)),
                ("Type", display.text(obj.type)),
                ("Class", display.text(obj.order_class)),
                ("Sub tag", display.text(obj.sub_tag)),
                ("First known from", display.text(obj.origin)),
                ("Reason of its end", display.text(obj.end_reason)),
                ("Placed", display.moment(obj.created_at)),
                ("Last activity", display.moment(obj.last_activity_at)),
                ("Version", str(obj.version)),
            ],
        )
        yield tables.fills(
            fills_of_order(obj),
            title="Fills of this order",
            lookups={"of_order": obj.pk},
            empty="No fill with one of this order's ids has been read.",
        )
        yield tables.legs(
            OrderLeg.objects.filter(order=obj),
            title="Other exchange orders that are a part of this order",
            lookups=here,
            empty="It was not replaced and has triggered no other order.",
        )
        yield tables.history(
            TradeHistory.objects.filter(order=obj),
            title="History rows of this order",
            lookups=here,
            empty="Nothing is booked for this order.",
        ).without("Order")
        yield tables.mismatches(
            Mismatch.objects.filter(order=obj),
            title="Mismatches of this order",
            lookups=here,
            empty="No mismatch names this order.",
        ).without("Order", "Trade")
        yield tables.audit_events_of(obj)
        if obj.trade is not None:
            yield tables.audit_events_of(
                obj.trade,
                title="Audit events of its trade",
                note="What books the fills of an order is an event of its trade.",
            )


@admin.register(OrderLeg)
class OrderLegAdmin(ReadOnlyAdmin[OrderLeg]):
    note = (
        "Read-only: other exchange orders that are a part of one of ours. REPLACEMENT: another id "
        "under the same client order id. CHILD: triggered by a conditional order."
    )
    empty_text = "No order was replaced at an exchange, and none has triggered another."
    list_display = (
        col.name("Exchange order id"),
        col.text("Kind", "kind"),
        col.link("Order", "order"),
        col.text("Symbol", "symbol"),
        col.whole_link("Account", "account"),
        col.moment("Recorded", "recorded_at"),
    )
    list_filter = (("kind", WordFilter), "account")
    list_select_related = ("order", "account")
    narrowed_by = {"order__id__exact": Order}
    object_related = ("order__trade", "account")
    search_by = (
        by_account_and_text("exchange_order_id"),
        through(
            "order",
            Order,
            by_account_and_text("client_order_id"),
            by_account_and_text("exchange_order_id"),
        ),
    )
    search_help_text = "A whole exchange order id, or an id of the order that it is a part of."

    def sections(self, obj: OrderLeg) -> Iterable[Section]:
        yield Facts(
            title="Leg",
            rows=[
                ("Exchange order id", display.text(obj.exchange_order_id)),
                ("Kind", display.text(obj.kind)),
                ("A part of order", link(obj.order)),
                ("Trade", link(obj.order.trade)),
                ("Account", link(obj.account)),
                ("Symbol", display.text(obj.symbol)),
                ("Recorded", display.moment(obj.recorded_at)),
            ],
        )
        yield tables.audit_events_of(obj.order, title="Audit events of its order")


@admin.register(OrderLookUp)
class OrderLookUpAdmin(ReadOnlyAdmin[OrderLookUp]):
    note = (
        "Read-only: when an order was last asked for by itself. Those that were asked longest ago "
        "have their turn first."
    )
    empty_text = "No order had to be asked for by itself yet."
    list_display = (
        col.name("Look-up"),
        col.link("Order", "order"),
        col.text("Status of the order", "order.status"),
        col.moment("Asked", "asked_at"),
    )
    list_select_related = ("order",)
    object_related = ("order__profile", "order__account")
    search_by = (
        through(
            "order",
            Order,
            by_account_and_text("client_order_id"),
            by_account_and_text("exchange_order_id"),
        ),
    )
    search_help_text = "A whole client order id or exchange order id."

    def sections(self, obj: OrderLookUp) -> Iterable[Section]:
        yield Facts(
            title="Look-up",
            rows=[
                ("Order", link(obj.order)),
                ("Status of the order", display.text(obj.order.status)),
                ("Profile", link(obj.order.profile)),
                ("Account", link(obj.order.account)),
                ("Asked", display.moment(obj.asked_at)),
            ],
        )


def _exchange_side(row: ExternalOrder) -> dict[str, object]:
    """Return what the exchange says of an order that the books do not have."""
    return {
        "exchange_order_id": row.exchange_order_id,
        "client_order_id": row.client_order_id,
        "sub_tag": row.sub_tag,
        "symbol": row.symbol,
        "side": row.side,
        "quantity": None if row.quantity is None else plain(row.quantity),
        "price": None if row.price is None else plain(row.price),
    }


@admin.register(ExternalOrder)
class ExternalOrderAdmin(BulkAdmin[ExternalOrder]):
    note = (
        "Open exchange orders that could not be attributed to a profile. They are adopted or "
        "ignored by a person; nothing is ever canceled."
    )
    bulk = {"ignore": RIGHTS["ignore"]}
    empty_text = "No order without an owner is recorded: each that was seen belongs to a profile."
    list_display = (
        col.name("Exchange order id"),
        col.text("Status", "status"),
        *waiting.columns(),
        col.text("Why", "why"),
        col.text("Symbol", "symbol"),
        col.text("Side", "side"),
        col.amount("Quantity", "quantity"),
        col.amount("Price", "price"),
        col.whole_link("Account", "account"),
        col.moment("First seen", "first_seen_at"),
    )
    list_defer = ("raw",)
    waits = (ExternalStatus.PENDING.value,)
    list_filter = (WaitingFilter, ("status", WordFilter), ("side", WordFilter), "account")
    list_select_related = ("account", "first_run")
    narrowed_by = {"first_run__id__exact": Run}
    object_related = ("account", "first_run")
    search_by = (by_account_and_text("exchange_order_id"),)
    search_help_text = "A whole exchange order id."

    def queue_of(self, row: ExternalOrder) -> Queue:
        return Queue.EXTERNAL_ORDERS

    def case(self, pk: int) -> QueuedCase | None:
        return load_external_case(pk)

    def sections(self, obj: ExternalOrder) -> Iterable[Section]:
        yield Facts(
            title="Order of nobody",
            rows=[
                ("Exchange order id", display.text(obj.exchange_order_id)),
                ("Client order id", display.text(obj.client_order_id)),
                ("Sub tag", display.text(obj.sub_tag)),
                ("Status", display.text(obj.status)),
                ("Why it belongs to nobody", display.text(obj.why)),
                ("Account", link(obj.account)),
                ("Symbol", display.text(obj.symbol)),
                ("Side", display.text(obj.side)),
                ("Quantity", display.amount(obj.quantity)),
                ("Price", display.amount(obj.price)),
                ("First seen by", link(obj.first_run)),
                ("First seen", display.moment(obj.first_seen_at)),
                ("Version", str(obj.version)),
            ],
        )
        yield from compare_sides({}, _exchange_side(obj), obj.account)
        yield tables.fills(
            fills_of_external_order(obj),
            title="Fills of this order",
            lookups={"q": obj.exchange_order_id},
            empty="No fill of this order has been read.",
        )
        yield supervision_tables.decisions(
            Decision.objects.filter(external_order=obj),
            title="Decisions on this order",
            lookups={"external_order__id__exact": obj.pk},
            empty="Nobody has decided whose order this is.",
        ).without("About")
        yield tables.audit_events_of(obj)
        yield Block.of(
            title="As the exchange showed it",
            text=display.pretty_json_text(obj.raw) or display.NOTHING,
            folded="The record as it was written",
        )
