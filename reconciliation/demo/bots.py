"""The trading bots: they open and close trades, miss messages, and find out late.

A bot never asks for the portal's opinion of an order: it goes by the messages that it got, and
where it missed one it goes on believing what it knew until it asks the exchange, some time later.
Until then the database that it delivers to has drifted, which is what the portal is for.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random

from reconciliation.demo.beliefs import BotOrder, BotTrade
from reconciliation.demo.market import BTC, ETH, Fate, paper_side
from reconciliation.demo.plans import Plan, choose_plan
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.deliveries import (
    DeliveredHistory,
    DeliveredOrder,
    DeliveredPosition,
    DeliveredTrade,
    Delivery,
)
from reconciliation.domain.keys import client_order_id
from reconciliation.enums import Direction, OrderStatus, Purpose, TradeStatus
from reconciliation.exchange.paper.book import PaperAccount

# Base units, each a whole number of half steps: half of an order can be filled.
QUANTITIES = {
    BTC: tuple(Decimal(text) for text in ("0.1", "0.2", "0.3", "0.5")),
    ETH: tuple(Decimal(text) for text in ("1", "2", "4", "5")),
}
# Every so many seconds a bot delivers once more what it believes of its orders at work.
REPEAT_EVERY = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSpec:
    """Who a bot is to exchange and portal, and what it trades."""

    profile: str
    sub_tag: str
    allocated_capital_usd: Decimal
    symbols: tuple[str, ...]


class Bot:
    """One profile's bot; a second passes with each `tick`, in which it delivers at most once."""

    def __init__(
        self,
        *,
        spec: BotSpec,
        exchange: PaperAccount,
        deliver: Callable[[Delivery], None],
        random: Random,
        patience: int,
        trades_before: int = 0,
        opening: Iterable[Plan] = (),
        choose: Callable[[Random], Plan] = choose_plan,
    ) -> None:
        """Make a bot that has done nothing yet.

        `patience` is for how many seconds it goes on without a message that it missed;
        `trades_before` is how many trade ids are used up; `opening` are the plans of its first
        orders, before `choose` picks them.
        """
        self.spec = spec
        self.exchange = exchange
        self.random = random
        self.patience = patience
        self.missed = 0
        self._deliver = deliver
        self._choose = choose
        self._opening = deque(opening)
        self._trades_made = trades_before
        self._seconds = 0
        self._left_behind: dict[str, deque[BotTrade]] = {each: deque() for each in spec.symbols}
        self._slots = [_Slot(self, symbol) for symbol in spec.symbols]

    def tick(self) -> None:
        """Let a second pass, and deliver what the bot learnt in it."""
        self._seconds += 1
        outbox = _Outbox()
        for slot in self._slots:
            slot.tick(outbox)
        if self._seconds % REPEAT_EVERY == 0:
            outbox.orders += [slot.order.row() for slot in self._slots if slot.order is not None]
        if outbox:
            self._deliver(outbox.delivery(self.exchange.name))

    def take_over(self, trades: Iterable[BotTrade]) -> None:
        """Close trades that are open and that no bot attends to, each when its symbol is free."""
        known = {trade.trade_id for trade in self._trades()}
        for trade in trades:
            if trade.trade_id not in known:
                self._left_behind[trade.symbol].append(trade)

    def next_plan(self) -> Plan:
        """Return the plan of the bot's next order."""
        return self._opening.popleft() if self._opening else self._choose(self.random)

    def next_trade(self, symbol: str, now: datetime) -> BotTrade:
        """Return a trade that was left behind, or a new one."""
        if self._left_behind[symbol]:
            return self._left_behind[symbol].popleft()
        self._trades_made += 1
        return BotTrade(
            trade_id=f"{self.spec.profile}-{self._trades_made}",
            profile=self.spec.profile,
            sub_tag=self.spec.sub_tag,
            symbol=symbol,
            direction=self.random.choice((Direction.LONG, Direction.SHORT)),
            opened_at=now,
        )

    def _trades(self) -> Iterator[BotTrade]:
        yield from (slot.trade for slot in self._slots if slot.trade is not None)
        for waiting in self._left_behind.values():
            yield from waiting


class _Outbox:
    """The rows of one second; of a row that changed twice in it only the last word goes out."""

    def __init__(self) -> None:
        self.trades: list[DeliveredTrade] = []
        self.orders: list[DeliveredOrder] = []
        self.history: list[DeliveredHistory] = []
        self.positions: list[DeliveredPosition] = []

    def __bool__(self) -> bool:
        return bool(self.trades or self.orders or self.history or self.positions)

    def delivery(self, account: str) -> Delivery:
        """Return everything as one delivery."""
        return Delivery(
            account=account,
            trades=tuple({row.trade_id: row for row in self.trades}.values()),
            orders=tuple({row.client_order_id: row for row in self.orders}.values()),
            history=tuple(self.history),
            positions=tuple({(row.symbol, row.direction): row for row in self.positions}.values()),
        )


class _Slot:
    """One symbol of a bot: at most one trade, of which at most one order is at work."""

    def __init__(self, bot: Bot, symbol: str) -> None:
        self.trade: BotTrade | None = None
        self.order: BotOrder | None = None
        self._bot = bot
        self._symbol = symbol
        self._fate: Fate | None = None
        self._in_the_dark = False
        self._wait = 1

    def tick(self, outbox: _Outbox) -> None:
        """Let a second pass."""
        if self.order is not None and self._fate is not None:
            self._follow(self.order, self._fate, outbox)
            return
        self._wait -= 1
        if self._wait > 0:
            return
        if self.trade is None:
            self.trade = self._bot.next_trade(self._symbol, self._bot.exchange.now())
        entering = self.trade.status == TradeStatus.PENDING
        self._place(self.trade, Purpose.ENTRY if entering else Purpose.EXIT, outbox)

    def _place(self, trade: BotTrade, purpose: Purpose, outbox: _Outbox) -> None:
        bot, exchange = self._bot, self._bot.exchange
        plan = bot.next_plan()
        trade.orders_placed[purpose] += 1
        quantity = bot.random.choice(QUANTITIES[trade.symbol]) if trade.held == 0 else trade.held
        placed = exchange.place(
            trade.symbol,
            paper_side(trade.side(purpose)),
            quantity,
            exchange.instrument(trade.symbol).mark,
            client_order_id=client_order_id(
                sub_tag=trade.sub_tag,
                trade_id=trade.trade_id,
                purpose=purpose,
                sequence=trade.orders_placed[purpose],
            ),
            tag=trade.sub_tag,
        )
        self.order = BotOrder(
            trade=trade,
            purpose=purpose,
            client_order_id=placed.client_order_id or "",
            exchange_order_id=placed.exchange_order_id if plan.acknowledged else None,
            status=OrderStatus.OPEN if plan.acknowledged else OrderStatus.PENDING,
            quantity=quantity,
            price=placed.price or ZERO,
            created_at=placed.created_at,
        )
        self._fate = Fate(
            exchange=exchange,
            exchange_order_id=placed.exchange_order_id,
            plan=plan,
            random=bot.random,
            patience=bot.patience,
        )
        self._in_the_dark = False
        bot.missed += not plan.acknowledged
        outbox.trades.append(trade.row())
        outbox.orders.append(self.order.row())

    def _follow(self, order: BotOrder, fate: Fate, outbox: _Outbox) -> None:
        if fate.is_over():
            # The bot has missed something, and only now asks the exchange what became of it.
            self._wait -= 1
            if self._wait <= 0:
                by_id = self._bot.random.choice((True, True, False))
                rows = order.learn(fate.order(), fate.fills(), by_id=by_id)
                self._settle(order, rows, outbox)
            return
        message = fate.tick()
        if message is None:
            return
        if message.heard:
            fills = () if message.fill is None else (message.fill,)
            rows = order.learn(message.order, fills, by_id=True)
            if fate.is_over() and not self._in_the_dark:
                self._settle(order, rows, outbox)
                return
            self._tell(order, rows, outbox)
        else:
            self._bot.missed += 1
            self._in_the_dark = True
        self._wait = self._bot.patience

    def _tell(self, order: BotOrder, rows: list[DeliveredHistory], outbox: _Outbox) -> None:
        outbox.trades.append(order.trade.row())
        outbox.orders.append(order.row())
        outbox.history += rows
        outbox.positions.append(order.trade.position_row())

    def _settle(self, order: BotOrder, rows: list[DeliveredHistory], outbox: _Outbox) -> None:
        """Go on from the end of an order: hold what was bought, or look for the next trade."""
        trade = order.trade
        if trade.status == TradeStatus.PENDING:
            trade.status = TradeStatus.CANCELED
        self._tell(order, rows, outbox)
        if trade.status != TradeStatus.OPEN:
            self.trade = None
        self.order = self._fate = None
        self._wait = self._bot.random.randint(4, 10)
