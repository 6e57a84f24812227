"""Whether a profile may trade now: what a bot asks before it sends an order.

Invariants: entries are allowed exactly where no reason stands against them; nothing but a write
that is under way stops the exits of a whole profile; what is not known allows nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, total
from reconciliation.enums import (
    PARITY_MISMATCH_KINDS,
    Direction,
    GateReason,
    MismatchKind,
    PauseSource,
    TradeStatus,
)

_OF_PAUSES = {
    PauseSource.PARITY_WATCHDOG: GateReason.PAUSED_WATCHDOG,
    PauseSource.OPERATOR: GateReason.PAUSED_OPERATOR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An open mismatch, as the gate and the watchdog look at it.

    `trade_ids` are the slices that it concerns. `sharers` are the profiles of a shortfall that is
    nobody's alone; None where that cannot be read. `actual` is what the exchange holds, signed,
    base units; None is unknown, or no matter of this kind. `streak` counts confirmations.
    """

    kind: MismatchKind
    symbol: str
    profile_id: int | None
    trade_ids: frozenset[int] = frozenset()
    sharers: frozenset[int] | None = None
    actual: Decimal | None = None
    streak: int = 0

    def concerns(self, profile_id: int) -> bool:
        """Return whether it is a profile's matter: its own, shared by it, or its account's orphan.

        A shortfall of which nobody can read whose it is concerns everybody. What is nobody's order
        or fill is a question for a person, and no profile's fault.
        """
        if self.profile_id is not None:
            return self.profile_id == profile_id
        if self.kind == MismatchKind.POSITION_MISMATCH:
            return self.sharers is None or profile_id in self.sharers
        return self.kind == MismatchKind.ORPHAN_POSITION


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A slice of the profile that may hold a quantity; `open_quantity` has no sign."""

    trade_id: int
    symbol: str
    direction: Direction
    status: TradeStatus
    open_quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that the gate of a profile is decided by.

    `lock_remaining` is for how long somebody may still hold its lock; None where it is free.
    `is_read` says whether every job that is on has read it lately. `overclosed` are the symbols
    in which it exited more than it had, and a person has not said yet what that was.
    """

    profile_id: int
    is_read: bool
    lock_remaining: timedelta | None = None
    pauses: frozenset[PauseSource] = frozenset()
    holdings: tuple[Holding, ...] = ()
    differences: tuple[Difference, ...] = ()
    overclosed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolGate:
    """A symbol in which a profile may do less than elsewhere; the quantity is in base units."""

    symbol: str
    exits_allowed: bool
    reduce_only: bool
    max_exit_quantity: Decimal
    reasons: tuple[GateReason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a profile may do now; `retry_after` is when to ask again, None where all is allowed."""

    entries_allowed: bool
    exits_allowed: bool
    reasons: tuple[GateReason, ...]
    symbols: tuple[SymbolGate, ...]
    retry_after: timedelta | None


def decide_gate(standing: Standing, *, confirmations: int, interval: timedelta) -> Gate:
    """Return what a profile may do."""
    differences = [each for each in standing.differences if each.concerns(standing.profile_id)]
    quarantined = {
        holding.symbol for holding in standing.holdings if holding.status == TradeStatus.QUARANTINED
    }
    found = {_OF_PAUSES[source] for source in standing.pauses}
    if standing.lock_remaining is not None:
        found.add(GateReason.RECONCILING)
    if not standing.is_read:
        found.add(GateReason.STALE)
    if differences or quarantined or standing.overclosed:
        found.add(GateReason.MISMATCH)
    if quarantined:
        found.add(GateReason.QUARANTINED)
    exits_allowed = GateReason.RECONCILING not in found
    symbols = (
        {each.symbol for each in differences if _limits(each, standing.holdings)}
        | quarantined
        | standing.overclosed
    )
    return Gate(
        entries_allowed=not found,
        exits_allowed=exits_allowed,
        reasons=_in_order(found),
        symbols=tuple(
            _symbol_gate(
                symbol,
                holdings=[each for each in standing.holdings if each.symbol == symbol],
                differences=[each for each in differences if each.symbol == symbol],
                is_quarantined=symbol in quarantined,
                is_overclosed=symbol in standing.overclosed,
                exits_allowed=exits_allowed,
                confirmations=confirmations,
            )
            for symbol in sorted(symbols)
        ),
        retry_after=_retry_after(standing, is_blocked=bool(found), interval=interval),
    )


def _limits(difference: Difference, holdings: Iterable[Holding]) -> bool:
    """Return whether it limits exits: where an orphan is, the profile may have nothing to exit."""
    return difference.profile_id is not None or any(
        holding.symbol == difference.symbol for holding in holdings
    )


def _symbol_gate(
    symbol: str,
    *,
    holdings: Sequence[Holding],
    differences: Sequence[Difference],
    is_quarantined: bool,
    is_overclosed: bool,
    exits_allowed: bool,
    confirmations: int,
) -> SymbolGate:
    """Return what may be done in a symbol in which something is wrong: reduce, if anything."""
    is_blocked = (
        is_quarantined or is_overclosed or any(_blocks(each, confirmations) for each in differences)
    )
    reasons = {GateReason.MISMATCH} | ({GateReason.QUARANTINED} if is_quarantined else set())
    return SymbolGate(
        symbol=symbol,
        exits_allowed=exits_allowed and not is_blocked,
        reduce_only=True,
        max_exit_quantity=ZERO if is_blocked else _largest_exit(holdings, differences),
        reasons=_in_order(reasons),
    )


def _blocks(difference: Difference, confirmations: int) -> bool:
    """Return whether nobody may exit: a slice that is not there any more, or nobody knows whose."""
    if difference.kind == MismatchKind.GHOST_POSITION:
        return difference.streak >= confirmations
    return difference.kind == MismatchKind.AMBIGUOUS_OWNERS


def _largest_exit(holdings: Sequence[Holding], differences: Sequence[Difference]) -> Decimal:
    """Return the largest exit that cannot sell what is another's, whichever slice it is of.

    It is no more than what is open in a direction, nor than what the exchange holds on that side;
    where it holds the other side, or what it holds is unknown, that is nothing. A difference of an
    order says nothing of the position.
    """
    largest: dict[Direction, Decimal] = {
        direction: total(each.open_quantity for each in holdings if each.direction == direction)
        for direction in {each.direction for each in holdings}
    }
    for difference in differences:
        if difference.kind not in PARITY_MISMATCH_KINDS:
            continue
        concerned = {
            each.direction for each in holdings if each.trade_id in difference.trade_ids
        } or set(largest)
        for direction in concerned:
            largest[direction] = min(largest[direction], _held(difference.actual, direction))
    return min(largest.values(), default=ZERO)


def _held(actual: Decimal | None, direction: Direction) -> Decimal:
    """Return what the exchange holds in a direction, without a sign."""
    if actual is None:
        return ZERO
    return max(ZERO, actual if direction == Direction.LONG else -actual)


def _retry_after(standing: Standing, *, is_blocked: bool, interval: timedelta) -> timedelta | None:
    if standing.lock_remaining is not None:
        return max(standing.lock_remaining, timedelta(milliseconds=1))
    return interval if is_blocked else None


def _in_order(reasons: set[GateReason]) -> tuple[GateReason, ...]:
    return tuple(reason for reason in GateReason if reason in reasons)
