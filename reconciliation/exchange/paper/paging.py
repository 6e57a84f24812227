"""Newest-first lists and the cursors that walk them.

A list is ordered by the millisecond of its rows, newest first. Rows of the same millisecond are
ordered by id, as numbers where every id of the list is a number, else by the order in which they
were put in. A cursor names a row: `after` asks for what stands behind it (older), `before` for
what stands in front of it (newer). The cursor's place is looked up among all rows, also those the
request's filters hide, so that an order which closed between two pages still marks its place. A
cursor that names no row is compared as a number, and refused where ids are not numbers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from reconciliation.exchange.paper.answers import parameter_error

Record = TypeVar("Record")

MAX_LIMIT = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """Return whole milliseconds since the epoch, in integers throughout."""
    return (moment - _EPOCH) // _MILLISECOND


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The paging parameters of one request; times are epoch milliseconds, both inclusive."""

    after: str | None = None
    before: str | None = None
    begin_ms: int | None = None
    end_ms: int | None = None
    limit: int = MAX_LIMIT


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """At most `limit` rows, and whether more rows stand behind them."""

    rows: tuple[Record, ...]
    has_more: bool


class Listing(Generic[Record]):
    """An immutable newest-first list of records with their ids and millisecond times."""

    __slots__ = ("_all_numeric", "_places", "ids", "rows", "times_ms")

    def __init__(
        self,
        records: Iterable[Record],
        *,
        id_of: Callable[[Record], str],
        time_of: Callable[[Record], datetime],
    ) -> None:
        records = list(records)
        ids = [id_of(record) for record in records]
        times = [to_ms(time_of(record)) for record in records]
        self._all_numeric = all(is_number(row_id) for row_id in ids)
        ranks = [int(row_id) for row_id in ids] if self._all_numeric else range(len(ids))
        order = sorted(range(len(ids)), key=lambda i: (times[i], ranks[i]), reverse=True)
        self.rows: tuple[Record, ...] = tuple(records[i] for i in order)
        self.ids: tuple[str, ...] = tuple(ids[i] for i in order)
        self.times_ms: tuple[int, ...] = tuple(times[i] for i in order)
        self._places = {row_id: place for place, row_id in enumerate(self.ids)}

    def page(self, request: PageRequest, keep: Callable[[Record], bool]) -> Page[Record]:
        """Return the newest rows that lie within the cursors and times and pass `keep`."""
        older_than, below = self._cursor("after", request.after)
        newer_than, above = self._cursor("before", request.before)
        first = 0 if older_than is None else older_than + 1
        end = len(self.rows) if newer_than is None else newer_than
        found: list[Record] = []
        for place in range(first, end):
            time_ms = self.times_ms[place]
            if request.begin_ms is not None and time_ms < request.begin_ms:
                break
            if request.end_ms is not None and time_ms > request.end_ms:
                continue
            if below is not None and int(self.ids[place]) >= below:
                continue
            if above is not None and int(self.ids[place]) <= above:
                continue
            if keep(self.rows[place]):
                if len(found) == request.limit:
                    return Page(tuple(found), has_more=True)
                found.append(self.rows[place])
        return Page(tuple(found), has_more=False)

    def _cursor(self, name: str, cursor: str | None) -> tuple[int | None, int | None]:
        """Return a cursor as (place of its row, None), or (None, number) where it has no row."""
        if cursor is None:
            return None, None
        place = self._places.get(cursor)
        if place is not None:
            return place, None
        if not (self._all_numeric and is_number(cursor)):
            raise parameter_error(name)
        return None, int(cursor)


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def parse_page(query: Mapping[str, str]) -> PageRequest:
    """Return the paging parameters of a query; raises `OkxError` 51000 for a malformed one."""
    limit = _whole_number(query, "limit")
    if limit is not None and limit < 1:
        raise parameter_error("limit")
    return PageRequest(
        after=query.get("after") or None,
        before=query.get("before") or None,
        begin_ms=_whole_number(query, "begin"),
        end_ms=_whole_number(query, "end"),
        limit=MAX_LIMIT if limit is None else min(limit, MAX_LIMIT),
    )


def _whole_number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if not is_number(text):
        raise parameter_error(name)
    return int(text)
