"""One row that cannot be, or that the database does not take, stops no other row."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from reconciliation.handlers import delivered_orders, delivered_values
from reconciliation.models import AuditEvent, Order, Trade
from tests.builders import NOW
from tests.handlers.worlds import (
    HOURS_AGO,
    deliver_rows,
    history_row,
    order_row,
    outcomes,
    position_row,
    refusal,
    the_order,
    the_position,
    the_trade,
    trade_row,
)

pytestmark = pytest.mark.django_db

NAIVE = datetime(2026, 1, 5, 11)  # noqa: DTZ001
TOO_FAR = NOW + delivered_values.MAX_AHEAD + timedelta(seconds=1)
LONG_AGO = datetime.fromisoformat("1969-12-31T23:59:59+00:00")


@pytest.mark.parametrize("moment", [NAIVE, TOO_FAR, LONG_AGO], ids=["naive", "future", "past"])
@pytest.mark.parametrize(
    ("field", "row"),
    [("opened_at", trade_row), ("created_at", order_row), ("executed_at", history_row)],
)
def test_a_moment_that_cannot_be_is_refused_and_stops_no_other(field, row, moment):
    report = deliver_rows(row("bad", **{field: moment}), trade_row(), order_row(), history_row())
    assert refusal(report).startswith(f"{field}:")
    assert outcomes(report).count("accepted") == 3
    assert the_trade().last_activity_at == NOW


def test_a_clock_that_is_a_little_ahead_is_taken():
    ahead = NOW + delivered_values.MAX_AHEAD
    assert outcomes(deliver_rows(trade_row(opened_at=ahead))) == ["accepted"]


def test_a_refused_row_is_audited_also_where_its_id_is_no_text():
    deliver_rows(trade_row("T\ud800"), trade_row("T\x00"), trade_row())
    assert AuditEvent.objects.filter(outcome="refused", action="trade.delivered").count() == 2
    assert the_trade()


# --- the last net ---


@pytest.fixture
def refuse_client2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database refuse order client2, for a reason that no check foresaw."""
    insert = delivered_orders.insert_rows

    def insert_rows(model, rows):
        if any(getattr(row, "client_order_id", None) == "client2" for row in rows):
            # Something of the batch is written by then.
            insert(model, [row for row in rows if row.client_order_id != "client2"])
            raise IntegrityError("a rule of the database\nDETAIL: of client2")
        insert(model, rows)

    monkeypatch.setattr(delivered_orders, "insert_rows", insert_rows)


def test_a_row_that_the_database_does_not_take_stops_no_other(refuse_client2):
    report = deliver_rows(
        trade_row(),
        order_row(),
        order_row("client2", exchange_order_id="1002"),
        order_row("client3", exchange_order_id="1003"),
        history_row(order_ref="client1"),
        position_row("0.4"),
    )
    assert outcomes(report) == ["accepted"] * 2 + ["refused"] + ["accepted"] * 2 + ["merged"]
    assert [(row.kind, row.ref) for row in report.refused] == [("order", "client2")]
    assert refusal(report).endswith("a rule of the database")
    assert set(Order.objects.values_list("client_order_id", flat=True)) == {"client1", "client3"}
    assert the_order().trade == the_trade()
    assert the_trade().entry_quantity == Decimal("0.5")
    assert the_position().quantity == Decimal("0.4")
    events = list(AuditEvent.objects.order_by("sequence").values_list("action", "outcome"))
    assert events == [
        ("trade.delivered", "applied"),
        ("order.delivered", "applied"),
        ("order.delivered", "applied"),
        ("history.delivered", "applied"),
        ("position.delivered", "applied"),
        ("order.delivered", "refused"),
    ]


def test_a_database_that_was_not_to_be_had_is_no_answer_to_a_row(monkeypatch):
    def insert_rows(model, rows):
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(delivered_orders, "insert_rows", insert_rows)
    with pytest.raises(OperationalError):
        deliver_rows(trade_row(), order_row())
    assert not Trade.objects.exists()
    assert not AuditEvent.objects.exists()


# --- locks ---


def test_trades_orders_and_positions_are_locked_by_one_statement_each_in_order_of_their_keys():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite locks the whole file")
    rows = [trade_row(), order_row(), history_row(), position_row()]
    deliver_rows(*rows)
    with CaptureQueriesContext(connection) as queries:
        deliver_rows(*rows, history_row("h2", executed_at=HOURS_AGO))
    locks = [q["sql"] for q in queries if "FOR NO KEY UPDATE" in q["sql"]]
    for table in ("trade", "order"):
        of_table = [sql for sql in locks if f'FROM "reconciliation_{table}"' in sql]
        assert len(of_table) == 1
        assert of_table[0].endswith('"id" ASC FOR NO KEY UPDATE')
    # The account is one row, for which deliveries take their turns.
    of_many = [sql for sql in locks if 'FROM "reconciliation_exchangeaccount"' not in sql]
    assert all("ORDER BY" in sql for sql in of_many)
