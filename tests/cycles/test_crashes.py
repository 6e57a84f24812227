"""A cycle that is killed at any step is made good by a later one: everything is booked once."""

from decimal import Decimal

import pytest

from reconciliation.enums import CycleStep, RunStatus, TradeStatus
from reconciliation.handlers.runs import CLAIM_TTL
from reconciliation.models import (
    AuditEvent,
    Fill,
    FillAllocation,
    Mismatch,
    Order,
    ProfileLease,
    Run,
    TradeHistory,
)
from tests.cycles.worlds import FILLED, World, everything, trade_of

pytestmark = pytest.mark.django_db
every_step = pytest.mark.parametrize("step", CycleStep, ids=str)


class Killed(BaseException):
    """What a kill looks like from within: no Exception, so no clean-up runs."""


def missed_fills(world: World) -> list[Order]:
    orders = [world.entry(), world.exit()]
    for order in orders:
        world.fill(order, "0.2")
        world.fill(order, "0.3")
        world.end(order)
    return orders


def kill_at(world: World, step: CycleStep) -> None:
    def reach(at: CycleStep) -> None:
        if at == step:
            raise Killed

    with pytest.raises(Killed):
        world.cycle(reach=reach)


def assert_booked_once(orders: list[Order]) -> None:
    for order in orders:
        order.refresh_from_db()
        assert (order.status, order.filled_quantity) == (FILLED, Decimal("0.5"))
    entry, leaves = orders
    assert trade_of(entry).entry_quantity == Decimal("0.5")
    assert trade_of(leaves).status == TradeStatus.CLOSED
    assert TradeHistory.objects.count() == 4
    assert FillAllocation.objects.count() == 4
    assert {fill.allocated_quantity == fill.quantity for fill in Fill.objects.all()} == {True}
    assert AuditEvent.objects.filter(action="trade.entry_filled").count() == 1
    assert AuditEvent.objects.filter(action="trade.exit_filled").count() == 1
    assert Mismatch.objects.count() == 2


@every_step
def test_a_killed_cycle_writes_nothing_of_its_decisions(world, step):
    missed_fills(world)
    before = everything()
    kill_at(world, step)
    assert everything() == before


@every_step
def test_a_killed_cycle_leaves_its_claim_to_its_time(world, step):
    missed_fills(world)
    kill_at(world, step)
    run = Run.objects.get()
    assert run.status == RunStatus.RUNNING
    assert world.cycle(minutes=1).run_id is None


@every_step
def test_only_a_cycle_that_held_the_lease_leaves_it(world, step):
    missed_fills(world)
    kill_at(world, step)
    had_it = step in (CycleStep.LOCK, CycleStep.FIRST_WRITE, CycleStep.BEFORE_COMMIT)
    assert (ProfileLease.objects.get().holder != "") == had_it


@every_step
def test_the_next_cycle_makes_it_good_and_books_everything_once(world, step):
    orders = missed_fills(world)
    kill_at(world, step)

    world.clock.moment += CLAIM_TTL
    outcome = world.cycle()

    assert outcome.status == RunStatus.SUCCEEDED
    abandoned = Run.objects.order_by("pk")[0]
    assert (abandoned.status, "abandoned" in abandoned.error) == (RunStatus.FAILED, True)
    assert_booked_once(orders)


def test_killed_at_every_step_in_turn_it_is_booked_once_in_the_end(world):
    orders = missed_fills(world)
    for step in CycleStep:
        kill_at(world, step)
        world.clock.moment += CLAIM_TTL
    assert world.cycle().status == RunStatus.SUCCEEDED
    assert_booked_once(orders)
    before = everything()
    world.cycle()
    assert everything() == before


def test_an_exception_gives_lease_and_claim_back_at_once(world):
    missed_fills(world)

    def reach(at: CycleStep) -> None:
        if at == CycleStep.FIRST_WRITE:
            raise ZeroDivisionError("a mistake")

    outcome = world.cycle(reach=reach)
    assert outcome.status == RunStatus.PARTIAL
    (error,) = outcome.row_errors
    assert error.startswith("alpha: ")
    assert "a mistake" in error
    assert ProfileLease.objects.get().holder == ""
    assert world.cycle().status == RunStatus.SUCCEEDED
