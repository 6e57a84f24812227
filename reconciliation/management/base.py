"""What the portal's commands share: a database that cannot be used is said, not traced."""

import getpass
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.conf import Conf
from reconciliation.domain.audit import Actor
from reconciliation.enums import ActorType
from reconciliation.handlers.settings_seen import note_settings
from reconciliation.models import ExchangeAccount

_COMMAND = "command"
# PostgreSQL's codes: an undefined table or schema, an undefined column or function, no privilege.
_NO_TABLE = frozenset({"42P01", "3F000"})
_OTHER_VERSION = frozenset({"42703", "42883"})
_NO_PRIVILEGE = "42501"
# What SQLite says of a file; its other complaints are about a statement, which is a fault of ours.
_SQLITE_FILE_FAULTS = (
    "unable to open database file",
    "database is locked",
    "file is not a database",
    "file is encrypted",
    "disk image is malformed",
    "disk i/o error",
    "readonly database",
    "disk is full",
)


class PortalCommand(BaseCommand):
    """A command that uses the portal's database, which must be there: none of ours makes one."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; raises CommandError, with the way out, where the database is amiss."""
        try:
            return super().execute(*args, **options)
        except (DatabaseError, InterfaceError) as error:
            problem = database_problem(error)
            if problem is None:
                raise
            raise CommandError(problem) from error

    def handle(self, *args: Any, **options: Any) -> None:
        """Look for the database, after the settings have been checked; then do the work."""
        _require_sqlite_file()
        self.run(**options)

    def run(self, **options: Any) -> None:
        """Do the work of the command."""
        raise NotImplementedError


def database_problem(error: DatabaseError | InterfaceError) -> str | None:
    """Return what is wrong with the database and the way out; None for a fault of the portal."""
    text = _without_password(" ".join(str(error).split()))
    code = getattr(error.__cause__, "sqlstate", None)
    if text.startswith("no such table") or code in _NO_TABLE:
        return (
            f"{database_name()} has no tables of the portal: run `manage.py migrate`, or set"
            " DATABASE_URL to the database that has them"
        )
    if text.startswith("no such column") or "has no column named" in text or code in _OTHER_VERSION:
        return f"{database_name()} has tables of another version: run `manage.py migrate` ({text})"
    if code == _NO_PRIVILEGE:
        return f"{database_name()} refuses its user: {text}; grant the right, or set DATABASE_URL"
    if connection.vendor == "sqlite":
        usable = not any(fault in text.lower() for fault in _SQLITE_FILE_FAULTS)
        return None if usable else f"{database_name()} cannot be used: {text}; check DATABASE_URL"
    # While connecting there is no connection yet, whatever the class; later it is the network.
    if connection.connection is None or isinstance(error, OperationalError | InterfaceError):
        return f"{database_name()} cannot be reached: {text}; check DATABASE_URL and the server"
    return None


def database_name() -> str:
    """Return how to call the database before a person: without its user and password."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"the SQLite database {Path(settings['NAME']).absolute()}"
    port = f":{settings['PORT']}" if settings["PORT"] else ""
    return f"the PostgreSQL database {settings['NAME']} at {settings['HOST'] or 'localhost'}{port}"


def find_account(argument: str, name: str) -> ExchangeAccount:
    """Return the account of that name; raises CommandError that lists the names there are."""
    account = ExchangeAccount.objects.filter(name=name).first()
    if account is None:
        names = ", ".join(ExchangeAccount.objects.values_list("name", flat=True)) or "none"
        raise CommandError(
            f"{argument}: no account is called {name!r}; there are: {names}", returncode=2
        )
    return account


def settings_in_force() -> Conf:
    """Return the settings for a command that writes; that they are other ones now is an event.

    Raises `ConfigurationError` with every problem.
    """
    in_force = conf.require(settings.RECON_ENVIRON)
    note_settings(conf=in_force, clock=SystemClock(), process=_COMMAND)
    return in_force


def shell_actor() -> Actor:
    """Return who runs this command, for the audit trail: the account of the shell."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        name = f"uid {os.getuid()}"
    return Actor(type=ActorType.USER, id="", name=f"{name} (shell)")


def _require_sqlite_file() -> None:
    """Refuse a SQLite file that does not exist, which connecting would make."""
    if connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return
    if not Path(connection.settings_dict["NAME"]).exists():
        raise CommandError(
            f"{database_name()} does not exist: run `manage.py migrate` to make it, or set"
            " DATABASE_URL to the one that there is"
        )


def _without_password(text: str) -> str:
    password = str(connection.settings_dict.get("PASSWORD") or "")
    return text.replace(password, "[redacted]") if password else text


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines of text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
