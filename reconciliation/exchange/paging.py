"""Walking an exchange's newest-first lists to their end, and proving that nothing was missed.

Pure but for the function that asks. Two walks:

* `walk_window`, for fills. A full page is left by the cursor of its last row but one, so that the
  next page must begin with the row that is known: a cursor that skips or is ignored shows. A page
  that is not full proves nothing, since a page can come back cut or empty: the window is asked for
  once more, from its start to the oldest row seen. That answer must hold that row and nothing
  unseen; what is unseen is walked from there. A page proves its interval from one millisecond after
  its oldest row on, because more rows of that millisecond may stand on the next page.
* `walk_list`, for open orders, which have no window and change while they are walked: by cursor to
  a page that is not full. What such a list does not show, a look-up decides.

An answer that contradicts what is known is asked for again, once; then it is an error.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from reconciliation.exchange.fields import Row
from reconciliation.exchange.gateway import RetryableExchangeError

PAGE_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A row with what a walk must know of it: identity, cursor, time in milliseconds."""

    key: str
    cursor: str
    time_ms: int
    row: Row


Check = Callable[[list[Listed]], str | None]


class AskWindow(Protocol):
    """Ask for the newest rows of a window, both ends inclusive, that stand behind a cursor."""

    def __call__(
        self, *, begin_ms: int | None, end_ms: int | None, after: str | None
    ) -> list[Listed]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPage:
    """Rows, newest first, that are all there are from `start_ms` to `end_ms`, both inclusive.

    None is the open end of a walk that was not given one. A page starts where the one before it
    ends, so a row of that very millisecond is in both.
    """

    rows: tuple[Row, ...]
    start_ms: int | None
    end_ms: int | None


def walk_window(
    ask: AskWindow, *, start_ms: int | None, end_ms: int | None, limit: int = PAGE_LIMIT
) -> Iterator[WindowPage]:
    """Yield a window's pages, newest first; what was yielded stays proven if the walk then fails.

    Raises `RetryableExchangeError` where answers contradict each other twice, and whatever `ask`
    raises. The number of pages is bounded by the caller's budget, not by a count.
    """
    return _WindowWalk(ask, start_ms, end_ms, limit).pages()


def walk_list(ask: Callable[[str | None], list[Listed]], *, limit: int = PAGE_LIMIT) -> list[Row]:
    """Return the rows of a list that is walked by cursor, each once.

    Raises `RetryableExchangeError` where a page repeats rows twice, and whatever `ask` raises.
    """
    seen: dict[str, Row] = {}

    def check(rows: list[Listed]) -> str | None:
        repeated = next((each.key for each in rows if each.key in seen), None)
        return None if repeated is None else f"a page repeats {repeated} of a page before"

    after: str | None = None
    while True:
        rows = _ask_twice(functools.partial(ask, after), check)
        seen |= {each.key: each.row for each in rows}
        if len(rows) < limit:
            return list(seen.values())
        after = rows[-1].cursor


def _ask_twice(ask: Callable[[], list[Listed]], check: Check) -> list[Listed]:
    problem: str | None = None
    for _ in range(2):
        rows = ask()
        problem = check(rows)
        if problem is None:
            return rows
    raise RetryableExchangeError(f"the exchange's answers contradict each other: {problem}")


class _WindowWalk:
    """The state of one walk: what was seen, and what of it is not yet in a page."""

    def __init__(
        self, ask: AskWindow, start_ms: int | None, end_ms: int | None, limit: int
    ) -> None:
        self._ask = ask
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._limit = limit
        self._seen: set[str] = set()
        self._oldest: Listed | None = None
        self._asked_again = False
        self._held: list[Listed] = []
        self._upper_ms = end_ms
        self._upper_rows: list[Listed] = []

    def pages(self) -> Iterator[WindowPage]:
        rows: list[Listed] | None = self._request(after=None)
        while rows is not None:
            self._absorb(rows)
            if len(rows) < self._limit:
                rows = self._probe()
                continue
            page = self._cut()
            if page is not None:
                yield page
            rows = self._next_page(rows)
        yield self._page(self._held, start_ms=self._start_ms)

    def _request(
        self, *, after: str | None, up_to_ms: int | None = None, check: Check | None = None
    ) -> list[Listed]:
        # A millisecond more on either side: whether an exchange counts the ends in is not promised.
        begin = None if self._start_ms is None else self._start_ms - 1
        last = self._end_ms if up_to_ms is None else up_to_ms
        end = None if last is None else last + 1

        def check_all(rows: list[Listed]) -> str | None:
            if any(
                (begin is not None and each.time_ms < begin)
                or (end is not None and each.time_ms > end)
                for each in rows
            ):
                return "rows outside the window that was asked for"
            return None if check is None else check(rows)

        return _ask_twice(lambda: self._ask(begin_ms=begin, end_ms=end, after=after), check_all)

    def _is_unseen(self, each: Listed) -> bool:
        return (
            each.key not in self._seen
            and (self._start_ms is None or each.time_ms >= self._start_ms)
            and (self._end_ms is None or each.time_ms <= self._end_ms)
        )

    def _absorb(self, rows: list[Listed]) -> None:
        for each in rows:
            if not self._is_unseen(each):
                continue
            self._seen.add(each.key)
            self._held.append(each)
            # Of several in the oldest millisecond, the last one read is the oldest.
            if self._oldest is None or each.time_ms <= self._oldest.time_ms:
                self._oldest = each

    def _next_page(self, rows: list[Listed]) -> list[Listed]:
        """Ask for what stands behind a full page, from its last row on."""
        last = rows[-1]
        cursors = (each.cursor for each in reversed(rows))
        anchor = next((cursor for cursor in cursors if cursor != last.cursor), None)

        def check(answer: list[Listed]) -> str | None:
            found = [each.key for each in answer]
            if anchor is not None and last.key not in found:
                return f"the page after {anchor} does not hold {last.key}, which follows it"
            repeated = next((key for key in found if key in self._seen and key != last.key), None)
            return None if repeated is None else f"the page after {anchor} repeats {repeated}"

        return self._request(after=last.cursor if anchor is None else anchor, check=check)

    def _probe(self) -> list[Listed] | None:
        """Ask for [start, oldest row seen]; return a page with something unseen, or None.

        Where nothing was seen, the whole window is asked for once more: one answer without rows is
        not told from a fault, and a second one costs little.
        """
        oldest = self._oldest
        if oldest is None:
            if self._asked_again:
                return None
            self._asked_again = True
            return self._request(after=None)
        after, found = None, False
        while True:
            check = None if found else self._check_that_it_holds(oldest)
            rows = self._request(after=after, up_to_ms=oldest.time_ms, check=check)
            if any(map(self._is_unseen, rows)):
                return rows
            found = found or any(each.key == oldest.key for each in rows)
            if len(rows) < self._limit:
                return None
            after = rows[-1].cursor

    def _check_that_it_holds(self, known: Listed) -> Check:
        def check(rows: list[Listed]) -> str | None:
            # Behind a full page the known row may still come.
            if len(rows) >= self._limit or any(map(self._is_unseen, rows)):
                return None
            if any(each.key == known.key for each in rows):
                return None
            return f"{known.key} is missing from a window that reaches up to it"

        return check

    def _cut(self) -> WindowPage | None:
        """Take what is proven by a full page: all that is newer than its oldest millisecond."""
        oldest_ms = min((each.time_ms for each in self._held), default=None)
        if oldest_ms is None:
            return None
        proven = [each for each in self._held if each.time_ms > oldest_ms]
        if not proven:
            return None
        page = self._page(proven, start_ms=oldest_ms + 1)
        self._held = [each for each in self._held if each.time_ms == oldest_ms]
        self._upper_ms = oldest_ms + 1
        self._upper_rows = [each for each in proven if each.time_ms == oldest_ms + 1]
        return page

    def _page(self, rows: list[Listed], *, start_ms: int | None) -> WindowPage:
        ordered = sorted((*self._upper_rows, *rows), key=lambda each: each.time_ms, reverse=True)
        return WindowPage(
            rows=tuple(each.row for each in ordered), start_ms=start_ms, end_ms=self._upper_ms
        )
