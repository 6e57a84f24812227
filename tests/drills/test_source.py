"""YAML with lines: what is not exactly readable is refused where it stands."""

from pathlib import Path

import pytest

from reconciliation.drills.errors import DrillError
from reconciliation.drills.source import UNREADABLE, parse_source, read_source


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: [\n", "d.yaml:3: is not YAML: while parsing a flow node"),
        ("a: 1\nb: 2\na: 3\n", "d.yaml:3: 'a' is given twice; first in line 1"),
        ("a:\n  x: 1\n  x: 2\n", "d.yaml:3: 'x' is given twice; first in line 2"),
        ("a: 1\n2: x\n", 'd.yaml:2: the key 2 must be text: write "2" in quotes'),
        ("a: !python/name:os.system x\n", "d.yaml:1: the tag"),
        ("a: &x\n  b: *x\n", "d.yaml:1: an alias stands inside of what it repeats"),
        ("", "d.yaml: is empty; a drill begins with `drill: NAME`"),
        ("a: 1\n---\nb: 2\n", "d.yaml:2: is not YAML: expected a single document"),
        ("a: x\nb: @y\n", "d.yaml:2: is not YAML"),
        ("a: \x00\n", "d.yaml: is not YAML: unacceptable character"),
        ("[" * 5000, "d.yaml: is nested too deeply to be a drill"),
        ("? [a]\n: 1\n", "d.yaml:1: a key must be a word"),
    ],
)
def test_a_text_that_says_nothing_certain_is_refused_with_its_line(text: str, error: str) -> None:
    with pytest.raises(DrillError) as caught:
        parse_source(text, file="d.yaml")

    assert str(caught.value).startswith(error)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe")

    with pytest.raises(DrillError, match=r"none\.yaml: cannot be read: No such file"):
        read_source(tmp_path / "none.yaml")
    with pytest.raises(DrillError, match="is not UTF-8 text"):
        read_source(binary)
    with pytest.raises(DrillError, match="cannot be read: Is a directory"):
        read_source(tmp_path)


def test_each_value_knows_its_line_and_how_it_was_written() -> None:
    root = parse_source("a: 1\nb:\n  - x\n  - 0x10\n", file="d.yaml")

    entries = root.entries("it")
    (first, second) = entries["b"].node.items("b")
    assert (entries["a"].line, entries["b"].line) == (1, 2)
    assert (first.value, first.line) == ("x", 3)
    assert (second.value, second.written) == (16, "0x10")


def test_merge_keys_and_aliases_repeat_what_is_written_elsewhere() -> None:
    text = "base: &base {a: x, b: y}\nrow: {<<: *base, b: z}\nsame: *base\n"

    entries = parse_source(text, file="d.yaml").entries("it")

    row = {name: each.node.value for name, each in entries["row"].node.entries("row").items()}
    assert row == {"a": "x", "b": "z"}
    assert entries["same"].node.entries("same")["a"].node.value == "x"


def test_an_unquoted_moment_stays_text_and_a_fraction_is_no_value() -> None:
    text = f"now: 2026-01-05T12:00:00Z\nprice: 0.1\nlong: {'9' * 5000}\n"

    entries = parse_source(text, file="d.yaml").entries("it")

    assert entries["now"].node.value == "2026-01-05T12:00:00Z"
    assert entries["price"].node.value is UNREADABLE
    assert entries["long"].node.value is UNREADABLE
