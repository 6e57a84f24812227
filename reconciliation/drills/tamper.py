"""What an attacker with the database's password does: change an audit event past the triggers."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db import connection, transaction

from reconciliation.domain.keys import canonical_json
from reconciliation.models import AuditEvent

Value = str | int | bool | None

_TABLE = AuditEvent._meta.db_table
_PAYLOAD = "payload"


class NoSuchEvent(LookupError):
    """There is no audit event of that sequence to change."""


def tamper_with_event(*, sequence: int, values: Mapping[str, Value]) -> None:
    """Set columns of an event, or keys of its payload where no column has that name.

    Hashes are left as they are: whoever could make those fit could make a whole new chain, and
    only what was written down elsewhere would show it.
    """
    event = AuditEvent.objects.filter(sequence=sequence).values(_PAYLOAD).first()
    if event is None:
        raise NoSuchEvent(f"there is no audit event {sequence} to tamper with")
    columns = {field.column for field in AuditEvent._meta.concrete_fields}
    changes = {name: value for name, value in values.items() if name in columns}
    below = {name: value for name, value in values.items() if name not in columns}
    if below:
        text = changes.get(_PAYLOAD, event[_PAYLOAD])
        changes[_PAYLOAD] = canonical_json({**json.loads(str(text)), **below})
    assignments = ", ".join(f"{connection.ops.quote_name(name)} = %s" for name in changes)
    with transaction.atomic(), _triggers_off(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_TABLE} SET {assignments} WHERE sequence = %s",  # noqa: S608
            [*changes.values(), sequence],
        )


@contextmanager
def _triggers_off() -> Iterator[None]:
    """Take the table's triggers away; within a transaction nobody else misses them."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE {_TABLE} DISABLE TRIGGER USER")
            yield
            cursor.execute(f"ALTER TABLE {_TABLE} ENABLE TRIGGER USER")
            return
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
            [_TABLE],
        )
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"')
        yield
        for _, sql in triggers:
            cursor.execute(sql)
