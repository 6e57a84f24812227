"""Random worlds: bots trade, messages get lost, exchanges fail, processes die; then all is quiet.

Every rule acts on one side. What a bot does at the exchange makes a message for the portal, which
may be dropped, repeated, overtaken by others, or arrive days late. `rest` ends the storm and holds
the books against the exchange.
"""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import TypeVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from reconciliation.cycles.reconcile import reconcile_account
from reconciliation.domain.deliveries import DeliveredPosition, Delivery
from reconciliation.enums import (
    TERMINAL_ORDER_STATUSES,
    CycleStep,
    Direction,
    OrderClass,
    PositionMode,
    Purpose,
    RunStatus,
)
from reconciliation.handlers.runs import CLAIM_TTL
from reconciliation.models import (
    AuditEvent,
    Fill,
    FillAllocation,
    Order,
    OrderLeg,
    Profile,
    Trade,
    TradeHistory,
)
from tests.cycles.storms.gateway import (
    Fails,
    PaperGateway,
    failing,
    failing_at,
    fair,
    halted_from,
)
from tests.cycles.storms.truth import (
    Ledger,
    Ticket,
    check_chain,
    find_disagreements,
    find_wrong_writes,
)
from tests.cycles.storms.world import BTC, ETH, SPOT, OneGateway, World, undone

ENDPOINTS = ("instruments", "open_orders", "order", "order_fills", "fills", "positions")
# Cycles after which books and exchange must agree: one to look, as many as "not found" has to be
# said, and one for what those brought up.
CYCLES_TO_REST = 5
TENTH = Decimal("0.1")

T = TypeVar("T")

picks = st.integers(0, 999)
tenths = st.integers(1, 9).map(lambda number: number * TENTH)
weathers = st.one_of(
    st.just(fair),
    st.sets(st.sampled_from(ENDPOINTS), min_size=1, max_size=3).map(lambda each: failing(*each)),
    st.sets(st.integers(0, 20), min_size=1, max_size=4).map(lambda each: failing_at(*each)),
    st.integers(0, 15).map(halted_from),
)
lies = st.sets(st.sampled_from(["open_orders"]), max_size=1).map(frozenset)


class Killed(BaseException):
    """The end of a process."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What an account is: its mode, what it trades and in which directions."""

    mode: PositionMode
    symbols: tuple[str, ...]
    directions: tuple[Direction, ...] = tuple(Direction)


KINDS = (
    Kind(PositionMode.NET, (BTC, ETH)),
    Kind(PositionMode.HEDGE, (BTC,)),
    Kind(PositionMode.NET, (SPOT, BTC), (Direction.LONG,)),
)


class Storm(RuleBasedStateMachine):
    """One account, from its first order to rest."""

    def __init__(self) -> None:
        super().__init__()
        self._scope = ExitStack()
        self._scope.enter_context(undone())
        self._filled: dict[int, Decimal] = {}
        self._trades = 0
        self._has_manual_trades = False
        self.mail: list[Delivery] = []

    @initialize(kind=st.sampled_from(KINDS), grace=st.sampled_from(["0", "5000"]))
    def begin(self, kind: Kind, grace: str) -> None:
        self.kind = kind
        self.world = World(
            name="main",
            mode=kind.mode,
            symbols=kind.symbols,
            environ={"RECON_ORDER_NOT_FOUND_RETRIES": "2", "RECON_INFLIGHT_GRACE_MS": grace},
        )

    # What bots do at the exchange.

    @rule(
        quantity=tenths, beta=st.booleans(), symbol=picks, direction=picks, answered=st.booleans(),
        told=st.booleans(),
    )  # fmt: skip
    def enter(
        self,
        quantity: Decimal,
        beta: bool,
        symbol: int,
        direction: int,
        answered: bool,
        told: bool,
    ) -> None:
        self._trades += 1
        world = self.world
        ticket = world.place(
            trade_id=f"T{self._trades}",
            quantity=quantity,
            profile=world.beta if beta else world.alpha,
            symbol=_pick(self.kind.symbols, symbol),
            direction=_pick(self.kind.directions, direction),
        )
        self._post(world.news(ticket, as_placed=True, acknowledged=answered), told)

    @rule(quantity=tenths, trade=picks)
    @precondition(lambda self: self.world.truth.tickets)
    def enter_more(self, quantity: Decimal, trade: int) -> None:
        """Place another entry of a trade: a scale-in."""
        first = _pick(self.world.truth.tickets, trade)
        ticket = self.world.place(
            trade_id=first.trade_id,
            quantity=quantity,
            profile=first.profile,
            symbol=first.symbol,
            direction=first.direction,
        )
        self._post(self.world.news(ticket, as_placed=True), True)

    @rule(quantity=tenths, known=st.booleans())
    def enter_in_vain(self, quantity: Decimal, known: bool) -> None:
        """Let a bot deliver an order that never reached the exchange."""
        self._trades += 1
        ticket = self.world.place(
            trade_id=f"T{self._trades}",
            quantity=quantity,
            symbol=self.kind.symbols[0],
            reaches_exchange=False,
        )
        self._post(self.world.news(ticket), known)

    @rule(share=st.integers(1, 4), trade=picks, algo=st.booleans(), answered=st.booleans())
    @precondition(lambda self: self._can_exit())
    def exit(self, share: int, trade: int, algo: bool, answered: bool) -> None:
        entry, free = _pick(self._can_exit(), trade)
        step = self.world.paper.instrument(entry.symbol).quantity_step
        quantity = (free * share / 4 / step).to_integral_value(ROUND_FLOOR) * step
        if quantity <= 0:
            return
        ticket = self.world.place(
            trade_id=entry.trade_id,
            quantity=quantity,
            profile=entry.profile,
            symbol=entry.symbol,
            direction=entry.direction,
            purpose=Purpose.EXIT,
            order_class=OrderClass.CONDITIONAL if algo else OrderClass.REGULAR,
        )
        self._post(self.world.news(ticket, as_placed=True, acknowledged=answered), True)

    @rule(
        ticket=picks, tenth=st.integers(1, 10), late=st.sampled_from([0, 0, 3, 100]),
        heard=st.booleans(), with_ids=st.booleans(), with_order=st.booleans(),
    )  # fmt: skip
    @precondition(lambda self: self._resting())
    def fill(
        self,
        ticket: int,
        tenth: int,
        late: int,
        heard: bool,
        with_ids: bool,
        with_order: bool,
    ) -> None:
        world, filled = self.world, _pick(self._resting(), ticket)
        leg = world.open_leg(filled)
        assert leg is not None
        step = world.paper.instrument(filled.symbol).quantity_step
        left = leg.quantity - leg.filled
        part = max((left * tenth / 10 / step).to_integral_value(ROUND_FLOOR) * step, step)
        visible = None if late == 0 else world.ago(seconds=-late)
        fill = world.fill(filled, min(part, left), visible_from=visible)
        news = world.news(filled, fill, with_fill_ids=with_ids, with_order=with_order)
        self._post(news, heard)

    @rule(ticket=picks, heard=st.booleans())
    @precondition(lambda self: self._living())
    def cancel(self, ticket: int, heard: bool) -> None:
        canceled = _pick(self._living(), ticket)
        self.world.cancel(canceled)
        self._post(self.world.news(canceled), heard)

    @rule(ticket=picks, quantity=tenths, heard=st.booleans())
    @precondition(lambda self: self._replaceable())
    def replace(self, ticket: int, quantity: Decimal, heard: bool) -> None:
        replaced = _pick(self._replaceable(), ticket)
        self.world.replace(replaced, quantity)
        self._post(self.world.news(replaced), heard)

    @rule(ticket=picks)
    @precondition(lambda self: self._triggerable())
    def trigger(self, ticket: int) -> None:
        self.world.trigger(_pick(self._triggerable(), ticket))

    @rule(quantity=tenths, buys=st.booleans(), fills=st.booleans())
    @precondition(lambda self: self.kind.mode == PositionMode.NET)
    def trade_by_hand(self, quantity: Decimal, buys: bool, fills: bool) -> None:
        """Place an order that nothing attributes to a profile."""
        self._has_manual_trades = True
        paper, symbol = self.world.paper, self.kind.symbols[0]
        mark = paper.instrument(symbol).mark
        order = paper.place(symbol, "buy" if buys else "sell", quantity, mark)
        if fills:
            paper.fill(order.exchange_order_id, quantity / 2)

    @rule(trade=picks)
    @precondition(lambda self: self.world.truth.tickets)
    def tell_position(self, trade: int) -> None:
        """Post what a bot holds now, as far as its orders say."""
        ticket = _pick(self.world.truth.tickets, trade)
        key = (ticket.profile, ticket.symbol, ticket.direction)
        trades = {
            each.trade_id
            for each in self.world.truth.tickets
            if (each.profile, each.symbol, each.direction) == key
        }
        position = DeliveredPosition(
            profile=ticket.profile,
            symbol=ticket.symbol,
            direction=ticket.direction,
            quantity=max(sum(map(self._open_quantity, trades), Decimal(0)), Decimal(0)),
        )
        self.mail.append(Delivery(account=self.world.account.name, positions=(position,)))

    # What becomes of messages.

    @rule(index=picks, again=st.booleans())
    @precondition(lambda self: self.mail)
    def deliver(self, index: int, again: bool) -> None:
        at = index % len(self.mail)
        news = self.mail[at] if again else self.mail.pop(at)
        self.world.tell(news)
        self._check()

    @rule()
    @precondition(lambda self: len(self.mail) > 1)
    def deliver_everything_backwards(self) -> None:
        while self.mail:
            self.world.tell(self.mail.pop())
        self._check()

    @rule(index=picks)
    @precondition(lambda self: self.mail)
    def drop(self, index: int) -> None:
        del self.mail[index % len(self.mail)]

    # What the portal does, and what happens to it.

    @rule(weather=weathers, lies=lies)
    def cycle(self, weather: Fails, lies: frozenset[str]) -> None:
        self._cycle(weather, lies)

    @rule(beta=st.booleans())
    def cycle_of_one_profile(self, beta: bool) -> None:
        name = self.world.beta if beta else self.world.alpha
        reconcile_account(
            account=self.world.account,
            ports=self.world.ports(),
            profile=Profile.objects.get(name=name),
        )
        self._check()

    @rule(step=st.sampled_from(list(CycleStep)))
    def die(self, step: CycleStep) -> None:
        """Kill a run at a step; what it held is held until its time is up."""

        def reach(reached: CycleStep) -> None:
            if reached == step:
                raise Killed

        with suppress(Killed):
            self.world.cycle(reach)
        self._check()
        self.world.clock.advance(seconds=CLAIM_TTL.total_seconds() + 1)

    @rule()
    def restart(self) -> None:
        world = self.world
        world.gateway = PaperGateway(world.paper, world.clock.now)
        world.gateways = OneGateway(world.gateway)

    @rule(seconds=st.sampled_from([1, 6, 60, 400, 4000, 9000]))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds=seconds)

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.rest()
        finally:
            self._scope.close()

    def rest(self) -> None:
        """Let everything calm down; then both sides are the same, and nothing more is written."""
        world = self.world
        for _ in range(CYCLES_TO_REST):
            world.clock.advance(seconds=120)
            run = self._cycle(fair, frozenset())
            assert run == RunStatus.SUCCEEDED
        found = find_disagreements(world.truth, positions=not self._has_manual_trades)
        _must_be_none(found)
        before = _everything_written()
        world.clock.advance(seconds=120)
        self._cycle(fair, frozenset())
        assert _everything_written() == before
        _must_be_none(check_chain())

    def _cycle(self, weather: Fails, lies: frozenset[str]) -> RunStatus:
        gateway = self.world.gateway
        gateway.fails, gateway.lies = weather, lies
        ended = set(self._ended())
        outcome = self.world.cycle()
        gateway.fails, gateway.lies = fair, frozenset()
        note(f"{outcome.status}: {outcome.counts} {outcome.unread} {outcome.row_errors}")
        self._check()
        early = [
            f"{ticket.trade_id} {ticket.purpose} was ended and lives"
            for pk, ticket in self._ended().items()
            if pk not in ended and not self.world.truth.is_over(ticket)
        ]
        _must_be_none(early)
        return outcome.status

    def _check(self) -> None:
        _must_be_none(find_wrong_writes(self.world.truth))
        filled = dict(Order.objects.order_by().values_list("pk", "filled_quantity"))
        shrunk = (pk for pk, was in self._filled.items() if filled[pk] < was)
        _must_be_none([f"the filled quantity of order {pk} shrank" for pk in shrunk])
        self._filled = filled

    def _ended(self) -> dict[int, Ticket]:
        ledger = Ledger(self.world.account)
        found = ((ledger.order_of(ticket), ticket) for ticket in self.world.truth.tickets)
        return {
            order.pk: ticket
            for order, ticket in found
            if order is not None and order.status in TERMINAL_ORDER_STATUSES
        }

    def _post(self, news: Delivery, heard: bool) -> None:
        if heard:
            self.mail.append(news)

    def _resting(self) -> list[Ticket]:
        return [each for each in self.world.truth.tickets if self.world.open_leg(each) is not None]

    def _living(self) -> list[Ticket]:
        return [each for each in self.world.truth.tickets if not self.world.truth.is_over(each)]

    def _replaceable(self) -> list[Ticket]:
        return [
            each
            for each in self._resting()
            if each.order_class == OrderClass.REGULAR and each.purpose == Purpose.ENTRY
        ]

    def _triggerable(self) -> list[Ticket]:
        truth = self.world.truth
        return [
            each
            for each in self._living()
            if each.order_class != OrderClass.REGULAR and len(truth.legs(each)) == 1
        ]

    def _can_exit(self) -> list[tuple[Ticket, Decimal]]:
        """Return an entry of each trade that holds something no exit is out for, and how much."""
        truth = self.world.truth
        found = []
        for ticket in truth.tickets:
            at_work = sum(
                (
                    leg.quantity - leg.filled
                    for each in truth.of_trade(ticket.trade_id, Purpose.EXIT)
                    for leg in truth.legs(each)
                    if leg.is_open
                ),
                Decimal(0),
            )
            free = self._open_quantity(ticket.trade_id) - at_work
            if ticket.purpose == Purpose.ENTRY and free > 0:
                found.append((ticket, free))
        return found

    def _open_quantity(self, trade_id: str) -> Decimal:
        truth = self.world.truth
        return truth.moved(trade_id, Purpose.ENTRY) - truth.moved(trade_id, Purpose.EXIT)


def _pick(items: Sequence[T], number: int) -> T:
    return items[number % len(items)]


def _must_be_none(found: Sequence[str]) -> None:
    if found:
        raise AssertionError("; ".join(found))


def _everything_written() -> tuple[object, ...]:
    """Return what a pass that finds nothing leaves as it is."""
    return (
        AuditEvent.objects.count(),
        list(Order.objects.order_by("pk").values_list("pk", "version", "status")),
        list(Trade.objects.order_by("pk").values_list("pk", "version", "status")),
        TradeHistory.objects.count(),
        FillAllocation.objects.count(),
        OrderLeg.objects.count(),
        Fill.objects.count(),
    )
