"""The standard world of these tests: one order in each state that a cycle has to tell apart.

It is served by the paper exchange over HTTP and read by the real gateway.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.enums import Direction, OrderClass, PositionMode, Purpose
from reconciliation.exchange.ccxt_gateway import CcxtGateway, clear_instrument_cache
from reconciliation.exchange.credentials import Credentials
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.server import PaperExchange
from tests.builders import NOW
from tests.cycles.storms.truth import Ticket, find_disagreements
from tests.cycles.storms.world import BTC, ETH, OneGateway, World

ACCOUNT = "main"
# Long for a server in the same process; short for one that holds its answer back.
PATIENT_MS, IMPATIENT_MS = 3000, 40
TINY = Decimal("0.0001")


class Standard:
    """The world, its exchange, and the way back to how it was."""

    def __init__(self, exchange: PaperExchange, *, scalps: int = 0) -> None:
        """Furnish the world; `scalps` is of how many fills the order consists that has many."""
        self.exchange = exchange
        self._scalps = scalps
        self.world = World(name=ACCOUNT, symbols=(BTC, ETH))
        exchange.add_account(self.world.paper)
        self.patient = self.connect(PATIENT_MS)
        self.impatient = self.connect(IMPATIENT_MS)
        self.world.gateways = OneGateway(self.patient)
        self._furnish()
        paper = self.world.paper
        self._paper = (paper.orders(), paper.fills(), paper.positions(), paper.balances())
        self._tickets = list(self.world.truth.tickets)

    def connect(
        self, timeout_ms: int = PATIENT_MS, *, monotonic: Callable[[], float] = time.monotonic
    ) -> CcxtGateway:
        """Return a real gateway whose waits are over at once."""
        paper: PaperAccount = self.world.paper
        return CcxtGateway(
            exchange_id="okx",
            credentials=Credentials(
                api_key=paper.api_key,
                secret=paper.secret,
                password=paper.passphrase,
                prefix="MAIN",
            ),
            position_mode=PositionMode.NET,
            options={"pace": 0, "instrument_types": ["swap"]},
            clock=self.world.clock.now,
            sleep=lambda seconds: None,
            random=lambda: 0.5,
            monotonic=monotonic,
            base_url=self.exchange.url(ACCOUNT),
            timeout_ms=timeout_ms,
        )

    def close(self) -> None:
        """Release the connections."""
        self.patient.close()
        self.impatient.close()

    @contextmanager
    def fresh(self) -> Iterator[World]:
        """Give the world as it was furnished, without a fault."""
        world, paper = self.world, self.world.paper
        orders, fills, positions, balances = self._paper
        world.clock.moment = NOW
        paper.replace_orders(orders)
        paper.replace_fills(fills)
        paper.replace_positions(positions)
        paper.set_balances(balances)
        world.truth.tickets = list(self._tickets)
        world.gateways = OneGateway(self.patient)
        self.exchange.faults.clear()
        self.exchange.skew_ms = 0
        self.exchange.requests.clear()
        yield world

    def fail(self, endpoint: str, kind: str, times: int | str) -> None:
        """Let answers to an endpoint fail, and an impatient gateway ask where none will come."""
        self.exchange.faults.add(ACCOUNT, endpoint, kind, times)  # type: ignore[arg-type]
        if kind == "timeout":
            self.world.gateways = OneGateway(self.impatient)
        if endpoint in ("instruments", "any"):
            clear_instrument_cache()

    def mend(self) -> None:
        """End every fault."""
        self.exchange.faults.clear()
        self.exchange.skew_ms = 0
        self.world.gateways = OneGateway(self.patient)

    def asked(self, endpoint: str | None = None) -> int:
        """Return how many requests there were since the world was fresh."""
        return self.exchange.requests.count(ACCOUNT, endpoint)

    def settle(self, cycles: int = 2) -> list[RunOutcome]:
        """Run cycles until both sides agree; raise where as many do not suffice."""
        outcomes: list[RunOutcome] = []
        found = ["no cycle has run"]
        while found and len(outcomes) < cycles:
            self.world.clock.advance(seconds=60)
            outcomes.append(self.world.cycle())
            found = find_disagreements(self.world.truth)
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

    def _furnish(self) -> None:
        world = self.world
        self.partial = self._order("PARTIAL", "0.5", fills=[("0.2", 30)])
        self.resting = self._order("RESTING", "0.3")
        self._order("FILLED", "0.4", fills=[("0.1", 50), ("0.3", 20)])
        self._order("CANCELED", "0.2", ends=15)
        self._order("CUT", "0.6", fills=[("0.25", 40)], ends=15)
        self._order("SHORT", "2", symbol=ETH, direction=Direction.SHORT, fills=[("2", 25)])
        replaced = self._order("REPLACED", "0.5", fills=[("0.1", 35)])
        world.replace(replaced, "0.3", at=world.ago(minutes=30))
        world.fill(replaced, at=world.ago(minutes=12))

        self._held("HELD", "1")
        self._order("HELD", "1", purpose=Purpose.EXIT, fills=[("1", 18)])
        self._held("KEPT", "0.5")
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

        # What the books do not know: an entry that rests, one that is filled, one of nobody.
        self._order("UNTOLD", "0.4", told=False)
        self._order("UNTOLD-FILLED", "0.1", fills=[("0.1", 22)], told=False)
        mark = world.paper.instrument(BTC).mark
        world.paper.place(BTC, "buy", Decimal("0.9"), mark, at=world.ago(hours=1))

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

    def _held(self, trade_id: str, quantity: str) -> Ticket:
        """Make a slice whose entry its bot delivered with its fill."""
        world = self.world
        at = world.ago(hours=3)
        ticket = world.place(trade_id=trade_id, quantity=quantity, at=at)
        fill = world.fill(ticket, at=at + timedelta(seconds=1))
        world.tell(world.news(ticket, fill), at=at + timedelta(seconds=2))
        return ticket
