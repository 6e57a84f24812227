"""Bundles of rows that a bot delivers, taken into the books as the handlers of deliveries do.

Shorter than they are: derivatives only, one account, one bot a profile. A row that repeats what is
booked counts for nothing, a stale row undoes nothing, and what cannot be is refused.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from reconciliation.bench.ledger import Ledger, LedgerRow
from reconciliation.domain.amounts import ZERO, total
from reconciliation.domain.books import OrderState, TradeState
from reconciliation.domain.deliveries import DeliveredHistory, DeliveredOrder, DeliveredTrade
from reconciliation.domain.keys import DELIVERED_PREFIX, trade_code
from reconciliation.domain.plans.adoption import ADOPTED_TRADE_PREFIX
from reconciliation.domain.plans.booking import with_quantity
from reconciliation.domain.transitions import merge_delivered_status
from reconciliation.enums import (
    HistoryKind,
    HistorySource,
    Purpose,
    TradeStatus,
)

_ESTIMATES = frozenset({HistorySource.SYNTHETIC, HistorySource.OPERATOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bot says at once: a trade, with an order and a history row of it, or without."""

    trade: DeliveredTrade
    order: DeliveredOrder | None = None
    history: DeliveredHistory | None = None


def deliver(ledger: Ledger, bundle: Bundle, profile_id: int, now: datetime) -> None:
    """Take a bundle into the books."""
    trade = _take_trade(ledger, bundle.trade, profile_id, now)
    order = None
    if bundle.order is not None:
        order = _take_order(ledger, bundle.order, trade, now)
    if bundle.history is not None:
        _take_history(ledger, bundle.history, trade.id, order, now)


def find_trade(ledger: Ledger, trade_id: str, sub_tag: str) -> TradeState | None:
    """Return a trade of the books by the bot's own id of it, under whatever name it stands."""
    code = trade_code(sub_tag, trade_id)
    return next((each for each in ledger.trades.values() if each.code == code), None)


def _take_trade(ledger: Ledger, row: DeliveredTrade, profile_id: int, now: datetime) -> TradeState:
    sub_tag = ledger.profiles[profile_id].sub_tag
    known = find_trade(ledger, row.trade_id, sub_tag)
    if known is None:
        known = TradeState(
            id=ledger.next_id(),
            profile_id=profile_id,
            trade_id=row.trade_id,
            code=trade_code(sub_tag, row.trade_id),
            symbol=row.symbol,
            direction=row.direction,
            sub_tag=row.sub_tag,
            status=TradeStatus.PENDING,
            entry_quantity=ZERO,
            exit_quantity=ZERO,
            average_entry_price=None,
            average_exit_price=None,
            reversals=0,
            opened_at=row.opened_at,
            closed_at=None,
            version=1,
            last_activity_at=now,
        )
        ledger.trades[known.id] = known
    elif known.trade_id.startswith(ADOPTED_TRADE_PREFIX):
        known = _touch_trade(ledger, replace(known, trade_id=row.trade_id), now)
    return known


def _touch_trade(ledger: Ledger, trade: TradeState, now: datetime) -> TradeState:
    after = replace(trade, version=trade.version + 1, last_activity_at=now)
    ledger.trades[after.id] = after
    return after


def _take_order(
    ledger: Ledger, row: DeliveredOrder, trade: TradeState, now: datetime
) -> OrderState | None:
    known = next(
        (
            each
            for each in ledger.orders.values()
            if (row.client_order_id is not None and each.client_order_id == row.client_order_id)
            or (row.exchange_order_id is not None and row.exchange_order_id in each.exchange_ids)
        ),
        None,
    )
    if known is None:
        order = OrderState(
            id=ledger.next_id(),
            profile_id=trade.profile_id,
            trade_id=trade.id,
            purpose=row.purpose,
            client_order_id=row.client_order_id,
            exchange_order_id=row.exchange_order_id,
            leg_ids=(),
            order_class=row.order_class,
            symbol=row.symbol,
            side=row.side,
            position_side=row.position_side,
            type=row.type,
            sub_tag=row.sub_tag,
            status=row.status,
            quantity=row.quantity,
            price=row.price,
            filled_quantity=row.filled_quantity,
            average_price=None,
            end_reason="",
            created_at=row.created_at,
            last_activity_at=now,
            version=1,
        )
        ledger.orders[order.id] = order
        return order
    merged = replace(
        known,
        status=merge_delivered_status(known.status, row.status),
        filled_quantity=max(known.filled_quantity, row.filled_quantity),
        exchange_order_id=known.exchange_order_id or row.exchange_order_id,
        trade_id=known.trade_id or trade.id,
        purpose=known.purpose or row.purpose,
    )
    if merged == known:
        return known
    merged = replace(merged, version=known.version + 1, last_activity_at=now)
    ledger.orders[known.id] = merged
    return merged


def _take_history(
    ledger: Ledger,
    row: DeliveredHistory,
    trade_pk: int,
    order: OrderState | None,
    now: datetime,
) -> None:
    key = DELIVERED_PREFIX + row.row_id
    trade = ledger.trades[trade_pk]
    if key in ledger.rows or (order is not None and order.trade_id != trade_pk):
        return
    excess = _excess(ledger, row, trade, order)
    if row.kind == HistoryKind.EXIT and excess > trade.open_quantity:
        return  # refused: the missing entries must be told first
    ledger.add_row(
        LedgerRow(
            id=ledger.next_id(),
            trade_id=trade.id,
            key=key,
            kind=row.kind,
            source=HistorySource.BOT,
            quantity=row.quantity,
            booked=excess,
            order_id=None if order is None else order.id,
            fill_id=row.exchange_fill_id,
            is_delivered=True,
        )
    )
    if excess > 0:
        trade = with_quantity(trade, Purpose(row.kind), excess, row.price)
        if trade.open_quantity == 0:
            trade = replace(trade, status=TradeStatus.CLOSED, closed_at=row.executed_at)
        elif trade.status != TradeStatus.QUARANTINED:
            trade = replace(trade, status=TradeStatus.OPEN, closed_at=None)
    _touch_trade(ledger, trade, now)
    if order is not None:
        touched = ledger.orders[order.id]
        ledger.orders[order.id] = replace(
            touched, version=touched.version + 1, last_activity_at=now
        )


def _excess(
    ledger: Ledger, row: DeliveredHistory, trade: TradeState, order: OrderState | None
) -> Decimal:
    """Return the part of a row that repeats nothing which is booked already."""
    by_portal: dict[str, Decimal] = {}
    repeats: dict[str, Decimal] = {}
    told: dict[str, Decimal] = {}
    loose = ZERO
    rows = [each for each in ledger.rows_of.get(trade.id, ()) if each.kind == row.kind]
    for each in rows:
        is_of_order = order is None or _is_of_order(each, order)
        name = each.fill_id
        if each.is_delivered:
            if name is not None:
                repeats[name] = repeats.get(name, ZERO) + each.quantity - each.booked
                told[name] = told.get(name, ZERO) + each.booked
            elif row.exchange_fill_id is None and is_of_order:
                loose -= each.quantity - each.booked
        elif name is None:
            nameless = row.exchange_fill_id is None and is_of_order
            if each.source in _ESTIMATES or nameless:
                loose += each.booked
        elif row.exchange_fill_id is not None or is_of_order:
            by_portal[name] = by_portal.get(name, ZERO) + each.booked
    if row.exchange_fill_id is None:
        named = total(max(booked - repeats.get(n, ZERO), ZERO) for n, booked in by_portal.items())
        excess = max(row.quantity - max(named + loose, ZERO), ZERO)
        return _within(order, rows, excess)
    name = row.exchange_fill_id
    repeated = max(by_portal.get(name, ZERO) - repeats.get(name, ZERO), ZERO) + loose
    kept = ledger.fill_named((trade.symbol, trade.side_of(Purpose(row.kind)), name))
    if kept is None:
        repeated += told.get(name, ZERO)
        return _within(order, rows, max(row.quantity - repeated, ZERO))
    return min(max(row.quantity - repeated, ZERO), kept.remaining)


def _within(order: OrderState | None, rows: list[LedgerRow], quantity: Decimal) -> Decimal:
    """Return what of a quantity that no fill has proven fits into its order."""
    if order is None:
        return quantity
    taken = total(row.booked for row in rows if _is_of_order(row, order))
    return min(quantity, max(order.quantity - taken, ZERO))


def _is_of_order(row: LedgerRow, order: OrderState) -> bool:
    if row.order_id == order.id:
        return True
    exchange_id, client_id = row.order_ids
    return (exchange_id is not None and exchange_id == order.exchange_order_id) or (
        client_id is not None and client_id == order.client_order_id
    )
