"""What each kind of mismatch means, in an operator's words."""

from collections.abc import Mapping

from reconciliation.enums import MismatchKind, ParityKind

MEANINGS: Mapping[str, str] = {
    MismatchKind.MISSING_FROM_EXCHANGE: (
        "active here, no longer among the open orders of the exchange"
    ),
    MismatchKind.MISSING_IN_DB: "an order of the exchange that is not recorded here",
    MismatchKind.STATUS_MISMATCH: (
        "the exchange shows another status, price or quantity of the order"
    ),
    MismatchKind.QUANTITY_MISMATCH: "the order has fills that are not booked here",
    MismatchKind.UNATTRIBUTED_FILL: "a fill that no order and no trade recorded here explains",
    MismatchKind.GHOST_POSITION: "a trade is open here, while the exchange holds nothing of it",
    MismatchKind.POSITION_MISMATCH: "the exchange holds less than the open trades here add up to",
    MismatchKind.AMBIGUOUS_OWNERS: (
        "the exchange holds something else than the open trades here add up to, and it cannot be "
        "told which of them is wrong"
    ),
    MismatchKind.ORPHAN_POSITION: "the exchange holds more than the open trades here explain",
}

PARITY_MEANINGS: Mapping[str, str] = {
    ParityKind.CLEAN: "the open trades here add up to what the exchange holds",
    ParityKind.UNKNOWN: "one of the two sides could not be read completely: nothing was concluded",
    ParityKind.FRESH: "something has just happened there: it is looked at again by the next one",
    **{
        kind: MEANINGS[kind]
        for kind in (
            MismatchKind.GHOST_POSITION,
            MismatchKind.POSITION_MISMATCH,
            MismatchKind.AMBIGUOUS_OWNERS,
            MismatchKind.ORPHAN_POSITION,
        )
    },
}


def parity_meaning(kind: str) -> str:
    """Return what the outcome of a comparison means, nothing for one that is not known."""
    return PARITY_MEANINGS.get(kind, "")


def meaning(kind: str) -> str:
    """Return what a kind means, nothing for one that is not known."""
    return MEANINGS.get(kind, "")
