"""An account whose bots have missed something, and who may work on it at the same time."""

from dataclasses import replace
from decimal import Decimal

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.domain.audit import Actor
from reconciliation.domain.deliveries import Delivery
from reconciliation.enums import ActorType, Purpose, RunStatus
from reconciliation.handlers.accounts import set_baseline
from reconciliation.handlers.leases import LockHeld
from reconciliation.models import AuditEvent, ExchangeAccount, ExternalOrder, Run
from tests.cycles.storms.truth import find_disagreements
from tests.cycles.storms.world import BTC, World

OPERATOR = Actor(type=ActorType.USER, id="1", name="ada")


class Scene:
    """Fills that nobody has told of, an order that a bot is about to deliver, and a stranger's."""

    def __init__(self) -> None:
        self.world = world = World(environ={"RECON_INFLIGHT_GRACE_MS": "0"})
        at = world.ago(hours=2)
        self.baseline_at = world.ago(hours=3)
        self.decisions = 0
        known = world.place(trade_id="KNOWN", quantity="0.5", at=at)
        world.tell(world.news(known), at=at)
        fills = [world.fill(known, "0.2"), world.fill(known, "0.3")]
        untold = world.place(trade_id="UNTOLD", quantity="0.2")
        mark = world.paper.instrument(BTC).mark
        world.paper.place(BTC, "sell", Decimal("0.9"), mark, at=at)
        world.clock.advance(seconds=60)
        self.deliveries = [_both(world.news(known, *fills), world.news(untold))]

    def loop(self) -> RunOutcome:
        """Run a cycle, which must not meet an error whatever goes on beside it."""
        outcome = self.world.cycle()
        assert outcome.status in (RunStatus.SUCCEEDED, RunStatus.SKIPPED_LOCKED), outcome
        assert outcome.row_errors == ()
        return outcome

    def deliver(self) -> None:
        """Let the bots tell what they know; every row is taken."""
        for delivery in self.deliveries:
            assert self.world.tell(delivery).refused == ()

    def decide(self) -> None:
        """Let a person accept what was there before all of this, unless a lock is held."""
        try:
            set_baseline(
                account_id=self.world.account.pk,
                at=self.baseline_at,
                comment="as found",
                actor=OPERATOR,
                clock=self.world.clock,
                conf=self.world.conf,
            )
        except LockHeld:
            return
        self.decisions += 1

    def assert_at_rest(self) -> None:
        """Check that a next cycle leaves both sides equal, and everything there once."""
        world, account = self.world, self.world.account
        world.clock.advance(seconds=60)
        assert world.cycle().status == RunStatus.SUCCEEDED
        assert find_disagreements(world.truth) == []
        assert not Run.objects.filter(account=account).exclude(status=RunStatus.SUCCEEDED).exists()
        assert ExternalOrder.objects.filter(account=account).count() == 1
        told = AuditEvent.objects.filter(account_name=account.name)
        assert told.filter(action="external_order.found").count() == 1
        assert told.filter(action="account.baseline_set").count() == self.decisions
        baseline_at = ExchangeAccount.objects.get(pk=account.pk).baseline_at
        assert baseline_at == (self.baseline_at if self.decisions else None)


class BusyScene(Scene):
    """More of it: another profile, an order that was adopted, rows without a fill id or order."""

    def __init__(self) -> None:
        super().__init__()
        world, at = self.world, self.world.ago(hours=2)
        leaves = world.place(trade_id="KNOWN", quantity="0.5", purpose=Purpose.EXIT, at=at)
        other = world.place(trade_id="OTHER", quantity="0.4", profile=world.beta, at=at)
        adopted = world.place(trade_id="ADOPTED", quantity="0.3", at=at)
        for ticket in (leaves, other):
            world.tell(world.news(ticket), at=at)
        world.cycle()
        world.clock.advance(seconds=60)
        self.deliveries += [
            world.news(leaves, world.fill(leaves, "0.5")),
            world.news(other, world.fill(other, "0.4"), with_fill_ids=False),
            world.news(adopted, world.fill(adopted, "0.1"), with_order=False),
        ]
        world.clock.advance(seconds=60)


def _both(one: Delivery, other: Delivery) -> Delivery:
    return replace(
        one,
        trades=one.trades + other.trades,
        orders=one.orders + other.orders,
        history=one.history + other.history,
    )
