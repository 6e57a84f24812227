"""The drills of the documentation pass."""

from pathlib import Path

import pytest

from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.grammar.drill import read_drill
from reconciliation.drills.report import result_lines
from reconciliation.drills.runner import run_drill
from reconciliation.drills.served import refuse_what_is_not_served

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "drills").glob("*.yaml"))


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_passes(path: Path, scratch: ScratchDatabase) -> None:
    drill = read_drill(path)
    refuse_what_is_not_served(drill)

    result = run_drill(drill, scratch)

    assert result_lines(result) == [f"PASS {path.stem}"]
    # A row that was refused, or a crash that did not happen, would make the drill another one.
    assert result.remarks == ()
