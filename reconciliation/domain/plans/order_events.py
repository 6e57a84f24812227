"""What the plans of orders say of themselves: audit events, and mismatches with both sides."""

from collections.abc import Sequence

from reconciliation.domain.amounts import plain, total
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import KeptFill, OrderState, TradeState
from reconciliation.domain.keys import evidence_hash
from reconciliation.domain.legs import LegDraft
from reconciliation.domain.order_diff import OrderFinding
from reconciliation.domain.plans.booking import Booking
from reconciliation.domain.plans.changes import AllocationDraft, MismatchDraft
from reconciliation.domain.plans.evidence import (
    fill_as_evidence,
    order_as_evidence,
    shown_as_evidence,
    trade_as_evidence,
)
from reconciliation.domain.types import ExchangeOrder
from reconciliation.enums import AuditOutcome, MismatchKind, Side


def tells(event: EventDraft, order: OrderState) -> bool:
    """Return whether an event tells an order as it is now: a later step may have changed it."""
    is_of_order = event.object_type == "order" and event.object_id == str(order.id)
    is_of_order = is_of_order or event.after.get("order_id") == order.id
    return is_of_order and event.after.get("order") == order_as_evidence(order)


def link_event(trade: TradeState, links: Sequence[AllocationDraft]) -> EventDraft:
    """Return the event of fills that delivered rows had reported already."""
    return EventDraft(
        action="trade.fills_linked",
        outcome=AuditOutcome.APPLIED,
        object_type="trade",
        object_id=str(trade.id),
        before={},
        after={
            "links": [
                {
                    "fill": link.fill_id,
                    "history": link.history_id,
                    "quantity": plain(link.quantity),
                }
                for link in links
            ]
        },
        comment="fills that delivered rows had reported already",
    )


def draft_mismatch(
    finding: OrderFinding,
    *,
    kind: MismatchKind,
    key: str,
    problem: str | None,
    resolution: str,
    not_found_count: int,
) -> MismatchDraft:
    """Return the mismatch that a finding is; a problem leaves it open, else it is resolved."""
    order, shown = finding.order, finding.shown
    drift = None
    if finding.fills:
        drift = total(kept.remaining for kept in finding.unbooked)
        drift = drift if order.side == Side.BUY else -drift
    return MismatchDraft(
        key=key,
        kind=kind,
        profile_id=order.profile_id,
        symbol=order.symbol,
        order_id=order.id,
        trade_id=order.trade_id,
        drift=drift,
        database_side=order_as_evidence(order),
        exchange_side={
            "rule": finding.rule.name,
            "order": None if shown is None else shown_as_evidence(shown),
            "fills": [fill_as_evidence(kept.fill) for kept in finding.fills],
            "problem": problem,
        },
        resolution=None if problem else resolution,
        not_found_count=not_found_count,
    )


def fill_event(
    action: str,
    before: TradeState,
    order: OrderState,
    order_after: OrderState,
    booking: Booking,
    fills: Sequence[KeptFill],
) -> EventDraft:
    """Return the event of fills booked to a trade."""
    evidence = [fill_as_evidence(kept.fill) for kept in fills]
    return EventDraft(
        action=action,
        outcome=AuditOutcome.APPLIED,
        object_type="trade",
        object_id=str(before.id),
        before={"trade": trade_as_evidence(before), "order": order_as_evidence(order)},
        after={
            "order_id": order.id,
            "trade": trade_as_evidence(booking.trade),
            "order": order_as_evidence(order_after),
            "fills": evidence,
            "booked": [
                {"kind": row.kind, "source": row.source, "quantity": plain(row.quantity)}
                for row in booking.history
            ],
        },
        evidence=tuple(evidence_hash(item) for item in evidence),
    )


def order_event(
    action: str,
    before: OrderState,
    after: OrderState,
    shown: ExchangeOrder | None,
    comment: str,
) -> EventDraft:
    """Return the event of an order that changed."""
    evidence = None if shown is None else shown_as_evidence(shown)
    return EventDraft(
        action=action,
        outcome=AuditOutcome.APPLIED,
        object_type="order",
        object_id=str(before.id),
        before=order_as_evidence(before),
        after={"order": order_as_evidence(after), "exchange": evidence},
        comment=comment,
        evidence=() if evidence is None else (evidence_hash(evidence),),
    )


def legs_event(order: OrderState, legs: Sequence[LegDraft]) -> EventDraft:
    """Return the event of exchange orders that turned out to be parts of ours."""
    return EventDraft(
        action="order.legs_found",
        object_type="order",
        object_id=str(order.id),
        after={
            "legs": [{"exchange_order_id": leg.exchange_order_id, "kind": leg.kind} for leg in legs]
        },
    )


def refusal_event(order: OrderState, problem: str) -> EventDraft:
    """Return the event of a handler that refused to write, with its reason."""
    return EventDraft(
        action="handler.refused",
        outcome=AuditOutcome.REFUSED,
        object_type="order",
        object_id=str(order.id),
        before=order_as_evidence(order),
        comment=problem,
    )


def trade_event(order: OrderState, trade: TradeState) -> EventDraft:
    """Return the event of an order whose trade is known by now."""
    return EventDraft(
        action="order.updated",
        outcome=AuditOutcome.APPLIED,
        object_type="order",
        object_id=str(order.id),
        before={"trade_id": None},
        after={"trade_id": trade.trade_id, "purpose": order.purpose},
        comment="evidence names its trade by now",
    )
