"""A cycle costs the same number of statements, however many orders there are."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.enums import Origin, RunStatus
from reconciliation.handlers.bulk import insert_rows
from reconciliation.models import Order, Trade
from tests.builders import NOW, SYMBOL, arranging
from tests.cycles.worlds import CANCELED, World
from tests.domain.builders import shown

pytestmark = pytest.mark.django_db
OLD = NOW - timedelta(hours=2)


def add_active_orders(world: World, count: int) -> None:
    """Add open orders, each with a trade of its own, that the exchange shows alike."""
    first = Order.objects.count()
    numbers = range(first, first + count)
    trades = [
        Trade(
            account=world.account,
            profile=world.alpha,
            trade_id=f"bulk{number}",
            code=f"code{number}",
            symbol=SYMBOL,
            direction="long",
            status="PENDING",
            entry_quantity=0,
            exit_quantity=0,
            opened_at=OLD,
            last_activity_at=OLD,
        )
        for number in numbers
    ]
    with arranging():
        insert_rows(Trade, trades)
        insert_rows(
            Order,
            [
                Order(
                    account=world.account,
                    profile=world.alpha,
                    trade=trade,
                    purpose="ENTRY",
                    origin=Origin.BOT,
                    client_order_id=f"bulk{number}",
                    exchange_order_id=f"b{number}",
                    symbol=SYMBOL,
                    side="buy",
                    type="limit",
                    status="OPEN",
                    quantity="0.5",
                    price="60000",
                    filled_quantity=0,
                    created_at=OLD,
                    last_activity_at=OLD,
                )
                for number, trade in zip(numbers, trades, strict=True)
            ],
        )
    world.exchange.orders += [
        shown(exchange_order_id=f"b{number}", client_order_id=f"bulk{number}", created_at=OLD)
        for number in numbers
    ]


def statements(world: World) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        outcome = world.cycle()
    assert outcome.status == RunStatus.SUCCEEDED
    return [query["sql"] for query in queries]


def with_corrections(world: World) -> None:
    """Let a fill be missed, an order be canceled, and another have other terms."""
    filled, canceled, amended = (world.entry() for _ in range(3))
    world.fill(filled, "0.5")
    world.end(filled)
    world.end(canceled, CANCELED)
    world.show(amended, price="59000")


@pytest.mark.parametrize("corrects", [False, True], ids=["at rest", "at equal corrections"])
def test_a_cycle_over_a_thousand_orders_costs_as_many_statements_as_one_over_ten(world, corrects):
    add_active_orders(world, 10)
    statements(world)  # the first one reads the whole window of fills
    counts = []
    for more in (0, 990):
        add_active_orders(world, more)
        statements(world)  # what the new orders reserve is written once
        if corrects:
            with_corrections(world)
        counts.append(len(statements(world)))
    assert counts[0] == counts[1]
    assert Order.objects.count() >= 1000


def test_the_number_of_corrections_changes_the_number_of_statements_by_the_look_ups_alone(world):
    def corrected(orders: int) -> list[str]:
        for _ in range(orders):
            order = world.entry()
            world.fill(order, "0.2")
            world.show(order, status="PARTIALLY_FILLED", filled_quantity="0.2")
        return statements(world)

    # What an open order's fills correct needs no look-up: it costs nothing more at all.
    corrected(1)
    assert len(corrected(2)) == len(corrected(20))


def test_no_statement_takes_more_than_a_handful_of_parameters(world):
    # Each engine has a limit, and a cycle must not come near it however many orders there are.
    add_active_orders(world, 300)
    counts: list[int] = []

    def count(execute, sql, params, many, context):
        counts.append(len(params or ()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        world.cycle()
    assert max(counts) < 50
