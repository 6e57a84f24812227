"""The drills of the backfill: one a reason, both sides of each limit, every flag combination."""

import re
from pathlib import Path

import pytest

from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.grammar.drill import read_drill
from reconciliation.drills.report import result_lines
from reconciliation.drills.runner import run_drill
from reconciliation.drills.served import refuse_what_is_not_served
from reconciliation.enums import AttributionMode, NoGoReason

DOCS = Path(__file__).parents[2] / "docs"
DRILLS = sorted((DOCS / "drills" / "backfill").glob("*.yaml"))


@pytest.mark.parametrize("path", DRILLS, ids=lambda path: path.stem)
def test_a_drill_of_the_backfill_passes(path: Path, scratch: ScratchDatabase):
    drill = read_drill(path)
    assert drill.name == path.stem
    refuse_what_is_not_served(drill)

    result = run_drill(drill, scratch)

    assert result_lines(result) == [f"PASS {path.stem}"]
    assert result.remarks == ()


def test_there_is_a_drill_of_every_reason_and_of_every_evidence():
    text = "\n".join(path.read_text(encoding="utf-8") for path in DRILLS)
    shown = set(re.findall(r"reasons: \[([A-Z_]+)[\],]", text))
    assert shown | set(re.findall(r"reasons: \[[^\]]*?([A-Z_]+)\]", text)) == set(NoGoReason.values)
    assert set(re.findall(r"mode: ([A-Z_]+)", text)) == set(AttributionMode.values)


def test_the_document_names_every_reason_and_evidence():
    text = (DOCS / "backfill.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| ([A-Z_]+) \|", text, re.MULTILINE))
    assert named >= {*NoGoReason.values, *AttributionMode.values} - {"NONE"}
