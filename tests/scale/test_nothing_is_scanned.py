"""Where every table that only grows has a hundred thousand rows, none is scanned: by no page, by
no cycle, by no delivery, by no question of a bot.
"""

import pytest
from django.contrib.auth.models import User

from reconciliation.clock import SystemClock
from reconciliation.conf import require
from reconciliation.selectors.gate import load_gate
from reconciliation.selectors.health import load_health
from tests.admin.conftest import logged_in
from tests.browser.crawl import reachable
from tests.browser.long_world import starts
from tests.cycles.heartbeats import beat, hold, show_fill, slice_of
from tests.cycles.worlds import World
from tests.handlers.worlds import deliver_rows, history_row, order_row, trade_row
from tests.scale.work import Work, measured

# Counts are capped at ten thousand rows and said to be; what is more than that by far is a scan.
MOST = 40_000


def scans(doer: str, works: list[Work]) -> list[str]:
    return [f"{doer}: {work.rows} rows by {work.sql}" for work in works if work.rows > MOST]


@pytest.mark.timeout(900)
def test_nothing_reads_a_growing_table_as_a_whole(grown: None):
    # One test: the database it needs takes longer to make than all of this to run.
    found: list[str] = []
    client = logged_in(User.objects.create_superuser("root", password="irrelevant"))
    for address in reachable(client, starts()):
        with measured() as works:
            client.get(address)
        found += scans(address, works)
    world = World()
    slice_of(world)
    hold(world, "0.2")
    show_fill(world)
    world.fill(world.entry(exchange_order_id="2002"), "0.1")
    for doer, do in (
        ("a cycle", world.cycle),
        ("a heartbeat", lambda: beat(world)),
        ("a delivery", lambda: deliver_rows(trade_row(), order_row(), history_row())),
        ("the gate", lambda: load_gate(world.alpha, conf=require({}), clock=SystemClock())),
        ("health", lambda: load_health(conf=require({}), clock=SystemClock())),
    ):
        with measured() as works:
            do()
        found += scans(doer, works)
    assert not found, "\n".join(found)
