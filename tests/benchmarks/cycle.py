"""How long one reconciliation cycle takes: `python -m tests.benchmarks.cycle --orders 1000`.

Each line is a cycle over so many active orders: the first one, one at rest, and one in which ten
orders were partly filled. The exchange answers from memory, so what is measured is the portal and
its database. The numbers are for comparing two versions on one machine, not to pass or fail.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIZES = (10, 100, 1000)
CORRECTED = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--orders", type=int, nargs="+", default=list(SIZES), help="active orders of the account"
    )
    parser.add_argument("--repeat", type=int, default=5, help="cycles that a median is taken of")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    _say(f"median of {options.repeat} cycles: milliseconds (statements)")
    for orders in options.orders:
        with scratch_database() as engine:
            _say(f"{engine} {orders:>6} orders: {measure(orders, options.repeat)}")


@contextmanager
def scratch_database() -> Iterator[str]:
    """Make an empty database of the configured engine, and remove it at the end."""
    from django.db import connection

    name = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = (
        str(name).replace("portal.sqlite3", "benchmark.sqlite3")
        if connection.vendor == "sqlite"
        else f"benchmark_{name}"
    )
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield connection.vendor
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def measure(orders: int, repeat: int) -> str:
    """Return the cells of one line."""
    from reconciliation.models import Order
    from tests.cycles.test_statements import add_active_orders
    from tests.cycles.worlds import World

    world = World()
    add_active_orders(world, orders)
    cells = [_cell("first", [_timed(world)])]
    cells.append(_cell("at rest", [_timed(world) for _ in range(repeat)]))
    filled = list(Order.objects.order_by("pk")[:CORRECTED])
    corrected = []
    for _ in range(repeat):
        for order in filled:
            world.fill(order, "0.001", executed_at=world.clock.now())
        corrected.append(_timed(world))
    cells.append(_cell(f"{len(filled)} filled", corrected))
    return ", ".join(cells)


def _timed(world: Any) -> tuple[float, int]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        started = time.perf_counter()
        world.cycle()
        taken = time.perf_counter() - started
    return taken * 1000, len(queries)


def _cell(name: str, runs: list[tuple[float, int]]) -> str:
    milliseconds = statistics.median(taken for taken, _ in runs)
    return f"{name} {milliseconds:.0f} ({runs[-1][1]})"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
