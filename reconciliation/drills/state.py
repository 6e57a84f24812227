"""The state that expectations are held against: plain reads, a function a key of the tree."""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal

from reconciliation.domain.amounts import total
from reconciliation.domain.audit import verify
from reconciliation.domain.plans.adoption import ADOPTED_TRADE_PREFIX
from reconciliation.drills.metrics import canonical_sample
from reconciliation.drills.words import AUDIT_ACTIONS, ChainState
from reconciliation.drills.world import World
from reconciliation.enums import (
    Direction,
    HistoryKind,
    HistorySource,
    MismatchStatus,
)
from reconciliation.models import (
    AuditEvent,
    BackfillCandidate,
    ExternalOrder,
    Mismatch,
    Order,
    Position,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.audit import ChainReader
from reconciliation.selectors.health import load_health
from reconciliation.selectors.metrics import load_metrics

Tree = dict[str, object]


def read_trades(world: World) -> Tree:
    """Return every trade by its name; the open quantity is signed by direction."""
    return {
        _trade_name(world, trade): {
            "profile": trade.profile.name,
            "symbol": trade.symbol,
            "direction": trade.direction,
            "status": trade.status,
            "open_quantity": _open_quantity(trade),
            "entry_quantity": trade.entry_quantity,
            "exit_quantity": trade.exit_quantity,
        }
        for trade in Trade.objects.select_related("profile")
    }


def _trade_name(world: World, trade: Trade) -> str:
    """Return what the drill calls a trade: its id.

    A trade that was opened for an adopted order has an id of the portal's until the trading
    system says its own; the drill named it in the client order id.
    """
    if trade.trade_id.startswith(ADOPTED_TRADE_PREFIX):
        return world.drill.trade_codes.get(trade.code, trade.trade_id)
    return trade.trade_id


def _open_quantity(trade: Trade) -> Decimal:
    quantity = total([trade.entry_quantity, -trade.exit_quantity])
    return -quantity if trade.direction == Direction.SHORT and quantity else quantity


def read_orders(world: World) -> Tree:
    """Return every order by the drill's key, or by exchange order id where it has none."""
    orders = Order.objects.select_related("account", "profile", "trade")
    return {
        name: {
            "profile": order.profile.name,
            "trade": _trade_name(world, order.trade) if order.trade else None,
            "purpose": order.purpose,
            "origin": order.origin,
            "symbol": order.symbol,
            "status": order.status,
            "quantity": order.quantity,
            "filled": order.filled_quantity,
            "price": order.price,
            "average_price": order.average_price,
            "exchange_order_id": order.exchange_order_id,
            "client_order_id": order.client_order_id,
            "end_reason": order.end_reason,
        }
        for order in orders
        if (name := _order_name(world, order)) is not None
    }


def _order_name(world: World, order: Order) -> str | None:
    """Return what the drill calls an order; its newest ids are tried first."""
    names = [each for each in reversed(world.order_names) if each.account == order.account.name]
    for each in names:
        if order.client_order_id is not None and each.client_order_id == order.client_order_id:
            return each.key
    for each in names:
        if order.exchange_order_id is None or each.exchange_order_id != order.exchange_order_id:
            continue
        if each.client_order_id is None or order.client_order_id is None:
            return each.key
    return order.exchange_order_id or order.client_order_id


def read_history(world: World) -> Tree:
    """Return, per trade, how many rows of each kind count, and of each source."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in _trade_names(world)}
    sources: dict[str, Counter[str]] = {name: Counter() for name in counts}
    for row in TradeHistory.objects.select_related("trade"):
        is_reversal = row.kind == HistoryKind.REVERSAL
        if not is_reversal and not row.booked_quantity:
            continue  # delivered, and wholly covered by fills that were booked before
        name = _trade_name(world, row.trade)
        counts[name][row.kind] += 1
        if not is_reversal:
            sources[name][row.source] += 1
    return {
        name: {
            **{kind.value: counts[name][kind] for kind in HistoryKind},
            "sources": {source.value: sources[name][source] for source in HistorySource},
        }
        for name in counts
    }


def _trade_names(world: World) -> list[str]:
    return [_trade_name(world, trade) for trade in Trade.objects.all()]


def read_exits(world: World) -> Tree:
    """Return, per trade, the EXIT rows in force: booked, and not taken back by a reversal."""
    exits: dict[str, list[Tree]] = {name: [] for name in _trade_names(world)}
    rows = TradeHistory.objects.select_related("trade").filter(
        kind=HistoryKind.EXIT, reversed_by__isnull=True
    )
    for row in rows:
        if row.booked_quantity:
            exits[_trade_name(world, row.trade)].append(
                {
                    "quantity": row.booked_quantity,
                    "price": row.price,
                    "source": row.source,
                    "estimated": row.estimated,
                    "fill_id": row.exchange_fill_id,
                }
            )
    return dict(exits)


def read_mismatches(world: World) -> list[Tree]:
    """Return every mismatch, oldest first."""
    return [_mismatch(world, mismatch) for mismatch in _mismatches()]


def _mismatches() -> Iterator[Mismatch]:
    related = ("account", "profile", "trade", "order__account", "order__trade")
    yield from Mismatch.objects.select_related(*related).order_by("pk")


def _mismatch(world: World, mismatch: Mismatch) -> Tree:
    order, seen = mismatch.order, mismatch.exchange_side
    # A difference of an order concerns its trade, whether or not the row says so itself.
    trade = mismatch.trade or (order.trade if order else None)
    return {
        "kind": mismatch.kind,
        "status": mismatch.status,
        "account": mismatch.account.name,
        "profile": mismatch.profile.name if mismatch.profile else None,
        "symbol": mismatch.symbol,
        "trade": _trade_name(world, trade) if trade else None,
        # What is in no row of ours is named as the exchange names it.
        "order": _order_name(world, order) if order else _shown(seen, "order", "exchange_order_id"),
        "fill": _shown(seen, "fill", "fill_id"),
        "drift": mismatch.drift,
    }


def _shown(evidence: object, what: str, name: str) -> object:
    """Return a name out of the exchange's side of a difference, where it speaks of that."""
    shown = evidence.get(what) if isinstance(evidence, Mapping) else None
    return shown.get(name) if isinstance(shown, Mapping) else None


def count_open_mismatches(world: World) -> int:
    """Return how many mismatches are open; accepted ones are not."""
    return Mismatch.objects.filter(status=MismatchStatus.OPEN).count()


def read_quarantine(world: World) -> list[Tree]:
    """Return every item of the quarantine queue, oldest first."""
    items = ReviewItem.objects.all()
    return [
        {
            "trade": _trade_name(world, item.trade),
            "profile": item.profile.name,
            "status": item.status,
            "reason": item.reason,
        }
        for item in items.select_related("trade", "profile").order_by("pk")
    ]


def read_backfill(world: World) -> list[Tree]:
    """Return every fill that could be a missed exit, oldest first."""
    rows = BackfillCandidate.objects.select_related("fill", "trade")
    return [
        {
            "fill": row.fill.exchange_fill_id,
            "trade": _trade_name(world, row.trade) if row.trade else None,
            "verdict": row.verdict,
            "reasons": row.reasons,
            "mode": row.mode,
            "status": row.status,
        }
        for row in rows.order_by("pk")
    ]


def read_external_orders(world: World) -> list[Tree]:
    """Return every order that belongs to nobody, oldest first."""
    return [
        {
            "exchange_order_id": order.exchange_order_id,
            "account": order.account.name,
            "symbol": order.symbol,
            "status": order.status,
        }
        for order in ExternalOrder.objects.select_related("account").order_by("pk")
    ]


def read_positions(world: World) -> list[Tree]:
    """Return the position rows; a quantity is without its sign, the direction says it."""
    return [
        {
            "profile": position.profile.name,
            "symbol": position.symbol,
            "direction": position.direction,
            "quantity": abs(position.quantity),
            "entry_price": position.entry_price,
        }
        for position in Position.objects.select_related("profile")
    ]


def read_health(world: World) -> Tree:
    """Return what `/internal/health` says."""
    return load_health(conf=world.drill.conf, clock=world.clock)


def read_metrics(world: World) -> Tree:
    """Return the samples of `/metrics` by name, their labels in alphabetical order."""
    samples = load_metrics(conf=world.drill.conf, clock=world.clock)
    return {canonical_sample(name) or name: value for name, value in samples.items()}


def read_runs(world: World) -> Tree:
    """Return the last run; there is none before the first."""
    run = Run.objects.select_related("account").order_by("-pk").first()
    if run is None:
        return {}
    return {
        "last": {
            "kind": run.kind,
            "status": run.status,
            "coverage": run.coverage,
            "account": run.account.name,
            "error": run.error,
        }
    }


def read_audit(world: World) -> Tree:
    """Return how many events there are of each action; what did not happen counts zero."""
    counts = Counter(AuditEvent.objects.order_by().values_list("action", flat=True))
    return {action: counts[action] for action in sorted({*AUDIT_ACTIONS, *counts})}


def read_audit_chain(world: World) -> str:
    """Return whether the audit chain is proven from its first event to its last."""
    reader = ChainReader()
    report = verify(reader.rows(), head=reader.head)
    return ChainState.INTACT.value if report.intact else ChainState.BROKEN.value


def read_corrections(world: World) -> int:
    """Return how many rows of the books the portal wrote since the expectations before."""
    return world.corrections
