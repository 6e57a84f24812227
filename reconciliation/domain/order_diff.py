"""Compare the orders of the books with an exchange snapshot: which row of the table holds.

Invariants: identical sides give no mismatch; the order of the input does not matter; what was not
read is judged by no rule that writes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, total
from reconciliation.domain.books import Books, KeptFill, OrderState
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.types import (
    AccountSnapshot,
    ExchangeOrder,
    LookUp,
    OpenOrders,
    OrderFound,
    OrderNotFound,
    Unread,
)
from reconciliation.enums import ACTIVE_ORDER_STATUSES, OrderClass, OrderStatus, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFinding:
    """One order and the row of the decision table that holds for it.

    `fills` are all fills of the order that are known; `shown` is the exchange's newest word.
    """

    rule: OrderRule
    order: OrderState
    shown: ExchangeOrder | None
    fills: tuple[KeptFill, ...]

    @property
    def unbooked(self) -> tuple[KeptFill, ...]:
        """Return the fills of which something is not booked yet."""
        return tuple(kept for kept in self.fills if kept.remaining > 0)

    @property
    def visible_quantity(self) -> Decimal:
        """Return the gross quantity of all known fills."""
        return total(kept.fill.quantity for kept in self.fills)

    @property
    def has_news(self) -> bool:
        """Return whether the fills say more than the order does.

        Something of them is not booked, or delivered rows are about all of it and the order itself
        still counts less.
        """
        return bool(self.unbooked) or self.visible_quantity > self.order.filled_quantity


def group_fills(books: Books) -> dict[int, tuple[KeptFill, ...]]:
    """Return the fills of each order by the order's id, oldest first.

    A fill is an order's by exchange order id, the order's own or a leg's, else by client order
    id, of the same symbol and side.
    """
    by_id = {
        (order.symbol, exchange_id): order
        for order in books.orders.values()
        for exchange_id in order.exchange_ids
    }
    by_client_id = {
        order.client_order_id: order
        for order in books.orders.values()
        if order.client_order_id is not None
    }
    groups: dict[int, list[KeptFill]] = {}
    for kept in books.fills:
        fill = kept.fill
        owner = by_id.get((fill.symbol, fill.exchange_order_id or ""))
        if owner is None and fill.client_order_id is not None:
            owner = by_client_id.get(fill.client_order_id)
        if owner is not None and (owner.symbol, owner.side) == (fill.symbol, fill.side):
            groups.setdefault(owner.id, []).append(kept)
    return {
        order_id: tuple(sorted(group, key=lambda k: (k.fill.executed_at, k.fill.fill_id)))
        for order_id, group in groups.items()
    }


def orders_to_look_up(
    books: Books,
    snapshot: AccountSnapshot,
    *,
    of_profiles: frozenset[int],
    grace: timedelta,
    limit: int,
) -> tuple[tuple[OrderState, ...], int]:
    """Return the active orders to ask for one by one, and how many must wait.

    Those never asked for come first, oldest first; then those whose last answer is oldest, so that
    an order that stays unanswered never keeps another from its turn.
    """
    listed = match_listed(books, snapshot)
    groups = group_fills(books)
    absent = sorted(
        (
            order
            for order in books.orders.values()
            if order.is_active
            and order.profile_id in of_profiles
            and order.id not in listed
            and isinstance(snapshot.open_orders.get(order.order_class), OpenOrders)
            and not _is_fresh(order, None, groups.get(order.id, ()), snapshot.as_of, grace)
        ),
        key=lambda order: (
            order.looked_up_at is not None,
            order.looked_up_at or order.created_at,
            order.created_at,
            order.id,
        ),
    )
    return tuple(absent[:limit]), max(len(absent) - limit, 0)


def diff_orders(
    books: Books,
    snapshot: AccountSnapshot,
    look_ups: Mapping[int, LookUp],
    *,
    grace: timedelta,
) -> tuple[OrderFinding, ...]:
    """Return one finding an order: the row of the decision table that holds, in order of id.

    `look_ups` holds the answers by order id; an order without one was not asked for.
    """
    listed = match_listed(books, snapshot)
    groups = group_fills(books)
    return tuple(
        _judge(
            order,
            listed=listed.get(order.id),
            class_read=isinstance(snapshot.open_orders.get(order.order_class), OpenOrders),
            look_up=look_ups.get(order.id),
            fills=_without_what_has_no_room(order, groups.get(order.id, ()), books),
            as_of=snapshot.as_of,
            grace=grace,
        )
        for order in sorted(books.orders.values(), key=lambda order: order.id)
    )


def _judge(
    order: OrderState,
    *,
    listed: ExchangeOrder | None,
    class_read: bool,
    look_up: LookUp | None,
    fills: tuple[KeptFill, ...],
    as_of: datetime,
    grace: timedelta,
) -> OrderFinding:
    shown = listed or (look_up.order if isinstance(look_up, OrderFound) else None)
    finding = OrderFinding(rule=OrderRule.FRESH, order=order, shown=shown, fills=fills)

    def holds(rule: OrderRule) -> OrderFinding:
        return OrderFinding(rule=rule, order=order, shown=shown, fills=fills)

    if _is_fresh(order, shown, fills, as_of, grace):
        return finding
    if listed is not None:
        if not order.is_active:
            return holds(OrderRule.TERMINAL_OPEN)
        if finding.has_news:
            return holds(OrderRule.OPEN_UNBOOKED_FILLS)
        same = not differing_terms(finding)
        return holds(OrderRule.OPEN_NOTHING_NEW if same else OrderRule.OPEN_OTHER_TERMS)
    if not order.is_active:
        rule = OrderRule.TERMINAL_NOTHING_NEW
        return holds(OrderRule.TERMINAL_UNBOOKED_FILLS if finding.has_news else rule)
    if not class_read:
        return holds(OrderRule.CLASS_NOT_READ)
    if look_up is None or isinstance(look_up, Unread):
        return holds(OrderRule.LOOK_UP_FAILED)
    if isinstance(look_up, OrderNotFound):
        return holds(OrderRule.ABSENT_NOT_FOUND)
    return holds(_rule_of_found(look_up, finding))


def _rule_of_found(look_up: OrderFound, finding: OrderFinding) -> OrderRule:
    order = look_up.order
    if order.status in ACTIVE_ORDER_STATUSES:
        return OrderRule.ABSENT_STILL_OPEN
    if isinstance(look_up.fills, Unread):
        # An end without its fills is half an answer.
        return OrderRule.LOOK_UP_FAILED
    for leg in look_up.legs:
        if leg.child_ids:
            continue  # an algo order fills nothing itself: its child does
        if leg.filled_quantity is None:
            if leg.order_class != OrderClass.REGULAR:
                continue  # and one that triggered nothing has no child
            return OrderRule.LOOK_UP_FAILED
        if _visible_of_leg(finding, leg.exchange_order_id) < claimed_quantity(leg):
            return OrderRule.ABSENT_FILLS_MISSING
    if order.status == OrderStatus.FILLED:
        return OrderRule.ABSENT_FILLED
    return OrderRule.ABSENT_ENDED


def claimed_quantity(shown: ExchangeOrder) -> Decimal:
    """Return how much an exchange order says was filled, by its counter and by its status word.

    The two may disagree for a moment; the fills must add up to the larger one.
    """
    counter = ZERO if shown.filled_quantity is None else shown.filled_quantity
    if shown.status == OrderStatus.FILLED and shown.quantity is not None:
        return max(counter, shown.quantity)
    return counter


def _visible_of_leg(finding: OrderFinding, exchange_order_id: str) -> Decimal:
    return total(
        kept.fill.quantity
        for kept in finding.fills
        if kept.fill.exchange_order_id in (exchange_order_id, None)
    )


def _without_what_has_no_room(
    order: OrderState, fills: tuple[KeptFill, ...], books: Books
) -> tuple[KeptFill, ...]:
    """Return an order's fills; what a person set aside of them is no news while nothing takes it.

    An exit whose slice is flat, or that has none, cannot be booked: a person has said whose the
    rest is. Should the slice hold something again, its own fills are booked all the same.
    """
    trade = None if order.trade_id is None else books.trades.get(order.trade_id)
    has_room = trade is not None and (order.purpose != Purpose.EXIT or trade.open_quantity > 0)
    if has_room:
        return fills
    return tuple(
        replace(kept, allocated=kept.fill.quantity) if kept.set_aside else kept for kept in fills
    )


def mirrored_quantity(finding: OrderFinding) -> Decimal:
    """Return the quantity of the whole order: the newest leg's, and what other legs filled.

    A triggered child speaks for its algo order, whose quantity stays as it is.
    """
    order, shown = finding.order, finding.shown
    if shown is None or shown.quantity is None or is_child(order, shown):
        return order.quantity
    others = total(
        kept.fill.quantity
        for kept in finding.fills
        if kept.fill.exchange_order_id not in (shown.exchange_order_id, None)
    )
    return shown.quantity + others


def differing_terms(finding: OrderFinding) -> tuple[str, ...]:
    """Return the names of the terms in which an open order differs from its mirror.

    How much is filled is not a term: only fills say that. A status differs where the portal holds
    the order to be pending, or terminal; OPEN against PARTIALLY_FILLED follows from the fills.
    """
    order, shown = finding.order, finding.shown
    if shown is None:
        return ()
    names = []
    if mirrored_quantity(finding) != order.quantity:
        names.append("quantity")
    if order.status == OrderStatus.PENDING or not order.is_active:
        names.append("status")
    if not is_child(order, shown):
        if shown.price is not None and shown.price != order.price:
            names.append("price")
        if order.exchange_order_id is None:
            names.append("exchange_order_id")
    return tuple(names)


def is_child(order: OrderState, shown: ExchangeOrder) -> bool:
    """Return whether a shown order is one that our algo order triggered."""
    return shown.parent_id is not None and shown.parent_id == order.exchange_order_id


def match_listed(books: Books, snapshot: AccountSnapshot) -> dict[int, ExchangeOrder]:
    """Match open exchange orders to ours: by exchange order id, else by client order id.

    A triggered child is its parent's.
    """
    by_id: dict[tuple[str, str], ExchangeOrder] = {}
    by_client_id: dict[str, ExchangeOrder] = {}
    for shown in snapshot.listed_orders():
        by_id[(shown.symbol, shown.exchange_order_id)] = shown
        if shown.parent_id is not None:
            by_id.setdefault((shown.symbol, shown.parent_id), shown)
        if shown.client_order_id is not None:
            by_client_id[shown.client_order_id] = shown
    matched = {}
    for order in books.orders.values():
        by_ids = (by_id.get((order.symbol, each)) for each in order.exchange_ids)
        shown_by_id = next((shown for shown in by_ids if shown is not None), None)
        by_client = by_client_id.get(order.client_order_id or "")
        if shown_by_id is not None:
            matched[order.id] = shown_by_id
        elif by_client is not None and by_client.symbol == order.symbol:
            matched[order.id] = by_client
    return matched


def is_recent(moments: Iterable[datetime | None], *, as_of: datetime, grace: timedelta) -> bool:
    """Return whether any moment lies within the grace before the snapshot, or after it."""
    return any(moment is not None and as_of - grace < moment for moment in moments)


def _is_fresh(
    order: OrderState,
    shown: ExchangeOrder | None,
    fills: Iterable[KeptFill],
    as_of: datetime,
    grace: timedelta,
) -> bool:
    """Return whether either side shows activity within the grace before the snapshot."""
    moments: list[datetime | None] = [order.created_at, order.last_activity_at]
    if shown is not None:
        moments += [shown.created_at, shown.updated_at]
    moments += [kept.fill.executed_at for kept in fills if kept.remaining > 0]
    return is_recent(moments, as_of=as_of, grace=grace)
