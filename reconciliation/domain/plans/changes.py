"""What a decision comes to: a Change that can be applied as it is.

A Change names its premises, the rows and versions it relied on. Applying it writes all of it or,
when a premise no longer holds, none of it; the next cycle then decides anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import CandidateState, OrderState, ProfileState, TradeState
from reconciliation.domain.legs import LegDraft
from reconciliation.domain.types import ExchangeOrder
from reconciliation.enums import (
    AttributionMode,
    BackfillVerdict,
    CandidateStatus,
    HistoryKind,
    HistorySource,
    MismatchKind,
    NoGoReason,
    QuarantineReason,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What a decision relied on.

    Versions of trades and orders, allocated quantities of fills, quantities of positions.
    """

    trades: Mapping[int, int]
    orders: Mapping[int, int]
    fills: Mapping[int, Decimal]
    positions: Mapping[int, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDraft:
    """A history row to be booked; `key` makes a replay find it.

    A REVERSAL names the row that it takes back in `reverses_id`.
    """

    trade_id: int
    key: str
    kind: HistoryKind
    source: HistorySource
    quantity: Decimal
    price: Decimal | None
    executed_at: datetime
    order_id: int | None = None
    exchange_fill_id: str | None = None
    fee: Decimal | None = None
    fee_currency: str | None = None
    estimated: bool = False
    evidence_hash: str = ""
    reverses_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationDraft:
    """A part of a fill for a history row: one that exists (`history_id`), or a draft's (`key`).

    `quantity` is gross, in the fill's own terms. `released` frees that part again.
    """

    fill_id: int
    trade_id: int
    quantity: Decimal
    history_id: int | None = None
    history_key: str | None = None
    released: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingDraft:
    """What a heartbeat saw of a difference; `quantity` without a sign, money None if unknown."""

    streak: int
    quantity: Decimal
    mark: Decimal | None
    notional_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MismatchDraft:
    """A difference seen now. `resolution` says how it was repaired; None leaves it open.

    `drift` is exchange − database in base units, None where it is no quantity or unknown.
    `sameness` is what tells it from another one under the same key; without one the key is it.
    """

    key: str
    kind: MismatchKind
    profile_id: int | None
    symbol: str
    drift: Decimal | None
    database_side: Mapping[str, object]
    exchange_side: Mapping[str, object]
    order_id: int | None = None
    trade_id: int | None = None
    resolution: str | None = None
    not_found_count: int = 0
    sighting: SightingDraft | None = None
    sameness: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalOrderDraft:
    """An open exchange order that belongs to nobody, to be put before a person."""

    shown: ExchangeOrder
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDraft:
    """A question to a person about a trade, with its evidence.

    `sameness` is what tells this evidence from another: kind, drift and fill ids, never a time or a
    mark. Without one the evidence itself is it.
    """

    reason: QuarantineReason
    trade_id: int
    quantity: Decimal | None
    evidence: Mapping[str, object]
    sameness: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateDraft:
    """The verdict on a fill that could be a missed exit; `known` is what was decided before.

    `profile` and `trade_id` are of the slice that it is about. `quantity` is what is left of the
    fill, gross; `hash` is of what the verdict rests on, `evidence` shows it.
    """

    fill_id: int
    profile: ProfileState | None
    trade_id: int | None
    status: CandidateStatus
    verdict: BackfillVerdict
    reasons: tuple[NoGoReason, ...]
    mode: AttributionMode
    is_exchange_initiated: bool
    quantity: Decimal
    evidence: Mapping[str, object]
    hash: str
    known: CandidateState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionDraft:
    """A position row that is made to say what its slices add up to."""

    id: int
    quantity: Decimal
    entry_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Rows to write for one trade (or one order without a trade), and the events that say so.

    `trade` and `orders` are the states after; what they differ in from the premises is written.
    One whose id is below zero is new: it is inserted, and every mention of that id in the change
    becomes the row's own.
    """

    profile_id: int
    premises: Premises
    trade: TradeState | None = None
    orders: tuple[OrderState, ...] = ()
    legs: tuple[LegDraft, ...] = ()
    positions: tuple[PositionDraft, ...] = ()
    reviews: tuple[ReviewDraft, ...] = ()
    history: tuple[HistoryDraft, ...] = ()
    allocations: tuple[AllocationDraft, ...] = ()
    mismatches: tuple[MismatchDraft, ...] = ()
    candidates: tuple[CandidateDraft, ...] = ()
    events: tuple[EventDraft, ...] = ()


def merge(first: Change, second: Change) -> Change:
    """Return two changes as one; the states after are the later ones."""
    return replace(
        first,
        premises=Premises(
            trades={**second.premises.trades, **first.premises.trades},
            orders={**second.premises.orders, **first.premises.orders},
            fills={**second.premises.fills, **first.premises.fills},
            positions={**second.premises.positions, **first.premises.positions},
        ),
        trade=second.trade or first.trade,
        orders=(*first.orders, *second.orders),
        legs=(*first.legs, *second.legs),
        positions=(*first.positions, *second.positions),
        reviews=(*first.reviews, *second.reviews),
        history=(*first.history, *second.history),
        allocations=(*first.allocations, *second.allocations),
        mismatches=(*first.mismatches, *second.mismatches),
        candidates=(*first.candidates, *second.candidates),
        events=(*first.events, *second.events),
    )
