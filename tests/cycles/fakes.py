"""An exchange account that answers what a test tells it to, and fails when it is told to.

It refuses to be asked within a transaction: the network is never used while a lock is held.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from reconciliation.domain.key_rights import KeyRights
from reconciliation.domain.types import (
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    FillPage,
    Instrument,
    OpenOrders,
)
from reconciliation.enums import (
    ACTIVE_ORDER_STATUSES,
    InstrumentType,
    OrderClass,
    PositionMode,
)
from reconciliation.exchange.gateway import (
    ExchangeError,
    Gateway,
    HistoryUnobtainable,
    UnknownSymbol,
)
from reconciliation.handlers.unit import current_unit
from reconciliation.models import ExchangeAccount
from tests.builders import FixedClock

ALWAYS = 10**9


def instrument(symbol: str = "BTC/USDT:USDT", **values: Any) -> Instrument:
    """Build a market in which a ten-thousandth of a coin is the smallest step."""
    base, _, rest = symbol.partition("/")
    defaults: dict[str, Any] = {
        "symbol": symbol,
        "type": InstrumentType.SWAP if ":" in rest else InstrumentType.SPOT,
        "base": base,
        "quote": rest.partition(":")[0],
        "contract_size": Decimal(1),
        "amount_step": Decimal("0.0001"),
        "price_tick": Decimal("0.1"),
    }
    return Instrument(**{**defaults, **values})


class FakeGateway:
    """Implements the gateway's protocol over lists that a test fills in.

    `orders` are all orders that the exchange knows, open or not; an open one can be `hidden` from
    the lists, as in a race. Each method is counted in `asked`.
    """

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.orders: list[ExchangeOrder] = []
        self.fills: list[ExchangeFill] = []
        self.positions: list[ExchangePosition] = []
        self.margin_in_use: dict[str, Decimal] = {}
        self.balances: dict[str, Decimal] = {}
        self.instruments = {each.symbol: each for each in (instrument(), instrument("BTC/USDT"))}
        self.classes: Collection[OrderClass] = (OrderClass.REGULAR, OrderClass.CONDITIONAL)
        self.types: Collection[InstrumentType] = (InstrumentType.SWAP,)
        self.hidden: set[str] = set()
        self.kept_since: datetime | None = None
        self.page_size = 100
        self.asked: Counter[str] = Counter()
        self.rights = KeyRights(may_trade=False, may_move_money=False, words=("read_only",))
        self.clock_lead = timedelta(0)
        self.windows: list[tuple[datetime, datetime]] = []
        self.budgets: list[float] = []
        self.closed = False
        self._faults: list[tuple[str, object, Exception, int]] = []
        self._outside = len(connection.atomic_blocks)

    def fail(
        self, method: str, error: Exception, *, only: object = None, times: int = ALWAYS
    ) -> None:
        """Let the next answers of a method be an error; `only` narrows it to one argument."""
        self._faults.append((method, only, error, times))

    def heal(self) -> None:
        """End all faults."""
        self._faults.clear()

    def _ask(self, method: str, *arguments: object) -> None:
        assert len(connection.atomic_blocks) == self._outside, "the network within a transaction"
        assert current_unit() is None, "the network within a transaction unit"
        self.asked[method] += 1
        for at, (name, only, error, times) in enumerate(self._faults):
            if name == method and times > 0 and (only is None or only in arguments):
                self._faults[at] = (name, only, error, times - 1)
                raise error

    @property
    def order_classes(self) -> Collection[OrderClass]:
        return self.classes

    @property
    def instrument_types(self) -> Collection[InstrumentType]:
        return self.types

    def begin_cycle(self, *, budget_seconds: float) -> None:
        self.budgets.append(budget_seconds)

    def load_instruments(self) -> Mapping[str, Instrument]:
        self._ask("load_instruments")
        return self.instruments

    def fetch_open_orders(self, order_class: OrderClass) -> OpenOrders:
        self._ask("fetch_open_orders", order_class)
        listed = tuple(
            order
            for order in self.orders
            if order.order_class == order_class
            and order.status in ACTIVE_ORDER_STATUSES
            and order.exchange_order_id not in self.hidden
        )
        return OpenOrders(order_class=order_class, orders=listed, as_of=self.clock.now())

    def fetch_fill_pages(
        self, instrument_type: InstrumentType, *, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        self.windows.append((start, end))
        kept = start if self.kept_since is None else max(start, self.kept_since)
        fills = sorted(
            (
                fill
                for fill in self.fills
                if kept <= fill.executed_at <= end
                and self.instruments[fill.symbol].type == instrument_type
            ),
            key=lambda fill: fill.executed_at,
            reverse=True,
        )
        while True:
            self._ask("fetch_fill_pages", instrument_type)
            page, fills = fills[: self.page_size], fills[self.page_size :]
            # Between two pages nothing is left out: the next one ends where this one starts.
            begin = fills[0].executed_at + timedelta(milliseconds=1) if fills else kept
            yield FillPage(instrument_type=instrument_type, fills=tuple(page), start=begin, end=end)
            end = begin
            if not fills:
                break
        if kept > start:
            raise HistoryUnobtainable("the exchange keeps no older fills", before=kept)

    def fetch_order(
        self,
        *,
        symbol: str,
        exchange_order_id: str | None,
        client_order_id: str | None,
        order_class: OrderClass,
    ) -> ExchangeOrder | None:
        self._ask("fetch_order", exchange_order_id, client_order_id, symbol)
        if symbol not in self.instruments:
            raise UnknownSymbol(f"no symbol {symbol}")
        known = [order for order in self.orders if order.symbol == symbol]
        by_id = [order for order in known if order.exchange_order_id == exchange_order_id]
        by_client_id = [
            order
            for order in known
            if client_order_id is not None and order.client_order_id == client_order_id
        ]
        # Of several under one client id the exchange answers with the newest.
        return next(iter([*by_id, *reversed(by_client_id)]), None)

    def fetch_order_fills(self, *, symbol: str, exchange_order_id: str) -> tuple[ExchangeFill, ...]:
        self._ask("fetch_order_fills", exchange_order_id, symbol)
        return tuple(
            fill
            for fill in self.fills
            if (fill.symbol, fill.exchange_order_id) == (symbol, exchange_order_id)
        )

    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        self._ask("fetch_positions", symbol)
        return tuple(each for each in self.positions if symbol in (None, each.symbol))

    def fetch_position_mode(self) -> PositionMode:
        self._ask("fetch_position_mode")
        return PositionMode.NET

    def fetch_key_rights(self) -> KeyRights:
        self._ask("fetch_key_rights")
        return self.rights

    def fetch_clock_lead(self) -> timedelta:
        self._ask("fetch_clock_lead")
        return self.clock_lead

    def fetch_balances(self) -> Mapping[str, Decimal]:
        self._ask("fetch_balances")
        return self.balances

    def fetch_margin_in_use(self) -> Mapping[str, Decimal]:
        self._ask("fetch_margin_in_use")
        return self.margin_in_use

    def fetch_mark(self, symbol: str) -> Decimal:
        self._ask("fetch_mark", symbol)
        return Decimal(60000)

    def close(self) -> None:
        self.closed = True


class FakeGateways:
    """Gives each account its fake, or the error that keeps it from being made."""

    def __init__(self) -> None:
        self.of_account: dict[str, FakeGateway | ExchangeError] = {}

    def of(self, account: ExchangeAccount) -> Gateway:
        found = self.of_account[account.name]
        if isinstance(found, ExchangeError):
            raise found
        return found
