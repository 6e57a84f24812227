"""What becomes of an order at the exchange, and which of the messages about it the bot misses."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

from reconciliation.exchange.paper.book import OrderClass


class Happening(Enum):
    """One thing that happens to an order, at the exchange or in what is told of it."""

    FILL_HALF = "half of it is filled"
    FILL_REST = "what remains is filled"
    FILL_SHOWN_LATE = "what remains is filled, and the exchange lists the fill a while later"
    CANCEL = "what remains is canceled"
    NEW_PRICE = "a person changes its price"
    REPLACE = "it is canceled and placed again under its client order id"
    TRIGGER = "it triggers, and the order that it places rests"
    FALSE_CANCEL = "its bot takes it for canceled, which it is not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One happening; `heard` is whether the bot gets the message, `later` whether it is long in
    coming: after a reconciliation could see what came before it."""

    happening: Happening
    heard: bool
    later: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The life of an order.

    One that was not acknowledged has no exchange id for the bot, one that was not announced has
    not been delivered. `names_fills` is whether the bot knows the ids of its fills.
    """

    name: str
    steps: tuple[Step, ...]
    acknowledged: bool = True
    announced: bool = True
    names_fills: bool = True
    order_class: OrderClass = "regular"
    only_entries: bool = False


def heard(happening: Happening, *, later: bool = False) -> Step:
    """Return a step that the bot hears of."""
    return Step(happening=happening, heard=True, later=later)


def missed(happening: Happening, *, later: bool = False) -> Step:
    """Return a step that the bot does not hear of."""
    return Step(happening=happening, heard=False, later=later)


FILLED = Plan(name="filled", steps=(heard(Happening.FILL_REST),))
FILLED_IN_PARTS = Plan(
    name="filled in two parts", steps=(heard(Happening.FILL_HALF), heard(Happening.FILL_REST))
)
PART_FILLED_THEN_CANCELED = Plan(
    name="half filled, then canceled", steps=(heard(Happening.FILL_HALF), heard(Happening.CANCEL))
)
# How an order goes when nothing is missed, each with its weight.
GOOD_LIVES = ((FILLED, 6), (FILLED_IN_PARTS, 3), (PART_FILLED_THEN_CANCELED, 1))


def choose_plan(random: Random, lives: Sequence[tuple[Plan, int]] = GOOD_LIVES) -> Plan:
    """Return one of the lives, by their weights."""
    return random.choices([plan for plan, _ in lives], weights=[each for _, each in lives])[0]


def make_random(name: str) -> Random:
    """Return the dice of that name: the same name, the same throws."""
    return Random(name)  # noqa: S311  (a simulation, no secret)
