"""When a person is told: second sightings, second skips; and what a run may take back."""

from typing import Any

import pytest

from reconciliation.domain.escalations import (
    OF_A_RUN,
    Cause,
    LockingRun,
    OpenEscalation,
    SeenMismatch,
    contended_profiles,
    judged_after,
    mismatch_persists,
    plan_escalations,
)
from reconciliation.enums import EscalationKind, MismatchKind, RunKind, RunStatus

STALLED = Cause(kind=EscalationKind.LOOP_STALLED, about="account 1", says="it is stalled")
OPEN = OpenEscalation(id=7, kind=STALLED.kind, key=STALLED.key)


def persists(kind: MismatchKind, **values: Any) -> bool:
    defaults = {"sightings": 1, "cycles_since": 0, "streak": 0, "is_quarantined": False}
    return mismatch_persists(SeenMismatch(kind=kind, **{**defaults, **values}), confirmations=3)


@pytest.mark.parametrize(("sightings", "told"), [(1, False), (2, True), (3, True)])
def test_the_loops_own_mismatch_is_told_of_at_its_second_sighting(sightings, told):
    kind = MismatchKind.MISSING_FROM_EXCHANGE
    # How many cycles there were says nothing where they could not see it.
    assert persists(kind, sightings=sightings, cycles_since=9) is told


@pytest.mark.parametrize(("cycles", "told"), [(0, False), (1, False), (2, True)])
def test_what_the_heartbeat_found_is_told_of_after_two_finished_cycles(cycles, told):
    assert persists(MismatchKind.ORPHAN_POSITION, sightings=9, cycles_since=cycles) is told


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"streak": 2}, False),
        ({"streak": 3}, True),
        ({"streak": 2, "is_quarantined": True}, True),
    ],
)
def test_a_ghost_that_only_waits_for_its_confirmations_is_not_told_of(values, told):
    assert persists(MismatchKind.GHOST_POSITION, cycles_since=5, **values) is told


def test_a_profile_that_the_last_two_runs_of_a_job_skipped_is_contended():
    def run(*skipped: str, kind: RunKind = RunKind.RECONCILE) -> LockingRun:
        return LockingRun(kind=kind, skipped=frozenset(skipped))

    beat = run(kind=RunKind.HEARTBEAT)
    assert contended_profiles([run("a", "b"), beat, run("b")], RunKind.RECONCILE) == {"b"}
    assert contended_profiles([run("a"), run(), run("a")], RunKind.RECONCILE) == set()
    assert contended_profiles([run("a"), beat], RunKind.RECONCILE) == set()


def test_a_cause_opens_is_seen_again_and_is_gone():
    judged = {STALLED.kind}
    first = plan_escalations(open_before=[], causes=[STALLED], judged=judged)
    assert (first.new, first.changes_state) == ((STALLED,), True)
    again = plan_escalations(open_before=[OPEN], causes=[STALLED], judged=judged)
    assert (again.again, again.changes_state) == ((OPEN,), False)
    assert plan_escalations(open_before=[OPEN], causes=[], judged=judged).gone == (OPEN,)


def test_a_kind_that_could_not_be_judged_is_left_as_it_is():
    plan = plan_escalations(
        open_before=[OPEN], causes=[], judged={EscalationKind.PERSISTENT_MISMATCH}
    )
    assert plan == plan_escalations(open_before=[], causes=[], judged=())


def test_a_run_that_failed_takes_nothing_back_that_needs_the_exchanges_answer():
    failed = judged_after(RunStatus.FAILED)
    assert EscalationKind.LOOP_STALLED in failed
    assert EscalationKind.UNKNOWN_FILLS not in failed
    assert judged_after(RunStatus.PARTIAL) == OF_A_RUN
    assert EscalationKind.AUDIT_CHAIN_BROKEN not in OF_A_RUN
