"""The database's side of the evidence: profiles, trades, orders, history and kept fills.

Invariants: entry and exit quantities are never negative and exit never exceeds entry; a fill's
allocated quantity never exceeds it; `version` is what a decision relied on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, total
from reconciliation.domain.id_patterns import ClientOrderIdPattern
from reconciliation.domain.types import ExchangeFill
from reconciliation.enums import (
    ACTIVE_ORDER_STATUSES,
    CandidateStatus,
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
class ProfileState:
    """A profile of the account."""

    id: int
    name: str
    sub_tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeState:
    """A lifecycle slice as the portal holds it to be.

    `code` is what deterministic client order ids name it by, also while its trade id is not known.
    """

    id: int
    profile_id: int
    trade_id: str
    code: str
    symbol: str
    direction: Direction
    sub_tag: str | None
    status: TradeStatus
    entry_quantity: Decimal
    exit_quantity: Decimal
    average_entry_price: Decimal | None
    average_exit_price: Decimal | None
    reversals: int
    opened_at: datetime
    closed_at: datetime | None
    version: int
    last_activity_at: datetime | None = None
    """When the trading system last said something of it; the portal's own work is none."""

    @property
    def open_quantity(self) -> Decimal:
        """Return the virtual open quantity without its sign, base units."""
        return self.entry_quantity - self.exit_quantity

    @property
    def signed_open_quantity(self) -> Decimal:
        """Return the virtual open quantity, negative for a short."""
        return self.open_quantity if self.direction == Direction.LONG else -self.open_quantity

    def side_of(self, purpose: Purpose) -> Side:
        """Return the side of the orders and fills that enter or exit this trade."""
        buys = (self.direction == Direction.LONG) == (purpose == Purpose.ENTRY)
        return Side.BUY if buys else Side.SELL


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """An order as the portal holds it to be.

    `leg_ids` are the exchange ids of orders that it was before, or that it triggered. An order
    that was adopted by its sub tag alone has neither a trade nor a purpose.
    """

    id: int
    profile_id: int
    trade_id: int | None
    purpose: Purpose | None
    client_order_id: str | None
    exchange_order_id: str | None
    leg_ids: tuple[str, ...]
    order_class: OrderClass
    symbol: str
    side: Side
    position_side: PositionSide | None
    type: OrderType
    sub_tag: str | None
    status: OrderStatus
    quantity: Decimal
    price: Decimal | None
    filled_quantity: Decimal
    average_price: Decimal | None
    end_reason: str
    created_at: datetime
    last_activity_at: datetime
    version: int
    looked_up_at: datetime | None = None

    @property
    def exchange_ids(self) -> tuple[str, ...]:
        """Return every exchange order id whose fills are this order's."""
        own = () if self.exchange_order_id is None else (self.exchange_order_id,)
        return own + self.leg_ids

    @property
    def is_active(self) -> bool:
        """Return whether the order can still be filled as far as the portal knows."""
        return self.status in ACTIVE_ORDER_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFill:
    """A fill that was read and kept; `allocated` of its gross quantity is booked already.

    `set_aside`: a person said that the rest of it is not ours.
    """

    id: int
    fill: ExchangeFill
    allocated: Decimal
    set_aside: bool = False

    @property
    def remaining(self) -> Decimal:
        """Return the gross quantity that nothing has booked yet."""
        return self.fill.quantity - self.allocated


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """A history row as it stands; `covered` is the net quantity that fills are allocated to."""

    id: int
    trade_id: int
    kind: HistoryKind
    source: HistorySource
    quantity: Decimal
    booked_quantity: Decimal
    order_id: int | None
    exchange_fill_id: str | None
    covered: Decimal
    is_order_unnamed: bool = False
    """Whether its order has ended and nobody knows its exchange id: no fill finds it by that."""

    @property
    def uncovered(self) -> Decimal:
        """Return the booked quantity that no fill explains yet, base units net of fees."""
        return max(self.booked_quantity - self.covered, ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticExit:
    """An exit that was booked without a fill and stands; `quantity` is what of it counts.

    `id` is None for one that is only planned.
    """

    id: int | None
    key: str
    source: HistorySource
    quantity: Decimal
    price: Decimal | None
    executed_at: datetime
    estimated: bool = True
    evidence_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealExit:
    """Any other exit that stands. Dust has no price, and none is missed."""

    quantity: Decimal
    price: Decimal | None
    executed_at: datetime
    is_dust: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingExits:
    """Every exit of a trade that no reversal has taken back."""

    synthetic: tuple[SyntheticExit, ...]
    real: tuple[RealExit, ...] = ()

    @property
    def quantity(self) -> Decimal:
        """Return what was exited without a fill, base units."""
        return total(row.quantity for row in self.synthetic)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRow:
    """A position row and what its slices add up to; both signed, base units.

    `quantity` follows the slices, until the trading system delivers another.
    """

    id: int
    profile_id: int
    symbol: str
    direction: Direction
    quantity: Decimal
    of_slices: Decimal
    entry_price_of_slices: Decimal | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMismatch:
    """A mismatch that an earlier run left open."""

    id: int
    key: str
    profile_id: int | None
    order_id: int | None
    trade_id: int | None
    kind: str
    not_found_count: int
    is_accepted: bool = False
    """Whether a person accepted it: it stays so while it is seen as it was."""
    evidence_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateState:
    """What was last decided of a fill that could be an exit; `hash` is of that evidence."""

    id: int
    fill_id: int
    status: CandidateStatus
    hash: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Everything of one account that a reconciliation cycle decides on."""

    profiles: Mapping[int, ProfileState]
    trades: Mapping[int, TradeState]
    orders: Mapping[int, OrderState]
    fills: tuple[KeptFill, ...]
    """Fills not fully booked, and every fill of an order that is active or has such a fill."""
    history: tuple[HistoryRow, ...] = ()
    """The delivered rows that fills may be allocated to."""
    decided_orders: frozenset[tuple[str, str]] = frozenset()
    """Exchange orders, by symbol and id, that a person has decided on already."""
    waiting_orders: frozenset[tuple[str, str]] = frozenset()
    """Exchange orders, by symbol and id, that wait for a person."""
    is_hedged: bool = False
    """Whether the account holds long and short apart."""
    baseline_at: datetime | None = None
    """What is older than this was accepted as found."""
    positions: tuple[PositionRow, ...] = ()
    """Every position row of the account."""
    open_mismatches: tuple[OpenMismatch, ...] = ()
    amount_steps: Mapping[str, Decimal] = field(default_factory=dict)
    """Per symbol the smallest tradable quantity, base units."""
    base_currencies: Mapping[str, str] = field(default_factory=dict)
    """Per spot symbol its base currency: a fee paid in it changes what was gained."""
    client_order_ids: ClientOrderIdPattern | None = None
    """The bots' own scheme of client order ids, where they have one."""
    disabled_profiles: Mapping[int, ProfileState] = field(default_factory=dict)
    """Profiles to which nothing is booked; what is theirs is nobody else's all the same."""
    candidates: tuple[CandidateState, ...] = ()
    """Of fills that are not fully booked, and those that wait for a person."""
    synthetic_exits: Mapping[int, StandingExits] = field(default_factory=dict)
    """The exits of trades of which some have no fill: the real one may still appear."""
