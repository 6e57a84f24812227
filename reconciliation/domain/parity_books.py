"""The database's side of a heartbeat, and what earlier heartbeats have left."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.books import KeptFill, OpenMismatch, OrderState, ProfileState, TradeState
from reconciliation.domain.parity import PositionKey
from reconciliation.domain.streaks import Streak
from reconciliation.enums import QuarantineReason


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingReview:
    """A question about a quarantined slice that nobody has answered yet."""

    trade_id: int
    reason: QuarantineReason
    evidence_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotFlow:
    """What slices of other symbols did to a currency: legs quoted in it, and fees paid in it.

    `quantity` is signed, None where a price of a leg is not known.
    """

    currency: str
    quantity: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityBooks:
    """Everything of one account that a heartbeat compares and decides on.

    `slices` are all open and quarantined trades with something open, of all profiles; those of
    `disabled` ones count, and nothing is written to them. `answered` are, by trade, the hashes of
    evidence that a person has rejected. `closing_fills` are the fills that nobody has booked or
    set aside, of the slices' symbols. `last_activity` is, by symbol, the newest sign of life on
    either side. `spot_symbols` have, or had, a position in the books.
    """

    profiles: Mapping[int, ProfileState]
    disabled: frozenset[int]
    slices: tuple[TradeState, ...]
    streaks: Mapping[PositionKey, Streak]
    accepted: Mapping[PositionKey, Decimal]
    open_mismatches: tuple[OpenMismatch, ...]
    waiting: Mapping[int, WaitingReview]
    answered: frozenset[tuple[int, str]]
    closing_fills: tuple[KeptFill, ...]
    last_activity: Mapping[str, datetime]
    flows: Mapping[str, SpotFlow] = field(default_factory=dict)
    spot_symbols: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryEvidence:
    """What could prove whose a slice is, or explain where it went.

    `orders` are all orders of the slice, `entry_fills` the fills of its entries, as recorded and
    as the exchange shows them.
    """

    orders: tuple[OrderState, ...]
    entry_fills: tuple[KeptFill, ...]
