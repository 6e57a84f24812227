"""Loops, deliveries and decisions at once: nothing is doubled, nobody fails, both sides agree."""

from collections.abc import Iterator, Sequence

import pytest

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.enums import CycleStep, RunStatus
from reconciliation.handlers.runs import CLAIM_TTL
from reconciliation.models import AuditEvent, Run
from tests.cycles.concurrency.scenes import BusyScene, Scene
from tests.cycles.concurrency.threads import at_once, interleave, places_to_come_in, visitors
from tests.cycles.crashes.scene import Killed
from tests.cycles.storms.truth import check_chain

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 2
# No test has so many places that a busy machine needs minutes for it.
PARTS = 4
each_part = pytest.mark.parametrize("part", range(PARTS))


@pytest.fixture(autouse=True)
def chain_is_whole_in_the_end(transactional_db: None) -> Iterator[None]:
    yield
    assert check_chain() == []


def statuses(outcomes: Sequence[object]) -> list[RunStatus]:
    return [each.status for each in outcomes if isinstance(each, RunOutcome)]


def test_loops_at_once_book_everything_once() -> None:
    for _ in range(ROUNDS):
        scene = BusyScene()
        outcomes = at_once([scene.loop] * 3)
        # Whoever found the account claimed did nothing; whoever came later found nothing to do.
        assert RunStatus.SUCCEEDED in statuses(outcomes)
        scene.assert_at_rest()


def test_a_loop_and_deliveries_of_the_same_rows_at_once_count_them_once() -> None:
    for _ in range(ROUNDS):
        scene = BusyScene()
        at_once([scene.loop, scene.deliver, scene.deliver])
        scene.assert_at_rest()


def test_loops_deliveries_and_decisions_at_once_keep_nobody_from_his_work() -> None:
    for _ in range(ROUNDS):
        scene = BusyScene()
        works = [scene.loop, scene.deliver, scene.decide]
        at_once(works * 2)
        scene.assert_at_rest()


def test_accounts_at_once_do_not_see_each_other() -> None:
    scenes = [BusyScene() for _ in range(3)]
    outcomes = at_once([each.loop for each in scenes] + [each.deliver for each in scenes])
    assert statuses(outcomes) == [RunStatus.SUCCEEDED] * 3
    for scene in scenes:
        scene.assert_at_rest()


def test_of_loops_that_find_a_dead_run_at_once_one_takes_over() -> None:
    for _ in range(ROUNDS):
        scene = BusyScene()
        kill(scene)
        scene.world.clock.advance(seconds=CLAIM_TTL.total_seconds())

        outcomes = at_once([scene.loop] * 3)

        assert RunStatus.SUCCEEDED in statuses(outcomes)
        account = scene.world.account
        taken = AuditEvent.objects.filter(action="run.taken_over", account_name=account.name)
        assert taken.count() == 1
        assert Run.objects.filter(account=account, status=RunStatus.FAILED).count() == 1
        assert not Run.objects.filter(account=account, status=RunStatus.RUNNING).exists()


def kill(scene: Scene) -> None:
    def reach(step: CycleStep) -> None:
        if step == CycleStep.FIRST_WRITE:
            raise Killed

    with pytest.raises(Killed):
        scene.world.cycle(reach)


@each_part
def test_others_may_come_in_before_any_statement_of_a_loop(part: int) -> None:
    for number in places_to_come_in(Scene().loop)[part::PARTS]:
        scene = Scene()
        guests = [scene.decide, scene.deliver, scene.loop]
        interleave(scene.loop, guests, before_statement=number)
        scene.assert_at_rest()


@each_part
def test_others_may_come_in_before_any_statement_of_a_delivery(part: int) -> None:
    for number in places_to_come_in(Scene().deliver)[part::PARTS]:
        scene = Scene()
        interleave(scene.deliver, [scene.loop, scene.decide], before_statement=number)
        scene.assert_at_rest()


def test_others_may_come_in_before_any_statement_of_a_decision() -> None:
    for number in places_to_come_in(Scene().decide):
        scene = Scene()
        interleave(scene.decide, [scene.loop, scene.deliver], before_statement=number)
        scene.assert_at_rest()


@pytest.mark.parametrize("step", CycleStep)
def test_others_may_come_in_at_any_step_of_a_busy_loop(step: CycleStep) -> None:
    scene = BusyScene()
    reached = []
    with visitors([scene.decide, scene.deliver, scene.loop]) as let_in:

        def reach(at: CycleStep) -> None:
            if at == step and not reached:
                reached.append(at)
                let_in()

        outcome = scene.world.cycle(reach)
    assert reached
    assert (outcome.status, outcome.row_errors) == (RunStatus.SUCCEEDED, ())
    scene.assert_at_rest()
