"""Loops and deliveries at once: nothing is booked twice, nobody fails, both sides agree."""

import threading
from dataclasses import replace

import pytest

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.domain.deliveries import Delivery
from reconciliation.enums import CycleStep, Purpose, RunStatus
from reconciliation.models import Run
from tests.cycles.concurrency.threads import at_once, in_between, interleave, places_to_come_in
from tests.cycles.storms.truth import check_chain, find_disagreements
from tests.cycles.storms.world import World

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 4


class Scene:
    """An account whose bots have missed something, and what they are about to deliver of it."""

    def __init__(self) -> None:
        self.world = world = World(environ={"RECON_INFLIGHT_GRACE_MS": "0"})
        at = world.ago(hours=2)
        known = world.place(trade_id="KNOWN", quantity="0.5", at=at)
        world.tell(world.news(known), at=at)
        fills = [world.fill(known, "0.2"), world.fill(known, "0.3")]
        untold = world.place(trade_id="UNTOLD", quantity="0.2")
        world.clock.advance(seconds=60)
        self.deliveries = [_both(world.news(known, *fills), world.news(untold))]

    def loop(self) -> RunOutcome:
        outcome = self.world.cycle()
        assert not outcome.error.startswith("unexpected"), outcome.error
        assert outcome.row_errors == ()
        return outcome

    def deliver(self) -> None:
        for delivery in self.deliveries:
            report = self.world.tell(delivery)
            assert report.refused == ()

    def assert_at_rest(self) -> None:
        self.world.clock.advance(seconds=60)
        assert self.world.cycle().status == RunStatus.SUCCEEDED
        assert find_disagreements(self.world.truth) == []


class BusyScene(Scene):
    """More of it: another profile, an order that was adopted, rows without a fill id or order."""

    def __init__(self) -> None:
        super().__init__()
        world, at = self.world, self.world.ago(hours=2)
        leaves = world.place(trade_id="KNOWN", quantity="0.5", purpose=Purpose.EXIT, at=at)
        other = world.place(trade_id="OTHER", quantity="0.4", profile=world.beta, at=at)
        adopted = world.place(trade_id="ADOPTED", quantity="0.3", at=at)
        for ticket in (leaves, other):
            world.tell(world.news(ticket), at=at)
        world.cycle()
        world.clock.advance(seconds=60)
        self.deliveries += [
            world.news(leaves, world.fill(leaves, "0.5")),
            world.news(other, world.fill(other, "0.4"), with_fill_ids=False),
            world.news(adopted, world.fill(adopted, "0.1"), with_order=False),
        ]
        world.clock.advance(seconds=60)


def _both(one: Delivery, other: Delivery) -> Delivery:
    return replace(
        one,
        trades=one.trades + other.trades,
        orders=one.orders + other.orders,
        history=one.history + other.history,
    )


def test_two_loops_at_once_book_everything_once() -> None:
    for _ in range(ROUNDS):
        scene = BusyScene()
        outcomes = at_once([scene.loop, scene.loop, scene.loop])
        # Whoever found the account claimed did nothing; whoever came later found nothing to do.
        assert any(each.status == RunStatus.SUCCEEDED for each in outcomes)  # type: ignore[attr-defined]
        runs = Run.objects.filter(account=scene.world.account)
        assert not runs.filter(status__in=[RunStatus.FAILED, RunStatus.RUNNING]).exists()
        scene.assert_at_rest()
    assert check_chain() == []


def test_a_loop_and_deliveries_of_the_same_rows_at_once_count_them_once() -> None:
    for number in range(ROUNDS):
        scene = BusyScene()
        works = [scene.loop, scene.deliver, scene.deliver]
        at_once(works if number % 2 else works[::-1])
        scene.assert_at_rest()
    assert check_chain() == []


def test_two_accounts_at_once_do_not_see_each_other() -> None:
    scenes = [BusyScene() for _ in range(3)]
    outcomes = at_once([scene.loop for scene in scenes] + [scene.deliver for scene in scenes])
    assert {each.status for each in outcomes[:3]} == {RunStatus.SUCCEEDED}  # type: ignore[attr-defined]
    for scene in scenes:
        scene.assert_at_rest()
    assert check_chain() == []


def test_a_delivery_may_come_in_before_any_statement_of_a_loop() -> None:
    for number in places_to_come_in(Scene().loop):
        scene = Scene()
        interleave(scene.loop, scene.deliver, before_statement=number)
        scene.assert_at_rest()
    assert check_chain() == []


def test_a_loop_may_come_in_before_any_statement_of_a_delivery() -> None:
    for number in places_to_come_in(Scene().deliver):
        scene = Scene()
        interleave(scene.deliver, scene.loop, before_statement=number)
        scene.assert_at_rest()
    assert check_chain() == []


@pytest.mark.parametrize("step", CycleStep)
def test_a_delivery_may_come_in_at_any_step_of_a_loop(step: CycleStep) -> None:
    scene = BusyScene()
    started = threading.Event()
    with in_between(scene.deliver) as start:

        def reach(reached: CycleStep) -> None:
            if reached == step and not started.is_set():
                started.set()
                start()

        outcome = scene.world.cycle(reach)
    assert started.is_set()
    assert outcome.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
    scene.assert_at_rest()
    assert check_chain() == []
