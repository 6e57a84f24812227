"""What happens at a desk: bots that trade and tell of it, people with a phone, strangers.

A bot's word can be lost, late, repeated, or wrong; after a restart it has forgotten what it had
not said yet, and says everything that it remembers once more.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from reconciliation.bench.delivering import Bundle
from reconciliation.bench.truth import TrueOrder, TrueSlice, Venue
from reconciliation.domain.books import ProfileState
from reconciliation.domain.deliveries import DeliveredHistory, DeliveredOrder, DeliveredTrade
from reconciliation.domain.keys import client_order_id
from reconciliation.domain.parity import PositionKey
from reconciliation.enums import (
    Direction,
    FillKind,
    HistoryKind,
    OrderStatus,
    OrderType,
    PositionSide,
    Purpose,
    Side,
)

STYLES = ("deterministic", "deterministic", "tag", "both", "bare")
"""How a bot names its orders: by the deterministic id, its sub tag, both, or nothing of use."""


@dataclass(slots=True, kw_only=True)
class Temper:
    """How much goes wrong at a desk, each a probability of one occasion."""

    lost: float
    late: float
    repeated: float
    nameless: float
    restart: float
    by_hand: float
    liquidation: float
    stranger: float
    phantom: float
    elsewhere: float
    busy: float


@dataclass(slots=True, kw_only=True)
class Bot:
    """A profile's bot, with what it has not said yet and what it could say again."""

    profile: ProfileState
    style: str
    symbols: tuple[str, ...]
    directions: tuple[Direction, ...]
    slices: list[TrueSlice] = field(default_factory=list)
    outbox: list[tuple[int, Bundle]] = field(default_factory=list)
    memory: list[Bundle] = field(default_factory=list)
    told: dict[str, DeliveredTrade] = field(default_factory=dict)
    sequence: int = 0


@dataclass(slots=True)
class Floor:
    """The floor of one desk: everything that acts on the exchange, and the bots' messages."""

    rng: Random
    venue: Venue
    temper: Temper
    bots: list[Bot]
    prices: dict[str, Decimal]
    step: Decimal
    one_slice_a_tag: bool = True
    cycle: int = 0
    trades: int = 0

    def act(self, start: datetime, seconds: int) -> None:
        """Let things happen within so many seconds after a moment."""
        rng = self.rng
        for bot in self.bots:
            if rng.random() < self.temper.busy:
                self._trade(bot, self._moment(start, seconds))
            if rng.random() < self.temper.restart:
                bot.outbox = [(self.cycle, each) for each in bot.memory[-12:]]
            if rng.random() < self.temper.phantom:
                self._imagine(bot, self._moment(start, seconds))
            if rng.random() < self.temper.elsewhere and self._most_slices(bot) > 1:
                self._misroute(bot, self._moment(start, seconds))
        for order in [each for each in self.venue.orders.values() if each.is_active]:
            self._work(order, self._moment(start, seconds))
        if rng.random() < self.temper.by_hand:
            self._close_by_hand(self._moment(start, seconds))
        if rng.random() < self.temper.liquidation:
            self._liquidate(self._moment(start, seconds))
        if rng.random() < self.temper.stranger:
            self._let_a_stranger_trade(self._moment(start, seconds))

    def due(self, bot: Bot) -> list[Bundle]:
        """Return what a bot says now, and forget it."""
        said = [bundle for at, bundle in bot.outbox if at <= self.cycle]
        bot.outbox = [each for each in bot.outbox if each[0] > self.cycle]
        return said

    def _moment(self, start: datetime, seconds: int) -> datetime:
        return start + timedelta(seconds=self.rng.randint(0, seconds))

    def _quantity(self) -> Decimal:
        return self.step * self.rng.choice((1, 2, 3, 5, 10, 10, 10, 40))

    def _trade(self, bot: Bot, at: datetime) -> None:
        """Open a slice, or exit one, wholly or in part."""
        rng = self.rng
        believed = [each for each in bot.slices if each.entered and not each.is_elsewhere]
        if believed and rng.random() < 0.55:
            held = rng.choice(believed)
            if rng.random() < 0.1:
                self._order(bot, held, Purpose.ENTRY, self._quantity(), at)
                return
            quantity = held.held
            if rng.random() < 0.3:
                quantity = min(quantity, self._quantity())
            if not quantity and rng.random() < 0.05:
                quantity = self._quantity()  # it does not know that somebody closed it
            if quantity:
                self._order(bot, held, Purpose.EXIT, quantity, at)
            elif held in bot.slices:
                bot.slices.remove(held)
        elif sum(map(self._lives, bot.slices)) < self._most_slices(bot):
            held = self._new_slice(bot, at)
            self.venue.slices[held.trade_id] = held
            self._order(bot, held, Purpose.ENTRY, self._quantity(), at)

    def _most_slices(self, bot: Bot) -> int:
        """Return how many slices a bot holds at once: one where only its tag says whose a fill is.

        A tag names a profile, never a slice. Of two slices of which the books know one, it would
        name the wrong one.
        """
        return 1 if bot.style == "tag" and self.one_slice_a_tag else 3

    def _lives(self, held: TrueSlice) -> bool:
        """Return whether a slice is open, or may be opened yet."""
        orders = self.venue.orders.values()
        return bool(held.held) or any(o.slice is held and o.is_active for o in orders)

    def _new_slice(self, bot: Bot, at: datetime) -> TrueSlice:
        self.trades += 1
        held = TrueSlice(
            trade_id=f"{bot.profile.name}-{self.trades}",
            profile_id=bot.profile.id,
            symbol=self.rng.choice(bot.symbols),
            direction=self.rng.choice(bot.directions),
            opened_at=at,
        )
        bot.slices.append(held)
        bot.told[held.trade_id] = DeliveredTrade(
            trade_id=held.trade_id,
            profile=bot.profile.name,
            symbol=held.symbol,
            direction=held.direction,
            opened_at=at,
            sub_tag=bot.profile.sub_tag,
        )
        return held

    def _order(
        self, bot: Bot, held: TrueSlice, purpose: Purpose, quantity: Decimal, at: datetime
    ) -> None:
        bot.sequence += 1
        named = bot.style in ("deterministic", "both")
        order = TrueOrder(
            id=f"o{len(self.venue.orders) + 1}",
            client_order_id=client_order_id(
                sub_tag=bot.profile.sub_tag,
                trade_id=held.trade_id,
                purpose=purpose,
                sequence=bot.sequence,
            )
            if named
            else f"{bot.profile.name}x{bot.sequence}",
            sub_tag=bot.profile.sub_tag if bot.style in ("tag", "both") else None,
            slice=held,
            purpose=purpose,
            quantity=quantity,
            price=self.prices[held.symbol],
            created_at=at,
            updated_at=at,
        )
        self.venue.place(order)
        if self.rng.random() < 0.3:
            self._tell(bot, order, None)
        if self.rng.random() < 0.75:
            self._fill(bot, order, quantity, at)

    def _work(self, order: TrueOrder, at: datetime) -> None:
        """Let an open order fill a bit, end, or wait."""
        bot = self._bot_of(order.slice)
        chance = self.rng.random()
        at = max(at, order.updated_at)
        left = order.quantity - order.filled
        if chance < 0.35:
            part = min(left, self._quantity()) if chance < 0.15 else left
            self._fill(bot, order, part, at)
        elif chance < 0.45:
            order.status = self.rng.choice((OrderStatus.CANCELED, OrderStatus.EXPIRED))
            order.updated_at = at
            self._tell(bot, order, None)

    def _fill(self, bot: Bot, order: TrueOrder, quantity: Decimal, at: datetime) -> None:
        reduces = order.purpose == Purpose.EXIT and self.rng.random() < 0.95
        if reduces or (self.venue.is_hedged and order.purpose == Purpose.EXIT):
            # What an exit finds nothing to close with, the exchange does not take.
            quantity = min(quantity, order.slice.held)
            if quantity <= 0:
                order.status, order.updated_at = OrderStatus.CANCELED, at
                self._tell(bot, order, None)
                return
        self.venue.fill_order(order, quantity, self.prices[order.slice.symbol], at)
        fill = self.venue.fills[-1].fill
        name = None if self.rng.random() < self.temper.nameless else fill.fill_id
        self._tell(
            bot,
            order,
            DeliveredHistory(
                row_id=f"{order.slice.trade_id}:{fill.fill_id}",
                trade_id=order.slice.trade_id,
                kind=HistoryKind(order.purpose),
                quantity=quantity,
                executed_at=at,
                price=fill.price,
                exchange_fill_id=name,
            ),
        )

    def _tell(self, bot: Bot, order: TrueOrder, history: DeliveredHistory | None) -> None:
        self._send(
            bot,
            Bundle(
                trade=bot.told[order.slice.trade_id],
                order=self._delivered(bot, order),
                history=history,
            ),
        )

    def _delivered(self, bot: Bot, order: TrueOrder) -> DeliveredOrder:
        return DeliveredOrder(
            profile=bot.profile.name,
            purpose=order.purpose,
            symbol=order.slice.symbol,
            side=order.slice.side_of(order.purpose),
            type=OrderType.LIMIT,
            status=order.status,
            quantity=order.quantity,
            filled_quantity=order.filled,
            created_at=order.created_at,
            trade_id=order.slice.trade_id,
            price=order.price,
            client_order_id=order.client_order_id,
            exchange_order_id=order.id,
            position_side=self.venue.side_of(order.slice.direction),
            sub_tag=bot.profile.sub_tag if bot.style != "bare" else None,
        )

    def _send(self, bot: Bot, bundle: Bundle) -> None:
        rng, temper = self.rng, self.temper
        if rng.random() < temper.lost:
            return
        bot.memory.append(bundle)
        wait = rng.randint(1, 6) if rng.random() < temper.late else 0
        bot.outbox.append((self.cycle + wait, bundle))
        if rng.random() < temper.repeated:
            bot.outbox.append((self.cycle + wait + rng.randint(0, 8), bundle))

    def _imagine(self, bot: Bot, at: datetime) -> None:
        """Let a bot tell of a slice that was never entered."""
        held = self._new_slice(bot, at)
        bot.slices.remove(held)
        self.venue.slices[held.trade_id] = held
        self._send(bot, self._entry_row(bot, held, self._quantity(), at))

    def _misroute(self, bot: Bot, at: datetime) -> None:
        """Let a bot tell here of a slice that it holds on another account."""
        held = self._new_slice(bot, at)
        held.is_elsewhere = True
        held.entered = self._quantity()
        self.venue.slices[held.trade_id] = held
        self._send(bot, self._entry_row(bot, held, held.entered, at))

    def _entry_row(self, bot: Bot, held: TrueSlice, quantity: Decimal, at: datetime) -> Bundle:
        return Bundle(
            trade=bot.told[held.trade_id],
            history=DeliveredHistory(
                row_id=f"{held.trade_id}:entry",
                trade_id=held.trade_id,
                kind=HistoryKind.ENTRY,
                quantity=quantity,
                executed_at=at,
                price=self.prices[held.symbol],
            ),
        )

    def _bot_of(self, held: TrueSlice) -> Bot:
        return next(each for each in self.bots if each.profile.id == held.profile_id)

    def _held(self) -> list[TrueSlice]:
        return [each for each in self.venue.slices.values() if each.held and not each.is_elsewhere]

    def _close_by_hand(self, at: datetime) -> None:
        held = self._held()
        if held:
            each = self.rng.choice(held)
            part = each.held if self.rng.random() < 0.7 else min(each.held, self._quantity())
            tag = None
            if self.rng.random() < 0.2:
                bot = self._bot_of(each)
                if bot.style == "tag" or not self.one_slice_a_tag:
                    tag = bot.profile.sub_tag
            self.venue.close_by_hand(
                [(each, part)], self.prices[each.symbol], at, kind=FillKind.TRADE, sub_tag=tag
            )

    def _liquidate(self, at: datetime) -> None:
        """Let the exchange close a whole position by one fill."""
        held = self._held()
        if not held:
            return
        first = self.rng.choice(held)
        key = self.venue.key_of(first)
        if self.venue.strangers.get(key):
            return
        here = [each for each in held if self.venue.key_of(each) == key]
        if len({each.direction for each in here}) == 1:
            self.venue.close_by_hand(
                [(each, each.held) for each in here],
                self.prices[first.symbol],
                at,
                kind=self.rng.choice((FillKind.LIQUIDATION, FillKind.ADL)),
            )

    def _let_a_stranger_trade(self, at: datetime) -> None:
        symbol = self.rng.choice(sorted(self.prices))
        side = PositionSide.NET
        if self.venue.is_hedged:
            side = self.rng.choice((PositionSide.LONG, PositionSide.SHORT))
        self.venue.trade_as_stranger(
            PositionKey(symbol=symbol, side=side),
            self.rng.choice((Side.BUY, Side.SELL)),
            self._quantity(),
            self.prices[symbol],
            at,
        )
