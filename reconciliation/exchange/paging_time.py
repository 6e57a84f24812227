"""Walking a newest-first list whose cursor is a page's and not a row's: by time, with an overlap.

Pure but for the function that asks. A page that has another behind it is left by its oldest
millisecond, which is asked for again: the next answer must hold every row of that millisecond that
is known, so an answer that skips shows. The cursor is followed only where all rows of a page are of
one millisecond. A list that ends proves nothing, since a page can come back cut or empty: it is
asked for once more, up to the oldest row seen, and must hold that row and nothing unseen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from reconciliation.exchange.gateway import RetryableExchangeError
from reconciliation.exchange.paging import Listed, WindowPage


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorPage:
    """Rows, newest first, and the cursor of the page behind them; None: there is none."""

    rows: list[Listed]
    cursor: str | None


class AskCursor(Protocol):
    """Ask for the newest rows of a window, both ends inclusive, or for the page of a cursor."""

    def __call__(self, *, begin_ms: int, end_ms: int, cursor: str | None) -> CursorPage: ...


def walk_by_time(ask: AskCursor, *, start_ms: int, end_ms: int) -> Iterator[WindowPage]:
    """Yield a window's pages, newest first; what was yielded stays proven if the walk then fails.

    Raises `RetryableExchangeError` where answers contradict each other, and whatever `ask` raises.
    """
    return _TimeWalk(ask, start_ms, end_ms).pages()


def walk_cursors(ask: AskCursor, *, begin_ms: int = 0, end_ms: int = 0) -> list[Listed]:
    """Return the rows of a list without a window, each once, to the page without a cursor.

    Raises `RetryableExchangeError` where a cursor leads back to a page that was read.
    """
    seen: dict[str, Listed] = {}
    cursor: str | None = None
    while True:
        page = ask(begin_ms=begin_ms, end_ms=end_ms, cursor=cursor)
        new = [each for each in page.rows if each.key not in seen]
        seen |= {each.key: each for each in new}
        # Some lists have a cursor on their last page, too, with nothing behind it.
        if page.cursor is None or not page.rows:
            return list(seen.values())
        if not new or page.cursor == cursor:
            raise RetryableExchangeError(
                "the exchange's answers contradict each other: the page behind a cursor repeats "
                "what stands before it"
            )
        cursor = page.cursor


class _TimeWalk:
    """The state of one walk: `held` is what was seen and is not yet behind a proven page."""

    def __init__(self, ask: AskCursor, start_ms: int, end_ms: int) -> None:
        self._ask = ask
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._upper_ms = end_ms
        self._page_end_ms = end_ms
        self._is_cut = False
        self._held: dict[str, Listed] = {}

    def pages(self) -> Iterator[WindowPage]:
        asked_again = ended_before = False
        while True:
            new, is_last = self._request(self._upper_ms)
            if self._held:
                oldest_ms = min(each.time_ms for each in self._held.values())
                if not is_last and oldest_ms < self._page_end_ms - 1:
                    yield self._cut(oldest_ms)
                # The first answer that ends the list may be cut, also behind a whole page; one that
                # goes on without anything new has reached what is before the window.
                if not new and (ended_before or not is_last):
                    break
                ended_before = is_last
                self._upper_ms = oldest_ms
            elif asked_again:
                break
            else:
                # One answer without rows is not told from a fault, and a second one costs little.
                asked_again = True
        yield self._page(self._start_ms)

    def _request(self, upper_ms: int) -> tuple[bool, bool]:
        """Ask for all up to a millisecond; return whether something was new, and if it was all."""
        # A millisecond more on either side: whether an exchange counts the ends in is not promised.
        begin_ms, end_ms = self._start_ms - 1, upper_ms + 1
        found: dict[str, Listed] = {}
        cursor: str | None = None
        while True:
            page = self._ask(begin_ms=begin_ms, end_ms=end_ms, cursor=cursor)
            if any(not begin_ms <= each.time_ms <= end_ms for each in page.rows):
                raise self._contradiction("rows outside the window that was asked for")
            progress = any(each.key not in found for each in page.rows)
            found |= {each.key: each for each in page.rows}
            is_last = page.cursor is None or not page.rows
            if is_last or any(each.time_ms < upper_ms for each in page.rows):
                break
            if not progress or page.cursor == cursor:
                raise self._contradiction("the page behind a cursor repeats the one before it")
            cursor = page.cursor
        missing = [
            key for key, each in self._held.items() if each.time_ms == upper_ms and key not in found
        ]
        if missing:
            raise self._contradiction(f"{missing[0]} was shown before and is missing")
        unseen = [each for key, each in found.items() if key not in self._held]
        late = [each.key for each in unseen if self._is_cut and each.time_ms == self._page_end_ms]
        if late:
            raise self._contradiction(f"{late[0]} was not shown before and is of a proven page")
        last_ms = self._page_end_ms - 1 if self._is_cut else self._end_ms
        new = {each.key: each for each in unseen if self._start_ms <= each.time_ms <= last_ms}
        self._held |= new
        return bool(new), is_last

    def _cut(self, oldest_ms: int) -> WindowPage:
        page = self._page(oldest_ms + 1)
        self._page_end_ms = oldest_ms + 1
        self._is_cut = True
        self._held = {
            key: each for key, each in self._held.items() if each.time_ms <= oldest_ms + 1
        }
        return page

    def _page(self, start_ms: int) -> WindowPage:
        rows = [each for each in self._held.values() if each.time_ms >= start_ms]
        rows.sort(key=lambda each: each.time_ms, reverse=True)
        return WindowPage(
            rows=tuple(each.row for each in rows),
            start_ms=start_ms,
            end_ms=self._page_end_ms,
        )

    @staticmethod
    def _contradiction(problem: str) -> RetryableExchangeError:
        return RetryableExchangeError(f"the exchange's answers contradict each other: {problem}")
