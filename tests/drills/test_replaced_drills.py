"""The drills of synthetic exits whose real one appears."""

from pathlib import Path

import pytest

from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.grammar.drill import read_drill
from reconciliation.drills.report import result_lines
from reconciliation.drills.runner import run_drill
from reconciliation.drills.served import refuse_what_is_not_served

DRILLS = sorted((Path(__file__).parents[2] / "docs" / "drills" / "replaced").glob("*.yaml"))


@pytest.mark.parametrize("path", DRILLS, ids=lambda path: path.stem)
def test_a_drill_of_replaced_exits_passes(path: Path, scratch: ScratchDatabase):
    drill = read_drill(path)
    assert drill.name == path.stem
    refuse_what_is_not_served(drill)

    result = run_drill(drill, scratch)

    assert result_lines(result) == [f"PASS {path.stem}"]
    assert result.remarks == ()
