"""Apply the changes of one profile: the only way that a cycle's decisions reach the books.

One durable transaction: fence the lease, re-read the premises, drop what no longer holds, write
in bulk, seal the events, commit. Its number of statements does not depend on how many orders
there are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db import DatabaseError

from reconciliation.clock import Clock
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.books import OpenMismatch, OrderState, TradeState
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.mismatches import plan_mismatches
from reconciliation.enums import AuditOutcome, CycleStep
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.handlers.leases import Lease, fence
from reconciliation.handlers.mismatches import write_mismatches
from reconciliation.handlers.positions import recalculate_positions
from reconciliation.handlers.runs import fence_run
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import (
    Fill,
    FillAllocation,
    Order,
    Profile,
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
    "exchange_order_id",
    "status",
    "quantity",
    "price",
    "filled_quantity",
    "average_price",
    "end_reason",
    "version",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyContext:
    """On whose behalf a profile's changes are applied, and how."""

    profile: Profile
    account_name: str
    run_id: int
    claim_token: UUID
    lease: Lease
    lock_ttl: timedelta
    actor: Actor
    settings_hash: str
    clock: Clock
    reach: Callable[[CycleStep], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """How many changes were written, how many premises had moved, and which rows failed."""

    written: int
    dropped: int
    errors: tuple[str, ...] = ()


def apply_changes(
    *,
    context: ApplyContext,
    changes: Sequence[Change],
    open_mismatches: Sequence[OpenMismatch],
    judged_orders: frozenset[int],
) -> Applied:
    """Write all changes of one profile, or those that the database takes when one is bad.

    A row that breaks a rule of the database must not stop the others: the changes are then
    applied one by one, and the bad one is recorded as failed, with its reason.
    """
    try:
        return _apply(context, changes, open_mismatches, judged_orders)
    except DatabaseError:
        if not changes:
            raise
    written, dropped, errors = 0, 0, []
    for change in changes:
        keys = {draft.key for draft in change.mismatches}
        mine = [mismatch for mismatch in open_mismatches if mismatch.key in keys]
        try:
            applied = _apply(context, [change], mine, frozenset())
            written, dropped = written + applied.written, dropped + applied.dropped
        except DatabaseError as error:
            errors.append(_record_failure(context, change, error))
    keys = {draft.key for change in changes for draft in change.mismatches}
    others = [mismatch for mismatch in open_mismatches if mismatch.key not in keys]
    _apply(context, [], others, judged_orders)
    return Applied(written=written, dropped=dropped, errors=tuple(errors))


def _apply(
    context: ApplyContext,
    changes: Sequence[Change],
    open_mismatches: Sequence[OpenMismatch],
    judged_orders: frozenset[int],
) -> Applied:
    with transaction_unit(
        actor=context.actor,
        clock=context.clock,
        settings_hash=context.settings_hash,
        run_id=context.run_id,
        before_commit=lambda: context.reach(CycleStep.BEFORE_COMMIT),
    ) as unit:
        _fence(context)
        holding = _with_premises_that_hold(changes)
        _write_history(holding, context, unit)
        context.reach(CycleStep.FIRST_WRITE)
        _write_fills(holding)
        _write_trades_and_orders(holding)
        _write_positions(holding, context, unit)
        for change in holding:
            for event in change.events:
                unit.record(_named(event, context))
        write_mismatches(
            plan=plan_mismatches(
                open_before=open_mismatches,
                drafts=[draft for change in holding for draft in change.mismatches],
                judged_orders=judged_orders
                - {
                    order_id
                    for change in changes
                    if change not in holding
                    for order_id in change.premises.orders
                },
            ),
            account_id=context.profile.account_id,
            run_id=context.run_id,
            unit=unit,
            named=lambda event: _named(event, context),
        )
    return Applied(written=len(holding), dropped=len(changes) - len(holding))


def _fence(context: ApplyContext) -> None:
    """Make sure, first of all, that lease and run are still this process's."""
    fence(context.lease, ttl=context.lock_ttl, clock=context.clock)
    fence_run(run_id=context.run_id, claim_token=context.claim_token, clock=context.clock)


def _with_premises_that_hold(changes: Sequence[Change]) -> list[Change]:
    """Lock and re-read what the changes relied on; return those that still may be applied."""
    trade_ids = {key for change in changes for key in change.premises.trades}
    order_ids = {key for change in changes for key in change.premises.orders}
    fill_ids = {key for change in changes for key in change.premises.fills}
    trades: dict[int, int] = {}
    orders: dict[int, int] = {}
    fills: dict[int, object] = {}
    if trade_ids:
        rows = Trade.objects.select_for_update().filter(pk__in=id_list(trade_ids)).order_by("pk")
        trades = dict(rows.values_list("pk", "version"))
    if order_ids:
        found = Order.objects.select_for_update().filter(pk__in=id_list(order_ids)).order_by("pk")
        orders = dict(found.values_list("pk", "version"))
    if fill_ids:
        kept = Fill.objects.select_for_update().filter(pk__in=id_list(fill_ids)).order_by("pk")
        fills = dict(kept.values_list("pk", "allocated_quantity"))
    return [
        change
        for change in changes
        if all(trades.get(key) == version for key, version in change.premises.trades.items())
        and all(orders.get(key) == version for key, version in change.premises.orders.items())
        and all(fills.get(key) == amount for key, amount in change.premises.fills.items())
    ]


def _write_history(changes: Sequence[Change], context: ApplyContext, unit: Unit) -> None:
    drafts = [draft for change in changes for draft in change.history]
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
            run_id=context.run_id,
            evidence_hash=draft.evidence_hash,
            executed_at=draft.executed_at,
            recorded_at=unit.now,
        )
        for draft in drafts
    }
    insert_rows(TradeHistory, list(rows.values()))
    allocations = []
    for change in changes:
        for draft in change.allocations:
            row = FillAllocation(
                fill_id=draft.fill_id,
                trade_id=draft.trade_id,
                quantity=draft.quantity,
                recorded_at=unit.now,
            )
            if draft.history_id is not None:
                row.history_id = draft.history_id
            elif draft.history_key is not None:
                row.history_id = rows[draft.history_key].pk
            allocations.append(row)
    insert_rows(FillAllocation, allocations)


def _write_fills(changes: Sequence[Change]) -> None:
    allocated: dict[int, Decimal] = {}
    for change in changes:
        allocated |= change.premises.fills
    for change in changes:
        for draft in change.allocations:
            allocated[draft.fill_id] += draft.quantity
    update_rows(
        Fill,
        [Fill(pk=fill_id, allocated_quantity=amount) for fill_id, amount in allocated.items()],
        fields=["allocated_quantity"],
    )


def _write_trades_and_orders(changes: Sequence[Change]) -> None:
    update_rows(
        Trade,
        [_trade_row(change.trade) for change in changes if change.trade is not None],
        fields=_TRADE_FIELDS,
    )
    update_rows(
        Order,
        [_order_row(order) for change in changes for order in change.orders],
        fields=_ORDER_FIELDS,
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
        exchange_order_id=state.exchange_order_id,
        status=state.status,
        quantity=state.quantity,
        price=state.price,
        filled_quantity=state.filled_quantity,
        average_price=state.average_price,
        end_reason=state.end_reason,
        version=state.version + 1,
    )


def _write_positions(changes: Sequence[Change], context: ApplyContext, unit: Unit) -> None:
    """Recalculate the profile's position rows whose slices changed."""
    touched = {
        (change.trade.symbol, change.trade.direction)
        for change in changes
        if change.trade is not None
    }
    if touched:
        recalculate_positions(profile_id=context.profile.pk, touched=touched, now=unit.now)


def _record_failure(context: ApplyContext, change: Change, error: DatabaseError) -> str:
    """Record, in a unit of its own, that a change could not be written."""
    subject = (
        f"trade {change.trade.trade_id}"
        if change.trade is not None
        else f"orders {sorted(change.premises.orders)}"
    )
    sentence = f"{subject}: {str(error).splitlines()[0]}"
    with transaction_unit(
        actor=context.actor,
        clock=context.clock,
        settings_hash=context.settings_hash,
        run_id=context.run_id,
    ) as unit:
        _fence(context)
        for event in change.events:
            unit.record(
                replace(_named(event, context), outcome=AuditOutcome.FAILED, comment=sentence)
            )
    return sentence


def _named(event: EventDraft, context: ApplyContext) -> EventDraft:
    return replace(event, profile=context.profile.name, account=context.account_name)
