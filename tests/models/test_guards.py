"""The rules that only triggers hold, broken once: the refusal names the rule."""

import importlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from reconciliation.domain.audit import EventDraft, system_actor
from reconciliation.domain.transitions import ORDER_TRANSITIONS, TRADE_TRANSITIONS
from reconciliation.enums import OrderStatus, TradeStatus
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import AuditEvent, Fill, FillAllocation, Order, Trade
from tests.builders import (
    NOW,
    FixedClock,
    arranging,
    make_allocation,
    make_capital_entry,
    make_decision,
    make_fill,
    make_history,
    make_order,
    make_run,
    make_trade,
)

pytestmark = pytest.mark.django_db
migration = importlib.import_module("reconciliation.migrations.0007_decisions_and_parity")
on_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="REPLACE is SQLite's")
on_postgresql = pytest.mark.skipif("connection.vendor == 'sqlite'", reason="PostgreSQL only")


@pytest.fixture(autouse=True)
def _arranged() -> Iterator[None]:
    with arranging():
        yield


def make_event() -> AuditEvent:
    with transaction_unit(actor=system_actor("test"), clock=FixedClock()) as unit:
        event_id = unit.record(EventDraft(action="a.b"))
    return AuditEvent.objects.get(event_id=event_id)


def make_booked() -> FillAllocation:
    return make_allocation(make_fill(), make_history())


FINAL = {
    "audit_event_is_final": make_event,
    "trade_history_is_final": make_history,
    "fill_allocation_is_final": make_booked,
    "decision_is_final": make_decision,
    "capital_entry_is_final": make_capital_entry,
}
KEPT = {
    **FINAL,
    "fill_is_evidence": make_fill,
    "order_is_kept": make_order,
    "trade_is_kept": make_trade,
}


def refused(rule: str) -> Any:
    return pytest.raises(IntegrityError, match=rf"^{rule}: ")


def rows(row: models.Model) -> models.QuerySet[Any]:
    return type(row)._base_manager.filter(pk=row.pk)


@pytest.mark.parametrize("rule", FINAL)
def test_a_final_row_is_never_changed(rule: str):
    row = FINAL[rule]()
    field = next(field for field in row._meta.concrete_fields if not field.primary_key)
    with refused(rule), transaction.atomic():
        rows(row).update(**{field.attname: getattr(row, field.attname)})


@pytest.mark.parametrize("rule", KEPT)
def test_a_kept_row_is_never_deleted(rule: str):
    row = KEPT[rule]()
    with refused(rule), transaction.atomic():
        rows(row)._raw_delete("default")
    assert rows(row).exists()


@on_sqlite
@pytest.mark.parametrize("rule", KEPT)
def test_a_replace_does_not_get_around(rule: str):
    row = KEPT[rule]()
    table = row._meta.db_table
    with refused(rule), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f'REPLACE INTO {table} SELECT * FROM {table} WHERE "{row._meta.pk.column}" = %s',
            [row.pk],
        )


@on_sqlite
def test_a_replace_by_another_unique_key_does_not_get_around():
    trade = make_trade(trade_id="T", entry_quantity="1")
    columns = ", ".join(f.column for f in Trade._meta.concrete_fields if not f.primary_key)
    with refused("trade_is_kept"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT OR REPLACE INTO reconciliation_trade ({columns})"
            f" SELECT {columns} FROM reconciliation_trade WHERE id = %s",
            [trade.pk],
        )


@on_sqlite
def test_an_upsert_does_not_get_around():
    order = make_order(filled_quantity="0.5")
    with refused("order_filled_never_decreases"), transaction.atomic():
        Order.objects.bulk_create(
            [_with(order, filled_quantity=Decimal("0.4"))],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["filled_quantity"],
        )


@on_postgresql
def test_a_table_is_emptied_in_a_test_database_only():
    """Copies of the guards in a schema of their own, in the database that the tests came from."""
    make_event()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE reconciliation_auditevent")
    assert not AuditEvent.objects.exists()

    final = {
        "auditevent": "audit_event_is_final",
        "tradehistory": "trade_history_is_final",
        "fillallocation": "fill_allocation_is_final",
        "decision": "decision_is_final",
        "capitalentry": "capital_entry_is_final",
    }
    live = connection.copy()
    live.settings_dict = {**connection.settings_dict, "NAME": "postgres"}
    live.set_autocommit(False)
    try:
        with live.cursor() as cursor:
            cursor.execute("CREATE SCHEMA guarded")
            cursor.execute("SET search_path TO guarded")
            for table in (*final, "fill", "order", "trade"):
                cursor.execute(
                    f"CREATE TABLE reconciliation_{table} (id int, status text,"
                    " filled_quantity numeric, entry_quantity numeric, allocated_quantity numeric)"
                )
            with live.schema_editor(atomic=False) as editor:
                migration.install_guards(None, editor)
            for table, rule in final.items():
                cursor.execute("SAVEPOINT before")
                with refused(rule):
                    cursor.execute(f"TRUNCATE reconciliation_{table}")
                cursor.execute("ROLLBACK TO before")
    finally:
        live.rollback()
        live.close()


def test_what_was_filled_never_decreases():
    order = make_order(filled_quantity="0.5")
    with refused("order_filled_never_decreases"), transaction.atomic():
        rows(order).update(filled_quantity="0.499999999999999999")
    rows(order).update(filled_quantity="0.500000000000000001")


def test_what_was_entered_never_decreases():
    trade = make_trade(entry_quantity="10")
    with refused("trade_entry_never_decreases"), transaction.atomic():
        rows(trade).update(entry_quantity="9")
    rows(trade).update(entry_quantity="10.5")


OTHER_VALUES = {"raw": "{}", "quantity": "0.6", "price": "1", "fee": "2", "side": "sell"}


MAY_CHANGE = {"allocated_quantity", "set_aside"}


@pytest.mark.parametrize(
    "field", [f.name for f in Fill._meta.concrete_fields if f.name not in MAY_CHANGE]
)
def test_no_evidence_of_a_fill_changes(field: str):
    fill = make_fill()
    values: dict[str, Any] = {
        "id": fill.pk + 1000,
        "account": fill.account_id + 1000,
        "run": make_run().pk,
        "executed_at": NOW,
        "recorded_at": NOW,
        "kind": "liquidation",
        **OTHER_VALUES,
    }
    with refused("fill_is_evidence"), transaction.atomic():
        rows(fill).update(**{field: values.get(field, "other")})


def test_a_saved_fill_that_only_changed_its_allocation_is_accepted():
    fill = make_fill(quantity="0.5")
    fill.allocated_quantity = Decimal("0.2")
    fill.save()
    fill.refresh_from_db()
    assert fill.allocated_quantity == Decimal("0.2")


def test_a_fill_that_a_person_set_aside_is_accepted():
    fill = make_fill()
    assert rows(fill).update(set_aside=True) == 1
    assert rows(fill).update(set_aside=False) == 1


def test_the_migration_holds_the_transitions_of_the_domain():
    for frozen, domain in (
        (migration.ORDER_TRANSITIONS, ORDER_TRANSITIONS),
        (migration.TRADE_TRANSITIONS, TRADE_TRANSITIONS),
    ):
        pairs = {(str(old), str(new)) for old, news in domain.items() for new in news}
        assert set(frozen) == pairs


@pytest.mark.parametrize("old", OrderStatus)
@pytest.mark.parametrize("new", OrderStatus)
def test_an_order_changes_its_status_as_the_domain_allows(old: OrderStatus, new: OrderStatus):
    order = make_order(status=old, filled_quantity="0.1")
    if new == old or new in ORDER_TRANSITIONS[old]:
        assert rows(order).update(status=new) == 1
    else:
        with refused("order_status_transition"), transaction.atomic():
            rows(order).update(status=new)


@pytest.mark.parametrize("old", TradeStatus)
@pytest.mark.parametrize("new", TradeStatus)
def test_a_trade_changes_its_status_as_the_domain_allows(old: TradeStatus, new: TradeStatus):
    holds = {TradeStatus.OPEN: ("1", "0"), TradeStatus.CLOSED: ("1", "1")}
    holds[TradeStatus.QUARANTINED] = holds[TradeStatus.OPEN]
    entry, leave = holds.get(old, ("0", "0"))
    trade = make_trade(status=old, entry_quantity=entry, exit_quantity=leave)
    if new == old or new in TRADE_TRANSITIONS[old]:
        entry, leave = holds.get(new, (entry, leave))
        change = {"status": new, "entry_quantity": entry, "exit_quantity": leave}
        assert rows(trade).update(**change) == 1
    else:
        with refused("trade_status_transition"), transaction.atomic():
            rows(trade).update(status=new)


def test_a_row_that_keeps_its_status_is_accepted():
    order = make_order(status=OrderStatus.OPEN)
    order.end_reason = "x"
    order.save()


@pytest.mark.django_db(transaction=True)
def test_the_guards_can_be_removed_and_installed_again():
    before = _triggers()
    assert len(before) > 10
    with connection.schema_editor() as editor:
        migration.remove_guards(None, editor)
    assert _triggers() == []
    with connection.schema_editor() as editor:
        migration.install_guards(None, editor)
    assert _triggers() == before


def _triggers() -> list[str]:
    queries = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard%'"
        " ORDER BY name",
        "postgresql": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
        " AND tgname LIKE 'guard%' ORDER BY tgname",
    }
    with connection.cursor() as cursor:
        cursor.execute(queries[connection.vendor])
        return [definition for (definition,) in cursor.fetchall()]


def _with(row: Any, **values: Any) -> Any:
    for name, value in values.items():
        setattr(row, name, value)
    return row
