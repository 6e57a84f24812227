"""Walking a newest-first list by offset, where the exchange says how many rows there are.

Pure but for the function that asks. The count proves the walk: the pages must hold as many rows, no
row twice, and every page must give the same count. A page that is cut is continued behind its last
row; one that skips a row repeats another later, or the count is not reached.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from reconciliation.exchange.gateway import RetryableExchangeError
from reconciliation.exchange.paging import Listed, WindowPage


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPage:
    """Rows, newest first, behind an offset, and how many the whole list has."""

    rows: list[Listed]
    count: int


class AskOffset(Protocol):
    """Ask for the rows of a window behind the newest `offset` ones."""

    def __call__(self, *, begin_ms: int, end_ms: int, offset: int) -> CountedPage: ...


def walk_by_offset(
    ask: AskOffset, *, start_ms: int, end_ms: int, margin_ms: int
) -> Iterator[WindowPage]:
    """Yield a window's pages, newest first; what was yielded stays proven if the walk then fails.

    `margin_ms` is how much more is asked for on either side, for an exchange that counts in other
    units. Raises `RetryableExchangeError` where answers contradict each other.
    """
    seen: dict[str, Listed] = {}
    upper_ms = end_ms
    count: int | None = None
    oldest_ms: int | None = None
    while count is None or len(seen) < count:
        page = ask(begin_ms=start_ms - margin_ms, end_ms=end_ms + margin_ms, offset=len(seen))
        if count not in (None, page.count):
            raise _contradiction(f"it counted {count} rows, and now {page.count}")
        count = page.count
        repeated = next((each.key for each in page.rows if each.key in seen), None)
        if repeated is not None:
            raise _contradiction(f"a page repeats {repeated} of a page before")
        if not page.rows and len(seen) < count:
            raise _contradiction(f"it counts {count} rows and shows {len(seen)}")
        rows = sorted(page.rows, key=lambda each: each.time_ms, reverse=True)
        if rows and oldest_ms is not None and rows[0].time_ms > oldest_ms:
            raise _contradiction(f"{rows[0].key} is newer than the page before it")
        seen |= {each.key: each for each in rows}
        oldest_ms = rows[-1].time_ms if rows else oldest_ms
        if oldest_ms is not None and len(seen) < count and start_ms <= oldest_ms < upper_ms - 1:
            yield _page(seen, oldest_ms + 1, upper_ms)
            upper_ms = oldest_ms + 1
    if len(seen) > count:
        raise _contradiction(f"it counts {count} rows and shows {len(seen)}")
    yield _page(seen, start_ms, upper_ms)


def _page(seen: dict[str, Listed], start_ms: int, end_ms: int) -> WindowPage:
    return WindowPage(
        rows=tuple(each.row for each in seen.values() if start_ms <= each.time_ms <= end_ms),
        start_ms=start_ms,
        end_ms=end_ms,
    )


def _contradiction(problem: str) -> RetryableExchangeError:
    return RetryableExchangeError(f"the exchange's answers contradict each other: {problem}")
