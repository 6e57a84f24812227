"""From findings to a Change: the lifecycle-safe handlers of orders, planned.

All findings of one trade become one Change, so that it is applied whole or not at all: entries
before exits, fills before the end of an order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from reconciliation.domain.amounts import plain, total
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import Books, KeptFill, OrderState, TradeState
from reconciliation.domain.legs import LegDraft
from reconciliation.domain.order_diff import (
    OrderFinding,
    claimed_quantity,
    differing_terms,
    is_child,
    mirrored_quantity,
)
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.plans.adoption import external_key
from reconciliation.domain.plans.booking import (
    Booking,
    book_fills,
    booked_average,
    dust_row,
    net_quantity,
    with_quantity,
    with_status_of_quantities,
)
from reconciliation.domain.plans.changes import (
    AllocationDraft,
    Change,
    HistoryDraft,
    MismatchDraft,
    Premises,
    ReviewDraft,
)
from reconciliation.domain.plans.evidence import (
    fill_as_evidence,
    order_as_evidence,
    trade_as_evidence,
)
from reconciliation.domain.plans.order_events import (
    draft_mismatch,
    fill_event,
    is_about,
    legs_event,
    link_event,
    order_event,
)
from reconciliation.domain.transitions import order_may_become, trade_may_become
from reconciliation.enums import (
    HistorySource,
    OrderClass,
    OrderStatus,
    Purpose,
    QuarantineReason,
    ReviewQueue,
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
        OrderRule.UNKNOWN_OPEN_ATTRIBUTABLE,
        OrderRule.UNKNOWN_CLOSED_ENTRY,
    }
)
_MIRRORS_TERMS = frozenset(
    {OrderRule.OPEN_UNBOOKED_FILLS, OrderRule.OPEN_OTHER_TERMS, OrderRule.TERMINAL_OPEN}
)
_ENDS_KNOWN_ORDER = frozenset({OrderRule.ABSENT_FILLED, OrderRule.ABSENT_ENDED})
_ENDS_ORDER = _ENDS_KNOWN_ORDER | {OrderRule.UNKNOWN_CLOSED_ENTRY}
# Rules that leave open what an order was filled with: its trade may hold more than is booked.
_UNSETTLED = frozenset(
    {
        OrderRule.FRESH,
        OrderRule.CLASS_NOT_READ,
        OrderRule.ABSENT_FILLS_MISSING,
        OrderRule.ABSENT_NOT_FOUND,
        OrderRule.LOOK_UP_FAILED,
    }
)
FEE_EATS_FILL = "the fee takes all of a fill: nothing was gained that could be booked"
CONTRADICTS_TRADE = "the order has another profile, symbol or side than its trade"
NO_TRADE = "the order belongs to no trade, so its fills have nowhere to go"
UNKNOWN_TO_EXCHANGE = "UNKNOWN_TO_EXCHANGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFoundPolicy:
    """When "no such order" ends an order: how often it must be said, and of which orders the
    fills since their creation were read completely."""

    retries: int
    counts: Mapping[int, int]
    covered_orders: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the plans rest on: the books with links, legs and adoptions in them, the policy.

    `links` are the new allocations by trade, `allocated_before` the fills without them.
    """

    books: Books
    links: Mapping[int, tuple[AllocationDraft, ...]]
    allocated_before: Mapping[int, Decimal]
    legs: Mapping[int, tuple[LegDraft, ...]]
    not_found: NotFoundPolicy


@dataclass(slots=True)
class _Draft:
    """A Change in the making: the states so far and what was decided on the way.

    `is_entry_unsettled` says that nobody knows yet what became of an entry of the trade.
    """

    trade: TradeState | None
    is_entry_unsettled: bool = False
    orders: list[OrderState] = field(default_factory=list)
    history: list[HistoryDraft] = field(default_factory=list)
    allocations: list[AllocationDraft] = field(default_factory=list)
    mismatches: list[MismatchDraft] = field(default_factory=list)
    reviews: list[ReviewDraft] = field(default_factory=list)
    events: list[EventDraft] = field(default_factory=list)


def plan_orders(findings: Sequence[OrderFinding], evidence: Evidence) -> tuple[Change, ...]:
    """Return the changes that the findings call for, one a trade, in order of the trade's id.

    A finding whose rule writes nothing and counts nothing leaves no trace in the result; links
    and legs that were found are written with the other changes of their trade.
    """
    groups: dict[tuple[int, int], list[OrderFinding]] = {}
    for trade_id in evidence.links:
        groups[(1, trade_id)] = []
    for finding in findings:
        order = finding.order
        if finding.rule.row.mismatch is not None or order.id in evidence.legs:
            key = (0, order.id) if order.trade_id is None else (1, order.trade_id)
            groups.setdefault(key, []).append(finding)
    unsettled = {
        finding.order.trade_id
        for finding in findings
        if finding.order.purpose == Purpose.ENTRY and finding.rule in _UNSETTLED
    }
    return tuple(
        _plan_group(
            findings=groups[key],
            trade=evidence.books.trades[key[1]] if key[0] == 1 else None,
            is_entry_unsettled=key[0] == 1 and key[1] in unsettled,
            evidence=evidence,
        )
        for key in sorted(groups)
    )


def _plan_group(
    *,
    findings: Sequence[OrderFinding],
    trade: TradeState | None,
    is_entry_unsettled: bool,
    evidence: Evidence,
) -> Change:
    books = evidence.books
    links = () if trade is None else evidence.links.get(trade.id, ())
    legs = [leg for finding in findings for leg in evidence.legs.get(finding.order.id, ())]
    draft = _Draft(trade=trade, is_entry_unsettled=is_entry_unsettled, allocations=list(links))
    if trade is not None and links:
        draft.events.append(link_event(trade, links))
    for finding in findings:
        found = evidence.legs.get(finding.order.id, ())
        if found:
            draft.events.append(legs_event(finding.order, found))
    entries_first = sorted(
        (finding for finding in findings if finding.rule.row.mismatch is not None),
        key=lambda finding: (finding.order.purpose != Purpose.ENTRY, finding.order.id),
    )
    for finding in entries_first:
        _plan_order(finding, evidence, draft)
    touched = {allocation.fill_id for allocation in draft.allocations}
    is_new = trade is not None and trade.id < 0
    return Change(
        profile_id=findings[0].order.profile_id if trade is None else trade.profile_id,
        premises=Premises(
            trades={} if trade is None or is_new else {trade.id: trade.version},
            orders={
                finding.order.id: finding.order.version
                for finding in findings
                if finding.order.id > 0
            },
            fills={fill_id: evidence.allocated_before[fill_id] for fill_id in sorted(touched)},
        ),
        trade=draft.trade if is_new or draft.trade != trade else None,
        orders=tuple(
            after for after in draft.orders if after.id < 0 or after != books.orders[after.id]
        ),
        legs=tuple(legs),
        reviews=tuple(draft.reviews),
        history=tuple(draft.history),
        allocations=tuple(draft.allocations),
        mismatches=tuple(draft.mismatches),
        events=tuple(draft.events),
    )


def _plan_order(finding: OrderFinding, evidence: Evidence, draft: _Draft) -> None:
    before, rule, shown = finding.order, finding.rule, finding.shown
    order, problem, count = before, None, 0
    ends_unknown = False
    if before.id < 0 and shown is not None:
        draft.events.append(order_event("order.adopted", before, before, shown, rule.row.why))
        _revive_canceled_trade(before, draft)
    if rule == OrderRule.ABSENT_NOT_FOUND:
        not_found = evidence.not_found
        count = not_found.counts.get(order.id, 0) + 1
        ends_unknown = count >= not_found.retries and order.id in not_found.covered_orders
        if not ends_unknown:
            problem = "the exchange knows no such order yet"
    if rule in _BOOKS_FILLS or ends_unknown:
        order, problem = _book(finding, order, evidence.books, draft)
    if rule in _MIRRORS_TERMS:
        order = _mirror(replace(finding, order=order), before, draft)
        if order.is_active and not before.is_active:
            _revive_canceled_trade(order, draft)
    lacks_fills = shown is not None and finding.visible_quantity < claimed_quantity(shown)
    if rule == OrderRule.ABSENT_FILLS_MISSING or (rule in _ENDS_KNOWN_ORDER and lacks_fills):
        problem = "fills that the order says it has are not visible yet"
    elif rule in _ENDS_ORDER and shown is not None and not lacks_fills:
        order = _end(order, shown.status, "", finding, evidence.books, draft)
    elif ends_unknown:
        order = _end(
            order, OrderStatus.CANCELED, UNKNOWN_TO_EXCHANGE, finding, evidence.books, draft
        )
    if order != before and not any(is_about(event, order) for event in draft.events):
        draft.events.append(order_event("order.updated", before, order, shown, "fills are known"))
    draft.orders.append(order)
    key = f"order:{before.id}:{rule.row.mismatch}"
    if before.id < 0:
        key = external_key(before.symbol, before.exchange_order_id or "")
    draft.mismatches.append(
        draft_mismatch(
            finding,
            key=key,
            problem=problem,
            resolution=_what_was_done(before, order, draft),
            not_found_count=count,
        )
    )


def _what_was_done(before: OrderState, after: OrderState, draft: _Draft) -> str:
    """Return in words how a difference was repaired, for the mismatch that it was."""
    booked = total(row.quantity for row in draft.history if row.order_id == after.id)
    done = []
    if before.id < 0:
        done.append("adopted")
    if booked > 0:
        done.append(f"booked {plain(booked)}")
    if after.status != before.status:
        done.append(f"order now {after.status}")
    if (after.quantity, after.price) != (before.quantity, before.price):
        done.append("the exchange's quantity and price taken")
    if after.end_reason:
        done.append(after.end_reason)
    return ", ".join(done) or "the exchange's ids taken"


def _revive_canceled_trade(order: OrderState, draft: _Draft) -> None:
    """An entry order that lives makes its canceled trade pending again."""
    trade = draft.trade
    if trade is None or order.purpose != Purpose.ENTRY:
        return
    if trade.status == TradeStatus.CANCELED:
        draft.trade = replace(trade, status=TradeStatus.PENDING)


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
    if finding.rule == OrderRule.ABSENT_FILLS_MISSING and not order_after.is_active:
        # It was enlarged at the exchange: what fills our old quantity is not all of it.
        order_after = replace(order_after, status=OrderStatus.PARTIALLY_FILLED)
    if not unbooked:
        return order_after, None
    if draft.trade is None or order.purpose is None:
        return order_after, NO_TRADE
    before = draft.trade
    if not _agrees_with(order, before):
        return order_after, CONTRADICTS_TRADE
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
        draft.events.append(fill_event(action, before, order, order_after, booking, unbooked))
    if booking.overclose == 0:
        eaten = any(_moves_nothing(kept, books) for kept in unbooked)
        return order_after, FEE_EATS_FILL if eaten else None
    excess = f"the exit fills exceed the trade's open quantity by {plain(booking.overclose)};"
    if draft.is_entry_unsettled:
        return order_after, f"{excess} what became of an entry is not known yet"
    draft.reviews.append(
        ReviewDraft(
            queue=ReviewQueue.QUARANTINE,
            reason=QuarantineReason.OVERCLOSE,
            trade_id=before.id,
            quantity=booking.overclose,
            evidence={
                "trade": trade_as_evidence(booking.trade),
                "order": order_as_evidence(order_after),
                "fills": [fill_as_evidence(kept.fill) for kept in unbooked],
                "overclose": plain(booking.overclose),
            },
        )
    )
    return order_after, f"{excess} a person must say whose they are"


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


def _mirror(finding: OrderFinding, before: OrderState, draft: _Draft) -> OrderState:
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


def _end(
    order: OrderState,
    status: OrderStatus,
    reason: str,
    finding: OrderFinding,
    books: Books,
    draft: _Draft,
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


def _has_another_entry(order: OrderState, books: Books, draft: _Draft) -> bool:
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


def _with_status_of_fills(order: OrderState) -> OrderState:
    """Return an order with the status that its filled quantity means; an end stays an end."""
    if order.filled_quantity == 0:
        return order
    if order.filled_quantity >= order.quantity:
        return replace(order, status=OrderStatus.FILLED, end_reason="")
    if not order.is_active:
        return order
    return replace(order, status=OrderStatus.PARTIALLY_FILLED)
