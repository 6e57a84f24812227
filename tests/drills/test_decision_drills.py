"""The drills of decisions: each refusal with its way out, and each act of a person."""

import re
from pathlib import Path

import pytest

from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.grammar.drill import read_drill
from reconciliation.drills.report import result_lines
from reconciliation.drills.runner import run_drill
from reconciliation.drills.served import refuse_what_is_not_served
from reconciliation.enums import DecisionRefusal

DOCS = Path(__file__).parents[2] / "docs"
DRILLS = sorted((DOCS / "drills" / "decisions").glob("*.yaml"))


@pytest.mark.parametrize("path", DRILLS, ids=lambda path: path.stem)
def test_a_drill_of_decisions_passes(path: Path, scratch: ScratchDatabase):
    drill = read_drill(path)
    assert drill.name == path.stem
    refuse_what_is_not_served(drill)

    result = run_drill(drill, scratch)

    assert result_lines(result) == [f"PASS {path.stem}"]


def test_the_document_names_every_refusal():
    text = (DOCS / "decisions.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| ([A-Z_]+) \|", text, re.MULTILINE))
    assert named >= set(DecisionRefusal.values)
