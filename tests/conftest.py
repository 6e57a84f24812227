"""What holds for the whole suite: no state is written outside a transaction unit.

Every connection of every thread checks each statement while a test runs. A violation raises where
it happens and fails the test again at its end, in case the code under test swallowed it.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test import TransactionTestCase

from reconciliation.domain.audit import GENESIS
from reconciliation.handlers.acting import is_request
from reconciliation.handlers.unit import (
    audited_table_written,
    current_unit,
    people_table_written,
)
from reconciliation.models import AuditHead
from tests.builders import arranging, is_arranging
from tests.guards import guards_lifted


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many workers `-n auto` means: one more than cores, for many a test only waits."""
    return (os.cpu_count() or 1) + 1


class WriteOutsideUnit(AssertionError):
    """An audited table was written outside a transaction unit, and not for set-up."""


class _Watch:
    """The check of every statement; `violations` is a list while a test runs."""

    def __init__(self) -> None:
        self.violations: list[str] | None = None

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        if self.violations is not None and not self._allowed(context["connection"]):
            # Tests make users as they need them; what answers a request does not.
            table = audited_table_written(sql) or (is_request() and people_table_written(sql))
            if table:
                self.violations.append(f"{table}: {str(sql)[:200]}")
                raise WriteOutsideUnit(self.violations[-1])
        return execute(sql, params, many, context)

    def _allowed(self, connection: BaseDatabaseWrapper) -> bool:
        unit = current_unit()
        return is_arranging() or (unit is not None and unit.using == connection.alias)

    def install(self, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if self not in connection.execute_wrappers:
            connection.execute_wrappers.insert(0, self)


@pytest.fixture(scope="session", autouse=True)
def _unit_watch() -> Iterator[_Watch]:
    watch = _Watch()
    connection_created.connect(watch.install, weak=False)
    for connection in connections.all(initialized_only=True):
        watch.install(connection)
    yield watch
    connection_created.disconnect(watch.install)


@pytest.fixture(autouse=True)
def no_write_outside_a_unit(_unit_watch: _Watch) -> Iterator[list[str]]:
    """Fail a test that writes an audited table outside a unit, even where it goes unnoticed."""
    _unit_watch.violations = violations = []
    yield violations
    _unit_watch.violations = None
    if violations:
        pytest.fail("written outside a transaction unit: " + "; ".join(violations))


@pytest.fixture(scope="session", autouse=True)
def _flush_past_the_guards() -> Iterator[None]:
    """Let tests that commit be cleaned up, and give the chain its head row back afterwards.

    Django empties every table between two such tests; the triggers refuse that, as they should.
    """
    flush = TransactionTestCase._fixture_teardown

    def flush_past_the_guards(self: TransactionTestCase) -> None:
        with arranging():
            if connections["default"].vendor == "sqlite":
                with guards_lifted():
                    flush(self)
            else:
                flush(self)
            AuditHead.objects.create(pk=1, sequence=0, hash=GENESIS)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", flush_past_the_guards)
        yield
