"""The oracle's exchange: what is truly held, slice by slice, and what a strict reader could see.

Invariants: positions are what the slices truly hold, and what strangers hold; a fill moves the
truth at once, whenever it becomes visible; on a netting account a stranger's position against the
slices' closes them, because that is what the exchange does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from reconciliation.domain.amounts import ZERO, total
from reconciliation.domain.parity import SIDE_OF_DIRECTION, PositionKey
from reconciliation.domain.types import ExchangeFill, ExchangeOrder
from reconciliation.enums import (
    ACTIVE_ORDER_STATUSES,
    Direction,
    FillKind,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionSide,
    Purpose,
    Side,
)

Owners = tuple[tuple[str | None, Decimal], ...]
"""Whose a fill truly is: parts by trade id, None for a stranger's."""


@dataclass(slots=True, kw_only=True)
class TrueSlice:
    """What the oracle knows of one slice. `is_elsewhere`: it is held on another account."""

    trade_id: str
    profile_id: int
    symbol: str
    direction: Direction
    opened_at: datetime
    entered: Decimal = ZERO
    exited: Decimal = ZERO
    is_elsewhere: bool = False

    @property
    def held(self) -> Decimal:
        """Return how much of it is truly open, base units without a sign."""
        return self.entered - self.exited

    @property
    def signed(self) -> Decimal:
        """Return what of it is truly open, negative for a short."""
        return self.held if self.direction == Direction.LONG else -self.held

    def side_of(self, purpose: Purpose) -> Side:
        """Return the side of the fills that enter or exit it."""
        buys = (self.direction == Direction.LONG) == (purpose == Purpose.ENTRY)
        return Side.BUY if buys else Side.SELL


@dataclass(slots=True, kw_only=True)
class TrueOrder:
    """An order at the exchange, of a bot's slice."""

    id: str
    client_order_id: str | None
    sub_tag: str | None
    slice: TrueSlice
    purpose: Purpose
    quantity: Decimal
    price: Decimal
    created_at: datetime
    updated_at: datetime
    filled: Decimal = ZERO
    status: OrderStatus = OrderStatus.OPEN

    @property
    def is_active(self) -> bool:
        """Return whether it can still be filled."""
        return self.status in ACTIVE_ORDER_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueFill:
    """A fill, from when the exchange shows it, and whose it truly is."""

    fill: ExchangeFill
    visible_at: datetime
    purpose: Purpose
    owners: Owners


@dataclass(slots=True)
class Venue:
    """The exchange as it truly is."""

    rng: Random
    is_hedged: bool
    slices: dict[str, TrueSlice] = field(default_factory=dict)
    orders: dict[str, TrueOrder] = field(default_factory=dict)
    fills: list[TrueFill] = field(default_factory=list)
    strangers: dict[PositionKey, Decimal] = field(default_factory=dict)
    latest_lag_seconds: int = 100
    late_share: float = 0.0
    hidden_share: float = 0.4

    def side_of(self, direction: Direction) -> PositionSide:
        """Return the position side that a direction is held on."""
        return SIDE_OF_DIRECTION[direction] if self.is_hedged else PositionSide.NET

    def key_of(self, held: TrueSlice) -> PositionKey:
        """Return the position that a slice is part of."""
        return PositionKey(symbol=held.symbol, side=self.side_of(held.direction))

    def positions(self) -> dict[PositionKey, Decimal]:
        """Return what the exchange truly holds, signed, without what is zero."""
        held: dict[PositionKey, Decimal] = dict(self.strangers)
        for each in self.slices.values():
            if not each.is_elsewhere and each.held:
                key = self.key_of(each)
                held[key] = held.get(key, ZERO) + each.signed
        return {key: quantity for key, quantity in held.items() if quantity}

    def place(self, order: TrueOrder) -> None:
        """Take an order."""
        self.orders[order.id] = order

    def fill_order(self, order: TrueOrder, quantity: Decimal, price: Decimal, at: datetime) -> None:
        """Fill a part of an order; an exit beyond what is held opens what nobody owns."""
        owned = quantity
        if order.purpose == Purpose.EXIT:
            owned = min(quantity, order.slice.held)
            order.slice.exited += owned
        else:
            order.slice.entered += owned
        order.filled += quantity
        order.updated_at = at
        done = order.filled >= order.quantity
        order.status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
        owners: Owners = ((order.slice.trade_id, owned),) if owned else ()
        if owned < quantity:
            owners = (*owners, (None, quantity - owned))
            side = order.slice.side_of(Purpose.EXIT)
            self._add_strangers(self.key_of(order.slice), side, quantity - owned)
        says_whose = self.rng.random() < 0.8
        self._show(
            symbol=order.slice.symbol,
            side=order.slice.side_of(order.purpose),
            position_side=self.side_of(order.slice.direction),
            quantity=quantity,
            price=price,
            at=at,
            purpose=order.purpose,
            owners=owners,
            order_id=order.id,
            client_order_id=order.client_order_id if says_whose else None,
            sub_tag=order.sub_tag if says_whose else None,
        )
        self._net(order.slice.symbol)

    def close_by_hand(
        self,
        parts: Sequence[tuple[TrueSlice, Decimal]],
        price: Decimal,
        at: datetime,
        *,
        kind: FillKind,
        sub_tag: str | None = None,
    ) -> None:
        """Close parts of slices of one side by one fill of no bot's order.

        Some of these fills are never shown: not every exchange lists what it closes itself.
        """
        for each, quantity in parts:
            each.exited += quantity
        first = parts[0][0]
        if self.rng.random() < self.hidden_share:
            self._net(first.symbol)
            return
        self._show(
            symbol=first.symbol,
            side=first.side_of(Purpose.EXIT),
            position_side=self.side_of(first.direction),
            quantity=total(quantity for _, quantity in parts),
            price=price,
            at=at,
            purpose=Purpose.EXIT,
            owners=tuple((each.trade_id, quantity) for each, quantity in parts),
            order_id=None if kind != FillKind.TRADE else f"h{len(self.fills)}",
            kind=kind,
            sub_tag=sub_tag,
        )
        self._net(first.symbol)

    def trade_as_stranger(
        self, key: PositionKey, side: Side, quantity: Decimal, price: Decimal, at: datetime
    ) -> None:
        """Trade for nobody's profile; against the slices it closes them, the rest is its own."""
        left, owners = quantity, []
        if self.is_hedged:
            long = key.side == PositionSide.LONG
            closes = (side == Side.SELL) == long
            room = abs(self.strangers.get(key, ZERO)) if closes else quantity
            left = quantity = min(quantity, room)
            if quantity <= 0:
                return
        else:
            for each, part in self._against(key, side, quantity):
                each.exited += part
                owners.append((each.trade_id, part))
                left -= part
        if left > 0:
            self._add_strangers(key, side, left)
        self._show(
            symbol=key.symbol,
            side=side,
            position_side=key.side,
            quantity=quantity,
            price=price,
            at=at,
            purpose=Purpose.EXIT,
            owners=(*owners, *(((None, left),) if left > 0 else ())),
            order_id=f"s{len(self.fills)}",
        )
        self._net(key.symbol)

    def shown(self, order: TrueOrder) -> ExchangeOrder:
        """Return an order as the exchange shows it."""
        return ExchangeOrder(
            exchange_order_id=order.id,
            symbol=order.slice.symbol,
            side=order.slice.side_of(order.purpose),
            type=OrderType.LIMIT,
            order_class=OrderClass.REGULAR,
            status=order.status,
            quantity=order.quantity,
            filled_quantity=order.filled,
            price=order.price,
            average_price=None,
            created_at=order.created_at,
            updated_at=order.updated_at,
            client_order_id=order.client_order_id,
            sub_tag=order.sub_tag,
            position_side=self.side_of(order.slice.direction),
        )

    def _add_strangers(self, key: PositionKey, side: Side, quantity: Decimal) -> None:
        signed = quantity if side == Side.BUY else -quantity
        self.strangers[key] = self.strangers.get(key, ZERO) + signed

    def _net(self, symbol: str) -> None:
        """Let slices and strangers against each other close each other, on a netting account."""
        if self.is_hedged:
            return
        key = PositionKey(symbol=symbol, side=PositionSide.NET)
        loose = self.strangers.get(key, ZERO)
        if not loose:
            return
        side = Side.BUY if loose > 0 else Side.SELL
        for each, part in self._against(key, side, abs(loose)):
            each.exited += part
            loose += part if loose < 0 else -part
        self.strangers[key] = loose

    def _against(
        self, key: PositionKey, side: Side, quantity: Decimal
    ) -> Iterable[tuple[TrueSlice, Decimal]]:
        """Return the slices, oldest first, that a trade of a side closes on a netting account."""
        here = [
            each
            for each in self.slices.values()
            if each.symbol == key.symbol and not each.is_elsewhere and each.held
        ]
        net = total(each.signed for each in here)
        room = min(quantity, net if side == Side.SELL else -net)
        parts = []
        for each in here:
            if room > 0 and each.side_of(Purpose.EXIT) == side:
                part = min(room, each.held)
                parts.append((each, part))
                room -= part
        return parts

    def _show(
        self,
        *,
        symbol: str,
        side: Side,
        position_side: PositionSide,
        quantity: Decimal,
        price: Decimal,
        at: datetime,
        purpose: Purpose,
        owners: Owners,
        order_id: str | None,
        kind: FillKind = FillKind.TRADE,
        client_order_id: str | None = None,
        sub_tag: str | None = None,
    ) -> None:
        late = 0
        if self.rng.random() < self.late_share:
            late = self.rng.randint(1, self.latest_lag_seconds)
        self.fills.append(
            TrueFill(
                fill=ExchangeFill(
                    fill_id=f"f{len(self.fills) + 1}",
                    symbol=symbol,
                    side=side,
                    quantity=quantity,
                    price=price,
                    executed_at=at,
                    kind=kind,
                    exchange_order_id=order_id,
                    client_order_id=client_order_id,
                    sub_tag=sub_tag,
                    position_side=position_side,
                ),
                visible_at=at + timedelta(seconds=late),
                purpose=purpose,
                owners=owners,
            )
        )
