"""YAML in which every value knows its file and line.

A drill is evidence of behaviour, so nothing in it may be guessed at: a key given twice is an
error, and a number with a fraction stays unreadable, because YAML would make a float of it.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import yaml

from reconciliation.drills.errors import DrillError

_MERGE = "tag:yaml.org,2002:merge"
_STRING = "tag:yaml.org,2002:str"
_FLOAT = "tag:yaml.org,2002:float"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_SCALARS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "bool", "null"))


class Unreadable:
    """Stands for a number that YAML would not give back as it was written."""


UNREADABLE: Final = Unreadable()
Scalar = str | int | bool | None | Unreadable


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file: a scalar, a list of nodes, or a mapping of names to fields.

    `written` is a scalar's text before YAML made a value of it.
    """

    file: str
    line: int
    value: "Scalar | tuple[Node, ...] | dict[str, Field]"
    written: str = ""

    def error(self, message: str) -> DrillError:
        """Return the error that this value is wrong."""
        return DrillError(self.file, self.line, message)

    @property
    def is_null(self) -> bool:
        return self.value is None

    def items(self, what: str) -> "tuple[Node, ...]":
        """Return the values of a list; `what` names in the error what was meant."""
        if isinstance(self.value, tuple):
            return self.value
        raise self.error(f"{what} must be a list, not {describe(self)}")

    def entries(self, what: str) -> "dict[str, Field]":
        """Return the fields of a mapping, whatever their names."""
        if isinstance(self.value, dict):
            return self.value
        raise self.error(f"{what} must be a mapping (key: value), not {describe(self)}")

    def fields(
        self, what: str, *, required: Collection[str] = (), optional: Collection[str] = ()
    ) -> "Fields":
        """Return a mapping of these names and no other."""
        entries = self.entries(what)
        known = (*required, *optional)
        for name, field in entries.items():
            if name not in known:
                raise field.error(f"{what} has no key {name!r}{suggestion(name, known)}")
        for name in required:
            if name not in entries:
                raise self.error(f"{what} needs the key {name!r}")
        return Fields(entries)


@dataclass(frozen=True, slots=True)
class Field:
    """A value of a mapping, with the line of its key."""

    node: Node
    line: int

    def error(self, message: str) -> DrillError:
        """Return the error that this key is wrong."""
        return DrillError(self.node.file, self.line, message)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a mapping whose names are checked. A null is a value that is not given."""

    entries: Mapping[str, Field]

    def __getitem__(self, name: str) -> Node:
        return self.entries[name].node

    def get(self, name: str) -> Node | None:
        """Return the value, or None where it is absent or null."""
        field = self.entries.get(name)
        return None if field is None or field.node.is_null else field.node

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)


def read_source(path: Path) -> Node:
    """Return the one document of a file. Raises DrillError where it cannot be read."""
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DrillError(file, None, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DrillError(file, None, f"is not UTF-8 text: {error.reason}") from error
    return parse_source(text, file=file)


def parse_source(text: str, *, file: str) -> Node:
    """Return the one document of a YAML text."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            raise DrillError(file, None, "is empty; a drill begins with `drill: NAME`")
        return _Reader(file, loader).node(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise DrillError(file, line, f"is not YAML: {problem}") from error
    except yaml.YAMLError as error:
        raise DrillError(file, None, f"is not YAML: {error}") from error
    except RecursionError as error:
        raise DrillError(file, None, "is nested too deeply to be a drill") from error


class _Reader:
    def __init__(self, file: str, loader: yaml.SafeLoader) -> None:
        self._file = file
        self._loader = loader
        self._above: list[yaml.Node] = []

    def node(self, node: yaml.Node) -> Node:
        line = node.start_mark.line + 1
        if any(node is above for above in self._above):
            raise DrillError(self._file, line, "an alias stands inside of what it repeats")
        self._above.append(node)
        try:
            written = node.value if isinstance(node, yaml.ScalarNode) else ""
            return Node(self._file, line, self._value(node), written)
        finally:
            self._above.pop()

    def _value(self, node: yaml.Node) -> Scalar | tuple[Node, ...] | dict[str, Field]:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.node(item) for item in node.value)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        self._refuse(node, f"{node.tag} is no value of a drill")

    def _scalar(self, node: yaml.ScalarNode) -> Scalar:
        text: str = node.value
        # An unquoted moment is what it looks like; everything else that YAML would convert stays
        # as it was written, so that an error can quote it.
        if node.tag in (_STRING, _TIMESTAMP):
            return text
        if node.tag == _FLOAT:
            return UNREADABLE
        if node.tag not in _SCALARS:
            self._refuse(node, f"the tag {node.tag} has no meaning in a drill")
        try:
            value = self._loader.construct_object(node)
        except ValueError:
            return UNREADABLE
        return value if value is None or isinstance(value, int) else UNREADABLE

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Field]:
        own: dict[str, Field] = {}
        merged: dict[str, Field] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    merged = self._merged(source) | merged
                continue
            name, line = self._key(key), key.start_mark.line + 1
            if name in own:
                raise DrillError(
                    self._file, line, f"{name!r} is given twice; first in line {own[name].line}"
                )
            own[name] = Field(self.node(value), line)
        return merged | own

    def _merged(self, source: yaml.Node) -> dict[str, Field]:
        return self.node(source).entries("what << merges")

    def _key(self, key: yaml.Node) -> str:
        if not isinstance(key, yaml.ScalarNode):
            self._refuse(key, "a key must be a word")
        if key.tag not in (_STRING, _TIMESTAMP):
            self._refuse(key, f'the key {key.value} must be text: write "{key.value}" in quotes')
        text: str = key.value
        return text

    def _refuse(self, node: yaml.Node, message: str) -> NoReturn:
        raise DrillError(self._file, node.start_mark.line + 1, message)


def describe(node: Node) -> str:
    """Return what a value is, in the words of the file's author."""
    match node.value:
        case None:
            return "nothing"
        case bool():
            return f"the truth value {node.written}"
        case int() | Unreadable():
            return f"the number {node.written}"
        case str():
            return f"the text {node.value!r}"
        case tuple():
            return "a list"
        case _:
            return "a mapping"


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the hint behind an unknown word: the nearest known one, or all of them."""
    words = [str(each) for each in known]
    folded = word.casefold()
    near = (
        difflib.get_close_matches(word, words, n=1)
        # The case alone, or a part of a longer word, is too far for a comparison of letters.
        or [each for each in words if each.casefold() == folded]
        or [each for each in words if folded and folded in each.casefold()]
    )
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(words)}" if words else "; there are none"
