"""Whoever writes books, writes them here: a run by its cycle, a person by a decision."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconciliation.domain.audit import Actor
from reconciliation.domain.plans.changes import Change, Premises, ReviewDraft
from reconciliation.enums import ActorType, QuarantineReason, ReviewStatus, TradeStatus
from reconciliation.handlers.changes import write_changes
from reconciliation.handlers.targets import Target
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import (
    AuditEvent,
    Decision,
    Fill,
    Order,
    Position,
    Profile,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.states import trade_state
from tests.builders import (
    FixedClock,
    arranging,
    make_decision,
    make_fill,
    make_profile,
    make_review,
    make_run,
    make_trade,
)
from tests.handlers.worlds import actions, an_entry

pytestmark = pytest.mark.django_db
OLGA = Actor(type=ActorType.USER, id="7", name="olga")


def target_of(profile: Profile) -> Target:
    return Target(
        account_id=profile.account_id,
        account_name=profile.account.name,
        profile_id=profile.pk,
        profile_name=profile.name,
    )


def write(
    *changes: Change, run: Run | None = None, decision: Decision | None = None
) -> list[Change]:
    with transaction_unit(actor=OLGA, clock=FixedClock()) as unit:
        return write_changes(
            unit,
            changes,
            target=target_of(make_profile()),
            run_id=None if run is None else run.pk,
            decision_id=None if decision is None else decision.pk,
        )


def asking(change: Change) -> Change:
    """Return the change with a question to a person about its trade."""
    assert change.trade is not None
    question = ReviewDraft(
        reason=QuarantineReason.OVERCLOSE,
        trade_id=change.trade.id,
        quantity=Decimal("0.1"),
        evidence={"fill": "1"},
    )
    return replace(change, reviews=(question,))


def test_what_a_person_decided_is_written_in_the_name_of_the_decision():
    decision = make_decision(make_fill())
    change = an_entry()

    assert write(change, decision=decision) == [change]

    row = TradeHistory.objects.get()
    assert (row.decision, row.run) == (decision, None)
    trade = Trade.objects.get(pk=row.trade_id)
    assert (trade.status, trade.entry_quantity) == ("OPEN", Decimal("0.5"))
    assert Order.objects.get().status == "FILLED"
    assert Fill.objects.get(exchange_fill_id=row.exchange_fill_id).allocated_quantity == Decimal(
        "0.5"
    )
    assert Position.objects.get().quantity == Decimal("0.5")
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_name) == ("trade.entry_filled", "olga")
    assert (event.profile_name, event.account_name) == ("alpha", "main")


def test_what_a_run_found_is_written_in_the_name_of_the_run():
    change, run = an_entry(), make_run()
    write(change, run=run)
    row = TradeHistory.objects.get()
    assert (row.run, row.decision) == (run, None)


def test_only_a_run_asks_new_questions():
    first, second = an_entry(1), an_entry(2)
    write(asking(first), decision=make_decision(make_fill()))
    assert not ReviewItem.objects.exists()
    write(asking(second), run=make_run())
    assert ReviewItem.objects.get().trade.trade_id == "T2"


@pytest.mark.parametrize("by", ["run", "decision"])
def test_a_change_whose_premises_moved_is_not_written_and_the_other_is(by: str):
    moved, holds = an_entry(1), an_entry(2)
    with arranging():
        Trade.objects.filter(pk__in=moved.premises.trades).update(version=7)
    by_whom = {"run": make_run()} if by == "run" else {"decision": make_decision(make_fill())}

    assert write(moved, holds, **by_whom) == [holds]

    assert TradeHistory.objects.get().trade.trade_id == "T2"
    assert actions() == ["trade.entry_filled"]


def test_the_same_change_written_again_writes_nothing():
    change = an_entry()
    write(change, run=make_run())
    assert write(change, run=make_run()) == []
    assert TradeHistory.objects.count() == 1
    assert actions() == ["trade.entry_filled"]


def test_a_slice_that_a_person_closed_is_asked_about_no_more():
    trade = make_trade(entry_quantity="0.5", status=TradeStatus.QUARANTINED)
    item = make_review(trade)
    closed = Change(
        profile_id=trade.profile_id,
        premises=Premises(trades={trade.pk: trade.version}, orders={}, fills={}),
        trade=replace(trade_state(trade), status=TradeStatus.CLOSED, exit_quantity=Decimal("0.5")),
    )
    write(closed, decision=make_decision(make_fill()))
    item.refresh_from_db()
    assert item.status == ReviewStatus.SUPERSEDED
    assert actions() == ["review.superseded"]


def test_the_caller_hears_of_the_first_write_when_history_is_written_and_nothing_else():
    change, seen = an_entry(), []

    def look() -> None:
        seen.append((TradeHistory.objects.count(), Order.objects.get().status))

    with transaction_unit(actor=OLGA, clock=FixedClock()) as unit:
        write_changes(unit, [change], target=target_of(make_profile()), first_write=look)
    assert seen == [(1, "OPEN")]
