"""What to do about what is wrong: a sentence, and where to go, for each thing that can be.

The runbook's first rule stands above all of it: nobody patches rows by hand, and the loop goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciliation.admin.audit_urls import explorer_url
from reconciliation.admin.links import changelist_url, object_url, page_url
from reconciliation.enums import (
    EscalationKind,
    EscalationStatus,
    GateReason,
    MismatchStatus,
    RunKind,
)
from reconciliation.models import (
    Escalation,
    Mismatch,
    Profile,
    ReviewItem,
    Run,
)
from reconciliation.selectors.problems import Problem, ProblemKind

WAITS = "PENDING,PROPOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do, and the words and the address of a link to where it is done."""

    sentence: str
    words: str
    url: str


PROBLEMS: Mapping[ProblemKind, tuple[str, str]] = {
    ProblemKind.NO_ACCOUNT: ("Set up an exchange account, or switch one on.", "Set up"),
    ProblemKind.NEVER_FINISHED: (
        "Wait for one interval. If it stays, see whether runs start at all, and how they end.",
        "Runs of this account",
    ),
    ProblemKind.CLOCK_AHEAD: (
        "Compare the clocks of the machines that run workers: one of them is ahead.",
        "Runs of this account",
    ),
    ProblemKind.LOOP_STALLED: (
        "See how the last runs ended. If none was begun, no worker is running: start the portal "
        "again. Until a run finishes, its bots are told to open nothing.",
        "Runs of this account",
    ),
    ProblemKind.RUN_NOT_COMPLETE: (
        "Read what it says. What it could not read is unknown, and nothing was corrected because "
        "of it. The next run tries again by itself; if it stays so, look at the exchange and at "
        "the account's keys.",
        "That run",
    ),
    ProblemKind.HEARTBEAT_NEVER_READ: (
        "See what the last heartbeat could not read: without positions nobody can tell a ghost.",
        "The last heartbeat",
    ),
    ProblemKind.HEARTBEAT_STALLED: (
        "See how the last heartbeat ended. If none was begun, no worker is running.",
        "The last heartbeat",
    ),
    ProblemKind.MISMATCHES: (
        "Let two runs go by: what the evidence proves is repaired by itself. What is still there "
        "then is escalated, and needs a person. Patch no rows by hand.",
        "Open mismatches",
    ),
    ProblemKind.QUARANTINE: (
        "Decide each of them: what was held, what was not. Nothing happens to them by itself.",
        "Quarantine",
    ),
    ProblemKind.PAUSED_WATCHDOG: (
        "Its mismatches are worth too much. Clear them: it goes on by itself when all conditions "
        "are met.",
        "The profile",
    ),
    ProblemKind.PAUSED_OPERATOR: (
        "A person stopped it, and a person has to let it go on.",
        "The profile",
    ),
    ProblemKind.ESCALATED: (
        "Each of them says what it is and what to do, further down.",
        "Escalations",
    ),
    ProblemKind.NO_CHECKPOINT: (
        "See whether the folder of checkpoints and the signing key can be used: manage.py "
        "audit_checkpoint says what is wrong. Until one is written, a cut-off end of the trail "
        "could not be proven.",
        "Audit trail",
    ),
}

ESCALATIONS: Mapping[str, str] = {
    EscalationKind.PERSISTENT_MISMATCH: (
        "It outlived two runs, so nothing will repair it by itself. Compare both sides on its "
        "page, then decide it in its queue, or fix what keeps the bot from delivering."
    ),
    EscalationKind.LOCK_CONTENTION: (
        "Somebody holds the profile's lock. See who, since when and until when; a holder that was "
        "killed loses it when its time is over. If it is taken again and again, two portals run."
    ),
    EscalationKind.UNKNOWN_FILLS: (
        "The exchange shows executions that no profile owns. Allocate them to a slice, or ignore "
        "them if they are somebody else's."
    ),
    EscalationKind.STALE_FILLS: (
        "A fill that is older than the slice it seems to close waits among the missed exits. "
        "Reject it, or allocate it to the slice that it really closed."
    ),
    EscalationKind.LOOP_STALLED: (
        "No run finishes. See how the last ones ended; if none was begun, no worker is running: "
        "start the portal again."
    ),
    EscalationKind.WATCHDOG_TRIGGERED: (
        "The profile is paused because its mismatches are worth too much. Clear them; it goes on "
        "by itself when they are gone."
    ),
    EscalationKind.MASS_MISMATCH: (
        "Too many positions were gone at once to believe it. Look at the exchange first: are they "
        "really gone? Then decide the quarantined slices, together if they have one cause."
    ),
    EscalationKind.AUDIT_CHAIN_BROKEN: (
        "The audit trail was changed from outside. Stop, keep the database as it is, and tell the "
        "compliance officer."
    ),
    EscalationKind.SCHEDULE_DISABLED: (
        "Somebody switched a job off, and divergence only grows. Switch it on, on the page of its "
        "schedule, and find out who did it and why."
    ),
    EscalationKind.EDITED_OUTSIDE: (
        "Rows were changed past the portal. Nothing is written to their trades until a person has "
        "compared both sides and acknowledged it: that accepts the rows as they are now."
    ),
}

GATE: Mapping[str, tuple[str, str]] = {
    GateReason.RECONCILING: (
        "Somebody is writing to this profile's books right now, so nothing may be traded.",
        "Its lock is released, or runs out: a matter of seconds.",
    ),
    GateReason.PAUSED_WATCHDOG: (
        "The watchdog paused it: its mismatches are worth too much of its capital.",
        "It ends by itself when all of its conditions are met; a person may lift it by name.",
    ),
    GateReason.PAUSED_OPERATOR: (
        "A person paused it.",
        "A person resumes it; it never ends by itself.",
    ),
    GateReason.MISMATCH: (
        "Books and exchange differ: a mismatch of its own, a shortfall it shares, or a position "
        "of nobody on its account.",
        "The mismatch heals, or a person decides it.",
    ),
    GateReason.QUARANTINED: (
        "A slice of it waits for a person in quarantine.",
        "The slice is decided, or is clean for as many heartbeats as a finding needs.",
    ),
    GateReason.STALE: (
        "A job has not read this profile's side of the exchange lately, so nothing is known.",
        "The next run of each job reads it completely.",
    ),
}


def about(problem: Problem) -> Advice:
    """Return what to do about something that health tells of."""
    sentence, words = PROBLEMS[problem.kind]
    return Advice(sentence=sentence, words=words, url=_url_of(problem))


def _url_of(problem: Problem) -> str:
    kind = problem.kind
    if kind == ProblemKind.NO_ACCOUNT:
        return page_url("console_setup")
    if kind == ProblemKind.NO_CHECKPOINT:
        return explorer_url()
    if problem.run_id is not None:
        return object_url(Run, problem.run_id)
    if problem.profile_id is not None:
        return object_url(Profile, problem.profile_id)
    if problem.account_id is not None:
        of_account = {"account__id__exact": problem.account_id}
        return changelist_url(Run, of_account | {"kind__exact": RunKind.RECONCILE.value})
    if kind == ProblemKind.QUARANTINE:
        return changelist_url(ReviewItem, {"status__in": WAITS})
    if kind == ProblemKind.ESCALATED:
        return changelist_url(Escalation, {"status__exact": EscalationStatus.OPEN.value})
    return changelist_url(Mismatch, {"status__exact": MismatchStatus.OPEN.value})
