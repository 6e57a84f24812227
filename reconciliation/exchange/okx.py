"""The questions to OKX: which endpoint, with which parameters, and when an answer is whole.

Its own endpoints are asked (through ccxt, which signs and sends), not ccxt's unified methods:
those drop the limit where there is a start, ask for one page, and turn an order that was not found
into an order of nothing. A row is normalised from what the exchange sent.
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
from reconciliation.exchange.gateway import (
    RetryableExchangeError,
    Unsupported,
)
from reconciliation.exchange.key_rights import okx_rights
from reconciliation.exchange.normalize import (
    INSTRUMENT_TYPES,
    normalize_algo_order,
    normalize_fill,
    normalize_order,
)
from reconciliation.exchange.normalize_account import (
    normalize_balances,
    normalize_margin,
    normalize_position_mode,
    normalize_positions,
    normalize_price,
)
from reconciliation.exchange.paging import PAGE_LIMIT, Listed, walk_list, walk_window
from reconciliation.exchange.reader import (
    Reader,
    check_fills,
    fill_page,
    require_id,
    window_ms,
)
from reconciliation.exchange.transport import NoSuchOrder

# Fills are kept for three months, of which the shortest has 89 days.
FILLS_KEPT = timedelta(days=89)
# Only this says that an order is not known; ccxt has the same error class for refused changes.
NOT_FOUND_CODE = "51603"

# The algo types that each class of orders is listed by, one request (or more) each.
ALGO_TYPES = {
    OrderClass.CONDITIONAL: ("conditional", "trigger"),
    OrderClass.OCO: ("oco",),
    OrderClass.TRAILING: ("move_order_stop",),
}

_WIRE_TYPES = {kind: word for word, kind in INSTRUMENT_TYPES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class OkxReader(Reader):
    """Read one account at OKX."""

    @property
    def order_classes(self) -> tuple[OrderClass, ...]:
        return tuple(OrderClass)

    def fetch_open_orders(self, order_class: OrderClass) -> OpenOrders:
        """Return the open orders of a class, of all instruments that the account reads."""
        as_of = self.clock()
        if order_class == OrderClass.REGULAR:
            rows = self._walk_orders("privateGetTradeOrdersPending", {}, id_field="ordId")
            normalize = normalize_order
        else:
            rows = [
                row
                for algo_type in ALGO_TYPES[order_class]
                for row in self._walk_orders(
                    "privateGetTradeOrdersAlgoPending", {"ordType": algo_type}, id_field="algoId"
                )
            ]
            normalize = normalize_algo_order
        orders = self.read(
            lambda reading: tuple(
                order for row in rows if (order := normalize(row, reading)) is not None
            )
        )
        return OpenOrders(order_class=order_class, orders=orders, as_of=as_of)

    def fetch_fill_pages(
        self, instrument_type: InstrumentType, *, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        """Yield the fills of a window, newest page first, each page complete for its interval."""
        self.check_type(instrument_type)
        yield from self.kept_pages(
            functools.partial(self._fill_pages, instrument_type),
            start=start,
            end=end,
            kept_for=FILLS_KEPT,
        )

    def fetch_order_fills(self, *, symbol: str, exchange_order_id: str) -> tuple[ExchangeFill, ...]:
        """Return every fill of one order that the exchange still keeps, newest first."""
        table = self.table()
        filters = {
            "instType": _WIRE_TYPES[table.instrument(symbol).type],
            "instId": table.exchange_id(symbol),
            "ordId": exchange_order_id,
        }
        pages = walk_window(self._ask_fills(filters), start_ms=None, end_ms=None)
        rows = {_fill_key(row): row for page in pages for row in page.rows}
        fills = self._fills(tuple(rows.values()))
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
        instrument_id = self.table().exchange_id(symbol)
        regular = order_class == OrderClass.REGULAR
        names = ("ordId", "clOrdId") if regular else ("algoId", "algoClOrdId")
        method = "privateGetTradeOrder" if regular else "privateGetTradeOrderAlgo"
        for name, wanted in zip(names, (exchange_order_id, client_order_id), strict=True):
            if wanted is None:
                continue
            try:
                rows = self._rows(method, {"instId": instrument_id, name: wanted})
            except NoSuchOrder as error:
                if error.code == NOT_FOUND_CODE:
                    continue
                failure = RetryableExchangeError(str(error))
            else:
                return self._one_order(rows, name, wanted, regular=regular)
            raise failure
        return None

    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        """Return the positions that are not zero; spot is held as a balance and has none."""
        filters = {}
        if symbol is not None:
            table = self.table()
            if table.instrument(symbol).type == InstrumentType.SPOT:
                raise Unsupported(f"{symbol} is held as a balance, not as a position")
            filters["instId"] = table.exchange_id(symbol)
        rows = self._rows("privateGetAccountPositions", filters)
        positions = self.read(
            lambda reading: normalize_positions(rows, reading, position_mode=self.position_mode)
        )
        return tuple(each for each in positions if symbol in (None, each.symbol))

    def fetch_position_mode(self) -> PositionMode:
        """Return whether the account nets its positions."""
        return normalize_position_mode(self._only_row("privateGetAccountConfig"))

    def fetch_key_rights(self) -> KeyRights:
        """Return what the key may do."""
        return okx_rights(self._only_row("privateGetAccountConfig"))

    def fetch_balances(self) -> dict[str, Decimal]:
        """Return the cash of each currency that has some."""
        row = self._only_row("privateGetAccountBalance")
        return normalize_balances(row, self.table())

    def fetch_margin_in_use(self) -> dict[str, Decimal]:
        """Return the initial margin in use, by settlement currency."""
        row = self._only_row("privateGetAccountBalance")
        return normalize_margin(row, self.table())

    def fetch_mark(self, symbol: str) -> Decimal:
        """Return the mark price of a swap, the last price of a spot market."""
        table = self.table()
        exchange_id = table.exchange_id(symbol)
        if table.instrument(symbol).type == InstrumentType.SPOT:
            row = self._only_row("publicGetMarketTicker", {"instId": exchange_id})
            return normalize_price(row, exchange_id=exchange_id, name="last")
        filters = {"instType": "SWAP", "instId": exchange_id}
        row = self._only_row("publicGetPublicMarkPrice", filters)
        return normalize_price(row, exchange_id=exchange_id, name="markPx")

    def _fill_pages(
        self, instrument_type: InstrumentType, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        ask = self._ask_fills({"instType": _WIRE_TYPES[instrument_type]})
        start_ms, end_ms = window_ms(start, end)
        for page in walk_window(ask, start_ms=start_ms, end_ms=end_ms):
            fills = self._fills(page.rows)
            yield fill_page(page, fills, instrument_type, start=start, end=end)

    def _ask_fills(self, filters: Mapping[str, str]) -> Callable[..., list[Listed]]:
        def ask(*, begin_ms: int | None, end_ms: int | None, after: str | None) -> list[Listed]:
            rows = self._rows(
                "privateGetTradeFillsHistory",
                {
                    **filters,
                    **({} if begin_ms is None else {"begin": str(begin_ms)}),
                    **({} if end_ms is None else {"end": str(end_ms)}),
                    **({} if after is None else {"after": after}),
                    "limit": str(PAGE_LIMIT),
                },
            )
            return [_listed_fill(row) for row in rows]

        return ask

    def _walk_orders(self, method: str, filters: Mapping[str, str], *, id_field: str) -> list[Row]:
        def ask(after: str | None) -> list[Listed]:
            cursor = {} if after is None else {"after": after}
            rows = self._rows(method, {**filters, **cursor, "limit": str(PAGE_LIMIT)})
            return [_listed_order(row, id_field) for row in rows]

        return walk_list(ask)

    def _one_order(
        self, rows: list[Row], name: str, wanted: str, *, regular: bool
    ) -> ExchangeOrder:
        """Return the order that was asked for; an empty answer is no answer, not "not found"."""
        if len(rows) != 1:
            raise RetryableExchangeError(
                f"asked for order {wanted}, the exchange answered {len(rows)} rows"
            )
        answered = Fields(rows[0], kind="order", id_fields=("ordId", "algoId")).text(name)
        if answered != wanted:
            raise RetryableExchangeError(
                f"asked for order {wanted}, the exchange answered {answered or 'one without an id'}"
            )
        normalize = normalize_order if regular else normalize_algo_order
        order = self.read(lambda reading: normalize(rows[0], reading))
        if order is None:
            raise Unsupported(f"order {wanted} is of an instrument that is not read")
        return order

    def _fills(self, rows: tuple[Row, ...]) -> tuple[ExchangeFill, ...]:
        return self.read_fills(rows, normalize_fill)

    def _only_row(self, method: str, filters: Mapping[str, str] | None = None) -> Row:
        rows = self._rows(method, filters or {})
        if len(rows) != 1:
            raise RetryableExchangeError(
                f"the exchange answered {len(rows)} rows where it always has one"
            )
        return rows[0]

    def _rows(self, method: str, filters: Mapping[str, str]) -> list[Row]:
        body = self.call(method, filters)
        data = body.get("data") if isinstance(body, Mapping) else None
        if not isinstance(data, list):
            raise UnreadableAnswer("the answer has no list of data")
        return data


def _listed_fill(row: Row) -> Listed:
    fields = Fields(row, kind="fill", id_fields=("billId", "tradeId"))
    return Listed(
        key=_fill_key(row),
        cursor=fields.required_text("billId"),
        time_ms=to_ms(fields.required_moment("ts")),
        row=row,
    )


def _fill_key(row: Row) -> str:
    fields = Fields(row, kind="fill", id_fields=("billId", "tradeId"))
    return "|".join(fields.required_text(name) for name in ("instId", "side", "billId"))


def _listed_order(row: Row, id_field: str) -> Listed:
    order_id = Fields(row, kind="order", id_fields=("ordId", "algoId")).required_text(id_field)
    return Listed(key=order_id, cursor=order_id, time_ms=0, row=row)
