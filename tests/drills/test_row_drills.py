"""The decision table and its drills: one a row, and one for each further rule of the loop."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from reconciliation.domain import decisions
from reconciliation.domain.order_rules import OrderRule
from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.grammar.drill import read_drill
from reconciliation.drills.report import result_lines
from reconciliation.drills.runner import run_drill
from reconciliation.drills.schema import Drill, RunStep
from reconciliation.drills.served import refuse_what_is_not_served

DOCS = Path(__file__).parents[2] / "docs"
ROWS, CASES = DOCS / "drills" / "rows", DOCS / "drills" / "cases"
NAMES = {
    rule: f"{number:02d}-{rule.name.lower().replace('_', '-')}.yaml"
    for number, rule in enumerate(OrderRule, start=1)
}

every_row = pytest.mark.parametrize("rule", OrderRule, ids=lambda rule: rule.name)
every_case = pytest.mark.parametrize(
    "path", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem
)


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> set[OrderRule]:
    """Collect the rules that the cycles of a test find to hold."""
    rules: set[OrderRule] = set()

    def noted(diff: Callable[..., Iterable[Any]]) -> Callable[..., Iterable[Any]]:
        def diff_and_note(*args: Any, **kwargs: Any) -> Iterable[Any]:
            findings = diff(*args, **kwargs)
            rules.update(finding.rule for finding in findings)
            return findings

        return diff_and_note

    for name in ("diff_orders", "diff_unowned"):
        monkeypatch.setattr(decisions, name, noted(getattr(decisions, name)))
    return rules


def read(path: Path) -> Drill:
    drill = read_drill(path)
    refuse_what_is_not_served(drill)
    return drill


def test_every_row_has_its_drill_and_there_is_no_other():
    assert sorted(path.name for path in ROWS.iterdir()) == sorted(NAMES.values())


def test_the_document_links_each_row_to_its_drill_in_the_order_of_the_table():
    lines = (DOCS / "decision-table.md").read_text(encoding="utf-8").splitlines()
    links = [match for line in lines if (match := re.match(r"\| \[(\w+)\]\(([^)]+)\) \|", line))]
    assert [(match[1], match[2]) for match in links] == [
        (rule.name, f"drills/rows/{NAMES[rule]}") for rule in OrderRule
    ]


def test_there_are_cases():
    assert any(CASES.glob("*.yaml"))


@every_row
def test_a_drill_shows_its_row(rule: OrderRule, scratch: ScratchDatabase, reached: set[OrderRule]):
    drill = read(ROWS / NAMES[rule])
    assert drill.name == NAMES[rule].removesuffix(".yaml")[3:]

    result = run_drill(drill, scratch)

    assert result_lines(result) == [f"PASS {drill.name}"]
    assert result.remarks == ()
    assert rule in reached


@every_row
def test_the_drill_of_a_row_ends_with_a_cycle_that_writes_nothing(rule: OrderRule):
    drill = read(ROWS / NAMES[rule])
    runs = [step for step in drill.steps if isinstance(step, RunStep)]
    assert len(runs) > 1
    assert drill.steps[-1] is runs[-1]
    assert {each.key: each.value for each in drill.expectations}["corrections"] == 0


@every_case
def test_a_case_passes(path: Path, scratch: ScratchDatabase):
    drill = read(path)
    assert drill.name == path.stem

    result = run_drill(drill, scratch)

    assert result_lines(result) == [f"PASS {path.stem}"]
    # A row that was refused, or a crash that did not happen, would make the drill another one.
    assert result.remarks == ()
