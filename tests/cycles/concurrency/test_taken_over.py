"""Claims and leases whose holder lives on after their time: it writes nothing more."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.enums import CycleStep, RunStatus
from reconciliation.handlers.leases import Lease, release_lease, take_lease
from reconciliation.handlers.runs import CLAIM_TTL
from reconciliation.models import AuditEvent, Order, Profile, ProfileLease, Run, Trade
from tests.cycles.concurrency.threads import run_apart, visitors
from tests.cycles.storms.truth import check_chain, find_disagreements, find_wrong_writes
from tests.cycles.storms.world import World

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE_A_WRITE = (CycleStep.SNAPSHOT, CycleStep.LOOKUPS, CycleStep.LOCK)


@pytest.fixture
def world(transactional_db: None) -> World:
    """Two profiles, each with an entry that was filled and whose bot has not said so."""
    world = World(name="main", environ={"RECON_INFLIGHT_GRACE_MS": "0"})
    for profile, trade_id in ((world.alpha, "A"), (world.beta, "B")):
        at = world.ago(hours=2)
        ticket = world.place(trade_id=trade_id, quantity="0.5", profile=profile, at=at)
        world.tell(world.news(ticket), at=at)
        world.fill(ticket, "0.2")
        world.fill(ticket, "0.3")
    world.clock.advance(seconds=60)
    return world


def versions() -> list[tuple[int, int]]:
    return [
        *Order.objects.order_by("pk").values_list("pk", "version"),
        *Trade.objects.order_by("pk").values_list("pk", "version"),
    ]


def once_at(
    step: CycleStep, act: Callable[[], None], *, times_before: int = 0
) -> Callable[[CycleStep], None]:
    """Act when a step is reached, after it was reached so many times."""
    reached = []

    def reach(at: CycleStep) -> None:
        if at == step:
            reached.append(at)
            if len(reached) == times_before + 1:
                act()

    return reach


def take_over(world: World) -> None:
    """Let the time of all that is held pass, and another process do the work."""
    world.clock.advance(seconds=CLAIM_TTL.total_seconds() + 1)
    outcome = run_apart(world.cycle)
    assert isinstance(outcome, RunOutcome)
    assert outcome.status == RunStatus.SUCCEEDED


def assert_first_run_was_abandoned_and_everything_is_booked_once(world: World) -> None:
    first, second = Run.objects.order_by("pk")
    assert (first.status, first.error.partition(":")[0]) == (RunStatus.FAILED, "abandoned")
    assert second.status == RunStatus.SUCCEEDED
    assert AuditEvent.objects.filter(action="run.taken_over").count() == 1
    assert AuditEvent.objects.filter(action="trade.entry_filled").count() == 2
    assert find_disagreements(world.truth) == []
    assert check_chain() == []
    assert set(ProfileLease.objects.values_list("holder", flat=True)) == {""}


@pytest.mark.parametrize("step", BEFORE_A_WRITE)
def test_a_run_that_is_taken_over_while_it_lives_writes_nothing_more(
    world: World, step: CycleStep
) -> None:
    after_second: list[list[tuple[int, int]]] = []

    def act() -> None:
        take_over(world)
        after_second.append(versions())

    outcome = world.cycle(once_at(step, act))

    assert outcome.status == RunStatus.FAILED
    assert "taken over" in outcome.error
    assert after_second == [versions()]
    assert_first_run_was_abandoned_and_everything_is_booked_once(world)


def test_a_run_that_is_taken_over_between_two_profiles_keeps_what_it_committed(
    world: World,
) -> None:
    outcome = world.cycle(once_at(CycleStep.LOCK, lambda: take_over(world), times_before=1))

    assert outcome.status == RunStatus.FAILED
    assert "taken over" in outcome.error
    assert_first_run_was_abandoned_and_everything_is_booked_once(world)


def test_a_run_that_is_writing_when_its_time_is_up_is_not_taken_over(world: World) -> None:
    others: list[RunOutcome] = []

    def another() -> None:
        others.append(world.cycle())

    with visitors([another]) as let_in:

        def write_for_long() -> None:
            # Past the time that it claimed at first, within the one its write gave it.
            world.clock.advance(seconds=CLAIM_TTL.total_seconds() - 55)
            let_in()

        in_the_write = once_at(CycleStep.BEFORE_COMMIT, write_for_long)

        def reach(step: CycleStep) -> None:
            if step == CycleStep.LOOKUPS:
                world.clock.advance(seconds=60)
            in_the_write(step)

        outcome = world.cycle(reach)

    assert outcome.status == RunStatus.SUCCEEDED
    # The other found the claim in force, or came after the end: it never took over.
    assert len(others) == 1
    assert not AuditEvent.objects.filter(action="run.taken_over").exists()
    assert not Run.objects.exclude(status=RunStatus.SUCCEEDED).exists()
    assert find_disagreements(world.truth) == []


def test_a_lease_that_went_to_another_cannot_commit(world: World) -> None:
    taken: list[Lease] = []
    alpha = Profile.objects.get(name=world.alpha)

    def act() -> None:
        world.clock.advance(seconds=world.conf.lock_ttl.total_seconds() + 1)

        def take() -> Lease | None:
            return take_lease(
                profile_id=alpha.pk, holder="other", ttl=timedelta(hours=1), clock=world.clock
            )

        lease = run_apart(take)
        assert isinstance(lease, Lease)
        taken.append(lease)

    outcome = world.cycle(once_at(CycleStep.LOCK, act))

    assert outcome.status == RunStatus.PARTIAL
    (error,) = outcome.row_errors
    assert "lost" in error
    assert not Trade.objects.filter(profile=alpha, entry_quantity__gt=0).exists()
    assert Trade.objects.filter(profile__name=world.beta, entry_quantity__gt=0).exists()
    assert find_wrong_writes(world.truth) == []
    assert ProfileLease.objects.get(profile=alpha).holder == "other"

    release_lease(taken[0])
    assert world.cycle().status == RunStatus.SUCCEEDED
    assert find_disagreements(world.truth) == []
    assert check_chain() == []


def test_a_lease_that_ran_out_and_that_nobody_took_cannot_commit_either(world: World) -> None:
    def act() -> None:
        world.clock.advance(seconds=world.conf.lock_ttl.total_seconds() + 1)

    before = versions()[:1]
    outcome = world.cycle(once_at(CycleStep.LOCK, act))

    assert outcome.status == RunStatus.PARTIAL
    assert versions()[:1] == before
    assert world.cycle().status == RunStatus.SUCCEEDED
    assert find_disagreements(world.truth) == []
