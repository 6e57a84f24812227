"""How many rows a query really touches: told by the database that runs it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

from tests.scale.grown import GROWING

STEPS = 1000
"""SQLite tells of its virtual machine every so many instructions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One query: `rows` it read of a growing table at the most, an estimate on SQLite."""

    sql: str
    rows: int


@contextmanager
def measured() -> Iterator[list[Work]]:
    """Collect the work of every SELECT of the block, each of which runs twice on PostgreSQL."""
    found: list[Work] = []
    if connection.vendor == "postgresql":
        with connection.execute_wrapper(_Explained(found)):
            yield found
        return
    steps = _Steps(found)
    connection.ensure_connection()
    connection.connection.set_progress_handler(steps.step, STEPS)
    try:
        with connection.execute_wrapper(steps):
            yield found
        steps.close()
    finally:
        connection.connection.set_progress_handler(None, 0)


class _Explained:
    """Lets PostgreSQL run each query once more and tell what its scans read."""

    def __init__(self, found: list[Work]) -> None:
        self._found = found

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        is_read = sql.lstrip().upper().startswith(("SELECT", "WITH"))
        if is_read and any(model._meta.db_table in sql for model in GROWING):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                (plan,) = cursor.fetchone()
            plan = json.loads(plan) if isinstance(plan, str) else plan
            self._found.append(Work(sql=sql, rows=max(_read(plan[0]["Plan"]), default=0)))
        return execute(sql, params, many, context)


def _read(node: dict[str, Any]) -> Iterator[int]:
    """Yield what each scan of a plan read, kept or thrown away."""
    if "Relation Name" in node or "Index Name" in node:
        thrown = node.get("Rows Removed by Filter", 0)
        thrown += node.get("Rows Removed by Index Recheck", 0)
        yield int((node["Actual Rows"] + thrown) * node["Actual Loops"])
    for child in node.get("Plans", ()):
        yield from _read(child)


class _Steps:
    """Counts what SQLite does from one query to the next: rows are computed as they are fetched."""

    def __init__(self, found: list[Work]) -> None:
        self._found = found
        self._sql = ""
        self._steps = 0

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        self.close()
        self._sql = sql
        return execute(sql, params, many, context)

    def step(self) -> int:
        self._steps += 1
        return 0

    def close(self) -> None:
        if self._sql and any(model._meta.db_table in self._sql for model in GROWING):
            # A row that is looked at costs five instructions or more.
            self._found.append(Work(sql=self._sql, rows=self._steps * STEPS // 5))
        self._sql, self._steps = "", 0
