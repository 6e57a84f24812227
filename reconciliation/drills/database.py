"""A scratch database on the configured engine: made once, migrated once, fresh for each drill.

The live database is never written. For the time of a `ScratchDatabase` the `default` connection
of every thread points to the scratch one; it points back when that is left, also after an error,
and the scratch databases are gone then.
"""

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DEFAULT_DB_ALIAS

from reconciliation.drills.template import TemplateCache


class Engine(Protocol):
    """What differs between the engines. Names are what the connection takes as NAME."""

    template: str
    scratch: str

    def make_template(self) -> bool:
        """Make the database to migrate; return whether it was found migrated already."""

    def keep_template(self) -> None:
        """Keep the migrated database for later commands, where that is possible."""

    def copy_template(self) -> None:
        """Make the scratch database a copy of the migrated one, whatever it was before."""

    def drop(self) -> None:
        """Remove both."""


class ScratchDatabase:
    """The scratch database of one command; `reset` makes it new."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reset(self) -> None:
        """Forget everything: the database is as it is after its migrations."""
        close_connections()
        self._engine.copy_template()
        point_default_to(self._engine.scratch)


@contextmanager
def scratch_database() -> Iterator[ScratchDatabase]:
    """Make, migrate and at the end drop the scratch database.

    Raises RuntimeError inside a transaction: its connection cannot be taken away from it.
    """
    if connection.in_atomic_block:
        raise RuntimeError("a drill cannot run inside a transaction of the live database")
    live = connection.settings_dict["NAME"]
    with ExitStack() as stack:
        engine = _engine(connection, stack)
        stack.callback(_give_back, engine, live)
        if not engine.make_template():
            point_default_to(engine.template)
            call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
            close_connections()
            engine.keep_template()
        yield ScratchDatabase(engine)


def point_default_to(name: str) -> None:
    """Make every new connection of any thread go to the database of that name."""
    close_connections()
    # All threads' wrappers share this one dictionary with the settings.
    connections.settings[DEFAULT_DB_ALIAS]["NAME"] = name
    connection.settings_dict["NAME"] = name


def close_connections() -> None:
    """Close this thread's connections; a thread of a drill does so when it ends."""
    connections.close_all()


def _give_back(engine: Engine, live: str) -> None:
    point_default_to(live)
    engine.drop()


def _engine(wrapper: BaseDatabaseWrapper, stack: ExitStack) -> Engine:
    # Several commands may share a server, also from machines whose process ids repeat.
    name = f"drill_{os.getpid()}_{threading.get_ident() % 10_000}_{secrets.token_hex(3)}"
    if wrapper.vendor == "sqlite":
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}_"))
        return _SqliteFiles(Path(folder), TemplateCache(Path(settings.BASE_DIR) / "var" / "drills"))
    return _PostgresDatabases(name)


class _SqliteFiles:
    """A template file and a copy of it."""

    def __init__(self, folder: Path, cache: TemplateCache) -> None:
        self.template = str(folder / "template.sqlite3")
        self.scratch = str(folder / "drill.sqlite3")
        self._cache = cache

    def make_template(self) -> bool:
        return self._cache.load(Path(self.template))

    def keep_template(self) -> None:
        self._cache.store(Path(self.template))

    def copy_template(self) -> None:
        # The last connection to close has written its log back, so the file is all there is.
        for rest in ("-wal", "-shm"):
            Path(self.scratch + rest).unlink(missing_ok=True)
        shutil.copyfile(self.template, self.scratch)

    def drop(self) -> None:
        """The folder goes with everything in it."""


class _PostgresDatabases:
    """A template database and a copy of it, both on the configured server."""

    def __init__(self, name: str) -> None:
        self.template = f"{name}_template"
        self.scratch = name

    def make_template(self) -> bool:
        self._execute(f'CREATE DATABASE "{self.template}"')
        return False

    def keep_template(self) -> None:
        """Nothing is left behind on a server that others use."""

    def copy_template(self) -> None:
        self._execute(
            f'DROP DATABASE IF EXISTS "{self.scratch}" WITH (FORCE)',
            f'CREATE DATABASE "{self.scratch}" TEMPLATE "{self.template}"',
        )

    def drop(self) -> None:
        self._execute(
            f'DROP DATABASE IF EXISTS "{self.scratch}" WITH (FORCE)',
            f'DROP DATABASE IF EXISTS "{self.template}" WITH (FORCE)',
        )

    def _execute(self, *statements: str) -> None:
        """Run statements in the server's own database: none can drop the one it is in."""
        maintenance: Any = connection
        with maintenance._nodb_cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
