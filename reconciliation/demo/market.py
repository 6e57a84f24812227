"""The exchange's side of the demo: prices that wander, and orders that meet their fate."""

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from reconciliation.demo.plans import Happening, Plan, Step
from reconciliation.exchange.paper.book import PaperAccount, PaperFill, PaperOrder, Side

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
START_PRICES = {BTC: Decimal("60000"), ETH: Decimal("3000")}

# A price moves by up to this many of its ten-thousandths a second, and is pulled back to where
# it started by as much of its distance.
_LARGEST_MOVE = 5
_PULL = Decimal("0.01")


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
            ticks = (moved / instrument.price_tick).to_integral_value()
            self._exchange.set_mark(symbol, ticks * instrument.price_tick)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the exchange would tell of a happening; `heard` says whether it arrives."""

    heard: bool
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
        return Message(heard=step.heard, order=self.order(), fill=fill)

    def order(self) -> PaperOrder:
        """Return the order as it is at the exchange."""
        return self.exchange.view().orders_by_id[self.exchange_order_id]

    def fills(self) -> tuple[PaperFill, ...]:
        """Return what was executed of it."""
        return self.exchange.view().fills_by_order.get(self.exchange_order_id, ())

    def _do(self, step: Step) -> PaperFill | None:
        order = self.order()
        if not order.is_open:
            return None  # a single step of quantity has no half: it was filled at once
        if step.happening is Happening.CANCEL:
            self.exchange.cancel(order.exchange_order_id)
            return None
        quantity = None
        if step.happening is Happening.FILL_HALF:
            smallest = self.exchange.instrument(order.symbol).quantity_step
            quantity = order.quantity / 2 // smallest * smallest or None
        return self.exchange.fill(order.exchange_order_id, quantity)

    def _rest(self) -> None:
        if not self.is_over():
            later = self.plan.steps[self._done].later
            self._wait = (self.patience if later else 0) + self.random.randint(2, 4)


def paper_side(side: str) -> Side:
    """Return a side as the paper exchange types it."""
    return "buy" if side == "buy" else "sell"
