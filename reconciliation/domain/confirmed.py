"""What is done about a slice whose finding was confirmed often enough: the ordered steps.

Real fills are booked before any of this. Then, in this order: an unresolved fill or order keeps
the machine's hands off; without complete knowledge nothing is done; only an attributed slice (or
one whose profile needs no attribution) is closed without a fill, at a known mark; everything else
is put before a person.
"""

from dataclasses import dataclass
from decimal import Decimal

from reconciliation.enums import CoverageStatus, ParityKind, QuarantineReason


@dataclass(frozen=True, slots=True, kw_only=True)
class GhostFacts:
    """All that decides on one confirmed ghost.

    `is_gone`: the exchange was asked once more, by the symbol alone, and the account's margin
    agrees; None where that is not known. `coverage` is of the fills since the slice opened: None
    where their reading failed. `unresolved` names fills and orders that could still explain it.
    """

    is_gone: bool | None
    unresolved: tuple[str, ...]
    is_attributed: bool
    coverage: CoverageStatus | None
    mark: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseGhost:
    """Exit all that is open, at this estimated price."""

    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBefore:
    """A person decides."""

    reason: QuarantineReason


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveAlone:
    """Nothing is done now; `why` is kept with the evidence."""

    why: str


Verdict = CloseGhost | PutBefore | LeaveAlone


def judge_ghost(facts: GhostFacts, *, require_attribution: bool) -> Verdict:
    """Return what becomes of a confirmed ghost."""
    if facts.is_gone is None:
        return LeaveAlone(why="the position could not be asked for once more")
    if not facts.is_gone:
        return LeaveAlone(why="asked for by itself, the exchange shows a position after all")
    if facts.unresolved:
        return PutBefore(reason=QuarantineReason.UNRESOLVED_FILLS)
    if facts.coverage is None:
        return LeaveAlone(why="the fills since the slice opened could not be read")
    if require_attribution and not facts.is_attributed:
        return PutBefore(reason=QuarantineReason.UNATTRIBUTED)
    if facts.coverage == CoverageStatus.UNOBTAINABLE:
        return PutBefore(reason=QuarantineReason.EVIDENCE_INCOMPLETE)
    if facts.mark is None:
        return PutBefore(reason=QuarantineReason.NO_MARK)
    return CloseGhost(price=facts.mark)


def limit_closes(verdicts: dict[int, Verdict], *, most: int) -> dict[int, Verdict]:
    """Return the verdicts by trade, all closes put before a person where there are too many."""
    closes = [trade_id for trade_id, each in verdicts.items() if isinstance(each, CloseGhost)]
    if len(closes) <= most:
        return verdicts
    mass = PutBefore(reason=QuarantineReason.MASS_MISMATCH)
    return {**verdicts, **dict.fromkeys(closes, mass)}


def reason_of(kind: ParityKind) -> QuarantineReason:
    """Return why slices of a confirmed finding that is no ghost wait for a person."""
    return {
        ParityKind.AMBIGUOUS_OWNERS: QuarantineReason.AMBIGUOUS_OWNERS,
        ParityKind.POSITION_MISMATCH: QuarantineReason.POSITION_MISMATCH,
    }[kind]
