"""Go on with the database of an earlier demo, whose exchange is gone.

The new exchange shows every fill that the portal knows of, holds what they add up to, and has
canceled every order that was open: what exchanges do when a client is gone for long. The portal
finds that in its first cycle; the bots close what is still open.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from reconciliation.demo.beliefs import BotTrade
from reconciliation.demo.bots import BotSpec
from reconciliation.demo.market import paper_side
from reconciliation.domain.amounts import ZERO
from reconciliation.enums import Direction, HistorySource, Purpose, TradeStatus
from reconciliation.exchange.paper.book import (
    PaperAccount,
    PaperFill,
    PaperOrder,
    PaperPosition,
)
from reconciliation.models import Fill, Order, Trade, TradeHistory


def restore_exchange(paper: PaperAccount) -> None:
    """Make an empty paper account agree with the books, but for the orders that were open."""
    fills = [*_kept_fills(), *_delivered_fills()]
    paper.put_fills(fills)
    _restore_positions(paper, fills)
    filled: dict[str | None, Decimal] = defaultdict(Decimal)
    for fill in fills:
        filled[fill.exchange_order_id] += fill.quantity
    for order in Order.objects.filter(account__name=paper.name).active():
        if order.exchange_order_id is None:
            _refuse(paper, order)
        else:
            paper.put_orders([_canceled(order, filled[order.exchange_order_id], paper.now())])


def unattended_trades(spec: BotSpec) -> Iterator[BotTrade]:
    """Yield the open trades of a profile that no order at work will close."""
    trades = Trade.objects.filter(profile__name=spec.profile, status=TradeStatus.OPEN)
    at_work = Order.objects.filter(profile__name=spec.profile).active().values("trade_id")
    for trade in trades.exclude(pk__in=at_work):
        if trade.symbol in spec.symbols:
            yield BotTrade(
                trade_id=trade.trade_id,
                profile=spec.profile,
                sub_tag=spec.sub_tag,
                symbol=trade.symbol,
                direction=Direction(trade.direction),
                opened_at=trade.opened_at,
                status=TradeStatus.OPEN,
                held=trade.entry_quantity - trade.exit_quantity,
                orders_placed={
                    purpose: trade.orders.filter(purpose=purpose).count() for purpose in Purpose
                },
            )


def _kept_fills() -> Iterator[PaperFill]:
    """Yield every fill that was read: one that is missing now would make its page unbelievable."""
    for fill in Fill.objects.defer("raw").order_by("pk").iterator():
        yield PaperFill(
            fill_id=fill.exchange_fill_id,
            exchange_order_id=fill.exchange_order_id,
            client_order_id=fill.client_order_id,
            tag=fill.sub_tag,
            symbol=fill.symbol,
            side=paper_side(fill.side),
            position_side=None,
            quantity=fill.quantity,
            price=fill.price,
            fee=fill.fee,
            fee_currency=fill.fee_currency,
            executed_at=fill.executed_at,
        )


def _delivered_fills() -> Iterator[PaperFill]:
    """Yield the fills that a bot has delivered and no cycle has read yet."""
    kept = Fill.objects.values("exchange_fill_id")
    rows = TradeHistory.objects.filter(
        source=HistorySource.BOT, exchange_fill_id__isnull=False, order__isnull=False
    ).exclude(exchange_fill_id__in=kept)
    for row in rows.select_related("order", "trade"):
        if row.order is not None and row.exchange_fill_id is not None:
            yield PaperFill(
                fill_id=row.exchange_fill_id,
                exchange_order_id=row.order.exchange_order_id,
                client_order_id=row.order.client_order_id,
                tag=row.order.sub_tag,
                symbol=row.order.symbol,
                side=paper_side(row.order.side),
                position_side=None,
                quantity=row.quantity,
                price=row.price or ZERO,
                fee=row.fee,
                fee_currency=row.fee_currency,
                executed_at=row.executed_at,
            )


def _restore_positions(paper: PaperAccount, fills: list[PaperFill]) -> None:
    held: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        held[fill.symbol] += fill.quantity if fill.side == "buy" else -fill.quantity
    paper.put_positions(
        PaperPosition(symbol, "net", quantity, paper.instrument(symbol).mark)
        for symbol, quantity in held.items()
        if quantity != 0
    )


def _canceled(order: Order, filled: Decimal, at: datetime) -> PaperOrder:
    return PaperOrder(
        exchange_order_id=order.exchange_order_id or "",
        symbol=order.symbol,
        side=paper_side(order.side),
        type="limit",
        quantity=order.quantity,
        price=order.price,
        state="canceled",
        filled=filled,
        average_price=order.price if filled else None,
        created_at=order.created_at,
        updated_at=at,
        client_order_id=order.client_order_id,
        tag=order.sub_tag,
    )


def _refuse(paper: PaperAccount, order: Order) -> None:
    """Cancel an order whose id at the exchange nobody learnt: it gets one, as any order does."""
    placed = paper.place(
        order.symbol,
        paper_side(order.side),
        order.quantity,
        order.price,
        client_order_id=order.client_order_id,
        tag=order.sub_tag,
        at=order.created_at,
    )
    paper.cancel(placed.exchange_order_id)
