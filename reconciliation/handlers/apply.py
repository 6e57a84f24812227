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
from reconciliation.domain.books import OpenMismatch
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.mismatches import plan_mismatches
from reconciliation.enums import AuditOutcome, CycleStep
from reconciliation.handlers.backfill import lock_candidates, write_candidates
from reconciliation.handlers.leases import Lease, fence
from reconciliation.handlers.mismatches import write_mismatches
from reconciliation.handlers.positions import recalculate_positions
from reconciliation.handlers.rows import (
    insert_new_rows,
    write_fills,
    write_history,
    write_legs,
    write_positions,
    write_reviews,
    write_trades_and_orders,
)
from reconciliation.handlers.runs import fence_run
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import (
    Fill,
    Order,
    Position,
    Profile,
    Trade,
)
from reconciliation.selectors.lists import id_list, text_list


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
    found_orders: frozenset[int] = frozenset(),
) -> Applied:
    """Write all changes of one profile, or those that the database takes when one is bad.

    A row that breaks a rule of the database must not stop the others: the changes are then
    applied one by one, and the bad one is recorded as failed, with its reason.
    """
    try:
        return _apply(context, changes, open_mismatches, judged_orders, found_orders)
    except DatabaseError:
        if not changes:
            raise
    written, dropped, errors = 0, 0, []
    judged = set(judged_orders)
    for change in changes:
        keys = {draft.key for draft in change.mismatches}
        mine = [mismatch for mismatch in open_mismatches if mismatch.key in keys]
        applied = Applied(written=0, dropped=0)
        try:
            applied = _apply(context, [change], mine, frozenset(), frozenset())
        except DatabaseError as error:
            errors.append(_record_failure(context, change, error))
        written, dropped = written + applied.written, dropped + applied.dropped
        if not applied.written:
            judged -= change.premises.orders.keys()
    keys = {draft.key for change in changes for draft in change.mismatches}
    others = [mismatch for mismatch in open_mismatches if mismatch.key not in keys]
    _apply(context, [], others, frozenset(judged), found_orders)
    return Applied(written=written, dropped=dropped, errors=tuple(errors))


def _apply(
    context: ApplyContext,
    changes: Sequence[Change],
    open_mismatches: Sequence[OpenMismatch],
    judged_orders: frozenset[int],
    found_orders: frozenset[int],
) -> Applied:
    with transaction_unit(
        actor=context.actor,
        clock=context.clock,
        settings_hash=context.settings_hash,
        run_id=context.run_id,
        before_commit=lambda: context.reach(CycleStep.BEFORE_COMMIT),
    ) as unit:
        _fence(context)
        holding = insert_new_rows(
            _with_new_names(_with_premises_that_hold(changes), context),
            account_id=context.profile.account_id,
        )
        write_history(holding, run_id=context.run_id, now=unit.now)
        context.reach(CycleStep.FIRST_WRITE)
        write_fills(holding)
        write_trades_and_orders(holding)
        write_positions(holding, now=unit.now)
        write_legs(holding, account_id=context.profile.account_id, now=unit.now)
        write_reviews(
            holding,
            account_id=context.profile.account_id,
            profile_id=context.profile.pk,
            run_id=context.run_id,
            unit=unit,
        )
        _write_positions(holding, context, unit)
        write_candidates(
            [draft for change in holding for draft in change.candidates],
            account_id=context.profile.account_id,
            run_id=context.run_id,
            unit=unit,
            named=lambda event: _named(event, context),
        )
        moved = {key for change in changes for key in change.premises.orders}
        moved -= {key for change in holding for key in change.premises.orders}
        for change in holding:
            for event in change.events:
                unit.record(_named(event, context))
        write_mismatches(
            plan=plan_mismatches(
                open_before=open_mismatches,
                drafts=[draft for change in holding for draft in change.mismatches],
                can_see=lambda mismatch: mismatch.order_id in judged_orders - moved,
                found_orders=found_orders,
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
    position_ids = {key for change in changes for key in change.premises.positions}
    trades: dict[int, int] = {}
    orders: dict[int, int] = {}
    fills: dict[int, Decimal] = {}
    positions: dict[int, Decimal] = {}
    judged = [
        draft.known for change in changes for draft in change.candidates if draft.known is not None
    ]
    # No key changes, so that who only points to one of these rows need not wait.
    if trade_ids:
        rows = Trade.objects.select_for_update(no_key=True).filter(pk__in=id_list(trade_ids))
        trades = dict(rows.order_by("pk").values_list("pk", "version"))
    if order_ids:
        found = Order.objects.select_for_update(no_key=True).filter(pk__in=id_list(order_ids))
        orders = dict(found.order_by("pk").values_list("pk", "version"))
    if fill_ids:
        kept = Fill.objects.select_for_update(no_key=True).filter(pk__in=id_list(fill_ids))
        fills = dict(kept.order_by("pk").values_list("pk", "allocated_quantity"))
    if position_ids:
        held = Position.objects.select_for_update(no_key=True).filter(pk__in=id_list(position_ids))
        positions = dict(held.order_by("pk").values_list("pk", "quantity"))
    candidates = lock_candidates(judged)
    return [
        change
        for change in changes
        if all(trades.get(key) == version for key, version in change.premises.trades.items())
        and all(orders.get(key) == version for key, version in change.premises.orders.items())
        and all(fills.get(key) == amount for key, amount in change.premises.fills.items())
        and all(positions.get(key) == held for key, held in change.premises.positions.items())
        and all(
            candidates.get(draft.known.id) == draft.known.version
            for draft in change.candidates
            if draft.known is not None
        )
    ]


def _with_new_names(changes: Sequence[Change], context: ApplyContext) -> list[Change]:
    """Return the changes whose new orders and trades nobody has delivered in the meantime."""
    orders = [order for change in changes for order in change.orders if order.id < 0]
    trades = [c.trade for c in changes if c.trade is not None and c.trade.id < 0]
    if not orders and not trades:
        return list(changes)
    account = Order.objects.filter(account_id=context.profile.account_id).order_by()
    client_ids = [order.client_order_id for order in orders if order.client_order_id]
    exchange_ids = [order.exchange_order_id for order in orders if order.exchange_order_id]
    known = account.filter(client_order_id__in=text_list(client_ids)).union(
        account.filter(exchange_order_id__in=text_list(exchange_ids))
    )
    taken: set[object] = set()
    for client_id, symbol, exchange_id in known.values_list(
        "client_order_id", "symbol", "exchange_order_id"
    ):
        taken |= {client_id, (symbol, exchange_id)} - {None, (symbol, None)}
    codes = Trade.objects.filter(
        profile=context.profile, code__in=text_list(trade.code for trade in trades)
    )
    opened = set(codes.values_list("code", flat=True))
    return [
        change
        for change in changes
        if not any(
            order.client_order_id in taken or (order.symbol, order.exchange_order_id) in taken
            for order in change.orders
            if order.id < 0
        )
        and not (change.trade is not None and change.trade.id < 0 and change.trade.code in opened)
    ]


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
