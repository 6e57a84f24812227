"""A cycle's changes reach the books whole, fenced and once; a bad one stops none of the others."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.audit import EventDraft
from reconciliation.domain.plans.changes import (
    Change,
    PositionDraft,
    Premises,
    ReviewDraft,
)
from reconciliation.enums import (
    CycleStep,
    MismatchKind,
    MismatchStatus,
    OrderStatus,
    Purpose,
    QuarantineReason,
    RunStatus,
    TradeStatus,
)
from reconciliation.handlers.apply import Applied, ApplyContext, apply_changes
from reconciliation.handlers.leases import LockLost
from reconciliation.handlers.runs import ClaimLost
from reconciliation.models import (
    AuditEvent,
    Fill,
    FillAllocation,
    Mismatch,
    Order,
    Position,
    ProfileLease,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.states import open_mismatch
from tests.builders import (
    NOW,
    FixedClock,
    arranging,
    make_mismatch,
    make_order,
    make_position,
    make_sighting,
    make_trade,
)
from tests.handlers.worlds import a_difference, actions, an_entry, apply_context

pytestmark = pytest.mark.django_db
FILLED = OrderStatus.FILLED


def apply(
    *changes: Change,
    context: ApplyContext | None = None,
    open_before: Any = (),
    judged: frozenset[int] = frozenset(),
) -> Applied:
    return apply_changes(
        context=context or apply_context(),
        changes=changes,
        open_mismatches=[open_mismatch(each) for each in open_before],
        judged_orders=judged,
    )


def written() -> tuple[int, int, int]:
    """Return how many history rows, allocations and filled orders there are."""
    filled = Order.objects.filter(status=FILLED).count()
    return TradeHistory.objects.count(), FillAllocation.objects.count(), filled


def bad(change: Change) -> Change:
    """Return a change that breaks a rule of the database: it exits more than was entered."""
    assert change.trade is not None
    return replace(change, trade=replace(change.trade, exit_quantity=Decimal(9)))


# --- what is written ---


def test_a_change_is_written_whole_with_its_event():
    change = an_entry()
    context = apply_context()

    assert apply(change, context=context) == Applied(written=1, dropped=0)

    trade, order = Trade.objects.get(), Order.objects.get()
    assert (trade.status, trade.entry_quantity) == (TradeStatus.OPEN, Decimal("0.5"))
    assert trade.average_entry_price == Decimal(60000)
    assert (order.status, order.filled_quantity) == (FILLED, Decimal("0.5"))
    row = TradeHistory.objects.get()
    assert (row.kind, row.source, row.quantity) == ("ENTRY", "RECONCILED", Decimal("0.5"))
    assert (row.booked_quantity, row.fee, row.fee_currency) == (
        Decimal("0.5"),
        Decimal("1.5"),
        "USDT",
    )
    assert (row.order_id, row.run_id, row.recorded_at) == (order.pk, context.run_id, NOW)
    part = FillAllocation.objects.get()
    assert (part.history_id, part.quantity) == (row.pk, Decimal("0.5"))
    assert Fill.objects.get().allocated_quantity == Decimal("0.5")
    event = AuditEvent.objects.get(action="trade.entry_filled")
    assert (event.profile_name, event.account_name, event.run_id) == (
        "alpha",
        "main",
        context.run_id,
    )


def test_every_row_written_is_a_new_version():
    apply(an_entry())
    assert Trade.objects.get().version == 2
    assert Order.objects.get().version == 2


def test_the_positions_of_the_slices_follow():
    apply(an_entry(1), an_entry(2))
    position = Position.objects.get()
    assert (position.quantity, position.entry_price) == (Decimal(1), Decimal(60000))


def test_an_aligned_position_is_written():
    position = make_position(quantity="0.4")
    change = Change(
        profile_id=position.profile_id,
        premises=Premises(trades={}, orders={}, fills={}, positions={position.pk: Decimal("0.4")}),
        positions=(PositionDraft(id=position.pk, quantity=Decimal("0.5"), entry_price=Decimal(1)),),
        events=(EventDraft(action="position.aligned", object_id=str(position.pk)),),
    )
    context = apply_context()
    assert apply(change, context=context).written == 1
    assert Position.objects.get().quantity == Decimal("0.5")
    assert apply(change, context=context).dropped == 1


def test_new_rows_get_ids_of_their_own_and_every_mention_follows():
    model = an_entry(1)
    order = replace(
        model.orders[0],
        id=-1,
        trade_id=-1,
        client_order_id="new",
        exchange_order_id="new",
        version=0,
    )
    assert model.trade is not None
    change = Change(
        profile_id=model.profile_id,
        premises=Premises(trades={}, orders={}, fills=model.premises.fills),
        trade=replace(model.trade, id=-1, trade_id="adopted-x", code="x", version=0),
        orders=(order,),
        history=tuple(replace(each, trade_id=-1, order_id=-1) for each in model.history),
        allocations=tuple(replace(each, trade_id=-1) for each in model.allocations),
        mismatches=tuple(replace(each, trade_id=-1, order_id=-1) for each in model.mismatches),
        reviews=(),
        events=(
            EventDraft(action="order.adopted", object_type="order", object_id="-1"),
            EventDraft(
                action="trade.entry_filled",
                object_type="trade",
                object_id="-1",
                after={"order_id": -1},
            ),
        ),
    )

    assert apply(change).written == 1

    trade = Trade.objects.get(trade_id="adopted-x")
    made = Order.objects.get(client_order_id="new")
    assert (made.trade, made.origin, trade.origin) == (trade, "EXCHANGE", "EXCHANGE")
    assert (trade.version, made.version) == (1, 1)
    row = TradeHistory.objects.get()
    assert (row.trade, row.order) == (trade, made)
    assert FillAllocation.objects.get().trade == trade
    assert Mismatch.objects.get().order == made
    adopted = AuditEvent.objects.get(action="order.adopted")
    filled = AuditEvent.objects.get(action="trade.entry_filled")
    assert (adopted.object_id, filled.object_id) == (str(made.pk), str(trade.pk))
    assert f'"order_id":{made.pk}' in filled.payload


def test_nothing_to_write_leaves_no_trace():
    assert apply() == Applied(written=0, dropped=0)
    assert not AuditEvent.objects.exists()


def test_a_question_is_put_before_a_person_once():
    def ask(**evidence: str) -> Change:
        change = an_entry(ReviewItem.objects.count() + Trade.objects.count() + 1)
        assert change.trade is not None
        review = ReviewDraft(
            reason=QuarantineReason.OVERCLOSE,
            trade_id=trade.pk,
            quantity=Decimal("0.3"),
            evidence=evidence,
        )
        return replace(change, reviews=(review,))

    trade = make_trade()
    context = apply_context()
    apply(ask(fill="1"), context=context)
    apply(ask(fill="1"), ask(fill="2"), context=context)
    item = ReviewItem.objects.get()
    assert (item.status, item.reason, item.quantity) == ("PENDING", "OVERCLOSE", Decimal("0.3"))
    # It waits with its newest evidence; a proposal on the old one would have to be made again.
    assert (item.evidence, item.version) == ({"fill": "2"}, 2)
    assert actions().count("review.opened") == actions().count("review.changed") == 1


# --- premises ---


@pytest.mark.parametrize("what", ["trade", "order", "fill"])
def test_a_change_whose_premises_moved_is_dropped_and_the_others_are_written(what):
    moved, holds = an_entry(1), an_entry(2)
    with arranging():
        if what == "trade":
            Trade.objects.filter(pk__in=moved.premises.trades).update(version=7)
        elif what == "order":
            Order.objects.filter(pk__in=moved.premises.orders).update(version=7)
        else:
            Fill.objects.filter(pk__in=moved.premises.fills).update(
                allocated_quantity=Decimal("0.1")
            )

    assert apply(moved, holds) == Applied(written=1, dropped=1)
    assert written() == (1, 1, 1)
    assert TradeHistory.objects.get().trade.trade_id == "T2"
    assert actions().count("trade.entry_filled") == 1


def test_a_row_that_is_gone_is_a_premise_that_moved():
    change = an_entry()
    premises = replace(change.premises, orders={**change.premises.orders, 999_999: 1})
    assert apply(replace(change, premises=premises)) == Applied(written=0, dropped=1)


def test_the_same_change_applied_again_writes_nothing():
    change, context = an_entry(), apply_context()
    apply(change, context=context)
    events = AuditEvent.objects.count()
    assert apply(change, context=context) == Applied(written=0, dropped=1)
    assert written() == (1, 1, 1)
    assert AuditEvent.objects.count() == events


def test_the_mismatch_of_a_dropped_change_is_left_for_the_next_cycle():
    change = an_entry()
    open_one = make_sighting(make_mismatch(key=change.mismatches[0].key)).mismatch
    with arranging():
        Trade.objects.update(version=7)
    order_id = next(iter(change.premises.orders))
    apply(change, open_before=[open_one], judged=frozenset({order_id}))
    open_one.refresh_from_db()
    assert open_one.status == MismatchStatus.OPEN


# --- mismatches ---


def test_a_repaired_difference_is_recorded_as_resolved():
    apply(an_entry())
    row = Mismatch.objects.get()
    assert (row.status, row.resolution, row.closed_at) == ("RESOLVED", "repaired", NOW)
    assert (row.drift, row.database_side) == (Decimal("0.5"), {"status": "OPEN"})
    assert row.sighting.count == 1


def test_an_open_difference_is_opened_once_and_then_counted():
    order = make_order(make_trade())
    waits = Change(
        profile_id=order.profile_id,
        premises=Premises(trades={}, orders={order.pk: 1}, fills={}),
        mismatches=(a_difference(order, resolution=None, not_found_count=1),),
    )
    context = apply_context()
    apply(waits, context=context)
    row = Mismatch.objects.get()
    assert (row.status, row.closed_at) == (MismatchStatus.OPEN, None)
    assert actions() == ["mismatch.opened"]

    again = replace(waits, mismatches=(replace(waits.mismatches[0], not_found_count=2),))
    apply(again, context=context, open_before=[row])
    row = Mismatch.objects.get()
    assert (row.sighting.count, row.sighting.not_found_count) == (2, 2)
    assert actions() == ["mismatch.opened"]


def test_a_difference_that_was_open_and_is_repaired_now_is_resolved():
    change = an_entry()
    open_one = make_sighting(make_mismatch(key=change.mismatches[0].key)).mismatch
    apply(change, open_before=[open_one])
    row = Mismatch.objects.get()
    assert (row.status, row.resolution) == (MismatchStatus.RESOLVED, "repaired")
    assert "mismatch.resolved" in actions()


@pytest.mark.parametrize("status", [MismatchStatus.OPEN, MismatchStatus.ACCEPTED])
def test_a_difference_that_is_gone_is_resolved_where_its_order_was_judged(status):
    order = make_order(make_trade())
    seen, unseen = (
        make_sighting(make_mismatch(order=each, status=status)).mismatch
        for each in (order, make_order())
    )
    apply(open_before=[seen, unseen], judged=frozenset({order.pk}))
    seen.refresh_from_db()
    unseen.refresh_from_db()
    assert (seen.status, unseen.status) == (MismatchStatus.RESOLVED, status)
    assert seen.resolution == "both sides agree again"


# --- a bad row ---


def test_a_bad_row_stops_none_of_the_others_and_is_recorded_as_failed():
    result = apply(an_entry(1), bad(an_entry(2)), an_entry(3))

    assert (result.written, result.dropped) == (2, 0)
    (error,) = result.errors
    assert error.startswith("trade T2:")
    assert "trade_open_quantity_not_negative" in error
    assert written() == (2, 2, 2)
    failed = AuditEvent.objects.get(outcome="failed")
    assert (failed.action, failed.profile_name) == ("trade.entry_filled", "alpha")
    assert "trade_open_quantity_not_negative" in failed.payload


def test_a_bad_row_alone_leaves_everything_as_it_was():
    result = apply(bad(an_entry()))
    assert (result.written, len(result.errors)) == (0, 1)
    assert written() == (0, 0, 0)
    assert Fill.objects.get().allocated_quantity == 0
    assert not Mismatch.objects.filter(status=MismatchStatus.RESOLVED).exists()


@pytest.mark.parametrize("at", [0, 1, 2])
def test_wherever_the_bad_row_stands_the_result_is_the_same(at):
    changes = [an_entry(number) for number in (1, 2, 3)]
    changes[at] = bad(changes[at])
    result = apply(*changes)
    assert (result.written, len(result.errors)) == (2, 1)


def test_beside_a_bad_row_mismatches_are_seen_again_repaired_and_resolved_as_always():
    bad_one, good = bad(an_entry(1)), an_entry(2)
    of_bad = make_sighting(make_mismatch(key=bad_one.mismatches[0].key)).mismatch
    of_good = make_sighting(make_mismatch(key=good.mismatches[0].key)).mismatch
    other = make_order()
    gone = make_sighting(make_mismatch(order=other)).mismatch
    apply(bad_one, good, open_before=[of_bad, of_good, gone], judged=frozenset({other.pk}))
    statuses = {row.pk: row.status for row in Mismatch.objects.all()}
    assert statuses[of_bad.pk] == MismatchStatus.OPEN
    assert statuses[of_good.pk] == MismatchStatus.RESOLVED
    assert statuses[gone.pk] == MismatchStatus.RESOLVED


def test_another_difference_of_a_bad_rows_order_is_not_taken_for_healed():
    change = bad(an_entry())
    order = Order.objects.get()
    other = make_sighting(make_mismatch(order=order, kind=MismatchKind.STATUS_MISMATCH)).mismatch
    apply(change, open_before=[other], judged=frozenset({order.pk}))
    other.refresh_from_db()
    assert other.status == MismatchStatus.OPEN


def test_a_fill_that_was_promised_twice_is_refused_by_the_database():
    first, second = an_entry(1), an_entry(2)
    (fill_id,) = first.premises.fills
    stolen = replace(
        second,
        premises=replace(second.premises, fills=first.premises.fills),
        allocations=(replace(second.allocations[0], fill_id=fill_id),),
    )
    result = apply(first, stolen)
    assert result.written + result.dropped + len(result.errors) == 2
    assert result.written == 1
    assert Fill.objects.get(pk=fill_id).allocated_quantity == Decimal("0.5")
    assert FillAllocation.objects.count() == 1


def an_adoption(change: Change, **values: Any) -> Change:
    """Return the adoption of an order like that of a change."""
    order = replace(change.orders[0], id=-1, version=0, purpose=Purpose.ENTRY, **values)
    return Change(
        profile_id=change.profile_id,
        premises=Premises(trades={}, orders={}, fills={}),
        orders=(order,),
        events=(EventDraft(action="order.adopted", object_type="order", object_id="-1"),),
    )


def test_a_bad_adoption_stops_no_other_row():
    change = an_entry(1)
    adoption = an_adoption(
        change, client_order_id="another", exchange_order_id="another", quantity=Decimal(0)
    )
    result = apply(adoption, change)
    assert (result.written, len(result.errors)) == (1, 1)
    assert Order.objects.count() == 1


def test_an_order_that_was_delivered_in_the_meantime_is_not_adopted():
    change = an_entry(1)
    known = Order.objects.get()
    by_exchange_id = an_adoption(change, client_order_id="another")
    by_client_id = an_adoption(
        change, client_order_id=known.client_order_id, exchange_order_id="another"
    )
    result = apply(by_exchange_id, by_client_id, change)
    assert (result.written, result.dropped, result.errors) == (1, 2, ())
    assert Order.objects.count() == 1


def test_when_the_database_itself_fails_with_nothing_to_try_singly_the_error_is_raised(
    monkeypatch,
):
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("the disk is full")

    monkeypatch.setattr("reconciliation.handlers.apply.write_mismatches", fail)
    with pytest.raises(OperationalError):
        apply(open_before=[], judged=frozenset({1}))


# --- locks ---


def test_a_lease_that_went_to_another_commits_nothing():
    change, clock = an_entry(), FixedClock()
    context = apply_context(clock=clock)
    with arranging():
        ProfileLease.objects.update(token=99, holder="another")
    with pytest.raises(LockLost):
        apply(change, context=context)
    assert written() == (0, 0, 0)
    assert not AuditEvent.objects.exists()


def test_a_lease_whose_time_is_up_commits_nothing():
    change, clock = an_entry(), FixedClock()
    context = apply_context(clock=clock)
    clock.moment += context.lock_ttl
    with pytest.raises(LockLost):
        apply(change, context=context)
    assert written() == (0, 0, 0)


def test_a_run_that_was_taken_over_commits_nothing():
    change = an_entry()
    context = apply_context()
    Run.objects.filter(pk=context.run_id).update(status=RunStatus.FAILED, finished_at=NOW)
    with pytest.raises(ClaimLost):
        apply(change, context=context)
    assert written() == (0, 0, 0)


def test_each_write_extends_lease_and_claim():
    clock = FixedClock()
    context = apply_context(clock=clock)
    clock.advance(seconds=10)
    apply(an_entry(), context=context)
    assert ProfileLease.objects.get().expires_at == clock.now() + context.lock_ttl
    run = Run.objects.get(pk=context.run_id)
    assert run.claim_expires_at == clock.now() + timedelta(seconds=90)


@pytest.mark.parametrize("step", [CycleStep.FIRST_WRITE, CycleStep.BEFORE_COMMIT])
def test_a_process_that_is_killed_while_it_writes_leaves_nothing_half_written(step):
    change = an_entry()
    done: list[CycleStep] = []

    def reach(at: CycleStep) -> None:
        done.append(at)
        if at == step:
            assert TradeHistory.objects.count() == 1
            raise SystemExit

    killed = apply_context(reach=reach)
    with pytest.raises(SystemExit):
        apply(change, context=killed)
    assert done[-1] == step
    assert written() == (0, 0, 0)
    assert not AuditEvent.objects.exists()
    context = replace(killed, reach=lambda at: None)
    assert apply(change, context=context).written == 1


# --- cost ---


@pytest.mark.parametrize("kind", ["good", "dropped"])
def test_the_number_of_statements_does_not_depend_on_the_number_of_changes(kind):
    def count(first: int, changes: int) -> int:
        batch = [an_entry(first + number) for number in range(changes)]
        if kind == "dropped":
            with arranging():
                Trade.objects.update(version=7)
        with CaptureQueriesContext(connection) as queries:
            apply(*batch, context=context)
        return len(queries)

    context = apply_context()
    apply(an_entry(0), context=context)
    assert count(1, 2) == count(10, 40)
