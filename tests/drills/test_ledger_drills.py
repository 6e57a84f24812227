"""The drills of capital and escalations."""

from pathlib import Path

import pytest

from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.grammar.drill import read_drill
from reconciliation.drills.report import result_lines
from reconciliation.drills.runner import run_drill
from reconciliation.drills.served import refuse_what_is_not_served

LEDGER = Path(__file__).parents[2] / "docs" / "drills" / "ledger"
DRILLS = sorted(LEDGER.glob("*.yaml"))


def test_there_are_drills() -> None:
    assert len(DRILLS) >= 10


@pytest.mark.parametrize("path", DRILLS, ids=lambda path: path.stem)
def test_a_drill_passes(path: Path, scratch: ScratchDatabase) -> None:
    drill = read_drill(path)
    assert drill.name == path.stem
    refuse_what_is_not_served(drill)

    result = run_drill(drill, scratch)

    assert result_lines(result) == [f"PASS {path.stem}"]
    assert result.remarks == ()
