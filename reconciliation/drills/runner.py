"""Runs drills, each in a world of its own, and says what did not come as expected."""

import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciliation.drills.actions import run_concurrently
from reconciliation.drills.compare import Failure, compare
from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.schema import ConcurrentStep, Drill, Expectation, ExpectStep, Step
from reconciliation.drills.served import EXPECTATIONS, NOT_OF_THE_PORTAL, STEPS
from reconciliation.drills.world import World, make_world


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillResult:
    """How a drill came out. `state` is what could be read at its end."""

    name: str
    file: str
    failures: tuple[Failure, ...]
    state: Mapping[str, object]
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures


def run_drill(drill: Drill, scratch: ScratchDatabase, *, with_state: bool = True) -> DrillResult:
    """Run a drill in a fresh database. An error of the real code is a failure of the drill.

    The final state is the whole tree, which takes a while to read: not where nobody looks at it.
    """
    scratch.reset()
    failures: list[Failure] = []
    state: dict[str, object] = {}
    remarks: list[str] = []
    try:
        with make_world(drill) as world:
            failures += _play(world)
            state = _read_state(world) if with_state else {}
            remarks = world.remarks
    except Exception as error:
        failures.append(_error("the scene", None, error))
    return DrillResult(
        name=drill.name,
        file=drill.file,
        failures=tuple(failures),
        state=state,
        remarks=tuple(remarks),
    )


def _play(world: World) -> list[Failure]:
    """Run the steps and check; after an error nothing more is run, because nothing would hold."""
    failures: list[Failure] = []
    for step in world.drill.steps:
        try:
            failures += _run_step(world, step)
        except Exception as error:
            return [*failures, _error(f"step {step.name}", step.line, error)]
    try:
        failures += _check(world, world.drill.expectations)
    except Exception as error:
        failures.append(_error("expect", None, error))
    return failures


def _run_step(world: World, step: Step) -> Sequence[Failure]:
    if isinstance(step, ExpectStep):
        failures = _check(world, step.expectations)
        world.corrections = 0
        return failures
    if step.name in NOT_OF_THE_PORTAL:
        _act(world, step)
        return ()
    with world.counting_corrections():
        if isinstance(step, ConcurrentStep):
            run_concurrently(world, step, _act)
        else:
            _act(world, step)
    return ()


def _act(world: World, step: Step) -> None:
    STEPS[step.name](world, step)


def _check(world: World, expectations: Sequence[Expectation]) -> Sequence[Failure]:
    """Compare what is named; from an `expect` on, corrections are counted anew."""
    return compare(expectations, {each.key: EXPECTATIONS[each.key](world) for each in expectations})


def _read_state(world: World) -> dict[str, object]:
    """Return the whole tree; a part that cannot be read is remarked on, and left out."""
    state: dict[str, object] = {}
    for key, read in EXPECTATIONS.items():
        try:
            state[key] = read(world)
        except Exception as error:
            world.remarks.append(f"the state of {key!r} cannot be read: {error}")
    return state


def _error(path: str, line: int | None, error: Exception) -> Failure:
    """Return the failure that an error of the real code is, and show where it came from."""
    traceback.print_exception(error, file=sys.stderr)
    return Failure(
        path=path, line=line, expected="no error", got=f"{type(error).__name__}: {error}"
    )
