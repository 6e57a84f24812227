"""When trading stops by itself, and what it needs to go on."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.watchdog import (
    Exposure,
    ResumeCondition,
    ResumePolicy,
    Streak,
    count_clean,
    decide_pause,
    decide_resume,
    is_clean,
)
from reconciliation.enums import PauseSource

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = ResumePolicy(enabled=True, min_pause=15 * MINUTE, clean_heartbeats=2, cooldown=30 * MINUTE)


def exposure(notional: str | None = "0", *, is_known: bool = True) -> Exposure:
    amount = None if notional is None else Decimal(notional)
    return Exposure(profile_id=1, notional_usd=amount, is_known=is_known)


def pauses(notional: str | None, *, capital: str = "50000", pct: str = "0.5") -> bool | None:
    return decide_pause(
        exposure(notional), allocated_capital_usd=Decimal(capital), max_notional_pct=Decimal(pct)
    )


def test_mismatches_above_the_ratio_pause():
    assert pauses("25000.000000000000000001") is True


def test_exactly_at_the_ratio_there_is_no_pause():
    assert pauses("25000") is False


def test_an_unknown_notional_keeps_what_is():
    assert pauses(None) is None


def test_without_capital_any_mismatch_pauses_and_none_does_not():
    assert pauses("0.01", capital="0") is True
    assert pauses("0", capital="0") is False


def test_what_is_known_pauses_also_where_something_else_was_not_compared():
    found = exposure("30000", is_known=False)
    limits = {"allocated_capital_usd": Decimal(50000), "max_notional_pct": Decimal("0.5")}
    assert decide_pause(found, **limits) is True


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**6))
def test_more_notional_never_ends_what_less_began(low: int, more: int, capital: int):
    if pauses(str(low), capital=str(capital)):
        assert pauses(str(low + more), capital=str(capital))


def resume(**values: Any) -> Any:
    return decide_resume(
        **{
            "source": PauseSource.PARITY_WATCHDOG,
            "started_at": NOW - 15 * MINUTE,
            "clean_heartbeats": 2,
            "last_auto_resume_at": NOW - 30 * MINUTE,
            "policy": POLICY,
            "now": NOW,
            **values,
        }
    )


def test_a_pause_ends_when_every_condition_is_just_met():
    found = resume()
    assert found.may
    assert [each["name"] for each in found.as_data()] == [str(name) for name in ResumeCondition]


@pytest.mark.parametrize(
    ("values", "missed", "needed", "actual"),
    [
        (
            {
                "policy": ResumePolicy(
                    enabled=False,
                    min_pause=15 * MINUTE,
                    clean_heartbeats=2,
                    cooldown=30 * MINUTE,
                )
            },
            "enabled",
            True,
            False,
        ),
        ({"source": PauseSource.OPERATOR}, "source", "PARITY_WATCHDOG", "OPERATOR"),
        (
            {"started_at": NOW - 15 * MINUTE + timedelta(milliseconds=1)},
            "paused_ms",
            900_000,
            899_999,
        ),
        ({"clean_heartbeats": 1}, "clean_heartbeats", 2, 1),
        (
            {"last_auto_resume_at": NOW - 29 * MINUTE},
            "since_auto_resume_ms",
            1_800_000,
            1_740_000,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_condition_alone_keeps_it_and_says_how_far_it_is(
    values: dict[str, Any], missed: str, needed: object, actual: object
):
    found = resume(**values)
    assert not found.may
    unmet = [each for each in found.as_data() if not each["met"]]
    assert unmet == [{"name": missed, "met": False, "needed": needed, "actual": actual}]


def test_before_the_first_auto_resume_there_is_no_cooldown():
    found = resume(last_auto_resume_at=None)
    assert found.may
    assert found.as_data()[-1]["actual"] is None


@pytest.mark.parametrize(
    ("found", "has_open_mismatch", "was_repaired", "clean"),
    [
        (exposure(), False, False, True),
        (exposure(is_known=False), False, False, False),
        (exposure(None), False, False, False),
        (exposure("0.01"), False, False, False),
        (exposure(), True, False, False),
        (exposure(), False, True, False),
    ],
)
def test_only_a_heartbeat_that_saw_everything_and_found_nothing_is_clean(
    found: Exposure, has_open_mismatch: bool, was_repaired: bool, clean: bool
):
    assert is_clean(found, has_open_mismatch=has_open_mismatch, was_repaired=was_repaired) is clean


def count(streak: Streak, *, clean: bool, after: timedelta = MINUTE) -> Streak:
    return count_clean(streak, clean=clean, as_of=NOW + after, interval=MINUTE)


def test_a_clean_heartbeat_counts_from_half_an_interval_after_the_last_one_on():
    streak = Streak(clean=1, counted_as_of=NOW)
    assert count(streak, clean=True, after=timedelta(seconds=30)).clean == 2
    assert count(streak, clean=True, after=timedelta(seconds=29)) == streak
    assert count(Streak(clean=0, counted_as_of=None), clean=True).clean == 1


def test_what_is_not_clean_ends_the_streak_also_right_after_the_last_one():
    streak = Streak(clean=7, counted_as_of=NOW)
    assert count(streak, clean=False, after=timedelta(0)).clean == 0


def test_a_gap_between_heartbeats_does_not_end_the_streak():
    assert count(Streak(clean=1, counted_as_of=NOW), clean=True, after=15 * MINUTE).clean == 2
