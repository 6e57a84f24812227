"""Two people at once, and a person against the loop: one decides, and nothing is booked twice."""

from decimal import Decimal

import pytest

from reconciliation.domain.audit import EventDraft
from reconciliation.domain.plans.booking import book_fills
from reconciliation.domain.plans.changes import Change, Premises
from reconciliation.enums import HistorySource, Purpose
from reconciliation.handlers.apply import Applied, apply_changes
from reconciliation.handlers.decision_desk import DecisionResult
from reconciliation.handlers.decisions import approve_candidate, reject_candidate
from reconciliation.handlers.leases import holding
from reconciliation.models import (
    BackfillCandidate,
    Decision,
    Fill,
    FillAllocation,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.states import kept_fill, trade_state
from tests.cycles.concurrency.threads import at_once, interleave, places_to_come_in
from tests.handlers.decision_worlds import person, terms, waiting_fill
from tests.handlers.worlds import apply_context

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_who_approve_at_once_book_the_fill_once():
    candidate = waiting_fill()

    def approve(name: str) -> DecisionResult:
        return approve_candidate(candidate_id=candidate.pk, **terms(person(name)))

    results = at_once([lambda: approve("ada"), lambda: approve("bob")])

    outcomes = sorted(str(result.code or result.outcome) for result in results)  # type: ignore[attr-defined]
    assert outcomes[-1] == "applied"
    assert outcomes[0] in ("CONFLICT", "DECIDED_ALREADY", "LOCKED")
    assert Decision.objects.count() == 1
    assert FillAllocation.objects.count() == 1
    assert Fill.objects.get().allocated_quantity == Decimal("0.5")


def test_one_who_comes_between_two_statements_of_an_approval_never_undoes_it():
    for place in _places():
        candidate = waiting_fill()
        results: list[DecisionResult] = []

        def approve(pk: int = candidate.pk, kept: list[DecisionResult] = results) -> None:
            kept.append(approve_candidate(candidate_id=pk, **terms()))

        def reject(pk: int = candidate.pk, kept: list[DecisionResult] = results) -> None:
            kept.append(reject_candidate(candidate_id=pk, **terms(person("bob"))))

        interleave(approve, [reject], before_statement=place)

        assert sum(result.code is None for result in results) == 1, place
        candidate.refresh_from_db()
        fill = Fill.objects.get(pk=candidate.fill_id)
        assert (fill.allocated_quantity > 0) == (candidate.status == "APPROVED")
        assert fill.set_aside == (candidate.status == "REJECTED")


def _places() -> list[int]:
    """Return a few places at which another may come in: from the first to the last."""
    probe = waiting_fill()
    places = places_to_come_in(lambda: approve_candidate(candidate_id=probe.pk, **terms()))
    return places[:: max(1, len(places) // 6)]


def test_a_decision_and_a_loop_that_books_the_same_fill_book_it_once():
    candidate = waiting_fill()
    trade, kept = trade_state(Trade.objects.get()), kept_fill(Fill.objects.get())
    booking = book_fills(
        trade=trade,
        order=None,
        purpose=Purpose.EXIT,
        fills=[kept],
        base_currency=None,
        source=HistorySource.BACKFILL,
    )
    change = Change(
        profile_id=trade.profile_id,
        premises=Premises(
            trades={trade.id: trade.version}, orders={}, fills={kept.id: kept.allocated}
        ),
        trade=booking.trade,
        history=booking.history,
        allocations=booking.allocations,
        events=(EventDraft(action="trade.exit_filled"),),
    )

    def loop() -> Applied | None:
        try:
            context = apply_context()
        except AssertionError:
            return None  # the person holds the lock: the loop leaves the profile for now
        with holding(context.lease):
            return apply_changes(
                context=context, changes=[change], open_mismatches=[], judged_orders=frozenset()
            )

    def person_decides() -> DecisionResult:
        return approve_candidate(candidate_id=candidate.pk, **terms())

    at_once([loop, person_decides])

    assert TradeHistory.objects.filter(kind="EXIT").count() == 1
    assert FillAllocation.objects.count() == 1
    assert Trade.objects.get().exit_quantity == Decimal("0.5")
    decided = BackfillCandidate.objects.get().status == "APPROVED"
    assert Decision.objects.count() == int(decided)
