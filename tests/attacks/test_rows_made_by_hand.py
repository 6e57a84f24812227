"""What no event of the portal's could hold is called broken as well, and never stops the check."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.db import connection

from reconciliation.domain.audit import leaf_of, link
from reconciliation.management.commands import audit_verify
from reconciliation.models import AuditEvent, AuditHead
from tests.attacks import chains
from tests.attacks.test_the_chain import verify
from tests.guards import guards_lifted

pytestmark = pytest.mark.django_db
EVENTS = 4


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lift the triggers over four events; lifted, they keep a transaction open."""
    monkeypatch.setattr(audit_verify, "sync_audit_chain", lambda **told: None)
    chains.record(EVENTS)
    with guards_lifted():
        yield


def put(sequence: int, column: str, literal: str) -> None:
    """Write a literal of SQL into a column, past everything that Django would say to it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE reconciliation_auditevent SET {column} = {literal} WHERE sequence = {sequence}"
        )


@pytest.mark.parametrize("payload", ["x", "[]", "5", "null", "[" * 100_000])
def test_an_event_that_is_sealed_rightly_and_tells_nothing_was_inserted(payload: str):
    row = AuditEvent.objects.get(sequence=EVENTS)
    row.event_id, row.sequence, row.payload = uuid4(), EVENTS + 1, payload
    row.previous_hash, row.leaf = row.hash, leaf_of(payload)
    row.hash = link(row.previous_hash, row.leaf)
    row.save(force_insert=True)
    AuditHead.objects.update(sequence=row.sequence, hash=row.hash)
    status, output = verify()
    assert status == 1
    assert output.startswith("broken at sequence 5: inserted: it is sealed, but its payload")


@pytest.mark.parametrize("moment", ["'infinity'", "'0001-01-01 00:00:00+00 BC'"])
def test_a_moment_that_is_none_differs_from_the_payload(moment: str):
    put(2, "occurred_at", moment)
    status, output = verify()
    assert status == 1
    assert output.startswith("broken at sequence 2: column differs from the sealed payload: occ")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps to the column's type")
@pytest.mark.parametrize(
    ("column", "literal", "said"),
    [
        ("event_id", "'none'", "column differs from the sealed payload: event_id"),
        ("occurred_at", "'yesterday'", "column differs from the sealed payload: occurred_at"),
        ("run_id", "'seven'", "column differs from the sealed payload: run_id"),
        ("payload", "x'ff'", "edited: the payload"),
        ("leaf", "x'ff'", "edited: the payload"),
        ("previous_hash", "x'ff'", "edited: the hash"),
        ("hash", "x'ff'", "edited: the hash"),
    ],
)
def test_a_value_of_another_type_is_found_where_it_is(column: str, literal: str, said: str):
    put(2, column, literal)
    status, output = verify()
    assert status == 1
    assert output.startswith(f"broken at sequence 2: {said}")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps to the column's type")
def test_a_sequence_that_is_no_number_was_inserted():
    put(EVENTS, "sequence", "'last'")
    status, output = verify()
    assert status == 1
    assert "inserted" in output
