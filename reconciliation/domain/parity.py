"""What the exchange holds against what the slices add up to: the table of findings.

Invariants: Σ slices + excess = exchange; equal sides are clean, whoever's slices they are; a slice
is a ghost only where the exchange holds effectively nothing and no slice of the other direction
could explain that; the shares of a difference sum to it; what is unknown is no finding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, product, ratio, round_to_column, total
from reconciliation.domain.books import TradeState
from reconciliation.domain.keys import evidence_hash
from reconciliation.enums import Direction, ParityKind, PositionSide

SIDE_OF_DIRECTION = {
    Direction.LONG: PositionSide.LONG,
    Direction.SHORT: PositionSide.SHORT,
}
# What a finding says of slices, worst first; an orphan touches none.
OF_SLICES = frozenset(
    {ParityKind.GHOST_POSITION, ParityKind.POSITION_MISMATCH, ParityKind.AMBIGUOUS_OWNERS}
)
FINDINGS = OF_SLICES | {ParityKind.ORPHAN_POSITION}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PositionKey:
    """What is compared: a symbol and side; of spot the symbol stands for its base currency."""

    symbol: str
    side: PositionSide


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Both sides of one position, as they were read.

    `actual` is what the exchange holds, signed, base units. `slices` are all open and quarantined
    trades of all profiles there. `flow` is what moved a spot currency beside its slices: legs of
    symbols quoted in it, and fees. `mark` is None where no price is known, `amount_step` where no
    instrument is. `accepted` is the excess that a person has ignored, `unexplained` are differences
    that earlier heartbeats found to be nobody's, and that were never clean since.
    """

    key: PositionKey
    slices: tuple[TradeState, ...]
    actual: Decimal
    mark: Decimal | None
    amount_step: Decimal | None
    flow: Decimal = ZERO
    accepted: Decimal = ZERO
    entry_price: Decimal | None = None
    raw: str = ""
    is_quoted_in_usd: bool = True
    unexplained: tuple[Decimal, ...] = ()

    @property
    def symbols(self) -> frozenset[str]:
        """Return all symbols that are compared together here: of spot, those of the currency."""
        return frozenset({self.key.symbol, *(trade.symbol for trade in self.slices)})

    @property
    def usd_mark(self) -> Decimal | None:
        """Return the mark in USD; None where it is in another currency, or not known."""
        return self.mark if self.is_quoted_in_usd else None

    @property
    def virtual(self) -> Decimal:
        """Return the signed sum of what the slices have open, base units."""
        return total([self.flow, *(trade.signed_open_quantity for trade in self.slices)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A slice's part of a difference, base units without a sign."""

    trade: TradeState
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a comparison came to. `drift` is exchange − database, signed, base units.

    `shares` are of the slices concerned. `is_shared`: slices of several profiles fell short
    together, and nobody knows whose. `is_accepted`: all of the excess is what a person ignored.
    `fingerprint` is the same while kind, drift and slices are.
    """

    kind: ParityKind
    holding: Holding
    drift: Decimal
    shares: tuple[Share, ...] = ()
    is_shared: bool = False
    is_accepted: bool = False
    fingerprint: str = ""

    @property
    def unaccepted(self) -> Decimal:
        """Return the difference less what a person ignored of it, without a sign."""
        if self.kind != ParityKind.ORPHAN_POSITION:
            return abs(self.drift)
        return abs(self.drift - self.holding.accepted)


def compare(holding: Holding, *, dust_usd: Decimal) -> Finding:
    """Return what the two sides of a position come to."""
    virtual, actual = holding.virtual, holding.actual
    drift = actual - virtual
    if is_effectively_zero(drift, holding, dust_usd=dust_usd):
        return Finding(kind=ParityKind.CLEAN, holding=holding, drift=drift)
    left = drift - holding.accepted
    # What a person knows to be there beside the slices may net with them: it is no slice's loss.
    is_accepted = holding.accepted != 0 and is_effectively_zero(left, holding, dust_usd=dust_usd)
    kind = (
        ParityKind.ORPHAN_POSITION if is_accepted else _kind_of(holding, virtual, actual, dust_usd)
    )
    if kind == ParityKind.GHOST_POSITION:
        # A residue at the exchange, or fees, that are effectively nothing must not make each
        # sighting another; what is concerned is all that is open.
        drift = holding.flow - virtual
    if kind == ParityKind.ORPHAN_POSITION:
        return Finding(
            kind=kind,
            holding=holding,
            drift=drift,
            is_accepted=is_accepted,
            fingerprint=_fingerprint(kind, drift, ()),
        )
    shares = _shares(holding.slices, abs(drift))
    owners = {trade.profile_id for trade in holding.slices}
    return Finding(
        kind=kind,
        holding=holding,
        drift=drift,
        shares=shares,
        is_shared=kind == ParityKind.POSITION_MISMATCH and len(owners) > 1,
        fingerprint=_fingerprint(kind, drift, holding.slices),
    )


def is_effectively_zero(quantity: Decimal, holding: Holding, *, dust_usd: Decimal) -> bool:
    """Return whether nobody could trade a quantity, or it is worth less than the dust limit."""
    size = abs(quantity)
    if size == 0:
        return True
    if holding.amount_step is not None and size < holding.amount_step:
        return True
    return holding.usd_mark is not None and product(size, holding.usd_mark) < dust_usd


def notional_of(quantity: Decimal, mark: Decimal | None) -> Decimal | None:
    """Return what a quantity is worth in USD at the mark; None where there is none."""
    return None if mark is None else round_to_column(product(abs(quantity), mark))


def gather_holdings(
    *,
    slices: Iterable[TradeState],
    positions: Mapping[PositionKey, Decimal],
    is_hedged: bool,
) -> dict[PositionKey, tuple[tuple[TradeState, ...], Decimal]]:
    """Return, for each position that either side has, its slices and what the exchange holds.

    For derivatives. What the exchange lists no row of, it holds none of.
    """
    held: dict[PositionKey, list[TradeState]] = {key: [] for key in positions}
    for trade in sorted(slices, key=lambda trade: trade.id):
        side = SIDE_OF_DIRECTION[trade.direction] if is_hedged else PositionSide.NET
        held.setdefault(PositionKey(symbol=trade.symbol, side=side), []).append(trade)
    return {key: (tuple(held[key]), positions.get(key, ZERO)) for key in sorted(held)}


def _kind_of(holding: Holding, virtual: Decimal, actual: Decimal, dust_usd: Decimal) -> ParityKind:
    """Return the row of the table; both sides are known to differ."""
    if not holding.slices:
        return ParityKind.ORPHAN_POSITION
    if is_effectively_zero(actual, holding, dust_usd=dust_usd):
        is_ghost = (
            _is_one_way(holding)
            and is_effectively_zero(holding.flow, holding, dust_usd=dust_usd)
            and not _was_there_before(holding, dust_usd)
        )
        return ParityKind.GHOST_POSITION if is_ghost else ParityKind.AMBIGUOUS_OWNERS
    if is_effectively_zero(virtual, holding, dust_usd=dust_usd):
        return ParityKind.ORPHAN_POSITION
    if (virtual > 0) != (actual > 0):
        return ParityKind.AMBIGUOUS_OWNERS
    if abs(actual) < abs(virtual):
        return ParityKind.POSITION_MISMATCH
    return ParityKind.ORPHAN_POSITION


def _was_there_before(holding: Holding, dust_usd: Decimal) -> bool:
    """Return whether the whole difference was seen before the slices were: a stranger's position.

    A short of nobody's and a new long net to nothing at the exchange, and the long is still held.
    """
    return any(
        is_effectively_zero(holding.virtual + excess, holding, dust_usd=dust_usd)
        for excess in holding.unexplained
    )


def _is_one_way(holding: Holding) -> bool:
    """Return whether nothing known, slice or accepted position, could net with the slices."""
    directions = {trade.direction for trade in holding.slices}
    if holding.accepted != 0:
        directions.add(Direction.LONG if holding.accepted > 0 else Direction.SHORT)
    return len(directions) == 1


def _shares(slices: Sequence[TradeState], difference: Decimal) -> tuple[Share, ...]:
    """Return the slices' shares of a difference, pro rata by what each has open.

    The last one takes what rounding left, so that they sum to the difference.
    """
    whole = total(trade.open_quantity for trade in slices)
    if difference == whole:
        return tuple(Share(trade=trade, quantity=trade.open_quantity) for trade in slices)
    shares: list[Share] = []
    left = difference
    for trade in slices[:-1]:
        part = min(left, round_to_column(product(difference, ratio(trade.open_quantity, whole))))
        shares.append(Share(trade=trade, quantity=part))
        left -= part
    shares.append(Share(trade=slices[-1], quantity=left))
    return tuple(shares)


def _fingerprint(kind: ParityKind, drift: Decimal, slices: Iterable[TradeState]) -> str:
    return evidence_hash(
        {"kind": kind, "drift": drift, "slices": sorted(trade.id for trade in slices)}
    )
