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
    OrderClass,
    OrderStatus,
    OrderType,
    PositionSide,
    Purpose,
    Side,
    TradeStatus,
)
from reconciliation.exchange.paper.book import PaperFill, PaperOrder
from reconciliation.exchange.paper.book import PositionSide as PaperPositionSide
from reconciliation.exchange.paper.engine import SPOT_FEE

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
    is_hedged: bool = False
    status: TradeStatus = TradeStatus.PENDING
    held: Decimal = ZERO
    orders_placed: dict[Purpose, int] = field(
        default_factory=lambda: {Purpose.ENTRY: 0, Purpose.EXIT: 0}
    )

    def side(self, purpose: Purpose) -> Side:
        """Return the side on which an order of a purpose trades."""
        buys = (self.direction == Direction.LONG) == (purpose == Purpose.ENTRY)
        return Side.BUY if buys else Side.SELL

    @property
    def position_side(self) -> PaperPositionSide | None:
        """Return the side that an order of it names at an exchange in hedge mode."""
        if not self.is_hedged:
            return None
        return "long" if self.direction == Direction.LONG else "short"

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

    def position_row(self, quantity: Decimal | None = None) -> DeliveredPosition:
        """Return the position that the trade means to its bot, or one of another quantity."""
        return DeliveredPosition(
            profile=self.profile,
            symbol=self.symbol,
            direction=self.direction,
            quantity=self.held if quantity is None else quantity,
        )

    def history_row(
        self,
        *,
        row_id: str,
        purpose: Purpose,
        fills: Sequence[PaperFill],
        fill_id: str | None,
        order_ref: str | None,
    ) -> DeliveredHistory:
        """Return fills as one history row; `fill_id` is None for a bot that knows none."""
        return DeliveredHistory(
            row_id=row_id,
            trade_id=self.trade_id,
            kind=HistoryKind(purpose),
            quantity=sum(map(net_quantity, fills), ZERO),
            price=fills[0].price,
            fee=sum((fill.fee or ZERO for fill in fills), ZERO),
            fee_currency=fills[0].fee_currency,
            executed_at=max(fill.executed_at for fill in fills),
            exchange_fill_id=fill_id,
            order_ref=order_ref,
        )


@dataclass(slots=True, kw_only=True)
class BotOrder:
    """One order as its bot sees it; without an exchange id it was never acknowledged."""

    trade: BotTrade
    purpose: Purpose
    client_order_id: str
    exchange_order_id: str | None
    order_class: OrderClass = OrderClass.REGULAR
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
            order_class=self.order_class,
            position_side=None if trade.position_side is None else PositionSide(trade.direction),
            sub_tag=trade.sub_tag,
        )

    def learn(
        self, order: PaperOrder, fills: Sequence[PaperFill], *, by_id: bool
    ) -> list[DeliveredHistory]:
        """Take what the exchange says; return the history rows of the fills that are news.

        `fills` are all of the order that the bot knows of. With `by_id` each fill has its row and
        its id; without, one row has the sum and no id, as of a bot that only saw how far its order
        was filled.
        """
        # Of a replaced order it keeps the first id, as it does of one that it was told once.
        self.exchange_order_id = self.exchange_order_id or order.exchange_order_id
        self.status = _STATUS_OF_STATE[order.state]
        self.quantity, self.price = order.quantity, order.price or self.price
        if order.filled > self.filled:
            self.trade.take(self.purpose, self._net(order.filled) - self._net(self.filled))
        self.filled, self.average_price = order.filled, order.average_price
        news = [fill for fill in fills if fill.fill_id not in self.known_fills]
        self.known_fills.update(fill.fill_id for fill in news)
        if by_id:
            return [self._history_row(fill.fill_id, [fill], fill.fill_id) for fill in news]
        return [self._history_row("rest", news, None)] if news else []

    def _net(self, quantity: Decimal) -> Decimal:
        """Return what a quantity that was filled moves the holding by."""
        buys_spot = ":" not in self.trade.symbol and self.trade.side(self.purpose) == Side.BUY
        return quantity - quantity * SPOT_FEE if buys_spot else quantity

    def _history_row(
        self, name: str, fills: Sequence[PaperFill], fill_id: str | None
    ) -> DeliveredHistory:
        return self.trade.history_row(
            row_id=f"{self.client_order_id}-{name}",
            purpose=self.purpose,
            fills=fills,
            fill_id=fill_id,
            order_ref=self.client_order_id,
        )


def net_quantity(fill: PaperFill) -> Decimal:
    """Return what a fill moved the holding by: a fee in the base currency is not held."""
    base = fill.symbol.partition("/")[0]
    if fill.side == "buy" and fill.fee is not None and fill.fee_currency == base:
        return fill.quantity - fill.fee
    return fill.quantity
