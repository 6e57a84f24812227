"""What an attacker with the database's password does to the chain, past the triggers."""

import json
from uuid import uuid4

from django.db.models import F

from reconciliation.domain.audit import GENESIS, EventDraft, leaf_of, link, system_actor
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import AuditEvent, AuditHead
from tests.builders import FixedClock

FAR = 1_000_000


def record(events: int, *, start: int = 1) -> None:
    """Record so many events, the way the portal does."""
    with transaction_unit(actor=system_actor("test"), clock=FixedClock(), run_id=7) as unit:
        for number in range(start, start + events):
            unit.record(EventDraft(action=f"step.{number}", object_id=f"O{number}"))


def edit(sequence: int) -> None:
    """Change what an event says, and the column that repeats it, but not its seal."""
    row = AuditEvent.objects.get(sequence=sequence)
    payload = row.payload.replace(f'"O{sequence}"', '"O99"')
    change(sequence, payload=payload, object_id="O99")


def change(sequence: int, /, **values: object) -> None:
    """Set columns of an event."""
    assert AuditEvent.objects.filter(sequence=sequence).update(**values) == 1


def delete(*sequences: int) -> None:
    """Delete events."""
    AuditEvent.objects.filter(sequence__in=sequences).delete()


def cut(after: int, *, fix_head: bool) -> None:
    """Delete the tail; with the head row set back, the chain proves itself."""
    AuditEvent.objects.filter(sequence__gt=after).delete()
    if fix_head:
        last = AuditEvent.objects.filter(sequence=after).first()
        AuditHead.objects.update(sequence=after, hash=last.hash if last else GENESIS)


def swap(one: int, other: int) -> None:
    """Exchange the places of two events."""
    change(one, sequence=FAR)
    change(other, sequence=one)
    change(FAR, sequence=other)


def insert(sequence: int) -> None:
    """Make room for an event and put one there that seals itself on to the one before."""
    AuditEvent.objects.filter(sequence__gte=sequence).update(sequence=F("sequence") + FAR)
    AuditEvent.objects.filter(sequence__gte=FAR).update(sequence=F("sequence") - FAR + 1)
    row = AuditEvent.objects.get(sequence=sequence - 1)
    payload = json.dumps(json.loads(row.payload) | {"event_id": str(uuid4())})
    row.event_id, row.payload = json.loads(payload)["event_id"], payload
    row.sequence, row.previous_hash, row.leaf = sequence, row.hash, leaf_of(payload)
    row.hash = link(row.previous_hash, row.leaf)
    row.save(force_insert=True)


def rewrite(first: int) -> None:
    """Change an event and seal it and all that follow anew, the head row too: it proves itself."""
    edit(first)
    rows = AuditEvent.objects.filter(sequence__gte=first).order_by("sequence")
    before = AuditEvent.objects.filter(sequence=first - 1).first()
    previous = before.hash if before else GENESIS
    for row in rows:
        leaf = leaf_of(row.payload)
        values = {"leaf": leaf, "previous_hash": previous, "hash": link(previous, leaf)}
        change(row.sequence, **values)
        previous = values["hash"]
    AuditHead.objects.update(hash=previous)
