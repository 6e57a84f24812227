"""A job is claimed before it starts and recorded when it ends; an old claim is taken over."""

from datetime import timedelta
from uuid import uuid4

import pytest

from reconciliation.enums import Coverage, RunKind, RunStatus
from reconciliation.handlers.runs import (
    CLAIM_TTL,
    ClaimLost,
    RunRecord,
    claim_run,
    fence_run,
    finish_run,
)
from reconciliation.models import AuditEvent, Run
from tests.builders import NOW, FixedClock, make_account

pytestmark = pytest.mark.django_db
TICK = timedelta(microseconds=1)
DONE = RunRecord(status=RunStatus.SUCCEEDED, coverage=Coverage.COMPLETE)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


def claim(clock: FixedClock, kind: RunKind = RunKind.RECONCILE, account: str = "main") -> Run:
    run = claim_run(account=make_account(account), kind=kind, clock=clock)
    assert run is not None
    return run


def finish(run: Run, clock: FixedClock, record: RunRecord = DONE) -> bool:
    return finish_run(run_id=run.pk, claim_token=run.claim_token, record=record, clock=clock)


def test_a_claim_is_a_running_run(clock):
    run = Run.objects.get(pk=claim(clock).pk)
    assert (run.status, run.started_at, run.finished_at) == (RunStatus.RUNNING, NOW, None)
    assert run.claim_expires_at == NOW + CLAIM_TTL


def test_a_second_claim_of_the_same_job_is_refused(clock):
    claim(clock)
    assert claim_run(account=make_account(), kind=RunKind.RECONCILE, clock=clock) is None
    assert Run.objects.count() == 1


def test_another_job_and_another_account_have_claims_of_their_own(clock):
    claim(clock)
    claim(clock, RunKind.HEARTBEAT)
    claim(clock, account="other")
    assert Run.objects.filter(status=RunStatus.RUNNING).count() == 3


def test_a_finished_run_gives_its_claim_back(clock):
    assert finish(claim(clock), clock)
    claim(clock)


def test_a_claim_in_force_is_not_taken_over(clock):
    claim(clock)
    clock.moment += CLAIM_TTL - TICK
    assert claim_run(account=make_account(), kind=RunKind.RECONCILE, clock=clock) is None


def test_a_claim_whose_time_is_up_is_taken_over_and_its_run_marked_abandoned(clock):
    first = claim(clock)
    clock.moment += CLAIM_TTL
    second = claim(clock)

    first.refresh_from_db()
    assert (first.status, first.finished_at) == (RunStatus.FAILED, clock.now())
    assert "abandoned" in first.error
    assert second.status == RunStatus.RUNNING
    event = AuditEvent.objects.get()
    assert (event.action, event.outcome) == ("run.taken_over", "failed")
    assert event.object_id == str(first.pk)


def test_an_ordinary_claim_is_no_event(clock):
    finish(claim(clock), clock)
    assert not AuditEvent.objects.exists()


def test_a_run_that_was_taken_over_can_write_no_more(clock):
    first = claim(clock)
    clock.moment += CLAIM_TTL
    second = claim(clock)
    with pytest.raises(ClaimLost):
        fence_run(run_id=first.pk, claim_token=first.claim_token, clock=clock)
    fence_run(run_id=second.pk, claim_token=second.claim_token, clock=clock)


def test_a_run_that_was_taken_over_can_not_finish_either(clock):
    first = claim(clock)
    clock.moment += CLAIM_TTL
    second = claim(clock)
    assert not finish(first, clock)
    first.refresh_from_db()
    assert first.status == RunStatus.FAILED
    second.refresh_from_db()
    assert second.status == RunStatus.RUNNING


def test_a_write_extends_the_claim(clock):
    run = claim(clock)
    clock.advance(seconds=80)
    fence_run(run_id=run.pk, claim_token=run.claim_token, clock=clock)
    clock.advance(seconds=80)
    assert claim_run(account=make_account(), kind=RunKind.RECONCILE, clock=clock) is None


def test_a_claim_whose_time_is_up_writes_nothing_even_where_nobody_took_over(clock):
    run = claim(clock)
    clock.moment += CLAIM_TTL
    with pytest.raises(ClaimLost):
        fence_run(run_id=run.pk, claim_token=run.claim_token, clock=clock)


@pytest.mark.parametrize("wrong", ["id", "token"])
def test_another_runs_claim_is_no_ones_to_use(clock, wrong):
    run = claim(clock)
    other = {"id": (run.pk + 1, run.claim_token), "token": (run.pk, uuid4())}[wrong]
    with pytest.raises(ClaimLost):
        fence_run(run_id=other[0], claim_token=other[1], clock=clock)
    assert not finish_run(run_id=other[0], claim_token=other[1], record=DONE, clock=clock)


def test_a_finished_run_can_write_no_more_and_is_not_finished_twice(clock):
    run = claim(clock)
    assert finish(run, clock)
    assert not finish(run, clock, RunRecord(status=RunStatus.FAILED, error="late"))
    with pytest.raises(ClaimLost):
        fence_run(run_id=run.pk, claim_token=run.claim_token, clock=clock)
    run.refresh_from_db()
    assert (run.status, run.error) == (RunStatus.SUCCEEDED, "")


def test_everything_that_a_run_has_to_say_is_recorded(clock):
    run = claim(clock)
    clock.advance(seconds=2)
    record = RunRecord(
        status=RunStatus.PARTIAL,
        coverage=Coverage.PARTIAL,
        as_of=NOW,
        error="half of it",
        unread={"open_orders.regular": "http 500"},
        counts={"orders": 3},
        step_ms={"snapshot": 12},
        row_errors=["alpha: bad row"],
        skipped_profiles=("beta",),
    )
    finish(run, clock, record)

    run.refresh_from_db()
    assert (run.status, run.coverage, run.as_of) == (RunStatus.PARTIAL, Coverage.PARTIAL, NOW)
    assert run.finished_at == NOW + timedelta(seconds=2)
    assert (run.error, run.unread) == ("half of it", {"open_orders.regular": "http 500"})
    assert (run.counts, run.step_ms) == ({"orders": 3}, {"snapshot": 12})
    assert (run.row_errors, run.skipped_profiles) == (["alpha: bad row"], ["beta"])


def test_a_run_that_says_nothing_failed():
    record = RunRecord()
    assert (record.status, record.coverage) == (RunStatus.FAILED, Coverage.NONE)


def test_the_claim_outlives_a_task():
    # A job may take 45 s; a claim that is in use must never look abandoned.
    assert timedelta(seconds=45) < CLAIM_TTL
