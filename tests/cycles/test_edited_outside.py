"""Rows that somebody edits by SQL: noticed by the next run, told once, left alone, taken up."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.audit import Actor
from reconciliation.domain.people import Person
from reconciliation.enums import ActorType, EscalationKind, OrderStatus, Right, RunKind, TradeStatus
from reconciliation.handlers.escalations import acknowledge_escalation
from reconciliation.models import AuditEvent, Escalation, Order, OutsideEdit, Position, Trade
from tests.builders import FixedClock, arranging
from tests.cycles.heartbeats import ONE, beat, slice_of, status_of
from tests.cycles.worlds import World
from tests.handlers.worlds import deliver_rows, order_row, trade_row

pytestmark = pytest.mark.django_db

KIND = EscalationKind.EDITED_OUTSIDE


def edit(table: str, pk: int, column: str, value: object) -> None:
    """Change a column as somebody does who has the database's password."""
    field = {"order": Order, "trade": Trade, "position": Position}[table]._meta.get_field(column)
    given = field.get_db_prep_save(value, connection)
    with arranging(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE reconciliation_{table} SET {column} = %s WHERE id = %s", [given, pk]
        )


def told() -> list[tuple[str, str]]:
    rows = Escalation.objects.filter(kind=KIND).order_by("pk")
    return list(rows.values_list("key", "status"))


def events(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("sequence"))


def acknowledge() -> None:
    person = Person(actor=Actor(type=ActorType.USER, id="7", name="ann"), rights=frozenset(Right))
    row = Escalation.objects.unresolved().get(kind=KIND)
    answer = acknowledge_escalation(person=person, escalation_id=row.pk, clock=FixedClock())
    assert answer.refusal is None


def filled_entry(world: World) -> Order:
    """Return an entry that is filled at the exchange and open in the books."""
    order = world.entry()
    world.fill(order, "0.5")
    world.end(order)
    return order


def test_an_edited_order_is_noticed_told_once_and_not_corrected(world: World) -> None:
    order = filled_entry(world)
    edit("order", order.pk, "price", "1")

    for _ in range(3):
        world.cycle()

    assert told() == [(f"EDITED_OUTSIDE order {order.pk}", "OPEN")]
    (event,) = events("row.edited_outside")
    assert (event.object_type, event.object_id) == ("order", str(order.pk))
    assert json.loads(event.payload)["after"]["price"] == "1"
    order.refresh_from_db()
    assert order.status == OrderStatus.OPEN
    assert order.filled_quantity == 0


def test_what_was_acknowledged_is_taken_up_and_the_loop_goes_on(world: World) -> None:
    order = filled_entry(world)
    edit("order", order.pk, "price", "1")
    world.cycle()

    acknowledge()
    world.cycle()

    assert told() == [(f"EDITED_OUTSIDE order {order.pk}", "RESOLVED")]
    (event,) = events("row.edit_accepted")
    assert event.object_id == str(order.pk)
    order.refresh_from_db()
    assert order.status == OrderStatus.FILLED
    assert not OutsideEdit.objects.unsettled().exists()


def test_other_rows_go_on_while_one_waits(world: World) -> None:
    edited = filled_entry(world)
    other = world.entry(profile=edited.profile, client_order_id="other1", exchange_order_id="5001")
    world.fill(other, "0.5")
    world.end(other)
    edit("order", edited.pk, "end_reason", "by hand")

    world.cycle()

    edited.refresh_from_db()
    other.refresh_from_db()
    assert edited.status == OrderStatus.OPEN
    assert other.status == OrderStatus.FILLED


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [("trade", "entry_quantity", "0.7"), ("position", "quantity", "0.9")],
)
def test_a_ghost_whose_rows_were_edited_is_not_closed_before_somebody_says_so(
    world: World, table: str, column: str, value: str
) -> None:
    world.environ = dict(ONE)
    trade = slice_of(world)
    if table == "position":
        with arranging():
            row: Any = Position.objects.create(
                profile=trade.profile,
                symbol=trade.symbol,
                direction=trade.direction,
                quantity=trade.entry_quantity,
                updated_at=trade.opened_at,
            )
    else:
        row = trade
    edit(table, row.pk, column, value)

    beat(world)
    beat(world)

    assert status_of(trade) == TradeStatus.OPEN
    assert told() == [(f"EDITED_OUTSIDE {table} {row.pk}", "OPEN")]

    acknowledge()
    beat(world)
    beat(world)

    assert status_of(trade) != TradeStatus.OPEN
    assert told() == [(f"EDITED_OUTSIDE {table} {row.pk}", "RESOLVED")]


def test_an_edit_after_the_answer_is_a_new_question(world: World) -> None:
    order = filled_entry(world)
    edit("order", order.pk, "price", "1")
    world.cycle()
    acknowledge()
    edit("order", order.pk, "price", "2")

    world.cycle()

    key = f"EDITED_OUTSIDE order {order.pk}"
    assert told() == [(key, "RESOLVED"), (key, "OPEN")]
    assert len(events("row.edited_outside")) == 2
    order.refresh_from_db()
    assert order.status == OrderStatus.OPEN


def test_what_the_portal_and_its_deliveries_write_is_no_edit(world: World) -> None:
    order = filled_entry(world)
    world.cycle()
    deliver_rows(trade_row(), order_row())
    world.cycle()

    assert Order.objects.get(pk=order.pk).version > 1
    assert not OutsideEdit.objects.exists()
    assert not told()


def test_a_run_asks_once_where_nothing_was_edited(world: World) -> None:
    filled_entry(world)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        world.cycle()

    about = [each["sql"] for each in queries if "outsideedit" in each["sql"]]
    own = [sql for sql in about if sql.startswith('SELECT "reconciliation_outsideedit"')]
    assert len(own) == 1


def test_a_run_that_leaves_a_row_alone_has_finished_all_the_same(world: World) -> None:
    order = filled_entry(world)
    edit("order", order.pk, "price", "1")

    outcome = world.cycle()

    assert outcome.counts["edited_outside"] == 1
    assert outcome.kind == RunKind.RECONCILE
    assert outcome.status == "SUCCEEDED"
