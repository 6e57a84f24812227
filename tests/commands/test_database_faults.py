"""A database that cannot be used is told in a line, with the way out and without a password."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError, ProgrammingError, connection

from reconciliation.management.base import database_problem

COMMANDS = [
    ["audit_verify"],
    ["reconcile"],
    ["baseline", "--account", "main", "--comment", "x"],
    ["account", "list"],
    ["profile", "list"],
    ["locks"],
    ["sync_schedules"],
]
on_every_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])


def run(command: list[str], url: str) -> str:
    """Return what a command says of a database, which must be a line of its error output."""
    done = subprocess.run(  # noqa: S603  (our own commands)
        [sys.executable, "manage.py", *command],
        cwd=settings.BASE_DIR,
        env={
            "PATH": os.environ["PATH"],
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x" * 50,
            "ALLOWED_HOSTS": "localhost",
            "DATABASE_URL": url,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@on_every_command
def test_a_sqlite_file_that_is_not_there_is_said_and_not_made(
    tmp_path: Path, command: list[str]
) -> None:
    file = tmp_path / "typo.sqlite3"

    said = run(command, f"sqlite:///{file}")

    assert f"{file} does not exist: run `manage.py migrate`" in said
    assert "DATABASE_URL" in said
    assert list(tmp_path.iterdir()) == []


@on_every_command
def test_a_database_without_the_portals_tables_is_said(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "empty.sqlite3"
    file.touch()

    said = run(command, f"sqlite:///{file}")

    assert f"{file} has no tables of the portal: run `manage.py migrate`" in said


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no database " * 100)

    assert "cannot be used: file is not a database" in run(["audit_verify"], f"sqlite:///{file}")


def test_a_server_that_cannot_be_reached_is_said_without_the_password() -> None:
    said = run(["audit_verify"], "postgres://recon:hunter22@127.0.0.1:9/books")

    assert "the PostgreSQL database books at 127.0.0.1:9 cannot be reached: " in said
    assert "check DATABASE_URL" in said
    assert "hunter22" not in said


@pytest.mark.parametrize(
    "text", ['near "SELEC": syntax error', "too many SQL variables", "ambiguous column name: id"]
)
def test_a_fault_of_the_portals_own_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(connection, "vendor", "sqlite")
    assert database_problem(OperationalError(text)) is None


def test_tables_of_another_version_are_said(tmp_path: Path) -> None:
    assert "run `manage.py migrate`" in str(
        database_problem(OperationalError("no such column: reconciliation_run.as_of"))
    )


@pytest.mark.parametrize(
    ("code", "says"),
    [("42P01", "no tables of the portal"), ("42703", "another version"), ("42501", "refuses")],
)
def test_what_postgresql_says_is_told_by_its_code(code: str, says: str) -> None:
    error = ProgrammingError("it said no")
    error.__cause__ = cause = sqlite3.Error()
    cause.sqlstate = code  # type: ignore[attr-defined]

    assert says in str(database_problem(error))
