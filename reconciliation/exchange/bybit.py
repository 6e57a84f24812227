"""The questions to Bybit (v5, unified account): which endpoint, and when an answer is whole.

Its own endpoints are asked: ccxt's `fetchMyTrades` asks for trades alone, which hides liquidations,
its `fetchOpenOrders` for one settlement currency.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
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
from reconciliation.exchange.key_rights import bybit_rights
from reconciliation.exchange.normalize_account import normalize_price
from reconciliation.exchange.normalize_bybit import (
    normalize_balances,
    normalize_fill,
    normalize_margin,
    normalize_order,
    normalize_positions,
)
from reconciliation.exchange.paging import Listed
from reconciliation.exchange.paging_time import AskCursor, CursorPage, walk_by_time, walk_cursors
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

# Executions are kept for two years and listed for seven days at a time, less a margin.
FILLS_KEPT = timedelta(days=729)
WINDOW = timedelta(days=7) - timedelta(minutes=1)
PAGE_LIMITS = {"orders": "50", "fills": "100", "positions": "200"}

_CATEGORIES = {InstrumentType.SPOT: "spot", InstrumentType.SWAP: "linear"}
_ORDERS, _OLD_ORDERS = "privateGetV5OrderRealtime", "privateGetV5OrderHistory"


@dataclass(frozen=True, slots=True, kw_only=True)
class BybitReader(Reader):
    """Read one account's linear swaps, or its spot markets, at Bybit."""

    @property
    def order_classes(self) -> tuple[OrderClass, ...]:
        # Spot lists its stops apart, and they are not asked for.
        if self._kind == InstrumentType.SPOT:
            return (OrderClass.REGULAR,)
        return (OrderClass.REGULAR, OrderClass.CONDITIONAL, OrderClass.TRAILING)

    def fetch_open_orders(self, order_class: OrderClass) -> OpenOrders:
        """Return the open orders of a class: one list has all of them, and each says its own."""
        if order_class not in self.order_classes:
            raise Unsupported(f"bybit: {order_class.value} orders are not read")
        as_of = self.clock()
        rows: dict[str, Row] = {}
        for scope in self._scopes(orders=True):
            found = walk_cursors(self._pages(_ORDERS, scope, "orders", _listed_order))
            rows |= {each.key: each.row for each in found}
        orders = self.read(
            lambda reading: tuple(
                order
                for row in rows.values()
                if (order := normalize_order(row, reading)) is not None
            )
        )
        return OpenOrders(
            order_class=order_class,
            orders=tuple(each for each in orders if each.order_class == order_class),
            as_of=as_of,
        )

    def fetch_fill_pages(
        self, instrument_type: InstrumentType, *, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        """Yield the fills of a window, newest page first, each page complete for its interval."""
        self.check_type(instrument_type)
        pages = functools.partial(self._fill_pages, instrument_type)
        yield from self.kept_pages(pages, start=start, end=end, kept_for=FILLS_KEPT)

    def fetch_order_fills(self, *, symbol: str, exchange_order_id: str) -> tuple[ExchangeFill, ...]:
        """Return every fill of one order that the exchange lists for it, newest first."""
        self.table().instrument(symbol)
        found = walk_cursors(self._fills({"orderId": exchange_order_id}))
        found.sort(key=lambda each: each.time_ms, reverse=True)
        fills = self.read_fills(tuple(each.row for each in found), normalize_fill)
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
        """Return an order by exchange id, else by client id; None: the exchange knows neither.

        What is not among the recent orders is asked for among the old ones.
        """
        require_id(exchange_order_id, client_order_id)
        exchange_id = self.table().exchange_id(symbol)
        wanted_by = {"orderId": exchange_order_id, "orderLinkId": client_order_id}
        for name, wanted in wanted_by.items():
            if wanted is None:
                continue
            filters = {"category": self._category, "symbol": exchange_id, name: wanted}
            for method in (_ORDERS, _OLD_ORDERS):
                rows = self._list(method, filters)[0]
                if rows:
                    return self._one_order(rows, name, wanted, symbol)
        return None

    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        """Return the positions that are not zero; spot is held as a balance and has none."""
        if self._kind == InstrumentType.SPOT:
            raise Unsupported(NO_POSITIONS)
        scopes: tuple[dict[str, str], ...] = self._scopes()
        if symbol is not None:
            scopes = ({"symbol": self.table().exchange_id(symbol)},)
        rows: dict[str, Row] = {}
        for scope in scopes:
            pages = self._pages("privateGetV5PositionList", scope, "positions", _listed_position)
            rows |= {each.key: each.row for each in walk_cursors(pages)}
        held = self.read(
            lambda reading: normalize_positions(
                rows.values(), reading, position_mode=self.position_mode
            )
        )
        return tuple(each for each in held if symbol in (None, each.symbol))

    def fetch_position_mode(self) -> PositionMode:
        """Raise `Unsupported`: each symbol has its own mode, and each position says it."""
        raise Unsupported("bybit: each symbol has its own position mode; none is the account's")

    def fetch_key_rights(self) -> KeyRights:
        """Return what the key may do."""
        return bybit_rights(self.call("privateGetV5UserQueryApi", {}))

    def fetch_balances(self) -> dict[str, Decimal]:
        """Return the wallet balance of each currency that has one."""
        return normalize_balances(self._wallet(), self.table())

    def fetch_margin_in_use(self) -> dict[str, Decimal]:
        """Return the initial margin of all positions, by settlement currency."""
        if self._kind == InstrumentType.SPOT:
            raise Unsupported(NO_MARGIN)
        return normalize_margin(self._wallet(), self.table())

    def fetch_mark(self, symbol: str) -> Decimal:
        """Return the mark price of a swap, the last price of a spot market."""
        exchange_id = self.table().exchange_id(symbol)
        filters = {"category": self._category, "symbol": exchange_id}
        row = _only(self._list("publicGetV5MarketTickers", filters)[0])
        name = "lastPrice" if self._kind == InstrumentType.SPOT else "markPrice"
        return normalize_price(row, exchange_id=exchange_id, name=name, id_field="symbol")

    @property
    def _kind(self) -> InstrumentType:
        return min(self.types)

    @property
    def _category(self) -> str:
        return _CATEGORIES[self._kind]

    def _scopes(self, *, orders: bool = False) -> tuple[dict[str, str], ...]:
        """Return the filters that together list everything: swaps by settlement currency."""
        if self._kind == InstrumentType.SPOT:
            return ({"orderFilter": "Order"} if orders else {},)
        symbols = self.table().by_symbol
        currencies = sorted({symbol.rpartition(":")[2] for symbol in symbols})
        return tuple({"settleCoin": currency} for currency in currencies)

    def _fill_pages(
        self, instrument_type: InstrumentType, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        start_ms, end_ms = window_ms(start, end)
        ask = self._fills({})
        for first_ms, last_ms in chunks_ms(start_ms, end_ms, WINDOW):
            for page in walk_by_time(ask, start_ms=first_ms, end_ms=last_ms):
                fills = self.read_fills(page.rows, normalize_fill)
                yield fill_page(page, fills, instrument_type, start=start, end=end)

    def _fills(self, filters: Mapping[str, str]) -> AskCursor:
        # Without `execType` all kinds are listed: liquidations and the like as well.
        return self._pages("privateGetV5ExecutionList", filters, "fills", _listed_fill)

    def _pages(
        self,
        method: str,
        filters: Mapping[str, str],
        kind: str,
        listed: Callable[[Row], Listed],
    ) -> AskCursor:
        def ask(*, begin_ms: int, end_ms: int, cursor: str | None) -> CursorPage:
            window = {"startTime": str(begin_ms), "endTime": str(end_ms)} if end_ms else {}
            rows, next_cursor = self._list(
                method,
                {
                    "category": self._category,
                    **filters,
                    **window,
                    **({} if cursor is None else {"cursor": cursor}),
                    "limit": PAGE_LIMITS[kind],
                },
            )
            return CursorPage(rows=[listed(row) for row in rows], cursor=next_cursor)

        return ask

    def _one_order(self, rows: list[Row], name: str, wanted: str, symbol: str) -> ExchangeOrder:
        row = _newest(rows)
        order = self.read(lambda reading: normalize_order(row, reading))
        if order is None:
            raise Unsupported(f"order {wanted} is of an instrument that is not read")
        answered = Fields(row, kind="order", id_fields=()).text(name)
        return check_order(order, wanted, answered, symbol=symbol)

    def _wallet(self) -> Row:
        return _only(self._list("privateGetV5AccountWalletBalance", {"accountType": "UNIFIED"})[0])

    def _list(self, method: str, filters: Mapping[str, str]) -> tuple[list[Row], str | None]:
        """Return the rows of a page and the cursor of the next one."""
        body = self.call(method, filters)
        result = body.get("result") if isinstance(body, Mapping) else None
        rows = result.get("list") if isinstance(result, Mapping) else None
        if not isinstance(result, Mapping) or not isinstance(rows, list):
            raise UnreadableAnswer("the answer has no list")
        if result.get("category", filters.get("category")) != filters.get("category"):
            raise RetryableExchangeError(
                f"asked for {filters.get('category')}, the exchange answered "
                f"{str(result.get('category'))[:20]}"
            )
        return rows, Fields(result, kind="page", id_fields=()).text("nextPageCursor")


def _newest(rows: list[Row]) -> Row:
    """Return the last of several orders under one client id."""
    made = [Fields(row, kind="order", id_fields=("orderId",)) for row in rows]
    return max(made, key=lambda fields: to_ms(fields.required_moment("createdTime"))).row


def _only(rows: list[Row]) -> Row:
    if len(rows) != 1:
        raise RetryableExchangeError(
            f"the exchange answered {len(rows)} rows where it always has one"
        )
    return rows[0]


def _listed_fill(row: Row) -> Listed:
    fields = Fields(row, kind="fill", id_fields=("execId",))
    names = ("symbol", "side", "execId")
    return Listed(
        key="|".join(fields.required_text(name) for name in names),
        cursor="",
        time_ms=to_ms(fields.required_moment("execTime")),
        row=row,
    )


def _listed_order(row: Row) -> Listed:
    order_id = Fields(row, kind="order", id_fields=()).required_text("orderId")
    return Listed(key=order_id, cursor="", time_ms=0, row=row)


def _listed_position(row: Row) -> Listed:
    fields = Fields(row, kind="position", id_fields=("symbol",))
    key = f"{fields.required_text('symbol')}|{fields.required_text('positionIdx')}"
    return Listed(key=key, cursor="", time_ms=0, row=row)
