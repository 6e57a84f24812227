from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from reconciliation.exchange.paper.answers import OkxError
from reconciliation.exchange.paper.paging import Listing, PageRequest, parse_page, to_ms
from tests.exchange.paper.builders import NOW


@dataclass(frozen=True)
class Row:
    row_id: str
    at: datetime


def listing(*rows: tuple[str, int]) -> Listing[Row]:
    """Build a list of (id, seconds after NOW)."""
    return Listing(
        [Row(row_id, NOW + timedelta(seconds=seconds)) for row_id, seconds in rows],
        id_of=lambda row: row.row_id,
        time_of=lambda row: row.at,
    )


def ids(rows: Listing[Row], request: PageRequest, hidden: tuple[str, ...] = ()) -> list[str]:
    page = rows.page(request, lambda row: row.row_id not in hidden)
    return [row.row_id for row in page.rows]


def test_rows_come_newest_first_and_by_number_within_a_millisecond() -> None:
    rows = listing(("9", 0), ("10", 0), ("8", 5))
    assert ids(rows, PageRequest()) == ["8", "10", "9"]


def test_rows_without_numbers_keep_their_order_within_a_millisecond() -> None:
    rows = listing(("b", 0), ("a", 0), ("c", 5))
    assert ids(rows, PageRequest()) == ["c", "a", "b"]


def test_a_cursor_means_a_place_also_where_ids_do_not_follow_time() -> None:
    rows = listing(("3", 3), ("1", 2), ("2", 1))
    assert ids(rows, PageRequest(after="1")) == ["2"]
    assert ids(rows, PageRequest(before="1")) == ["3"]
    assert ids(rows, PageRequest(after="3", before="2")) == ["1"]


def test_a_cursor_whose_row_is_filtered_out_still_marks_its_place() -> None:
    rows = listing(("3", 3), ("2", 2), ("1", 1))
    assert ids(rows, PageRequest(after="2"), hidden=("2",)) == ["1"]


def test_a_number_that_is_no_row_is_compared_as_a_number() -> None:
    rows = listing(("9001", 1), ("10001", 2))
    assert ids(rows, PageRequest(after="9500")) == ["9001"]
    assert ids(rows, PageRequest(before="9500")) == ["10001"]


@pytest.mark.parametrize("cursor", ["x", "7"])
def test_a_cursor_that_means_nothing_is_refused(cursor: str) -> None:
    with pytest.raises(OkxError) as refused:
        ids(listing(("a", 0)), PageRequest(after=cursor))
    assert refused.value.code == "51000"


def test_begin_and_end_take_in_their_own_millisecond() -> None:
    rows = listing(("3", 3), ("2", 2), ("1", 1), ("0", 0))
    begin, end = to_ms(NOW) + 1000, to_ms(NOW) + 2000
    assert ids(rows, PageRequest(begin_ms=begin, end_ms=end)) == ["2", "1"]


def test_a_page_says_whether_more_stands_behind_it() -> None:
    rows = listing(("3", 3), ("2", 2), ("1", 1))
    assert rows.page(PageRequest(limit=2), lambda row: True).has_more
    assert not rows.page(PageRequest(limit=3), lambda row: True).has_more
    assert not rows.page(PageRequest(limit=2), lambda row: row.row_id != "1").has_more


@pytest.mark.parametrize(("asked", "given"), [(None, 100), ("5", 5), ("100", 100), ("500", 100)])
def test_a_page_has_at_most_a_hundred_rows(asked: str | None, given: int) -> None:
    assert parse_page({} if asked is None else {"limit": asked}).limit == given


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "ten"}, {"begin": "1.5"}])
def test_a_malformed_paging_parameter_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(OkxError) as refused:
        parse_page(query)
    assert refused.value.code == "51000"


def test_milliseconds_are_exact() -> None:
    assert to_ms(NOW + timedelta(microseconds=123_999)) == 1767614400123
