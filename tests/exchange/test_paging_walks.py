"""Windows by rising ids, by a page's cursor and by offset: every row once, or an error.

Whatever an exchange answers, a walk may fail; it must never leave a row out and call that a window.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.exchange.gateway import RetryableExchangeError
from reconciliation.exchange.paging import Listed, WindowPage
from reconciliation.exchange.paging_ids import read_by_ids
from reconciliation.exchange.paging_offset import CountedPage, walk_by_offset
from reconciliation.exchange.paging_time import CursorPage, walk_by_time

START, END, LIMIT = 100, 130, 3
Times = st.lists(st.integers(START - 5, END + 5), max_size=14).map(sorted)


def row(number: int, time_ms: int) -> Listed:
    return Listed(key=f"fill{number}", cursor=str(number), time_ms=time_ms, row={"id": number})


@dataclass
class Account:
    """Fills oldest first; `spoil` may change the answer to request number n, counted from 0."""

    rows: list[Listed]
    limit: int = LIMIT
    newest_of_a_window: bool = False
    spoil: Callable[[int, list[Listed]], list[Listed]] = lambda _, rows: rows
    requests: int = 0

    def window(self, begin_ms: int, end_ms: int) -> list[Listed]:
        return [each for each in self.rows if begin_ms <= each.time_ms <= end_ms]

    def answer(self, rows: list[Listed]) -> list[Listed]:
        answered = self.spoil(self.requests, rows)
        self.requests += 1
        return answered

    def by_ids(
        self, *, begin_ms: int | None, end_ms: int | None, from_id: str | None
    ) -> list[Listed]:
        if from_id is not None:
            behind = [each for each in self.rows if int(each.cursor) >= int(from_id)]
            return self.answer(behind[: self.limit])
        assert begin_ms is not None
        assert end_ms is not None
        rows = self.window(begin_ms, end_ms)
        shown = rows[-self.limit :] if self.newest_of_a_window else rows[: self.limit]
        return self.answer(shown)

    def by_cursor(self, *, begin_ms: int, end_ms: int, cursor: str | None) -> CursorPage:
        rows, first = self.window(begin_ms, end_ms)[::-1], int(cursor or 0)
        shown = self.answer(rows[first : first + self.limit])
        behind = first + self.limit
        is_cut = len(shown) < len(rows[first:behind])
        return CursorPage(
            rows=shown, cursor=str(behind) if behind < len(rows) and not is_cut else None
        )

    def by_offset(self, *, begin_ms: int, end_ms: int, offset: int) -> CountedPage:
        rows = self.window(begin_ms, end_ms)[::-1]
        return CountedPage(rows=self.answer(rows[offset : offset + self.limit]), count=len(rows))


def account(times: list[int], **options: object) -> Account:
    return Account([row(number, time) for number, time in enumerate(times, 8)], **options)  # type: ignore[arg-type]


def ids_of(pages: list[WindowPage]) -> list[int]:
    """Return the ids of the pages' rows, having checked that the pages join and hold their own."""
    assert (pages[0].end_ms, pages[-1].start_ms) == (END, START)
    for newer, older in pairwise(pages):
        assert newer.start_ms == older.end_ms
    return sorted({each["id"] for page in pages for each in page.rows})  # type: ignore[index]


def by_ids(asked: Account) -> list[int]:
    found = read_by_ids(asked.by_ids, start_ms=START, end_ms=END, limit=asked.limit)
    return sorted(int(each.cursor) for each in found)


def by_cursor(asked: Account) -> list[int]:
    return ids_of(list(walk_by_time(asked.by_cursor, start_ms=START, end_ms=END)))


def by_offset(asked: Account) -> list[int]:
    return ids_of(list(walk_by_offset(asked.by_offset, start_ms=START, end_ms=END, margin_ms=2)))


WALKS = pytest.mark.parametrize("walk", [by_ids, by_cursor, by_offset])


def wanted(asked: Account) -> list[int]:
    return [int(each.cursor) for each in asked.window(START, END)]


@WALKS
@given(times=Times, newest=st.booleans())
def test_a_walk_holds_every_row_of_the_window_and_nothing_else(
    walk: Callable[[Account], list[int]], times: list[int], newest: bool
) -> None:
    # Shown the end of a window, more of one moment than a page holds cannot be told from less.
    asked = account(sorted(set(times)) if newest else times, newest_of_a_window=newest)
    assert walk(asked) == wanted(asked)


@WALKS
@given(times=Times, spoilt=st.integers(0, 6), kept=st.integers(0, 2))
def test_an_answer_that_is_cut_once_hides_nothing(
    walk: Callable[[Account], list[int]], times: list[int], spoilt: int, kept: int
) -> None:
    asked = account(times, spoil=lambda number, rows: rows[:kept] if number == spoilt else rows)
    try:
        found = walk(asked)
    except RetryableExchangeError:
        return
    assert found == wanted(asked)


def test_a_row_that_turns_up_on_a_proven_page_is_a_contradiction() -> None:
    # Asked again for the millisecond above, it shows what it did not show with it.
    late = row(99, 111)
    asked = account([105, 110, 120, 121])
    asked.spoil = lambda number, rows: [late, *rows][:LIMIT] if number == 1 else rows
    with pytest.raises(RetryableExchangeError, match=r"fill99 .* proven page"):
        by_cursor(asked)


def test_a_list_that_shows_more_than_it_counts_is_a_contradiction() -> None:
    asked = account([110, 111])
    asked.spoil = lambda _, rows: [*rows, row(99, 105)]
    with pytest.raises(RetryableExchangeError, match="counts 2 rows and shows 3"):
        by_offset(asked)


def test_a_page_that_is_newer_than_the_one_before_it_is_a_contradiction() -> None:
    asked = account([110, 111, 112, 113])
    asked.spoil = lambda number, rows: [row(99, 129)] if number == 1 else rows
    with pytest.raises(RetryableExchangeError, match="fill99 is newer than the page before it"):
        by_offset(asked)
