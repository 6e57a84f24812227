"""Whether the state is as expected: pure, no database.

Decimals are equal by value. Rows must be among those of the state, each its own: two equal rows
here need two there. Words are exactly these, in any order. What is not named is not checked.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, TypeGuard

from reconciliation.domain.amounts import InexactAmount, parse_amount
from reconciliation.drills.schema import Expectation, Expected, Leaf, Rows, Words


class Absent:
    """Stands for a path that the state does not have."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One expectation that did not hold; `got` is ABSENT where the state has no such path.

    `line` is that of the key below `expect`; None where no line of the file is to blame.
    """

    path: str
    line: int | None
    expected: object
    got: object


def compare(
    expectations: Sequence[Expectation], state: Mapping[str, object]
) -> tuple[Failure, ...]:
    """Return every expectation that the state does not meet, in the order of the file."""
    failures: list[Failure] = []
    for each in expectations:
        found = _check(each.key, each.value, state.get(each.key, ABSENT))
        failures += (replace(failure, line=each.line) for failure in found)
    return tuple(failures)


def _check(path: str, expected: Expected, got: object) -> list[Failure]:
    match expected:
        case Rows():
            return _check_rows(path, expected, got)
        case Words():
            return _check_words(path, expected, got)
        case Mapping():
            return _check_mapping(path, expected, got)
        case _:
            return [] if _is_equal(expected, got) else [_failure(path, expected, got)]


def _check_mapping(path: str, expected: Mapping[str, Expected], got: object) -> list[Failure]:
    if not isinstance(got, Mapping):
        return [_failure(path, expected, got)]
    failures: list[Failure] = []
    for key, value in expected.items():
        failures += _check(f"{path}.{key}", value, got.get(key, ABSENT))
    return failures


def _check_words(path: str, expected: Words, got: object) -> list[Failure]:
    if _is_list(got) and Counter(map(str, got)) == Counter(expected.words):
        return []
    return [_failure(path, expected, got)]


def _check_rows(path: str, expected: Rows, got: object) -> list[Failure]:
    if not _is_list(got):
        return [_failure(path, expected, got)]
    if not expected.rows:
        return [_failure(path, expected, got)] if got else []
    unmatched = _unmatched(expected.rows, got)
    return [_failure(f"{path}[{at}]", expected.rows[at], got) for at in unmatched]


def _unmatched(rows: Sequence[Mapping[str, Expected]], got: Sequence[object]) -> list[int]:
    """Return the rows that find no row of their own, by Kuhn's matching.

    A row that names little can fit several; it then leaves those to the rows that name more.
    """
    fitting = [
        [at for at, row in enumerate(got) if not _check_mapping("", each, row)] for each in rows
    ]
    taken: dict[int, int] = {}

    def find_own(row: int, tried: set[int]) -> bool:
        for at in fitting[row]:
            if at in tried:
                continue
            tried.add(at)
            if at not in taken or find_own(taken[at], tried):
                taken[at] = row
                return True
        return False

    return [row for row in range(len(rows)) if not find_own(row, set())]


def _is_equal(expected: Leaf, got: object) -> bool:
    # A truth value is a number to Python and never one here.
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if expected is None or got is None:
        return expected is got
    if isinstance(expected, str) and isinstance(got, str):
        return str(expected) == str(got)
    left, right = _number(expected), _number(got)
    return left is not None and left == right


def _number(value: object) -> Decimal | None:
    try:
        return parse_amount(value)
    except InexactAmount:
        return None


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple)


def _failure(path: str, expected: Expected, got: object) -> Failure:
    return Failure(path=path, line=None, expected=plain_tree(expected), got=got)


def plain_tree(value: object) -> object:
    """Return an expectation in plain lists and mappings, as it would stand in a state."""
    match value:
        case Rows():
            return [plain_tree(row) for row in value.rows]
        case Words():
            return list(value.words)
        case Mapping():
            return {key: plain_tree(item) for key, item in value.items()}
        case _:
            return value
