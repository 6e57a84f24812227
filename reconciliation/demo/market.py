"""The exchange's side of the demo: prices that wander, and orders that meet their fate."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from random import Random

from reconciliation.demo.accounts import START_PRICES
from reconciliation.demo.plans import Happening, Plan, Step
from reconciliation.domain.amounts import ZERO
from reconciliation.enums import Direction
from reconciliation.exchange.paper.book import PaperAccount, PaperFill, PaperOrder, Side

# A price moves by up to this many of its ten-thousandths a second, and is pulled back to where
# it started by as much of its distance.
_LARGEST_MOVE = 5
_PULL = Decimal("0.01")
# How much a person moves a price by, as a part of it.
_PRICE_CHANGE = Decimal("0.001")
SHOWN_LATE = timedelta(seconds=50)


class Prices:
    """Marks that wander about their start, the same way for the same seed."""

    def __init__(self, exchange: PaperAccount, random: Random) -> None:
        self._exchange = exchange
        self._random = random

    def tick(self) -> None:
        """Move every price by a second."""
        for symbol, start in START_PRICES.items():
            instrument = self._exchange.instrument(symbol)
            move = Decimal(self._random.randint(-_LARGEST_MOVE, _LARGEST_MOVE)) / 10_000
            moved = instrument.mark * (1 + move) + (start - instrument.mark) * _PULL
            self._exchange.set_mark(symbol, _in_ticks(moved, instrument.price_tick))


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the exchange would tell of a happening; `heard` says whether it arrives."""

    heard: bool
    happening: Happening
    order: PaperOrder
    fill: PaperFill | None


@dataclass(slots=True, kw_only=True)
class Fate:
    """What is still to happen to one order. `patience` is how many seconds "later" is."""

    exchange: PaperAccount
    exchange_order_id: str
    plan: Plan
    random: Random
    patience: int
    _done: int = field(default=0, init=False)
    _wait: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._rest()

    def is_over(self) -> bool:
        """Return whether nothing happens to the order any more."""
        return self._done == len(self.plan.steps)

    def tick(self) -> Message | None:
        """Let a second pass; return the message of what happened in it, if anything did."""
        if self.is_over():
            return None
        self._wait -= 1
        if self._wait > 0:
            return None
        step = self.plan.steps[self._done]
        fill = self._do(step)
        self._done += 1
        self._rest()
        return Message(heard=step.heard, happening=step.happening, order=self.order(), fill=fill)

    def order(self) -> PaperOrder:
        """Return the order as it is at the exchange: what replaced it, or what it has placed."""
        return self.exchange.view().orders_by_id[self.exchange_order_id]

    def fills(self) -> tuple[PaperFill, ...]:
        """Return what was executed of it."""
        return self.exchange.view().fills_by_order.get(self.exchange_order_id, ())

    def give_up(self) -> None:
        """Let nothing more happen: what is open of it is canceled."""
        if self.order().is_open:
            self.exchange.cancel(self.exchange_order_id)

    def _do(self, step: Step) -> PaperFill | None:
        order = self.order()
        if not order.is_open:
            return None  # a single step of quantity has no half: it was filled at once
        match step.happening:
            case Happening.CANCEL:
                self.exchange.cancel(order.exchange_order_id)
            case Happening.NEW_PRICE:
                self._change_price(order)
            case Happening.REPLACE:
                self._replace(order)
            case Happening.TRIGGER:
                placed = self.exchange.trigger(order.exchange_order_id)
                self.exchange_order_id = placed.exchange_order_id
            case Happening.FILL_HALF | Happening.FILL_REST | Happening.FILL_SHOWN_LATE:
                return self._fill(order, step.happening)
        return None

    def _fill(self, order: PaperOrder, happening: Happening) -> PaperFill:
        quantity = None
        if happening is Happening.FILL_HALF:
            smallest = self.exchange.instrument(order.symbol).quantity_step
            quantity = order.quantity / 2 // smallest * smallest or None
        shown = None
        if happening is Happening.FILL_SHOWN_LATE:
            shown = self.exchange.now() + SHOWN_LATE
        return self.exchange.fill(order.exchange_order_id, quantity, visible_from=shown)

    def _change_price(self, order: PaperOrder) -> None:
        mark = self.exchange.instrument(order.symbol)
        price = _in_ticks((order.price or mark.mark) * (1 - _PRICE_CHANGE), mark.price_tick)
        self.exchange.put_orders([replace(order, price=price, updated_at=self.exchange.now())])

    def _replace(self, order: PaperOrder) -> None:
        self.exchange.cancel(order.exchange_order_id)
        placed = self.exchange.place(
            order.symbol,
            order.side,
            order.quantity,
            order.price,
            client_order_id=order.client_order_id,
            tag=order.tag,
            position_side=order.position_side,
        )
        self.exchange_order_id = placed.exchange_order_id

    def _rest(self) -> None:
        if not self.is_over():
            later = self.plan.steps[self._done].later
            self._wait = (self.patience if later else 0) + self.random.randint(2, 4)


def paper_side(side: str) -> Side:
    """Return a side as the paper exchange types it."""
    return "buy" if side == "buy" else "sell"


def held_on_side(exchange: PaperAccount, symbol: str, direction: Direction) -> Decimal:
    """Return how much the exchange holds in a direction, over all trades; never negative."""
    sides = ("net", "long" if direction == Direction.LONG else "short")
    keys = {(symbol, side) for side in sides}
    signed = sum((each.signed for each in exchange.positions() if each.key in keys), ZERO)
    return max(signed if direction == Direction.LONG else -signed, ZERO)


def _in_ticks(price: Decimal, tick: Decimal) -> Decimal:
    return (price / tick).to_integral_value() * tick
