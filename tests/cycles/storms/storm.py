"""Random worlds: bots trade, messages get lost, exchanges fail, processes die; then it is quiet.

A storm is rolled from a seed as a list of steps, each a word and a few numbers. What a bot does at
the exchange makes a message for the portal, which may be dropped, repeated, overtaken by others, or
arrive days late. A step that has nothing to act on passes, so that any part of a storm is a storm
as well: one that fails is cut down to what it takes.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from random import Random
from typing import TypeVar

from reconciliation.cycles.reconcile import reconcile_account
from reconciliation.domain.amounts import total
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

T = TypeVar("T")

ENDPOINTS = ("instruments", "open_orders", "order", "order_fills", "fills", "positions")
LIES = ("open_orders", "fills", "positions")
WAITS = (1, 6, 60, 60, 400, 4000, 9000)
# Cycles after which books and exchange must agree: one to look, as many as "not found" has to be
# said, and what those brought up.
CYCLES_TO_REST = 5
NUMBERS = 6


@dataclass(frozen=True, slots=True)
class Step:
    """A word of `Storm.ACTIONS`, and numbers from 0 to 999 that choose among what it may do."""

    word: str
    numbers: tuple[int, ...]


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


class Killed(BaseException):
    """The end of a process."""


def roll(seed: int, length: int) -> list[Step]:
    """Return the steps of a storm: the first one begins it."""
    dice = Random(seed)  # noqa: S311
    words = dice.choices(list(Storm.ACTIONS), list(Storm.ACTIONS.values()), k=length)
    numbers = (tuple(dice.randrange(1000) for _ in range(NUMBERS)) for _ in range(length + 1))
    return [Step(word, chosen) for word, chosen in zip(["begin", *words], numbers, strict=True)]


def play(steps: Sequence[Step]) -> str:
    """Play a storm and undo it; return what went wrong, or nothing."""
    with undone():
        storm = Storm()
        try:
            for step in steps:
                getattr(storm, step.word)(*step.numbers)
            storm.rest()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return ""


def cut_down(steps: Sequence[Step], *, plays: Callable[[Sequence[Step]], str] = play) -> list[Step]:
    """Return the shortest storm found that fails in the same words, numbers apart."""
    wanted = _words_of(plays(steps))
    kept = list(steps)
    size = len(kept) // 2
    while size >= 1:
        at = 1
        while at < len(kept):
            shorter = kept[:at] + kept[at + size :]
            if _words_of(plays(shorter)) == wanted:
                kept = shorter
            else:
                at += size
        size //= 2
    return kept


def _words_of(failure: str) -> str:
    first = failure.partition(";")[0]
    return " ".join(word for word in first.split() if word.isalpha())


class Storm:
    """One account, from its first order to rest."""

    ACTIONS = {
        "enter": 7,
        "enter_more": 2,
        "enter_anonymously": 1,
        "enter_in_vain": 1,
        "exit": 7,
        "fill": 16,
        "cancel": 4,
        "replace": 3,
        "amend": 2,
        "trigger": 3,
        "trade_by_hand": 1,
        "liquidate": 1,
        "tell_position": 1,
        "deliver": 11,
        "deliver_everything_backwards": 1,
        "drop": 2,
        "cycle": 11,
        "cycle_of_one_profile": 2,
        "die": 3,
        "restart": 1,
        "wait": 6,
    }

    def __init__(self) -> None:
        self.mail: list[Delivery] = []
        self._filled: dict[int, Decimal] = {}
        self._trades = 0

    def begin(self, kind: int, grace: int, *_: int) -> None:
        self.kind = _pick(KINDS, kind)
        self.world = World(
            name="main",
            mode=self.kind.mode,
            symbols=self.kind.symbols,
            environ={
                "RECON_ORDER_NOT_FOUND_RETRIES": "2",
                "RECON_INFLIGHT_GRACE_MS": _pick(["0", "5000"], grace),
            },
        )

    # What bots do at the exchange.

    def enter(self, size: int, profile: int, symbol: int, way: int, answer: int, told: int) -> None:
        ticket = self._enter(size, profile, symbol, way)
        self._post(self.world.news(ticket, as_placed=True, acknowledged=answer % 2 == 0), told % 4)

    def enter_anonymously(self, size: int, profile: int, symbol: int, way: int, *_: int) -> None:
        """Place an order without a client order id: a tag says whose it is, nothing what for."""
        ticket = self._enter(size, profile, symbol, way, with_client_id=False)
        self._post(self.world.news(ticket, as_placed=True), True)

    def enter_in_vain(self, size: int, profile: int, symbol: int, way: int, *_: int) -> None:
        """Let a bot deliver an order that never reached the exchange."""
        ticket = self._enter(size, profile, symbol, way, reaches_exchange=False)
        self._post(self.world.news(ticket), True)

    def enter_more(self, size: int, trade: int, *_: int) -> None:
        """Place another entry of a trade: a scale-in."""
        if self.world.truth.tickets:
            first = _pick(self.world.truth.tickets, trade)
            ticket = self.world.place(
                trade_id=first.trade_id,
                quantity=_tenths(size),
                profile=first.profile,
                symbol=first.symbol,
                direction=first.direction,
            )
            self._post(self.world.news(ticket, as_placed=True), True)

    def exit(self, share: int, trade: int, algo: int, answer: int, told: int, *_: int) -> None:
        if not (slices := self._can_exit()):
            return
        entry, free = _pick(slices, trade)
        quantity = self._floor(entry, free * (share % 4 + 1) / 4)
        if quantity <= 0:
            return
        ticket = self.world.place(
            trade_id=entry.trade_id,
            quantity=quantity,
            profile=entry.profile,
            symbol=entry.symbol,
            direction=entry.direction,
            purpose=Purpose.EXIT,
            order_class=OrderClass.CONDITIONAL if algo % 3 == 0 else OrderClass.REGULAR,
        )
        self._post(self.world.news(ticket, as_placed=True, acknowledged=answer % 2 == 0), told % 4)

    def fill(self, order: int, part: int, late: int, heard: int, row: int, *_: int) -> None:
        if not (resting := self._resting()):
            return
        ticket = _pick(resting, order)
        leg = self.world.open_leg(ticket)
        assert leg is not None
        left = leg.quantity - leg.filled
        step = self.world.paper.instrument(ticket.symbol).quantity_step
        quantity = max(self._floor(ticket, left * _pick([1, 4, 5, 10, 10], part) / 10), step)
        seconds = _pick([0, 0, 0, 3, 100], late)
        fill = self.world.fill(
            ticket,
            min(quantity, left),
            visible_from=self.world.ago(seconds=-seconds) if seconds else None,
        )
        news = self.world.news(ticket, fill, with_fill_ids=row % 2 == 0, with_order=row % 3 > 0)
        self._post(news, heard % 2)

    def cancel(self, order: int, heard: int, *_: int) -> None:
        if living := self._living():
            self.world.cancel(_pick(living, order))
            self._post(self.world.news(_pick(living, order)), heard % 2)

    def replace(self, order: int, size: int, heard: int, *_: int) -> None:
        if replaceable := [each for each in self._amendable() if each.client_order_id is not None]:
            ticket = _pick(replaceable, order)
            self.world.replace(ticket, _tenths(size))
            self._post(self.world.news(ticket), heard % 2)

    def amend(self, order: int, size: int, heard: int, *_: int) -> None:
        """Change quantity and price of an order that rests."""
        if amendable := self._amendable():
            ticket = _pick(amendable, order)
            leg = self.world.open_leg(ticket)
            assert leg is not None
            assert leg.price is not None
            amended = replace(
                leg,
                quantity=leg.filled + _tenths(size),
                price=leg.price + 100,
                updated_at=self.world.clock.now(),
            )
            self.world.paper.put_orders([amended])
            self._post(self.world.news(ticket), heard % 2)

    def trigger(self, order: int, *_: int) -> None:
        truth = self.world.truth
        waiting = [
            each
            for each in self._living()
            if each.order_class != OrderClass.REGULAR and len(truth.legs(each)) == 1
        ]
        if waiting:
            self.world.trigger(_pick(waiting, order))

    def trade_by_hand(self, size: int, buys: int, fills: int, *_: int) -> None:
        """Place an order that nothing attributes to a profile."""
        if self.kind.mode == PositionMode.NET:
            paper, symbol = self.world.paper, self.kind.symbols[0]
            mark = paper.instrument(symbol).mark
            order = paper.place(symbol, "buy" if buys % 2 else "sell", _tenths(size), mark)
            if fills % 2:
                paper.fill(order.exchange_order_id, order.quantity / 2)

    def liquidate(self, position: int, *_: int) -> None:
        held = [each for each in self.world.paper.positions() if each.quantity]
        if held and self.kind.mode == PositionMode.NET:
            self.world.paper.liquidate(*_pick(held, position).key)

    def tell_position(self, trade: int, *_: int) -> None:
        """Post what a bot holds now, as far as its orders say."""
        if not self.world.truth.tickets:
            return
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
            quantity=max(total(map(self._open_quantity, trades)), Decimal(0)),
        )
        self.mail.append(Delivery(account=self.world.account.name, positions=(position,)))

    # What becomes of messages.

    def deliver(self, which: int, again: int, *_: int) -> None:
        if self.mail:
            at = which % len(self.mail)
            self.world.tell(self.mail[at] if again % 3 == 0 else self.mail.pop(at))
            self._check()

    def deliver_everything_backwards(self, *_: int) -> None:
        while self.mail:
            self.world.tell(self.mail.pop())
            self._check()

    def drop(self, which: int, *_: int) -> None:
        if self.mail:
            del self.mail[which % len(self.mail)]

    # What the portal does, and what happens to it.

    def cycle(self, weather: int, first: int, second: int, third: int, lie: int, *_: int) -> None:
        fails: Sequence[Fails] = (
            fair,
            fair,
            failing(_pick(ENDPOINTS, first), _pick(ENDPOINTS, second)),
            failing_at(first % 20, second % 20, third % 20),
            halted_from(first % 15),
        )
        lies = frozenset({_pick(LIES, second)}) if lie % 4 == 0 else frozenset()
        self._cycle(_pick(fails, weather), lies)

    def cycle_of_one_profile(self, which: int, *_: int) -> None:
        name = _pick([self.world.alpha, self.world.beta], which)
        outcome = reconcile_account(
            account=self.world.account,
            ports=self.world.ports(),
            profile=Profile.objects.get(name=name),
        )
        assert not outcome.error.startswith("unexpected"), outcome.error
        self._check()

    def die(self, at: int, *_: int) -> None:
        """Kill a run at a step; what it held is held until its time is up."""
        step = _pick(list(CycleStep), at)

        def reach(reached: CycleStep) -> None:
            if reached == step:
                raise Killed

        with suppress(Killed):
            self.world.cycle(reach)
        self._check()
        self.world.clock.advance(seconds=CLAIM_TTL.total_seconds() + 1)

    def restart(self, *_: int) -> None:
        world = self.world
        world.gateway = PaperGateway(world.paper, world.clock.now)
        world.gateways = OneGateway(world.gateway)

    def wait(self, how_long: int, *_: int) -> None:
        self.world.clock.advance(seconds=_pick(WAITS, how_long))

    def rest(self) -> None:
        """Let everything calm down; then both sides are the same, and nothing more is written."""
        world = self.world
        for _ in range(CYCLES_TO_REST):
            world.clock.advance(seconds=120)
            assert self._cycle(fair, frozenset()) == RunStatus.SUCCEEDED
        _must_be_none(find_disagreements(world.truth))
        before = everything_written()
        world.clock.advance(seconds=120)
        self._cycle(fair, frozenset())
        assert everything_written() == before, "a second pass wrote more than its run"
        _must_be_none(check_chain())

    def _cycle(self, fails: Fails, lies: frozenset[str]) -> RunStatus:
        gateway = self.world.gateway
        gateway.fails, gateway.lies = fails, lies
        ended = self._ended()
        outcome = self.world.cycle()
        gateway.fails, gateway.lies = fair, frozenset()
        assert not outcome.error.startswith("unexpected"), outcome.error
        _must_be_none(outcome.row_errors)
        self._check()
        _must_be_none(
            [
                f"{ticket.trade_id} {ticket.purpose} was ended and lives"
                for pk, ticket in self._ended().items()
                if pk not in ended and not self.world.truth.is_over(ticket)
            ]
        )
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

    def _enter(self, size: int, profile: int, symbol: int, way: int, **more: bool) -> Ticket:
        self._trades += 1
        return self.world.place(
            trade_id=f"T{self._trades}",
            quantity=_tenths(size),
            profile=_pick([self.world.alpha, self.world.beta], profile),
            symbol=_pick(self.kind.symbols, symbol),
            direction=_pick(self.kind.directions, way),
            **more,
        )

    def _post(self, news: Delivery, heard: object) -> None:
        if heard:
            self.mail.append(news)

    def _floor(self, ticket: Ticket, quantity: Decimal) -> Decimal:
        step = self.world.paper.instrument(ticket.symbol).quantity_step
        return (quantity / step).to_integral_value(ROUND_FLOOR) * step

    def _resting(self) -> list[Ticket]:
        return [each for each in self.world.truth.tickets if self.world.open_leg(each) is not None]

    def _living(self) -> list[Ticket]:
        return [each for each in self.world.truth.tickets if not self.world.truth.is_over(each)]

    def _amendable(self) -> list[Ticket]:
        return [
            each
            for each in self._resting()
            if each.order_class == OrderClass.REGULAR and each.purpose == Purpose.ENTRY
        ]

    def _can_exit(self) -> list[tuple[Ticket, Decimal]]:
        """Return an entry of each trade that holds something no exit is out for, and how much."""
        truth = self.world.truth
        found = []
        for ticket in truth.tickets:
            at_work = total(
                leg.quantity - leg.filled
                for each in truth.of_trade(ticket.trade_id, Purpose.EXIT)
                for leg in truth.legs(each)
                if leg.is_open
            )
            free = self._open_quantity(ticket.trade_id) - at_work
            if ticket.purpose == Purpose.ENTRY and free > 0:
                found.append((ticket, free))
        return found

    def _open_quantity(self, trade_id: str) -> Decimal:
        truth = self.world.truth
        return truth.moved(trade_id, Purpose.ENTRY) - truth.moved(trade_id, Purpose.EXIT)


def everything_written() -> tuple[object, ...]:
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


def _pick(items: Sequence[T], number: int) -> T:
    return items[number % len(items)]


def _tenths(number: int) -> Decimal:
    return Decimal(number % 9 + 1) / 10


def _must_be_none(found: Sequence[str]) -> None:
    if found:
        raise AssertionError("; ".join(found))
