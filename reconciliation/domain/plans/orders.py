"""From findings to a Change: the lifecycle-safe handlers of orders, planned.

All findings of one trade become one Change, so that it is applied whole or not at all: entries
before exits, fills before the end of an order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconciliation.domain.amounts import plain, total
from reconciliation.domain.books import Books, OrderState, TradeState
from reconciliation.domain.legs import LegDraft
from reconciliation.domain.order_diff import OrderFinding, claimed_quantity
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.plans.adoption import external_key
from reconciliation.domain.plans.changes import AllocationDraft, Change, Premises
from reconciliation.domain.plans.order_events import (
    draft_mismatch,
    legs_event,
    link_event,
    order_event,
    refusal_event,
    tells,
    trade_event,
)
from reconciliation.domain.plans.order_steps import (
    REFUSALS,
    OrderDraft,
    book,
    end,
    mirror,
    revive_canceled_trade,
)
from reconciliation.enums import MismatchKind, OrderStatus, Purpose

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

    `links` are the new allocations by trade, `allocated_before` the fills without them;
    `found_trades` are the orders whose trade is known only now.
    """

    books: Books
    links: Mapping[int, tuple[AllocationDraft, ...]]
    allocated_before: Mapping[int, Decimal]
    legs: Mapping[int, tuple[LegDraft, ...]]
    not_found: NotFoundPolicy
    found_trades: frozenset[int] = frozenset()


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
        learnt = order.id in evidence.legs or order.id in evidence.found_trades
        if finding.rule.row.mismatch is not None or learnt:
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
    draft = OrderDraft(
        trade=trade,
        is_entry_unsettled=is_entry_unsettled,
        exits=None if trade is None else books.synthetic_exits.get(trade.id),
        allocations=list(links),
    )
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
    for finding in findings:
        if trade is not None and finding.order.id in evidence.found_trades:
            draft.events.append(trade_event(finding.order, trade))
            if finding not in entries_first:
                draft.orders.append(finding.order)
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
            after
            for after in draft.orders
            if after.id < 0 or after.id in evidence.found_trades or after != books.orders[after.id]
        ),
        legs=tuple(legs),
        reviews=tuple(draft.reviews),
        history=tuple(draft.history),
        allocations=tuple(draft.allocations),
        mismatches=tuple(draft.mismatches),
        events=tuple(draft.events),
    )


def _plan_order(finding: OrderFinding, evidence: Evidence, draft: OrderDraft) -> None:
    before, rule, shown = finding.order, finding.rule, finding.shown
    order, problem, count = before, None, 0
    ends_unknown = False
    if before.id < 0 and shown is not None:
        draft.events.append(order_event("order.adopted", before, before, shown, rule.row.why))
        revive_canceled_trade(before, draft)
    if rule == OrderRule.ABSENT_NOT_FOUND:
        not_found = evidence.not_found
        count = not_found.counts.get(order.id, 0) + 1
        ends_unknown = count >= not_found.retries and order.id in not_found.covered_orders
        if not ends_unknown:
            problem = "the exchange knows no such order yet"
    if rule in _BOOKS_FILLS or ends_unknown:
        order, problem = book(finding, order, evidence.books, draft)
    if rule in _MIRRORS_TERMS:
        order = mirror(replace(finding, order=order), before, draft)
        if order.is_active and not before.is_active:
            revive_canceled_trade(order, draft)
    lacks_fills = shown is not None and finding.visible_quantity < claimed_quantity(shown)
    if rule == OrderRule.ABSENT_FILLS_MISSING or (rule in _ENDS_KNOWN_ORDER and lacks_fills):
        problem = "fills that the order says it has are not visible yet"
    elif rule in _ENDS_ORDER and shown is not None and not lacks_fills:
        order = end(order, shown.status, "", finding, evidence.books, draft)
    elif ends_unknown:
        order = end(
            order, OrderStatus.CANCELED, UNKNOWN_TO_EXCHANGE, finding, evidence.books, draft
        )
    if order != before and not any(tells(event, order) for event in draft.events):
        draft.events.append(order_event("order.updated", before, order, shown, "fills are known"))
    draft.orders.append(order)
    done = _what_was_done(before, order, draft)
    kind = _kind_of(finding, evidence.books)
    if before.id < 0:
        # It is in the books now, and that is repaired; what could not be booked is the next thing.
        draft.mismatches.append(
            draft_mismatch(
                finding,
                kind=kind,
                key=external_key(before.symbol, before.exchange_order_id or ""),
                problem=None,
                resolution=done,
                not_found_count=0,
            )
        )
        if problem is None:
            return
        kind = MismatchKind.QUANTITY_MISMATCH
    key = f"order:{before.id}:{kind}"
    known = any(each.order_id == before.id for each in evidence.books.open_mismatches)
    if problem in REFUSALS and not known:
        draft.events.append(refusal_event(before, problem))
    draft.mismatches.append(
        draft_mismatch(
            finding,
            kind=kind,
            key=key,
            problem=problem,
            resolution=done,
            not_found_count=count,
        )
    )


def _kind_of(finding: OrderFinding, books: Books) -> MismatchKind:
    """Return the kind of a difference: fills left over of an ended order go on with its own.

    An order that went missing and whose fills cannot all be booked is one difference, not two.
    """
    kind = finding.rule.row.mismatch or MismatchKind.STATUS_MISMATCH
    missing = any(
        mismatch.order_id == finding.order.id
        and mismatch.kind == MismatchKind.MISSING_FROM_EXCHANGE
        for mismatch in books.open_mismatches
    )
    if missing and finding.rule == OrderRule.TERMINAL_UNBOOKED_FILLS:
        return MismatchKind.MISSING_FROM_EXCHANGE
    return kind


def _what_was_done(before: OrderState, after: OrderState, draft: OrderDraft) -> str:
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
