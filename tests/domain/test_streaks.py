"""How often in a row a position was found alike."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.streaks import NEW, Streak, count_sighting, must_judge
from reconciliation.enums import ParityKind
from tests.domain.builders import NOW

MINUTE = timedelta(minutes=1)
GHOST, CLEAN = ParityKind.GHOST_POSITION, ParityKind.CLEAN
FRESH, UNKNOWN = ParityKind.FRESH, ParityKind.UNKNOWN


def seen(before: Streak, kind=GHOST, *, after: float = 60, fingerprint: str = "a") -> Streak:
    """Count a sighting so many seconds after the last that counted."""
    last = before.counted_as_of or NOW
    return count_sighting(
        before,
        kind=kind,
        fingerprint=fingerprint,
        as_of=last + timedelta(seconds=after),
        interval=MINUTE,
    )


ONE = seen(NEW)


@pytest.mark.parametrize(
    ("seconds", "count"), [(29.999, 1), (30, 2), (60, 2), (180, 2), (180.001, 1)]
)
def test_a_sighting_counts_from_half_an_interval_to_three(seconds, count):
    assert seen(ONE, after=seconds).count == count


def test_one_that_came_too_soon_moves_no_clock():
    too_soon = seen(ONE, after=20)

    assert too_soon == ONE
    assert seen(too_soon, after=40).count == 2


@pytest.mark.parametrize(
    "other",
    [{"kind": CLEAN}, {"fingerprint": "b"}, {"kind": ParityKind.POSITION_MISMATCH}],
    ids=["clean", "another quantity", "another kind"],
)
def test_another_finding_starts_at_one_however_soon(other):
    assert seen(seen(ONE), after=1, **other).count == 1


@pytest.mark.parametrize("kind", [UNKNOWN, FRESH])
def test_what_was_not_judged_neither_confirms_nor_clears(kind):
    between = seen(ONE, kind)

    assert (between.kind, between.count, between.counted_as_of) == (GHOST, 1, ONE.counted_as_of)
    assert seen(between, after=120).count == 2


def test_a_gap_that_was_not_judged_is_a_gap():
    assert seen(seen(seen(ONE, UNKNOWN), UNKNOWN), after=181).count == 1


def test_a_symbol_left_alone_three_times_must_be_judged():
    busy = ONE
    for _ in range(3):
        assert not must_judge(busy)
        busy = seen(busy, FRESH)
    assert must_judge(busy)
    assert must_judge(seen(busy, UNKNOWN))
    assert not must_judge(seen(busy))
    assert not must_judge(seen(busy, CLEAN))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([GHOST, CLEAN, FRESH, UNKNOWN]),
            st.sampled_from("ab"),
            st.integers(0, 400),
        )
    )
)
def test_a_snapshot_adds_at_most_one_and_only_to_its_own_kind(sightings):
    streak, now = NEW, NOW
    for kind, fingerprint, seconds in sightings:
        now += timedelta(seconds=seconds)
        after = count_sighting(
            streak, kind=kind, fingerprint=fingerprint, as_of=now, interval=MINUTE
        )
        if kind in (FRESH, UNKNOWN):
            assert replace(after, fresh_count=0) == replace(streak, fresh_count=0)
        else:
            assert (after.kind, after.fingerprint) == (kind, fingerprint)
            assert 1 <= after.count <= streak.count + 1
        streak = after
