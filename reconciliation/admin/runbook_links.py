"""Where the runbooks say what to do: one table, from each warning to its section.

A section is `document#anchor`; its anchor is its heading in lower case, as GitHub makes it too.
"""

from collections.abc import Mapping
from enum import Enum

from django.urls import reverse

from reconciliation.admin.links import anchor
from reconciliation.enums import (
    Coverage,
    EscalationKind,
    GateReason,
    HealthStatus,
    MismatchKind,
    NoGoReason,
    ParityKind,
    PauseSource,
    QuarantineReason,
    RunStatus,
)

Warned = (
    Coverage
    | EscalationKind
    | GateReason
    | HealthStatus
    | MismatchKind
    | NoGoReason
    | ParityKind
    | PauseSource
    | QuarantineReason
    | RunStatus
)

LOOP, LIFECYCLE = "reconciliation", "lifecycle-incident"
WHAT_TO_DO = "What to do"

# By type, because words of two sets may be the same.
SECTIONS: Mapping[type[Enum], Mapping[str, str]] = {
    EscalationKind: {kind: f"{LOOP}#{kind.lower()}" for kind in EscalationKind},
    GateReason: {
        GateReason.RECONCILING: f"{LOOP}#reconciling",
        GateReason.PAUSED_WATCHDOG: f"{LOOP}#paused_watchdog",
        GateReason.PAUSED_OPERATOR: f"{LOOP}#paused_operator",
        GateReason.MISMATCH: f"{LOOP}#mismatch",
        GateReason.QUARANTINED: f"{LIFECYCLE}#quarantine",
        GateReason.STALE: f"{LOOP}#stale",
    },
    PauseSource: {
        PauseSource.PARITY_WATCHDOG: f"{LOOP}#paused_watchdog",
        PauseSource.OPERATOR: f"{LOOP}#paused_operator",
    },
    NoGoReason: {reason: f"{LOOP}#no_go-{reason.lower()}" for reason in NoGoReason},
    RunStatus: {status: f"{LOOP}#run-{status.lower()}" for status in RunStatus},
    Coverage: dict.fromkeys(Coverage, f"{LOOP}#what-was-not-read"),
    HealthStatus: {status: f"{LOOP}#health-{status.lower()}" for status in HealthStatus},
    MismatchKind: {
        MismatchKind.MISSING_FROM_EXCHANGE: f"{LOOP}#missing_from_exchange",
        MismatchKind.MISSING_IN_DB: f"{LOOP}#missing_in_db",
        MismatchKind.STATUS_MISMATCH: f"{LOOP}#status_mismatch",
        MismatchKind.QUANTITY_MISMATCH: f"{LOOP}#quantity_mismatch",
        MismatchKind.UNATTRIBUTED_FILL: f"{LOOP}#unattributed_fill",
        MismatchKind.GHOST_POSITION: f"{LIFECYCLE}#ghost_position",
        MismatchKind.POSITION_MISMATCH: f"{LIFECYCLE}#position_mismatch",
        MismatchKind.AMBIGUOUS_OWNERS: f"{LIFECYCLE}#ambiguous_owners",
        MismatchKind.ORPHAN_POSITION: f"{LIFECYCLE}#orphan_position",
    },
    QuarantineReason: {reason: f"{LIFECYCLE}#{reason.lower()}" for reason in QuarantineReason},
    ParityKind: {
        ParityKind.CLEAN: f"{LOOP}#expected-self-recovery",
        ParityKind.UNKNOWN: f"{LOOP}#what-was-not-read",
        ParityKind.FRESH: f"{LOOP}#fresh-activity",
        ParityKind.GHOST_POSITION: f"{LIFECYCLE}#ghost_position",
        ParityKind.POSITION_MISMATCH: f"{LIFECYCLE}#position_mismatch",
        ParityKind.AMBIGUOUS_OWNERS: f"{LIFECYCLE}#ambiguous_owners",
        ParityKind.ORPHAN_POSITION: f"{LIFECYCLE}#orphan_position",
    },
}


def runbook_link(warned: Warned) -> str:
    """Return the address of the section that says what to do about a warning."""
    document, _, section = SECTIONS[type(warned)][warned].partition("#")
    return f"{reverse('admin:runbook', args=[document])}#{section}"


def what_to_do(warned: Warned, words: str = WHAT_TO_DO) -> str:
    """Return a link to the section of a warning, for a table or a fact."""
    return anchor(runbook_link(warned), words)
