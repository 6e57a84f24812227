"""`audit_verify` names the first sequence at which somebody changed the trail."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db.models import F

from reconciliation.domain.audit import (
    GENESIS,
    ChainFault,
    EventDraft,
    leaf_of,
    link,
    system_actor,
    verify,
)
from reconciliation.handlers.unit import transaction_unit
from reconciliation.management.commands import audit_verify
from reconciliation.models import AuditEvent, AuditHead, Escalation
from reconciliation.selectors.audit import ChainReader
from tests.builders import FixedClock
from tests.guards import guards_lifted

pytestmark = pytest.mark.django_db
EVENTS = 6


@pytest.fixture
def sealed() -> None:
    """Six events."""
    with transaction_unit(actor=system_actor("test"), clock=FixedClock(), run_id=7) as unit:
        for number in range(1, EVENTS + 1):
            unit.record(EventDraft(action=f"step.{number}", object_id=f"O{number}"))


@pytest.fixture
def chain(sealed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Six events, and no triggers: an attacker with the database's password.

    Nobody is told: the triggers are lifted within a transaction, in which no unit can be opened.
    """
    monkeypatch.setattr(audit_verify, "sync_audit_chain", lambda **told: None)
    with guards_lifted():
        yield


def run(*arguments: str) -> tuple[int, str]:
    """Return the command's exit status and output."""
    out = StringIO()
    try:
        call_command("audit_verify", *arguments, stdout=out)
    except SystemExit as exit_:
        return int(exit_.code or 0), out.getvalue().strip()
    return 0, out.getvalue().strip()


def change(sequence: int, **values: Any) -> None:
    assert AuditEvent.objects.filter(sequence=sequence).update(**values) == 1


def renumber(*, first: int, by: int) -> None:
    """Shift the sequences from `first` on, past the others' numbers and back."""
    far = 1_000_000
    AuditEvent.objects.filter(sequence__gte=first).update(sequence=F("sequence") + far + by)
    AuditEvent.objects.filter(sequence__gte=far).update(sequence=F("sequence") - far)


def insert(sequence: int, *, previous: str, action: str = "trade.synthetic_exit") -> AuditEvent:
    """Insert an event that seals itself correctly on to `previous`."""
    row = AuditEvent.objects.order_by("sequence").first()
    payload = json.loads(row.payload) | {"event_id": str(uuid4()), "action": action}
    row.sequence, row.action, row.event_id = sequence, action, payload["event_id"]
    row.payload = json.dumps(payload)
    row.leaf, row.previous_hash = leaf_of(row.payload), previous
    row.hash = link(previous, row.leaf)
    row.save(force_insert=True)
    return row


def hash_of(sequence: int) -> str:
    return AuditEvent.objects.get(sequence=sequence).hash


def test_an_empty_chain_is_intact():
    assert run() == (0, f"intact: 0 events, head {GENESIS}")


@pytest.mark.usefixtures("chain")
def test_an_untouched_chain_is_intact():
    assert run() == (0, f"intact: 6 events, head {hash_of(6)}")


@pytest.mark.usefixtures("chain")
def test_the_report_for_scripts_says_the_same():
    status, output = run("--json")
    assert (status, json.loads(output)) == (
        0,
        {
            "intact": True,
            "events": 6,
            "head": hash_of(6),
            "broken_at": None,
            "fault": None,
            "detail": "",
        },
    )
    change(3, payload="{}")
    status, output = run("--json")
    assert status == 1
    assert json.loads(output) == {
        "intact": False,
        "events": 2,
        "head": hash_of(2),
        "broken_at": 3,
        "fault": "edited",
        "detail": "edited: the payload is not the one that was sealed",
    }


@pytest.mark.usefixtures("chain")
def test_an_edited_payload_is_found():
    payload = AuditEvent.objects.get(sequence=3).payload
    change(3, payload=payload.replace('"O3"', '"O4"'))
    assert run() == (
        1,
        "broken at sequence 3: edited: the payload is not the one that was sealed",
    )


@pytest.mark.usefixtures("chain")
def test_an_edited_payload_with_its_leaf_made_to_fit_is_found():
    payload = AuditEvent.objects.get(sequence=3).payload.replace('"O3"', '"O4"')
    change(3, payload=payload, leaf=leaf_of(payload))
    assert run() == (1, "broken at sequence 3: edited: the hash does not seal this event")


@pytest.mark.usefixtures("chain")
def test_an_edited_event_that_was_sealed_anew_is_found_by_the_one_after_it():
    event = AuditEvent.objects.get(sequence=3)
    payload = event.payload.replace('"O3"', '"O4"')
    leaf = leaf_of(payload)
    change(3, object_id="O4", payload=payload, leaf=leaf, hash=link(event.previous_hash, leaf))
    status, output = run()
    assert (status, output.split(";")[0]) == (
        1,
        "broken at sequence 4: unlinked: it does not continue the event before it",
    )


@pytest.mark.parametrize("sequence", [1, 3])
@pytest.mark.parametrize("column", ["leaf", "hash", "previous_hash"])
@pytest.mark.parametrize("value", ["0" * 64, "not hexadecimal"])
@pytest.mark.usefixtures("chain")
def test_a_changed_hash_is_found(sequence: int, column: str, value: str):
    if (sequence, column, value) == (1, "previous_hash", GENESIS):
        value = "1" * 64
    change(sequence, **{column: value})
    status, output = run()
    assert status == 1
    assert output.startswith(f"broken at sequence {sequence}: edited")


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("action", "step.9"),
        ("object_id", "O9"),
        ("run_id", None),
        ("run_id", 8),
        ("actor_name", "someone else"),
        ("actor_type", "user"),
        ("outcome", "denied"),
        ("profile_name", "alpha"),
        ("account_name", "main"),
        ("object_type", "trade"),
        ("actor_id", "1"),
        ("occurred_at", FixedClock().now().replace(microsecond=1)),
        ("event_id", uuid4()),
    ],
)
def test_a_column_that_differs_from_the_payload_is_found(column: str, value: Any):
    change(4, **{column: value})
    assert run() == (
        1,
        f"broken at sequence 4: column differs from the sealed payload: {column}",
    )


@pytest.mark.usefixtures("chain")
def test_a_deleted_event_is_found():
    AuditEvent.objects.filter(sequence=2).delete()
    assert run() == (1, "broken at sequence 2: missing: event 2 is gone, 3 follows")


@pytest.mark.usefixtures("chain")
def test_deleted_first_events_are_found():
    AuditEvent.objects.filter(sequence__lte=2).delete()
    assert run() == (1, "broken at sequence 1: missing: events 1 to 2 are gone, 3 follows")


@pytest.mark.usefixtures("chain")
def test_a_deleted_event_is_found_though_the_others_were_renumbered():
    AuditEvent.objects.filter(sequence=3).delete()
    renumber(first=4, by=-1)
    status, output = run()
    assert (status, output.split(":")[0]) == (1, "broken at sequence 3")
    assert "unlinked" in output


@pytest.mark.usefixtures("chain")
def test_an_inserted_event_is_found():
    renumber(first=3, by=1)
    insert(3, previous=hash_of(2))
    assert run() == (1, "broken at sequence 3: inserted: 4 does not continue it")


@pytest.mark.usefixtures("chain")
def test_an_inserted_event_that_continues_nothing_is_found():
    renumber(first=3, by=1)
    insert(3, previous="a" * 64)
    assert run() == (1, "broken at sequence 3: inserted: 4 continues the event before it")


@pytest.mark.usefixtures("chain")
def test_an_event_before_the_first_is_found():
    insert(0, previous=GENESIS)
    assert run() == (1, "broken at sequence 0: inserted: sequence 0 comes before 1")


@pytest.mark.usefixtures("chain")
def test_reordered_neighbours_are_found():
    AuditEvent.objects.filter(sequence=3).update(sequence=1000)
    AuditEvent.objects.filter(sequence=4).update(sequence=3)
    AuditEvent.objects.filter(sequence=1000).update(sequence=4)
    assert run() == (
        1,
        "broken at sequence 3: reordered: it continues 4, which comes after it",
    )


@pytest.mark.usefixtures("chain")
def test_a_cut_tail_is_found_by_the_head_row():
    AuditEvent.objects.filter(sequence__gte=5).delete()
    assert run() == (
        1,
        "broken at sequence 5: tail cut: the head row names 6, the last event is 4",
    )


@pytest.mark.usefixtures("chain")
def test_a_chain_cut_to_nothing_is_found_by_the_head_row():
    AuditEvent.objects.all().delete()
    assert run()[1].startswith("broken at sequence 1: tail cut")


@pytest.mark.usefixtures("chain")
def test_an_event_added_past_the_head_row_is_found():
    insert(7, previous=hash_of(6))
    assert run() == (
        1,
        "broken at sequence 7: inserted: the head row names 6, later events are not from the unit",
    )


@pytest.mark.usefixtures("chain")
def test_a_head_row_with_another_hash_is_found():
    AuditHead.objects.update(hash="a" * 64)
    assert run() == (
        1,
        "broken at sequence 6: the head row's hash is not that of the last event",
    )


@pytest.mark.usefixtures("chain")
def test_a_missing_head_row_is_found():
    AuditHead.objects.all().delete()
    assert run() == (1, "broken at sequence 6: the head row is gone")


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 6, 7])
def test_the_size_of_a_chunk_does_not_matter(chunk: int):
    reader = ChainReader(chunk=chunk)
    report = verify(reader.rows(), head=reader.head)
    assert (report.intact, report.count) == (True, EVENTS)

    AuditEvent.objects.filter(sequence=EVENTS).delete()
    reader = ChainReader(chunk=chunk)
    report = verify(reader.rows(), head=reader.head)
    assert (report.fault, report.broken_at) == (ChainFault.TAIL_CUT, EVENTS)


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("chunk", [1, 2, 4, 7])
def test_an_event_that_is_committed_while_the_chain_is_read_is_no_fault(chunk: int):
    reader = ChainReader(chunk=chunk)
    rows = reader.rows()
    read = [next(rows) for _ in range(EVENTS)]
    with transaction_unit(actor=system_actor("test"), clock=FixedClock()) as unit:
        unit.record(EventDraft(action="step.7"))
    read += rows
    assert verify(read, head=reader.head).count == EVENTS + 1
    assert verify(read, head=reader.head).intact


@pytest.mark.usefixtures("sealed")
def test_a_long_check_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit_verify, "PROGRESS_EVERY", 4)
    out, err = StringIO(), StringIO()
    call_command("audit_verify", stdout=out, stderr=err)
    assert err.getvalue().strip() == "4 events read"
    assert out.getvalue().startswith("intact: 6 events")


def test_a_person_is_told_of_a_broken_chain_once_and_of_an_intact_one_not(sealed: None):
    assert run()[0] == 0
    assert not Escalation.objects.exists()
    with guards_lifted():
        change(3, leaf="0" * 64)
    for _ in range(2):
        assert run()[0] == 1
        row = Escalation.objects.get()
        assert (row.kind, row.status) == ("AUDIT_CHAIN_BROKEN", "OPEN")
    assert "broken at sequence 3" in row.detail["detail"]


def test_where_nobody_can_be_told_the_chain_is_checked_all_the_same(sealed: None):
    with guards_lifted():
        AuditHead.objects.all().delete()
    assert run()[0] == 1
    assert not Escalation.objects.exists()
