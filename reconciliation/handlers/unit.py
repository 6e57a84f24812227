"""The transaction unit: the only way to write state.

A unit is one durable transaction. Whoever writes in it records audit events; on leaving, the unit
takes the row lock of the chain's head (last of all locks, so that writers queue for as short as
they can), seals the events, inserts them complete, moves the head and commits. State and its trail
are committed together or not at all, in a number of statements that does not grow with the events.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from django.apps import apps
from django.db import connections, transaction
from django.db.models import CharField

from reconciliation.clock import Clock
from reconciliation.domain.audit import (
    INDEX_COLUMNS,
    Actor,
    EventDraft,
    event_fields,
    leaf_of,
    link,
    payload_of,
)
from reconciliation.enums import AuditOutcome
from reconciliation.handlers.acting import note_denial
from reconciliation.handlers.bulk import insert_rows
from reconciliation.models import AuditEvent, AuditHead

# The tables that a unit may write without recording an event, and that may be written outside
# one, each with the reason. Every other table of this app is audited, a new one from the day it is
# added. Tables of other apps (sessions, job queue) are no state of the books.
OPERATIONAL_TABLES = {
    "reconciliation_auditevent": "the trail itself",
    "reconciliation_audithead": "the end of the trail",
    "reconciliation_run": "a run is its own record, kept whatever its outcome",
    "reconciliation_profilelease": "who may write for the next seconds; a fencing token, no state",
    "reconciliation_fill": "a kept reading of the exchange; what it is booked to is audited",
    "reconciliation_fillcoverage": "how far the exchange has been read; derived from its answers",
    "reconciliation_orderlookup": "whose turn it is to be asked for; no state",
    "reconciliation_apikeyuse": "when a bot was last heard of, to the minute; no state",
    "reconciliation_errand": "how far a worker is with what was asked for; the asking is audited",
    "reconciliation_clusterbeat": "that a cluster of workers lives; no state",
    "reconciliation_mismatchsighting": "how often a run saw a mismatch: observation, no state",
    "reconciliation_escalationsighting": "how often a cause was seen: observation, no state",
    "reconciliation_paritywatch": "how often a position was seen alike: derived from readings",
    "reconciliation_parityreading": "what a heartbeat read; a reading is its own record",
    "reconciliation_markprice": "the last mark that was read; money figures are shown by it",
    "reconciliation_watchdogstate": "what the watchdog saw last; a pause is the state",
}

_WRITE = re.compile(
    r"\b(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|REPLACE\s+INTO|MERGE\s+INTO|COPY"
    r"|UPDATE(?:\s+OR\s+\w+)?(?:\s+ONLY)?|DELETE\s+FROM(?:\s+ONLY)?"
    r"|TRUNCATE(?:\s+TABLE)?(?:\s+ONLY)?)"
    r'\s+(?:"?\w+"?\s*\.\s*)?"?(\w+)',
    re.IGNORECASE,
)


class NoUnit(RuntimeError):
    """An audit event was recorded, or state written, outside a transaction unit."""


class NestedUnit(RuntimeError):
    """A unit was opened within another: its events would commit without it."""


class UnauditedWrite(RuntimeError):
    """A unit wrote to an audited table and recorded no event."""


class BrokenChain(RuntimeError):
    """The chain's head row is missing or moved while it was locked; nothing may be written."""


# Written by Django's own pages, inside a unit that our pages of users and groups open around them.
PEOPLE_TABLES = frozenset(
    {
        "auth_user",
        "auth_user_groups",
        "auth_user_user_permissions",
        "auth_group",
        "auth_group_permissions",
    }
)
# Django notes each login so; the login itself is an event.
_LAST_LOGIN = re.compile(r'UPDATE "auth_user" SET "last_login" = \S+ WHERE', re.IGNORECASE)


@cache
def audited_tables() -> frozenset[str]:
    """Return the tables whose every write needs its audit event in the same transaction."""
    models = apps.get_app_config("reconciliation").get_models(include_auto_created=True)
    return frozenset(model._meta.db_table for model in models) - OPERATIONAL_TABLES.keys()


def audited_table_written(sql: object) -> str | None:
    """Return the first audited table that a statement writes to, or None.

    It reads the statement's text, so it is a net for mistakes of ours, not for an attacker.
    """
    return _written(sql, audited_tables())


def people_table_written(sql: object) -> str | None:
    """Return the first table of users, groups or their rights that a statement writes to."""
    return None if _LAST_LOGIN.match(str(sql)) else _written(sql, PEOPLE_TABLES)


def _written(sql: object, among: frozenset[str]) -> str | None:
    text = sql if isinstance(sql, str) else str(sql)
    # What a trigger or a function will write is written when it fires, not when it is made.
    if text.lstrip()[:6].upper() in ("SELECT", "CREATE"):
        return None
    start = _WRITE.match(text)
    # The verb stands in front, but behind a comment, WITH, or another statement. A long list of
    # values is not searched: that would cost more than the statement.
    tables = _WRITE.findall(text) if start is None or ";" in text else [start[1]]
    return next((table for table in tables if table.lower() in among), None)


class Unit:
    """The open transaction: buffers events until it is left."""

    def __init__(
        self,
        *,
        actor: Actor,
        now: datetime,
        settings_hash: str,
        run_id: int | None,
        request_id: str,
        ip: str,
        using: str,
    ) -> None:
        self.actor = actor
        self.now = now
        self.settings_hash = settings_hash
        self.run_id = run_id
        self.request_id = request_id
        self.ip = ip
        self.using = using
        self._events: list[AuditEvent] = []
        self._written: str | None = None
        self._open = True

    def record(self, draft: EventDraft) -> UUID:
        """Buffer an event; return the id under which other rows may point to it.

        Raises TypeError for values without a canonical form (a float) where they are given, and
        ValueError for a name that is longer than its column.
        """
        if not self._open:
            raise NoUnit("the unit has been left; its events are sealed")
        event_id = uuid4()
        fields = event_fields(
            draft=draft,
            actor=self.actor,
            event_id=event_id,
            occurred_at=self.now,
            settings_hash=self.settings_hash,
            run_id=self.run_id,
            request_id=self.request_id,
            ip=self.ip,
        )
        payload = payload_of(fields)
        columns = {name: fields[name] for name in INDEX_COLUMNS}
        _check_lengths(columns)
        if draft.outcome == AuditOutcome.DENIED:
            note_denial(draft.action)
        self._events.append(AuditEvent(**columns, payload=payload, leaf=leaf_of(payload)))
        return event_id

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Try a part of the unit: on an exception its writes and its events are undone."""
        events, written = len(self._events), self._written
        try:
            with transaction.atomic(using=self.using):
                yield
        except BaseException:
            del self._events[events:]
            self._written = written
            raise

    def _watch(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        result = execute(sql, params, many, context)
        if self._written is None:
            self._written = audited_table_written(sql)
        return result

    def _close(self) -> None:
        self._open = False
        if self._events:
            _seal(self._events, using=self.using)
        elif self._written is not None:
            raise UnauditedWrite(f"{self._written} was written and no audit event recorded")


_active = threading.local()


def current_unit() -> Unit | None:
    """Return the unit that this thread is in, or None."""
    return getattr(_active, "unit", None)


def audit_record(draft: EventDraft) -> UUID:
    """Record an event in this thread's unit; raises `NoUnit` where there is none."""
    unit = current_unit()
    if unit is None:
        raise NoUnit(f"{draft.action} was recorded outside a transaction unit")
    return unit.record(draft)


@contextmanager
def transaction_unit(
    *,
    actor: Actor,
    clock: Clock,
    settings_hash: str = "",
    run_id: int | None = None,
    request_id: str = "",
    ip: str = "",
    using: str = "default",
    before_commit: Callable[[], None] | None = None,
    durable: bool = True,
) -> Iterator[Unit]:
    """Open a durable transaction; commit its writes with its sealed events, or nothing at all.

    Only what tells of a write that Django's own pages do joins their transaction (`durable=False`).

    `before_commit` is called when everything is written and nothing committed. Raises
    `NestedUnit` within a unit, RuntimeError within any other transaction, `UnauditedWrite` when
    an audited table was written without an event, and whatever the body raises.
    """
    if current_unit() is not None:
        raise NestedUnit("a transaction unit is open in this thread")
    unit = Unit(
        actor=actor,
        now=clock.now(),
        settings_hash=settings_hash,
        run_id=run_id,
        request_id=request_id,
        ip=ip,
        using=using,
    )
    with ExitStack() as stack:
        stack.enter_context(transaction.atomic(using=using, durable=durable))
        stack.enter_context(connections[using].execute_wrapper(unit._watch))
        stack.callback(setattr, _active, "unit", None)
        _active.unit = unit
        try:
            yield unit
            unit._close()
            if before_commit is not None:
                before_commit()
        finally:
            unit._open = False


def _check_lengths(columns: dict[str, Any]) -> None:
    for field in AuditEvent._meta.concrete_fields:
        value = columns.get(field.name)
        if isinstance(field, CharField) and len(value or "") > (field.max_length or 0):
            limit = field.max_length
            raise ValueError(f"{field.name} of an audit event is longer than {limit}: {value!r}")


def _seal(events: list[AuditEvent], *, using: str) -> None:
    """Link the events to the chain and insert them; three statements however many they are."""
    # SQLite has no row locks and needs none: IMMEDIATE gave this transaction the only write lock.
    head = AuditHead.objects.using(using).select_for_update().first()
    if head is None:
        raise BrokenChain("the audit chain has no head row")
    sequence, previous = head.sequence, head.hash
    for event in events:
        sequence += 1
        event.sequence = sequence
        event.previous_hash = previous
        event.hash = previous = link(previous, event.leaf)
    insert_rows(AuditEvent, events, using=using)
    moved = (
        AuditHead.objects.using(using)
        .filter(pk=head.pk, sequence=head.sequence, hash=head.hash)
        .update(sequence=sequence, hash=previous)
    )
    if moved != 1:
        raise BrokenChain("the head of the audit chain moved while it was locked")
