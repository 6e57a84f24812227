"""Reading the whole of a window whose rows have rising ids and are listed oldest first.

Pure but for the function that asks. A full page is left by its highest id (as a number: ids sort as
text otherwise), which the next page must begin with. A page that is not full proves nothing, since
it can come back cut or empty: what follows the newest row is asked for once more, and, where the
first page was full, what precedes the oldest one, because whether the exchange answers a window
with its beginning or its end is not promised. Each answer must hold the row that is known.
"""

from collections.abc import Callable
from typing import Protocol

from reconciliation.exchange.gateway import RetryableExchangeError
from reconciliation.exchange.paging import Listed

ID_PAGE_LIMIT = 1000


class AskIds(Protocol):
    """Ask for rows of a window, both ends inclusive; or from an id on, without a window."""

    def __call__(
        self, *, begin_ms: int | None, end_ms: int | None, from_id: str | None
    ) -> list[Listed]: ...


def read_by_ids(
    ask: AskIds, *, start_ms: int, end_ms: int, limit: int = ID_PAGE_LIMIT
) -> list[Listed]:
    """Return the rows of a window, each once, oldest first; `cursor` of a row is its id.

    Raises `RetryableExchangeError` where answers contradict each other, and whatever `ask` raises.
    """
    return _IdWalk(ask, start_ms, end_ms, limit).rows()


class _IdWalk:
    def __init__(self, ask: AskIds, start_ms: int, end_ms: int, limit: int) -> None:
        self._ask = ask
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._limit = limit
        self._seen: dict[str, Listed] = {}

    def rows(self) -> list[Listed]:
        was_full = self._window(self._start_ms, self._end_ms, None)
        if not self._seen:
            # One answer without rows is not told from a fault, and a second one costs little.
            was_full = self._window(self._start_ms, self._end_ms, None)
        self._settle(lambda: self._window(self._newest().time_ms, self._end_ms, self._newest()))
        if was_full:
            self._settle(
                lambda: self._window(self._start_ms, self._oldest().time_ms, self._oldest())
            )
        inside = [
            each for each in self._seen.values() if self._start_ms <= each.time_ms <= self._end_ms
        ]
        return sorted(inside, key=_age)

    def _settle(self, ask_again: Callable[[], object]) -> None:
        """Ask for the rest until an answer has nothing that was not seen."""
        before = 0
        while self._seen and before != len(self._seen):
            before = len(self._seen)
            ask_again()

    def _newest(self) -> Listed:
        return max(self._seen.values(), key=_age)

    def _oldest(self) -> Listed:
        return min(self._seen.values(), key=_age)

    def _window(self, begin_ms: int, end_ms: int, known: Listed | None) -> bool:
        """Read a part of the window, with the pages behind it; return whether it had any."""
        # A millisecond more on either side: whether an exchange counts the ends in is not promised.
        begin_ms, end_ms = begin_ms - 1, end_ms + 1
        rows = self._ask(begin_ms=begin_ms, end_ms=end_ms, from_id=None)
        if any(not begin_ms <= each.time_ms <= end_ms for each in rows):
            raise _contradiction("rows outside the window that was asked for")
        found = {each.key: each for each in rows}
        was_full = len(rows) >= self._limit
        while len(rows) >= self._limit:
            last = max(rows, key=_number)
            if last.time_ms > self._end_ms:
                break
            rows = self._ask(begin_ms=None, end_ms=None, from_id=last.cursor)
            if any(_number(each) < _number(last) for each in rows):
                raise _contradiction(f"the page from {last.cursor} on holds an id below it")
            if last.key not in {each.key for each in rows}:
                raise _contradiction(f"{last.key} is missing from the page that begins with it")
            if len(rows) >= self._limit and max(rows, key=_number).key == last.key:
                raise _contradiction(f"the page from {last.cursor} on repeats it and no more")
            found |= {each.key: each for each in rows}
        if known is not None and known.key not in found:
            raise _contradiction(f"{known.key} is missing from an answer that reaches it")
        self._seen |= {key: each for key, each in found.items() if each.time_ms <= self._end_ms}
        return was_full


def _number(listed: Listed) -> int:
    return int(listed.cursor)


def _age(listed: Listed) -> tuple[int, int]:
    return (listed.time_ms, _number(listed))


def _contradiction(problem: str) -> RetryableExchangeError:
    return RetryableExchangeError(f"the exchange's answers contradict each other: {problem}")
