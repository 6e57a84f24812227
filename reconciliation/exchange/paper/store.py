"""The book of one account behind one lock, and the snapshots that requests are answered from.

Writers change the book under the lock; a request takes an `AccountView`, an immutable picture of
one moment, and renders from that without holding anything. The picture is kept until the next
write, so that walking a long history page by page sorts it once.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from reconciliation.exchange.paper.auth import Credentials
from reconciliation.exchange.paper.paging import Listing
from reconciliation.exchange.paper.records import (
    BUILT_IN_INSTRUMENTS,
    POSITION_MODES,
    HeldPosition,
    HeldSide,
    PaperFill,
    PaperInstrument,
    PaperOrder,
    PaperPosition,
    PaperTransfer,
    PositionMode,
    Side,
    check_amount,
    check_aware,
)
from reconciliation.exchange.paper.units import to_wire_units

Clock = Callable[[], datetime]
Bill = PaperFill | PaperTransfer

READ_ONLY = "read_only"


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account at one moment."""

    name: str
    position_mode: PositionMode
    permissions: str
    include_flat_positions: bool
    instruments: Mapping[str, PaperInstrument]
    balances: Mapping[str, Decimal]
    positions: tuple[HeldPosition, ...]
    orders: Listing[PaperOrder]
    fills: Listing[PaperFill]
    bills: Listing[Bill]
    orders_by_id: Mapping[str, PaperOrder]
    children: Mapping[str, tuple[PaperOrder, ...]]
    fills_by_order: Mapping[str, tuple[PaperFill, ...]]


class AccountStore:
    """Hold one account's rows, keyed by their own ids; thread-safe.

    Every row's symbol must be one of the account's instruments, and its quantity a whole number
    of wire digits: what could not be shown exactly is refused on the way in.
    """

    def __init__(
        self,
        name: str,
        position_mode: PositionMode = "net",
        instruments: Mapping[str, PaperInstrument] | None = None,
        *,
        api_key: str | None = None,
        secret: str | None = None,
        passphrase: str | None = None,
        permissions: str = READ_ONLY,
        include_flat_positions: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if not name or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(
                f"account name {name!r}: it is a part of a URL; use letters, digits, - and _"
            )
        if position_mode not in POSITION_MODES:
            allowed = ", ".join(POSITION_MODES)
            raise ValueError(f"position_mode must be one of {allowed}, not {position_mode!r}")
        self.name = name
        self.position_mode: PositionMode = position_mode
        self.credentials = Credentials(
            api_key=api_key or f"{name}-key",
            secret=secret or f"{name}-secret",
            passphrase=passphrase or f"{name}-passphrase",
        )
        self._permissions = permissions
        self._include_flat_positions = include_flat_positions
        self._clock = clock
        self._lock = threading.RLock()
        self._view: AccountView | None = None
        self._instruments = dict(BUILT_IN_INSTRUMENTS if instruments is None else instruments)
        self._orders: dict[str, PaperOrder] = {}
        self._fills: dict[tuple[str, Side, str], PaperFill] = {}
        self._positions: dict[tuple[str, HeldSide], HeldPosition] = {}
        self._balances: dict[str, Decimal] = {}
        self._transfers: dict[str, PaperTransfer] = {}

    @property
    def api_key(self) -> str:
        return self.credentials.api_key

    @property
    def secret(self) -> str:
        return self.credentials.secret

    @property
    def passphrase(self) -> str:
        return self.credentials.passphrase

    @property
    def permissions(self) -> str:
        """Return what the key may do, as the exchange words it: `read_only`, `read_only,trade`."""
        return self._permissions

    @permissions.setter
    def permissions(self, permissions: str) -> None:
        with self._lock:
            self._permissions = permissions
            self._view = None

    @property
    def include_flat_positions(self) -> bool:
        """Return whether positions of size zero are listed, as the exchange does now and then."""
        return self._include_flat_positions

    @include_flat_positions.setter
    def include_flat_positions(self, include: bool) -> None:
        with self._lock:
            self._include_flat_positions = include
            self._view = None

    def use_clock(self, clock: Clock) -> None:
        """Take the time of changes from `clock`, unless the account was made with its own."""
        with self._lock:
            if self._clock is None:
                self._clock = clock

    def now(self) -> datetime:
        """Return the account's time: its clock's, or the machine's while it has none."""
        return datetime.now(UTC) if self._clock is None else check_aware("clock", self._clock())

    def put_instrument(self, instrument: PaperInstrument) -> None:
        """Add a market, or replace the one of the same symbol."""
        with self._lock:
            self._instruments[instrument.symbol] = instrument
            self._view = None

    def set_mark(self, symbol: str, mark: Decimal) -> None:
        """Set the price that a market is marked, ticked and margined at."""
        with self._lock:
            old = self.instrument(symbol)
            self.put_instrument(
                PaperInstrument(symbol, old.contract_size, old.amount_step, old.price_tick, mark)
            )

    def set_balances(self, balances: Mapping[str, Decimal]) -> None:
        """Replace every cash balance, by currency."""
        checked = {
            currency: check_amount(f"balance of {currency}", amount)
            for currency, amount in balances.items()
        }
        with self._lock:
            self._balances = checked
            self._view = None

    def replace_orders(self, orders: Iterable[PaperOrder]) -> None:
        """Make these the account's only orders."""
        self._write_orders(tuple(orders), replace=True)

    def put_orders(self, orders: Iterable[PaperOrder]) -> None:
        """Add orders; one with a known id replaces it."""
        self._write_orders(tuple(orders), replace=False)

    def replace_fills(self, fills: Iterable[PaperFill]) -> None:
        """Make these the account's only fills."""
        self._write_fills(tuple(fills), replace=True)

    def put_fills(self, fills: Iterable[PaperFill]) -> None:
        """Add fills; one of a known symbol, side and id replaces it."""
        self._write_fills(tuple(fills), replace=False)

    def replace_positions(self, positions: Iterable[PaperPosition]) -> None:
        """Make these the account's only positions."""
        self._write_positions(tuple(positions), replace=True)

    def put_positions(self, positions: Iterable[PaperPosition]) -> None:
        """Add positions; one of a known symbol and side replaces it."""
        self._write_positions(tuple(positions), replace=False)

    def instrument(self, symbol: str) -> PaperInstrument:
        with self._lock:
            instrument = self._instruments.get(symbol)
            if instrument is None:
                known = ", ".join(sorted(self._instruments))
                raise ValueError(
                    f"account {self.name} has no instrument {symbol!r}; it has {known}"
                )
            return instrument

    def instruments(self) -> dict[str, PaperInstrument]:
        with self._lock:
            return dict(self._instruments)

    def orders(self) -> tuple[PaperOrder, ...]:
        with self._lock:
            return tuple(self._orders.values())

    def fills(self) -> tuple[PaperFill, ...]:
        with self._lock:
            return tuple(self._fills.values())

    def positions(self) -> tuple[PaperPosition, ...]:
        with self._lock:
            return tuple(held.position for held in self._positions.values())

    def balances(self) -> dict[str, Decimal]:
        with self._lock:
            return dict(self._balances)

    def marks(self) -> dict[str, Decimal]:
        with self._lock:
            return {symbol: each.mark for symbol, each in self._instruments.items()}

    def view(self) -> AccountView:
        """Return the account as it is now; the same object until the next write."""
        with self._lock:
            if self._view is None:
                self._view = self._make_view()
            return self._view

    def _write_orders(self, orders: tuple[PaperOrder, ...], *, replace: bool) -> None:
        with self._lock:
            for order in orders:
                what = f"order {order.exchange_order_id}"
                self._check_quantities(what, order.symbol, order.quantity, order.filled)
            kept = {} if replace else dict(self._orders)
            self._orders = kept | {order.exchange_order_id: order for order in orders}
            self._view = None

    def _write_fills(self, fills: tuple[PaperFill, ...], *, replace: bool) -> None:
        with self._lock:
            for fill in fills:
                self._check_quantities(f"fill {fill.fill_id}", fill.symbol, fill.quantity)
            kept = {} if replace else dict(self._fills)
            self._fills = kept | {fill.key: fill for fill in fills}
            self._view = None

    def _write_positions(self, positions: tuple[PaperPosition, ...], *, replace: bool) -> None:
        with self._lock:
            for position in positions:
                self._check_position(position)
            now = self.now()
            written = {each.key: self._held(each, now) for each in positions}
            self._positions = ({} if replace else self._positions) | written
            self._view = None

    def _held(self, position: PaperPosition, now: datetime) -> HeldPosition:
        old = self._positions.get(position.key)
        if old is None:
            return HeldPosition(position, opened_at=now, changed_at=now)
        changed_at = old.changed_at if old.position == position else now
        return HeldPosition(position, opened_at=old.opened_at, changed_at=changed_at)

    def _check_position(self, position: PaperPosition) -> None:
        what = f"position {position.symbol} {position.side}"
        self._check_quantities(what, position.symbol, position.quantity)
        if not self.instrument(position.symbol).is_swap:
            raise ValueError(f"{what}: spot is held as a balance, not as a position")
        if (position.side == "net") != (self.position_mode == "net"):
            raise ValueError(f"{what}: account {self.name} is in {self.position_mode} mode")

    def _check_quantities(self, what: str, symbol: str, *quantities: Decimal) -> None:
        instrument = self.instrument(symbol)
        for quantity in quantities:
            to_wire_units(what, instrument, quantity)

    def _make_view(self) -> AccountView:
        orders = tuple(self._orders.values())
        fills = tuple(self._fills.values())
        children: dict[str, list[PaperOrder]] = {}
        for order in orders:
            if order.parent is not None:
                children.setdefault(order.parent, []).append(order)
        fills_by_order: dict[str, list[PaperFill]] = {}
        for fill in fills:
            if fill.exchange_order_id is not None and fill.kind != "funding":
                fills_by_order.setdefault(fill.exchange_order_id, []).append(fill)
        return AccountView(
            name=self.name,
            position_mode=self.position_mode,
            permissions=self._permissions,
            include_flat_positions=self._include_flat_positions,
            instruments=dict(self._instruments),
            balances=dict(self._balances),
            positions=tuple(self._positions.values()),
            orders=Listing(orders, id_of=_order_id, time_of=lambda order: order.created_at),
            fills=Listing(
                (fill for fill in fills if fill.kind != "funding"),
                id_of=_bill_id,
                time_of=_bill_time,
            ),
            bills=Listing((*fills, *self._transfers.values()), id_of=_bill_id, time_of=_bill_time),
            orders_by_id=dict(self._orders),
            children={parent: tuple(each) for parent, each in children.items()},
            fills_by_order={order: tuple(each) for order, each in fills_by_order.items()},
        )


def _order_id(order: PaperOrder) -> str:
    return order.exchange_order_id


def _bill_id(bill: Bill) -> str:
    return bill.fill_id if isinstance(bill, PaperFill) else bill.transfer_id


def _bill_time(bill: Bill) -> datetime:
    return bill.executed_at if isinstance(bill, PaperFill) else bill.at
