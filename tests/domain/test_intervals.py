"""Known intervals, held to an oracle that counts every millisecond by itself."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.intervals import TICK, Interval, covers, gaps, merge
from tests.domain.builders import NOW

MAX = 30


def at(tick: int) -> datetime:
    return NOW + tick * TICK


def interval(start: int, end: int) -> Interval:
    return at(start), at(end)


def moments(*intervals: Interval) -> set[int]:
    return {
        tick for tick in range(-2, MAX + 3) for start, end in intervals if start <= at(tick) <= end
    }


intervals = st.tuples(st.integers(0, MAX), st.integers(0, MAX)).map(
    lambda ends: interval(min(ends), max(ends))
)
many = st.lists(intervals, max_size=6)


@given(many)
def test_merging_keeps_the_same_moments(known):
    assert moments(*merge(known)) == moments(*known)


@given(many)
def test_merged_intervals_are_in_order_and_at_least_two_ticks_apart(known):
    merged = merge(known)
    assert all(start <= end for start, end in merged)
    assert all(before[1] + TICK < after[0] for before, after in pairwise(merged))


@given(many, st.randoms())
def test_merging_again_or_in_another_order_changes_nothing(known, random):
    shuffled = [*known, *known]
    random.shuffle(shuffled)
    assert merge(merge(known)) == merge(shuffled) == merge(known)


@given(intervals, many)
def test_what_is_known_and_the_gaps_make_the_window_whole(window, known):
    missing = gaps(window, known)
    inside = moments(window)
    assert moments(*missing) <= inside
    assert moments(*known, *missing) >= inside


@given(intervals, many)
def test_the_inside_of_a_gap_is_known_to_nobody(window, known):
    for start, end in gaps(window, known):
        # A gap shares its ends with what is known around it, so that nothing between is missed.
        inner = moments((start + TICK, end - TICK))
        assert not inner & moments(*known)


@given(intervals, many)
def test_a_window_is_covered_when_each_of_its_moments_is_known(window, known):
    assert covers(window, known) == (moments(window) <= moments(*known))


@given(intervals, many)
def test_reading_the_gaps_covers_the_window(window, known):
    assert covers(window, [*known, *gaps(window, known)])


def test_intervals_one_tick_apart_are_one():
    assert merge([interval(0, 4), interval(5, 9)]) == (interval(0, 9),)
    assert merge([interval(0, 4), interval(6, 9)]) == (interval(0, 4), interval(6, 9))


def test_less_than_a_tick_between_two_intervals_is_nothing():
    half = timedelta(microseconds=500)
    assert merge([(at(0), at(4)), (at(4) + half, at(9))]) == (interval(0, 9),)


def test_nothing_known_leaves_the_whole_window():
    assert gaps(interval(0, 9), []) == (interval(0, 9),)
    assert not covers(interval(0, 9), [])


def test_a_single_moment_is_known_only_if_something_covers_it():
    assert not covers(interval(5, 5), [interval(0, 4)])
    assert covers(interval(5, 5), [interval(0, 5)])


def test_a_hole_in_the_middle_is_one_gap():
    assert gaps(interval(0, 9), [interval(7, 20), interval(-5, 3)]) == (interval(3, 7),)
