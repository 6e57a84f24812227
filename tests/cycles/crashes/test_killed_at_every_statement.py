"""A cycle that is killed anywhere: the next one finds the books as if it had been the first."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection

from reconciliation.enums import CycleStep, RunStatus
from reconciliation.handlers.runs import CLAIM_TTL
from reconciliation.models import ProfileLease, Run
from tests.cycles.crashes.scene import Killed, Rows, picture
from tests.cycles.storms.truth import check_chain, find_wrong_writes
from tests.cycles.storms.world import World, undone

# How a database opens and closes transactions within one; where a process dies there, it died
# before the statement that went in front, or after it.
_CONTROL = re.compile(r"(SAVEPOINT|RELEASE|ROLLBACK|SET CONSTRAINTS)", re.IGNORECASE)
# No test dies so often that a busy machine needs minutes for it.
PARTS = 5


@dataclass(slots=True)
class Scaffold:
    """Counts the statements of a process, and kills it before or after one of them."""

    kill_before: int | None = None
    kill_after: int | None = None
    statements: list[str] = field(default_factory=list)
    inside: set[int] = field(default_factory=set)
    """Statements, by number, within a transaction of the process."""
    last: set[int] = field(default_factory=set)
    """Statements after which a transaction ends."""
    is_dead: bool = False
    _outer: int = field(default_factory=lambda: len(connection.savepoint_ids))

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        if _CONTROL.match(str(sql)):
            self.last.add(len(self.statements))
            return execute(sql, params, many, context)
        assert not self.is_dead, f"a dead process sends {sql}"
        self.statements.append(str(sql))
        number = len(self.statements)
        if len(connection.savepoint_ids) > self._outer:
            self.inside.add(number)
        if number == self.kill_before:
            self._die()
        result = execute(sql, params, many, context)
        if number == self.kill_after:
            self._die()
        return result

    def _die(self) -> None:
        self.is_dead = True
        raise Killed

    def points(self) -> list[tuple[int | None, int | None]]:
        """Return where a process may die that leaves something else behind: (before, after).

        A statement that is sent again, for another page or profile, counts once; so does the end
        of a transaction, but for those that write what was decided.
        """
        before, after = {}, {}
        for number in sorted(self.inside):
            text = self.statements[number - 1]
            before.setdefault(text, number)
            if number in self.last:
                after[number if "audithead" in text else text] = number
        return [(each, None) for each in before.values()] + [
            (None, each) for each in after.values()
        ]


def run_and_die(scene: World, before: int | None, after: int | None) -> Scaffold:
    scaffold = Scaffold(kill_before=before, kill_after=after)
    with connection.execute_wrapper(scaffold), suppress(Killed):
        scene.cycle()
    return scaffold


def recover(scene: World) -> dict[str, Rows]:
    """Let the time of claim and lease pass, and the next cycle run; return what it leaves."""
    scene.clock.advance(seconds=CLAIM_TTL.total_seconds() + 1)
    outcome = scene.cycle()
    assert outcome.status == RunStatus.SUCCEEDED
    assert outcome.row_errors == ()
    assert find_wrong_writes(scene.truth) == []
    assert check_chain() == []
    assert set(ProfileLease.objects.values_list("holder", flat=True)) == {""}
    running = Run.objects.exclude(status__in=[RunStatus.SUCCEEDED, RunStatus.PARTIAL])
    assert all(
        run.status == RunStatus.FAILED and run.error.startswith("abandoned") for run in running
    )
    return picture()


@pytest.mark.parametrize("part", range(PARTS))
def test_a_run_killed_before_or_after_any_statement_is_made_good_by_the_next(
    scene: World, part: int
) -> None:
    moment = scene.clock.moment
    with undone():
        whole = run_and_die(scene, None, None)
        expected = recover(scene)
    points = whole.points()
    # Claim, pages of fills, look-ups, two leases, two profiles, what is nobody's, the end.
    assert len(points) > 40

    for before, after in points[part::PARTS]:
        scene.clock.moment = moment
        with undone():
            scaffold = run_and_die(scene, before, after)
            assert scaffold.is_dead
            found = recover(scene)
            told = whole.statements[(before or after or 0) - 1][:200]
            assert found == expected, f"killed {'before' if before else 'after'} {told}"


@pytest.mark.parametrize("step", CycleStep)
def test_a_run_killed_at_a_step_is_made_good_by_the_next(scene: World, step: CycleStep) -> None:
    moment = scene.clock.moment
    with undone():
        scene.cycle()
        expected = recover(scene)
    scene.clock.moment = moment

    def reach(reached: CycleStep) -> None:
        if reached == step:
            raise Killed

    with pytest.raises(Killed):
        scene.cycle(reach)

    # Until its time is up, the dead run keeps its account.
    assert scene.cycle().run_id is None
    assert recover(scene) == expected
