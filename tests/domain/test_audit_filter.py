"""Which audit events are asked for: understood or refused, never more than was asked."""

from datetime import UTC, datetime

import pytest

from reconciliation.domain.audit_filter import AuditFilter, parse_filter


def test_no_condition_asks_for_everything():
    assert parse_filter({"actor": " ", "page": "2"}) == (AuditFilter(), {})


def test_a_filter_reads_back_from_its_own_words():
    asked = AuditFilter(
        actor="olga",
        action="trade.*",
        outcome="denied",
        object_type="trade",
        object_id="7",
        profile="alpha",
        account="main",
        run=17,
        since=datetime(2026, 1, 5, 12, tzinfo=UTC),
        until=datetime(2026, 1, 6, tzinfo=UTC),
    )
    assert parse_filter(asked.as_text()) == (asked, {})


@pytest.mark.parametrize(
    "text", ["2026-01-05", "2026-01-05T00:00:00Z", "2026-01-05T02:00:00+02:00"]
)
def test_a_moment_is_utc_whatever_its_zone(text: str):
    asked, _ = parse_filter({"since": text})
    assert asked.since == datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run", "seventeen"),
        ("run", "9" * 19),
        ("since", "yesterday"),
        ("until", "2026-13-01"),
        ("since", "0001-01-01T00:00:00+14:00"),
        ("until", "9999-12-31T23:59:59-14:00"),
        ("outcome", "applyed"),
        ("action", "trade.*x"),
        ("actor", "ol*"),
    ],
)
def test_what_cannot_be_understood_is_said_with_its_name(name: str, text: str):
    _, faults = parse_filter({name: text})
    assert list(faults) == [name]
    assert text in faults[name]


@pytest.mark.parametrize("text", ["ol\x00ga", "ol\udcffga"])
def test_what_no_event_can_hold_is_said_so(text: str):
    asked, faults = parse_filter({"actor": text})
    assert asked == AuditFilter()
    assert "no text that an event can hold" in faults["actor"]


def test_an_end_before_the_beginning_is_said():
    _, faults = parse_filter({"since": "2026-01-06", "until": "2026-01-06"})
    assert "not after" in faults["until"]
