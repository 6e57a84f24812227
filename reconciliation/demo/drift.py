"""The table of drifts: each kind of difference between books and exchange that the demo makes.

A drift is the life of an order, or something that is done at once. `rule` is the row of the
decision table by which the portal finds it. One without a rule is no difference of orders: its
sentence says what becomes of it.
"""

from dataclasses import dataclass

from reconciliation.demo import acts
from reconciliation.demo.acts import Act
from reconciliation.demo.plans import Happening, Plan, Step, heard, missed
from reconciliation.domain.order_rules import OrderRule
from reconciliation.exchange.paper.book import OrderClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One kind of drift; once it was made, it is not made again for `rest` seconds."""

    name: str
    weight: int
    sentence: str
    rule: OrderRule | None
    make: Plan | Act
    rest: int = 0


def _life(
    name: str,
    weight: int,
    sentence: str,
    rule: OrderRule | None,
    *steps: Step,
    acknowledged: bool = True,
    announced: bool = True,
    names_fills: bool = True,
    order_class: OrderClass = "regular",
    only_entries: bool = False,
) -> Drift:
    plan = Plan(
        name=name,
        steps=steps,
        acknowledged=acknowledged,
        announced=announced,
        names_fills=names_fills,
        order_class=order_class,
        only_entries=only_entries,
    )
    return Drift(name=name, weight=weight, sentence=sentence, rule=rule, make=plan)


FILL_MISSED = _life(
    "fill missed",
    4,
    "an order is filled, and the message is lost",
    OrderRule.ABSENT_FILLED,
    missed(Happening.FILL_REST),
)
PART_MISSED = _life(
    "part missed",
    3,
    "half of an order is filled, and the message is lost; the rest is heard of later",
    OrderRule.OPEN_UNBOOKED_FILLS,
    missed(Happening.FILL_HALF),
    heard(Happening.FILL_REST, later=True),
)
PART_MISSED_THEN_CANCELED = _life(
    "part missed, then canceled",
    3,
    "half of an order is filled, the rest canceled, and both messages are lost",
    OrderRule.ABSENT_ENDED,
    missed(Happening.FILL_HALF),
    missed(Happening.CANCEL),
)
ACKNOWLEDGEMENT_MISSED = _life(
    "acknowledgement missed",
    2,
    "an order is placed, and the exchange's answer is lost",
    OrderRule.OPEN_OTHER_TERMS,
    heard(Happening.FILL_REST, later=True),
    acknowledged=False,
)

DRIFTS = (
    FILL_MISSED,
    PART_MISSED,
    PART_MISSED_THEN_CANCELED,
    ACKNOWLEDGEMENT_MISSED,
    _life(
        "cancel missed",
        2,
        "an order is canceled, and the message is lost",
        OrderRule.ABSENT_ENDED,
        missed(Happening.CANCEL),
    ),
    _life(
        "part missed, the cancel heard of",
        2,
        "half of an order is filled, and that message is lost; the cancel of the rest is heard of",
        OrderRule.TERMINAL_UNBOOKED_FILLS,
        missed(Happening.FILL_HALF),
        heard(Happening.CANCEL),
    ),
    _life(
        "never delivered, filled",
        2,
        "an order is placed and filled, and its bot does not deliver it",
        OrderRule.UNKNOWN_CLOSED_ENTRY,
        missed(Happening.FILL_REST),
        announced=False,
        only_entries=True,
    ),
    _life(
        "never delivered, at work",
        2,
        "an order is at work at the exchange, and its bot does not deliver it",
        OrderRule.UNKNOWN_OPEN_ATTRIBUTABLE,
        missed(Happening.FILL_REST, later=True),
        announced=False,
        only_entries=True,
    ),
    _life(
        "amended by hand",
        2,
        "a person changes the price of an order at the exchange",
        OrderRule.OPEN_OTHER_TERMS,
        missed(Happening.NEW_PRICE),
        missed(Happening.FILL_REST, later=True),
    ),
    _life(
        "taken for canceled",
        2,
        "a bot takes an order for canceled that is open, and is filled later",
        OrderRule.TERMINAL_OPEN,
        heard(Happening.FALSE_CANCEL),
        missed(Happening.FILL_REST, later=True),
        only_entries=True,
    ),
    _life(
        "replaced",
        2,
        "an order is canceled and placed again under its client id, then filled, all unheard",
        OrderRule.ABSENT_FILLED,
        missed(Happening.REPLACE),
        missed(Happening.FILL_REST),
    ),
    _life(
        "triggered",
        2,
        "a conditional order triggers, and the order that it places is filled, all unheard",
        OrderRule.ABSENT_FILLED,
        missed(Happening.TRIGGER),
        missed(Happening.FILL_REST),
        order_class="conditional",
    ),
    _life(
        "fill shown late",
        1,
        "an order is filled unheard, and the exchange lists the fill only a while later",
        OrderRule.ABSENT_FILLS_MISSING,
        missed(Happening.FILL_SHOWN_LATE),
    ),
    _life(
        "fill without an id, told at once",
        2,
        "a bot delivers a fill without its id before the portal reads it: it is booked once",
        None,
        heard(Happening.FILL_REST),
        names_fills=False,
    ),
    _life(
        "fill without an id, told late",
        2,
        "a fill is missed, and its bot delivers it late and without its id: it is booked once",
        OrderRule.ABSENT_FILLED,
        missed(Happening.FILL_REST),
        names_fills=False,
    ),
    Drift(
        name="never placed",
        weight=2,
        sentence="a bot delivers an order that the exchange never got: it is given up in the end",
        rule=OrderRule.ABSENT_NOT_FOUND,
        make=acts.order_never_placed,
        rest=240,
    ),
    Drift(
        name="order by hand",
        weight=2,
        sentence="a person places an order that names nobody, and cancels it a few minutes later",
        rule=OrderRule.UNKNOWN_OPEN_NOBODYS,
        make=acts.order_by_hand,
        rest=240,
    ),
    Drift(
        name="trade by hand",
        weight=2,
        sentence="a person buys in a market of nobody: its fills wait for somebody to decide",
        rule=OrderRule.UNEXPLAINED_FILL,
        make=acts.trade_by_hand,
        rest=300,
    ),
    Drift(
        name="closed by hand",
        weight=2,
        sentence="a person closes a trade past its bot: the fill is nobody's until the bot hears",
        rule=None,
        make=acts.closed_by_hand,
        rest=90,
    ),
    Drift(
        name="liquidated",
        weight=1,
        sentence="the exchange liquidates a trade: the fill is nobody's until its bot hears of it",
        rule=None,
        make=acts.liquidated,
        rest=180,
    ),
    Drift(
        name="stale row",
        weight=2,
        sentence="a bot delivers an old row of an order that has ended: it undoes nothing",
        rule=None,
        make=acts.stale_row,
    ),
    Drift(
        name="wrong position",
        weight=2,
        sentence="a bot delivers twice the position that it holds: it is aligned with the trades",
        rule=None,
        make=acts.wrong_position,
    ),
)
# The first of a start, so that whoever watches sees every kind of mismatch soon.
OPENING = (FILL_MISSED, PART_MISSED, PART_MISSED_THEN_CANCELED, ACKNOWLEDGEMENT_MISSED)
