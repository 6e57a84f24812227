"""A prefix of actions finds the same events on every engine, through the index."""

from datetime import timedelta

import pytest
from django.db import connection

from reconciliation.domain.audit import EventDraft, system_actor
from reconciliation.domain.audit_filter import AuditFilter
from reconciliation.handlers.unit import transaction_unit
from reconciliation.selectors.audit import count_events, filtered_events, known_actions
from tests.builders import NOW, FixedClock

pytestmark = pytest.mark.django_db
# A collation of a language ignores the dot, or sorts it elsewhere than by its code.
ACTIONS = ("trade.opened", "tradex.a", "trade_b", "Trade.c", "trade.zz", "trade.é", "trader.d")


@pytest.fixture(autouse=True)
def _events() -> None:
    with transaction_unit(actor=system_actor("test"), clock=FixedClock()) as unit:
        for action in ACTIONS * 2:
            unit.record(EventDraft(action=action))


def actions(prefix: str) -> set[str]:
    return {event.action for event in filtered_events(AuditFilter(action=prefix))}


@pytest.mark.parametrize("prefix", ["trade.*", "trade*", "t*", "T*", "tradex*", "trade.z*", "no*"])
def test_a_prefix_finds_what_begins_with_it_and_nothing_else(prefix: str):
    start = prefix.removesuffix("*")
    assert actions(prefix) == {action for action in ACTIONS if action.startswith(start)}


def test_a_star_alone_asks_for_every_action():
    assert filtered_events(AuditFilter(action="*")).count() == 2 * len(ACTIONS)


def test_the_known_actions_are_found_by_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert known_actions() == sorted(ACTIONS)


def test_a_count_ends_at_its_cap_and_at_the_head():
    asked = AuditFilter(action="trade.*")
    assert count_events(asked) == 6
    assert count_events(asked, cap=2) == 3
    assert count_events(asked, up_to=len(ACTIONS)) == 3


def test_a_time_and_an_actor_narrow_it():
    assert count_events(AuditFilter(actor="test", since=NOW, until=NOW + timedelta(1))) == 14
    assert count_events(AuditFilter(until=NOW)) == 0


def test_the_known_actions_are_read_from_the_index():
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL reads so few rows without it")
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN QUERY PLAN SELECT action FROM reconciliation_auditevent"
            " WHERE action > 'a' ORDER BY action LIMIT 1"
        )
        assert "USING COVERING INDEX audit_by_action" in str(cursor.fetchall())
