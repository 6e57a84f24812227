"""When a waiting thing is overdue."""

from datetime import UTC, datetime, timedelta

from reconciliation.domain.due import DUE_AFTER, due_at, is_overdue, opened_before_is_overdue

OPENED = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def test_a_thing_is_due_the_same_time_after_it_was_opened() -> None:
    assert due_at(OPENED) == OPENED + DUE_AFTER


def test_a_thing_is_overdue_only_after_the_moment_it_was_due() -> None:
    due = due_at(OPENED)

    assert not is_overdue(OPENED, due)
    assert is_overdue(OPENED, due + timedelta(microseconds=1))


def test_a_querys_bound_says_the_same_as_the_rule() -> None:
    for late in (timedelta(0), timedelta(microseconds=1)):
        now = due_at(OPENED) + late
        assert is_overdue(OPENED, now) == (opened_before_is_overdue(now) > OPENED)
