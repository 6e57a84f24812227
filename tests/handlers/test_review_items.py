"""Questions about slices: asked once for each evidence, taken back when nothing is left to ask."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from reconciliation.domain.audit import system_actor
from reconciliation.domain.keys import evidence_hash
from reconciliation.domain.plans.changes import Change, Premises, ReviewDraft
from reconciliation.enums import QuarantineReason, ReviewStatus, TradeStatus
from reconciliation.handlers.review_items import supersede_reviews, write_reviews
from reconciliation.handlers.targets import Target
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import AuditEvent, ReviewItem, Trade
from reconciliation.selectors.states import trade_state
from tests.builders import NOW, FixedClock, arranging, make_review, make_run, make_trade
from tests.handlers.worlds import actions

pytestmark = pytest.mark.django_db
GHOST = {"kind": "GHOST_POSITION", "drift": Decimal("-0.5"), "fills": ()}


def in_quarantine() -> Trade:
    return make_trade(entry_quantity="0.5", status=TradeStatus.QUARANTINED)


def target_of(trade: Trade) -> Target:
    return Target(
        account_id=trade.account_id,
        account_name=trade.account.name,
        profile_id=trade.profile_id,
        profile_name=trade.profile.name,
    )


def ask(
    trade: Trade,
    *,
    evidence: Mapping[str, object] = GHOST,
    sameness: Mapping[str, object] | None = None,
    reason: QuarantineReason = QuarantineReason.UNATTRIBUTED,
) -> None:
    draft = ReviewDraft(
        reason=reason,
        trade_id=trade.pk,
        quantity=Decimal("0.5"),
        evidence=evidence,
        sameness=sameness,
    )
    change = Change(
        profile_id=trade.profile_id,
        premises=Premises(trades={}, orders={}, fills={}),
        reviews=(draft,),
    )
    with transaction_unit(actor=system_actor("test"), clock=FixedClock()) as unit:
        write_reviews(
            [change], target=target_of(trade), run_id=make_run(trade.account).pk, unit=unit
        )


def answer(status: ReviewStatus) -> None:
    with arranging():
        ReviewItem.objects.update(status=status, closed_at=NOW)


def end(trade: Trade, status: TradeStatus) -> None:
    """Take back what is asked about a slice that is now in a status."""
    change = Change(
        profile_id=trade.profile_id,
        premises=Premises(trades={}, orders={}, fills={}),
        trade=replace(trade_state(trade), status=status),
    )
    with transaction_unit(actor=system_actor("test"), clock=FixedClock()) as unit:
        supersede_reviews([change], target_of(trade), unit)


# --- what is asked ---


def test_a_question_holds_its_evidence_and_the_hash_of_what_makes_it_another_one():
    trade = in_quarantine()
    ask(trade, evidence={**GHOST, "mark": Decimal(60000)}, sameness=GHOST)
    item = ReviewItem.objects.get()
    assert item.evidence == {
        "kind": "GHOST_POSITION",
        "drift": "-0.5",
        "fills": [],
        "mark": "60000",
    }
    assert item.evidence_hash == evidence_hash(GHOST)
    assert (item.status, item.version, item.opened_at) == (ReviewStatus.PENDING, 1, NOW)
    event = AuditEvent.objects.get(action="review.opened")
    assert event.object_id == str(item.pk)
    assert item.evidence_hash in event.payload
    assert (event.profile_name, event.account_name) == ("alpha", "main")


def test_without_a_word_on_sameness_the_evidence_itself_is_it():
    ask(in_quarantine())
    assert ReviewItem.objects.get().evidence_hash == evidence_hash(GHOST)


@pytest.mark.parametrize("waits", [ReviewStatus.PENDING, ReviewStatus.PROPOSED])
def test_a_question_that_waits_is_shown_its_new_evidence_and_waits_anew(waits: ReviewStatus):
    trade = in_quarantine()
    ask(trade)
    with arranging():
        ReviewItem.objects.update(status=waits)
    ask(trade, evidence={**GHOST, "drift": Decimal("-0.4")})
    assert ReviewItem.objects.get().status == ReviewStatus.PENDING
    assert actions() == ["review.opened", "review.changed"]


def test_what_was_rejected_does_not_come_back_and_another_mark_is_the_same():
    trade = in_quarantine()
    ask(trade, evidence={**GHOST, "mark": Decimal(60000)}, sameness=GHOST)
    answer(ReviewStatus.REJECTED)
    ask(trade, evidence={**GHOST, "mark": Decimal(61000)}, sameness=GHOST)
    assert ReviewItem.objects.count() == 1


@pytest.mark.parametrize("answered", [ReviewStatus.APPROVED, ReviewStatus.SUPERSEDED])
def test_what_was_exited_or_clean_in_between_is_asked_about_anew(answered: ReviewStatus):
    trade = in_quarantine()
    ask(trade)
    answer(answered)
    ask(trade)
    assert ReviewItem.objects.count() == 2


def test_new_evidence_about_an_answered_slice_is_a_new_question():
    trade = in_quarantine()
    ask(trade, sameness=GHOST)
    answer(ReviewStatus.REJECTED)
    ask(trade, sameness={**GHOST, "drift": Decimal("-0.4")})
    assert list(ReviewItem.objects.order_by("pk").values_list("status", flat=True)) == [
        ReviewStatus.REJECTED,
        ReviewStatus.PENDING,
    ]


def test_another_reason_or_another_slice_is_another_question():
    trade, other = in_quarantine(), in_quarantine()
    ask(trade)
    ask(trade, reason=QuarantineReason.OVERCLOSE, evidence={"fill": "1"})
    ask(other)
    assert ReviewItem.objects.count() == 3


# --- what is taken back ---


@pytest.mark.parametrize("waits", [ReviewStatus.PENDING, ReviewStatus.PROPOSED])
@pytest.mark.parametrize("status", [TradeStatus.OPEN, TradeStatus.CLOSED])
def test_a_question_about_a_slice_that_left_quarantine_is_taken_back(
    waits: ReviewStatus, status: TradeStatus
):
    trade = in_quarantine()
    item = make_review(trade, status=waits)
    end(trade, status)
    item.refresh_from_db()
    assert (item.status, item.closed_at, item.version) == (ReviewStatus.SUPERSEDED, NOW, 2)
    event = AuditEvent.objects.get(action="review.superseded")
    payload = event.payload
    assert f'"before":{{"status":"{waits}"}}' in payload
    assert f"the slice is {status} now" in payload
    assert (event.profile_name, event.account_name) == ("alpha", "main")


def test_a_slice_that_stays_in_quarantine_keeps_its_question():
    trade = in_quarantine()
    make_review(trade)
    end(trade, TradeStatus.QUARANTINED)
    assert ReviewItem.objects.get().status == ReviewStatus.PENDING
    assert actions() == []


def test_what_was_exited_beyond_a_slice_is_still_asked_when_the_slice_is_closed():
    trade = in_quarantine()
    make_review(trade, reason=QuarantineReason.OVERCLOSE)
    end(trade, TradeStatus.CLOSED)
    assert ReviewItem.objects.get().status == ReviewStatus.PENDING


@pytest.mark.parametrize("status", [ReviewStatus.APPROVED, ReviewStatus.REJECTED])
def test_what_a_person_answered_stays_answered(status: ReviewStatus):
    trade = in_quarantine()
    make_review(trade, status=status, closed_at=NOW)
    end(trade, TradeStatus.CLOSED)
    assert ReviewItem.objects.get().status == status
    assert actions() == []


def test_the_end_of_one_slice_answers_nothing_about_another():
    trade, other = in_quarantine(), in_quarantine()
    item = make_review(other)
    make_review(trade)
    end(trade, TradeStatus.CLOSED)
    item.refresh_from_db()
    assert item.status == ReviewStatus.PENDING
