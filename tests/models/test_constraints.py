"""Every rule that the database itself holds, broken once: the refusal names the rule."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from reconciliation.enums import (
    AttributionMode,
    BackfillVerdict,
    CandidateStatus,
    CapitalCause,
    DecisionKind,
    DecisionReason,
    Direction,
    ErrandStatus,
    EscalationStatus,
    HistoryKind,
    MismatchStatus,
    OrderStatus,
    PauseSource,
    PositionMode,
    ReviewStatus,
    RunStatus,
    TradeStatus,
)
from reconciliation.models import FillCoverage
from tests.builders import (
    NOW,
    arranging,
    make_accepted_position,
    make_account,
    make_allocation,
    make_api_key,
    make_api_key_scope,
    make_candidate,
    make_capital_entry,
    make_decision,
    make_errand,
    make_escalation,
    make_external_order,
    make_fill,
    make_history,
    make_leg,
    make_mark,
    make_mismatch,
    make_order,
    make_parity_reading,
    make_parity_watch,
    make_pause,
    make_position,
    make_profile,
    make_review,
    make_run,
    make_trade,
)

pytestmark = pytest.mark.django_db


def twice(make: Callable[..., Any], **values: Any) -> None:
    make(**values)
    make(**values)


def same_allocation_twice() -> None:
    fill, history = make_fill(quantity="1"), make_history(quantity="0.5")
    twice(lambda: make_allocation(fill, history))


def same_profile_of_a_key_twice() -> None:
    key = make_api_key()
    twice(lambda: make_api_key_scope(key))


def same_fill_in_review_twice() -> None:
    fill = make_fill()
    twice(lambda: make_review(fill=fill))


def reverse_nothing() -> None:
    make_history(kind=HistoryKind.REVERSAL)


def backward_coverage() -> None:
    FillCoverage.objects.create(
        account=make_account(),
        instrument_type="swap",
        status="PROVEN",
        start_at=NOW,
        end_at=NOW.replace(hour=1),
    )


VIOLATIONS: dict[str, Callable[[], Any]] = {
    "api_key_name_unique": lambda: twice(make_api_key, name="bot"),
    "api_key_public_id_unique": lambda: twice(make_api_key, public_id="1"),
    "api_key_expires_after_its_creation": lambda: make_api_key(expires_at=NOW),
    "api_key_revoked_by_somebody": lambda: make_api_key(revoked_at=NOW),
    "api_key_profile_named_once": same_profile_of_a_key_twice,
    "account_position_mode_known": lambda: make_account(position_mode="both"),
    "profile_sub_tag_unique_per_account": lambda: [make_profile(n, sub_tag="x") for n in "ab"],
    "profile_capital_not_negative": lambda: make_profile(allocated_capital_usd="-0.01"),
    "trade_id_unique_per_account": lambda: [
        make_trade(make_profile(name), trade_id="T") for name in "ab"
    ],
    "trade_code_unique_per_profile": lambda: twice(make_trade, code="c"),
    "trade_status_known": lambda: make_trade(status="GONE"),
    "trade_direction_known": lambda: make_trade(direction="flat"),
    "trade_entry_not_negative": lambda: make_trade(
        entry_quantity="-1", exit_quantity="-1", status=TradeStatus.OPEN
    ),
    "trade_exit_not_negative": lambda: make_trade(entry_quantity="1", exit_quantity="-1"),
    "trade_open_quantity_not_negative": lambda: make_trade(
        entry_quantity="1", exit_quantity="1.1", status=TradeStatus.OPEN
    ),
    "trade_closed_is_flat": lambda: make_trade(entry_quantity="1", status=TradeStatus.CLOSED),
    "trade_without_entry_holds_nothing": lambda: make_trade(
        entry_quantity="1", status=TradeStatus.CANCELED
    ),
    "history_key_unique_per_trade": lambda: twice(make_history, trade=make_trade(), key="k"),
    "history_kind_known": lambda: make_history(kind="FEE"),
    "history_source_known": lambda: make_history(source="RUMOUR"),
    "history_quantity_positive": lambda: make_history(make_trade(), quantity="0"),
    "history_booked_within_quantity": lambda: make_history(quantity="1", booked_quantity="1.1"),
    "history_reversal_names_its_row": reverse_nothing,
    "order_client_order_id_unique_per_account": lambda: twice(make_order, client_order_id="c"),
    "order_exchange_order_id_unique_per_account": lambda: twice(make_order, exchange_order_id="1"),
    "order_status_known": lambda: make_order(status="LOST"),
    "order_purpose_known": lambda: make_order(purpose="HEDGE"),
    "order_side_known": lambda: make_order(side="both"),
    "order_quantity_positive": lambda: make_order(quantity="0"),
    "order_filled_not_negative": lambda: make_order(filled_quantity="-0.1"),
    "order_filled_status_means_filled": lambda: make_order(status=OrderStatus.FILLED),
    "order_has_an_id": lambda: make_order(client_order_id=None, exchange_order_id=None),
    "order_leg_belongs_to_one_order": lambda: twice(make_leg, exchange_order_id="1"),
    "external_order_unique_per_account": lambda: twice(make_external_order, exchange_order_id="1"),
    "external_order_status_known": lambda: make_external_order(status="SOLD"),
    "review_one_waiting_per_trade": lambda: twice(make_review, trade=make_trade()),
    "review_one_waiting_per_fill": same_fill_in_review_twice,
    "review_status_known": lambda: make_review(status="LOST"),
    "review_reason_known": lambda: make_review(reason="ODD"),
    "candidate_status_known": lambda: make_candidate(status="LOST"),
    "candidate_verdict_known": lambda: make_candidate(verdict="MAYBE", status="APPLIED"),
    "candidate_mode_known": lambda: make_candidate(mode="ODD"),
    "candidate_quantity_positive": lambda: make_candidate(quantity="0"),
    "candidate_go_names_slice_and_mode": lambda: make_candidate(
        verdict=BackfillVerdict.GO, status=CandidateStatus.APPLIED, mode=AttributionMode.SUB_TAG
    ),
    "candidate_waiting_is_no_go": lambda: make_candidate(
        verdict=BackfillVerdict.GO, mode=AttributionMode.SUB_TAG, trade=make_trade()
    ),
    "position_unique_per_profile_symbol_direction": lambda: twice(make_position),
    "position_sign_is_its_direction": lambda: make_position(direction=Direction.SHORT),
    "fill_unique_per_account": lambda: twice(make_fill, exchange_fill_id="1"),
    "fill_quantity_positive": lambda: make_fill(quantity="0"),
    "fill_kind_known": lambda: make_fill(kind="funding"),
    "fill_never_over_consumed": lambda: make_fill(quantity="0.5", allocated_quantity="0.51"),
    "allocation_once_per_history_row": same_allocation_twice,
    "allocation_quantity_positive": lambda: make_allocation(
        make_fill(), make_history(), quantity="0"
    ),
    "coverage_ends_after_it_starts": backward_coverage,
    "run_one_claim_per_account_and_job": lambda: twice(make_run, status=RunStatus.RUNNING),
    "run_status_known": lambda: make_run(status="LOST"),
    "run_finished_unless_running": lambda: make_run(finished_at=None),
    "mismatch_one_open_per_difference": lambda: twice(make_mismatch, key="k"),
    "mismatch_status_known": lambda: make_mismatch(status="GONE"),
    "mismatch_kind_known": lambda: make_mismatch(kind="ODD"),
    "mismatch_closed_when_resolved": lambda: make_mismatch(status=MismatchStatus.RESOLVED),
    "decision_kind_known": lambda: make_decision(kind="WISHED"),
    "decision_reason_known": lambda: make_decision(reason="ODD"),
    "decision_other_is_explained": lambda: make_decision(reason=DecisionReason.OTHER),
    "decision_has_one_subject": lambda: make_decision(make_review(), fill=make_fill()),
    "decision_four_eyes_are_two_people": lambda: make_decision(
        four_eyes=True, maker_id="7", checker_id="7", checker_name="olga"
    ),
    "decision_reversal_names_what_it_reverses": lambda: make_decision(kind=DecisionKind.REVERSED),
    "parity_watch_unique_per_position": lambda: twice(make_parity_watch),
    "parity_watch_kind_known": lambda: make_parity_watch(kind="ODD"),
    "parity_reading_once_a_run": lambda: twice(make_parity_reading, run=make_run()),
    "parity_reading_kind_known": lambda: make_parity_reading(kind="ODD"),
    "mark_unique_per_symbol": lambda: twice(make_mark),
    "mark_price_positive": lambda: make_mark(price="0"),
    "accepted_position_unique": lambda: twice(make_accepted_position),
    "pause_one_open_per_source": lambda: twice(make_pause),
    "pause_source_known": lambda: make_pause(source="MOOD"),
    "pause_only_the_watchdog_resumes_by_itself": lambda: make_pause(
        source=PauseSource.OPERATOR, ended_at=NOW, auto_resumed=True
    ),
    "capital_cause_known": lambda: make_capital_entry(cause="LUCK"),
    "capital_entry_changes_something": lambda: make_capital_entry(allocated_usd="0"),
    "errand_kind_known": lambda: make_errand(kind="ODD"),
    "errand_status_known": lambda: make_errand(status="LOST"),
    "errand_ended_has_its_time": lambda: make_errand(status=ErrandStatus.DONE),
    "escalation_one_open_per_cause": lambda: twice(make_escalation, key="k"),
    "escalation_kind_known": lambda: make_escalation(kind="ODD"),
    "escalation_status_known": lambda: make_escalation(status="LOST"),
    "escalation_resolved_has_its_time": lambda: make_escalation(status=EscalationStatus.RESOLVED),
}


def all_constraints() -> dict[str, tuple[type[models.Model], models.BaseConstraint]]:
    return {
        constraint.name: (model, constraint)
        for model in apps.get_app_config("reconciliation").get_models()
        for constraint in model._meta.constraints
    }


def test_every_constraint_is_broken_here():
    assert VIOLATIONS.keys() == all_constraints().keys()


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_constraint_refuses_what_breaks_it_and_says_its_name(name: str):
    model, constraint = all_constraints()[name]
    told = name
    if connection.vendor == "sqlite" and isinstance(constraint, models.UniqueConstraint):
        # SQLite names the columns of a unique constraint, never the constraint.
        told = ", ".join(
            f"{model._meta.db_table}.{model._meta.get_field(field).column}"
            for field in constraint.fields
        )
    with arranging(), pytest.raises(IntegrityError, match=re.escape(told)), transaction.atomic():
        VIOLATIONS[name]()


def test_a_resolved_mismatch_makes_room_for_the_next():
    twice(make_mismatch, key="k", status=MismatchStatus.RESOLVED, closed_at=NOW)
    make_mismatch(key="k")


def test_a_finished_run_makes_room_for_the_next():
    twice(make_run)
    make_run(status=RunStatus.RUNNING)
    make_run(make_account("other", position_mode=PositionMode.HEDGE), status=RunStatus.RUNNING)


def test_rows_without_an_id_do_not_collide():
    twice(make_order, client_order_id=None)
    twice(make_order, exchange_order_id=None)


def test_an_answered_review_makes_room_for_the_next():
    trade = make_trade()
    twice(make_review, trade=trade, status=ReviewStatus.REJECTED, closed_at=NOW)
    make_review(trade=trade)


def test_an_ended_pause_makes_room_for_the_next_and_both_sources_hold_at_once():
    twice(make_pause, ended_at=NOW)
    make_pause()
    make_pause(source=PauseSource.OPERATOR)


def test_a_pause_that_still_holds_was_not_resumed_by_itself():
    told = "pause_only_the_watchdog_resumes_by_itself"
    with pytest.raises(IntegrityError, match=told), transaction.atomic():
        make_pause(auto_resumed=True)


def test_a_resolved_escalation_makes_room_for_the_next():
    twice(make_escalation, key="k", status=EscalationStatus.RESOLVED, resolved_at=NOW)
    make_escalation(key="k", status=EscalationStatus.ACKNOWLEDGED)


@pytest.mark.parametrize(
    "values", [{"reserved_usd": "-1"}, {"used_usd": "1"}], ids=["reserved", "used"]
)
def test_a_ledger_row_may_change_one_column_alone(values: dict[str, Any]):
    make_capital_entry(cause=CapitalCause.ORDERS, allocated_usd="0", **values)


def test_a_decision_is_about_something():
    with pytest.raises(IntegrityError, match="decision_has_one_subject"), transaction.atomic():
        make_decision(make_fill(), fill=None)


@pytest.mark.parametrize("values", [{"checker_id": ""}, {"checker_id": "7"}], ids=["none", "same"])
def test_four_eyes_belong_to_two_people(values: dict[str, Any]):
    told = "decision_four_eyes_are_two_people"
    with pytest.raises(IntegrityError, match=told), transaction.atomic():
        make_decision(four_eyes=True, maker_id="7", **values)


def test_what_is_no_reversal_reverses_nothing():
    told = "decision_reversal_names_what_it_reverses"
    with pytest.raises(IntegrityError, match=told), transaction.atomic():
        make_decision(kind=DecisionKind.APPROVED, reverses=make_decision())


def test_a_decision_is_reversed_once():
    decision = make_decision()
    with pytest.raises(IntegrityError, match="reverses_id"), transaction.atomic():
        twice(make_decision, kind=DecisionKind.REVERSED, reverses=decision)
