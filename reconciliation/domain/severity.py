"""How bad a thing that waits for a person is: by what it is, and by what it is worth.

Invariants: the worse of both counts; what is not known is never taken for small.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import IntEnum

from reconciliation.domain.amounts import product
from reconciliation.enums import MismatchKind, NoGoReason, QuarantineReason


class Severity(IntEnum):
    """From what can wait to what cannot; the greater is the worse."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    def __str__(self) -> str:
        return self.name


HIGH_SHARE = Decimal("0.1")
CRITICAL_SHARE = Decimal("0.5")
"""From which share of the allocated capital on a thing is HIGH, or CRITICAL, by its worth."""

EXTERNAL_ORDER = "EXTERNAL_ORDER"
EXCHANGE_INITIATED = "EXCHANGE_INITIATED"
"""Kinds that have no word of their own elsewhere: an order of nobody, a forced execution."""

OF_KIND: Mapping[str, Severity] = {
    # Nobody can say whose the fault is, or the reading itself is in doubt.
    QuarantineReason.MASS_MISMATCH: Severity.CRITICAL,
    EXCHANGE_INITIATED: Severity.CRITICAL,
    # Real money moved that the books do not have.
    QuarantineReason.AMBIGUOUS_OWNERS: Severity.HIGH,
    QuarantineReason.POSITION_MISMATCH: Severity.HIGH,
    QuarantineReason.OVERCLOSE: Severity.HIGH,
    QuarantineReason.UNRESOLVED_FILLS: Severity.HIGH,
    MismatchKind.ORPHAN_POSITION: Severity.HIGH,
    NoGoReason.AMBIGUOUS_SLICE: Severity.HIGH,
    NoGoReason.QTY_EXCEEDS_OPEN: Severity.HIGH,
    # The books hold what is gone, or a fill waits for its slice.
    QuarantineReason.UNATTRIBUTED: Severity.MEDIUM,
    QuarantineReason.EVIDENCE_INCOMPLETE: Severity.MEDIUM,
    QuarantineReason.NO_MARK: Severity.MEDIUM,
    QuarantineReason.OPERATOR: Severity.MEDIUM,
    NoGoReason.WEAK_ATTRIBUTION: Severity.MEDIUM,
    NoGoReason.HEURISTIC_DISABLED: Severity.MEDIUM,
    NoGoReason.NO_MATCH: Severity.MEDIUM,
    MismatchKind.UNATTRIBUTED_FILL: Severity.MEDIUM,
    # What is somebody else's by its own words, or older than the slice.
    NoGoReason.FOREIGN_SUB_TAG: Severity.LOW,
    NoGoReason.STALE_FILL: Severity.LOW,
    EXTERNAL_ORDER: Severity.LOW,
}
"""What each reason or kind is at least; one that is not here is HIGH."""


def severity_of(
    kinds: tuple[str, ...], *, notional_usd: Decimal | None, capital_usd: Decimal | None
) -> Severity:
    """Return how bad a thing is; `kinds` are its reasons, `capital_usd` is what was allocated.

    A worth that is not known is HIGH. Where no capital is allocated, any worth is more than that.
    """
    by_kind = max((OF_KIND.get(kind, Severity.HIGH) for kind in kinds), default=Severity.LOW)
    return max(by_kind, _by_worth(notional_usd, capital_usd))


def _by_worth(notional_usd: Decimal | None, capital_usd: Decimal | None) -> Severity:
    if notional_usd is None or capital_usd is None:
        return Severity.HIGH
    if notional_usd == 0:
        return Severity.LOW
    if notional_usd >= product(capital_usd, CRITICAL_SHARE):
        return Severity.CRITICAL
    if notional_usd >= product(capital_usd, HIGH_SHARE):
        return Severity.HIGH
    return Severity.LOW
