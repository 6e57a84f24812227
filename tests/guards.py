"""Past the rules, for set-up and for tampering: code under test never runs in here."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

_arranging = threading.local()


@contextmanager
def arranging() -> Iterator[None]:
    """Let this thread write audited tables outside a transaction unit: for set-up only."""
    _arranging.depth = getattr(_arranging, "depth", 0) + 1
    try:
        yield
    finally:
        _arranging.depth -= 1


def is_arranging() -> bool:
    """Return whether this thread is inside `arranging`."""
    return getattr(_arranging, "depth", 0) > 0


@contextmanager
def guards_lifted(using: str = "default") -> Iterator[None]:
    """Lift the triggers, as an attacker with the database's password could, and restore them."""
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            lift = [f'DROP TRIGGER "{name}"' for name, _ in triggers]
            restore = [sql for _, sql in triggers]
        else:
            cursor.execute(
                "SELECT tgname, tgrelid::regclass::text FROM pg_trigger"
                " WHERE tgname LIKE 'guard\\_%' AND NOT tgisinternal"
            )
            triggers = cursor.fetchall()
            # A table with checks still to come at the commit cannot be altered: have them now.
            checks = ["SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED"]
            alter = 'ALTER TABLE {1} {verb} TRIGGER "{0}"'
            lift = checks + [alter.format(*trigger, verb="DISABLE") for trigger in triggers]
            restore = checks + [alter.format(*trigger, verb="ENABLE") for trigger in triggers]
        for statement in lift:
            cursor.execute(statement)
        with arranging():
            yield
            for statement in restore:
                cursor.execute(statement)
