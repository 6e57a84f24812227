"""One line a thing: both sides of an account as values, for tests without a database.

Amounts are given as strings. Everything is two hours old unless it says otherwise, far outside
the grace.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.backfill import BackfillPolicy
from reconciliation.domain.books import (
    Books,
    HistoryRow,
    KeptFill,
    OpenMismatch,
    OrderState,
    ProfileState,
    StandingExits,
    SyntheticExit,
    TradeState,
)
from reconciliation.domain.decisions import Decisions, decide_orders
from reconciliation.domain.keys import client_order_id, trade_code
from reconciliation.domain.legs import find_legs
from reconciliation.domain.linking import link_delivered_rows
from reconciliation.domain.order_diff import OrderFinding, diff_orders
from reconciliation.domain.plans.booking import net_quantity
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.orders import NotFoundPolicy
from reconciliation.domain.plans.reversals import all_standing_after
from reconciliation.domain.types import (
    AccountSnapshot,
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    LookUp,
    OpenOrders,
    OrderFound,
    OrderNotFound,
    Unread,
)
from reconciliation.domain.unowned import OrderKey
from reconciliation.enums import (
    Direction,
    HistoryKind,
    HistorySource,
    InstrumentType,
    OrderClass,
    OrderStatus,
    OrderType,
    Purpose,
    Side,
    TradeStatus,
)

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
GRACE = timedelta(seconds=5)
SYMBOL = "BTC/USDT:USDT"
SPOT = "BTC/USDT"
NOT_READ = Unread(reason="the exchange is down")


def ago(**by: float) -> datetime:
    return NOW - timedelta(**by)


def entry_id(trade_id: str = "T1", *, sub_tag: str = "alpha01", sequence: int = 1) -> str:
    """Return the deterministic client order id of a trade's entry."""
    return client_order_id(
        sub_tag=sub_tag, trade_id=trade_id, purpose=Purpose.ENTRY, sequence=sequence
    )


def exit_id(trade_id: str = "T1", *, sub_tag: str = "alpha01") -> str:
    """Return the deterministic client order id of a trade's exit."""
    return client_order_id(sub_tag=sub_tag, trade_id=trade_id, purpose=Purpose.EXIT)


def trade(id: int = 1, *, entered: str = "0", exited: str = "0", **values: Any) -> TradeState:
    """Build a long of profile 1; its status follows its quantities unless given."""
    entry, leaves = Decimal(entered), Decimal(exited)
    status = TradeStatus.PENDING
    if entry > 0:
        status = TradeStatus.OPEN if leaves < entry else TradeStatus.CLOSED
    defaults: dict[str, Any] = {
        "id": id,
        "profile_id": 1,
        "trade_id": f"T{id}",
        "code": trade_code("alpha01", f"T{id}"),
        "symbol": SYMBOL,
        "direction": Direction.LONG,
        "sub_tag": "alpha01",
        "status": status,
        "entry_quantity": entry,
        "exit_quantity": leaves,
        "average_entry_price": Decimal(60000) if entry else None,
        "average_exit_price": Decimal(61000) if leaves else None,
        "reversals": 0,
        "opened_at": ago(hours=2),
        "closed_at": ago(hours=1) if status == TradeStatus.CLOSED else None,
        "version": 1,
    }
    return _build(TradeState, defaults, values)


def order(id: int = 1, **values: Any) -> OrderState:
    """Build an open entry order of trade 1 for 0.5, known at the exchange as "1001" for id 1.

    A `side` that is not given is the one of a long.
    """
    purpose = values.get("purpose", Purpose.ENTRY)
    defaults: dict[str, Any] = {
        "id": id,
        "profile_id": 1,
        "trade_id": 1,
        "purpose": purpose,
        "client_order_id": f"client{id}",
        "exchange_order_id": str(1000 + id),
        "order_class": OrderClass.REGULAR,
        "symbol": SYMBOL,
        "side": Side.BUY if purpose == Purpose.ENTRY else Side.SELL,
        "position_side": None,
        "type": OrderType.LIMIT,
        "sub_tag": "alpha01",
        "status": OrderStatus.OPEN,
        "quantity": "0.5",
        "price": "60000",
        "filled_quantity": "0",
        "average_price": None,
        "end_reason": "",
        "created_at": ago(hours=2),
        "last_activity_at": ago(hours=2),
        "version": 1,
        "leg_ids": (),
        "looked_up_at": None,
    }
    return _build(OrderState, defaults, values)


def exit_order(id: int = 2, **values: Any) -> OrderState:
    """Build an open exit order of trade 1."""
    return order(id, purpose=Purpose.EXIT, **values)


def fill(
    id: int = 1, quantity: str = "0.5", *, of: OrderState | None = None, **values: Any
) -> KeptFill:
    """Build a kept fill, of order 1 unless `of` says of which; fills of higher ids are later."""
    of = of or order()
    defaults: dict[str, Any] = {
        "fill_id": str(9000 + id),
        "symbol": of.symbol,
        "side": of.side,
        "quantity": quantity,
        "price": "60000",
        "executed_at": ago(hours=1) + timedelta(seconds=id),
        "exchange_order_id": of.exchange_order_id,
        "client_order_id": of.client_order_id,
        "sub_tag": of.sub_tag,
    }
    allocated = Decimal(values.pop("allocated", "0"))
    return KeptFill(id=id, fill=_build(ExchangeFill, defaults, values), allocated=allocated)


def row(id: int = 1, quantity: str = "0.5", **values: Any) -> HistoryRow:
    """Build an ENTRY that the bot delivered of trade 1 without naming order or fill."""
    defaults: dict[str, Any] = {
        "id": id,
        "trade_id": 1,
        "kind": HistoryKind.ENTRY,
        "source": HistorySource.BOT,
        "quantity": quantity,
        "booked_quantity": values.pop("booked", quantity),
        "order_id": None,
        "exchange_fill_id": None,
        "covered": "0",
    }
    return _build(HistoryRow, defaults, values)


def synthetic(id: int = 1, quantity: str = "0.5", **values: Any) -> SyntheticExit:
    """Build an exit without a fill that the portal estimated half an hour ago, at 60500."""
    defaults: dict[str, Any] = {
        "id": id,
        "key": f"synthetic{id}",
        "source": HistorySource.SYNTHETIC,
        "quantity": quantity,
        "price": "60500",
        "executed_at": ago(minutes=30),
    }
    return _build(SyntheticExit, defaults, values)


def without_fills(*rows: SyntheticExit) -> StandingExits:
    """Build the exits of a trade of which none has a fill: one of 0.5 unless given."""
    return StandingExits(synthetic=rows or (synthetic(),))


def written(exits: StandingExits) -> StandingExits:
    """Return exits with those that were only planned as rows."""
    return replace(
        exits,
        synthetic=tuple(
            replace(row, id=int(row.key[:12], 16)) if row.id is None else row
            for row in exits.synthetic
        ),
    )


def shown(of: OrderState | None = None, **values: Any) -> ExchangeOrder:
    """Build what the exchange shows of an order: the same, unless told otherwise."""
    of = of or order()
    defaults: dict[str, Any] = {
        "exchange_order_id": of.exchange_order_id or str(1000 + of.id),
        "symbol": of.symbol,
        "side": of.side,
        "type": of.type,
        "order_class": of.order_class,
        "status": OrderStatus.OPEN if of.filled_quantity == 0 else OrderStatus.PARTIALLY_FILLED,
        "quantity": of.quantity,
        "filled_quantity": of.filled_quantity,
        "price": of.price,
        "average_price": of.average_price,
        "created_at": of.created_at,
        "updated_at": of.created_at,
        "client_order_id": of.client_order_id,
        "sub_tag": of.sub_tag,
    }
    return _build(ExchangeOrder, defaults, values)


def ended(status: OrderStatus, filled: str | None = "0", **values: Any) -> OrderFound:
    """Build the look-up of an order that ended; `of` says of which, `fills` can be `NOT_READ`."""
    fills = values.pop("fills", ())
    of = values.pop("of", None)
    leg = shown(of, status=status, filled_quantity=filled, **values)
    return OrderFound(legs=(leg,), fills=fills, as_of=NOW)


NOT_FOUND = OrderNotFound(as_of=NOW)


def mismatch(key: str = "order:1:MISSING_FROM_EXCHANGE", **values: Any) -> OpenMismatch:
    """Build a mismatch of order 1 that an earlier run left open."""
    defaults: dict[str, Any] = {
        "id": 1,
        "key": key,
        "profile_id": 1,
        "order_id": 1,
        "trade_id": 1,
        "kind": key.rpartition(":")[2],
        "not_found_count": 0,
    }
    return _build(OpenMismatch, defaults, values)


def books(*things: Any, **values: Any) -> Books:
    """Build the books of an account from trades, orders, fills, rows and mismatches."""

    def of(kind: type) -> tuple[Any, ...]:
        return tuple(thing for thing in things if isinstance(thing, kind))

    defaults: dict[str, Any] = {
        "profiles": {1: ProfileState(id=1, name="alpha", sub_tag="alpha01")},
        "trades": {thing.id: thing for thing in of(TradeState)},
        "orders": {thing.id: thing for thing in of(OrderState)},
        "fills": of(KeptFill),
        "history": of(HistoryRow),
        "open_mismatches": of(OpenMismatch),
        "amount_steps": {SYMBOL: Decimal("0.0001"), SPOT: Decimal("0.00001")},
        "base_currencies": {SPOT: "BTC"},
    }
    return Books(**{**defaults, **values})


def snapshot(
    *listed: ExchangeOrder,
    unread: Iterable[OrderClass] = (),
    fills: Unread | None = None,
    positions: tuple[ExchangePosition, ...] | Unread | None = None,
    as_of: datetime = NOW,
) -> AccountSnapshot:
    """Build a snapshot in which every class was read but those of `unread`."""
    return AccountSnapshot(
        as_of=as_of,
        open_orders={
            each: NOT_READ
            if each in unread
            else OpenOrders(
                order_class=each,
                orders=tuple(item for item in listed if item.order_class == each),
                as_of=as_of,
            )
            for each in OrderClass
        },
        fills={InstrumentType.SWAP: fills},
        positions=positions,
    )


def judge(
    world: Books,
    seen: AccountSnapshot | None = None,
    look_ups: Mapping[int, LookUp] | None = None,
    *,
    grace: timedelta = GRACE,
) -> tuple[OrderFinding, ...]:
    """Return the findings of known orders, once legs are found and delivered rows linked."""
    seen, look_ups = seen or snapshot(), look_ups or {}
    with_legs, _ = find_legs(world, seen, look_ups)
    linked = link_delivered_rows(with_legs)
    return diff_orders(linked.books, seen, look_ups, grace=grace)


def decide(
    world: Books,
    seen: AccountSnapshot | None = None,
    look_ups: Mapping[int, LookUp] | None = None,
    unknown: Mapping[OrderKey, LookUp] | None = None,
    *,
    grace: timedelta = GRACE,
    retries: int = 5,
    covered: Iterable[int] | None = None,
    backfill: BackfillPolicy | None = None,
) -> Decisions:
    """Decide on a whole cycle; the fills of every order are covered unless told otherwise."""
    return decide_orders(
        world,
        seen or snapshot(),
        look_ups or {},
        unknown or {},
        grace=grace,
        not_found=lambda decided: NotFoundPolicy(
            retries=retries,
            counts={each.order_id or 0: each.not_found_count for each in world.open_mismatches},
            covered_orders=frozenset(decided.orders if covered is None else covered),
        ),
        backfill=backfill or policy(),
    )


def policy(**values: Any) -> BackfillPolicy:
    """Build the backfill's policy: the defaults, and every fill of the last year read."""
    every = ((ago(days=365), NOW + timedelta(days=1)),)
    defaults: dict[str, Any] = {
        "require_strong": True,
        "allow_heuristic": False,
        "stale_grace": timedelta(minutes=5),
        "proven": dict.fromkeys(InstrumentType, every),
    }
    return BackfillPolicy(**{**defaults, **values})


def plan(
    world: Books,
    seen: AccountSnapshot | None = None,
    look_ups: Mapping[int, LookUp] | None = None,
    unknown: Mapping[OrderKey, LookUp] | None = None,
    **policies: Any,
) -> tuple[Change, ...]:
    """Return the changes that a whole cycle decides on."""
    return decide(world, seen, look_ups, unknown, **policies).changes


def applied(world: Books, changes: Iterable[Change]) -> Books:
    """Return the books after the changes, as the database would then hold them."""
    changes = list(changes)
    trades, orders = dict(world.trades), dict(world.orders)
    fills = {kept.id: kept for kept in world.fills}
    rows = {each.id: each for each in world.history}
    left_open = {each.key: each for each in world.open_mismatches}
    exits = all_standing_after(
        world.synthetic_exits, (row for change in changes for row in change.history)
    )
    for change in (_with_real_ids(each, world) for each in changes):
        for draft in change.mismatches:
            left_open.pop(draft.key, None)
            if draft.resolution is None:
                left_open[draft.key] = OpenMismatch(
                    id=len(left_open) + 1,
                    key=draft.key,
                    profile_id=draft.profile_id,
                    order_id=draft.order_id,
                    trade_id=draft.trade_id,
                    kind=draft.kind,
                    not_found_count=draft.not_found_count,
                )
        if change.trade is not None:
            trades[change.trade.id] = replace(change.trade, version=change.trade.version + 1)
        for after in change.orders:
            orders[after.id] = replace(after, version=after.version + 1)
        for leg in change.legs:
            known = orders[leg.order_id]
            if leg.exchange_order_id not in known.leg_ids:
                orders[known.id] = replace(known, leg_ids=(*known.leg_ids, leg.exchange_order_id))
        for part in change.allocations:
            kept = fills[part.fill_id]
            fills[kept.id] = replace(kept, allocated=kept.allocated + part.quantity)
            if part.history_id is not None:
                base = world.base_currencies.get(kept.fill.symbol)
                net = net_quantity(kept.fill, part.quantity, base)
                row_before = rows[part.history_id]
                rows[row_before.id] = replace(row_before, covered=row_before.covered + net)
    return replace(
        world,
        trades=trades,
        orders=orders,
        fills=tuple(fills[kept.id] for kept in world.fills),
        history=tuple(rows[each.id] for each in world.history),
        open_mismatches=tuple(left_open.values()),
        synthetic_exits={trade_id: written(each) for trade_id, each in exits.items()},
    )


def _with_real_ids(change: Change, world: Books) -> Change:
    """Return a change in which new rows (below zero) have ids that no row has."""
    highest = max([0, *world.trades, *world.orders])

    def real(key: int | None) -> int | None:
        return highest - key if key is not None and key < 0 else key

    def made(state: Any) -> Any:
        values = {"id": real(state.id)}
        if isinstance(state, OrderState):
            values["trade_id"] = real(state.trade_id)
        return replace(state, **values)

    return replace(
        change,
        trade=None if change.trade is None else made(change.trade),
        orders=tuple(made(each) for each in change.orders),
        mismatches=tuple(
            replace(
                each,
                key=each.key.replace(f"order:{each.order_id}:", f"order:{real(each.order_id)}:"),
                order_id=real(each.order_id),
                trade_id=real(each.trade_id),
            )
            for each in change.mismatches
        ),
    )


def writes(change: Change) -> bool:
    """Return whether a change corrects anything, or records an event."""
    parts = (change.trade, change.orders, change.legs, change.history, change.allocations)
    return any((*parts, change.events))


def allocated_by(changes: Iterable[Change]) -> dict[int, Decimal]:
    """Return the gross quantity that the changes consume of each fill."""
    sums: dict[int, Decimal] = {}
    for change in changes:
        for part in change.allocations:
            sums[part.fill_id] = sums.get(part.fill_id, ZERO) + part.quantity
    return sums


def _build(kind: Any, defaults: dict[str, Any], values: dict[str, Any]) -> Any:
    """Build a state; amounts are given as text, as everything of the domain takes only Decimal."""
    return kind(
        **{
            name: Decimal(value) if name in _AMOUNTS and isinstance(value, str) else value
            for name, value in {**defaults, **values}.items()
        }
    )


_AMOUNTS = frozenset(
    {
        "quantity",
        "booked_quantity",
        "covered",
        "price",
        "filled_quantity",
        "average_price",
        "average_entry_price",
        "average_exit_price",
        "fee",
    }
)
