"""State and its trail are committed together, sealed in one chain, or not at all."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.audit import (
    GENESIS,
    Actor,
    EventDraft,
    link,
    system_actor,
    verify,
)
from reconciliation.enums import ActorType, AuditOutcome
from reconciliation.handlers.unit import (
    OPERATIONAL_TABLES,
    BrokenChain,
    NestedUnit,
    NoUnit,
    UnauditedWrite,
    Unit,
    audit_record,
    audited_table_written,
    audited_tables,
    current_unit,
    transaction_unit,
)
from reconciliation.models import AuditEvent, AuditHead, Order, Run
from reconciliation.selectors.audit import ChainReader
from tests.builders import NOW, FixedClock, arranging, make_order, make_run
from tests.conftest import WriteOutsideUnit

pytestmark = pytest.mark.django_db


def open_unit(**options: Any) -> AbstractContextManager[Unit]:
    return transaction_unit(**{"actor": system_actor("test"), "clock": FixedClock(), **options})


def draft(action: str = "order.updated", **values: Any) -> EventDraft:
    return EventDraft(action=action, **values)


def test_events_are_linked_to_the_chain_and_the_head_follows_them():
    with open_unit() as unit:
        first = unit.record(draft())
        unit.record(draft("order.canceled"))

    one, two = AuditEvent.objects.order_by("sequence")
    assert (one.sequence, two.sequence, one.event_id) == (1, 2, first)
    assert one.previous_hash == GENESIS
    assert one.hash == link(GENESIS, one.leaf)
    assert two.hash == link(one.hash, two.leaf)
    head = AuditHead.objects.get()
    assert (head.sequence, head.hash) == (2, two.hash)


def test_an_event_says_who_when_on_what_and_under_which_settings():
    actor = Actor(type=ActorType.USER, id="7", name="ann", groups=("Operator", "Approver"))
    with open_unit(
        actor=actor, settings_hash="5e", run_id=3, request_id="r1", ip="10.0.0.1"
    ) as unit:
        unit.record(
            draft(
                outcome=AuditOutcome.REFUSED, object_type="order", object_id="O1", profile="alpha"
            )
        )

    event = AuditEvent.objects.get()
    assert (event.occurred_at, event.actor_name, event.run_id) == (NOW, "ann", 3)
    assert (event.object_id, event.profile_name, event.outcome) == ("O1", "alpha", "refused")
    assert '"actor_groups":["Approver","Operator"]' in event.payload
    assert '"settings_hash":"5e"' in event.payload


def test_an_exception_undoes_the_writes_and_the_events():
    order = make_order()
    with pytest.raises(ZeroDivisionError), open_unit() as unit:  # noqa: PT012
        Order.objects.filter(pk=order.pk).update(end_reason="gone")
        unit.record(draft())
        raise ZeroDivisionError

    order.refresh_from_db()
    assert order.end_reason == ""
    assert not AuditEvent.objects.exists()
    assert AuditHead.objects.get().sequence == 0
    assert current_unit() is None


def test_a_crash_before_the_commit_undoes_everything():
    def crash() -> None:
        assert AuditEvent.objects.count() == 1
        raise SystemExit

    with pytest.raises(SystemExit), open_unit(before_commit=crash) as unit:
        unit.record(draft())
    assert not AuditEvent.objects.exists()


def test_a_unit_without_writes_and_events_touches_nothing():
    with CaptureQueriesContext(connection) as queries, open_unit():
        pass
    assert [q["sql"] for q in queries if "audit" in q["sql"]] == []


def test_a_write_to_an_audited_table_without_an_event_is_refused_and_undone():
    order = make_order()
    with pytest.raises(UnauditedWrite, match="reconciliation_order"), open_unit():
        Order.objects.filter(pk=order.pk).update(end_reason="gone")
    order.refresh_from_db()
    assert order.end_reason == ""


def test_an_operational_table_may_be_written_without_an_event():
    run = make_run()
    with open_unit():
        Run.objects.filter(pk=run.pk).update(error="slow")
    run.refresh_from_db()
    assert run.error == "slow"


def test_a_failed_savepoint_takes_its_events_along_and_the_rest_stays():
    order = make_order()
    with open_unit() as unit:
        unit.record(draft("kept"))
        with pytest.raises(ZeroDivisionError), unit.savepoint():  # noqa: PT012
            Order.objects.filter(pk=order.pk).update(end_reason="gone")
            unit.record(draft("undone"))
            raise ZeroDivisionError

    order.refresh_from_db()
    assert order.end_reason == ""
    assert [event.action for event in AuditEvent.objects.all()] == ["kept"]


def test_a_write_that_was_undone_by_its_savepoint_needs_no_event():
    order = make_order()
    with open_unit() as unit, pytest.raises(ZeroDivisionError), unit.savepoint():  # noqa: PT012
        Order.objects.filter(pk=order.pk).update(end_reason="gone")
        raise ZeroDivisionError


def test_units_do_not_nest_nor_open_within_a_transaction():
    with open_unit(), pytest.raises(NestedUnit), open_unit():
        pass
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"), open_unit():
        pass
    assert current_unit() is None


def test_an_event_is_recorded_only_within_a_unit():
    with pytest.raises(NoUnit):
        audit_record(draft())
    with open_unit() as unit:
        audit_record(draft())
    with pytest.raises(NoUnit):
        unit.record(draft())
    assert AuditEvent.objects.count() == 1


def test_a_unit_belongs_to_its_thread():
    seen: list[Unit | None] = []
    with open_unit() as unit:
        thread = threading.Thread(target=lambda: seen.append(current_unit()))
        thread.start()
        thread.join()
        assert current_unit() is unit
    assert seen == [None]


def test_a_float_or_an_overlong_name_is_refused_where_it_is_recorded():
    with open_unit() as unit:
        with pytest.raises(TypeError, match="float"):
            unit.record(draft(after={"price": 0.1}))
        with pytest.raises(ValueError, match="object_id"):
            unit.record(draft(object_id="x" * 65))
    assert not AuditEvent.objects.exists()


def test_text_that_no_column_could_hold_as_it_is_is_escaped_in_the_payload():
    with open_unit() as unit:
        unit.record(draft(comment="half \ud83d and nul \x00"))
    assert r"half \ud83d and nul \u0000" in AuditEvent.objects.get().payload
    reader = ChainReader()
    assert verify(reader.rows(), head=reader.head).intact


def test_a_missing_head_row_stops_every_unit_that_has_events():
    AuditHead.objects.all().delete()
    with pytest.raises(BrokenChain), open_unit() as unit:
        unit.record(draft())


@pytest.mark.parametrize("events", [1, 1000])
def test_the_number_of_statements_does_not_grow_with_the_events(events: int):
    with CaptureQueriesContext(connection) as queries, open_unit() as unit:
        for _ in range(events):
            unit.record(draft())
    sealing = [q["sql"] for q in queries if "SAVEPOINT" not in q["sql"]]
    assert len(sealing) == 3
    assert AuditEvent.objects.count() == events


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ('UPDATE "reconciliation_order" SET x = 1', "reconciliation_order"),
        ("update reconciliation_trade set x = 1", "reconciliation_trade"),
        ('UPDATE ONLY "public"."reconciliation_order" SET x = 1', "reconciliation_order"),
        ('UPDATE OR IGNORE "reconciliation_order" SET x = 1', "reconciliation_order"),
        ('INSERT INTO "reconciliation_order" (x) VALUES (1)', "reconciliation_order"),
        ('INSERT OR REPLACE INTO "reconciliation_order" VALUES (1)', "reconciliation_order"),
        ("REPLACE INTO reconciliation_order VALUES (1)", "reconciliation_order"),
        ('DELETE FROM "reconciliation_tradehistory"', "reconciliation_tradehistory"),
        ("TRUNCATE TABLE reconciliation_position", "reconciliation_position"),
        ('WITH x AS (SELECT 1) UPDATE "reconciliation_order" SET x = 1', "reconciliation_order"),
        ("SELECT 1; DELETE FROM reconciliation_order", None),
        (
            'UPDATE "reconciliation_run" SET x = 1; DELETE FROM reconciliation_order',
            "reconciliation_order",
        ),
        ("/* why */ DELETE FROM reconciliation_order", "reconciliation_order"),
        ('SELECT * FROM "reconciliation_order" FOR UPDATE', None),
        ('UPDATE "reconciliation_run" SET x = 1', None),
        ('INSERT INTO "reconciliation_fill" (x) SELECT 1 FROM reconciliation_order', None),
        ('UPDATE "django_session" SET x = 1', None),
        ("SAVEPOINT reconciliation_order", None),
    ],
)
def test_a_statement_is_known_by_the_table_it_writes(sql: str, table: str | None):
    assert audited_table_written(sql) == table


def test_every_operational_table_exists_and_says_why():
    tables = {model._meta.db_table for model in apps.get_app_config("reconciliation").get_models()}
    assert OPERATIONAL_TABLES.keys() <= tables
    assert all(OPERATIONAL_TABLES.values())
    assert {"reconciliation_order", "reconciliation_fillallocation"} <= audited_tables()


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.django_db(transaction=True)
def test_the_suite_notices_a_write_outside_a_unit(
    in_thread: bool, no_write_outside_a_unit: list[str]
):
    order = make_order()
    errors: list[BaseException] = []

    def write() -> None:
        try:
            Order.objects.filter(pk=order.pk).update(end_reason="gone")
        except WriteOutsideUnit as error:
            errors.append(error)

    _run_in_threads(1, write) if in_thread else write()
    assert len(errors) == len(no_write_outside_a_unit) == 1
    no_write_outside_a_unit.clear()

    with arranging():
        write()
    assert len(errors) == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_units_leave_one_intact_chain():
    threads, units = 4, 10
    start = threading.Barrier(threads)

    def work() -> None:
        start.wait()
        for _ in range(units):
            with open_unit() as unit:
                unit.record(draft())
                unit.record(draft())

    assert _run_in_threads(threads, work) == []
    reader = ChainReader()
    report = verify(reader.rows(), head=reader.head)
    assert (report.intact, report.count) == (True, threads * units * 2)


def _run_in_threads(number: int, work: Callable[[], None]) -> list[BaseException]:
    """Run `work` at the same time in several threads; return what they raised."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
