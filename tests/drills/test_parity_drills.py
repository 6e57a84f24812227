"""The drills of the heartbeat: each row of the findings, each step, each way to be wrong."""

import re
from pathlib import Path

import pytest

from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.grammar.drill import read_drill
from reconciliation.drills.report import result_lines
from reconciliation.drills.runner import run_drill
from reconciliation.drills.served import refuse_what_is_not_served
from reconciliation.enums import ParityKind, QuarantineReason

DOCS = Path(__file__).parents[2] / "docs"
DRILLS = sorted((DOCS / "drills" / "parity").glob("*.yaml"))
NOT_OF_THE_HEARTBEAT = {QuarantineReason.OPERATOR, QuarantineReason.OVERCLOSE}


@pytest.mark.parametrize("path", DRILLS, ids=lambda path: path.stem)
def test_a_drill_of_the_heartbeat_passes(path: Path, scratch: ScratchDatabase):
    drill = read_drill(path)
    assert drill.name == path.stem
    refuse_what_is_not_served(drill)

    result = run_drill(drill, scratch)

    assert result_lines(result) == [f"PASS {path.stem}"]


def test_there_is_a_drill_of_every_finding_and_of_every_reason():
    text = "\n".join(path.read_text(encoding="utf-8") for path in DRILLS)

    shown = set(re.findall(r"kind: ([A-Z_]+)", text))
    assert shown >= set(ParityKind.values) - {"CLEAN", "FRESH", "UNKNOWN"}
    reasons = set(re.findall(r"reason: ([A-Z_]+)", text))
    assert reasons == set(QuarantineReason.values) - NOT_OF_THE_HEARTBEAT


def test_the_document_names_every_finding_and_every_reason():
    text = (DOCS / "parity.md").read_text(encoding="utf-8")

    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", text))
    assert named >= {*ParityKind.values, *QuarantineReason.values} - NOT_OF_THE_HEARTBEAT
