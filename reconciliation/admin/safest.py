"""What each waiting row asks, and what is safest: one or two sentences, on top of its page.

Waiting is always safe for the books: nothing is written until somebody decides.
"""

from collections.abc import Mapping

from reconciliation.admin import display
from reconciliation.admin.page import Head
from reconciliation.enums import MismatchKind, NoGoReason, QuarantineReason
from reconciliation.models import BackfillCandidate, ExternalOrder, Mismatch, ReviewItem

_LOOK = "Safest: look at the position at the exchange first;"

_SLICES: Mapping[str, tuple[str, str]] = {
    QuarantineReason.UNATTRIBUTED: (
        "Is this slice gone? The exchange shows nothing of it, and nothing proves whose it was.",
        f"{_LOOK} approve if nothing is held there, reject if it is.",
    ),
    QuarantineReason.AMBIGUOUS_OWNERS: (
        "Which slice is wrong? Several share a position that does not add up.",
        f"{_LOOK} exit only what you know to be closed, and leave the rest waiting.",
    ),
    QuarantineReason.POSITION_MISMATCH: (
        "Was a part of this slice closed? The exchange holds less than the books say.",
        f"{_LOOK} approve no more than what is missing there.",
    ),
    QuarantineReason.OVERCLOSE: (
        "Whose was the rest? More was exited at the exchange than this slice held.",
        "Safest: find the other slice among the trades and allocate it; call it external only if"
        " no slice of this profile was meant.",
    ),
    QuarantineReason.UNRESOLVED_FILLS: (
        "Did one of the undecided executions close this slice?",
        "Safest: decide those executions among the missed exits first; their price is the real"
        " one, this page's is an estimate.",
    ),
    QuarantineReason.EVIDENCE_INCOMPLETE: (
        "Is this slice gone? Not every fill since it opened could be read.",
        f"{_LOOK} approve only if its own trade history there shows the exit.",
    ),
    QuarantineReason.NO_MARK: (
        "At which price was this slice exited? The exchange shows nothing of it, and no mark.",
        "Safest: take the price of the exit from the exchange and type it.",
    ),
    QuarantineReason.MASS_MISMATCH: (
        "Did many slices really close at once, or was the reading wrong?",
        "Safest: do not approve in bulk; read the evidence anew, and look at the exchange before"
        " anything is exited.",
    ),
    QuarantineReason.OPERATOR: (
        "A person put this slice into quarantine. May it go on?",
        "Safest: ask who put it there; reject opens it again.",
    ),
}

_FILLS: Mapping[str, tuple[str, str]] = {
    NoGoReason.FOREIGN_SUB_TAG: (
        "Whose fill is this? By its tag or id it is another profile's.",
        "Safest: book it to a slice of that profile, or reject it; never to this one.",
    ),
    NoGoReason.AMBIGUOUS_SLICE: (
        "Which slice did this fill close? More than one fits.",
        "Safest: ask the bot's operator; if nobody knows, leave it waiting.",
    ),
    NoGoReason.QTY_EXCEEDS_OPEN: (
        "Which slices did this fill close? It is larger than what one has open.",
        "Safest: split it over the slices that it closed; what none takes is set aside.",
    ),
    NoGoReason.EVIDENCE_INCOMPLETE: (
        "Is this fill the exit of a slice? Not every fill since it opened was read.",
        "Safest: read the evidence anew; another fill may be the exit.",
    ),
    NoGoReason.STALE_FILL: (
        "Does this fill belong to an older slice? It is from before this one was opened.",
        "Safest: reject it, unless its time at the exchange says otherwise.",
    ),
    NoGoReason.NO_MATCH: (
        "Whose fill is this? No slice fits it.",
        "Safest: find out who traded on this account before you reject it as not ours.",
    ),
}
_FILL_ELSE = (
    "Is this fill the exit of the slice? It seems to fit, and nothing in it says so.",
    "Safest: compare time and quantity with the bot's own log; a suggestion is no proof.",
)

_NOBODYS: Mapping[str, tuple[str, str]] = {
    "order": (
        "Whose is this open order? No profile is known to have placed it.",
        "Safest: find who placed it; adopt it only into the profile that did. The portal never"
        " cancels it.",
    ),
    MismatchKind.UNATTRIBUTED_FILL: (
        "Whose execution is this? No order and no slice explains it.",
        "Safest: find who traded on this account; ignore it only if it is known to be no bot's.",
    ),
    MismatchKind.ORPHAN_POSITION: (
        "Whose position is this? The exchange holds more than all slices together.",
        "Safest: stop and ask who traded by hand; adopt it if a profile is to manage it.",
    ),
    MismatchKind.POSITION_MISMATCH: (
        "Which of the slices lacks how much? Several profiles share this shortfall.",
        "Safest: put on each slice only what its bot knows to have closed.",
    ),
}


def head_of(row: ReviewItem | BackfillCandidate | ExternalOrder | Mismatch, urgency: str) -> Head:
    """Return the question of a row that waits, with what is safest, and how urgent it is."""
    if isinstance(row, ReviewItem):
        words = _SLICES.get(row.reason, _SLICES[QuarantineReason.UNATTRIBUTED])
    elif isinstance(row, BackfillCandidate):
        found = next((_FILLS[code] for code in _FILLS if code in row.reasons), None)
        words = found or _FILL_ELSE
    elif isinstance(row, ExternalOrder):
        words = _NOBODYS["order"]
    else:
        words = _NOBODYS.get(row.kind, _NOBODYS[MismatchKind.POSITION_MISMATCH])
    return Head(sentence=display.text(words[0]), safest=words[1], urgency=urgency)
