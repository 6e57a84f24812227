"""Every reason in words that a person understands who has never read how the portal works."""

from collections.abc import Mapping

from reconciliation.enums import (
    AttributionMode,
    DecisionReason,
    NoGoReason,
    QuarantineReason,
    ReviewStatus,
)

QUARANTINE: Mapping[str, str] = {
    QuarantineReason.UNATTRIBUTED: (
        "The exchange holds something else than our books say, and nothing tells whose it is."
    ),
    QuarantineReason.AMBIGUOUS_OWNERS: (
        "Several slices share this position, and it cannot be told which of them is wrong."
    ),
    QuarantineReason.POSITION_MISMATCH: (
        "The exchange holds less than this slice says: a part of it seems to be closed already."
    ),
    QuarantineReason.OVERCLOSE: (
        "More was exited at the exchange than this slice held: the rest belongs to another slice, "
        "or to nobody."
    ),
    QuarantineReason.UNRESOLVED_FILLS: (
        "There are executions that could have closed this slice and that are not booked yet: "
        "they have to be decided first, or with it."
    ),
    QuarantineReason.EVIDENCE_INCOMPLETE: (
        "Not everything could be read from the exchange since the slice opened, so it is not "
        "proven that it was closed."
    ),
    QuarantineReason.NO_MARK: (
        "The exchange holds nothing of this slice, but no market price is known to book its exit "
        "at: the price has to be typed."
    ),
    QuarantineReason.MASS_MISMATCH: (
        "Too many slices differed at once: the fault may be in what was read, so nothing was "
        "closed by itself."
    ),
    QuarantineReason.OPERATOR: "A person put this slice into quarantine.",
}

NO_GO: Mapping[str, str] = {
    NoGoReason.FOREIGN_SUB_TAG: (
        "By its tag or client order id the fill belongs to another profile. No setting overrides "
        "that."
    ),
    NoGoReason.STALE_FILL: (
        "The fill was executed before the slice was opened: it cannot have closed it."
    ),
    NoGoReason.WEAK_ATTRIBUTION: (
        "Nothing in the fill names the slice; it only seems to fit, and the settings ask for proof."
    ),
    NoGoReason.HEURISTIC_DISABLED: (
        "The fill only seems to fit the slice, and the settings forbid to book on a guess."
    ),
    NoGoReason.AMBIGUOUS_SLICE: "More than one slice could have been closed by this fill.",
    NoGoReason.QTY_EXCEEDS_OPEN: "The fill is larger than what the slice has open.",
    NoGoReason.EVIDENCE_INCOMPLETE: (
        "Not every fill since the slice opened could be read, so another one may be its exit."
    ),
    NoGoReason.NO_MATCH: "No slice fits this fill.",
}

MODES: Mapping[str, str] = {
    AttributionMode.CLIENT_ORDER_ID: "its client order id names the slice",
    AttributionMode.TRADE_ID: "it names the trade",
    AttributionMode.SUB_TAG: "its sub tag names the profile",
    AttributionMode.SINGLE_OPEN_TRADE: "it is the only open slice that the fill could close",
    AttributionMode.QTY_UNIQUE: "it is the only slice with exactly this quantity open",
    AttributionMode.NONE: "nothing points to a slice",
}

PRESS_REFRESH = 'Press "Read the evidence anew" (key e) on its page and wait until it says done'
"""The way out of evidence that is too old, by the words of the button."""

CHOICES: tuple[tuple[str, str], ...] = (
    ("", "choose a reason"),
    (DecisionReason.CONFIRMED_FLAT.value, "CONFIRMED_FLAT: looked at the exchange, nothing there"),
    (DecisionReason.EXITED_MANUALLY.value, "EXITED_MANUALLY: somebody closed it by hand"),
    (DecisionReason.LIQUIDATED.value, "LIQUIDATED: the exchange closed it"),
    (DecisionReason.NOT_OURS.value, "NOT_OURS: it belongs to somebody else"),
    (DecisionReason.STILL_OPEN.value, "STILL_OPEN: it is held, the books are right"),
    (DecisionReason.DUPLICATE.value, "DUPLICATE: it is told of twice"),
    (DecisionReason.OTHER.value, "OTHER: say it in the comment"),
)

STATUSES: Mapping[str, str] = {
    ReviewStatus.PENDING: "waits for a decision",
    ReviewStatus.PROPOSED: "proposed, waits for a second person",
    ReviewStatus.APPROVED: "approved",
    ReviewStatus.REJECTED: "rejected",
    ReviewStatus.SUPERSEDED: "overtaken by newer evidence, needs no answer",
    "APPLIED": "booked by itself, nobody was asked",
}


def in_words(words: Mapping[str, str], code: str) -> str:
    """Return a code with its sentence; an unknown one stands as it is."""
    return f"{code}: {words[code]}" if code in words else code
