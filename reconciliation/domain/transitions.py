"""The legal changes of status: one table an entity, mirrored by a trigger in the database."""

from collections.abc import Mapping

from reconciliation.enums import (
    ACTIVE_ORDER_STATUSES,
    TERMINAL_ORDER_STATUSES,
    OrderStatus,
    TradeStatus,
)

# An active order may become anything later in its life. A terminal one may only be reopened by
# the mirror (the exchange shows it open), or learn from late fills that it was filled after all.
ORDER_TRANSITIONS: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset(OrderStatus) - {OrderStatus.PENDING},
    OrderStatus.OPEN: frozenset({OrderStatus.PARTIALLY_FILLED}) | TERMINAL_ORDER_STATUSES,
    OrderStatus.PARTIALLY_FILLED: frozenset({OrderStatus.OPEN}) | TERMINAL_ORDER_STATUSES,
    OrderStatus.FILLED: ACTIVE_ORDER_STATUSES - {OrderStatus.PENDING},
    OrderStatus.CANCELED: frozenset(
        {OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED}
    ),
    OrderStatus.REJECTED: frozenset(
        {OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED}
    ),
    OrderStatus.EXPIRED: frozenset(
        {OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED}
    ),
}

# A late entry fill reopens a trade that was closed or canceled; a reversal reopens a closed one. A
# round trip that was missed whole closes a trade that nobody knew to be open.
TRADE_TRANSITIONS: Mapping[TradeStatus, frozenset[TradeStatus]] = {
    TradeStatus.PENDING: frozenset({TradeStatus.OPEN, TradeStatus.CLOSED, TradeStatus.CANCELED}),
    TradeStatus.OPEN: frozenset({TradeStatus.QUARANTINED, TradeStatus.CLOSED}),
    TradeStatus.QUARANTINED: frozenset({TradeStatus.OPEN, TradeStatus.CLOSED}),
    TradeStatus.CLOSED: frozenset({TradeStatus.OPEN, TradeStatus.QUARANTINED}),
    TradeStatus.CANCELED: frozenset({TradeStatus.OPEN, TradeStatus.CLOSED, TradeStatus.PENDING}),
}

# What a delivery of the trading system may change: forward only, so that a stale row that is
# delivered again never undoes a repair.
_DELIVERY_RANK = {
    OrderStatus.PENDING: 0,
    OrderStatus.OPEN: 1,
    OrderStatus.PARTIALLY_FILLED: 2,
}


def order_may_become(old: OrderStatus, new: OrderStatus) -> bool:
    """Return whether an order's status may change like this, or stays as it is."""
    return old == new or new in ORDER_TRANSITIONS[old]


def trade_may_become(old: TradeStatus, new: TradeStatus) -> bool:
    """Return whether a trade's status may change like this, or stays as it is."""
    return old == new or new in TRADE_TRANSITIONS[old]


def merge_delivered_status(effective: OrderStatus, delivered: OrderStatus) -> OrderStatus:
    """Return the status after a delivery: it moves an order forward, never back.

    A terminal order stays as it is; only the exchange itself can contradict an end.
    """
    if effective in TERMINAL_ORDER_STATUSES:
        return effective
    if delivered in TERMINAL_ORDER_STATUSES:
        return delivered
    return max(effective, delivered, key=_DELIVERY_RANK.__getitem__)
