"""Trades (lifecycle slices) and their append-only history."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib import admin
from django.utils.html import format_html

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables
from reconciliation.admin.audit_urls import timeline_url_of
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.deciding_types import load_conf, now
from reconciliation.admin.delivered import Delivered, compare, owed
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import anchor, changelist_url, link
from reconciliation.admin.page import Facts, Notice, Section
from reconciliation.admin.reads import open_quantity
from reconciliation.admin.search import by_account_and_text, by_number, by_text, through
from reconciliation.admin.timelines import sums_up, timeline_picture, timeline_table
from reconciliation.clock import SystemClock
from reconciliation.conf import Conf
from reconciliation.models import (
    BackfillCandidate,
    Decision,
    Fill,
    FillAllocation,
    Mismatch,
    Order,
    Position,
    ProfileLease,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.gate import load_gate
from reconciliation.selectors.timelines import load_timeline


def delivered_fields(trade: Trade) -> list[Delivered]:
    """Return the fields that the trading system delivers of a trade."""
    return [Delivered("Status", trade.status, trade.delivered_status)]


def _owed(trade: Trade) -> str:
    return owed(delivered_fields(trade))


@admin.register(Trade)
class TradeAdmin(ReadOnlyAdmin[Trade]):
    note = (
        "Read-only: a trade is one round trip of one profile, flat to flat. Its quantities are the "
        "sums of its history; the open quantity is negative for a short."
    )
    empty_text = "No trade is recorded: the trading system has delivered none yet."
    list_display = (
        col.name("Trade"),
        col.text("Status", "status"),
        tables.OPEN_QUANTITY,
        col.text("Symbol", "symbol"),
        col.text("Direction", "direction"),
        col.whole_link("Profile", "profile"),
        col.amount("Entry price", "average_entry_price"),
        col.amount("Exit price", "average_exit_price"),
        col.Column("Correction owed", _owed),
        col.moment("Opened", "opened_at", ordering="opened_at"),
        col.moment("Closed", "closed_at"),
    )
    list_filter = (("status", WordFilter), ("direction", WordFilter), "account", "profile")
    narrowed_by = {"status__in": None}
    list_select_related = ("profile",)
    object_related = ("account", "profile__lease")
    search_by = (by_account_and_text("trade_id"),)
    search_help_text = "A whole trade id."

    def sections(self, obj: Trade) -> Iterable[Section]:
        here = {"trade__id__exact": obj.pk}
        moment, conf = now(), load_conf()
        timeline = load_timeline(obj)
        yield from sums_up(obj, timeline)
        yield Facts(
            title="Trade",
            rows=[
                ("Trade id", display.text(obj.trade_id)),
                ("Code in client order ids", display.text(obj.code)),
                ("Profile", link(obj.profile)),
                ("Account", link(obj.account)),
                ("Symbol", display.text(obj.symbol)),
                ("Direction", display.text(obj.direction)),
                ("Status", display.text(obj.status)),
                ("Open quantity", display.signed(open_quantity(obj))),
                ("Correction owed", _owed(obj)),
                ("Lock of its profile", _holder(obj, moment)),
                ("May trade now", _gate(obj, conf)),
                ("Entered", display.amount(obj.entry_quantity)),
                ("Exited", display.amount(obj.exit_quantity)),
                ("Average entry price", display.amount(obj.average_entry_price)),
                ("Average exit price", display.amount(obj.average_exit_price)),
                ("Sub tag", display.text(obj.sub_tag)),
                ("Reversals", str(obj.reversals)),
                ("Position", link(_position(obj))),
                ("Opened", display.age(obj.opened_at, moment)),
                ("Closed", display.age(obj.closed_at, moment)),
                ("Last activity", display.age(obj.last_activity_at, moment)),
                (
                    "Audit trail",
                    anchor(timeline_url_of(obj), "events of this trade"),
                ),
                ("Version", str(obj.version)),
            ],
        )
        yield from compare(
            delivered_fields(obj),
            undelivered="The trading system has not delivered a status of this trade.",
        )
        picture = timeline_picture(obj, timeline, conf=conf, now=moment)
        if picture is not None:
            yield picture
        yield timeline_table(obj, timeline, moment)
        yield tables.orders(
            Order.objects.filter(trade=obj),
            title="Orders of this trade",
            lookups=here,
            empty="No order names this trade.",
        ).without("Trade")
        yield tables.history(
            TradeHistory.objects.filter(trade=obj),
            title="History of this trade",
            lookups=here,
            empty="Nothing has been booked: this trade holds nothing.",
        ).without("Trade")
        yield tables.allocations(
            FillAllocation.objects.filter(trade=obj),
            title="Fills booked to this trade",
            lookups=here,
            empty="No fill of the exchange is booked to this trade.",
        ).without("Trade")
        yield tables.mismatches(
            Mismatch.objects.filter(trade=obj),
            title="Mismatches of this trade",
            lookups=here,
            empty="No mismatch names this trade.",
        ).without("Trade", "Symbol")
        yield tables.reviews(
            ReviewItem.objects.filter(trade=obj),
            title="Questions to a person about this trade",
            lookups=here,
            empty="Nobody was asked about this trade.",
        ).without("Trade")
        yield tables.candidates(
            BackfillCandidate.objects.filter(trade=obj),
            title="Fills that could be a missed exit of this trade",
            lookups=here,
            empty="No fill was taken for a missed exit of this trade.",
        ).without("Trade")
        yield supervision_tables.decisions(
            Decision.objects.filter(review__trade=obj),
            title="Decisions on this trade in quarantine",
            lookups={"review__trade__id__exact": obj.pk},
            empty="Nobody has decided a question about this trade.",
        )
        yield tables.audit_events_of(obj)


def _holder(trade: Trade, moment: datetime) -> str:
    lease: ProfileLease | None = getattr(trade.profile, "lease", None)
    if lease is None or lease.expires_at is None or lease.expires_at <= moment:
        return "free: nobody writes to this profile now"
    holder = display.text(lease.holder)
    return format_html("held by {} until {}", holder, display.moment(lease.expires_at))


def _gate(trade: Trade, conf: Conf) -> str:
    """Return what the bot of this trade is told for its symbol now."""
    gate, _ = load_gate(trade.profile, conf=conf, clock=SystemClock())
    entries = "entries allowed" if gate.entries_allowed else "no entries"
    exits = "exits allowed" if gate.exits_allowed else "no exits"
    reasons = f" ({', '.join(gate.reasons)})" if gate.reasons else ""
    own = [each for each in gate.symbols if each.symbol == trade.symbol]
    for each in own:
        limit = display.amount(each.max_exit_quantity)
        exits = f"exits up to {limit}, reduce-only" if each.exits_allowed else "no exits here"
    return f"{entries}, {exits}{reasons}"


def _position(trade: Trade) -> Position | None:
    return Position.objects.filter(
        profile=trade.profile_id, symbol=trade.symbol, direction=trade.direction
    ).first()


@admin.register(TradeHistory)
class TradeHistoryAdmin(ReadOnlyAdmin[TradeHistory]):
    note = (
        "Read-only and append-only: a row is never changed; a REVERSAL takes one back. Booked is "
        "the part of a row that counts, because fills booked before are not counted twice."
    )
    empty_text = "No history row is recorded: nothing has been entered or exited yet."
    list_display = (
        col.name("Row"),
        col.link("Trade", "trade"),
        col.text("Source", "source"),
        col.amount("Quantity", "quantity"),
        col.amount("Booked", "booked_quantity"),
        col.amount("Price", "price"),
        col.yes_no("Estimated", "estimated"),
        col.link("Order", "order"),
        col.whole_link("Profile", "trade.profile"),
        col.link("Run", "run"),
        col.moment("Executed", "executed_at"),
    )
    list_filter = (("kind", WordFilter), ("source", WordFilter), "estimated")
    list_select_related = ("trade__profile", "order", "run")
    narrowed_by = {
        "trade__id__exact": Trade,
        "order__id__exact": Order,
        "run__id__exact": Run,
        "decision__id__exact": Decision,
    }
    object_related = ("trade__profile", "order", "run", "decision", "reverses", "reversed_by")
    search_by = (
        by_text("exchange_fill_id"),
        through("trade", Trade, by_account_and_text("trade_id")),
        by_number(),
    )
    search_help_text = "A whole exchange fill id, a whole trade id, or the number of a row."

    def sections(self, obj: TradeHistory) -> Iterable[Section]:
        reversed_by: TradeHistory | None = getattr(obj, "reversed_by", None)
        if reversed_by is not None:
            yield Notice(
                level="warning",
                sentence=f"This row was taken back by {reversed_by.kind} {reversed_by.pk}.",
            )
        yield Facts(
            title="History row",
            rows=[
                ("Kind", display.text(obj.kind)),
                ("Source", display.text(obj.source)),
                ("Trade", link(obj.trade)),
                ("Profile", link(obj.trade.profile)),
                ("Order", link(obj.order)),
                ("Quantity", display.amount(obj.quantity)),
                ("Booked quantity", display.amount(obj.booked_quantity)),
                ("Price", display.amount(obj.price)),
                ("Estimated", display.yes_no(obj.estimated)),
                ("Fee", f"{display.amount(obj.fee)} {display.text(obj.fee_currency)}"),
                ("Exchange fill id", _fill_id(obj)),
                ("Reverses", link(obj.reverses)),
                ("Reversed by", link(reversed_by)),
                ("Written by", _writer(obj)),
                ("Evidence hash", display.text(obj.evidence_hash)),
                ("Key", display.text(obj.key)),
                ("Executed", display.moment(obj.executed_at)),
                ("Recorded", display.moment(obj.recorded_at)),
            ],
        )
        yield tables.allocations(
            FillAllocation.objects.filter(history=obj),
            title="Fills that this row books",
            lookups={"history__id__exact": obj.pk},
            empty="No fill of the exchange stands behind this row.",
        ).without("History row", "Trade")
        yield tables.audit_events_of(obj.trade, title="Audit events of its trade")


def _writer(row: TradeHistory) -> str:
    if row.decision is not None:
        return link(row.decision)
    return link(row.run) if row.run else "no run: the bot or a person"


def _fill_id(row: TradeHistory) -> str:
    if not row.exchange_fill_id:
        return display.NOTHING
    return anchor(
        changelist_url(Fill, {"q": row.exchange_fill_id}), display.text(row.exchange_fill_id)
    )
