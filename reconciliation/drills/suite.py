"""Several drill files, run one after the other with one scratch database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciliation.drills.database import scratch_database
from reconciliation.drills.errors import DrillError
from reconciliation.drills.grammar.drill import read_drill
from reconciliation.drills.runner import DrillResult, run_drill
from reconciliation.drills.schema import Drill
from reconciliation.drills.served import refuse_what_is_not_served

EXIT_PASSED, EXIT_FAILED, EXIT_UNREADABLE = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOutcome:
    """The drills that ran, and the files that hold none that can run."""

    results: tuple[DrillResult, ...]
    errors: tuple[DrillError, ...]

    @property
    def passed(self) -> int:
        return sum(result.passed for result in self.results)

    @property
    def failed(self) -> int:
        return len(self.results) - self.passed

    @property
    def exit_status(self) -> int:
        """Return 0 only where every file is a drill that passed."""
        if self.errors:
            return EXIT_UNREADABLE
        return EXIT_FAILED if self.failed else EXIT_PASSED


def run_files(
    paths: Sequence[Path],
    *,
    on_error: Callable[[DrillError], None],
    on_result: Callable[[DrillResult], None],
    with_state: bool = True,
) -> SuiteOutcome:
    """Read every file, then run every drill; a file that cannot be read stops no other.

    Each error and each result is reported when it is known.
    """
    drills, errors = _read_files(paths)
    for error in errors:
        on_error(error)
    results: list[DrillResult] = []
    if drills:
        with scratch_database() as scratch:
            for drill in drills:
                results.append(run_drill(drill, scratch, with_state=with_state))
                on_result(results[-1])
    return SuiteOutcome(results=tuple(results), errors=tuple(errors))


def _read_files(paths: Sequence[Path]) -> tuple[list[Drill], list[DrillError]]:
    drills: list[Drill] = []
    errors: list[DrillError] = []
    for path in paths:
        try:
            drill = read_drill(path)
            refuse_what_is_not_served(drill)
        except DrillError as error:
            errors.append(error)
        else:
            drills.append(drill)
    return drills, errors
