"""One line a thing: what the trading system delivers, and a context in which a cycle applies."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from reconciliation.conf import require
from reconciliation.domain.audit import Actor, EventDraft, system_actor
from reconciliation.domain.deliveries import (
    DeliveredHistory,
    DeliveredOrder,
    DeliveredPosition,
    DeliveredTrade,
    Delivery,
)
from reconciliation.domain.plans.changes import (
    AllocationDraft,
    Change,
    HistoryDraft,
    MismatchDraft,
    Premises,
)
from reconciliation.enums import (
    ActorType,
    CycleStep,
    Direction,
    HistoryKind,
    HistorySource,
    MismatchKind,
    OrderStatus,
    OrderType,
    Purpose,
    RunStatus,
    Side,
    TradeStatus,
)
from reconciliation.handlers.apply import ApplyContext
from reconciliation.handlers.deliveries import DeliveryReport, RowReport, deliver
from reconciliation.handlers.leases import Lease, take_lease
from reconciliation.models import AuditEvent, Order, Position, Profile, Run, Trade, TradeHistory
from reconciliation.selectors.states import order_state, trade_state
from tests.builders import (
    NOW,
    SYMBOL,
    FixedClock,
    make_fill,
    make_order,
    make_profile,
    make_run,
    make_trade,
)

CONF = require({})
BOT = Actor(type=ActorType.BOT, id="1", name="bot of alpha")
HOURS_AGO = NOW - timedelta(hours=2)


def trade_row(trade_id: str = "T1", **values: Any) -> DeliveredTrade:
    """Build a long of alpha that was opened two hours ago."""
    defaults: dict[str, Any] = {
        "trade_id": trade_id,
        "profile": "alpha",
        "symbol": SYMBOL,
        "direction": Direction.LONG,
        "opened_at": HOURS_AGO,
        "sub_tag": "alpha01",
    }
    return DeliveredTrade(**{**defaults, **values})


def order_row(client_order_id: str | None = "client1", **values: Any) -> DeliveredOrder:
    """Build an open entry of T1 for 0.5 that the exchange knows as 1001."""
    purpose = values.get("purpose", Purpose.ENTRY)
    defaults: dict[str, Any] = {
        "client_order_id": client_order_id,
        "exchange_order_id": "1001",
        "trade_id": "T1",
        "profile": "alpha",
        "purpose": purpose,
        "symbol": SYMBOL,
        "side": Side.BUY if purpose == Purpose.ENTRY else Side.SELL,
        "type": OrderType.LIMIT,
        "status": OrderStatus.OPEN,
        "quantity": "0.5",
        "filled_quantity": "0",
        "price": "60000",
        "created_at": HOURS_AGO,
        "sub_tag": "alpha01",
    }
    return DeliveredOrder(**_exact({**defaults, **values}))


def history_row(row_id: str = "h1", quantity: str = "0.5", **values: Any) -> DeliveredHistory:
    """Build an ENTRY of T1 at 60000 that names neither order nor fill."""
    defaults: dict[str, Any] = {
        "row_id": row_id,
        "trade_id": "T1",
        "kind": HistoryKind.ENTRY,
        "quantity": quantity,
        "price": "60000",
        "executed_at": HOURS_AGO,
    }
    return DeliveredHistory(**_exact({**defaults, **values}))


def position_row(quantity: str = "0.5", **values: Any) -> DeliveredPosition:
    """Build alpha's long position."""
    defaults: dict[str, Any] = {
        "profile": "alpha",
        "symbol": SYMBOL,
        "direction": Direction.LONG,
        "quantity": quantity,
        "entry_price": "60000",
    }
    return DeliveredPosition(**_exact({**defaults, **values}))


def deliver_rows(
    *rows: Any,
    account: str = "main",
    clock: FixedClock | None = None,
    scope: Collection[str] | None = None,
) -> Any:
    """Deliver rows of any kind; profile alpha is made where nobody made it."""
    make_profile()

    def of(kind: type) -> tuple[Any, ...]:
        return tuple(row for row in rows if isinstance(row, kind))

    delivery = Delivery(
        account=account,
        trades=of(DeliveredTrade),
        orders=of(DeliveredOrder),
        history=of(DeliveredHistory),
        positions=of(DeliveredPosition),
    )
    report: DeliveryReport = deliver(
        delivery=delivery, actor=BOT, clock=clock or FixedClock(), conf=CONF, scope=scope
    )
    return report


def outcomes(report: DeliveryReport) -> list[str]:
    """Return the answers, row by row."""
    return [str(row.outcome) for row in report.rows]


def refusal(report: DeliveryReport) -> str:
    """Return the reason of the only refused row."""
    row: RowReport
    (row,) = report.refused
    return row.reason


def actions() -> list[str]:
    """Return what the audit trail says was done so far, in order."""
    return list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))


def the_trade(trade_id: str = "T1") -> Trade:
    return Trade.objects.get(trade_id=trade_id)


def the_order(client_order_id: str = "client1") -> Order:
    return Order.objects.get(client_order_id=client_order_id)


def the_rows(trade_id: str = "T1") -> list[TradeHistory]:
    return list(TradeHistory.objects.filter(trade__trade_id=trade_id).order_by("pk"))


def the_position(**which: Any) -> Position:
    return Position.objects.get(**which)


def an_entry(number: int = 1, **values: Any) -> Change:
    """Return the change that books a fill of 0.5 to a new trade and fills its order."""
    trade = make_trade(trade_id=f"T{number}")
    order = make_order(trade)
    fill = make_fill(exchange_order_id=order.exchange_order_id)
    key = f"entry-{number}"
    before = trade_state(trade)
    defaults: dict[str, Any] = {
        "profile_id": trade.profile_id,
        "premises": Premises(
            trades={trade.pk: trade.version},
            orders={order.pk: order.version},
            fills={fill.pk: fill.allocated_quantity},
        ),
        "trade": replace(
            before,
            status=TradeStatus.OPEN,
            entry_quantity=Decimal("0.5"),
            average_entry_price=Decimal(60000),
        ),
        "orders": (
            replace(
                order_state(order, ()), status=OrderStatus.FILLED, filled_quantity=Decimal("0.5")
            ),
        ),
        "history": (
            HistoryDraft(
                trade_id=trade.pk,
                key=key,
                kind=HistoryKind.ENTRY,
                source=HistorySource.RECONCILED,
                quantity=Decimal("0.5"),
                price=Decimal(60000),
                executed_at=NOW,
                order_id=order.pk,
                exchange_fill_id=fill.exchange_fill_id,
                fee=Decimal("1.5"),
                fee_currency="USDT",
                evidence_hash="e" * 64,
            ),
        ),
        "allocations": (
            AllocationDraft(
                fill_id=fill.pk, trade_id=trade.pk, quantity=Decimal("0.5"), history_key=key
            ),
        ),
        "mismatches": (a_difference(order),),
        "events": (an_event(trade),),
    }
    return Change(**{**defaults, **values})


def a_difference(order: Order, **values: Any) -> MismatchDraft:
    defaults: dict[str, Any] = {
        "key": f"order:{order.pk}:MISSING_FROM_EXCHANGE",
        "kind": MismatchKind.MISSING_FROM_EXCHANGE,
        "profile_id": order.profile_id,
        "symbol": SYMBOL,
        "drift": Decimal("0.5"),
        "database_side": {"status": "OPEN"},
        "exchange_side": {"status": "FILLED"},
        "order_id": order.pk,
        "trade_id": order.trade_id,
        "resolution": "repaired",
    }
    return MismatchDraft(**{**defaults, **values})


def an_event(trade: Trade) -> EventDraft:
    return EventDraft(action="trade.entry_filled", object_type="trade", object_id=str(trade.pk))


def apply_context(
    *,
    profile: Profile | None = None,
    run: Run | None = None,
    lease: Lease | None = None,
    clock: FixedClock | None = None,
    reach: Callable[[CycleStep], None] = lambda step: None,
) -> ApplyContext:
    """Return the context of a cycle that holds its claim and the profile's lease."""
    clock = clock or FixedClock()
    profile = profile or make_profile()
    run = run or make_run(profile.account, status=RunStatus.RUNNING)
    ttl = CONF.lock_ttl
    lease = lease or take_lease(profile_id=profile.pk, holder="test", ttl=ttl, clock=clock)
    assert lease is not None
    return ApplyContext(
        profile=profile,
        account_name=profile.account.name,
        run_id=run.pk,
        claim_token=run.claim_token,
        lease=lease,
        lock_ttl=ttl,
        actor=system_actor("test"),
        settings_hash=CONF.hash(),
        clock=clock,
        reach=reach,
    )


def _exact(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: Decimal(value) if name in _AMOUNTS and isinstance(value, str) else value
        for name, value in values.items()
    }


_AMOUNTS = frozenset(
    {"quantity", "filled_quantity", "price", "average_price", "entry_price", "fee"}
)
