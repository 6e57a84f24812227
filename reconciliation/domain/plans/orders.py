"""From findings to a Change: the lifecycle-safe handlers of orders, planned.

All findings of one trade become one Change, so that it is applied whole or not at all: entries
before exits, fills before the end of an order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconciliation.domain.amounts import plain, total
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import Books, KeptFill, OrderState, TradeState
from reconciliation.domain.keys import evidence_hash
from reconciliation.domain.linking import LinkedBooks
from reconciliation.domain.order_diff import OrderFinding, differing_terms
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.plans.booking import (
    Booking,
    book_fills,
    booked_average,
    dust_row,
    with_quantity,
    with_status_of_quantities,
)
from reconciliation.domain.plans.changes import (
    AllocationDraft,
    Change,
    HistoryDraft,
    MismatchDraft,
    Premises,
)
from reconciliation.domain.plans.evidence import (
    fill_as_evidence,
    order_as_evidence,
    shown_as_evidence,
    trade_as_evidence,
)
from reconciliation.domain.transitions import order_may_become, trade_may_become
from reconciliation.domain.types import ExchangeOrder
from reconciliation.enums import (
    AuditOutcome,
    HistorySource,
    MismatchKind,
    OrderStatus,
    Purpose,
    TradeStatus,
)

_BOOKS_FILLS = frozenset(
    {
        OrderRule.OPEN_UNBOOKED_FILLS,
        OrderRule.ABSENT_FILLED,
        OrderRule.ABSENT_FILLS_MISSING,
        OrderRule.ABSENT_ENDED,
        OrderRule.TERMINAL_UNBOOKED_FILLS,
        OrderRule.TERMINAL_OPEN,
    }
)
_MIRRORS_TERMS = frozenset(
    {OrderRule.OPEN_UNBOOKED_FILLS, OrderRule.OPEN_OTHER_TERMS, OrderRule.TERMINAL_OPEN}
)
_ENDS_ORDER = frozenset({OrderRule.ABSENT_FILLED, OrderRule.ABSENT_ENDED})
UNKNOWN_TO_EXCHANGE = "UNKNOWN_TO_EXCHANGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFoundPolicy:
    """When "no such order" ends an order: how often it must be said, and of which orders the
    fills since their creation were read completely."""

    retries: int
    counts: Mapping[int, int]
    covered_orders: frozenset[int]


@dataclass(slots=True)
class _Draft:
    """A Change in the making: the states so far and what was decided on the way."""

    trade: TradeState | None
    orders: list[OrderState]
    history: list[HistoryDraft]
    allocations: list[AllocationDraft]
    mismatches: list[MismatchDraft]
    events: list[EventDraft]


def plan_orders(
    findings: Sequence[OrderFinding],
    linked: LinkedBooks,
    *,
    not_found: NotFoundPolicy,
) -> tuple[Change, ...]:
    """Return the changes that the findings call for, one a trade, in order of the trade's id.

    A finding whose rule writes nothing and counts nothing leaves no trace in the result; a link
    between a fill and a delivered row is written with the other changes of its trade.
    """
    groups: dict[tuple[int, int], list[OrderFinding]] = {}
    for trade_id in linked.links:
        groups[(1, trade_id)] = []
    for finding in findings:
        if finding.rule.row.mismatch is not None:
            order = finding.order
            key = (0, order.id) if order.trade_id is None else (1, order.trade_id)
            groups.setdefault(key, []).append(finding)
    return tuple(
        _plan_group(
            findings=groups[key],
            trade=linked.books.trades[key[1]] if key[0] == 1 else None,
            linked=linked,
            not_found=not_found,
        )
        for key in sorted(groups)
    )


def _plan_group(
    *,
    findings: Sequence[OrderFinding],
    trade: TradeState | None,
    linked: LinkedBooks,
    not_found: NotFoundPolicy,
) -> Change:
    links = () if trade is None else linked.links.get(trade.id, ())
    draft = _Draft(
        trade=trade,
        orders=[],
        history=[],
        allocations=list(links),
        mismatches=[],
        events=[] if trade is None or not links else [_link_event(trade, links)],
    )
    entries_first = sorted(
        findings, key=lambda finding: (finding.order.purpose != Purpose.ENTRY, finding.order.id)
    )
    for finding in entries_first:
        _plan_order(finding, linked.books, draft, not_found)
    touched = {allocation.fill_id for allocation in draft.allocations}
    return Change(
        profile_id=findings[0].order.profile_id if trade is None else trade.profile_id,
        premises=Premises(
            trades={} if trade is None else {trade.id: trade.version},
            orders={finding.order.id: finding.order.version for finding in findings},
            fills={fill_id: linked.allocated_before[fill_id] for fill_id in sorted(touched)},
        ),
        trade=draft.trade if draft.trade != trade else None,
        orders=tuple(after for after in draft.orders if after != linked.books.orders[after.id]),
        history=tuple(draft.history),
        allocations=tuple(draft.allocations),
        mismatches=tuple(draft.mismatches),
        events=tuple(draft.events),
    )


def _plan_order(
    finding: OrderFinding, books: Books, draft: _Draft, not_found: NotFoundPolicy
) -> None:
    before, rule = finding.order, finding.rule
    order, problem, count = before, None, 0
    ends_unknown = False
    if rule == OrderRule.ABSENT_NOT_FOUND:
        count = not_found.counts.get(order.id, 0) + 1
        ends_unknown = count >= not_found.retries and order.id in not_found.covered_orders
        if not ends_unknown:
            problem = "the exchange knows no such order yet"
    if rule in _BOOKS_FILLS or ends_unknown:
        order, problem = _book(finding, order, books, draft)
    if rule in _MIRRORS_TERMS and finding.shown is not None:
        order = _mirror(order, finding.shown, draft)
    if rule == OrderRule.ABSENT_FILLS_MISSING:
        problem = "fills that the order says it has are not visible yet"
    if problem is None and rule in _ENDS_ORDER and finding.shown is not None:
        order = _end(order, finding.shown.status, "", finding, draft)
    if problem is None and ends_unknown:
        order = _end(order, OrderStatus.CANCELED, UNKNOWN_TO_EXCHANGE, finding, draft)
    if order != before and not any(_is_about(event, order) for event in draft.events):
        draft.events.append(
            _order_event("order.updated", before, order, finding.shown, "its fills are known")
        )
    draft.orders.append(order)
    draft.mismatches.append(_mismatch(finding, order, problem, count))


def _book(
    finding: OrderFinding, order: OrderState, books: Books, draft: _Draft
) -> tuple[OrderState, str | None]:
    """Book the order's unbooked fills: reconcile_entry_fill, or reconcile_exit_fill."""
    unbooked = finding.unbooked
    visible = finding.visible_quantity
    order_after = replace(
        order,
        filled_quantity=max(order.filled_quantity, visible),
        average_price=booked_average(finding.fills) if finding.fills else order.average_price,
        exchange_order_id=_known_id(order, finding),
    )
    order_after = _with_status_of_fills(order_after)
    if not unbooked:
        return order_after, None
    if draft.trade is None:
        return order, "the order belongs to no trade, so its fills have nowhere to go"
    before = draft.trade
    booking = book_fills(
        trade=before,
        order=order,
        purpose=order.purpose,
        fills=unbooked,
        base_currency=books.base_currencies.get(order.symbol),
        source=HistorySource.RECONCILED,
    )
    booking = _with_dust(booking, order, books.amount_steps.get(order.symbol))
    if not trade_may_become(before.status, booking.trade.status):
        return order, f"a {before.status} trade cannot become {booking.trade.status}"
    draft.trade = booking.trade
    draft.history += booking.history
    draft.allocations += booking.allocations
    if booking.history:
        action = "trade.entry_filled" if order.purpose == Purpose.ENTRY else "trade.exit_filled"
        draft.events.append(_fill_event(action, before, order, order_after, booking, unbooked))
    problem = None
    if booking.overclose > 0:
        problem = (
            f"the exit fills exceed the trade's open quantity by {plain(booking.overclose)};"
            " a person must say whose they are"
        )
    return order_after, problem


def _with_dust(booking: Booking, order: OrderState, amount_step: Decimal | None) -> Booking:
    if order.purpose != Purpose.EXIT or not booking.history:
        return booking
    dust = dust_row(booking.trade, amount_step=amount_step, after=booking.history[-1])
    if dust is None:
        return booking
    trade = with_quantity(booking.trade, Purpose.EXIT, dust.quantity, None)
    # A residue has no price; the average of what was sold stays what it was.
    trade = replace(trade, average_exit_price=booking.trade.average_exit_price)
    return replace(
        booking,
        trade=with_status_of_quantities(trade, dust),
        history=(*booking.history, dust),
    )


def _mirror(order: OrderState, shown: ExchangeOrder, draft: _Draft) -> OrderState:
    """Take the exchange's terms of an open order; a terminal one is reopened."""
    names = differing_terms(order, shown)
    if not names:
        return order
    status = order.status
    if "status" in names:
        status = OrderStatus.OPEN
    after = replace(
        order,
        quantity=order.quantity if shown.quantity is None else shown.quantity,
        price=order.price if shown.price is None else shown.price,
        exchange_order_id=shown.exchange_order_id,
        status=status,
        end_reason="",
    )
    if after.filled_quantity > 0:
        after = replace(after, status=OrderStatus.PARTIALLY_FILLED)
    draft.events.append(_order_event("order.updated", order, after, shown, "terms differ"))
    return after


def _end(
    order: OrderState,
    status: OrderStatus,
    reason: str,
    finding: OrderFinding,
    draft: _Draft,
) -> OrderState:
    """End an order whose fills are all booked: reconcile_cancel for what was not filled."""
    if status == OrderStatus.FILLED or order.filled_quantity >= order.quantity:
        status = OrderStatus.FILLED
    if not order_may_become(order.status, status):
        return order
    after = replace(
        order,
        status=status,
        end_reason=reason,
        exchange_order_id=_known_id(order, finding),
    )
    if status == OrderStatus.FILLED:
        if not finding.unbooked:
            draft.events.append(
                _order_event("order.updated", order, after, finding.shown, "filled, all booked")
            )
        return after
    trade = draft.trade
    if (
        trade is not None
        and order.purpose == Purpose.ENTRY
        and trade.status == TradeStatus.PENDING
        and trade.entry_quantity == 0
    ):
        # A canceled entry without fills cancels its trade; a canceled exit leaves it open.
        draft.trade = replace(trade, status=TradeStatus.CANCELED)
    event = _order_event("order.canceled", order, after, finding.shown, reason or str(status))
    draft.events.append(event)
    return after


def _is_about(event: EventDraft, order: OrderState) -> bool:
    if event.object_type == "order":
        return event.object_id == str(order.id)
    return event.after.get("order_id") == order.id


def _link_event(trade: TradeState, links: Sequence[AllocationDraft]) -> EventDraft:
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


def _known_id(order: OrderState, finding: OrderFinding) -> str | None:
    if order.exchange_order_id is not None or finding.shown is None:
        return order.exchange_order_id
    return finding.shown.exchange_order_id


def _with_status_of_fills(order: OrderState) -> OrderState:
    """Return an order with the status that its filled quantity means; an end stays an end."""
    if order.filled_quantity == 0:
        return order
    if order.filled_quantity >= order.quantity:
        return replace(order, status=OrderStatus.FILLED, end_reason="")
    if not order.is_active:
        return order
    return replace(order, status=OrderStatus.PARTIALLY_FILLED)


def _mismatch(
    finding: OrderFinding, after: OrderState, problem: str | None, not_found_count: int
) -> MismatchDraft:
    order, shown = finding.order, finding.shown
    kind = finding.rule.row.mismatch or MismatchKind.STATUS_MISMATCH
    drift = None
    if finding.fills:
        drift = total(kept.remaining for kept in finding.unbooked)
        drift = drift if order.side == "buy" else -drift
    return MismatchDraft(
        key=f"order:{order.id}:{kind}",
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
        resolution=None if problem else f"repaired: {finding.rule.row.decision}",
        not_found_count=not_found_count,
    )


def _fill_event(
    action: str,
    before: TradeState,
    order: OrderState,
    order_after: OrderState,
    booking: Booking,
    fills: Sequence[KeptFill],
) -> EventDraft:
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


def _order_event(
    action: str,
    before: OrderState,
    after: OrderState,
    shown: ExchangeOrder | None,
    comment: str,
) -> EventDraft:
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
