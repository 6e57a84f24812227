"""/metrics over HTTP: Prometheus' format, whole or not at all, and counters that outlive us."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from reconciliation.conf import require
from reconciliation.enums import MismatchKind
from reconciliation.selectors.metric_families import FAMILIES
from reconciliation.selectors.metrics import load_metrics
from reconciliation.web.metrics import DatabaseCollector
from tests.builders import make_account, make_mismatch, make_profile, make_run
from tests.cycles.worlds import World, mismatches
from tests.web.conftest import TOKEN, Ask
from tests.web.tools import child_environ, promtool

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]
COUNTED = {"profile": "alpha"}


def samples(text: str) -> dict[str, float]:
    """Return each sample's value by its name with labels in order."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_it_speaks_prometheus_text_format_with_a_line_of_meaning_for_each(ask: Ask):
    make_run()
    response = ask("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=")
    lines = response.content.decode().splitlines()
    for family in FAMILIES.values():
        assert f"# HELP {family.name} {family.meaning}" in lines
        assert f"# TYPE {family.name} {family.type.value}" in lines


def test_the_process_own_metrics_are_there_too(ask: Ask):
    ask("/internal/live")
    text = ask("/metrics").content.decode()
    assert "django_http_requests_total_by_view_transport_method_total{" in text
    assert "process_cpu_seconds_total" in text


def test_it_shows_what_the_database_says_now_at_each_scrape(ask: Ask):
    profile = make_profile()
    name = "reconciliation_mismatch_total[('profile', 'alpha')]"
    for count in (1, 2):
        make_mismatch(profile=profile)
        assert samples(ask("/metrics").content.decode())[name] == count


def test_promtool_finds_no_fault(ask: Ask):
    profile = make_profile()
    run = make_run(profile.account)
    for kind in MismatchKind:
        make_mismatch(run, profile=profile, kind=kind)
    done = promtool("check", "metrics", stdin=ask("/metrics").content)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_in_the_middle_fails_the_scrape_as_a_whole(ask: Ask):
    make_profile()
    statements = Counter[str]()

    def count(execute, sql, params, many, context):
        statements["all"] += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        assert ask("/metrics").status_code == 200
    reads = statements["all"]
    assert reads > 10
    for failing in range(reads):
        asked = Counter[str]()

        def gone(execute, sql, params, many, context, asked=asked, failing=failing):
            asked["all"] += 1
            if asked["all"] > failing:
                raise OperationalError("server closed the connection\nunexpectedly")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(gone):
            response = ask("/metrics")
        assert response.status_code == 503, failing
        assert response["Content-Type"].startswith("text/plain")
        assert response.content.decode() == (
            "the database cannot be read: OperationalError: server closed the connection"
        )
    assert ask("/metrics").status_code == 200


def test_registering_the_collector_asks_the_database_for_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        CollectorRegistry(auto_describe=True).register(DatabaseCollector())


def test_gauges_return_to_zero_when_all_has_healed_and_counters_stay(world: World):
    def now(name: str, **labels: str) -> int | float:
        text = ",".join(f'{label}="{value}"' for label, value in labels.items())
        return load_metrics(conf=require({}), clock=world.clock)[f"reconciliation_{name}{{{text}}}"]

    def gauges() -> tuple[int | float, ...]:
        kind = MismatchKind.MISSING_FROM_EXCHANGE.value
        return now("open_mismatches", profile="alpha", kind=kind), now("status", status="degraded")

    order = world.entry()
    world.cycle()
    assert mismatches() == [("MISSING_FROM_EXCHANGE", "OPEN")]
    assert gauges() == (1, 1)
    world.cycle()
    assert now("mismatch_total", **COUNTED) == 1

    world.fill(order, "0.5")
    world.end(order)
    world.cycle()

    assert mismatches() == [("MISSING_FROM_EXCHANGE", "RESOLVED")]
    assert gauges() == (0, 0)
    assert now("status", status="ok") == 1
    assert now("mismatch_total", **COUNTED) == 1
    assert now("missing_from_exchange_total", **COUNTED) == 1


SCRAPE = """
import django
django.setup()
from django.conf import settings
from django.test import Client
headers = {"authorization": f"Bearer {settings.INTERNAL_API_TOKEN}"}
print(Client(headers=headers, HTTP_HOST="localhost").get("/metrics").content.decode())
"""


@pytest.mark.django_db(transaction=True)
def test_counters_survive_a_restart(ask: Ask):
    profile = make_profile()
    run = make_run(make_account())
    make_mismatch(run, profile=profile, kind=MismatchKind.MISSING_IN_DB)
    make_mismatch(run, profile=profile)

    def of_the_portal(text: str) -> dict[str, float]:
        found = samples(text)
        return {name: found[name] for name in found if name.startswith("reconciliation_mis")}

    before = of_the_portal(ask("/metrics").content.decode())
    assert before["reconciliation_mismatch_total[('profile', 'alpha')]"] == 2
    done = subprocess.run(  # noqa: S603  (this very program)
        [sys.executable, "-c", SCRAPE],
        cwd=ROOT,
        env=os.environ | child_environ(INTERNAL_API_TOKEN=TOKEN),
        capture_output=True,
        text=True,
        check=True,
    )
    assert of_the_portal(done.stdout) == before
