"""One market of a bot: at most one trade, of which at most one order is at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciliation.demo.accounts import QUANTITIES, Market
from reconciliation.demo.beliefs import BotOrder, BotTrade
from reconciliation.demo.market import Fate, Message, held_on_side, paper_side
from reconciliation.demo.outbox import Outbox
from reconciliation.demo.plans import Happening
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.deliveries import DeliveredHistory, DeliveredOrder
from reconciliation.domain.keys import client_order_id
from reconciliation.enums import OrderClass, OrderStatus, Purpose, TradeStatus

if TYPE_CHECKING:
    from reconciliation.demo.bots import Bot


class Slot:
    """What a bot does in one market, second by second."""

    def __init__(self, bot: Bot, market: Market) -> None:
        self.trade: BotTrade | None = None
        self.order: BotOrder | None = None
        self._bot = bot
        self.market = market
        self._fate: Fate | None = None
        self._first_words: DeliveredOrder | None = None
        self._in_the_dark = False
        self._wait = 1

    @property
    def is_quiet(self) -> bool:
        """Return whether a trade is held and no order is at work."""
        return self.trade is not None and self.trade.held > 0 and self.order is None

    @property
    def told_order(self) -> BotOrder | None:
        """Return the order at work, if the portal was told of it."""
        told = self._fate is not None and self._fate.plan.announced
        return self.order if told else None

    def tick(self, outbox: Outbox) -> None:
        """Let a second pass."""
        if self.order is not None and self._fate is not None:
            self._follow(self.order, self._fate, outbox)
            return
        self._wait -= 1
        if self._wait > 0:
            return
        if self.trade is None:
            self.trade = self._bot.next_trade(self.market, self._bot.exchange.now())
        entering = self.trade.status == TradeStatus.PENDING
        self._place(self.trade, Purpose.ENTRY if entering else Purpose.EXIT, outbox)

    def release(self) -> None:
        """Let go of a trade that somebody else has closed."""
        self.trade = None
        self._wait = self._bot.random.randint(4, 10)

    def rest(self, seconds: int) -> None:
        """Place nothing for a while."""
        self._wait = seconds

    def give_up(self) -> None:
        """Cancel what is at work at the exchange."""
        if self._fate is not None:
            self._fate.give_up()

    def _place(self, trade: BotTrade, purpose: Purpose, outbox: Outbox) -> None:
        bot, exchange = self._bot, self._bot.exchange
        if trade.is_hedged and trade.held > held_on_side(exchange, trade.symbol, trade.direction):
            self.rest(bot.patience)  # no exit of more than is there is taken
            return
        plan = bot.next_plan(trade, purpose)
        trade.orders_placed[purpose] += 1
        mark = exchange.instrument(trade.symbol).mark
        placed = exchange.place(
            trade.symbol,
            paper_side(trade.side(purpose)),
            bot.random.choice(QUANTITIES[trade.symbol]) if trade.held == 0 else trade.held,
            mark,
            client_order_id=client_order_id(
                sub_tag=trade.sub_tag,
                trade_id=trade.trade_id,
                purpose=purpose,
                sequence=trade.orders_placed[purpose],
            ),
            tag=trade.sub_tag,
            position_side=trade.position_side,
            order_class=plan.order_class,
            trigger_price=None if plan.order_class == "regular" else mark,
        )
        self.order = BotOrder(
            trade=trade,
            purpose=purpose,
            client_order_id=placed.client_order_id or "",
            exchange_order_id=placed.exchange_order_id if plan.acknowledged else None,
            order_class=OrderClass(plan.order_class),
            status=OrderStatus.OPEN if plan.acknowledged else OrderStatus.PENDING,
            quantity=placed.quantity,
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
        self._in_the_dark = not plan.announced
        self._first_words = None
        if plan.announced:
            self._first_words = self.order.row()
            outbox.trades.append(trade.row())
            outbox.orders.append(self._first_words)

    def _follow(self, order: BotOrder, fate: Fate, outbox: Outbox) -> None:
        if fate.is_over():
            # The bot has missed something, and only now asks the exchange what became of it.
            self._wait -= 1
            if self._wait <= 0:
                rows = order.learn(fate.order(), fate.fills(), by_id=fate.plan.names_fills)
                self._settle(order, rows, outbox)
            return
        message = fate.tick()
        if message is None:
            return
        self._wait = self._bot.patience
        if message.heard:
            self._hear(message, order, fate, outbox)
        else:
            self._in_the_dark = True

    def _hear(self, message: Message, order: BotOrder, fate: Fate, outbox: Outbox) -> None:
        if message.happening is Happening.FALSE_CANCEL:
            self._in_the_dark = True
            order.status = OrderStatus.CANCELED
            outbox.orders.append(order.row())
            return
        fills = () if message.fill is None else (message.fill,)
        rows = order.learn(message.order, fills, by_id=fate.plan.names_fills)
        if fate.is_over() and not self._in_the_dark:
            self._settle(order, rows, outbox)
        else:
            self._tell(order, rows, outbox)

    def _tell(self, order: BotOrder, rows: list[DeliveredHistory], outbox: Outbox) -> None:
        outbox.trades.append(order.trade.row())
        outbox.orders.append(order.row())
        outbox.history += rows
        outbox.positions.append(order.trade.position_row())

    def _settle(self, order: BotOrder, rows: list[DeliveredHistory], outbox: Outbox) -> None:
        """Go on from the end of an order: hold what was bought, or look for the next trade."""
        trade = order.trade
        if trade.status == TradeStatus.PENDING:
            trade.status = TradeStatus.CANCELED
        self._tell(order, rows, outbox)
        if trade.status != TradeStatus.OPEN:
            self.trade = None
        if self._first_words is not None:
            self._bot.remember(self._first_words)
        self.order = self._fate = None
        self._wait = self._bot.random.randint(4, 10)
