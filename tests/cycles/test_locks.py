"""Claims and leases: one cycle an account, one writer a profile, and nothing written without."""

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from reconciliation.cycles.reconcile import reconcile_accounts
from reconciliation.enums import CycleStep, RunKind, RunStatus
from reconciliation.handlers.leases import Lease, release_lease, take_lease
from reconciliation.handlers.runs import CLAIM_TTL, claim_run
from reconciliation.models import AuditEvent, FillAllocation, ProfileLease, Run, TradeHistory
from tests.builders import arranging, make_profile
from tests.cycles.worlds import CANCELED, OPEN, World, everything, last_run

pytestmark = pytest.mark.django_db
TTL = timedelta(minutes=10)


def hold(world: World, name: str = "alpha") -> Lease:
    lease = take_lease(
        profile_id=make_profile(name).pk, holder="another worker", ttl=TTL, clock=world.clock
    )
    assert lease is not None
    return lease


def test_while_another_holds_the_only_lease_the_cycle_is_skipped(world):
    order = world.entry()
    world.end(order, CANCELED)
    hold(world)
    before = everything()
    outcome = world.cycle()
    assert everything() == before
    assert outcome.status == RunStatus.SKIPPED_LOCKED
    assert "lock" in outcome.error
    assert last_run().skipped_profiles == ["alpha"]


def test_a_held_lease_skips_even_where_nothing_would_be_written(world):
    hold(world)
    assert world.cycle().status == RunStatus.SKIPPED_LOCKED


def test_with_one_of_two_leases_held_the_other_profile_is_reconciled(world):
    beta = make_profile("beta", sub_tag="beta01")
    mine, other = world.entry(), world.entry(profile=beta)
    for order in (mine, other):
        world.end(order, CANCELED)
    hold(world)
    outcome = world.cycle()
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.status, other.status) == (OPEN, CANCELED)
    assert outcome.status == RunStatus.PARTIAL
    assert last_run().skipped_profiles == ["alpha"]


def test_once_the_lease_is_given_back_the_next_cycle_does_the_work(world):
    order = world.entry()
    world.end(order, CANCELED)
    lease = hold(world)
    world.cycle()
    release_lease(lease)
    assert world.cycle().status == RunStatus.SUCCEEDED
    order.refresh_from_db()
    assert order.status == CANCELED


def test_the_lease_is_free_again_after_a_cycle(world):
    order = world.entry()
    world.end(order, CANCELED)
    world.cycle()
    assert ProfileLease.objects.get().holder == ""


def test_a_lease_that_is_lost_before_the_write_leaves_the_profile_as_it_was(world):
    beta = make_profile("beta", sub_tag="beta01")
    mine, other = world.entry(), world.entry(profile=beta)
    for order in (mine, other):
        world.end(order, CANCELED)

    def overtake(step: CycleStep) -> None:
        if step == CycleStep.LOCK:
            with arranging():
                ProfileLease.objects.filter(profile=world.alpha).update(
                    holder="another worker", token=99, expires_at=world.clock.now() + TTL
                )

    outcome = world.cycle(reach=overtake)

    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.status, other.status) == (OPEN, CANCELED)
    assert outcome.status == RunStatus.PARTIAL
    (error,) = outcome.row_errors
    assert "alpha" in error
    assert ProfileLease.objects.get(profile=world.alpha).holder == "another worker"


def test_while_another_run_is_under_way_nothing_is_asked_and_no_run_recorded(world):
    first = claim_run(account=world.account, kind=RunKind.RECONCILE, clock=world.clock)
    outcome = world.cycle()
    assert (outcome.status, outcome.run_id) == (RunStatus.SKIPPED_LOCKED, None)
    assert "under way" in outcome.error
    assert not world.exchange.asked
    assert Run.objects.get() == first


def test_a_run_of_another_job_does_not_keep_this_one(world):
    claim_run(account=world.account, kind=RunKind.HEARTBEAT, clock=world.clock)
    assert world.cycle().status == RunStatus.SUCCEEDED


def test_a_run_that_takes_longer_than_its_claim_writes_nothing(world):
    order = world.entry()
    world.end(order, CANCELED)

    def dawdle(step: CycleStep) -> None:
        if step == CycleStep.LOOKUPS:
            world.clock.moment += CLAIM_TTL

    outcome = world.cycle(reach=dawdle)
    order.refresh_from_db()
    assert order.status == OPEN
    assert outcome.status == RunStatus.FAILED
    assert "too long" in outcome.error


def test_a_run_that_was_taken_over_says_so_and_leaves_the_other_alone(world):
    order = world.entry()
    world.end(order, CANCELED)

    def take_over(step: CycleStep) -> None:
        if step == CycleStep.LOOKUPS and Run.objects.count() == 1:
            world.clock.moment += CLAIM_TTL
            claim_run(account=world.account, kind=RunKind.RECONCILE, clock=world.clock)

    outcome = world.cycle(reach=take_over)
    first, second = Run.objects.order_by("pk")
    assert outcome.status == RunStatus.FAILED
    assert (first.status, second.status) == (RunStatus.FAILED, RunStatus.RUNNING)
    assert "abandoned" in first.error
    order.refresh_from_db()
    assert order.status == OPEN


def test_a_run_without_anything_to_write_that_was_taken_over_did_not_succeed(world):
    def take_over(step: CycleStep) -> None:
        if step == CycleStep.LOOKUPS:
            world.clock.moment += CLAIM_TTL
            claim_run(account=world.account, kind=RunKind.RECONCILE, clock=world.clock)

    assert world.cycle(reach=take_over).status == RunStatus.FAILED


@pytest.mark.django_db(transaction=True)
def test_of_two_cycles_at_once_one_works_and_each_fill_is_booked_once():
    world = World()
    order = world.entry()
    world.fill(order, "0.5")
    world.end(order)
    barrier = threading.Barrier(2)
    outcomes: list[Any] = []

    def run() -> None:
        try:
            barrier.wait(timeout=10)
            outcomes.extend(reconcile_accounts(ports=world.ports()))
        finally:
            connections.close_all()

    world.clock.advance(minutes=1)
    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    statuses = sorted(str(outcome.status) for outcome in outcomes)
    assert statuses in (["SKIPPED_LOCKED", "SUCCEEDED"], ["SUCCEEDED", "SUCCEEDED"])
    assert [row.quantity for row in TradeHistory.objects.all()] == [Decimal("0.5")]
    assert FillAllocation.objects.count() == 1
    assert AuditEvent.objects.filter(action="trade.entry_filled").count() == 1
