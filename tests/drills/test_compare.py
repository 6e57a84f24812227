"""The rules of matching, without a database."""

from decimal import Decimal

import pytest

from reconciliation.drills.compare import ABSENT, compare
from reconciliation.drills.schema import Expectation, Expected, Rows, Words

D = Decimal


def failures(expected: Expected, got: object) -> list[tuple[str, object, object]]:
    expectation = Expectation(key="it", line=7, value=expected)
    found = compare([expectation], {} if got is ABSENT else {"it": got})
    assert all(each.line == 7 for each in found)
    return [(each.path, each.expected, each.got) for each in found]


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (D("0.50"), D("0.5")),
        (D(3), 3),
        (3, D("3.00")),
        (30500, "30500.0"),
        ("30500", D("30500")),
        ("OPEN", "OPEN"),
        (True, True),
        (None, None),
        (0, D("-0")),
    ],
)
def test_values_are_equal_by_what_they_mean(expected: Expected, got: object) -> None:
    assert failures(expected, got) == []


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (D("0.5"), D("0.51")),
        (D(0), None),
        (None, D(0)),
        (0, False),
        (1, True),
        (True, 1),
        (False, None),
        ("9001", "09001"),
        ("OPEN", "open"),
        (D(1), "one"),
        (D(1), [1]),
        ("", None),
    ],
)
def test_what_only_looks_alike_differs(expected: Expected, got: object) -> None:
    assert failures(expected, got) == [("it", expected, got)]


def test_what_is_not_named_is_not_checked() -> None:
    assert failures({"a": 1}, {"a": 1, "b": 2}) == []
    assert failures({}, {"b": 2}) == []


def test_each_path_that_differs_is_named() -> None:
    got = {"T1": {"status": "OPEN", "open": D(1)}, "T2": {"status": "OPEN"}}

    found = failures({"T1": {"status": "CLOSED", "open": D(0)}, "T2": {"status": "OPEN"}}, got)

    assert found == [("it.T1.status", "CLOSED", "OPEN"), ("it.T1.open", D(0), D(1))]


@pytest.mark.parametrize("got", [{}, {"T2": {"status": "OPEN"}}])
def test_a_path_that_the_state_lacks_is_absent(got: object) -> None:
    assert failures({"T9": {"status": "OPEN"}}, got) == [("it.T9", {"status": "OPEN"}, ABSENT)]
    assert failures(1, ABSENT) == [("it", 1, ABSENT)]
    assert failures({"T2": {"status": None}}, {"T2": {}}) == [("it.T2.status", None, ABSENT)]


def test_rows_must_be_among_those_there_on_the_keys_given() -> None:
    got = [{"kind": "A", "n": D(1)}, {"kind": "B", "n": D(2)}]

    assert failures(Rows(({"kind": "B"},)), got) == []
    assert failures(Rows(({"n": D("2.0")}, {"kind": "A"})), got) == []
    assert failures(Rows(({"kind": "A", "n": D(2)}, {"kind": "B"})), got) == [
        ("it[0]", {"kind": "A", "n": D(2)}, got)
    ]


def test_an_empty_list_means_none() -> None:
    assert failures(Rows(()), []) == []
    assert failures(Rows(()), ()) == []
    assert failures(Rows(()), [{"kind": "A"}]) == [("it", [], [{"kind": "A"}])]


def test_two_equal_rows_need_two() -> None:
    row = {"kind": "A"}

    assert failures(Rows((row, row)), [{"kind": "A"}, {"kind": "A"}]) == []
    assert failures(Rows((row, row)), [{"kind": "A"}]) == [("it[1]", row, [{"kind": "A"}])]


def test_a_row_that_names_little_leaves_its_place_to_one_that_names_more() -> None:
    got = [{"kind": "A", "n": 1}, {"kind": "A", "n": 2}]

    assert failures(Rows(({"kind": "A"}, {"kind": "A", "n": 1})), got) == []
    assert failures(Rows(({"kind": "A", "n": 1}, {"kind": "A"})), got) == []


@pytest.mark.parametrize("got", [["B", "A"], ("A", "B")])
def test_words_are_exactly_these_in_any_order(got: object) -> None:
    assert failures(Words(("A", "B")), got) == []


@pytest.mark.parametrize("got", [["A"], ["A", "B", "C"], ["A", "B", "B"], [], "AB", None])
def test_one_word_more_or_less_differs(got: object) -> None:
    assert failures(Words(("A", "B")), got) == [("it", ["A", "B"], got)]


def test_no_words_are_no_words() -> None:
    assert failures(Words(()), []) == []
    assert failures(Words(()), ["A"]) == [("it", [], ["A"])]
    assert failures({"sources": Words(())}, {}) == [("it.sources", [], ABSENT)]


@pytest.mark.parametrize("got", [None, {"kind": "A"}, "A", 1])
def test_another_shape_differs(got: object) -> None:
    assert failures(Rows(({"kind": "A"},)), got) == [("it", [{"kind": "A"}], got)]
    assert failures({"a": {"b": 1}}, {"a": got})
