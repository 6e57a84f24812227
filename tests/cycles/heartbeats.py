"""Slices beside positions of a fake exchange, and heartbeats that compare them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from reconciliation.cycles.heartbeat import heartbeat_accounts
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import go_on
from reconciliation.domain.types import ExchangeFill, ExchangePosition
from reconciliation.enums import CycleStep, Direction, PositionSide, Purpose, Side
from reconciliation.models import Mismatch, ReviewItem, Trade
from tests.builders import NOW, SYMBOL, make_allocation, make_fill, make_history, make_trade
from tests.cycles.worlds import World
from tests.domain.builders import fill

ONE = {"RECON_POSITION_PARITY_CONFIRMATIONS": "1"}


def beat(
    world: World,
    *,
    minutes: float = 1,
    reach: Callable[[CycleStep], None] = go_on,
    **names: Any,
) -> RunOutcome:
    """Run one heartbeat over the only account, a minute after the one before."""
    world.clock.advance(minutes=minutes)
    (outcome,) = heartbeat_accounts(ports=world.ports(reach), **names)
    return outcome


def slice_of(
    world: World, quantity: str = "0.5", *, tag: str | None = "own", **values: Any
) -> Trade:
    """Make an open slice whose entry fill the exchange shows under its entry order's id."""
    trade = make_trade(
        values.pop("profile", world.alpha),
        entry_quantity=quantity,
        average_entry_price="60000",
        **values,
    )
    is_long = trade.direction == Direction.LONG
    show_fill(
        world,
        quantity,
        side=Side.BUY if is_long else Side.SELL,
        symbol=trade.symbol,
        sub_tag=trade.sub_tag if tag == "own" else tag,
        at=trade.opened_at,
        allocated_to=trade,
    )
    return trade


def show_fill(
    world: World,
    quantity: str = "0.5",
    *,
    side: Side = Side.SELL,
    at: Any = None,
    allocated_to: Trade | None = None,
    **values: Any,
) -> ExchangeFill:
    """Let the exchange show a fill of an order that nobody knows, half an hour old."""
    number = 700 + len(world.exchange.fills)
    shown = fill(number, quantity, **({"sub_tag": None, "client_order_id": None} | values)).fill
    shown = replace(
        shown,
        side=side,
        executed_at=at or NOW - timedelta(minutes=30),
        exchange_order_id=f"unknown{number}",
    )
    world.exchange.fills.append(shown)
    if allocated_to is not None:
        history = make_history(
            allocated_to,
            quantity=quantity,
            kind=Purpose.ENTRY,
            exchange_fill_id=shown.fill_id,
            executed_at=shown.executed_at,
        )
        row = make_fill(
            world.account,
            symbol=shown.symbol,
            side=side,
            exchange_fill_id=shown.fill_id,
            exchange_order_id=shown.exchange_order_id,
            sub_tag=shown.sub_tag,
            quantity=quantity,
            allocated_quantity=quantity,
            executed_at=shown.executed_at,
            instrument_type=world.exchange.instruments[shown.symbol].type,
        )
        make_allocation(row, history)
    return shown


def hold(world: World, quantity: str, symbol: str = SYMBOL, **values: Any) -> None:
    """Let the exchange hold a position; of none it lists no row."""
    world.exchange.positions = [each for each in world.exchange.positions if each.symbol != symbol]
    if Decimal(quantity) != 0:
        defaults: dict[str, Any] = {
            "symbol": symbol,
            "side": PositionSide.NET,
            "quantity": Decimal(quantity),
            "entry_price": Decimal(60000),
            "mark_price": Decimal(60000),
        }
        world.exchange.positions.append(ExchangePosition(**(defaults | values)))


def status_of(trade: Trade) -> str:
    return Trade.objects.get(pk=trade.pk).status


def findings() -> list[tuple[str, str, int | None]]:
    """Return kind, status and trade of every mismatch, in order."""
    return list(Mismatch.objects.order_by("pk").values_list("kind", "status", "trade_id"))


def questions() -> list[tuple[int, str, str]]:
    """Return trade, reason and status of every review item, in order."""
    return list(ReviewItem.objects.order_by("pk").values_list("trade_id", "reason", "status"))
