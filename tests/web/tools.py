"""Other programs that these tests run: Prometheus, and a second process of the portal."""

import shutil
import subprocess

import pytest
from django.db import connection


def program(name: str) -> str:
    """Return the path of a program of Debian's package `prometheus`, or skip the test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian's package prometheus)")
    return path


def promtool(*arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run Prometheus' own checker."""
    command = [program("promtool"), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60)  # noqa: S603  (arguments of the tests)


def child_environ(**values: str) -> dict[str, str]:
    """Return what another process needs to serve the database of this test."""
    settings = connection.settings_dict
    url = f"sqlite:///{settings['NAME']}"
    if connection.vendor == "postgresql":
        user, host, port = settings["USER"], settings["HOST"], settings["PORT"]
        url = f"postgres://{user}@{host}:{port or 5432}/{settings['NAME']}"
    return {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": url, **values}
