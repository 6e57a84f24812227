"""What each moment in the life of a trade says: a sentence, with links to the rows behind it."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from reconciliation.admin import display
from reconciliation.admin.kinds import meaning, parity_meaning
from reconciliation.admin.links import link, link_to, short_link
from reconciliation.admin.tables import object_link
from reconciliation.domain.timelines import Mark
from reconciliation.enums import HistoryKind, HistorySource, Origin, TimelineSource
from reconciliation.models import (
    AuditEvent,
    BackfillCandidate,
    Decision,
    Fill,
    Mismatch,
    Order,
    ParityReading,
    ReviewItem,
    TradeHistory,
)
from reconciliation.selectors.timelines import Timeline

_WITHOUT_A_FILL = {
    HistorySource.SYNTHETIC: "synthetic: no fill of the exchange stands behind it",
    HistorySource.OPERATOR: "by a person's word",
    HistorySource.DUST: "a residue below one step of the amount",
}
_KEPT = 240


def sentence(timeline: Timeline, mark: Mark) -> str:
    """Return what happened at a moment, escaped."""
    return _SAY[mark.source](timeline.row(mark), timeline)


def _placed(order: Order, _: Timeline) -> str:
    at = "at the market" if order.price is None else f"at {display.amount(order.price)}"
    told = "adopted from the exchange" if order.origin == Origin.EXCHANGE else "told by the bot"
    return format_html(
        "{} order {} placed: {} {} {} {}, {}.",
        display.text(order.purpose or "an"),
        short_link(order),
        order.side,
        display.amount(order.quantity),
        order.type,
        at,
        told,
    )


def _ended(order: Order, _: Timeline) -> str:
    average = "" if order.average_price is None else f" at {display.amount(order.average_price)}"
    why = f" ({display.text(order.end_reason)})" if order.end_reason else ""
    return format_html(
        "Order {} ended {}{}: filled {} of {}{}.",
        short_link(order),
        order.status,
        why,
        display.amount(order.filled_quantity),
        display.amount(order.quantity),
        average,
    )


def _fill(fill: Fill, _: Timeline) -> str:
    kind = "" if fill.kind == "trade" else f", a {fill.kind} by the exchange"
    fee = (
        ""
        if fill.fee is None
        else f", fee {display.amount(fill.fee)} {display.text(fill.fee_currency)}"
    )
    return format_html(
        "The exchange executed {}: {} {} at {}{}{}. Booked {} of it; first read by {}.",
        short_link(fill),
        fill.side,
        display.amount(fill.quantity),
        display.amount(fill.price),
        fee,
        kind,
        display.amount(fill.allocated_quantity),
        link(fill.run) if fill.run else "no run",
    )


def _history(row: TradeHistory, timeline: Timeline) -> str:
    parts: list[str] = []
    quantity = display.amount(row.booked_quantity)
    if row.kind == HistoryKind.REVERSAL and row.reverses is not None:
        what = "open again" if row.reverses.kind == HistoryKind.EXIT else "not open any more"
        parts.append(
            format_html(
                "{} takes back {}, its pair: {} is {}.",
                link(row),
                link(row.reverses),
                quantity,
                what,
            )
        )
    else:
        verb = "enters" if row.kind == HistoryKind.ENTRY else "exits"
        price = "price unknown" if row.price is None else f"at {display.amount(row.price)}"
        parts.append(format_html("{} {} {} {}.", link(row), verb, quantity, price))
    if row.booked_quantity != row.quantity:
        whole = display.amount(row.quantity)
        parts.append(f"It says {whole}; the rest was booked before and is not counted twice.")
    source = _WITHOUT_A_FILL.get(HistorySource(row.source), "")
    parts.append(f"Source {row.source}{f', {source}' if source else ''}.")
    if row.estimated:
        parts.append("The price is estimated.")
    if row.executed_at != row.recorded_at:
        parts.append(format_html("Executed {}.", display.moment(row.executed_at)))
    for words, behind in (("Order", row.order), ("By", row.decision or row.run)):
        if behind is not None:
            parts.append(format_html("{} {}.", words, short_link(behind)))
    taker = timeline.reversed_by.get(row.pk)
    if taker is not None:
        pair = link_to(TradeHistory, taker, f"REVERSAL {taker}")
        parts.append(format_html("Taken back later by {}, its pair.", pair))
    return _joined(parts)


def _seen(row: Mismatch, _: Timeline) -> str:
    drift = "" if row.drift is None else f" Drift {display.signed(row.drift)}."
    return format_html(
        "{} found, {}: {}.{} First seen by {}.",
        row.kind,
        link(row),
        meaning(row.kind) or "a difference",
        drift,
        link(row.first_run),
    )


def _resolved(row: Mismatch, _: Timeline) -> str:
    how = display.text(row.resolution) if row.resolution else "no resolution was recorded"
    return format_html("{} over, {}: {}.", row.kind, link(row), how)


def _reading(row: ParityReading, _: Timeline) -> str:
    dry = " A dry run: nothing was written." if row.dry_run else ""
    outcome = f" {display.text(display.clipped(row.outcome, _KEPT))}." if row.outcome else ""
    return format_html(
        "The heartbeat read {}: {}, {} in a row ({}). All slices {}, exchange {}.{}{} {}",
        link(row),
        row.kind,
        str(row.streak),
        parity_meaning(row.kind) or "no meaning is known",
        _or_unknown(row.virtual_quantity),
        _or_unknown(row.actual_quantity),
        outcome,
        dry,
        link(row.run),
    )


def _asked(row: ReviewItem, _: Timeline) -> str:
    return format_html(
        "Put before a person, {}: {}, about {}.",
        link(row),
        row.reason,
        _or_unknown(row.quantity, signed=False),
    )


def _answered(row: ReviewItem, _: Timeline) -> str:
    return format_html("The question {} ({}) ended {}.", link(row), row.reason, row.status)


def _judged(row: BackfillCandidate, _: Timeline) -> str:
    reasons = f" for {display.text(', '.join(row.reasons))}" if row.reasons else ""
    return format_html(
        "Fill {} could be a missed exit, {}: {}{}, mode {}.",
        short_link(row.fill),
        link(row),
        row.verdict,
        reasons,
        row.mode,
    )


def _candidate_closed(row: BackfillCandidate, _: Timeline) -> str:
    return format_html("The missed exit {} ended {}.", link(row), row.status)


def _decision(row: Decision, _: Timeline) -> str:
    checker = f", checked by {display.text(row.checker_name)}" if row.checker_name else ""
    comment = f" “{display.first_line(row.comment, _KEPT)}”" if row.comment else ""
    return format_html(
        "{} {}, {}: {}{}.{}",
        display.text(row.maker_name),
        row.kind,
        link(row),
        row.reason,
        checker,
        comment,
    )


def _event(row: AuditEvent, _: Timeline) -> str:
    return format_html(
        "Sealed as {}: {} of {}, {}, by {}.",
        link(row),
        display.text(row.action),
        object_link(row),
        row.outcome,
        display.text(row.actor_name),
    )


def _or_unknown(quantity: Decimal | None, *, signed: bool = True) -> str:
    if quantity is None:
        return "UNKNOWN"
    return display.signed(quantity) if signed else display.amount(quantity)


def _joined(parts: list[str]) -> SafeString:
    return format_html_join(" ", "{}", ((part,) for part in parts))


_SAY: Mapping[TimelineSource, Callable[[Any, Timeline], str]] = {
    TimelineSource.ORDER_PLACED: _placed,
    TimelineSource.ORDER_ENDED: _ended,
    TimelineSource.FILL: _fill,
    TimelineSource.HISTORY: _history,
    TimelineSource.MISMATCH_SEEN: _seen,
    TimelineSource.MISMATCH_RESOLVED: _resolved,
    TimelineSource.READING: _reading,
    TimelineSource.REVIEW_OPENED: _asked,
    TimelineSource.REVIEW_CLOSED: _answered,
    TimelineSource.CANDIDATE_JUDGED: _judged,
    TimelineSource.CANDIDATE_CLOSED: _candidate_closed,
    TimelineSource.DECISION: _decision,
    TimelineSource.AUDIT: _event,
}
