"""The list of actions is what the code can write, no more and no less, and what the docs tell."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from reconciliation.domain.audit_actions import ACTIONS

ROOMS = ("domain", "handlers", "cycles")
ACTION = re.compile(r"[a-z_]+\.[a-z_]+")
# Words with a dot in those rooms that are no action.
OTHERS = {"input.key"}
# `f"{kind}.delivered"`: one of each kind of row that a bot delivers.
DELIVERED = {f"{kind}.delivered" for kind in ("trade", "order", "history", "position")}


def written() -> Iterator[str]:
    """Yield every text of those rooms that has the form of an action."""
    root = Path(settings.BASE_DIR) / "reconciliation"
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            if path.name == "audit_actions.py":
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    families = {action.split(".")[0] for action in ACTIONS}
                    text = node.value
                    if ACTION.fullmatch(text) and text.split(".")[0] in families | {"audit"}:
                        yield text


def test_every_action_that_the_code_writes_is_in_the_list_and_no_other():
    assert (set(written()) - OTHERS) | DELIVERED == set(ACTIONS)


def test_no_action_is_made_of_parts_but_those_of_deliveries():
    root = Path(settings.BASE_DIR) / "reconciliation"
    made = []
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.keyword)
                    and node.arg == "action"
                    and isinstance(node.value, ast.JoinedStr)
                ):
                    made.append(ast.unparse(node.value))
    assert sorted(made) == ["f'{kind}.delivered'", "f'{report.kind}.delivered'"]


def test_the_documentation_lists_every_action_with_when_it_is_written():
    text = (Path(settings.BASE_DIR) / "docs/audit-events.md").read_text()
    told = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", text, re.MULTILINE))
    assert told == {name: action.when for name, action in ACTIONS.items()}
