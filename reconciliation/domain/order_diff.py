"""Compare the orders of the books with an exchange snapshot: which row of the table holds.

Invariants: identical sides give no mismatch; the order of the input does not matter; what was not
read is judged by no rule that writes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.domain.amounts import total
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
from reconciliation.enums import OrderStatus


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


def group_fills(books: Books) -> dict[int, tuple[KeptFill, ...]]:
    """Return the fills of each order by the order's id, oldest first."""
    by_id: dict[tuple[str, str], int] = {}
    by_client_id: dict[str, int] = {}
    for order in books.orders.values():
        if order.exchange_order_id is not None:
            by_id[(order.symbol, order.exchange_order_id)] = order.id
        if order.client_order_id is not None:
            by_client_id[order.client_order_id] = order.id
    groups: dict[int, list[KeptFill]] = {}
    for kept in books.fills:
        fill = kept.fill
        owner = by_id.get((fill.symbol, fill.exchange_order_id or ""))
        if owner is None and fill.client_order_id is not None:
            owner = by_client_id.get(fill.client_order_id)
            if owner is not None and not _is_of(books.orders[owner], kept):
                owner = None
        if owner is not None:
            groups.setdefault(owner, []).append(kept)
    return {
        order_id: tuple(sorted(group, key=lambda k: (k.fill.executed_at, k.fill.fill_id)))
        for order_id, group in groups.items()
    }


def orders_to_look_up(
    books: Books, snapshot: AccountSnapshot, *, grace: timedelta, limit: int
) -> tuple[tuple[OrderState, ...], int]:
    """Return the active orders to ask for one by one, oldest first, and how many must wait."""
    listed = _listed(books, snapshot)
    groups = group_fills(books)
    absent = sorted(
        (
            order
            for order in books.orders.values()
            if order.is_active
            and order.id not in listed
            and isinstance(snapshot.open_orders.get(order.order_class), OpenOrders)
            and not _is_fresh(order, None, groups.get(order.id, ()), snapshot.as_of, grace)
        ),
        key=lambda order: (order.created_at, order.id),
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
    listed = _listed(books, snapshot)
    groups = group_fills(books)
    return tuple(
        _judge(
            order,
            listed=listed.get(order.id),
            class_read=isinstance(snapshot.open_orders.get(order.order_class), OpenOrders),
            look_up=look_ups.get(order.id),
            fills=groups.get(order.id, ()),
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
        if finding.unbooked:
            return holds(OrderRule.OPEN_UNBOOKED_FILLS)
        same = not differing_terms(order, listed)
        return holds(OrderRule.OPEN_NOTHING_NEW if same else OrderRule.OPEN_OTHER_TERMS)
    if not order.is_active:
        unbooked = bool(finding.unbooked)
        return holds(
            OrderRule.TERMINAL_UNBOOKED_FILLS if unbooked else OrderRule.TERMINAL_NOTHING_NEW
        )
    if not class_read:
        return holds(OrderRule.CLASS_NOT_READ)
    if look_up is None or isinstance(look_up, Unread):
        return holds(OrderRule.LOOK_UP_FAILED)
    if isinstance(look_up, OrderNotFound):
        return holds(OrderRule.ABSENT_NOT_FOUND)
    return holds(_rule_of_found(look_up, finding))


def _rule_of_found(look_up: OrderFound, finding: OrderFinding) -> OrderRule:
    order = look_up.order
    if order.status in (OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED):
        return OrderRule.ABSENT_STILL_OPEN
    if isinstance(look_up.fills, Unread) or order.filled_quantity is None:
        # An end without its fills is half an answer.
        return OrderRule.LOOK_UP_FAILED
    if finding.visible_quantity < order.filled_quantity:
        return OrderRule.ABSENT_FILLS_MISSING
    if order.status == OrderStatus.FILLED:
        return OrderRule.ABSENT_FILLED
    return OrderRule.ABSENT_ENDED


def differing_terms(order: OrderState, shown: ExchangeOrder) -> tuple[str, ...]:
    """Return the names of the terms in which an open order differs from its mirror.

    How much is filled is not a term: only fills say that. A status differs where the portal holds
    the order to be pending, or terminal; OPEN against PARTIALLY_FILLED follows from the fills.
    """
    names = []
    if shown.quantity is not None and shown.quantity != order.quantity:
        names.append("quantity")
    if shown.price is not None and shown.price != order.price:
        names.append("price")
    if order.status == OrderStatus.PENDING or not order.is_active:
        names.append("status")
    if order.exchange_order_id != shown.exchange_order_id:
        names.append("exchange_order_id")
    return tuple(names)


def _listed(books: Books, snapshot: AccountSnapshot) -> dict[int, ExchangeOrder]:
    """Match open exchange orders to ours: by exchange order id, else by client order id."""
    by_id: dict[tuple[str, str], ExchangeOrder] = {}
    by_client_id: dict[str, ExchangeOrder] = {}
    for part in snapshot.open_orders.values():
        if isinstance(part, OpenOrders):
            for shown in part.orders:
                by_id[(shown.symbol, shown.exchange_order_id)] = shown
                if shown.client_order_id is not None:
                    by_client_id[shown.client_order_id] = shown
    matched = {}
    for order in books.orders.values():
        shown_by_id = by_id.get((order.symbol, order.exchange_order_id or ""))
        shown_by_client_id = by_client_id.get(order.client_order_id or "")
        if shown_by_id is not None:
            matched[order.id] = shown_by_id
        elif shown_by_client_id is not None and shown_by_client_id.symbol == order.symbol:
            matched[order.id] = shown_by_client_id
    return matched


def _is_of(order: OrderState, kept: KeptFill) -> bool:
    fill = kept.fill
    if fill.symbol != order.symbol or fill.side != order.side:
        return False
    if order.exchange_order_id is not None and fill.exchange_order_id == order.exchange_order_id:
        return True
    return order.client_order_id is not None and fill.client_order_id == order.client_order_id


def _is_fresh(
    order: OrderState,
    shown: ExchangeOrder | None,
    fills: Iterable[KeptFill],
    as_of: datetime,
    grace: timedelta,
) -> bool:
    """Return whether either side shows activity within the grace before the snapshot."""
    moments = [order.created_at, order.last_activity_at]
    if shown is not None:
        moments += [moment for moment in (shown.created_at, shown.updated_at) if moment]
    moments += [kept.fill.executed_at for kept in fills if kept.remaining > 0]
    return any(as_of - grace < moment for moment in moments)
