"""Decisions of people at each other's and the loop's every statement: each carried out once."""

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.domain.amounts import total
from reconciliation.enums import (
    CandidateStatus,
    DecisionRefusal,
    Nobodys,
    ReviewStatus,
    RunStatus,
    TradeStatus,
)
from reconciliation.handlers.decision_desk import DecisionResult
from reconciliation.handlers.decision_records import Outcome
from reconciliation.handlers.decisions import (
    allocate_candidate,
    approve_candidate,
    approve_review,
    reject_candidate,
)
from reconciliation.handlers.nobodys import adopt
from reconciliation.handlers.nobodys_items import NobodysItem
from reconciliation.models import (
    BackfillCandidate,
    Decision,
    ExternalOrder,
    Fill,
    Order,
    Trade,
    TradeHistory,
)
from tests.builders import arranging, make_mark, make_review
from tests.cycles.concurrency.threads import at_once, interleave, places_to_come_in
from tests.cycles.storms.truth import check_chain
from tests.cycles.storms.world import BTC, World
from tests.handlers.decision_worlds import person, terms

pytestmark = pytest.mark.django_db(transaction=True)
# What a person is told who comes second, or while another writes; anything else is a fault.
EXPECTED = {
    None,
    DecisionRefusal.DECIDED_ALREADY,
    DecisionRefusal.CONFLICT,
    DecisionRefusal.LOCKED,
    # Another has closed the slice that was chosen.
    DecisionRefusal.WRONG_SLICE,
}


@pytest.fixture(autouse=True)
def chain_is_whole_in_the_end(transactional_db: None) -> Iterator[None]:
    yield
    assert check_chain() == []


class Desk:
    """A sale of nobody that two slices could be closed by, a ghost, and an order of a stranger."""

    def __init__(self) -> None:
        self.world = world = World(environ={"RECON_INFLIGHT_GRACE_MS": "0"})
        at = world.ago(hours=2)
        self.trades: dict[str, Trade] = {}
        for trade_id in ("FIRST", "SECOND", "GHOST"):
            ticket = world.place(trade_id=trade_id, quantity="0.5", at=at)
            world.tell(world.news(ticket, world.fill(ticket, at=at)), at=at)
        mark = world.paper.instrument(BTC).mark
        sale = world.paper.place(BTC, "sell", Decimal("0.5"), mark, at=world.ago(hours=1))
        world.paper.fill(sale.exchange_order_id, at=world.ago(hours=1))
        world.paper.place(BTC, "buy", Decimal("0.3"), mark, at=world.ago(hours=1))
        world.clock.advance(seconds=60)
        assert world.cycle().status == RunStatus.SUCCEEDED
        rows = Trade.objects.filter(account=world.account)
        self.trades = {row.trade_id: row for row in rows.select_related("profile")}
        self.candidate = BackfillCandidate.objects.get(account=world.account)
        self.stranger = ExternalOrder.objects.get(account=world.account)
        ghost = self.trades["GHOST"]
        with arranging():
            Trade.objects.filter(pk=ghost.pk).update(status=TradeStatus.QUARANTINED)
        make_mark(world.account, symbol=BTC)
        self.item = make_review(ghost, opened_at=world.clock.now())
        world.clock.advance(seconds=60)

    def loop(self) -> RunOutcome:
        outcome = self.world.cycle()
        assert outcome.status in (
            RunStatus.SUCCEEDED,
            RunStatus.PARTIAL,
            RunStatus.SKIPPED_LOCKED,
        ), outcome
        assert outcome.row_errors == ()
        return outcome

    def approve_fill(self) -> None:
        trade_id = self.trades["FIRST"].pk
        self._told(approve_candidate(candidate_id=self._fill, trade_id=trade_id, **self._by("ada")))

    def reject_fill(self) -> None:
        self._told(reject_candidate(candidate_id=self._fill, **self._by("bob")))

    def allocate_fill(self) -> None:
        shares = {self.trades["FIRST"].pk: Decimal("0.2"), self.trades["SECOND"].pk: Decimal("0.3")}
        self._told(allocate_candidate(candidate_id=self._fill, shares=shares, **self._by("cleo")))

    def approve_ghost(self) -> None:
        self._told(approve_review(item_id=self.item.pk, **self._by("dan")))

    def adopt_order(self) -> None:
        outcome: Outcome = adopt(
            item=NobodysItem(kind=Nobodys.EXTERNAL_ORDER, id=self.stranger.pk),
            profile=self.world.alpha,
            trade="NEW",
            **self._by("eve"),
        )
        assert outcome.refusal in EXPECTED, outcome

    @property
    def _fill(self) -> int:
        return self.candidate.pk

    def _by(self, name: str) -> dict[str, object]:
        return terms(person(name), conf=self.world.conf, clock=self.world.clock)

    def _told(self, result: DecisionResult) -> None:
        assert result.code in EXPECTED, result

    def assert_at_rest(self) -> None:
        """Check that all is decided once, no fill is taken twice, and books equal their rows."""
        for work in (self.approve_fill, self.approve_ghost, self.adopt_order):
            work()  # what was locked out is done now, what is done is done once
        self.world.clock.advance(seconds=60)
        assert self.world.cycle().status == RunStatus.SUCCEEDED
        account = self.world.account
        decisions = Decision.objects.filter(account=account)
        assert decisions.filter(candidate=self.candidate).count() == 1
        assert decisions.filter(review=self.item).count() == 1
        assert decisions.filter(external_order=self.stranger).count() == 1
        self.candidate.refresh_from_db()
        self.item.refresh_from_db()
        assert self.item.status == ReviewStatus.APPROVED
        sale = Fill.objects.get(pk=self.candidate.fill_id)
        taken = Decimal("0.5") if self.candidate.status == CandidateStatus.APPROVED else Decimal(0)
        assert (sale.allocated_quantity, sale.set_aside) == (taken, taken == 0)
        adopted = {"account": account, "exchange_order_id": self.stranger.exchange_order_id}
        assert Order.objects.filter(**adopted).count() == 1
        for trade in Trade.objects.filter(account=account):
            rows = TradeHistory.objects.filter(trade=trade, kind="EXIT", reversed_by=None)
            assert trade.exit_quantity == total(row.booked_quantity for row in rows)
            assert trade.exit_quantity <= trade.entry_quantity
        assert Trade.objects.get(pk=self.trades["GHOST"].pk).status == TradeStatus.CLOSED


ACTS = ("approve_fill", "reject_fill", "allocate_fill", "approve_ghost", "adopt_order")


def acts_of(desk: Desk, *, but: str = "") -> list[Callable[[], object]]:
    return [getattr(desk, name) for name in ACTS if name != but]


def test_everybody_decides_at_once_beside_the_loop() -> None:
    for _ in range(2):
        desk = Desk()
        at_once([desk.loop, *acts_of(desk)])
        desk.assert_at_rest()


@pytest.mark.parametrize("name", ACTS)
def test_the_loop_and_others_come_in_before_any_statement_of_a_decision(name: str) -> None:
    for number in places_to_come_in(getattr(Desk(), name)):
        desk = Desk()
        guests = [desk.loop, *acts_of(desk, but=name), getattr(desk, name)]
        interleave(getattr(desk, name), guests, before_statement=number)
        desk.assert_at_rest()


@pytest.mark.parametrize("part", range(4))
def test_decisions_come_in_before_any_statement_of_the_loop(part: int) -> None:
    for number in places_to_come_in(Desk().loop)[part::4]:
        desk = Desk()
        interleave(desk.loop, acts_of(desk), before_statement=number)
        desk.assert_at_rest()
