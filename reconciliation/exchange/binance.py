"""The questions to Binance, spot and USD-M futures: which endpoint, and when an answer is whole.

Its own endpoints are asked: ccxt's `fetchPositions` asks for more than positions, its
`fetchMyTrades` for one page. Fills are listed by symbol only, a window of days at a time, and name
no client order id, which is asked for with their orders.
"""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.domain.key_rights import KeyRights
from reconciliation.domain.types import (
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    FillPage,
    OpenOrders,
)
from reconciliation.enums import InstrumentType, OrderClass, PositionMode
from reconciliation.exchange.fields import Fields, Row, UnreadableAnswer, to_ms
from reconciliation.exchange.gateway import RetryableExchangeError, Unsupported
from reconciliation.exchange.key_rights import binance_rights
from reconciliation.exchange.normalize_account import normalize_price
from reconciliation.exchange.normalize_binance import (
    client_ids_of,
    normalize_algo_order,
    normalize_fill,
    normalize_margin,
    normalize_order,
    normalize_position_mode,
    normalize_positions,
    normalize_spot_balances,
    normalize_wallet,
)
from reconciliation.exchange.paging import Listed, WindowPage
from reconciliation.exchange.paging_ids import ID_PAGE_LIMIT, AskIds, read_by_ids
from reconciliation.exchange.reader import (
    NO_MARGIN,
    NO_POSITIONS,
    Reader,
    check_fills,
    check_order,
    chunks_ms,
    fill_page,
    require_id,
    window_ms,
)
from reconciliation.exchange.transport import NoSuchOrder

# Only this says that an order is not known.
NOT_FOUND_CODE = "-2013"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """What one of Binance's two services calls its lists, and how far they reach."""

    open_orders: str
    order: str
    all_orders: str
    fills: str
    window: timedelta
    fills_kept: timedelta


SPOT = Endpoints(
    open_orders="privateGetOpenOrders",
    order="privateGetOrder",
    all_orders="privateGetAllOrders",
    fills="privateGetMyTrades",
    # A day, less a margin.
    window=timedelta(hours=24) - timedelta(minutes=1),
    # Kept for ever; so far back as a first reading may go.
    fills_kept=timedelta(days=3650),
)
USDM = Endpoints(
    open_orders="fapiPrivateGetOpenOrders",
    order="fapiPrivateGetOrder",
    all_orders="fapiPrivateGetAllOrders",
    fills="fapiPrivateGetUserTrades",
    window=timedelta(days=7) - timedelta(minutes=1),
    # Six months, of which the shortest six have 181 days.
    fills_kept=timedelta(days=181),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceReader(Reader):
    """Read one account; `symbols` are those that its fills are asked for."""

    endpoints: Endpoints
    symbols: frozenset[str]

    @property
    def order_classes(self) -> tuple[OrderClass, ...]:
        return (OrderClass.REGULAR,)

    def fetch_open_orders(self, order_class: OrderClass) -> OpenOrders:
        """Return the open orders of a class; one answer has all of them."""
        as_of = self.clock()
        if order_class != OrderClass.REGULAR:
            raise Unsupported(f"{order_class.value} orders are not listed apart here")
        rows = self._rows(self.endpoints.open_orders, {})
        return OpenOrders(
            order_class=order_class, orders=self._orders(rows, normalize_order), as_of=as_of
        )

    def fetch_fill_pages(
        self, instrument_type: InstrumentType, *, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        """Yield the fills of a window, newest page first, each page of every symbol."""
        self.check_type(instrument_type)
        if not self.symbols:
            raise Unsupported(
                "fills are listed by symbol here: name the symbols that the account trades in its "
                "option symbols"
            )
        pages = functools.partial(self._fill_pages, instrument_type)
        kept_for = self.endpoints.fills_kept
        yield from self.kept_pages(pages, start=start, end=end, kept_for=kept_for)

    def fetch_order_fills(self, *, symbol: str, exchange_order_id: str) -> tuple[ExchangeFill, ...]:
        """Return every fill of one order, newest first."""
        exchange_id = self.table().exchange_id(symbol)
        filters = {"symbol": exchange_id, "orderId": exchange_order_id}
        rows = self._rows(self.endpoints.fills, {**filters, "limit": str(ID_PAGE_LIMIT)})
        if len(rows) >= ID_PAGE_LIMIT:
            raise Unsupported(
                f"order {exchange_order_id} has more fills than are listed for one order"
            )
        listed = sorted((_listed_fill(row) for row in rows), key=lambda each: -each.time_ms)
        fills = self._normalized(
            tuple(each.row for each in listed), self._client_ids(exchange_id, rows)
        )
        check_fills(fills, exchange_order_id)
        return fills

    def fetch_order(
        self,
        *,
        symbol: str,
        exchange_order_id: str | None,
        client_order_id: str | None,
        order_class: OrderClass,
    ) -> ExchangeOrder | None:
        """Return an order by exchange id, else by client id; None: the exchange knows neither."""
        require_id(exchange_order_id, client_order_id)
        if order_class != OrderClass.REGULAR:
            raise Unsupported(f"{order_class.value} orders cannot be asked for apart here")
        return self._find_order(
            symbol,
            self.endpoints.order,
            {"symbol": self.table().exchange_id(symbol)},
            {"orderId": exchange_order_id},
            {"origClientOrderId": client_order_id},
            normalize_order,
        )

    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        """Raise `Unsupported`: spot is held as a balance."""
        raise Unsupported(NO_POSITIONS)

    def fetch_position_mode(self) -> PositionMode:
        """Raise `Unsupported`: spot has no positions."""
        raise Unsupported(NO_POSITIONS)

    def fetch_key_rights(self) -> KeyRights:
        """Return what the key may do: one answer for spot and futures, of another host."""
        return binance_rights(self.call("sapiGetAccountApiRestrictions", {}))

    def fetch_balances(self) -> dict[str, Decimal]:
        """Return the total of each currency that the account has some of."""
        return normalize_spot_balances(self._row("privateGetAccount"), self.table())

    def fetch_margin_in_use(self) -> dict[str, Decimal]:
        """Raise `Unsupported`: spot has no margin."""
        raise Unsupported(NO_MARGIN)

    def fetch_mark(self, symbol: str) -> Decimal:
        """Return the last price."""
        exchange_id = self.table().exchange_id(symbol)
        row = self._row("publicGetTickerPrice", {"symbol": exchange_id})
        return normalize_price(row, exchange_id=exchange_id, name="price", id_field="symbol")

    def _find_order(
        self,
        symbol: str,
        method: str,
        filters: Mapping[str, str],
        by_id: Mapping[str, str | None],
        by_client_id: Mapping[str, str | None],
        normalize: Callable[..., ExchangeOrder | None],
    ) -> ExchangeOrder | None:
        for ids in (by_id, by_client_id):
            ((name, wanted),) = ids.items()
            if wanted is None:
                continue
            try:
                row = self._row(method, {**filters, name: wanted})
            except NoSuchOrder as error:
                if error.code == NOT_FOUND_CODE:
                    continue
                failure = RetryableExchangeError(str(error))
            else:
                order: ExchangeOrder | None = self.read(lambda reading: normalize(row, reading))  # noqa: B023
                if order is None:
                    raise Unsupported(f"order {wanted} is of an instrument that is not read")
                answered = order.exchange_order_id if ids is by_id else order.client_order_id
                return check_order(order, wanted, answered, symbol=symbol)
            raise failure
        return None

    def _fill_pages(
        self, instrument_type: InstrumentType, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        start_ms, end_ms = window_ms(start, end)
        for first_ms, last_ms in chunks_ms(start_ms, end_ms, self.endpoints.window):
            fills: list[ExchangeFill] = []
            for symbol in sorted(self.symbols):
                exchange_id = self.table().exchange_id(symbol)
                found = read_by_ids(self._ask_fills(exchange_id), start_ms=first_ms, end_ms=last_ms)
                rows = [each.row for each in found]
                fills += self._normalized(tuple(rows), self._client_ids(exchange_id, rows))
            page = WindowPage(rows=(), start_ms=first_ms, end_ms=last_ms)
            newest_first = sorted(fills, key=lambda fill: fill.executed_at, reverse=True)
            yield fill_page(page, tuple(newest_first), instrument_type, start=start, end=end)

    def _ask_fills(self, exchange_id: str) -> AskIds:
        def ask(*, begin_ms: int | None, end_ms: int | None, from_id: str | None) -> list[Listed]:
            window = {"startTime": begin_ms, "endTime": end_ms, "fromId": from_id}
            filters = {name: str(value) for name, value in window.items() if value is not None}
            rows = self._rows(
                self.endpoints.fills,
                {"symbol": exchange_id, **filters, "limit": str(ID_PAGE_LIMIT)},
            )
            return [_listed_fill(row) for row in rows]

        return ask

    def _client_ids(self, exchange_id: str, fills: list[Row]) -> dict[str, str]:
        """Return the client ids of the orders of fills, as far as the exchange shows the orders."""
        wanted = {
            int(Fields(row, kind="fill", id_fields=("id",)).required_text("orderId"))
            for row in fills
        }
        found = self._listed_client_ids(exchange_id, wanted)
        left = {each for each in wanted if str(each) not in found}
        # An answer that is cut is not told from orders that are shown no more; and without its
        # client id a fill is nobody's, and a liquidation a trade, for good.
        return found | self._listed_client_ids(exchange_id, left)

    def _listed_client_ids(self, exchange_id: str, wanted: Collection[int]) -> dict[str, str]:
        """Return the client ids of all orders from the first of some on, up to the last."""
        found: dict[str, str] = {}
        next_id = min(wanted, default=None)
        while next_id is not None:
            filters = {"symbol": exchange_id, "orderId": str(next_id), "limit": str(ID_PAGE_LIMIT)}
            rows = self._rows(self.endpoints.all_orders, filters)
            found |= client_ids_of(rows)
            left = [each for each in wanted if str(each) not in found and each > next_id]
            # Behind a page that is not full there are no more.
            next_id = min(left) if left and len(rows) >= ID_PAGE_LIMIT else None
        return found

    def _normalized(
        self, rows: tuple[Row, ...], client_ids: Mapping[str, str]
    ) -> tuple[ExchangeFill, ...]:
        return self.read_fills(rows, lambda row, reading: normalize_fill(row, reading, client_ids))

    def _orders(
        self, rows: list[Row], normalize: Callable[..., ExchangeOrder | None]
    ) -> tuple[ExchangeOrder, ...]:
        return self.read(
            lambda reading: tuple(
                order for row in rows if (order := normalize(row, reading)) is not None
            )
        )

    def _rows(self, method: str, filters: Mapping[str, str]) -> list[Row]:
        rows = self.call(method, filters)
        if not isinstance(rows, list):
            raise UnreadableAnswer(f"the answer is a {type(rows).__name__}, not a list")
        return rows

    def _row(self, method: str, filters: Mapping[str, str] | None = None) -> Row:
        row = self.call(method, filters or {})
        if not isinstance(row, Mapping):
            raise UnreadableAnswer(f"the answer is a {type(row).__name__}, not an object")
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class BinanceUsdmReader(BinanceReader):
    """Read one account of USD-M futures, whose conditional orders are a service of their own."""

    @property
    def order_classes(self) -> tuple[OrderClass, ...]:
        return (OrderClass.REGULAR, OrderClass.CONDITIONAL, OrderClass.TRAILING)

    def fetch_open_orders(self, order_class: OrderClass) -> OpenOrders:
        """Return the open orders of a class."""
        if order_class == OrderClass.REGULAR or order_class not in self.order_classes:
            return BinanceReader.fetch_open_orders(self, order_class)
        as_of = self.clock()
        rows = self._rows("fapiPrivateGetOpenAlgoOrders", {})
        orders = self._orders(rows, normalize_algo_order)
        return OpenOrders(
            order_class=order_class,
            orders=tuple(each for each in orders if each.order_class == order_class),
            as_of=as_of,
        )

    def fetch_order(
        self,
        *,
        symbol: str,
        exchange_order_id: str | None,
        client_order_id: str | None,
        order_class: OrderClass,
    ) -> ExchangeOrder | None:
        """Return an order by exchange id, else by client id; None: the exchange knows neither."""
        if order_class == OrderClass.REGULAR or order_class not in self.order_classes:
            return BinanceReader.fetch_order(
                self,
                symbol=symbol,
                exchange_order_id=exchange_order_id,
                client_order_id=client_order_id,
                order_class=order_class,
            )
        require_id(exchange_order_id, client_order_id)
        self.table().instrument(symbol)
        return self._find_order(
            symbol,
            "fapiPrivateGetAlgoOrder",
            {},
            {"algoId": exchange_order_id},
            {"clientAlgoId": client_order_id},
            normalize_algo_order,
        )

    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        """Return the positions that are not zero, of one symbol or of all."""
        filters = {} if symbol is None else {"symbol": self.table().exchange_id(symbol)}
        rows = self._rows("fapiPrivateV3GetPositionRisk", filters)
        held = self.read(
            lambda reading: normalize_positions(rows, reading, position_mode=self.position_mode)
        )
        return tuple(each for each in held if symbol in (None, each.symbol))

    def fetch_position_mode(self) -> PositionMode:
        """Return whether the account nets its positions."""
        return normalize_position_mode(self._row("fapiPrivateGetPositionSideDual"))

    def fetch_balances(self) -> dict[str, Decimal]:
        """Return the wallet balance of each asset that has one."""
        return normalize_wallet(self._row("fapiPrivateV3GetAccount"), self.table())

    def fetch_margin_in_use(self) -> dict[str, Decimal]:
        """Return the initial margin of all positions, by asset."""
        return normalize_margin(self._row("fapiPrivateV3GetAccount"), self.table())

    def fetch_mark(self, symbol: str) -> Decimal:
        """Return the mark price."""
        exchange_id = self.table().exchange_id(symbol)
        row = self._row("fapiPublicGetPremiumIndex", {"symbol": exchange_id})
        return normalize_price(row, exchange_id=exchange_id, name="markPrice", id_field="symbol")


def _listed_fill(row: Row) -> Listed:
    fields = Fields(row, kind="fill", id_fields=("id",))
    fill_id = fields.required_text("id")
    if not (fill_id.isascii() and fill_id.isdigit()):
        raise fields.fault("id", "is no whole number")
    symbol = fields.required_text("symbol")
    return Listed(
        key=f"{symbol}|{fill_id}",
        cursor=fill_id,
        time_ms=to_ms(fields.required_moment("time")),
        row=row,
    )
