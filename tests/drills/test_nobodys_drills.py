"""The drills of what belongs to nobody."""

from pathlib import Path

import pytest

from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.grammar.drill import read_drill
from reconciliation.drills.report import result_lines
from reconciliation.drills.runner import run_drill
from reconciliation.drills.served import refuse_what_is_not_served

DRILLS = sorted((Path(__file__).parents[2] / "docs" / "drills" / "nobodys").glob("*.yaml"))


@pytest.mark.parametrize("path", DRILLS, ids=lambda path: path.stem)
def test_a_drill_of_what_is_nobodys_passes(path: Path, scratch: ScratchDatabase):
    drill = read_drill(path)
    assert drill.name == path.stem
    refuse_what_is_not_served(drill)
    assert result_lines(run_drill(drill, scratch)) == [f"PASS {path.stem}"]
