"""Walks reach the end of a list whatever it looks like, prove it, and notice when it is not so."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.exchange.gateway import RetryableExchangeError
from reconciliation.exchange.paging import Listed, WindowPage, walk_list, walk_window

LIMIT = 4
START, END = 0, 1000


class FakeList:
    """A newest-first list as an exchange keeps it; `spoil` may change the nth answer."""

    def __init__(
        self,
        times: list[int],
        *,
        inclusive: bool = True,
        spoil: Callable[[int, list[Listed]], list[Listed]] = lambda _, rows: rows,
    ) -> None:
        ordered = sorted(times)
        self.rows = [
            Listed(key=f"k{number}", cursor=str(number), time_ms=time, row={"id": number})
            for number, time in enumerate(ordered)
        ][::-1]
        self.asked: list[tuple[int | None, int | None, str | None]] = []
        self._inclusive = inclusive
        self._spoil = spoil

    def __call__(
        self, *, begin_ms: int | None, end_ms: int | None, after: str | None
    ) -> list[Listed]:
        self.asked.append((begin_ms, end_ms, after))
        edge = 0 if self._inclusive else 1
        found = [
            each
            for each in self.rows
            if (begin_ms is None or each.time_ms >= begin_ms + edge)
            and (end_ms is None or each.time_ms <= end_ms - edge)
            and (after is None or int(each.cursor) < int(after))
        ]
        return self._spoil(len(self.asked), found[:LIMIT])

    def list_after(self, after: str | None) -> list[Listed]:
        return self(begin_ms=None, end_ms=None, after=after)

    def ids_within(self, start: int | None, end: int | None) -> set[object]:
        return {
            each.row["id"]
            for each in self.rows
            if (start is None or each.time_ms >= start) and (end is None or each.time_ms <= end)
        }


def walk(listed: FakeList, start: int | None = START, end: int | None = END) -> list[WindowPage]:
    return list(walk_window(listed, start_ms=start, end_ms=end, limit=LIMIT))


def ids(page: WindowPage) -> set[object]:
    return {row["id"] for row in page.rows}


times = st.lists(st.integers(START - 3, END + 3), max_size=30)
# Few milliseconds for many rows, so that pages end within one.
crowded_times = st.lists(st.integers(START, START + 3), max_size=30)


@settings(deadline=None)
@given(times=st.one_of(times, crowded_times), inclusive=st.booleans())
def test_pages_together_hold_every_row_of_the_window_and_nothing_else(
    times: list[int], inclusive: bool
) -> None:
    listed = FakeList(times, inclusive=inclusive)

    pages = walk(listed)

    assert set().union(*map(ids, pages)) == listed.ids_within(START, END)


@settings(deadline=None)
@given(times=st.one_of(times, crowded_times))
def test_each_page_holds_every_row_of_its_own_interval(times: list[int]) -> None:
    listed = FakeList(times)

    for page in walk(listed):
        assert ids(page) == listed.ids_within(page.start_ms, page.end_ms)
        assert max(Counter(row["id"] for row in page.rows).values(), default=1) == 1


@settings(deadline=None)
@given(times=st.one_of(times, crowded_times))
def test_intervals_join_from_the_end_of_the_window_to_its_start(times: list[int]) -> None:
    pages = walk(FakeList(times))

    assert pages[0].end_ms == END
    assert pages[-1].start_ms == START
    for newer, older in pairwise(pages):
        assert older.end_ms == newer.start_ms


@settings(deadline=None)
@given(times=st.one_of(times, crowded_times), cut=st.integers(0, 8))
def test_what_was_yielded_before_a_failure_is_complete(times: list[int], cut: int) -> None:
    def fail(number: int, rows: list[Listed]) -> list[Listed]:
        if number > cut:
            raise RetryableExchangeError("down")
        return rows

    listed = FakeList(times, spoil=fail)
    pages: list[WindowPage] = []
    try:
        for page in walk_window(listed, start_ms=START, end_ms=END, limit=LIMIT):
            pages.append(page)
    except RetryableExchangeError:
        pass

    for page in pages:
        assert ids(page) == listed.ids_within(page.start_ms, page.end_ms)


@settings(deadline=None)
@given(times=st.one_of(times, crowded_times))
def test_a_walk_without_a_window_reads_the_whole_list(times: list[int]) -> None:
    listed = FakeList(times)

    pages = walk(listed, None, None)

    assert set().union(*map(ids, pages)) == listed.ids_within(None, None)


@settings(deadline=None)
@given(times=st.one_of(times, crowded_times), spoilt=st.integers(1, 12), kept=st.integers(0, 3))
def test_an_answer_that_is_cut_once_hides_nothing(times: list[int], spoilt: int, kept: int) -> None:
    listed = FakeList(times, spoil=lambda number, rows: rows[:kept] if number == spoilt else rows)

    pages = walk(listed)

    assert set().union(*map(ids, pages)) == listed.ids_within(START, END)


def test_the_page_after_a_full_one_that_is_always_empty_is_a_contradiction() -> None:
    listed = FakeList(
        list(range(1, 7)),
        spoil=lambda number, rows: rows if listed.asked[-1][2] is None else [],
    )

    with pytest.raises(RetryableExchangeError, match="does not hold k2, which follows it"):
        walk(listed)


def test_a_cursor_that_is_ignored_once_is_asked_again() -> None:
    listed = FakeList(
        list(range(1, 7)), spoil=lambda number, rows: listed.rows[:LIMIT] if number == 2 else rows
    )

    assert set().union(*map(ids, walk(listed))) == listed.ids_within(START, END)


def test_a_cursor_that_is_always_ignored_is_a_contradiction() -> None:
    listed = FakeList(list(range(1, 7)), spoil=lambda number, rows: listed.rows[:LIMIT])

    with pytest.raises(RetryableExchangeError, match="repeats"):
        walk(listed)
    assert len(listed.asked) == 3


def test_a_window_that_is_ignored_is_a_contradiction() -> None:
    listed = FakeList([1, 2, 5000], spoil=lambda number, rows: listed.rows)

    with pytest.raises(RetryableExchangeError, match="outside the window"):
        walk(listed)


def test_a_short_page_is_not_believed_to_be_the_last() -> None:
    listed = FakeList([10, 20, 30], spoil=lambda number, rows: rows[:1] if number == 1 else rows)

    assert set().union(*map(ids, walk(listed))) == listed.ids_within(START, END)


def test_a_probe_that_lacks_the_known_row_is_a_contradiction() -> None:
    listed = FakeList([10, 20, 30], spoil=lambda number, rows: rows if number == 1 else [])

    with pytest.raises(RetryableExchangeError, match="k0 is missing"):
        walk(listed)
    assert len(listed.asked) == 3


def test_a_probe_asks_from_the_start_to_the_oldest_row() -> None:
    listed = FakeList([10, 20, 30])

    walk(listed)

    assert listed.asked == [(START - 1, END + 1, None), (START - 1, 11, None)]


def test_a_row_beside_the_window_does_not_make_a_cut_answer_whole() -> None:
    listed = FakeList([0, END + 1], spoil=lambda number, rows: rows[:1] if number == 1 else rows)

    assert set().union(*map(ids, walk(listed))) == {0}


def test_an_empty_answer_is_asked_for_twice() -> None:
    once = FakeList([10], spoil=lambda number, rows: [] if number == 1 else rows)
    never = FakeList([])

    assert set().union(*map(ids, walk(once))) == {0}
    assert [page.rows for page in walk(never)] == [()]
    assert len(never.asked) == 2


@settings(deadline=None)
@given(count=st.integers(0, 30))
def test_a_list_is_walked_to_its_end_with_each_row_once(count: int) -> None:
    listed = FakeList(list(range(count)))

    rows = walk_list(listed.list_after, limit=LIMIT)

    assert Counter(row["id"] for row in rows) == Counter(range(count))


def test_rows_that_appear_twice_because_the_list_moved_count_once() -> None:
    moved = FakeList(list(range(6)))
    doubled = [moved.rows[0], moved.rows[0], moved.rows[1]]

    assert len(walk_list(lambda after: doubled, limit=LIMIT)) == 2


def test_a_repeated_page_of_a_list_is_asked_again_and_then_a_contradiction() -> None:
    once = FakeList(
        list(range(6)), spoil=lambda number, rows: once.rows[:LIMIT] if number == 2 else rows
    )
    always = FakeList(list(range(6)), spoil=lambda number, rows: always.rows[:LIMIT])

    assert len(walk_list(once.list_after, limit=LIMIT)) == 6
    with pytest.raises(RetryableExchangeError, match="repeats"):
        walk_list(always.list_after, limit=LIMIT)
    assert len(always.asked) == 3
