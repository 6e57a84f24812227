"""Whole accounts at random, legal ones: what the books could hold and an exchange could say.

A world is rolled from a seed rather than drawn value by value: that is twenty times as fast, so
that a property is held to hundreds of worlds; a failing one is printed as it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st

from reconciliation.domain.amounts import plain, total
from reconciliation.domain.books import (
    Books,
    HistoryRow,
    KeptFill,
    OrderState,
    RealExit,
    StandingExits,
    TradeState,
)
from reconciliation.domain.order_diff import group_fills
from reconciliation.domain.types import AccountSnapshot, ExchangeOrder, LookUp, OpenOrders
from reconciliation.domain.unowned import OrderKey
from reconciliation.enums import (
    SYNTHETIC_SOURCES,
    Direction,
    HistoryKind,
    OrderClass,
    OrderStatus,
    Purpose,
    Side,
    TradeStatus,
)
from tests.domain.builders import (
    NOT_FOUND,
    NOT_READ,
    NOW,
    SPOT,
    SYMBOL,
    ago,
    books,
    ended,
    entry_id,
    exit_id,
    fill,
    order,
    row,
    shown,
    snapshot,
    synthetic,
    trade,
)

CLASSES = (OrderClass.REGULAR, OrderClass.CONDITIONAL)
FEES = ("0.0013", "-0.0007", "0.001234567890123456")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Both sides of an account, and what was answered about single orders, known and unknown."""

    books: Books
    seen: AccountSnapshot
    look_ups: Mapping[int, LookUp]
    unknown: Mapping[OrderKey, LookUp] = field(default_factory=dict)


class Dice(Random):
    """Chances by the words of these worlds."""

    def flip(self) -> bool:
        return self.random() < 0.5

    def tenths(self, low: int = 0, high: int = 10) -> str:
        """Return a quantity from `low` to `high` tenths."""
        return plain(Decimal(self.randint(low, high)) / 10)

    def part_of(self, quantity: str | Decimal) -> str:
        """Return nothing of a quantity, all of it, or something in between."""
        return self.tenths(0, int(Decimal(quantity) * 10))


def roll(seed: int) -> World:
    """Return any legal world, whether its two sides agree or not."""
    dice = Dice(seed)
    trades = [_trade(dice, number) for number in range(1, dice.randint(2, 3))]
    orders = [_order(dice, number, trades) for number in range(1, dice.randint(1, 5))]
    fills = [_fill(dice, number, orders) for number in range(1, dice.randint(1, 6))]
    rows = [_row(dice, number, trades, orders, fills) for number in range(dice.randint(0, 2))]
    listed = [_shown(dice, each) for each in orders if dice.random() < 0.3]
    look_ups = {each.id: _look_up(dice, each, fills) for each in orders if dice.random() < 0.8}
    unknown: dict[OrderKey, LookUp] = {}
    if dice.flip():
        stranger, kept = _stranger(dice, trades)
        fills.append(kept)
        if dice.flip():
            listed.append(shown(stranger))
        elif dice.flip():
            found = ended(OrderStatus.FILLED, plain(kept.fill.quantity), of=stranger)
            unknown[(stranger.symbol, stranger.exchange_order_id or "")] = found
    exits = {each.id: _exits(dice, each) for each in trades if each.exit_quantity > 0}
    return World(
        books=books(
            *trades,
            *orders,
            *fills,
            *rows,
            synthetic_exits={key: each for key, each in exits.items() if each.synthetic},
        ),
        seen=snapshot(*listed, unread=dice.choice([(), (), *((each,) for each in CLASSES)])),
        look_ups=look_ups,
        unknown=unknown,
    )


def roll_agreeing(seed: int) -> World:
    """Return a world whose two sides say the same, however they came to it."""
    dice = Dice(seed)
    trades = [_trade(dice, number) for number in range(1, dice.randint(2, 4))]
    orders = [_order(dice, number, trades) for number in range(1, dice.randint(1, 6))]
    orders = [_same_at_both(each) for each in orders]
    fills = [
        _booked(_fill(dice, number, orders)) for number in range(1, dice.randint(1, 6)) if orders
    ]
    visible = group_fills(books(*orders, *fills))
    orders = [_filled_as_far_as(each, visible.get(each.id, ())) for each in orders]
    rows = [_row(dice, number, trades, orders, fills) for number in range(dice.randint(0, 3))]
    return World(
        books=books(*trades, *orders, *fills, *rows),
        seen=snapshot(*(shown(each) for each in orders if each.is_active)),
        look_ups={},
    )


seeds = st.integers(0, 2**32)
worlds = seeds.map(roll)
agreeing_worlds = seeds.map(roll_agreeing)


def reordered(world: World, random: Random) -> World:
    """Return the same world with every list and mapping in another order, listed orders twice."""

    def shuffled(items: Any) -> list[Any]:
        mixed = list(items)
        random.shuffle(mixed)
        return mixed

    return World(
        books=replace(
            world.books,
            trades=dict(shuffled(world.books.trades.items())),
            orders=dict(shuffled(world.books.orders.items())),
            fills=tuple(shuffled(world.books.fills)),
            history=tuple(shuffled(world.books.history)),
        ),
        seen=replace(
            world.seen,
            open_orders={
                name: replace(part, orders=tuple(shuffled([*part.orders, *part.orders])))
                if isinstance(part, OpenOrders)
                else part
                for name, part in shuffled(world.seen.open_orders.items())
            },
        ),
        look_ups=dict(shuffled(world.look_ups.items())),
        unknown=dict(shuffled(world.unknown.items())),
    )


def _trade(dice: Dice, id: int) -> TradeState:
    entered = dice.choice(["0", dice.tenths(1)])
    symbol = dice.choice([SYMBOL, SPOT])
    short = symbol == SYMBOL and dice.flip()
    made = trade(
        id,
        entered=entered,
        exited=dice.part_of(entered),
        symbol=symbol,
        direction=Direction.SHORT if short else Direction.LONG,
    )
    other = {
        TradeStatus.PENDING: TradeStatus.CANCELED,
        TradeStatus.OPEN: TradeStatus.QUARANTINED,
    }.get(made.status)
    return replace(made, status=other) if other and dice.random() < 0.3 else made


def _order(dice: Dice, id: int, trades: list[TradeState]) -> OrderState:
    of = dice.choice(trades)
    purpose = dice.choice(list(Purpose))
    quantity = dice.tenths(1)
    filled = dice.choice(["0", dice.part_of(quantity)])
    statuses = [each for each in OrderStatus if each != OrderStatus.FILLED or filled != "0"]
    active = [OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED]
    return order(
        id,
        trade_id=None if dice.random() < 0.1 else of.id,
        purpose=purpose,
        symbol=of.symbol,
        side=of.side_of(purpose),
        order_class=dice.choice(CLASSES),
        status=dice.choice(dice.choice([statuses, active])),
        quantity=quantity,
        filled_quantity=filled,
        exchange_order_id=None if dice.random() < 0.2 else str(1000 + id),
        last_activity_at=NOW if dice.random() < 0.1 else ago(hours=1),
    )


def _fill(dice: Dice, id: int, orders: list[OrderState]) -> KeptFill:
    of = dice.choice(orders) if orders else order(98)
    quantity = dice.tenths(1)
    values: dict[str, Any] = {"executed_at": ago(minutes=dice.randint(1, 60))}
    if dice.random() < 0.3:
        values[dice.choice(["exchange_order_id", "client_order_id"])] = None
    if of.symbol == SPOT and dice.flip():
        values |= {"fee": dice.choice(FEES), "fee_currency": "BTC"}
    allocated = dice.choice(["0", "0", dice.part_of(quantity)])
    return fill(id, quantity, of=of, allocated=allocated, **values)


def _row(
    dice: Dice,
    id: int,
    trades: list[TradeState],
    orders: list[OrderState],
    fills: list[KeptFill],
) -> HistoryRow:
    of = dice.choice(trades)
    quantity = dice.tenths(1)
    booked = dice.choice([quantity, dice.part_of(quantity)])
    own = [each.id for each in orders if each.trade_id == of.id]
    names = [kept.fill.fill_id for kept in fills]
    return row(
        id,
        quantity,
        booked=booked,
        covered=dice.choice(["0", dice.part_of(booked)]),
        trade_id=of.id,
        kind=dice.choice([HistoryKind.ENTRY, HistoryKind.EXIT]),
        order_id=dice.choice([None, *own]),
        exchange_fill_id=dice.choice([None, None, *names]),
    )


def _exits(dice: Dice, of: TradeState) -> StandingExits:
    """Return the exits that a trade's quantity consists of; those without a fill are the last."""
    parts = [dice.part_of(of.exit_quantity)]
    parts.append(dice.part_of(of.exit_quantity - Decimal(parts[0])))
    rows = [
        synthetic(
            10 * of.id + at,
            quantity,
            source=dice.choice(sorted(SYNTHETIC_SOURCES)),
            price=dice.choice(["60500", "60500", "61500", None]),
            executed_at=ago(minutes=dice.randint(1, 60)),
        )
        for at, quantity in enumerate(parts)
        if quantity != "0"
    ]
    real = of.exit_quantity - total(row.quantity for row in rows)
    told = RealExit(quantity=real, price=Decimal(61000), executed_at=ago(minutes=61))
    return StandingExits(synthetic=tuple(rows), real=(told,) if real else ())


def _shown(dice: Dice, of: OrderState) -> ExchangeOrder:
    return shown(
        of,
        price=dice.choice([of.price, of.price, Decimal(59000), None]),
        quantity=dice.choice([of.quantity, of.quantity, Decimal(2), None]),
    )


def _look_up(dice: Dice, of: OrderState, fills: list[KeptFill]) -> LookUp:
    if dice.random() < 0.3:
        return dice.choice([NOT_FOUND, NOT_READ])
    visible = total(
        kept.fill.quantity
        for kept in fills
        if of.client_order_id == kept.fill.client_order_id
        or of.exchange_order_id == kept.fill.exchange_order_id
    )
    filled = dice.choice([plain(visible), dice.tenths(1)])
    statuses = [each for each in OrderStatus if each != OrderStatus.FILLED or filled != "0"]
    read = NOT_READ if dice.random() < 0.1 else ()
    return ended(dice.choice(statuses), filled, of=of, fills=read)


def _stranger(dice: Dice, trades: list[TradeState]) -> tuple[OrderState, KeptFill]:
    """Return an order that no book knows, by any kind of evidence or none, and a fill of it."""
    trade_id = dice.choice(["T1", "T9"])
    made = order(
        99,
        symbol=trades[0].symbol,
        side=dice.choice(list(Side)),
        client_order_id=dice.choice([entry_id(trade_id), exit_id(trade_id), "stranger", None]),
        sub_tag=dice.choice(["alpha01", "beta01", None]),
        quantity="1",
    )
    return made, fill(99, dice.tenths(1, 9), of=made)


def _booked(kept: KeptFill) -> KeptFill:
    return replace(kept, allocated=kept.fill.quantity)


def _filled_as_far_as(of: OrderState, fills: Iterable[KeptFill]) -> OrderState:
    visible = total(kept.fill.quantity for kept in fills)
    return replace(of, filled_quantity=max(of.filled_quantity, visible))


def _same_at_both(of: OrderState) -> OrderState:
    """Return an order as both sides show it: pending and nameless is the bot's word alone."""
    status = OrderStatus.OPEN if of.status == OrderStatus.PENDING else of.status
    return replace(of, status=status, exchange_order_id=str(1000 + of.id))
