"""What the trading system delivers of its own rows, before the portal judges it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from reconciliation.enums import (
    Direction,
    HistoryKind,
    HistorySource,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionSide,
    Purpose,
    Side,
    TradeStatus,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredTrade:
    """A trade row. `status` is the trading system's word; None leaves it to the history."""

    trade_id: str
    profile: str
    symbol: str
    direction: Direction
    opened_at: datetime
    sub_tag: str | None = None
    status: TradeStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredOrder:
    """An order row; it is known by its client order id, else by its exchange order id."""

    profile: str
    purpose: Purpose
    symbol: str
    side: Side
    type: OrderType
    status: OrderStatus
    quantity: Decimal
    filled_quantity: Decimal
    created_at: datetime
    trade_id: str | None = None
    price: Decimal | None = None
    average_price: Decimal | None = None
    client_order_id: str | None = None
    exchange_order_id: str | None = None
    order_class: OrderClass = OrderClass.REGULAR
    position_side: PositionSide | None = None
    sub_tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredHistory:
    """A history row. `row_id` is the trading system's own id of it; a repeat is a no-op.

    `net_of_fee` says whether a quantity bought on a spot market is what remained after a fee in
    the base currency. `order_ref` is the client or exchange order id of its order.
    """

    row_id: str
    trade_id: str
    kind: HistoryKind
    quantity: Decimal
    executed_at: datetime
    price: Decimal | None = None
    fee: Decimal | None = None
    fee_currency: str | None = None
    exchange_fill_id: str | None = None
    order_ref: str | None = None
    net_of_fee: bool = True
    source: HistorySource = HistorySource.BOT


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredPosition:
    """A position row; `quantity` is not negative, its direction gives the sign."""

    profile: str
    symbol: str
    direction: Direction
    quantity: Decimal
    entry_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Rows of one account, judged in this order: trades, orders, history, positions."""

    account: str
    trades: tuple[DeliveredTrade, ...] = ()
    orders: tuple[DeliveredOrder, ...] = ()
    history: tuple[DeliveredHistory, ...] = ()
    positions: tuple[DeliveredPosition, ...] = ()
