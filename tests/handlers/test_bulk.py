"""A row written in bulk is the row that the ORM would have written, in one statement."""

from collections.abc import Callable, Iterator
from copy import copy
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.db import DataError, IntegrityError, connection, models, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.audit import EventDraft, system_actor
from reconciliation.enums import (
    CapitalCause,
    DecisionKind,
    ErrandStatus,
    EscalationStatus,
    OrderStatus,
    PauseSource,
    PositionSide,
    RunStatus,
    TradeStatus,
)
from reconciliation.handlers.bulk import insert_missing_rows, insert_rows, update_rows
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import (
    ApiKeyUse,
    AuditEvent,
    AuditHead,
    Fill,
    FillCoverage,
    Order,
    Profile,
    ProfileLease,
)
from tests.builders import (
    NOW,
    SYMBOL,
    FixedClock,
    arranging,
    make_accepted_position,
    make_account,
    make_allocation,
    make_api_key,
    make_api_key_scope,
    make_beat,
    make_candidate,
    make_capital_balance,
    make_capital_entry,
    make_decision,
    make_errand,
    make_escalation,
    make_escalation_sighting,
    make_external_order,
    make_fill,
    make_history,
    make_leg,
    make_look_up,
    make_mark,
    make_mismatch,
    make_order,
    make_outside_edit,
    make_parity_reading,
    make_parity_watch,
    make_pause,
    make_position,
    make_profile,
    make_review,
    make_run,
    make_sighting,
    make_trade,
    make_watchdog_state,
)
from tests.guards import guards_lifted

pytestmark = pytest.mark.django_db
AWKWARD = 'it\'s "5 %s" — ünï\\u0041\n\t🜁'
EXACT = Decimal("-12345678901234567890.123456789012345678")
TINY = Decimal("0.000000000000000001")
CAPITAL = {"allocated_capital_usd": Decimal(1), "created_at": NOW}
FILL_KEY = ["account", "symbol", "side", "exchange_fill_id"]


@pytest.fixture(autouse=True)
def _arranged() -> Iterator[None]:
    with arranging():
        yield


def make_event(**values: Any) -> AuditEvent:
    with transaction_unit(
        actor=system_actor("test"), clock=FixedClock(), run_id=values.pop("run_id", None)
    ) as unit:
        event_id = unit.record(EventDraft(**{"action": "a.b", **values}))
    return AuditEvent.objects.get(event_id=event_id)


def make_head(**values: Any) -> AuditHead:
    return AuditHead.objects.create(**values)


def make_coverage(**values: Any) -> FillCoverage:
    common = {"account": make_account(), "start_at": NOW, "end_at": NOW + timedelta(microseconds=1)}
    return FillCoverage.objects.create(**{**common, **values})


def make_use(**values: Any) -> ApiKeyUse:
    use = make_api_key().use
    ApiKeyUse.objects.filter(pk=use.pk).update(**values)
    return ApiKeyUse.objects.get(pk=use.pk)


# Of every model one row with its columns filled awkwardly, and one with as little as it may have.
SAMPLES: dict[str, tuple[Callable[[], models.Model], Callable[[], models.Model]]] = {
    "account": (
        lambda: make_account(options={"a": [1, 2.5, None, True, AWKWARD]}, enabled=False),
        lambda: make_account("other"),
    ),
    "profile": (
        lambda: make_profile(allocated_capital_usd=TINY),
        lambda: make_profile("other", account=make_account("other")),
    ),
    "event": (
        lambda: make_event(run_id=7, comment=AWKWARD, object_id=AWKWARD, after={"x": EXACT}),
        lambda: make_event(),
    ),
    "head": (
        lambda: make_head(pk=2, sequence=2**62, hash="a" * 64),
        lambda: make_head(pk=3, hash=""),
    ),
    "lease": (
        lambda: ProfileLease.objects.create(
            profile=Profile.objects.create(
                name="leased", account=make_account(), sub_tag="", **CAPITAL
            ),
            token=2**62,
            holder=AWKWARD,
            acquired_at=NOW,
            expires_at=NOW + timedelta(microseconds=1),
        ),
        lambda: make_profile().lease,
    ),
    "run": (
        lambda: make_run(
            error=AWKWARD,
            unread={"fills": AWKWARD},
            counts={"n": 10**15},
            row_errors=[AWKWARD],
            claim_token=UUID(int=5),
            started_at=NOW + timedelta(microseconds=1),
        ),
        lambda: make_run(make_account("other"), status=RunStatus.RUNNING),
    ),
    "trade": (
        lambda: make_trade(
            entry_quantity=TINY,
            average_entry_price="60000.1",
            average_exit_price="0",
            closed_at=NOW,
            delivered_status=TradeStatus.OPEN,
            reversals=2**31 - 1,
        ),
        lambda: make_trade(sub_tag=None),
    ),
    "history": (
        lambda: make_history(
            order=make_order(), run=make_run(), fee=EXACT, estimated=True, exchange_fill_id="00012"
        ),
        lambda: make_history(price=None),
    ),
    "order": (
        lambda: make_order(
            make_trade(),
            average_price=TINY,
            position_side=PositionSide.LONG,
            delivered_status=OrderStatus.OPEN,
            delivered_quantity="1",
            delivered_price=EXACT,
            delivered_filled_quantity="0",
            delivered_average_price="0",
            delivered_at=NOW,
            end_reason=AWKWARD,
        ),
        lambda: make_order(price=None, sub_tag=None),
    ),
    "fill": (
        lambda: make_fill(
            run=make_run(),
            position_side=PositionSide.NET,
            exchange_order_id="007",
            client_order_id="1e5",
            sub_tag="",
            trade_hint="null",
            raw='{"a":"\\u0000"}',
        ),
        lambda: make_fill(fee=None, fee_currency=None),
    ),
    "allocation": (
        lambda: make_allocation(make_fill(), make_history()),
        lambda: make_allocation(make_fill(), make_history(), quantity=TINY),
    ),
    "coverage": (
        lambda: make_coverage(instrument_type="swap", status="PROVEN"),
        lambda: make_coverage(instrument_type="spot", status="UNOBTAINABLE"),
    ),
    "position": (
        lambda: make_position(
            delivered_quantity=EXACT, delivered_entry_price="1", delivered_at=NOW
        ),
        lambda: make_position(symbol="ETH/USDT", quantity="0", entry_price=None),
    ),
    "mismatch": (
        lambda: make_mismatch(
            profile=make_profile(),
            trade=make_trade(),
            order=make_order(),
            drift=EXACT,
            database_side={"quantity": "0.5", "nested": {"list": []}},
        ),
        lambda: make_mismatch(),
    ),
    "leg": (lambda: make_leg(exchange_order_id=AWKWARD), lambda: make_leg(kind="CHILD")),
    "look-up": (lambda: make_look_up(), lambda: make_look_up(make_order(symbol="ETH/USDT"))),
    "external order": (
        lambda: make_external_order(client_order_id="1e5", sub_tag="", raw=AWKWARD, why=AWKWARD),
        lambda: make_external_order(make_account("other"), quantity=None, price=None),
    ),
    "review": (
        lambda: make_review(
            fill=make_fill(), quantity=EXACT, evidence={"a": AWKWARD}, closed_at=NOW
        ),
        lambda: make_review(quantity=None),
    ),
    "candidate": (
        lambda: make_candidate(
            trade=make_trade(),
            profile=make_profile(),
            quantity=TINY,
            reasons=[],
            evidence={"a": AWKWARD},
            exchange_initiated=True,
        ),
        lambda: make_candidate(),
    ),
    "API key": (
        lambda: make_api_key(AWKWARD, revoked_at=NOW, revoked_by=AWKWARD),
        lambda: make_api_key("other"),
    ),
    "API key's profile": (
        lambda: make_api_key_scope(),
        lambda: make_api_key_scope(),
    ),
    "API key's use": (
        lambda: make_use(last_used_at=NOW + timedelta(microseconds=1)),
        lambda: make_use(),
    ),
    "worker cluster": (
        lambda: make_beat(AWKWARD, host=AWKWARD),
        lambda: make_beat(result_at=None),
    ),
    "sighting": (
        lambda: make_sighting(count=9, streak=3, quantity=TINY, mark="60000.1", notional_usd=TINY),
        lambda: make_sighting(),
    ),
    "decision": (
        lambda: make_decision(
            checker_id="8",
            checker_name=AWKWARD,
            four_eyes=True,
            override=True,
            comment=AWKWARD,
            terms={"quantity": "0.5", "slices": [AWKWARD]},
            notional_usd=TINY,
            proposal=make_decision(kind=DecisionKind.PROPOSED),
        ),
        lambda: make_decision(make_fill(), evidence_hash=""),
    ),
    "parity watch": (
        lambda: make_parity_watch(fingerprint=AWKWARD[:30], streak=2, fresh_count=3),
        lambda: make_parity_watch(make_account("other"), counted_as_of=None, streak=0),
    ),
    "parity reading": (
        lambda: make_parity_reading(
            virtual_quantity=EXACT,
            mark=TINY,
            outcome=AWKWARD,
            dry_run=True,
            evidence={"slices": [{"trade": AWKWARD}]},
        ),
        lambda: make_parity_reading(virtual_quantity=None, actual_quantity=None, mark=None),
    ),
    "mark": (lambda: make_mark(price=TINY), lambda: make_mark(symbol="ETH/USDT:USDT")),
    "accepted position": (
        lambda: make_accepted_position(quantity=EXACT, side=PositionSide.SHORT),
        lambda: make_accepted_position(quantity="0"),
    ),
    "pause": (
        lambda: make_pause(
            reason=AWKWARD,
            evidence={"notional_usd": "1"},
            ended_at=NOW + timedelta(microseconds=1),
            end_reason=AWKWARD,
            end_evidence={"clean": 2},
            auto_resumed=True,
        ),
        lambda: make_pause(source=PauseSource.OPERATOR, started_by=AWKWARD),
    ),
    "watchdog": (
        lambda: make_watchdog_state(notional_usd=TINY, clean_heartbeats=9, run=make_run()),
        lambda: make_watchdog_state(
            make_profile("other"), notional_usd=None, is_known=False, as_of=None
        ),
    ),
    "capital": (
        lambda: make_capital_balance(reserved_usd=TINY, used_usd="-0.5", unpriced=3),
        lambda: make_capital_balance(make_profile("other")),
    ),
    "capital entry": (
        lambda: make_capital_entry(
            cause=CapitalCause.ORDERS_AND_HISTORY, reserved_usd=EXACT, used_usd=TINY, run=make_run()
        ),
        lambda: make_capital_entry(),
    ),
    "edit past the portal": (
        lambda: make_outside_edit(
            direction="long", noticed_at=NOW, settled_at=NOW, after={"a": AWKWARD}
        ),
        lambda: make_outside_edit(trade=None),
    ),
    "errand": (
        lambda: make_errand(
            status=ErrandStatus.DONE,
            asked_by=AWKWARD,
            run=make_run(),
            started_at=NOW,
            seen_at=NOW,
            finished_at=NOW,
            step=AWKWARD,
            done=1,
            total=2**40,
            says=AWKWARD,
            result={"a": AWKWARD},
        ),
        lambda: make_errand(),
    ),
    "escalation": (
        lambda: make_escalation(
            status=EscalationStatus.RESOLVED,
            profile=make_profile(),
            says=AWKWARD,
            detail={"a": AWKWARD},
            acknowledged_at=NOW,
            acknowledged_by=AWKWARD,
            resolved_at=NOW,
            run=make_run(),
        ),
        lambda: make_escalation(),
    ),
    "escalation sighting": (
        lambda: make_escalation_sighting(count=9),
        lambda: make_escalation_sighting(),
    ),
}


def raw_columns(row: models.Model) -> dict[str, Any]:
    """Return the row's columns as the database holds them, with their storage class on SQLite."""
    quote = connection.ops.quote_name
    fields = row._meta.concrete_fields
    columns = [quote(str(field.column)) for field in fields]
    if connection.vendor == "sqlite":
        columns += [f"typeof({column})" for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(columns)} FROM {quote(row._meta.db_table)}"
            f" WHERE {quote(str(row._meta.pk.column))} = %s",
            [row.pk],
        )
        values = cursor.fetchone()
    return {field.name: values[at :: len(fields)] for at, field in enumerate(fields)}


def free_fields(model: type[models.Model]) -> list[str]:
    """Return the fields that two rows may share: those in no unique constraint."""
    unique = {field.name for field in model._meta.concrete_fields if field.unique}
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            unique |= set(constraint.fields)
    return [field.name for field in model._meta.concrete_fields if field.name not in unique]


def test_there_is_a_sample_of_every_model():
    sampled = {type(make()) for make, _ in SAMPLES.values()}
    assert sampled == set(apps.get_app_config("reconciliation").get_models())


@pytest.mark.parametrize("which", [0, 1], ids=["filled", "sparse"])
@pytest.mark.parametrize("name", SAMPLES)
def test_an_inserted_row_is_the_one_the_orm_writes(name: str, which: int):
    row = SAMPLES[name][which]()
    written_by_orm = raw_columns(row)
    with guards_lifted():
        type(row).objects.filter(pk=row.pk)._raw_delete("default")
        insert_rows(type(row), [row])
    assert raw_columns(row) == written_by_orm


# Both columns of a key's profile are its identity: there is nothing to update.
@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - {"API key's profile"}))
def test_an_updated_row_is_the_one_the_orm_writes(name: str):
    filled, sparse = (make() for make in SAMPLES[name])
    before, wanted = raw_columns(filled), raw_columns(sparse)
    fields = free_fields(type(filled))
    changed = copy(filled)
    for field in fields:
        setattr(changed, field, getattr(sparse, field))

    with guards_lifted():
        assert update_rows(type(filled), [changed], fields) == 1
        assert {**before, **{field: wanted[field] for field in fields}} == raw_columns(filled)
        assert update_rows(type(filled), [filled], fields) == 1
    assert raw_columns(filled) == before
    assert raw_columns(sparse) == wanted


def test_a_thousand_rows_are_one_statement_and_learn_their_keys_in_order():
    account = make_account()
    rows = [_fill(account.pk, number) for number in range(1000)]
    with CaptureQueriesContext(connection) as inserting:
        insert_rows(Fill, rows)
    assert len(inserting) == 1
    assert [row.exchange_fill_id for row in Fill.objects.order_by("pk")] == [
        row.exchange_fill_id for row in rows
    ]
    assert [row.pk for row in rows] == list(
        Fill.objects.order_by("pk").values_list("pk", flat=True)
    )

    for row in rows:
        row.allocated_quantity = Decimal("0.25")
    with CaptureQueriesContext(connection) as updating:
        assert update_rows(Fill, rows, ["allocated_quantity"]) == 1000
    assert len(updating) == 1
    assert Fill.objects.filter(allocated_quantity="0.25").count() == 1000


def test_no_rows_are_no_statement():
    with CaptureQueriesContext(connection) as queries:
        insert_rows(Fill, [])
        assert insert_missing_rows(Fill, [], FILL_KEY) == 0
        assert update_rows(Fill, [], ["allocated_quantity"]) == 0
    assert len(queries) == 0


def test_only_missing_rows_are_inserted_and_the_others_stay_as_they_are():
    account = make_account()
    assert insert_missing_rows(Fill, [_fill(account.pk, 1), _fill(account.pk, 2)], FILL_KEY) == 2
    changed = _fill(account.pk, 2, price=Decimal(1))
    again = [changed, _fill(account.pk, 3), _fill(account.pk, 3), _fill(account.pk, 1)]
    with CaptureQueriesContext(connection) as queries:
        assert insert_missing_rows(Fill, again, FILL_KEY) == 1
    assert len(queries) == 1
    assert Fill.objects.count() == 3
    assert Fill.objects.get(exchange_fill_id="2").price == 60000


def test_a_missing_row_that_breaks_another_constraint_is_still_refused():
    account = make_account()
    with pytest.raises(IntegrityError, match="fill_quantity_positive"), transaction.atomic():
        insert_missing_rows(Fill, [_fill(account.pk, 1, quantity=Decimal(0))], FILL_KEY)


def test_one_bad_row_leaves_none():
    account = make_account()
    rows = [_fill(account.pk, 1), _fill(account.pk, 1)]
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows(Fill, rows)
    assert not Fill.objects.exists()


@pytest.mark.parametrize("text", ["nul \x00", "half a pair \ud83d", "x" * 65])
def test_text_that_one_engine_could_not_hold_is_refused_by_both(text: str):
    with pytest.raises(DataError), transaction.atomic():
        insert_rows(Fill, [_fill(make_account().pk, 1, client_order_id=text)])
    assert not Fill.objects.exists()


def test_an_update_writes_the_named_fields_of_rows_that_exist():
    order, absent = make_order(), make_order()
    absent.pk = order.pk + 1000
    order.end_reason, order.symbol = "gone", "never written"
    assert update_rows(Order, [order, absent], ["end_reason", "trade"]) == 1
    order.refresh_from_db()
    assert (order.end_reason, order.symbol) == ("gone", SYMBOL)


def test_a_misuse_is_told_before_anything_is_sent():
    order = make_order()
    unsaved = copy(order)
    unsaved.pk = None
    with pytest.raises(ValueError, match="either every row"):
        insert_rows(Order, [order, unsaved])
    with pytest.raises(ValueError, match="not rows of Order: Run"):
        insert_rows(Order, [make_run()])
    with pytest.raises(ValueError, match="no automatic primary key"):
        insert_rows(AuditEvent, [AuditEvent()])
    with pytest.raises(ValueError, match="a primary key of its own"):
        update_rows(Order, [order, order], ["price"])
    with pytest.raises(ValueError, match="a primary key of its own"):
        update_rows(Order, [unsaved], ["price"])
    with pytest.raises(ValueError, match="no column 'prise'"):
        update_rows(Order, [order], ["prise"])
    with pytest.raises(ValueError, match="name the fields"):
        update_rows(Order, [order], [])
    order.version = F("version") + 1
    with pytest.raises(TypeError, match="version"):
        update_rows(Order, [order], ["version"])


def _fill(account_id: int, number: int, **values: Any) -> Fill:
    return Fill(
        **{
            "account_id": account_id,
            "symbol": SYMBOL,
            "side": "buy",
            "exchange_fill_id": str(number),
            "instrument_type": "swap",
            "kind": "trade",
            "quantity": Decimal("0.5"),
            "allocated_quantity": Decimal(0),
            "price": Decimal(60000),
            "executed_at": NOW,
            "recorded_at": NOW,
            **values,
        }
    )
