"""What becomes of an order at the exchange, and which of the messages about it the bot misses."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random


class Happening(Enum):
    """One thing that the exchange does to an order."""

    FILL_HALF = "half of it is filled"
    FILL_REST = "what remains is filled"
    CANCEL = "what remains is canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One happening; `heard` is whether the bot gets the message, `later` whether it is long in
    coming: after a reconciliation could see what came before it."""

    happening: Happening
    heard: bool
    later: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The life of an order. One that was not acknowledged has no exchange id for the bot."""

    name: str
    weight: int
    steps: tuple[Step, ...]
    acknowledged: bool = True


FILLED = Plan(
    name="filled and heard of",
    weight=6,
    steps=(Step(happening=Happening.FILL_REST, heard=True),),
)
FILLED_IN_PARTS = Plan(
    name="filled in two parts and heard of",
    weight=3,
    steps=(
        Step(happening=Happening.FILL_HALF, heard=True),
        Step(happening=Happening.FILL_REST, heard=True),
    ),
)
FILL_MISSED = Plan(
    name="filled, the message is lost",
    weight=4,
    steps=(Step(happening=Happening.FILL_REST, heard=False),),
)
PART_MISSED = Plan(
    name="half filled, the message is lost; the rest is heard of",
    weight=3,
    steps=(
        Step(happening=Happening.FILL_HALF, heard=False),
        Step(happening=Happening.FILL_REST, heard=True, later=True),
    ),
)
PART_MISSED_THEN_CANCELED = Plan(
    name="half filled, then canceled, both messages are lost",
    weight=3,
    steps=(
        Step(happening=Happening.FILL_HALF, heard=False),
        Step(happening=Happening.CANCEL, heard=False),
    ),
)
CANCEL_MISSED = Plan(
    name="canceled, the message is lost",
    weight=2,
    steps=(Step(happening=Happening.CANCEL, heard=False),),
)
PART_FILLED_THEN_CANCELED = Plan(
    name="half filled, then canceled, both heard of",
    weight=1,
    steps=(
        Step(happening=Happening.FILL_HALF, heard=True),
        Step(happening=Happening.CANCEL, heard=True),
    ),
)
ACKNOWLEDGEMENT_MISSED = Plan(
    name="placed, but the exchange's answer is lost; filled later",
    weight=2,
    steps=(Step(happening=Happening.FILL_REST, heard=True, later=True),),
    acknowledged=False,
)

PLANS = (
    FILLED,
    FILLED_IN_PARTS,
    FILL_MISSED,
    PART_MISSED,
    PART_MISSED_THEN_CANCELED,
    CANCEL_MISSED,
    PART_FILLED_THEN_CANCELED,
    ACKNOWLEDGEMENT_MISSED,
)
# The first orders of a fresh demo, so that whoever watches sees every kind soon.
OPENING = (FILL_MISSED, PART_MISSED, PART_MISSED_THEN_CANCELED, ACKNOWLEDGEMENT_MISSED)


def choose_plan(random: Random, plans: Sequence[Plan] = PLANS) -> Plan:
    """Return one of the plans, by their weights."""
    return random.choices(plans, weights=[plan.weight for plan in plans])[0]


def make_random(name: str) -> Random:
    """Return the dice of that name: the same name, the same throws."""
    return Random(name)  # noqa: S311  (a simulation, no secret)
