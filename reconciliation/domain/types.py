"""What things are: the exchange's side of the evidence, and readings that may be unknown.

Invariants: quantities are base units, prices quote units, fees positive when paid; every moment
has a time zone; `None` is unknown and never means zero; an `Unread` part is never an empty one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from reconciliation.enums import (
    Coverage,
    FillKind,
    InstrumentType,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A market: `amount_step` in base units, `contract_size` in base units a contract (1: spot)."""

    symbol: str
    type: InstrumentType
    base: str
    quote: str
    contract_size: Decimal
    amount_step: Decimal
    price_tick: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOrder:
    """An order as the exchange shows it. `raw` is its answer in canonical JSON, as evidence.

    `parent_id` names the algo order that triggered this one; `child_ids` the orders that this
    algo order triggered.
    """

    exchange_order_id: str
    symbol: str
    side: Side
    type: OrderType
    order_class: OrderClass
    status: OrderStatus
    quantity: Decimal | None
    filled_quantity: Decimal | None
    price: Decimal | None
    average_price: Decimal | None
    created_at: datetime | None
    updated_at: datetime | None
    client_order_id: str | None = None
    sub_tag: str | None = None
    trade_hint: str | None = None
    position_side: PositionSide | None = None
    reduce_only: bool = False
    parent_id: str | None = None
    child_ids: tuple[str, ...] = ()
    raw: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeFill:
    """One execution. Its key within an account is (symbol, side, fill_id).

    `quantity` is gross, in base units; `fee` is positive when paid, negative when received.
    """

    fill_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    executed_at: datetime
    kind: FillKind = FillKind.TRADE
    exchange_order_id: str | None = None
    client_order_id: str | None = None
    sub_tag: str | None = None
    trade_hint: str | None = None
    position_side: PositionSide | None = None
    fee: Decimal | None = None
    fee_currency: str | None = None
    raw: str = field(default="", repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what names this fill within its account."""
        return (self.symbol, self.side, self.fill_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangePosition:
    """What the exchange holds: `quantity` in base units, signed (a short is negative).

    `initial_margin` is what it takes of the account's margin, None where the exchange does not say.
    """

    symbol: str
    side: PositionSide
    quantity: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    initial_margin: Decimal | None = None
    raw: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A part of the exchange that was not read. It says why, never what it might contain."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrders:
    """Every open order of one class, read completely at `as_of`."""

    order_class: OrderClass
    orders: tuple[ExchangeOrder, ...]
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FillPage:
    """One page of fills: complete for `start` ≤ executed_at ≤ `end` of its type of instrument."""

    instrument_type: InstrumentType
    fills: tuple[ExchangeFill, ...]
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFound:
    """The answer of a targeted look-up, with the fills of the order where they could be read.

    `legs` are all exchange orders that were found to be parts of this one, the newest last: what
    replaced another, or the child that an algo order triggered, which then speaks for it.
    """

    legs: tuple[ExchangeOrder, ...]
    fills: tuple[ExchangeFill, ...] | Unread
    as_of: datetime

    @property
    def order(self) -> ExchangeOrder:
        """Return the newest leg."""
        return self.legs[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNotFound:
    """The exchange says that it knows no such order: by exchange id, and by client id if any."""

    as_of: datetime


LookUp = OrderFound | OrderNotFound | Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """One reading of an account: what was read, and what was not."""

    as_of: datetime
    open_orders: Mapping[OrderClass, OpenOrders | Unread]
    fills: Mapping[InstrumentType, Unread | None]
    """Per instrument type: None where every page of the window was read and kept."""
    positions: tuple[ExchangePosition, ...] | Unread | None = None
    """None where the job does not ask for positions."""
    may_hide_positions: bool = False
    """Whether the answer has no position at all and nothing confirms that there is none."""

    def listed_orders(self) -> Iterator[ExchangeOrder]:
        """Yield every open order that was read, of any class, each once and in a fixed order."""
        shown = {
            (order.symbol, order.exchange_order_id): order
            for part in self.open_orders.values()
            if isinstance(part, OpenOrders)
            for order in part.orders
        }
        for key in sorted(shown):
            yield shown[key]

    @property
    def coverage(self) -> Coverage:
        """Return how much of what was asked for was read."""
        parts = [
            *(isinstance(part, OpenOrders) for part in self.open_orders.values()),
            *(part is None for part in self.fills.values()),
        ]
        if self.positions is not None:
            parts.append(not isinstance(self.positions, Unread))
        if all(parts):
            return Coverage.COMPLETE
        return Coverage.PARTIAL if any(parts) else Coverage.NONE

    def unread_parts(self) -> dict[str, str]:
        """Return the name of each part that was not read, with the reason."""
        unread = {
            f"open_orders.{name}": part.reason
            for name, part in self.open_orders.items()
            if isinstance(part, Unread)
        }
        unread |= {f"fills.{name}": part.reason for name, part in self.fills.items() if part}
        if isinstance(self.positions, Unread):
            unread["positions"] = self.positions.reason
        return unread
