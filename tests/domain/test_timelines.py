"""The life of a trade: one order, running quantities that add up, gaps where nothing is known."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.timelines import (
    Booking,
    Held,
    Mark,
    exchange_line,
    in_order,
    newest,
    own_line,
    run_up,
)
from reconciliation.enums import Direction, HistoryKind, TimelineSource
from tests.builders import NOW

ENTRY, EXIT, REVERSAL = HistoryKind.ENTRY, HistoryKind.EXIT, HistoryKind.REVERSAL
MINUTE = timedelta(minutes=1)

moments = st.integers(0, 50).map(lambda minutes: NOW + minutes * MINUTE)
quantities = st.integers(1, 10**6).map(lambda units: Decimal(units) / 10**4)
marks = st.lists(
    st.builds(Mark, at=moments, source=st.sampled_from(TimelineSource), row_id=st.integers(1, 40)),
    unique_by=lambda mark: mark.place,
)


@st.composite
def histories(draw: st.DrawFn) -> list[Booking]:
    """Return entries and exits, some of them taken back."""
    rows: list[Booking] = []
    for number, quantity in enumerate(draw(st.lists(quantities, max_size=12)), start=1):
        kind = draw(st.sampled_from([ENTRY, EXIT]))
        rows.append(Booking(row_id=number, at=draw(moments), kind=kind, quantity=quantity))
    for row in list(rows):
        if draw(st.booleans()):
            rows.append(
                Booking(
                    row_id=100 + row.row_id,
                    at=row.at + MINUTE,
                    kind=REVERSAL,
                    quantity=row.quantity,
                    reverses=row.kind,
                )
            )
    return rows


@given(marks, st.randoms())
def test_the_order_of_what_comes_in_does_not_matter(given_marks: list[Mark], random: Random):
    shuffled = list(given_marks)
    random.shuffle(shuffled)
    assert in_order(shuffled) == in_order(given_marks)
    times = [mark.at for mark in in_order(given_marks)]
    assert times == sorted(times)


@given(marks, st.integers(1, 7))
def test_pages_have_no_moment_twice_and_leave_none_out(given_marks: list[Mark], limit: int):
    pages: list[Mark] = []
    rest = list(given_marks)
    more = True
    while more:
        page, more = newest(rest, limit=limit)
        pages = [*page, *pages]
        rest = [mark for mark in rest if page and mark.place < page[0].place]
    assert tuple(pages) == in_order(given_marks)


@given(histories(), st.sampled_from(Direction), st.randoms())
def test_what_is_open_after_the_last_row_is_the_sum_of_all(
    rows: list[Booking], direction: Direction, random: Random
):
    entered = sum((row.quantity for row in rows if row.kind == ENTRY), Decimal(0))
    exited = sum((row.quantity for row in rows if row.kind == EXIT), Decimal(0))
    for row in rows:
        entered -= row.quantity if row.reverses == ENTRY else 0
        exited -= row.quantity if row.reverses == EXIT else 0
    sign = -1 if direction == Direction.SHORT else 1
    shuffled = list(rows)
    random.shuffle(shuffled)
    opened = run_up(shuffled, direction)
    assert (opened[-1].quantity if opened else Decimal(0)) == sign * (entered - exited)
    assert opened == run_up(rows, direction)
    assert len(opened) == len(rows)


@given(st.lists(st.tuples(moments, st.none() | quantities), max_size=15))
def test_a_line_shows_nothing_where_nothing_is_known(
    read: list[tuple[datetime, Decimal | None]],
):
    readings = [
        Held(row_id=number, at=at, quantity=quantity) for number, (at, quantity) in enumerate(read)
    ]
    until = NOW + 60 * MINUTE
    stretches = exchange_line(readings, holds_for=3 * MINUTE, until=until)
    drawn = [point for stretch in stretches for point in stretch.points]
    assert sorted(drawn) == sorted((r.at, r.quantity) for r in readings if r.quantity is not None)
    for reading in readings:
        if reading.quantity is None:
            for stretch in stretches:
                inside = stretch.points[0][0] < reading.at < stretch.until
                assert not inside
    for earlier, later in pairwise(stretches):
        assert earlier.until <= later.points[0][0]


def held(minute: float, quantity: str | None) -> Held:
    at = NOW + minute * MINUTE
    return Held(row_id=int(minute), at=at, quantity=None if quantity is None else Decimal(quantity))


def test_an_unknown_reading_is_a_gap_and_never_a_zero():
    line = exchange_line(
        [held(0, "1"), held(1, None), held(2, "1")], holds_for=3 * MINUTE, until=NOW + 3 * MINUTE
    )
    assert [(stretch.points, stretch.until) for stretch in line] == [
        (((NOW, Decimal(1)),), NOW + MINUTE),
        (((NOW + 2 * MINUTE, Decimal(1)),), NOW + 3 * MINUTE),
    ]


def test_a_reading_is_not_believed_for_longer_than_it_holds():
    line = exchange_line(
        [held(0, "1"), held(10, "0")], holds_for=3 * MINUTE, until=NOW + 30 * MINUTE
    )
    assert [stretch.until for stretch in line] == [NOW + 3 * MINUTE, NOW + 13 * MINUTE]


def test_a_trade_without_history_has_no_line():
    assert own_line((), until=NOW) == ()


def test_a_reversed_exit_is_open_again():
    rows = [
        Booking(row_id=1, at=NOW, kind=ENTRY, quantity=Decimal("0.5")),
        Booking(row_id=2, at=NOW + MINUTE, kind=EXIT, quantity=Decimal("0.5")),
        Booking(
            row_id=3, at=NOW + 2 * MINUTE, kind=REVERSAL, quantity=Decimal("0.5"), reverses=EXIT
        ),
    ]
    assert [str(each.quantity) for each in run_up(rows, Direction.LONG)] == ["0.5", "0.0", "0.5"]
    assert [str(each.quantity) for each in run_up(rows, Direction.SHORT)] == ["-0.5", "0.0", "-0.5"]
