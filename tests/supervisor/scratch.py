"""Databases for one portal each, made from a template: files on SQLite, databases on PostgreSQL."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

PREFIX = "MAIN"
SET_UP = (
    ["migrate", "-v", "0"],
    [
        *("account", "add", "main", "--exchange", "okx", "--prefix", PREFIX),
        *("--position-mode", "net", "--option", "pace=0"),
    ],
    [
        *("profile", "add", "alpha", "--account", "main"),
        *("--sub-tag", "alpha01", "--capital-usd", "100000"),
    ],
)
_numbers = count(1)


class Scratch:
    """A database that a portal under test has for itself."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.file = folder / f"{name}.sqlite3"

    @property
    def url(self) -> str:
        if connection.vendor == "sqlite":
            return f"sqlite:///{self.file}"
        return f"postgres://{_authority()}/{self.name}"

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a question; `?` stands for a value."""
        if connection.vendor == "sqlite":
            with closing(sqlite3.connect(self.file, timeout=30)) as opened:
                return opened.execute(sql, values).fetchall()
        with psycopg.connect(**_server(self.name), autocommit=True) as opened:
            return opened.execute(sql.replace("?", "%s"), values).fetchall()  # type: ignore[arg-type]

    def tell(self, sql: str, *values: object) -> None:
        """Change something behind the portal's back; `?` stands for a value."""
        if connection.vendor == "sqlite":
            with closing(sqlite3.connect(self.file, timeout=30)) as opened, opened:
                opened.execute(sql, values)
            return
        with psycopg.connect(**_server(self.name), autocommit=True) as opened:
            opened.execute(sql.replace("?", "%s"), values)  # type: ignore[arg-type]


def administer(sql: str) -> None:
    """Do something to the server that is not within a database."""
    with psycopg.connect(**_server("postgres"), autocommit=True) as opened:
        opened.execute(sql)  # type: ignore[arg-type]


@contextmanager
def template(folder: Path) -> Iterator[Scratch]:
    """Make a database with the portal's tables, an account and a profile."""
    made = Scratch(f"portal_template_{os.getpid()}", folder)
    if connection.vendor == "postgresql":
        administer(f"DROP DATABASE IF EXISTS {made.name}")
        administer(f"CREATE DATABASE {made.name}")
    try:
        _run(f"for words in {SET_UP!r}: call_command(*words)", environ(made.url))
        yield made
    finally:
        if connection.vendor == "postgresql":
            administer(f"DROP DATABASE {made.name} WITH (FORCE)")


@contextmanager
def copy_of(original: Scratch, folder: Path) -> Iterator[Scratch]:
    """Make a database like the template, which is gone afterwards."""
    made = Scratch(f"portal_{os.getpid()}_{next(_numbers)}", folder)
    if connection.vendor == "sqlite":
        # Nobody has it open, so all of it is in the one file.
        shutil.copy(original.file, made.file)
        yield made
        return
    administer(f"CREATE DATABASE {made.name} TEMPLATE {original.name}")
    try:
        yield made
    finally:
        administer(f"DROP DATABASE {made.name} WITH (FORCE)")


def environ(database_url: str) -> dict[str, str]:
    """Return the environment of a portal: nothing of the tests' own but what Python needs."""
    passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return passed | {
        "DJANGO_SETTINGS_MODULE": "recon_portal.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": settings.SECRET_KEY,
        "ALLOWED_HOSTS": "127.0.0.1",
        "HTTPS_ONLY": "false",
        "DATABASE_URL": database_url,
    }


def _run(code: str, environ: Mapping[str, str]) -> None:
    """Run code in a process of the portal: one for all commands, because each takes its time."""
    set_up = "import django; django.setup(); from django.core.management import call_command"
    done = subprocess.run(  # noqa: S603  (our own code)
        [sys.executable, "-c", f"{set_up}\n{code}"],
        cwd=settings.BASE_DIR,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def _authority() -> str:
    described = connection.settings_dict
    password = f":{described['PASSWORD']}" if described["PASSWORD"] else ""
    host, port = described["HOST"] or "127.0.0.1", described["PORT"] or 5432
    return f"{described['USER']}{password}@{host}:{port}"


def _server(database: str) -> dict[str, Any]:
    return {"conninfo": f"postgres://{_authority()}/{database}"}
