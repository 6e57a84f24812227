"""What the portal can read of the oracle's exchange: late, unread, stale, or with a row missing.

What holds of the faults, so that something can be proven at all: a fill is shown at the latest 100
seconds after it was executed (less than what three confirmations take); of the answer about one
symbol and the margin in use at least one tells the truth, or is not given; and the margin tells
only of a position that takes more of it than its noise.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import cast

from reconciliation.bench.truth import Venue
from reconciliation.cycles.holdings import HIDDEN, HoldingsRead
from reconciliation.cycles.snapshot import is_flat, read_positions
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.intervals import Interval
from reconciliation.domain.parity import PositionKey
from reconciliation.domain.types import (
    AccountSnapshot,
    ExchangeFill,
    ExchangePosition,
    Instrument,
    LookUp,
    OpenOrders,
    OrderFound,
    OrderNotFound,
    Unread,
)
from reconciliation.enums import InstrumentType, OrderClass
from reconciliation.exchange.gateway import ExchangeError, Gateway, Unsupported

OVERLAP = timedelta(minutes=10)
LEVERAGE = 10
FAULTS = (
    "fills unread",
    "orders unread",
    "positions unread",
    "positions empty",
    "row missing",
    "positions stale",
    "look-ups unread",
    "everything unread",
    "no mark",
)


class Refusing(ExchangeError):
    """The exchange gives no answer."""


@dataclass(slots=True, kw_only=True)
class Episode:
    """A fault that lasts for some cycles. `lies_again`: the answer about one symbol lies too."""

    kind: str
    left: int
    symbol: str = ""
    lies_again: bool = False
    margin: str = "honest"


@dataclass(slots=True)
class FaultyReader:
    """Reads the exchange for the portal, as a gateway would: all that it says of positions."""

    rng: Random
    venue: Venue
    instruments: Mapping[str, Instrument]
    marks: Mapping[str, Decimal]
    fault_share: float
    episode: Episode | None = None
    known_until: datetime | None = None
    proven: list[Interval] = field(default_factory=list)
    shown: int = 0
    kept: list[ExchangeFill] = field(default_factory=list)
    _late: list[int] = field(default_factory=list)
    _now: dict[PositionKey, Decimal] = field(default_factory=dict)
    _before: dict[PositionKey, Decimal] = field(default_factory=dict)

    # What the protocol of a gateway asks beside what is read here.
    order_classes: Collection[OrderClass] = (OrderClass.REGULAR,)
    instrument_types: Collection[InstrumentType] = (InstrumentType.SWAP,)

    @property
    def as_gateway(self) -> Gateway:
        """Return itself as the gateway that readers of positions take: it answers what they ask."""
        return cast(Gateway, self)

    def begin(self) -> None:
        """Begin a cycle: a fault goes on, ends or begins."""
        self._before, self._now = self._now, self.venue.positions()
        if self.episode is not None:
            self.episode.left -= 1
            if self.episode.left <= 0:
                self.episode = None
        elif self.rng.random() < self.fault_share:
            lies_again = self.rng.random() < 0.5
            self.episode = Episode(
                kind=self.rng.choice(FAULTS),
                left=self.rng.choice((1, 1, 2, 3, 4, 6, 9)),
                symbol=self.rng.choice(sorted(self.instruments)),
                lies_again=lies_again,
                margin="honest" if lies_again else self.rng.choice(("honest", "silent", "lies")),
            )

    def has(self, *kinds: str) -> bool:
        """Return whether one of these faults holds now."""
        return self.episode is not None and (
            self.episode.kind in kinds or self.episode.kind == "everything unread"
        )

    def read_fills(self, as_of: datetime) -> Unread | None:
        """Read what was executed since the last reading, less an overlap; None where it was."""
        if self.has("fills unread"):
            return Unread(reason="the fills were not answered")
        start = as_of - OVERLAP if self.known_until is None else self.known_until - OVERLAP
        late = []
        for index in (*self._late, *range(self.shown, len(self.venue.fills))):
            each = self.venue.fills[index]
            if each.fill.executed_at > as_of or each.visible_at > as_of:
                late.append(index)
            elif each.fill.executed_at >= start:
                self.kept.append(each.fill)
        self._late, self.shown = late, len(self.venue.fills)
        if self.proven:
            self.proven[-1] = (self.proven[-1][0], as_of)
        else:
            self.proven.append((start, as_of))
        self.known_until = as_of
        return None

    def take_kept(self) -> list[ExchangeFill]:
        """Return the fills that were read since the last call."""
        kept, self.kept = self.kept, []
        return kept

    def read_snapshot(self, as_of: datetime) -> AccountSnapshot:
        """Return what the loop reads: open orders and fills."""
        orders: OpenOrders | Unread = Unread(reason="the open orders were not answered")
        if not self.has("orders unread"):
            orders = OpenOrders(
                order_class=OrderClass.REGULAR,
                orders=tuple(
                    self.venue.shown(order)
                    for order in self.venue.orders.values()
                    if order.is_active
                ),
                as_of=as_of,
            )
        return AccountSnapshot(
            as_of=as_of,
            open_orders={OrderClass.REGULAR: orders},
            fills={InstrumentType.SWAP: self.read_fills(as_of)},
        )

    def look_up(
        self, exchange_order_id: str | None, client_order_id: str | None, as_of: datetime
    ) -> LookUp:
        """Ask for one order, with its fills."""
        if self.has("look-ups unread"):
            return Unread(reason="the order was not answered")
        order = self.venue.orders.get(exchange_order_id or "")
        if order is None and client_order_id is not None:
            every = self.venue.orders.values()
            order = next((o for o in every if o.client_order_id == client_order_id), None)
        if order is None:
            return OrderNotFound(as_of=as_of)
        fills: tuple[ExchangeFill, ...] | Unread
        if self.has("fills unread"):
            fills = Unread(reason="the order's fills were not answered")
        else:
            fills = tuple(
                each.fill
                for each in self.venue.fills
                if each.fill.exchange_order_id == order.id and each.visible_at <= as_of
            )
        return OrderFound(legs=(self.venue.shown(order),), fills=fills, as_of=as_of)

    def read_holdings(self, as_of: datetime) -> HoldingsRead:
        """Return what the heartbeat reads: fills, then positions."""
        fills = {InstrumentType.SWAP: self.read_fills(as_of)}
        positions = read_positions(self.as_gateway)
        if positions == () and not is_flat(self.as_gateway):
            positions = Unread(reason=HIDDEN)
        return HoldingsRead(
            as_of=as_of, fills=fills, positions=positions, balances=None, read_at=as_of
        )

    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        """Return the positions of one symbol or of all, as the exchange answers now."""
        if self.has("positions unread"):
            raise Refusing("the positions were not answered")
        held = self._before if self.has("positions stale") else self.venue.positions()
        if symbol is not None:
            lies = self.episode is not None and self.episode.lies_again
            held = {key: quantity for key, quantity in held.items() if key.symbol == symbol}
            return self._rows(held, hide=lies)
        return self._rows(held, hide=True)

    def _rows(
        self, held: Mapping[PositionKey, Decimal], *, hide: bool
    ) -> tuple[ExchangePosition, ...]:
        if hide and self.episode is not None:
            if self.episode.kind == "positions empty":
                held = {}
            elif self.episode.kind == "row missing":
                held = {k: v for k, v in held.items() if k.symbol != self.episode.symbol}
        return tuple(
            ExchangePosition(
                symbol=key.symbol,
                side=key.side,
                quantity=quantity,
                entry_price=None,
                mark_price=self.marks[key.symbol],
                initial_margin=self._margin_of(key, quantity),
            )
            for key, quantity in held.items()
        )

    def fetch_margin_in_use(self) -> Mapping[str, Decimal]:
        """Return the margin in use; it may not be told, or agree with a lie."""
        if self.has("positions unread"):
            raise Refusing("the margin was not answered")
        if self.episode is not None and self.episode.margin != "honest":
            if self.episode.margin == "silent":
                raise Unsupported("this exchange does not tell the margin")
            return {}
        held = self.venue.positions()
        every = (self._margin_of(key, quantity) for key, quantity in held.items())
        return {"USDT": sum(every, ZERO)}

    def fetch_mark(self, symbol: str) -> Decimal:
        """Return the mark price."""
        if self.has("no mark"):
            raise Refusing("the mark was not answered")
        return self.marks[symbol]

    def fetch_balances(self) -> Mapping[str, Decimal]:
        """Return no balance: the desks trade no spot."""
        return {}

    def _margin_of(self, key: PositionKey, quantity: Decimal) -> Decimal:
        return abs(quantity) * self.marks[key.symbol] / LEVERAGE
