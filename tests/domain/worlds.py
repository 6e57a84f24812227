"""Whole accounts at random, legal ones: what the books could hold and an exchange could say."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from reconciliation.domain.amounts import plain
from reconciliation.domain.books import Books, HistoryRow, KeptFill, OrderState, TradeState
from reconciliation.domain.types import AccountSnapshot, ExchangeOrder, LookUp, OpenOrders
from reconciliation.enums import (
    TERMINAL_ORDER_STATUSES,
    Direction,
    HistoryKind,
    OrderClass,
    OrderStatus,
    Purpose,
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
    fill,
    order,
    row,
    shown,
    snapshot,
    trade,
)

TENTHS = 10
CLASSES = (OrderClass.REGULAR, OrderClass.CONDITIONAL)
FEES = ("0.0013", "-0.0007", "0.001234567890123456")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Both sides of an account, and what was answered about single orders."""

    books: Books
    seen: AccountSnapshot
    look_ups: Mapping[int, LookUp]


def tenths(low: int = 0, high: int = TENTHS) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda number: plain(Decimal(number) / 10))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw any legal world, whether its two sides agree or not."""
    trades = draw(_listed(_trade, 1, 2))
    orders = [draw(_order(number, trades)) for number in range(1, draw(st.integers(1, 4)))]
    fills = [draw(_fill(number, orders)) for number in range(1, draw(st.integers(1, 5)))]
    rows = [draw(_row(number, trades, orders, fills)) for number in range(draw(st.integers(0, 3)))]
    listed = [draw(_shown(each)) for each in orders if draw(st.booleans())]
    return World(
        books=books(*trades, *orders, *fills, *rows),
        seen=snapshot(*listed, unread=draw(st.sets(st.sampled_from(CLASSES), max_size=1))),
        look_ups={each.id: draw(_look_up(each)) for each in orders if draw(st.booleans())},
    )


@st.composite
def agreeing_worlds(draw: st.DrawFn) -> World:
    """Draw a world whose two sides say the same, however they came to it."""
    trades = draw(_listed(_trade, 1, 3))
    orders = [draw(_order(number, trades)) for number in range(1, draw(st.integers(1, 5)))]
    orders = [replace(each, status=_same_at_both(each)) for each in orders]
    fills = [
        replace(kept, allocated=kept.fill.quantity)
        for kept in (draw(_fill(number, orders)) for number in range(1, draw(st.integers(1, 5))))
    ]
    rows = [draw(_row(number, trades, orders, fills)) for number in range(draw(st.integers(0, 3)))]
    return World(
        books=books(*trades, *orders, *fills, *rows),
        seen=snapshot(*(shown(each) for each in orders if each.is_active)),
        look_ups={},
    )


def reordered(world: World, random: Any) -> World:
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
    )


def _listed(strategy: Any, low: int, high: int) -> st.SearchStrategy[list[Any]]:
    return st.integers(low, high).flatmap(
        lambda count: st.tuples(*(strategy(number) for number in range(1, count + 1))).map(list)
    )


@st.composite
def _trade(draw: st.DrawFn, id: int) -> TradeState:
    entered = draw(tenths())
    exited = draw(tenths(0, int(Decimal(entered) * 10)))
    symbol = draw(st.sampled_from([SYMBOL, SPOT]))
    short = symbol == SYMBOL and draw(st.booleans())
    made = trade(
        id,
        entered=entered,
        exited=exited,
        symbol=symbol,
        direction=Direction.SHORT if short else Direction.LONG,
    )
    if made.status == TradeStatus.PENDING and draw(st.booleans()):
        return replace(made, status=TradeStatus.CANCELED)
    if made.status == TradeStatus.OPEN and draw(st.booleans()):
        return replace(made, status=TradeStatus.QUARANTINED)
    return made


@st.composite
def _order(draw: st.DrawFn, id: int, trades: list[TradeState]) -> OrderState:
    of = draw(st.sampled_from(trades))
    purpose = draw(st.sampled_from(Purpose))
    quantity = draw(tenths(1))
    filled = draw(tenths(0, int(Decimal(quantity) * 10)))
    statuses = set(OrderStatus) - ({OrderStatus.FILLED} if filled == "0" else set())
    return order(
        id,
        trade_id=draw(st.sampled_from([of.id, of.id, of.id, None])),
        purpose=purpose,
        symbol=of.symbol,
        side=of.side_of(purpose),
        order_class=draw(st.sampled_from(CLASSES)),
        status=draw(st.sampled_from(sorted(statuses))),
        quantity=quantity,
        filled_quantity=filled,
        exchange_order_id=draw(st.sampled_from([str(1000 + id), str(1000 + id), None])),
        last_activity_at=draw(st.sampled_from([ago(hours=1), ago(hours=1), NOW])),
    )


@st.composite
def _fill(draw: st.DrawFn, id: int, orders: list[OrderState]) -> KeptFill:
    of = draw(st.sampled_from(orders)) if orders else order(99)
    quantity = draw(tenths(1))
    values: dict[str, Any] = {"executed_at": ago(minutes=draw(st.integers(1, 60)))}
    if draw(st.booleans()):
        values[draw(st.sampled_from(["exchange_order_id", "client_order_id"]))] = None
    if of.symbol == SPOT and draw(st.booleans()):
        values |= {"fee": draw(st.sampled_from(FEES)), "fee_currency": "BTC"}
    allocated = draw(tenths(0, int(Decimal(quantity) * 10)))
    return fill(id, quantity, of=of, allocated=allocated, **values)


@st.composite
def _row(
    draw: st.DrawFn,
    id: int,
    trades: list[TradeState],
    orders: list[OrderState],
    fills: list[KeptFill],
) -> HistoryRow:
    of = draw(st.sampled_from(trades))
    quantity = draw(tenths(1))
    booked = draw(tenths(0, int(Decimal(quantity) * 10)))
    own = [each.id for each in orders if each.trade_id == of.id]
    names = [None, None, *(kept.fill.fill_id for kept in fills)]
    return row(
        id,
        quantity,
        booked=booked,
        covered=draw(tenths(0, int(Decimal(booked) * 10))),
        trade_id=of.id,
        kind=draw(st.sampled_from([HistoryKind.ENTRY, HistoryKind.EXIT])),
        order_id=draw(st.sampled_from([None, *own])),
        exchange_fill_id=draw(st.sampled_from(names)),
    )


@st.composite
def _shown(draw: st.DrawFn, of: OrderState) -> ExchangeOrder:
    return shown(
        of,
        price=draw(st.sampled_from([of.price, Decimal(59000), None])),
        quantity=draw(st.sampled_from([of.quantity, Decimal(2), None])),
    )


@st.composite
def _look_up(draw: st.DrawFn, of: OrderState) -> LookUp:
    if draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from([NOT_FOUND, NOT_READ]))
    filled = draw(tenths())
    status = draw(st.sampled_from([*TERMINAL_ORDER_STATUSES, OrderStatus.OPEN]))
    if status == OrderStatus.FILLED and filled == "0":
        filled = plain(of.quantity)
    return ended(status, filled, of=of, fills=draw(st.sampled_from([(), (), NOT_READ])))


def _same_at_both(of: OrderState) -> OrderStatus:
    """Return a status that an exchange shows alike: pending is the bot's word alone."""
    return OrderStatus.OPEN if of.status == OrderStatus.PENDING else of.status
