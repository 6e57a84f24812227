"""Health and metrics cost what is there now: no query reads the past row by row."""

import re

import pytest
from django.db import connection

from reconciliation.conf import require
from reconciliation.selectors.health import load_health
from reconciliation.selectors.metrics import load_metrics
from tests.builders import FixedClock, make_profile, make_run

pytestmark = pytest.mark.django_db
# Tables that only grow. The counters of /metrics count every mismatch, from an index alone.
GROWING = r"reconciliation_(run|mismatch|trade|tradehistory)"
WHOLE_TABLE = {
    "sqlite": rf"^SCAN {GROWING}\b(?! USING (COVERING )?INDEX)",
    "postgresql": rf"Seq Scan on {GROWING}\b",
}
INDEXES = {"run_last_by_status", "mismatch_by_account", "mismatch_counted", "history_synthetic"}


@pytest.mark.parametrize("load", [load_health, load_metrics])
def test_every_query_of_a_growing_table_goes_by_an_index(load):
    make_run(make_profile().account)
    queries: list[tuple[str, object]] = []

    def note(execute, sql, params, many, context):
        queries.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        load(conf=require({}), clock=FixedClock())
    plans = [line for sql, params in queries for line in plan(sql, params)]
    assert [line for line in plans if re.search(WHOLE_TABLE[connection.vendor], line)] == []
    if connection.vendor == "postgresql":
        return  # which of the indexes it takes depends on what it knows of the rows
    used = {name for name in INDEXES if any(name in line for line in plans)}
    assert used == INDEXES - ({"mismatch_counted"} if load is load_health else set())


def plan(sql: str, params: object) -> list[str]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # So small a table is read as a whole unless that is forbidden.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}", params)
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        return [str(row[-1]).strip() for row in cursor.fetchall()]
