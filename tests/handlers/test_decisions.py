"""Decisions of people: each rule, what is written, and that a question is decided once."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.plans.decisions import Ask, DecisionPlan
from reconciliation.enums import (
    Coverage,
    DecisionReason,
    MismatchStatus,
    NoGoReason,
    QuarantineReason,
    ReviewStatus,
    Right,
    RunKind,
    RunStatus,
)
from reconciliation.handlers.decision_desk import DecisionResult
from reconciliation.handlers.decision_reversals import reverse_decision
from reconciliation.handlers.decisions import (
    allocate_candidate,
    allocate_review,
    approve_candidate,
    approve_review,
    approve_shortfall,
    reject_candidate,
    reject_review,
    reopen_candidate,
    reopen_review,
)
from reconciliation.handlers.leases import take_lease
from reconciliation.models import (
    AuditEvent,
    BackfillCandidate,
    Decision,
    Fill,
    Mismatch,
    ReviewItem,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.decisions import load_candidate, load_review, plan_approval
from reconciliation.selectors.reviews import load_question
from reconciliation.selectors.states import trade_state
from tests.builders import NOW, FixedClock, arranging, make_fill, make_profile, make_run
from tests.handlers.decision_worlds import (
    conf,
    held,
    person,
    shared_shortfall,
    terms,
    waiting_fill,
    waiting_slice,
)
from tests.handlers.worlds import actions

pytestmark = pytest.mark.django_db


def code(result: DecisionResult) -> str:
    """Return why a decision was refused, or what came of it."""
    assert result.sentence
    return str(result.code or result.outcome)


def the(trade: Trade) -> Trade:
    return Trade.objects.get(pk=trade.pk)


def test_a_fill_is_booked_as_its_preview_said():
    candidate = waiting_fill()
    subject = load_candidate(candidate.pk)
    assert subject is not None
    plan = plan_approval(subject, Ask(), now=NOW)
    assert isinstance(plan, DecisionPlan)

    result = approve_candidate(candidate_id=candidate.pk, **terms())

    assert code(result) == "applied"
    (change,) = plan.changes
    assert change.trade is not None
    after = trade_state(the(candidate.trade))
    assert (after.status, after.exit_quantity, after.average_exit_price) == (
        change.trade.status,
        change.trade.exit_quantity,
        change.trade.average_exit_price,
    )
    (row,) = TradeHistory.objects.filter(kind="EXIT")
    assert (row.key, row.decision_id, row.run_id) == (
        change.history[0].key,
        result.decision_id,
        None,
    )
    decision = Decision.objects.get(pk=result.decision_id)
    assert (decision.kind, decision.maker_name, decision.checker_name) == ("APPROVED", "ada", "")
    assert decision.notional_usd == plan.notional == Decimal("30375")
    assert Fill.objects.get(pk=candidate.fill_id).allocated_quantity == Decimal("0.5")
    assert actions() == ["trade.exit_filled", "review.approved"]


def test_a_ghost_is_closed_at_the_mark_and_its_mismatch_resolved_by_name():
    item = waiting_slice()
    result = approve_review(item_id=item.pk, **terms())
    assert code(result) == "applied"
    item.refresh_from_db()
    assert (item.status, item.version, item.closed_at) == ("APPROVED", 2, NOW)
    assert the(item.trade).status == "CLOSED"
    mismatch = Mismatch.objects.get()
    assert mismatch.status == "RESOLVED"
    assert f"decision {result.decision_id} of ada" in mismatch.resolution
    assert sorted(actions()) == ["mismatch.resolved", "review.approved", "trade.synthetic_exit"]


def test_a_part_leaves_the_mismatch_open_and_the_slice_with_the_rest():
    item = waiting_slice()
    approve_review(item_id=item.pk, quantity=Decimal("0.2"), **terms())
    assert (the(item.trade).status, Mismatch.objects.get().status) == ("OPEN", "OPEN")
    assert ReviewItem.objects.get().status == "APPROVED"


def test_a_rejected_slice_is_open_again_and_its_mismatch_accepted_until_it_is_reopened():
    item = waiting_slice()
    assert code(reject_review(item_id=item.pk, **terms())) == "applied"
    assert (the(item.trade).status, Mismatch.objects.get().status) == ("OPEN", "ACCEPTED")
    assert code(reopen_review(item_id=item.pk, **terms())) == "applied"
    item.refresh_from_db()
    assert (item.status, item.closed_at) == ("PENDING", None)
    assert (the(item.trade).status, Mismatch.objects.get().status) == ("QUARANTINED", "OPEN")
    assert code(reopen_review(item_id=item.pk, **terms())) == "DECIDED_ALREADY"


def test_without_a_mark_a_price_is_needed_as_for_an_item_that_says_so():
    unmarked = waiting_slice(mark=None)
    for reason in (unmarked.reason, QuarantineReason.NO_MARK):
        item = unmarked
        if reason == QuarantineReason.NO_MARK:
            item = waiting_slice("0.4", reason=reason)
        assert code(approve_review(item_id=item.pk, **terms())) == "PRICE_NEEDED"
        price = Decimal("61000")
        assert code(approve_review(item_id=item.pk, price=price, **terms())) == "applied"
    assert not TradeHistory.objects.filter(kind="EXIT", estimated=True).exists()


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"person": person("eve", Right.EXPORT)}, "DENIED"),
        ({"reason": None}, "REASON_NEEDED"),
        ({"reason": DecisionReason.OTHER, "comment": " "}, "COMMENT_NEEDED"),
        ({"version": 7}, "CONFLICT"),
        (
            {"clock": FixedClock(NOW + timedelta(minutes=15, microseconds=1))},
            "STALE_EVIDENCE",
        ),
        ({"trade_id": 999_999}, "WRONG_SLICE"),
        ({"quantity": Decimal("0.6")}, "OVER_ALLOCATED"),
    ],
)
def test_a_refusal_writes_nothing_but_its_event(changed: dict[str, Any], refusal: str):
    candidate = waiting_fill()
    result = approve_candidate(candidate_id=candidate.pk, **terms(**changed))
    assert code(result) == refusal
    assert actions() == ["review.denied"]
    recorded = AuditEvent.objects.get()
    assert recorded.outcome == ("denied" if refusal == "DENIED" else "refused")
    assert not Decision.objects.exists()
    assert the(candidate.trade).exit_quantity == 0


def test_what_is_not_there_cannot_be_decided():
    make_profile()
    assert code(approve_candidate(candidate_id=1, **terms())) == "UNKNOWN_ITEM"
    assert code(approve_review(item_id=1, **terms())) == "UNKNOWN_ITEM"
    assert code(reverse_decision(decision_id=1, **terms())) == "UNKNOWN_ITEM"
    quantity = Decimal("0.1")
    assert code(approve_shortfall(trade_id=1, quantity=quantity, **terms())) == "UNKNOWN_ITEM"


def test_a_slice_must_be_chosen_where_nothing_names_one():
    candidate = waiting_fill()
    with arranging():
        BackfillCandidate.objects.update(trade=None, profile=None)
    assert code(approve_candidate(candidate_id=candidate.pk, **terms())) == "TRADE_NEEDED"
    with arranging():
        BackfillCandidate.objects.update(
            evidence={
                "suggestions": [{"mode": "QTY_UNIQUE", "trade": Trade.objects.get().trade_id}]
            }
        )
    assert code(approve_candidate(candidate_id=candidate.pk, **terms())) == "applied"
    candidate.refresh_from_db()
    assert (candidate.trade, candidate.profile) == (Trade.objects.get(), make_profile())


def test_what_is_foreign_is_final_and_another_profiles_is_never_used():
    candidate = waiting_fill(reasons=[NoGoReason.FOREIGN_SUB_TAG.value])
    assert code(approve_candidate(candidate_id=candidate.pk, **terms())) == "FOREIGN"
    shares = {candidate.trade_id: Decimal("0.1")}
    assert code(allocate_candidate(candidate_id=candidate.pk, shares=shares, **terms())) == (
        "FOREIGN"
    )
    betas = waiting_fill(evidence={"owner": {"profile": make_profile("beta").name}})
    assert code(approve_candidate(candidate_id=betas.pk, **terms())) == "FOREIGN"
    assert code(reject_candidate(candidate_id=candidate.pk, **terms())) == "applied"


def test_the_second_click_decides_nothing():
    candidate = waiting_fill()
    assert code(approve_candidate(candidate_id=candidate.pk, version=1, **terms_of())) == "applied"
    assert code(approve_candidate(candidate_id=candidate.pk, version=1, **terms_of())) == (
        "DECIDED_ALREADY"
    )
    assert TradeHistory.objects.filter(kind="EXIT").count() == Decision.objects.count() == 1


def terms_of(name: str = "ada", *rights: Right, **values: Any) -> dict[str, Any]:
    return terms(person(name, *rights), **values)


FOUR_EYES = conf(RECON_FOUR_EYES_MIN_NOTIONAL_USD="30375")


def test_from_the_limit_on_another_person_approves_what_was_proposed():
    candidate = waiting_fill()

    def approve(who: str, *rights: Right, **values: Any) -> str:
        asked = terms_of(who, *rights, conf=FOUR_EYES)
        return code(approve_candidate(candidate_id=candidate.pk, **asked, **values))

    assert approve("ada") == "proposed"
    assert BackfillCandidate.objects.get().status == "PROPOSED"
    assert approve("ada") == "SAME_PERSON"
    assert approve("cleo", Right.PROPOSE) == "DENIED"
    assert approve("bob", quantity=Decimal("0.4")) == "CONFLICT"
    assert approve("bob", trade_id=candidate.trade_id) == "applied"
    done = Decision.objects.get(kind="APPROVED")
    assert (done.maker_name, done.checker_name, done.four_eyes) == ("ada", "bob", True)
    assert done.proposal == Decision.objects.get(kind="PROPOSED")
    event = AuditEvent.objects.get(action="review.approved")
    assert '"checker":"bob"' in event.payload
    assert '"maker":"ada"' in event.payload


def test_below_the_limit_one_decides_and_who_may_only_propose_proposes():
    one, other = waiting_fill(held(), "0.4"), waiting_fill(held(), "0.4")
    below = {"conf": FOUR_EYES}
    assert code(approve_candidate(candidate_id=one.pk, **terms_of(**below))) == "applied"
    asked = terms_of("cleo", Right.PROPOSE, **below)
    assert code(approve_candidate(candidate_id=other.pk, **asked)) == "proposed"
    only = terms_of("dan", Right.APPROVE, conf=FOUR_EYES)
    assert code(approve_candidate(candidate_id=waiting_fill().pk, **only)) == "DENIED"


def test_a_shortfall_worth_the_limit_is_proposed_too():
    _, first, _ = shared_shortfall()
    limited = conf(RECON_FOUR_EYES_MIN_NOTIONAL_USD="1")
    quantity = Decimal("0.1")
    ask = {"trade_id": first.pk, "quantity": quantity}
    assert code(approve_shortfall(**ask, **terms_of(conf=limited))) == "proposed"
    assert code(approve_shortfall(**ask, **terms_of(conf=limited))) == "SAME_PERSON"
    assert code(approve_shortfall(**ask, **terms_of("bob", conf=limited))) == "applied"
    assert the(first).exit_quantity == quantity


def test_parts_of_a_shortfall_never_sum_to_more_than_it():
    _, first, second = shared_shortfall()

    def approve(trade: Trade, quantity: str | None) -> str:
        amount = None if quantity is None else Decimal(quantity)
        return code(approve_shortfall(trade_id=trade.pk, quantity=amount, **terms()))

    assert approve(first, None) == "QUANTITY_OUT_OF_RANGE"
    assert approve(first, "0.31") == "QUANTITY_OUT_OF_RANGE"
    assert approve(first, "0.3") == "applied"
    assert Mismatch.objects.get().status == "OPEN"
    assert approve(second, "0.31") == "QUANTITY_OUT_OF_RANGE"
    assert approve(second, "0.3") == "applied"
    assert Mismatch.objects.get().status == "RESOLVED"
    assert (the(first).status, the(second).exit_quantity) == ("CLOSED", Decimal("0.3"))


def test_what_cannot_be_read_anew_is_overridden_by_two():
    candidate = waiting_fill()
    late = FixedClock(NOW + timedelta(hours=1))
    asked = {"candidate_id": candidate.pk}
    assert code(approve_candidate(**asked, **terms_of(clock=late))) == "STALE_EVIDENCE"
    make_run(candidate.account, status=RunStatus.FAILED, coverage=Coverage.NONE)
    assert code(approve_candidate(**asked, **terms_of(clock=late))) == "proposed"
    assert code(approve_candidate(**asked, **terms_of(clock=late))) == "SAME_PERSON"
    assert code(approve_candidate(**asked, **terms_of("bob", clock=late))) == "applied"
    assert Decision.objects.get(kind="APPROVED").override


def test_each_question_goes_by_the_job_that_sees_it():
    item = waiting_slice()
    late = FixedClock(NOW + timedelta(hours=1))
    make_run(item.account, kind=RunKind.RECONCILE, as_of=late.now())
    assert code(approve_review(item_id=item.pk, **terms(clock=late))) == "STALE_EVIDENCE"
    make_run(item.account, kind=RunKind.HEARTBEAT, as_of=late.now(), only_profile="alpha")
    assert code(approve_review(item_id=item.pk, **terms(clock=late))) == "STALE_EVIDENCE"
    make_run(item.account, kind=RunKind.HEARTBEAT, as_of=late.now())
    assert code(approve_review(item_id=item.pk, **terms(clock=late))) == "applied"


def test_a_held_lock_refuses_with_a_time_and_gives_back_what_was_taken():
    first, second = held(quantity="0.3"), held(make_profile("beta"), quantity="0.4")
    candidate = waiting_fill(first, "0.6")
    clock = FixedClock()
    ttl = timedelta(minutes=10)
    take_lease(profile_id=second.profile_id, holder="run 7", ttl=ttl, clock=clock)
    shares = {first.pk: Decimal("0.3"), second.pk: Decimal("0.3")}
    result = allocate_candidate(candidate_id=candidate.pk, shares=shares, **terms(clock=clock))
    assert code(result) == "LOCKED"
    assert "run 7 is writing for beta" in result.sentence
    assert "12:10:00" in result.sentence
    assert clock.now() - NOW < timedelta(seconds=1)
    assert take_lease(profile_id=first.profile_id, holder="next", ttl=ttl, clock=clock) is not None


def test_an_allocation_over_two_profiles_and_its_reversal():
    first, second = held(quantity="0.3"), held(make_profile("beta"), quantity="0.4")
    candidate = waiting_fill(first, "0.7")
    shares = {second.pk: Decimal("0.25"), first.pk: Decimal("0.3")}
    result = allocate_candidate(candidate_id=candidate.pk, shares=shares, **terms())
    assert code(result) == "applied"
    assert "0.15 is left over and set aside" in result.sentence
    fill = Fill.objects.get(pk=candidate.fill_id)
    assert (fill.allocated_quantity, fill.set_aside) == (Decimal("0.55"), True)
    assert (the(first).status, the(second).exit_quantity) == ("CLOSED", Decimal("0.25"))

    assert result.decision_id is not None
    back = reverse_decision(decision_id=result.decision_id, **terms_of("bob"))

    assert code(back) == "applied"
    fill.refresh_from_db()
    assert (fill.allocated_quantity, fill.set_aside) == (0, False)
    for trade in (first, second):
        after = the(trade)
        assert (after.status, after.exit_quantity, after.reversals) == ("OPEN", 0, 1)
        assert after.average_exit_price is None
    candidate.refresh_from_db()
    assert (candidate.status, candidate.closed_at) == ("PENDING", None)
    reversal = Decision.objects.get(kind="REVERSED")
    assert reversal.reverses_id == result.decision_id
    assert code(reverse_decision(decision_id=result.decision_id, **terms())) == "NOT_REVERSIBLE"
    assert code(reverse_decision(decision_id=reversal.pk, **terms())) == "NOT_REVERSIBLE"
    assert (
        code(allocate_candidate(candidate_id=candidate.pk, shares=shares, **terms())) == "applied"
    )


def test_a_fill_that_is_not_ours_is_set_aside_until_it_is_reopened():
    candidate = waiting_fill()
    asked = {"candidate_id": candidate.pk}
    assert code(reject_candidate(**asked, **terms_of("eve", Right.PROPOSE))) == "DENIED"
    assert code(reject_candidate(**asked, **terms())) == "applied"
    assert Fill.objects.get(pk=candidate.fill_id).set_aside
    assert code(reject_candidate(**asked, **terms())) == "DECIDED_ALREADY"
    assert code(reopen_candidate(**asked, **terms())) == "applied"
    assert not Fill.objects.get(pk=candidate.fill_id).set_aside
    candidate.refresh_from_db()
    assert (candidate.status, candidate.version) == ("PENDING", 3)


def overclosed() -> tuple[ReviewItem, Fill]:
    """Make a fill of which a flat slice took a part, and the question whose the rest is."""
    item = waiting_slice("0.2", reason=QuarantineReason.OVERCLOSE)
    make_run(item.account)
    fill = make_fill(item.account, side="sell", quantity="0.5", price="60000")
    shown = {"symbol": fill.symbol, "side": fill.side, "fill_id": fill.exchange_fill_id}
    with arranging():
        ReviewItem.objects.update(evidence={"fills": [shown]})
    return ReviewItem.objects.get(), fill


@pytest.mark.parametrize("decide", [approve_review, reject_review])
def test_an_overclose_that_is_not_ours_touches_no_slice(decide: Callable[..., DecisionResult]):
    item, fill = overclosed()
    before = the(item.trade)
    assert code(decide(item_id=item.pk, **terms())) == "applied"
    after = the(item.trade)
    assert (after.status, after.version) == (before.status, before.version)
    assert Fill.objects.get(pk=fill.pk).set_aside


def test_an_overclose_is_allocated_within_its_profile():
    item, fill = overclosed()
    mine, betas = held(), held(make_profile("beta"))
    wrong = {betas.pk: Decimal("0.5")}
    assert code(allocate_review(item_id=item.pk, shares=wrong, **terms())) == "FOREIGN"
    shares = {mine.pk: Decimal("0.5")}
    assert code(allocate_review(item_id=item.pk, shares=shares, **terms())) == "applied"
    assert the(mine).status == "CLOSED"
    assert Fill.objects.get(pk=fill.pk).allocated_quantity == Decimal("0.5")
    ghost = waiting_slice("0.1", mark=None)
    assert code(allocate_review(item_id=ghost.pk, shares=shares, **terms())) == "WRONG_SLICE"


def test_a_page_shows_both_sides_the_age_and_what_would_be_written():
    candidate = waiting_fill()
    held(make_profile("beta"))
    subject = load_candidate(candidate.pk)
    assert subject is not None
    page = load_question(subject, conf=conf(), now=NOW + timedelta(minutes=5))
    assert [(each.profile, each.is_suggested) for each in page.takers] == [
        ("alpha", True),
        ("beta", False),
    ]
    assert (page.version, page.waiting_for, page.age.is_stale) == (1, timedelta(minutes=5), False)
    assert isinstance(page.preview, DecisionPlan)
    item = load_review(waiting_slice().pk)
    assert item is not None
    assert [m.status for m in load_question(item, conf=conf(), now=NOW).mismatches] == [
        MismatchStatus.OPEN
    ]


def test_a_decision_costs_the_same_number_of_statements_however_many_slices_there_are():
    counts = []
    for others in (0, 15):
        slices = [held(quantity="0.1") for _ in range(others + 1)]
        candidate = waiting_fill(slices[0], str(Decimal("0.1") * len(slices)))
        with CaptureQueriesContext(connection) as captured:
            result = allocate_candidate(
                candidate_id=candidate.pk,
                shares={each.pk: Decimal("0.1") for each in slices},
                **terms(),
            )
        assert code(result) == "applied"
        counts.append(len(captured))
        with CaptureQueriesContext(connection) as captured:
            assert result.decision_id is not None
            assert code(reverse_decision(decision_id=result.decision_id, **terms())) == "applied"
        counts.append(len(captured))
    assert counts[:2] == counts[2:]


def test_a_premise_that_moved_is_a_conflict_and_undoes_the_decision(
    monkeypatch: pytest.MonkeyPatch,
):
    candidate = waiting_fill()
    from reconciliation.handlers import decision_desk

    lock = decision_desk._lock_books

    def move(plan: DecisionPlan) -> None:
        lock(plan)
        with arranging():
            Trade.objects.update(version=9)

    monkeypatch.setattr(decision_desk, "_lock_books", move)
    assert code(approve_candidate(candidate_id=candidate.pk, **terms())) == "CONFLICT"
    candidate.refresh_from_db()
    assert candidate.status == ReviewStatus.PENDING
    assert not Decision.objects.exists()
    assert actions() == ["review.denied"]
