"""The drills of pauses and of the gate."""

from pathlib import Path

import pytest

from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.grammar.drill import read_drill
from reconciliation.drills.report import result_lines
from reconciliation.drills.runner import run_drill
from reconciliation.drills.served import refuse_what_is_not_served

FOLDER = Path(__file__).parents[2] / "docs" / "drills" / "trading"
DRILLS = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", DRILLS, ids=lambda path: path.stem)
def test_a_drill_of_trading_passes(path: Path, scratch: ScratchDatabase):
    drill = read_drill(path)
    assert drill.name == path.stem
    refuse_what_is_not_served(drill)

    result = run_drill(drill, scratch)

    assert result_lines(result) == [f"PASS {path.stem}"]
    # A person's word that changes nothing is noted; anything else would make it another drill.
    assert [each for each in result.remarks if not each.startswith(("pause", "resume"))] == []
