"""When the machine has done what it can and a person must be told: one open row a cause.

A cause is a kind and an object. It opens an escalation when it is first seen, and the escalation
ends by itself when a run that can judge its kind sees it no more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciliation.enums import (
    PARITY_MISMATCH_KINDS,
    EscalationKind,
    MismatchKind,
    RunKind,
    RunStatus,
)

# Runs of a job that must see or do the same, one after the other, before a person is told.
TWICE = 2
# What only the exchange's answers can tell anything new of: a run that read none leaves them.
NEED_AN_ANSWER = frozenset(
    {
        EscalationKind.PERSISTENT_MISMATCH,
        EscalationKind.UNKNOWN_FILLS,
        EscalationKind.STALE_FILLS,
    }
)
# No run of an account looks at the whole audit chain, or at the schedules.
OF_A_RUN = frozenset(EscalationKind) - {
    EscalationKind.AUDIT_CHAIN_BROKEN,
    EscalationKind.SCHEDULE_DISABLED,
    EscalationKind.EDITED_OUTSIDE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What a person must be told. `about` names the object among others of the kind.

    `says` holds while the cause lasts, so it has no counts; `detail` is as it was first seen.
    """

    kind: EscalationKind
    about: str
    says: str
    profile_id: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Return what names kind and object."""
        return f"{self.kind} {self.about}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEscalation:
    """An escalation that is not resolved."""

    id: int
    kind: EscalationKind
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationPlan:
    """`new` causes open, `again` are counted, `gone` are resolved."""

    new: tuple[Cause, ...] = ()
    again: tuple[OpenEscalation, ...] = ()
    gone: tuple[OpenEscalation, ...] = ()

    @property
    def changes_state(self) -> bool:
        """Return whether there is more to write than that something was seen again."""
        return bool(self.new or self.gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMismatch:
    """An open mismatch, as far as it matters for how long it has stayed.

    `sightings` counts the cycles that saw it, `cycles_since` the finished ones that came after
    the run that first did; `streak` is the heartbeat's confirmations.
    """

    kind: MismatchKind
    sightings: int
    cycles_since: int
    streak: int
    is_quarantined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LockingRun:
    """A run that came as far as the locks, with the profiles whose lock another held."""

    kind: RunKind
    skipped: frozenset[str]


def plan_escalations(
    *,
    open_before: Iterable[OpenEscalation],
    causes: Iterable[Cause],
    judged: Collection[EscalationKind],
) -> EscalationPlan:
    """Compare the causes there are with the escalations that are open, of the kinds judged."""
    before = {each.key: each for each in open_before if each.kind in judged}
    seen = {cause.key: cause for cause in causes if cause.kind in judged}
    return EscalationPlan(
        new=tuple(cause for key, cause in seen.items() if key not in before),
        again=tuple(each for key, each in before.items() if key in seen),
        gone=tuple(each for key, each in before.items() if key not in seen),
    )


def judged_after(status: RunStatus) -> frozenset[EscalationKind]:
    """Return the kinds that a run can judge when it has ended so."""
    return OF_A_RUN - NEED_AN_ANSWER if status == RunStatus.FAILED else OF_A_RUN


def mismatch_persists(seen: SeenMismatch, *, confirmations: int) -> bool:
    """Return whether a mismatch was still open in its second cycle that could see it.

    The loop's own are counted by sightings, since a cycle that could not look at both sides does
    not count. What the heartbeat finds, the loop cannot see: that counts the loop's finished
    cycles since. A ghost that only waits for its confirmations is not told of.
    """
    if seen.kind not in PARITY_MISMATCH_KINDS:
        return seen.sightings >= TWICE
    if (
        seen.kind == MismatchKind.GHOST_POSITION
        and seen.streak < confirmations
        and not seen.is_quarantined
    ):
        return False
    return seen.cycles_since >= TWICE


def contended_profiles(runs: Sequence[LockingRun], kind: RunKind) -> frozenset[str]:
    """Return the profiles whose lock the last two runs of a job found held.

    `runs` are those that came as far as the locks, newest first.
    """
    last = [run.skipped for run in runs if run.kind == kind][:TWICE]
    return frozenset.intersection(*last) if len(last) == TWICE else frozenset()
