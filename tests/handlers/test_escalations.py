"""Escalations: opened once a cause, counted, resolved by themselves; a person acknowledges them."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.conf import require
from reconciliation.domain.audit import Actor, system_actor
from reconciliation.domain.escalations import OF_A_RUN, judged_after
from reconciliation.domain.people import Person
from reconciliation.enums import (
    RIGHTS_OF_ROLES,
    ActorType,
    DecisionRefusal,
    EscalationKind,
    EscalationStatus,
    MismatchKind,
    MismatchStatus,
    NoGoReason,
    PauseSource,
    QuarantineReason,
    ReviewStatus,
    Role,
    RunKind,
    RunStatus,
    TradeStatus,
)
from reconciliation.handlers.escalations import (
    acknowledge_escalation,
    sync_audit_chain,
    sync_escalations,
)
from reconciliation.models import (
    AuditEvent,
    Escalation,
    EscalationSighting,
    Mismatch,
    Pause,
    ReviewItem,
    Run,
)
from tests.builders import (
    NOW,
    FixedClock,
    arranging,
    make_account,
    make_candidate,
    make_escalation,
    make_mismatch,
    make_pause,
    make_profile,
    make_review,
    make_run,
    make_sighting,
    make_trade,
)

pytestmark = pytest.mark.django_db
CONF = require({})
MINUTE = timedelta(minutes=1)


def sync(judged=OF_A_RUN, now=NOW) -> list[tuple[str, str]]:
    """Sync the account `main`; return kind and status of every escalation, oldest first."""
    sync_escalations(
        account=make_account(),
        judged=judged,
        conf=CONF,
        clock=FixedClock(now),
        actor=system_actor("test"),
    )
    return list(Escalation.objects.order_by("pk").values_list("kind", "status"))


def events() -> list[str]:
    rows = AuditEvent.objects.filter(action__startswith="escalation.").order_by("sequence")
    return [action.removeprefix("escalation.") for action in rows.values_list("action", flat=True)]


def stay(run: Run | None = None, count: int = 2, **values: Any) -> Mismatch:
    mismatch = make_mismatch(run, **values)
    make_sighting(mismatch, count=count)
    return mismatch


def test_a_cause_opens_one_row_is_counted_and_resolves_by_itself():
    mismatch = stay()
    assert sync() == [("PERSISTENT_MISMATCH", "OPEN")]
    assert sync(now=NOW + MINUTE) == [("PERSISTENT_MISMATCH", "OPEN")]
    sighting = EscalationSighting.objects.get()
    assert (sighting.count, sighting.last_seen_at) == (2, NOW + MINUTE)
    with arranging():
        Mismatch.objects.filter(pk=mismatch.pk).update(status="RESOLVED", closed_at=NOW)
    assert sync() == [("PERSISTENT_MISMATCH", "RESOLVED")]
    assert Escalation.objects.get().resolved_at == NOW
    assert events() == ["opened", "resolved"]


def test_a_cause_that_returns_is_a_row_of_its_own():
    pause = make_pause()
    sync()
    with arranging():
        Pause.objects.update(ended_at=NOW)
    sync()
    with arranging():
        Pause.objects.filter(pk=pause.pk).update(ended_at=None)
    watchdog = "WATCHDOG_TRIGGERED"
    assert sync() == [(watchdog, "RESOLVED"), (watchdog, "OPEN")]


def test_a_run_that_failed_takes_back_no_fill_that_it_could_not_look_for():
    run = make_run()
    mismatch = make_mismatch(run, kind=MismatchKind.UNATTRIBUTED_FILL)
    assert sync() == [("UNKNOWN_FILLS", "OPEN")]
    with arranging():
        Mismatch.objects.filter(pk=mismatch.pk).update(status="RESOLVED", closed_at=NOW)
    assert sync(judged_after(RunStatus.FAILED)) == [("UNKNOWN_FILLS", "OPEN")]
    assert sync() == [("UNKNOWN_FILLS", "RESOLVED")]


@pytest.mark.parametrize("status", [MismatchStatus.ACCEPTED, MismatchStatus.OPEN])
def test_what_a_person_accepted_is_not_told_of(status):
    stay(status=status)
    assert bool(sync()) is (status == MismatchStatus.OPEN)


def test_what_the_heartbeat_found_is_told_of_after_two_finished_cycles_of_the_loop():
    heartbeat = make_run(kind=RunKind.HEARTBEAT)
    make_sighting(make_mismatch(heartbeat, kind=MismatchKind.ORPHAN_POSITION), count=9)
    make_run(started_at=NOW + MINUTE, status=RunStatus.PARTIAL)
    make_run(started_at=NOW + 2 * MINUTE)
    assert sync() == []
    make_run(started_at=NOW + 3 * MINUTE)
    assert sync() == [("PERSISTENT_MISMATCH", "OPEN")]


@pytest.mark.parametrize(
    ("streak", "status", "told"),
    [
        (2, TradeStatus.OPEN, False),
        (3, TradeStatus.OPEN, True),
        (1, TradeStatus.QUARANTINED, True),
    ],
)
def test_a_ghost_is_told_of_once_it_does_not_only_wait(streak, status, told):
    ghost = make_mismatch(
        make_run(kind=RunKind.HEARTBEAT),
        kind=MismatchKind.GHOST_POSITION,
        trade=make_trade(entry_quantity="1", status=status),
    )
    make_sighting(ghost, streak=streak)
    for minutes in (1, 2):
        make_run(started_at=NOW + minutes * MINUTE)
    assert (sync() == [("PERSISTENT_MISMATCH", "OPEN")]) is told


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ([["alpha"], ["alpha"]], True),
        ([["alpha"]], False),
        ([["alpha"], []], False),
        ([["alpha"], None, ["alpha"]], True),
    ],
    ids=["twice", "once", "got it since", "a failure between says nothing"],
)
def test_a_lock_is_contended_when_two_runs_in_a_row_found_it_held(runs, told):
    make_profile()
    for number, skipped in enumerate(runs):
        status = RunStatus.FAILED if skipped is None else RunStatus.PARTIAL
        at = NOW + number * MINUTE
        make_run(started_at=at, finished_at=at, status=status, skipped_profiles=skipped or [])
    found = sync(judged={EscalationKind.LOCK_CONTENTION})
    assert found == ([("LOCK_CONTENTION", "OPEN")] if told else [])


@pytest.mark.parametrize(("seconds", "told"), [(180, False), (181, True)])
@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED])
def test_a_loop_is_stalled_after_three_intervals_since_it_last_finished_or_began(
    seconds, told, status
):
    make_run(status=status)
    at = NOW + timedelta(seconds=seconds)
    make_run(started_at=at, finished_at=at, status=RunStatus.FAILED)
    found = sync(judged={EscalationKind.LOOP_STALLED}, now=at)
    assert found == ([("LOOP_STALLED", "OPEN")] if told else [])


def test_a_loop_that_never_began_and_a_disabled_account_are_not_stalled():
    make_account(created_at=NOW - timedelta(days=9))
    assert sync() == []
    make_run(kind=RunKind.HEARTBEAT, started_at=NOW - timedelta(days=1))
    assert sync() == []


def test_an_account_that_was_disabled_is_not_stalled_any_more():
    account = make_account()
    make_escalation(kind=EscalationKind.LOOP_STALLED, about=f"account {account.pk}")
    make_run(started_at=NOW - timedelta(days=1), finished_at=NOW - timedelta(days=1))
    with arranging():
        type(account).objects.update(enabled=False)
    assert sync(judged={EscalationKind.LOOP_STALLED}) == [("LOOP_STALLED", "RESOLVED")]


def test_only_a_pause_by_the_watchdog_that_is_open_is_told_of():
    make_pause(source=PauseSource.OPERATOR)
    make_pause(ended_at=NOW)
    assert sync() == []
    make_pause()
    assert sync() == [("WATCHDOG_TRIGGERED", "OPEN")]


def test_ghosts_that_were_too_many_to_close_are_told_of_once_an_account():
    for _ in range(2):
        make_review(reason=QuarantineReason.MASS_MISMATCH)
    assert sync() == [("MASS_MISMATCH", "OPEN")]
    with arranging():
        ReviewItem.objects.update(status=ReviewStatus.REJECTED)
    assert sync() == [("MASS_MISMATCH", "RESOLVED")]


def test_exits_that_are_older_than_their_slice_are_told_of_by_profile():
    alpha = make_profile()
    make_candidate(reasons=[NoGoReason.NO_MATCH.value])
    assert sync() == []
    for _ in range(2):
        make_candidate(reasons=[NoGoReason.STALE_FILL.value], profile=alpha)
    assert sync() == [("STALE_FILLS", "OPEN")]
    assert Escalation.objects.get().profile == alpha


def test_what_is_another_accounts_is_neither_told_of_nor_taken_back():
    second = make_account("second")
    stay(run=make_run(second))
    make_escalation(second)
    assert sync() == [("PERSISTENT_MISMATCH", "OPEN")]
    assert events() == []


def test_the_number_of_statements_does_not_depend_on_how_many_causes_there_are():
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            sync()
        return len(captured)

    run = make_run()
    stay(run=run)
    counts = [statements()]
    for _ in range(30):
        stay(run=run)
    counts.append(statements())
    assert counts[0] + 1 == counts[1]  # the one that was open before is counted
    assert Escalation.objects.count() == 31


def chain(is_intact: bool) -> list[str]:
    actor = system_actor("audit_verify")
    sync_audit_chain(is_intact=is_intact, detail="at 3", clock=FixedClock(), actor=actor)
    return list(Escalation.objects.order_by("pk").values_list("status", flat=True))


def test_a_broken_chain_is_told_of_until_it_is_proven_again():
    assert chain(is_intact=True) == []
    assert chain(is_intact=False) == chain(is_intact=False) == ["OPEN"]
    assert Escalation.objects.get().kind == EscalationKind.AUDIT_CHAIN_BROKEN
    # No run of an account takes it back.
    make_profile()
    sync()
    assert chain(is_intact=True) == ["RESOLVED"]
    assert events() == ["opened", "resolved"]


def person(role: Role) -> Person:
    actor = Actor(type=ActorType.USER, id="7", name="olga", groups=(role,))
    return Person(actor=actor, rights=RIGHTS_OF_ROLES[role], ip="10.0.0.1")


def acknowledge(escalation_id: int, role: Role = Role.OPERATOR) -> DecisionRefusal | None:
    answer = acknowledge_escalation(
        person=person(role), escalation_id=escalation_id, clock=FixedClock(), comment="on it"
    )
    return answer.refusal


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.APPROVER])
def test_a_person_acknowledges_and_the_cause_still_ends_it(role):
    row = make_escalation()
    assert acknowledge(row.pk, role) is None
    row.refresh_from_db()
    assert (row.status, row.acknowledged_by) == (EscalationStatus.ACKNOWLEDGED, "olga")
    assert sync() == [("PERSISTENT_MISMATCH", "RESOLVED")]
    assert events() == ["acknowledged", "resolved"]


def test_an_escalation_that_was_acknowledged_is_not_opened_anew():
    stay()
    sync()
    acknowledge(Escalation.objects.get().pk)
    assert sync() == [("PERSISTENT_MISMATCH", "ACKNOWLEDGED")]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMPLIANCE])
def test_who_may_only_look_is_denied_and_that_is_kept(role):
    row = make_escalation()
    assert acknowledge(row.pk, role) == DecisionRefusal.DENIED
    row.refresh_from_db()
    assert row.status == EscalationStatus.OPEN
    event = json.loads(AuditEvent.objects.get().payload)
    assert (event["outcome"], event["reason"]) == ("denied", "DENIED")


def test_one_that_is_resolved_or_unknown_is_refused():
    over = make_escalation(status=EscalationStatus.RESOLVED, resolved_at=NOW)
    assert acknowledge(over.pk) == DecisionRefusal.DECIDED_ALREADY
    assert acknowledge(over.pk + 1) == DecisionRefusal.UNKNOWN_ITEM
    assert set(AuditEvent.objects.values_list("outcome", flat=True)) == {"refused"}
    assert not Run.objects.exists()
