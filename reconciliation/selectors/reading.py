"""Reading for somebody who waits: a database that does not answer is an error soon."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction


@contextmanager
def bounded_read(limit: timedelta) -> Iterator[None]:
    """Let no statement within take longer than `limit`; a `django.db.Error` is raised instead.

    How long a connection may take to be made is the settings' matter.
    """
    milliseconds = limit // timedelta(milliseconds=1)
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
            yield
        return
    # No transaction here: on SQLite it would ask for the lock of writers. What a reader may have
    # to wait for is that a whole database is locked, as while it is being restored.
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (before,) = cursor.fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds:d}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {before:d}")
