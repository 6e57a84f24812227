"""What a bot believes of its trades and orders, and the rows that it delivers of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.deliveries import (
    DeliveredHistory,
    DeliveredOrder,
    DeliveredPosition,
    DeliveredTrade,
)
from reconciliation.enums import (
    Direction,
    HistoryKind,
    OrderStatus,
    OrderType,
    Purpose,
    Side,
    TradeStatus,
)
from reconciliation.exchange.paper.book import PaperFill, PaperOrder

_STATUS_OF_STATE = {
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
}


@dataclass(slots=True, kw_only=True)
class BotTrade:
    """One round trip as its bot sees it; `held` is base units, never negative."""

    trade_id: str
    profile: str
    sub_tag: str
    symbol: str
    direction: Direction
    opened_at: datetime
    status: TradeStatus = TradeStatus.PENDING
    held: Decimal = ZERO
    orders_placed: dict[Purpose, int] = field(
        default_factory=lambda: {Purpose.ENTRY: 0, Purpose.EXIT: 0}
    )

    def side(self, purpose: Purpose) -> Side:
        """Return the side on which an order of a purpose trades."""
        buys = (self.direction == Direction.LONG) == (purpose == Purpose.ENTRY)
        return Side.BUY if buys else Side.SELL

    def take(self, purpose: Purpose, quantity: Decimal) -> None:
        """Add what an entry bought, or subtract what an exit sold."""
        self.held += quantity if purpose == Purpose.ENTRY else -quantity
        self.status = TradeStatus.OPEN if self.held > 0 else TradeStatus.CLOSED

    def row(self) -> DeliveredTrade:
        """Return the trade as it is delivered."""
        return DeliveredTrade(
            trade_id=self.trade_id,
            profile=self.profile,
            symbol=self.symbol,
            direction=self.direction,
            opened_at=self.opened_at,
            sub_tag=self.sub_tag,
            status=self.status,
        )

    def position_row(self) -> DeliveredPosition:
        """Return the position that the trade means to its bot."""
        return DeliveredPosition(
            profile=self.profile,
            symbol=self.symbol,
            direction=self.direction,
            quantity=self.held,
        )


@dataclass(slots=True, kw_only=True)
class BotOrder:
    """One order as its bot sees it; without an exchange id it was never acknowledged."""

    trade: BotTrade
    purpose: Purpose
    client_order_id: str
    exchange_order_id: str | None
    status: OrderStatus
    quantity: Decimal
    price: Decimal
    created_at: datetime
    filled: Decimal = ZERO
    average_price: Decimal | None = None
    known_fills: set[str] = field(default_factory=set)

    def row(self) -> DeliveredOrder:
        """Return the order as it is delivered."""
        trade = self.trade
        return DeliveredOrder(
            profile=trade.profile,
            trade_id=trade.trade_id,
            purpose=self.purpose,
            symbol=trade.symbol,
            side=trade.side(self.purpose),
            type=OrderType.LIMIT,
            status=self.status,
            quantity=self.quantity,
            price=self.price,
            filled_quantity=self.filled,
            average_price=self.average_price,
            created_at=self.created_at,
            client_order_id=self.client_order_id,
            exchange_order_id=self.exchange_order_id,
            sub_tag=trade.sub_tag,
        )

    def learn(
        self, order: PaperOrder, fills: Sequence[PaperFill], *, by_id: bool
    ) -> list[DeliveredHistory]:
        """Take what the exchange says; return the history rows of the fills that are news.

        With `by_id` each fill has its row and its id; without, one row has the sum and no id, as
        of a bot that only saw how far its order was filled.
        """
        self.exchange_order_id = order.exchange_order_id
        self.status = _STATUS_OF_STATE[order.state]
        if order.filled > self.filled:
            self.trade.take(self.purpose, order.filled - self.filled)
        self.filled, self.average_price = order.filled, order.average_price
        news = [fill for fill in fills if fill.fill_id not in self.known_fills]
        self.known_fills.update(fill.fill_id for fill in news)
        if by_id:
            return [self._history_row(fill.fill_id, [fill], fill.fill_id) for fill in news]
        return [self._history_row("rest", news, None)] if news else []

    def _history_row(
        self, name: str, fills: Sequence[PaperFill], fill_id: str | None
    ) -> DeliveredHistory:
        quantity = sum((fill.quantity for fill in fills), ZERO)
        return DeliveredHistory(
            row_id=f"{self.client_order_id}-{name}",
            trade_id=self.trade.trade_id,
            kind=HistoryKind(self.purpose),
            quantity=quantity,
            price=fills[0].price,
            fee=sum((fill.fee or ZERO for fill in fills), ZERO),
            fee_currency=fills[0].fee_currency,
            executed_at=max(fill.executed_at for fill in fills),
            exchange_fill_id=fill_id,
            order_ref=self.client_order_id,
        )
