"""Write the rows of changes, all of a kind in one statement."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import OrderState, TradeState
from reconciliation.domain.plans.changes import Change
from reconciliation.enums import Origin
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.models import (
    Fill,
    FillAllocation,
    Order,
    OrderLeg,
    Position,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.lists import id_list

_TRADE_FIELDS = (
    "status",
    "entry_quantity",
    "exit_quantity",
    "average_entry_price",
    "average_exit_price",
    "reversals",
    "closed_at",
    "version",
)
_ORDER_FIELDS = (
    "trade_id",
    "purpose",
    "exchange_order_id",
    "status",
    "quantity",
    "price",
    "filled_quantity",
    "average_price",
    "end_reason",
    "version",
)


def insert_new_rows(changes: Sequence[Change], *, account_id: int) -> list[Change]:
    """Insert the trades and orders whose id is below zero; return the changes with real ids."""
    new_trades = [
        change.trade for change in changes if change.trade is not None and change.trade.id < 0
    ]
    trade_rows = [_new_trade(state, account_id) for state in new_trades]
    insert_rows(Trade, trade_rows)
    ids = {state.id: row.pk for state, row in zip(new_trades, trade_rows, strict=True)}
    new_orders = [order for change in changes for order in change.orders if order.id < 0]
    order_rows = [_new_order(state, account_id, ids) for state in new_orders]
    insert_rows(Order, order_rows)
    order_ids = {state.id: row.pk for state, row in zip(new_orders, order_rows, strict=True)}
    if not ids and not order_ids:
        return list(changes)
    return [_with_ids(change, ids, order_ids) for change in changes]


def write_history(
    changes: Sequence[Change], *, run_id: int | None, decision_id: int | None, now: datetime
) -> None:
    """Insert history rows, then the allocations that point to them."""
    rows = {
        draft.key: TradeHistory(
            trade_id=draft.trade_id,
            key=draft.key,
            kind=draft.kind,
            source=draft.source,
            quantity=draft.quantity,
            booked_quantity=draft.quantity,
            price=draft.price,
            fee=draft.fee,
            fee_currency=draft.fee_currency or "",
            estimated=draft.estimated,
            order_id=draft.order_id,
            exchange_fill_id=draft.exchange_fill_id,
            reverses_id=draft.reverses_id,
            run_id=run_id,
            decision_id=decision_id,
            evidence_hash=draft.evidence_hash,
            executed_at=draft.executed_at,
            recorded_at=now,
        )
        for change in changes
        for draft in change.history
    }
    insert_rows(TradeHistory, list(rows.values()))
    allocations = []
    for change in changes:
        for draft in change.allocations:
            row = FillAllocation(
                fill_id=draft.fill_id,
                trade_id=draft.trade_id,
                quantity=draft.quantity,
                released=draft.released,
                recorded_at=now,
            )
            if draft.history_id is not None:
                row.history_id = draft.history_id
            elif draft.history_key is not None:
                row.history_id = rows[draft.history_key].pk
            allocations.append(row)
    insert_rows(FillAllocation, allocations)


def write_fills(changes: Sequence[Change]) -> None:
    """Move the running totals of the fills that the changes consume."""
    allocated: dict[int, Decimal] = {}
    for change in changes:
        allocated |= change.premises.fills
    for change in changes:
        for draft in change.allocations:
            allocated[draft.fill_id] += -draft.quantity if draft.released else draft.quantity
    update_rows(
        Fill,
        [Fill(pk=fill_id, allocated_quantity=amount) for fill_id, amount in allocated.items()],
        fields=["allocated_quantity"],
    )


def write_trades_and_orders(changes: Sequence[Change]) -> None:
    """Write the states after of what was there before."""
    update_rows(
        Trade,
        [
            _trade_row(change.trade)
            for change in changes
            if change.trade is not None and change.trade.version > 0
        ],
        fields=_TRADE_FIELDS,
    )
    update_rows(
        Order,
        [_order_row(order) for change in changes for order in change.orders if order.version > 0],
        fields=_ORDER_FIELDS,
    )


def write_positions(changes: Sequence[Change], *, now: datetime) -> None:
    """Write position rows that are aligned; their premises have locked them."""
    ids = [draft.id for change in changes for draft in change.positions]
    if not ids:
        return
    rows = Position.objects.filter(pk__in=id_list(ids))
    versions = dict(rows.values_list("pk", "version"))
    update_rows(
        Position,
        [
            Position(
                pk=draft.id,
                quantity=draft.quantity,
                entry_price=draft.entry_price,
                updated_at=now,
                version=versions[draft.id] + 1,
            )
            for change in changes
            for draft in change.positions
        ],
        fields=["quantity", "entry_price", "updated_at", "version"],
    )


def write_legs(changes: Sequence[Change], *, account_id: int, now: datetime) -> None:
    """Insert the exchange orders that turned out to be parts of ours."""
    insert_rows(
        OrderLeg,
        [
            OrderLeg(
                order_id=leg.order_id,
                account_id=account_id,
                symbol=leg.symbol,
                exchange_order_id=leg.exchange_order_id,
                kind=leg.kind,
                recorded_at=now,
            )
            for change in changes
            for leg in change.legs
        ],
    )


def _new_trade(state: TradeState, account_id: int) -> Trade:
    row = _trade_row(state)
    row.pk = None
    row.account_id, row.profile_id = account_id, state.profile_id
    row.trade_id, row.symbol, row.direction = state.trade_id, state.symbol, state.direction
    row.sub_tag, row.origin = state.sub_tag, Origin.EXCHANGE
    row.code = state.code
    row.opened_at, row.last_activity_at = state.opened_at, state.opened_at
    return row


def _new_order(state: OrderState, account_id: int, trade_ids: dict[int, int]) -> Order:
    row = _order_row(state)
    row.pk = None
    row.account_id, row.profile_id = account_id, state.profile_id
    row.trade_id = None if state.trade_id is None else trade_ids.get(state.trade_id, state.trade_id)
    row.origin = Origin.EXCHANGE
    row.client_order_id, row.order_class = state.client_order_id, state.order_class
    row.symbol, row.side, row.position_side = state.symbol, state.side, state.position_side
    row.type, row.sub_tag = state.type, state.sub_tag
    row.created_at, row.last_activity_at = state.created_at, state.last_activity_at
    return row


def _with_ids(change: Change, trade_ids: dict[int, int], order_ids: dict[int, int]) -> Change:
    """Return a change in which every temporary id is the inserted row's own."""

    def trade(key: int) -> int:
        return trade_ids.get(key, key)

    def order(key: int | None) -> int | None:
        return key if key is None else order_ids.get(key, key)

    def event(draft: EventDraft) -> EventDraft:
        ids = trade_ids if draft.object_type == "trade" else order_ids
        after = dict(draft.after)
        if "order_id" in after:
            after["order_id"] = order_ids.get(after["order_id"], after["order_id"])  # type: ignore[call-overload]
        key = int(draft.object_id)
        return replace(draft, object_id=str(ids.get(key, key)), after=after)

    return replace(
        change,
        trade=None if change.trade is None else replace(change.trade, id=trade(change.trade.id)),
        orders=tuple(
            replace(
                each,
                id=order_ids.get(each.id, each.id),
                trade_id=None if each.trade_id is None else trade(each.trade_id),
            )
            for each in change.orders
        ),
        history=tuple(
            replace(each, trade_id=trade(each.trade_id), order_id=order(each.order_id))
            for each in change.history
        ),
        allocations=tuple(
            replace(each, trade_id=trade(each.trade_id)) for each in change.allocations
        ),
        mismatches=tuple(
            replace(
                each,
                key=each.key.replace(f"order:{each.order_id}:", f"order:{order(each.order_id)}:"),
                order_id=order(each.order_id),
                trade_id=None if each.trade_id is None else trade(each.trade_id),
            )
            for each in change.mismatches
        ),
        reviews=tuple(replace(each, trade_id=trade(each.trade_id)) for each in change.reviews),
        candidates=tuple(
            replace(each, trade_id=None if each.trade_id is None else trade(each.trade_id))
            for each in change.candidates
        ),
        events=tuple(event(each) for each in change.events),
    )


def _trade_row(state: TradeState) -> Trade:
    return Trade(
        pk=state.id,
        status=state.status,
        entry_quantity=state.entry_quantity,
        exit_quantity=state.exit_quantity,
        average_entry_price=state.average_entry_price,
        average_exit_price=state.average_exit_price,
        reversals=state.reversals,
        closed_at=state.closed_at,
        version=state.version + 1,
    )


def _order_row(state: OrderState) -> Order:
    return Order(
        pk=state.id,
        trade_id=state.trade_id,
        purpose=state.purpose,
        exchange_order_id=state.exchange_order_id,
        status=state.status,
        quantity=state.quantity,
        price=state.price,
        filled_quantity=state.filled_quantity,
        average_price=state.average_price,
        end_reason=state.end_reason,
        version=state.version + 1,
    )
