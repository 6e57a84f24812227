"""What bots and others do at the exchange in a storm, and the mail that bots write about it.

A rule's numbers choose among what there is at that moment, so that a storm stays one when steps
are taken out of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from reconciliation.domain.amounts import ZERO, total
from reconciliation.domain.deliveries import DeliveredPosition, Delivery
from reconciliation.enums import Direction, OrderClass, PositionMode, Purpose
from reconciliation.exchange.paper.book import PaperPosition
from tests.cycles.storms.tickets import Ticket
from tests.cycles.storms.witness import Witness
from tests.cycles.storms.world import BTC, ETH, SPOT, World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """What an account is: its mode, what it trades and in which directions."""

    mode: PositionMode
    symbols: tuple[str, ...]
    directions: tuple[Direction, ...] = tuple(Direction)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that a bot makes; the numbers choose profile, symbol and direction."""

    size: Decimal
    profile: int
    symbol: int
    direction: int
    how: str
    said: str


KINDS = {
    "net": Kind(PositionMode.NET, (BTC, ETH)),
    "hedge": Kind(PositionMode.HEDGE, (BTC,)),
    "spot": Kind(PositionMode.NET, (SPOT, BTC), (Direction.LONG,)),
}
NUMBER = st.integers(min_value=0, max_value=11)
SIZE = st.integers(min_value=1, max_value=9).map(lambda tenths: Decimal(tenths) / 10)
# Does a bot's mail about what it did get written? It dies before, or never hears the answer.
SAID = st.sampled_from(["all", "all", "no answer", "nothing"])
ENTRIES = st.builds(
    Entry,
    size=SIZE,
    profile=NUMBER,
    symbol=NUMBER,
    direction=NUMBER,
    how=st.sampled_from(["by the book", "by the book", "anonymously", "in vain"]),
    said=SAID,
)


def pick(items: Sequence[T], number: int) -> T:
    """Return one of the items."""
    return items[number % len(items)]


def given(some: Callable[["Market"], object]) -> Callable[[T], T]:
    """Let a rule be chosen only where there is something that it can act on."""
    return precondition(lambda market: bool(some(market)))


class Market(RuleBasedStateMachine):
    """Bots that trade; `mail` is what they wrote and the portal has not got yet."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.mail: list[Delivery] = []
        self._trades = 0

    @initialize(
        grace_ms=st.sampled_from(["0", "5000"]),
        entries=st.lists(ENTRIES, min_size=1, max_size=3),
    )
    def begin(self, grace_ms: str, entries: list[Entry]) -> None:
        self.world = World(
            name="main",
            mode=self.kind.mode,
            symbols=self.kind.symbols,
            environ={"RECON_ORDER_NOT_FOUND_RETRIES": "2", "RECON_INFLIGHT_GRACE_MS": grace_ms},
        )
        self.truth = self.world.truth
        self.witness = Witness(self.world)
        for entry in entries:
            self._enter(entry)

    @rule(entry=ENTRIES)
    def enter(self, entry: Entry) -> None:
        self._enter(entry)

    @given(lambda market: market.truth.tickets)
    @rule(trade=NUMBER, size=SIZE, said=SAID)
    def enter_more(self, trade: int, size: Decimal, said: str) -> None:
        """Place another entry of a trade: a scale-in."""
        first = pick(self.truth.tickets, trade)
        self._write(
            self.world.place(
                trade_id=first.trade_id,
                quantity=size,
                profile=first.profile,
                symbol=first.symbol,
                direction=first.direction,
            ),
            said,
        )

    @given(lambda market: market._can_exit())
    @rule(
        trade=NUMBER,
        quarters=st.integers(min_value=1, max_value=4),
        order_class=st.sampled_from([OrderClass.REGULAR, OrderClass.CONDITIONAL]),
        said=SAID,
    )
    def exit(self, trade: int, quarters: int, order_class: OrderClass, said: str) -> None:
        entry, free = pick(self._can_exit(), trade)
        quantity = self._floor(entry, free * quarters / 4)
        if quantity <= 0:
            return
        self._write(
            self.world.place(
                trade_id=entry.trade_id,
                quantity=quantity,
                profile=entry.profile,
                symbol=entry.symbol,
                direction=entry.direction,
                purpose=Purpose.EXIT,
                order_class=order_class,
            ),
            said,
        )

    @given(lambda market: market._resting())
    @rule(
        order=NUMBER,
        tenths=st.lists(st.sampled_from([1, 4, 5, 10]), min_size=1, max_size=3),
        late=st.sampled_from([0, 0, 3, 100]),
        heard=st.booleans(),
        with_fill_ids=st.booleans(),
        with_order=st.booleans(),
        parts=st.sampled_from([1, 1, 2]),
    )
    def fill(
        self,
        order: int,
        tenths: list[int],
        late: int,
        heard: bool,
        with_fill_ids: bool,
        with_order: bool,
        parts: int,
    ) -> None:
        """Execute an order, some tenths of what is left; `late` fills are shown after seconds."""
        ticket = pick(self._resting(), order)
        fills = []
        for part in tenths:
            leg = self.world.open_leg(ticket)
            if leg is None:
                break
            left = leg.quantity - leg.filled
            step = self.world.paper.instrument(ticket.symbol).quantity_step
            quantity = min(max(self._floor(ticket, left * part / 10), step), left)
            visible_from = self.world.ago(seconds=-late) if late else None
            fills.append(self.world.fill(ticket, quantity, visible_from=visible_from))
        if heard:
            self.mail.append(
                self.world.news(
                    ticket,
                    *fills,
                    with_fill_ids=with_fill_ids,
                    with_order=with_order,
                    parts=parts,
                )
            )

    @given(lambda market: market._living())
    @rule(
        order=NUMBER,
        how=st.sampled_from(["cancel", "cancel", "replace", "amend"]),
        size=SIZE,
        heard=st.booleans(),
    )
    def change(self, order: int, how: str, size: Decimal, heard: bool) -> None:
        """Cancel an order, replace it under its client order id, or amend it where it rests."""
        ticket = pick(self._living(), order)
        can_change = ticket.order_class == OrderClass.REGULAR and ticket.purpose == Purpose.ENTRY
        if how == "cancel" or not can_change:
            self.world.cancel(ticket)
        elif how == "replace" and ticket.client_order_id is not None:
            self.world.replace(ticket, size)
        else:
            self._amend(ticket, size)
        if heard:
            self.mail.append(self.world.news(ticket))

    @given(lambda market: market._waiting_algos())
    @rule(order=NUMBER)
    def trigger(self, order: int) -> None:
        self.world.trigger(pick(self._waiting_algos(), order))

    @given(lambda market: market.kind.mode == PositionMode.NET)
    @rule(size=SIZE, side=st.sampled_from(["buy", "sell"]), fills=st.booleans())
    def trade_by_hand(self, size: Decimal, side: str, fills: bool) -> None:
        """Place an order that nothing attributes to a profile."""
        paper, symbol = self.world.paper, self.kind.symbols[0]
        order = paper.place(symbol, side, size, paper.instrument(symbol).mark)
        if fills:
            paper.fill(order.exchange_order_id, order.quantity / 2)

    @given(lambda market: market.kind.mode == PositionMode.NET and market._held())
    @rule(position=NUMBER)
    def liquidate(self, position: int) -> None:
        self.world.paper.liquidate(*pick(self._held(), position).key)

    @given(lambda market: market.truth.tickets)
    @rule(trade=NUMBER)
    def tell_position(self, trade: int) -> None:
        """Write what a bot holds now, as far as its orders say."""
        ticket = pick(self.truth.tickets, trade)
        key = (ticket.profile, ticket.symbol, ticket.direction)
        trades = {
            each.trade_id
            for each in self.truth.tickets
            if (each.profile, each.symbol, each.direction) == key
        }
        position = DeliveredPosition(
            profile=ticket.profile,
            symbol=ticket.symbol,
            direction=ticket.direction,
            quantity=max(total(map(self._open_quantity, trades)), ZERO),
        )
        self.mail.append(Delivery(account=self.world.account.name, positions=(position,)))

    def _enter(self, entry: Entry) -> None:
        self._trades += 1
        ticket = self.world.place(
            trade_id=f"T{self._trades}",
            quantity=entry.size,
            profile=pick([self.world.alpha, self.world.beta], entry.profile),
            symbol=pick(self.kind.symbols, entry.symbol),
            direction=pick(self.kind.directions, entry.direction),
            with_client_id=entry.how != "anonymously",
            reaches_exchange=entry.how != "in vain",
        )
        if entry.how == "by the book":
            self._write(ticket, entry.said)
        else:  # nothing else would say whose it is
            self._write(ticket, "all")

    def _write(self, ticket: Ticket, said: str) -> None:
        if said != "nothing":
            acknowledged = said == "all"
            self.mail.append(self.world.news(ticket, as_placed=True, acknowledged=acknowledged))

    def _amend(self, ticket: Ticket, size: Decimal) -> None:
        leg = self.world.open_leg(ticket)
        assert leg is not None
        assert leg.price is not None
        self.world.paper.put_orders(
            [
                replace(
                    leg,
                    quantity=leg.filled + size,
                    price=leg.price + 100,
                    updated_at=self.world.clock.now(),
                )
            ]
        )

    def _floor(self, ticket: Ticket, quantity: Decimal) -> Decimal:
        step = self.world.paper.instrument(ticket.symbol).quantity_step
        return (quantity / step).to_integral_value(ROUND_FLOOR) * step

    def _held(self) -> list[PaperPosition]:
        return [each for each in self.world.paper.positions() if each.quantity]

    def _resting(self) -> list[Ticket]:
        return [each for each in self.truth.tickets if self.world.open_leg(each) is not None]

    def _living(self) -> list[Ticket]:
        return [each for each in self.truth.tickets if not self.truth.is_over(each)]

    def _waiting_algos(self) -> list[Ticket]:
        return [
            each
            for each in self._living()
            if each.order_class != OrderClass.REGULAR and len(self.truth.legs(each)) == 1
        ]

    def _can_exit(self) -> list[tuple[Ticket, Decimal]]:
        """Return an entry of each trade that holds something no exit is out for, and how much."""
        found = []
        for ticket in self.truth.tickets:
            at_work = total(
                leg.quantity - leg.filled
                for each in self.truth.of_trade(ticket.trade_id, Purpose.EXIT)
                for leg in self.truth.legs(each)
                if leg.is_open
            )
            free = self._open_quantity(ticket.trade_id) - at_work
            if ticket.purpose == Purpose.ENTRY and free > 0:
                found.append((ticket, free))
        return found

    def _open_quantity(self, trade_id: str) -> Decimal:
        moved = self.truth.moved
        return moved(trade_id, Purpose.ENTRY) - moved(trade_id, Purpose.EXIT)
