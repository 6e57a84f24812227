"""Write changes within a transaction unit: lock what they relied on, drop what moved.

Every writer of books goes through here: cycles by `apply`, people by their decisions.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from reconciliation.domain.plans.changes import Change
from reconciliation.handlers.backfill import lock_candidates, write_candidates
from reconciliation.handlers.edits import load_left_alone
from reconciliation.handlers.positions import recalculate_positions
from reconciliation.handlers.review_items import supersede_reviews, write_reviews
from reconciliation.handlers.rows import (
    insert_new_rows,
    write_fills,
    write_history,
    write_legs,
    write_positions,
    write_trades_and_orders,
)
from reconciliation.handlers.targets import Target
from reconciliation.handlers.unit import Unit
from reconciliation.models import Fill, Order, Position, Trade
from reconciliation.selectors.lists import id_list, text_list


def write_changes(
    unit: Unit,
    changes: Sequence[Change],
    *,
    target: Target,
    run_id: int | None = None,
    decision_id: int | None = None,
    first_write: Callable[[], None] = lambda: None,
) -> list[Change]:
    """Write the changes of one profile whose premises hold, with their events; return those.

    Mismatches are the caller's: what of them is gone depends on what he looked at. The number of
    statements does not depend on how many changes there are. `run_id` is of the run, `decision_id`
    of the person's decision on whose behalf they are written; only a run asks new questions.
    """
    # A person sees what was edited past the portal, and decides all the same; a run does not.
    sound = _with_premises_that_hold(changes, is_automatic=decision_id is None)
    holding = insert_new_rows(_with_new_names(sound, target), account_id=target.account_id)
    write_history(holding, run_id=run_id, decision_id=decision_id, now=unit.now)
    first_write()
    write_fills(holding)
    write_trades_and_orders(holding)
    write_positions(holding, now=unit.now)
    write_legs(holding, account_id=target.account_id, now=unit.now)
    supersede_reviews(holding, target, unit)
    _recalculate_positions(holding, target, unit)
    if run_id is not None:
        write_reviews(holding, target=target, run_id=run_id, unit=unit)
        write_candidates(
            [draft for change in holding for draft in change.candidates],
            account_id=target.account_id,
            run_id=run_id,
            unit=unit,
            named=target.named,
        )
    for change in holding:
        for event in change.events:
            unit.record(target.named(event))
    return holding


def _with_premises_that_hold(changes: Sequence[Change], *, is_automatic: bool) -> list[Change]:
    """Lock and re-read what the changes relied on; return those that still may be applied.

    To what runs decide, a row that was edited past the portal is as good as moved.
    """
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
    if is_automatic:
        edited = load_left_alone(trades=trades, orders=orders, positions=positions)
        trades = {key: trades[key] for key in trades.keys() - edited.trades}
        orders = {key: orders[key] for key in orders.keys() - edited.orders}
        positions = {key: positions[key] for key in positions.keys() - edited.positions}
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


def _with_new_names(changes: Sequence[Change], target: Target) -> list[Change]:
    """Return the changes whose new orders and trades nobody has delivered in the meantime."""
    orders = [order for change in changes for order in change.orders if order.id < 0]
    trades = [c.trade for c in changes if c.trade is not None and c.trade.id < 0]
    if not orders and not trades:
        return list(changes)
    account = Order.objects.filter(account_id=target.account_id).order_by()
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
        profile_id=target.profile_id, code__in=text_list(trade.code for trade in trades)
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


def _recalculate_positions(changes: Sequence[Change], target: Target, unit: Unit) -> None:
    """Recalculate the profile's position rows whose slices changed."""
    touched = {
        (change.trade.symbol, change.trade.direction)
        for change in changes
        if change.trade is not None
    }
    if touched:
        recalculate_positions(profile_id=target.profile_id, touched=touched, now=unit.now)
