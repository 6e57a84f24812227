"""The trading bots: they open and close trades, miss messages, and find out late.

A bot never asks for the portal's opinion of an order: it goes by the messages that it got, and
where it missed one it goes on believing what it knew until it asks the exchange, some time later.
Until then the database that it delivers to has drifted, which is what the portal is for.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random

from reconciliation.demo.accounts import QUANTITIES, BotSpec, Market
from reconciliation.demo.beliefs import BotOrder, BotTrade, net_quantity
from reconciliation.demo.outbox import Outbox
from reconciliation.demo.plans import Plan, choose_plan
from reconciliation.demo.slots import Slot
from reconciliation.domain.deliveries import DeliveredOrder, Delivery
from reconciliation.domain.keys import client_order_id, trade_code
from reconciliation.domain.plans.adoption import ADOPTED_TRADE_PREFIX
from reconciliation.enums import Direction, OrderStatus, Purpose
from reconciliation.exchange.paper.book import PaperAccount, PaperFill

# Every so many seconds a bot delivers once more what it believes of its orders at work.
REPEAT_EVERY = 30
# How many ended orders it remembers the first words of.
_REMEMBERED = 5


@dataclass(slots=True)
class Closing:
    """A trade that somebody else closed by `fill`; its bot hears of it after `wait` seconds."""

    trade: BotTrade
    fill: PaperFill
    wait: int


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
        choose: Callable[[Random], Plan] = choose_plan,
        begins: Callable[[BotTrade, Plan], None] = lambda trade, plan: None,
    ) -> None:
        """Make a bot that has done nothing yet.

        `patience` is for how many seconds it goes on without a message that it missed;
        `trades_before` is how many trade ids are used up; `choose` picks the life of an order;
        `begins` is told when one begins that was ordered by `order_drift`.
        """
        self.spec = spec
        self.exchange = exchange
        self.random = random
        self.patience = patience
        self.trades_made = trades_before
        self.closings: list[Closing] = []
        self.drifts: deque[Plan] = deque()
        self._deliver = deliver
        self._choose = choose
        self._begins = begins
        self._seconds = 0
        self._attended: set[str] = set()
        self._left_behind: list[BotTrade] = []
        self._first_words: deque[DeliveredOrder] = deque(maxlen=_REMEMBERED)
        self.slots = [Slot(self, market) for market in spec.markets]

    def tick(self) -> None:
        """Let a second pass, and deliver what the bot learnt in it."""
        self._seconds += 1
        outbox = Outbox()
        for slot in self.slots:
            slot.tick(outbox)
        self._hear_of_closings(outbox)
        if self._seconds % REPEAT_EVERY == 0:
            outbox.orders += [order.row() for slot in self.slots if (order := slot.told_order)]
        if outbox:
            self._deliver(outbox.delivery(self.exchange.name))

    def order_drift(self, plan: Plan) -> None:
        """Let one of the next orders have this life."""
        self.drifts.append(plan)

    def take_over(self, trades: Iterable[BotTrade]) -> None:
        """Close trades that are open and that no bot attends to, each when its market is free."""
        for trade in trades:
            if trade.trade_id not in self._attended:
                self.attend(trade)
                self._left_behind.append(trade)

    def hear_of(self, closings: Iterable[Closing]) -> None:
        """Take note, some time later, that others have closed trades."""
        for closing in closings:
            self.attend(closing.trade)
            self.closings.append(closing)

    def stop(self) -> None:
        """End as a process does: what was at work at the exchange is canceled there."""
        for slot in self.slots:
            slot.give_up()

    def attend(self, trade: BotTrade) -> None:
        """Remember a trade as the bot's own business, by both names that it may have."""
        adopted = ADOPTED_TRADE_PREFIX + trade_code(trade.sub_tag, trade.trade_id)
        self._attended |= {trade.trade_id, adopted}

    def next_plan(self, trade: BotTrade, purpose: Purpose) -> Plan:
        """Return the life of the bot's next order."""
        for plan in self.drifts:
            if purpose == Purpose.ENTRY or not plan.only_entries:
                self.drifts.remove(plan)
                self._begins(trade, plan)
                return plan
        return self._choose(self.random)

    def next_trade(self, market: Market, now: datetime) -> BotTrade:
        """Return a trade that was left behind in a market, or a new one."""
        for trade in self._left_behind:
            if trade.symbol == market.symbol and market.direction in (None, trade.direction):
                self._left_behind.remove(trade)
                return trade
        return self._new_trade(market, now)

    def _new_trade(self, market: Market, now: datetime) -> BotTrade:
        self.trades_made += 1
        trade = BotTrade(
            trade_id=f"{self.spec.profile}-{self.trades_made}",
            profile=self.spec.profile,
            sub_tag=self.spec.sub_tag,
            symbol=market.symbol,
            direction=market.direction or self.random.choice((Direction.LONG, Direction.SHORT)),
            opened_at=now,
            is_hedged=self.exchange.position_mode == "hedge" and ":" in market.symbol,
        )
        self.attend(trade)
        return trade

    def remember(self, first_words: DeliveredOrder) -> None:
        """Keep what was first said of an order that has ended."""
        self._first_words.append(first_words)

    def quiet_slots(self) -> Iterator[Slot]:
        """Yield the markets of derivatives in which a trade is held and no order is at work.

        What is held on a spot market is a balance, which the exchange does not tell by trade.
        """
        yield from (slot for slot in self.slots if slot.is_quiet and ":" in slot.market.symbol)

    def deliver_order_never_placed(self) -> BotTrade:
        """Deliver an entry whose request never got to the exchange, and forget it."""
        market = self.random.choice(self.spec.markets)
        now = self.exchange.now()
        trade = self._new_trade(market, now)
        order = BotOrder(
            trade=trade,
            purpose=Purpose.ENTRY,
            client_order_id=client_order_id(
                sub_tag=trade.sub_tag, trade_id=trade.trade_id, purpose=Purpose.ENTRY
            ),
            exchange_order_id=None,
            status=OrderStatus.PENDING,
            quantity=QUANTITIES[trade.symbol][0],
            price=self.exchange.instrument(trade.symbol).mark,
            created_at=now,
        )
        self._deliver(
            Delivery(account=self.exchange.name, trades=(trade.row(),), orders=(order.row(),))
        )
        return trade

    def deliver_stale_row(self) -> DeliveredOrder | None:
        """Deliver once more what was first said of an order that has ended by now, if any has."""
        if not self._first_words:
            return None
        row = self._first_words.popleft()
        self._deliver(Delivery(account=self.exchange.name, orders=(row,)))
        return row

    def deliver_wrong_position(self) -> BotTrade | None:
        """Deliver twice the position that is held, where the portal can prove that it is wrong.

        It can while the exchange agrees with all trades of that symbol and side: in hedge mode, and
        while nobody else has closed one.
        """
        for slot in self.quiet_slots():
            trade = slot.trade
            if trade is not None and trade.is_hedged and not self.closings:
                slot.rest(self.patience)  # its next fill puts it right
                row = trade.position_row(trade.held * 2)
                self._deliver(Delivery(account=self.exchange.name, positions=(row,)))
                return trade
        return None

    def hear_later(self, trade: BotTrade, fill: PaperFill) -> None:
        """Hear, when patience is over, that a fill of somebody else closed a trade."""
        self.closings.append(Closing(trade, fill, self.patience))

    def _hear_of_closings(self, outbox: Outbox) -> None:
        for closing in list(self.closings):
            closing.wait -= 1
            if closing.wait > 0:
                continue
            self.closings.remove(closing)
            trade, fill = closing.trade, closing.fill
            trade.take(Purpose.EXIT, min(net_quantity(fill), trade.held))
            row = trade.history_row(
                row_id=f"by-hand-{fill.fill_id}",
                purpose=Purpose.EXIT,
                fills=[fill],
                fill_id=fill.fill_id,
                order_ref=None,
            )
            outbox.trades.append(trade.row())
            outbox.history.append(row)
            outbox.positions.append(trade.position_row())
