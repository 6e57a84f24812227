"""The steps of one order's plan: book its fills, mirror its terms, end it.

Each takes the order as it is so far and returns it as it is after; what else it decides goes into
the draft of the change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reconciliation.domain.amounts import plain
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import Books, KeptFill, OrderState, StandingExits, TradeState
from reconciliation.domain.order_diff import (
    OrderFinding,
    differing_terms,
    is_child,
    mirrored_quantity,
)
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.plans.booking import (
    Booking,
    book_fills,
    booked_average,
    net_quantity,
    with_dust,
)
from reconciliation.domain.plans.changes import (
    AllocationDraft,
    HistoryDraft,
    MismatchDraft,
    ReviewDraft,
)
from reconciliation.domain.plans.evidence import (
    fill_as_evidence,
    order_as_evidence,
    trade_as_evidence,
)
from reconciliation.domain.plans.order_events import fill_event, order_event
from reconciliation.domain.plans.reversals import book_exits, reversed_event, standing_after
from reconciliation.domain.transitions import order_may_become, trade_may_become
from reconciliation.enums import (
    HistorySource,
    OrderClass,
    OrderStatus,
    Purpose,
    QuarantineReason,
    TradeStatus,
)

FEE_EATS_FILL = "the fee takes all of a fill: nothing was gained that could be booked"
CONTRADICTS_TRADE = "the order has another profile, symbol or side than its trade"
NO_TRADE = "the order belongs to no trade, so its fills have nowhere to go"
BAD_TRANSITION = "the trade's status does not allow it"
REFUSALS = frozenset({NO_TRADE, CONTRADICTS_TRADE, BAD_TRANSITION})
"""Problems for which a handler refuses to write at all."""


@dataclass(slots=True)
class OrderDraft:
    """A Change in the making: the states so far and what was decided on the way.

    `is_entry_unsettled` says that nobody knows yet what became of an entry of the trade, `exits`
    are those that stand, where some of them have no fill.
    """

    trade: TradeState | None
    is_entry_unsettled: bool = False
    exits: StandingExits | None = None
    orders: list[OrderState] = field(default_factory=list)
    history: list[HistoryDraft] = field(default_factory=list)
    allocations: list[AllocationDraft] = field(default_factory=list)
    mismatches: list[MismatchDraft] = field(default_factory=list)
    reviews: list[ReviewDraft] = field(default_factory=list)
    events: list[EventDraft] = field(default_factory=list)


def revive_canceled_trade(order: OrderState, draft: OrderDraft) -> None:
    """An entry order that lives makes its canceled trade pending again."""
    trade = draft.trade
    if trade is None or order.purpose != Purpose.ENTRY:
        return
    if trade.status == TradeStatus.CANCELED:
        draft.trade = replace(trade, status=TradeStatus.PENDING)


def book(
    finding: OrderFinding, order: OrderState, books: Books, draft: OrderDraft
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
    lacks_more = order_after.filled_quantity < mirrored_quantity(finding)
    if order.is_active and (lacks_more or finding.rule == OrderRule.ABSENT_FILLS_MISSING):
        # It was enlarged at the exchange: what fills our old quantity is not all of it.
        order_after = _not_filled_yet(order_after)
    if not unbooked:
        return order_after, None
    if draft.trade is None or order.purpose is None:
        return order_after, NO_TRADE
    before = draft.trade
    if not _agrees_with(order, before):
        return order_after, CONTRADICTS_TRADE
    booking = _booking(order, order.purpose, before, unbooked, books, draft)
    if not trade_may_become(before.status, booking.trade.status):
        return order, BAD_TRANSITION
    _take(booking, draft)
    draft.trade = booking.trade
    draft.allocations += booking.allocations
    reversed_rows = reversed_event(before, booking.trade, booking.history)
    if reversed_rows is not None:
        draft.events.append(reversed_rows)
    if booking.history:
        action = "trade.entry_filled" if order.purpose == Purpose.ENTRY else "trade.exit_filled"
        draft.events.append(fill_event(action, before, order, order_after, booking, unbooked))
    if booking.overclose == 0:
        eaten = any(_moves_nothing(kept, books) for kept in unbooked)
        return order_after, FEE_EATS_FILL if eaten else None
    excess = f"the exit fills exceed the trade's open quantity by {plain(booking.overclose)};"
    if draft.is_entry_unsettled:
        return order_after, f"{excess} what became of an entry is not known yet"
    draft.reviews.append(
        ReviewDraft(
            reason=QuarantineReason.OVERCLOSE,
            trade_id=before.id,
            quantity=booking.overclose,
            evidence={
                "trade": trade_as_evidence(booking.trade),
                "order": order_as_evidence(order_after),
                "fills": [fill_as_evidence(kept.fill) for kept in unbooked],
                "overclose": plain(booking.overclose),
                "amount_step": books.amount_steps.get(order.symbol),
            },
            sameness={
                "kind": QuarantineReason.OVERCLOSE,
                "drift": plain(booking.overclose),
                "fills": sorted(kept.fill.fill_id for kept in unbooked),
            },
        )
    )
    return order_after, f"{excess} a person must say whose they are"


def _booking(
    order: OrderState,
    purpose: Purpose,
    trade: TradeState,
    fills: Sequence[KeptFill],
    books: Books,
    draft: OrderDraft,
) -> Booking:
    base_currency = books.base_currencies.get(order.symbol)
    if purpose == Purpose.ENTRY:
        return book_fills(
            trade=trade,
            order=order,
            purpose=purpose,
            fills=fills,
            base_currency=base_currency,
            source=HistorySource.RECONCILED,
        )
    booking = book_exits(
        trade=trade,
        order=order,
        fills=fills,
        base_currency=base_currency,
        source=HistorySource.RECONCILED,
        standing=draft.exits,
    )
    return with_dust(booking, books.amount_steps.get(order.symbol))


def _take(booking: Booking, draft: OrderDraft) -> None:
    """Take the rows of a booking; a planned rest that it replaces is not written."""
    draft.history = [row for row in draft.history if row.key not in booking.dropped]
    draft.history += booking.history
    if draft.exits is not None:
        draft.exits = standing_after(draft.exits, booking.history, booking.dropped)


def mirror(finding: OrderFinding, before: OrderState, draft: OrderDraft) -> OrderState:
    """Take the exchange's terms of an open order; a terminal one is reopened.

    `before` is the order before its fills were booked: coming back to it is no event.
    """
    order, shown = finding.order, finding.shown
    names = differing_terms(finding)
    if not names or shown is None:
        return order
    child = is_child(order, shown)
    after = replace(
        order,
        quantity=mirrored_quantity(finding),
        price=order.price if child or shown.price is None else shown.price,
        exchange_order_id=_known_id(order, finding),
        status=OrderStatus.OPEN if "status" in names else order.status,
        end_reason="",
    )
    if after.filled_quantity > 0:
        after = replace(after, status=OrderStatus.PARTIALLY_FILLED)
    if after != before:
        draft.events.append(
            order_event(
                "order.updated", order, after, shown, f"the exchange has other {_list(names)}"
            )
        )
    return after


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def end(
    order: OrderState,
    status: OrderStatus,
    reason: str,
    finding: OrderFinding,
    books: Books,
    draft: OrderDraft,
) -> OrderState:
    """End an order whose fills are all booked: reconcile_cancel for what was not filled."""
    if finding.shown is not None and finding.shown.quantity is not None:
        order = replace(order, quantity=mirrored_quantity(finding))  # it may have been amended
    if status == OrderStatus.FILLED or order.filled_quantity >= order.quantity:
        status, reason = OrderStatus.FILLED, ""
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
                order_event("order.updated", order, after, finding.shown, "filled, all booked")
            )
        return after
    trade = draft.trade
    if (
        trade is not None
        and order.purpose == Purpose.ENTRY
        and trade.status == TradeStatus.PENDING
        and trade.entry_quantity == 0
        and not _has_another_entry(order, books, draft)
    ):
        # A canceled entry without fills cancels its trade; a canceled exit leaves it open.
        draft.trade = replace(trade, status=TradeStatus.CANCELED)
    event = order_event("order.canceled", order, after, finding.shown, reason or str(status))
    draft.events.append(event)
    return after


def _has_another_entry(order: OrderState, books: Books, draft: OrderDraft) -> bool:
    """Return whether the trade of an entry that ended may still be entered by another order."""
    orders = {**books.orders, **{after.id: after for after in draft.orders}}
    return any(
        other.trade_id == order.trade_id
        and other.purpose == Purpose.ENTRY
        and other.id != order.id
        and other.is_active
        for other in orders.values()
    )


def _agrees_with(order: OrderState, trade: TradeState) -> bool:
    """Return whether an order can be of its trade; what contradicts itself is never booked."""
    return (
        order.profile_id == trade.profile_id
        and order.symbol == trade.symbol
        and order.purpose is not None
        and order.side == trade.side_of(order.purpose)
    )


def _moves_nothing(kept: KeptFill, books: Books) -> bool:
    base = books.base_currencies.get(kept.fill.symbol)
    return net_quantity(kept.fill, kept.remaining, base) <= 0


def _known_id(order: OrderState, finding: OrderFinding) -> str | None:
    """Return the exchange id by which the order itself is known: not that of a child of it."""
    shown = finding.shown
    if order.exchange_order_id is not None or shown is None:
        return order.exchange_order_id
    if order.order_class != OrderClass.REGULAR and shown.parent_id is not None:
        return shown.parent_id
    return shown.exchange_order_id


def _not_filled_yet(order: OrderState) -> OrderState:
    if order.status != OrderStatus.FILLED:
        return order
    return replace(order, status=OrderStatus.PARTIALLY_FILLED)


def _with_status_of_fills(order: OrderState) -> OrderState:
    """Return an order with the status that its filled quantity means; an end stays an end."""
    if order.filled_quantity == 0:
        return order
    if order.filled_quantity >= order.quantity:
        return replace(order, status=OrderStatus.FILLED, end_reason="")
    if not order.is_active:
        return order
    return replace(order, status=OrderStatus.PARTIALLY_FILLED)
