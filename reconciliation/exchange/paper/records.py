"""What a paper account holds, in base units.

Quantities and prices are `Decimal` (BTC, not contracts), times are timezone-aware datetimes and
fees are positive when paid; the wire modules turn them into the exchange's contracts, epoch
milliseconds and signs. `None` is "not known" or "none". A record checks itself when it is made,
so that a wrong fixture fails where it was written and not in an HTTP answer.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, get_args

Side = Literal["buy", "sell"]
OrderState = Literal["live", "partially_filled", "filled", "canceled"]
OrderType = Literal["limit", "market", "post_only", "ioc", "fok"]
OrderClass = Literal["regular", "conditional", "oco", "trailing"]
PositionSide = Literal["long", "short"]
HeldSide = Literal["net", "long", "short"]
PositionMode = Literal["net", "hedge"]
FillKind = Literal["trade", "liquidation", "adl", "delivery", "funding"]

SIDES: tuple[str, ...] = get_args(Side)
ORDER_STATES: tuple[str, ...] = get_args(OrderState)
ORDER_TYPES: tuple[str, ...] = get_args(OrderType)
ORDER_CLASSES: tuple[str, ...] = get_args(OrderClass)
POSITION_SIDES: tuple[str, ...] = get_args(PositionSide)
HELD_SIDES: tuple[str, ...] = get_args(HeldSide)
POSITION_MODES: tuple[str, ...] = get_args(PositionMode)
FILL_KINDS: tuple[str, ...] = get_args(FillKind)

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class PaperInstrument:
    """One market, by its unified symbol: `BTC/USDT:USDT` (linear swap) or `BTC/USDT` (spot).

    `amount_step` is in contracts for a swap and in base units for spot; `contract_size` is the
    base units in one contract, and None for spot.
    """

    symbol: str
    contract_size: Decimal | None
    amount_step: Decimal
    price_tick: Decimal
    mark: Decimal

    def __post_init__(self) -> None:
        base, slash, rest = self.symbol.partition("/")
        quote, colon, settle = rest.partition(":")
        if not (base and slash and quote) or (colon and settle != quote):
            raise ValueError(
                f"instrument {self.symbol!r}: expected spot like BTC/USDT or a linear swap like "
                "BTC/USDT:USDT"
            )
        _check_amounts(
            self, self.symbol, "contract_size", "amount_step", "price_tick", "mark", above_zero=True
        )
        if self.is_swap != (self.contract_size is not None):
            raise ValueError(
                f"instrument {self.symbol!r}: a swap has a contract_size, spot has none"
            )

    @property
    def is_swap(self) -> bool:
        return ":" in self.symbol

    @property
    def base(self) -> str:
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        """Return the quote currency, which is also what a linear swap settles in."""
        return self.symbol.partition("/")[2].partition(":")[0]

    @property
    def unit(self) -> Decimal:
        """Return the base units in one wire unit: the contract size, or one for spot."""
        return Decimal(1) if self.contract_size is None else self.contract_size

    @property
    def quantity_step(self) -> Decimal:
        """Return the smallest step of a quantity in base units."""
        return self.amount_step * self.unit


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """One order, or one algo order (`order_class` other than regular).

    `parent` is the id of the algo order that this one was triggered by. `updated_at` None means
    that the time of the last change is not given; such an order never expires from history.
    """

    exchange_order_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    state: OrderState
    filled: Decimal
    average_price: Decimal | None
    created_at: datetime
    updated_at: datetime | None = None
    client_order_id: str | None = None
    tag: str | None = None
    position_side: PositionSide | None = None
    order_class: OrderClass = "regular"
    parent: str | None = None
    trade_hint: str | None = None
    reduce_only: bool = False
    trigger_price: Decimal | None = None

    def __post_init__(self) -> None:
        name = f"order {self.exchange_order_id}"
        _check_id(name, self.exchange_order_id)
        _check_word(name, "side", self.side, SIDES)
        _check_word(name, "type", self.type, ORDER_TYPES)
        _check_word(name, "state", self.state, ORDER_STATES)
        _check_word(name, "order_class", self.order_class, ORDER_CLASSES)
        if self.position_side is not None:
            _check_word(name, "position_side", self.position_side, POSITION_SIDES)
        _check_amounts(self, name, "quantity", above_zero=True)
        _check_amounts(self, name, "price", "filled", "average_price", "trigger_price")
        _check_times(self, name, "created_at", "updated_at")

    @property
    def is_algo(self) -> bool:
        return self.order_class != "regular"

    @property
    def is_open(self) -> bool:
        return self.state in ("live", "partially_filled")


@dataclass(frozen=True, slots=True)
class PaperFill:
    """One execution, or (kind funding) one funding payment, which is a bill and never a fill.

    `fee` is positive when paid; a funding payment is its fee. `visible_from` hides the row from
    every answer until then: a late fill.
    """

    fill_id: str
    exchange_order_id: str | None
    client_order_id: str | None
    tag: str | None
    symbol: str
    side: Side
    position_side: PositionSide | None
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    fee_currency: str | None
    executed_at: datetime
    kind: FillKind = "trade"
    trade_hint: str | None = None
    visible_from: datetime | None = None

    def __post_init__(self) -> None:
        name = f"fill {self.fill_id}"
        _check_id(name, self.fill_id)
        _check_word(name, "side", self.side, SIDES)
        _check_word(name, "kind", self.kind, FILL_KINDS)
        if self.position_side is not None:
            _check_word(name, "position_side", self.position_side, POSITION_SIDES)
        _check_amounts(self, name, "quantity", "price", above_zero=self.kind != "funding")
        _check_amounts(self, name, "fee", signed=True)
        _check_times(self, name, "executed_at", "visible_from")

    @property
    def key(self) -> tuple[str, Side, str]:
        """Return what tells the fill from others: exchanges number them per symbol and side."""
        return self.symbol, self.side, self.fill_id

    def is_visible(self, now: datetime) -> bool:
        return self.visible_from is None or self.visible_from <= now


@dataclass(frozen=True, slots=True)
class PaperPosition:
    """What is held in one swap: signed on side net, never negative on side long or short."""

    symbol: str
    side: HeldSide
    quantity: Decimal
    entry_price: Decimal | None

    def __post_init__(self) -> None:
        name = f"position {self.symbol} {self.side}"
        _check_word(name, "side", self.side, HELD_SIDES)
        _check_amounts(self, name, "quantity", signed=self.side == "net")
        _check_amounts(self, name, "entry_price")

    @property
    def key(self) -> tuple[str, HeldSide]:
        return self.symbol, self.side

    @property
    def signed(self) -> Decimal:
        return -self.quantity if self.side == "short" else self.quantity


@dataclass(frozen=True, slots=True)
class PaperTransfer:
    """A deposit into the trading account, or (negative) a withdrawal from it."""

    transfer_id: str
    currency: str
    amount: Decimal
    at: datetime

    def __post_init__(self) -> None:
        name = f"transfer {self.transfer_id}"
        _check_id(name, self.transfer_id)
        _check_amounts(self, name, "amount", signed=True)
        _check_times(self, name, "at")


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """A position with the times the exchange keeps for it."""

    position: PaperPosition
    opened_at: datetime
    changed_at: datetime


def check_amount(what: str, value: object) -> Decimal:
    """Return `value` if it is a finite Decimal; a float would already have lost its digits."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{what} must be a Decimal made from a string, not {value!r}")
    if not value.is_finite():
        raise ValueError(f"{what} must be a finite number, not {value}")
    return value


def check_aware(what: str, value: datetime) -> datetime:
    """Return `value` if it knows its timezone."""
    if value.tzinfo is None:
        raise ValueError(f"{what} must be timezone-aware, not {value!r}")
    return value


def _check_id(name: str, value: str) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: the id must be a non-empty string, not {value!r}")


def _check_word(name: str, field: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{name}: {field} must be one of {', '.join(allowed)}, not {value!r}")


def _check_amounts(
    record: object, name: str, *fields: str, signed: bool = False, above_zero: bool = False
) -> None:
    for field in fields:
        value = getattr(record, field)
        if value is None:
            continue
        amount = check_amount(f"{name}: {field}", value)
        if (not signed and amount < ZERO) or (above_zero and amount == ZERO):
            bound = "above zero" if above_zero else "zero or more"
            raise ValueError(f"{name}: {field} must be {bound}, not {amount}")


def _check_times(record: object, name: str, *fields: str) -> None:
    for field in fields:
        value = getattr(record, field)
        if value is not None:
            check_aware(f"{name}: {field}", value)


def _built_in(symbol: str, size: str | None, step: str, tick: str, mark: str) -> PaperInstrument:
    contract_size = None if size is None else Decimal(size)
    return PaperInstrument(symbol, contract_size, Decimal(step), Decimal(tick), Decimal(mark))


BUILT_IN_INSTRUMENTS: dict[str, PaperInstrument] = {
    instrument.symbol: instrument
    for instrument in (
        _built_in("BTC/USDT:USDT", "0.01", "0.01", "0.1", "60000"),
        _built_in("ETH/USDT:USDT", "0.1", "0.01", "0.01", "3000"),
        _built_in("BTC/USDT", None, "0.00001", "0.1", "60000"),
        _built_in("ETH/USDT", None, "0.0001", "0.01", "3000"),
    )
}
