"""The standard world of these tests: one order in each state that a cycle has to tell apart.

It is served by the paper exchange over HTTP and read by the real gateway.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.domain.deliveries import DeliveredPosition, Delivery
from reconciliation.enums import (
    Direction,
    ExternalStatus,
    MismatchKind,
    MismatchStatus,
    OrderClass,
    OrderStatus,
    Purpose,
)
from reconciliation.exchange.paper.book import PaperInstrument
from reconciliation.exchange.paper.server import PaperExchange
from reconciliation.models import ExternalOrder, Mismatch, MismatchSighting, Position
from tests.builders import NOW
from tests.cycles.faults.connections import ACCOUNT, Connections
from tests.cycles.storms.clock import WorldClock
from tests.cycles.storms.truth import Ticket, find_disagreements, find_wrong_writes
from tests.cycles.storms.world import BTC, ETH, World

# Of these two nothing but a position row differs, in BTC and ETH everything moves.
SOL, XRP = "SOL/USDT:USDT", "XRP/USDT:USDT"
TINY = Decimal("0.0001")


class Standard:
    """The world, its exchange, and the way back to how it was."""

    def __init__(
        self,
        exchange: PaperExchange,
        clock: WorldClock,
        *,
        scalps: int = 0,
        strangers: int = 1,
    ) -> None:
        """Furnish the world; `clock` is the exchange's too.

        `scalps` is of how many fills the order consists that has many, `strangers` how many open
        orders of nobody there are.
        """
        self.exchange = exchange
        self._scalps, self._strangers = scalps, strangers
        # The one order that the exchange does not know is over as soon as that is certain.
        self.world = World(
            name=ACCOUNT,
            clock=clock,
            symbols=(BTC, ETH),
            environ={"RECON_ORDER_NOT_FOUND_RETRIES": "1"},
        )
        for symbol in (SOL, XRP):
            self.world.paper.put_instrument(
                PaperInstrument(
                    symbol, Decimal("0.1"), Decimal("0.01"), Decimal("0.01"), Decimal(100)
                )
            )
        exchange.add_account(self.world.paper)
        self.connections = Connections(exchange, self.world)
        self._furnish()
        paper = self.world.paper
        self._paper = (paper.orders(), paper.fills(), paper.positions(), paper.balances())
        self._tickets = list(self.world.truth.tickets)

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Give the world as it was furnished: no fault, nothing learned of an earlier test."""
        world, paper = self.world, self.world.paper
        orders, fills, positions, balances = self._paper
        world.clock.moment = NOW
        paper.replace_orders(orders)
        paper.replace_fills(fills)
        paper.replace_positions(positions)
        paper.set_balances(balances)
        world.truth.tickets = list(self._tickets)
        with self.connections.fresh():
            yield

    def run(self) -> RunOutcome:
        """Run a cycle; what it wrote is so, and nothing about it was unexpected."""
        outcome = self.world.cycle()
        assert self.find_wrong_writes() == []
        assert outcome.row_errors == ()
        assert not outcome.error.startswith("unexpected")
        return outcome

    def settle(self, cycles: int = 2) -> list[RunOutcome]:
        """Run cycles until both sides agree; raise where as many do not suffice."""
        outcomes: list[RunOutcome] = []
        found = self.find_disagreements()
        while found and len(outcomes) < cycles:
            self.world.clock.advance(seconds=60)
            outcomes.append(self.run())
            found = self.find_disagreements()
        if found:
            raise AssertionError("; ".join(found))
        return outcomes

    def happen_meanwhile(self) -> None:
        """Let the exchange go on: a fill, an end, a trigger, after the first look at it."""
        world = self.world
        world.fill(self.partial, "0.1")
        world.cancel(self.resting)
        world.fill(self.resting_exit)
        world.trigger(self.stop)
        world.clock.advance(seconds=60)

    def find_wrong_writes(self) -> list[str]:
        """Return what the books, and what is counted towards them, say that is not so."""
        not_found = MismatchSighting.objects.filter(not_found_count__gt=0).exclude(
            mismatch__order__client_order_id=self.lost.client_order_id
        )
        strange = ExternalOrder.objects.exclude(exchange_order_id__in=self.strange_orders)
        kept = Position.objects.get(symbol=XRP).quantity
        return [
            *find_wrong_writes(self.world.truth),
            *(f"{row} was counted as not found" for row in not_found),
            *(f"{row} was called nobody's" for row in strange),
            *([f"a position that is held was set to {kept}"] if kept != self.stray else []),
        ]

    def find_disagreements(self) -> list[str]:
        """Return in what the books differ from the exchange, and what of it is not shown."""
        open_ = Mismatch.objects.filter(status=MismatchStatus.OPEN, profile=None)
        unowned = open_.filter(kind=MismatchKind.UNATTRIBUTED_FILL).count()
        strange = ExternalOrder.objects.filter(status=ExternalStatus.PENDING).count()
        aligned = Position.objects.get(symbol=SOL).quantity
        return [
            *find_disagreements(self.world.truth),
            *([] if unowned == 1 else [f"{unowned} fills are shown as nobody's, there is one"]),
            *(
                []
                if strange == self._strangers
                else [f"{strange} of {self._strangers} orders of nobody are shown"]
            ),
            *([] if aligned == self.held else [f"a position of {self.held} is still {aligned}"]),
        ]

    def _furnish(self) -> None:
        world = self.world
        self.partial = self._order("PARTIAL", "0.5", fills=[("0.2", 30)])
        self.resting = self._order("RESTING", "0.3")
        self._order("CANCELED", "0.2", ends=15)
        self._order("CUT", "0.6", fills=[("0.25", 40)], ends=15)
        self._order(
            "SHORT", "2", symbol=ETH, direction=Direction.SHORT, fills=[("0.5", 50), ("1.5", 25)]
        )
        replaced = self._order("REPLACED", "0.5", fills=[("0.1", 35)])
        world.replace(replaced, "0.3", at=world.ago(minutes=30))
        world.fill(replaced, at=world.ago(minutes=12))
        late = self._order("LATE", "0.2")
        world.fill(late, at=world.ago(minutes=10), visible_from=NOW + timedelta(seconds=30))
        self.lost = world.place(
            trade_id="LOST", quantity="0.1", at=world.ago(hours=2), reaches_exchange=False
        )
        world.tell(world.news(self.lost), at=world.ago(hours=2))

        self._held("HELD", "1")
        self._order("HELD", "1", purpose=Purpose.EXIT, fills=[("1", 18)])
        self._held("KEPT", "0.5", with_fill_ids=False)
        self.resting_exit = self._order("KEPT", "0.2", purpose=Purpose.EXIT)
        self.stop = self._order(
            "KEPT", "0.3", purpose=Purpose.EXIT, order_class=OrderClass.CONDITIONAL
        )
        self._held("STOPPED", "0.7")
        stopped = self._order(
            "STOPPED", "0.7", purpose=Purpose.EXIT, order_class=OrderClass.CONDITIONAL
        )
        world.trigger(stopped, at=world.ago(minutes=14))
        world.fill(stopped, at=world.ago(minutes=13))
        if self._scalps:
            scalp = self._order("SCALP", (self._scalps + 1) * TINY)
            for number in range(self._scalps):
                world.fill(scalp, TINY, at=world.ago(minutes=70) + number * timedelta(seconds=7))

        self._furnish_wrong_words()
        self._furnish_untold()

    def _furnish_wrong_words(self) -> None:
        """What a bot told wrongly: an end without its fills, an end that was none, a position."""
        world = self.world
        at = world.ago(hours=2)
        ended = self._order("ENDED", "0.4", fills=[("0.4", 45)], told=False)
        world.tell(world.news(ended), at=world.ago(minutes=40))
        alive = self._order("ALIVE", "0.2", told=False)
        news = world.news(alive)
        (order,) = news.orders
        world.tell(replace(news, orders=(replace(order, status=OrderStatus.CANCELED),)), at=at)
        pending = self._order("PENDING", "0.3", fills=[("0.1", 28)], told=False)
        world.tell(world.news(pending, acknowledged=False), at=at)
        self.held = self._held("FLAT", "0.5", symbol=SOL, profile=world.beta).quantity
        self._tell_position(SOL, Decimal("0.8"))

    def _furnish_untold(self) -> None:
        """What the books do not know: entries, and what a stranger does on the account."""
        world, paper = self.world, self.world.paper
        self._order("UNTOLD", "0.4", told=False)
        self._order("UNTOLD-FILLED", "0.1", fills=[("0.1", 22)], told=False)
        mark = paper.instrument(BTC).mark
        self.strange_orders = {
            paper.place(BTC, "buy", Decimal("0.9"), mark, at=world.ago(hours=1)).exchange_order_id
            for _ in range(self._strangers)
        }
        self.stray = Decimal("0.9")
        strange = paper.place(XRP, "buy", self.stray, Decimal(100), at=world.ago(hours=1))
        paper.fill(strange.exchange_order_id, at=world.ago(minutes=55))
        self._tell_position(XRP, self.stray)

    def _order(
        self,
        trade_id: str,
        quantity: str | Decimal,
        *,
        symbol: str = BTC,
        direction: Direction = Direction.LONG,
        purpose: Purpose = Purpose.ENTRY,
        order_class: OrderClass = OrderClass.REGULAR,
        fills: list[tuple[str, int]] | None = None,
        ends: int | None = None,
        told: bool = True,
    ) -> Ticket:
        """Place an order two hours ago; its bot told of it then, and of nothing that came later.

        `fills` are quantities with the minutes since; `ends` is how long ago it was canceled.
        """
        world = self.world
        at = world.ago(hours=2)
        ticket = world.place(
            trade_id=trade_id,
            quantity=quantity,
            symbol=symbol,
            direction=direction,
            purpose=purpose,
            order_class=order_class,
            at=at,
        )
        if told:
            world.tell(world.news(ticket), at=at)
        for part, minutes in fills or ():
            world.fill(ticket, part, at=world.ago(minutes=minutes))
        if ends is not None:
            world.cancel(ticket, at=world.ago(minutes=ends))
        return ticket

    def _held(
        self,
        trade_id: str,
        quantity: str,
        *,
        symbol: str = BTC,
        profile: str | None = None,
        with_fill_ids: bool = True,
    ) -> Ticket:
        """Make a slice whose entry its bot delivered with its fill."""
        world = self.world
        at = world.ago(hours=3)
        ticket = world.place(
            trade_id=trade_id, quantity=quantity, symbol=symbol, profile=profile, at=at
        )
        fill = world.fill(ticket, at=at + timedelta(seconds=1))
        news = world.news(ticket, fill, with_fill_ids=with_fill_ids)
        world.tell(news, at=at + timedelta(seconds=2))
        return ticket

    def _tell_position(self, symbol: str, quantity: Decimal) -> None:
        world = self.world
        position = DeliveredPosition(
            profile=world.beta, symbol=symbol, direction=Direction.LONG, quantity=quantity
        )
        world.tell(
            Delivery(account=ACCOUNT, positions=(position,)),
            at=world.ago(minutes=50),
        )
