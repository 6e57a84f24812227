"""The questions to Kraken (spot): which endpoint, and when an answer is whole.

It answers reads of the account to POST only; `strict_client` lets those pass, by name, and no
other. One list holds the open orders of every class. A list of trades says how many there are,
which proves the walk through it.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.domain.amounts import total
from reconciliation.domain.key_rights import KeyRights
from reconciliation.domain.types import (
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    FillPage,
    OpenOrders,
)
from reconciliation.enums import InstrumentType, OrderClass, PositionMode
from reconciliation.exchange.fields import Fields, Row, UnreadableAnswer
from reconciliation.exchange.gateway import RetryableExchangeError, Unsupported
from reconciliation.exchange.key_rights import unknown_rights
from reconciliation.exchange.normalize_kraken import (
    milliseconds_of,
    normalize_balances,
    normalize_fill,
    normalize_last_price,
    normalize_order,
)
from reconciliation.exchange.paging import Listed
from reconciliation.exchange.paging_offset import CountedPage, walk_by_offset
from reconciliation.exchange.reader import (
    NO_MARGIN,
    NO_POSITIONS,
    Reader,
    check_fills,
    check_order,
    fill_page,
    require_id,
    window_ms,
)
from reconciliation.exchange.transport import NoSuchOrder

# Trades are kept for ever; so far back as a first reading may go.
FILLS_KEPT = timedelta(days=3650)
# Windows are told in seconds, whose ends are not promised to be counted in.
WINDOW_MARGIN_MS = 2000
ORDERS_AT_ONCE, TRADES_AT_ONCE = 50, 20
# Only this says that an order is not known.
NOT_FOUND_CODE = "EOrder:Unknown order"


@dataclass(frozen=True, slots=True, kw_only=True)
class KrakenReader(Reader):
    """Read one account's spot markets at Kraken.

    `call` sends public requests by their name at ccxt, `ask` those about the account by their
    path; `currency` returns the unified code of a currency.
    """

    ask: Callable[[str, Mapping[str, str]], object]
    currency: Callable[[str], str | None]

    @property
    def order_classes(self) -> tuple[OrderClass, ...]:
        return (OrderClass.REGULAR,)

    def fetch_open_orders(self, order_class: OrderClass) -> OpenOrders:
        """Return all open orders: the one list has stops and the like as well."""
        if order_class != OrderClass.REGULAR:
            raise Unsupported(f"kraken: {order_class.value} orders are not listed apart")
        as_of = self.clock()
        rows = self._rows("OpenOrders", {}, "open")
        orders = self.read(
            lambda reading: tuple(
                order for row in rows if (order := normalize_order(row, reading)) is not None
            )
        )
        return OpenOrders(order_class=order_class, orders=orders, as_of=as_of)

    def fetch_fill_pages(
        self, instrument_type: InstrumentType, *, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        """Yield the fills of a window, newest page first, each page complete for its interval."""
        self.check_type(instrument_type)
        pages = functools.partial(self._fill_pages, instrument_type)
        yield from self.kept_pages(pages, start=start, end=end, kept_for=FILLS_KEPT)

    def fetch_order_fills(self, *, symbol: str, exchange_order_id: str) -> tuple[ExchangeFill, ...]:
        """Return every fill of one order, newest first: they add up to what it has executed."""
        self.table().instrument(symbol)
        orders = self._orders([exchange_order_id], trades=True)
        if exchange_order_id not in orders:
            raise RetryableExchangeError(f"the exchange does not show order {exchange_order_id}")
        order = Fields(orders[exchange_order_id], kind="order", id_fields=("txid",))
        rows = [
            row
            for ids in _batches(order.texts("trades"), TRADES_AT_ONCE)
            for row in self._rows("QueryTrades", {"txid": ",".join(ids)})
        ]
        rows.sort(key=lambda row: _listed_trade(row).time_ms, reverse=True)
        fills = self._fills(tuple(rows), orders)
        check_fills(fills, exchange_order_id)
        executed, shown = order.required_amount("vol_exec"), total(each.quantity for each in fills)
        if shown != executed:
            raise RetryableExchangeError(
                f"order {exchange_order_id} has executed {executed}, its fills add up to {shown}"
            )
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

        By its client id it is asked for among the open orders, then among the closed ones.
        """
        require_id(exchange_order_id, client_order_id)
        if order_class != OrderClass.REGULAR:
            raise Unsupported(f"kraken: {order_class.value} orders are not listed apart")
        self.table().instrument(symbol)
        if exchange_order_id is not None:
            row = self._orders([exchange_order_id]).get(exchange_order_id)
            if row is not None:
                return self._one_order(row, "txid", exchange_order_id, symbol)
        if client_order_id is not None:
            filters = {"cl_ord_id": client_order_id}
            for path, name in (("OpenOrders", "open"), ("ClosedOrders", "closed")):
                found = self._rows(path, filters, name)
                if found:
                    newest = max(found, key=_opened_ms)
                    return self._one_order(newest, "cl_ord_id", client_order_id, symbol)
        return None

    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        """Raise `Unsupported`: spot is held as a balance."""
        raise Unsupported(NO_POSITIONS)

    def fetch_position_mode(self) -> PositionMode:
        """Raise `Unsupported`: spot has no positions."""
        raise Unsupported(NO_POSITIONS)

    def fetch_key_rights(self) -> KeyRights:
        """Raise `Unsupported`: what a key may do is not asked for here."""
        raise unknown_rights()

    def fetch_balances(self) -> dict[str, Decimal]:
        """Return the total of each currency that the account has some of."""
        return normalize_balances(self._result(self.ask("BalanceEx", {})), self.currency)

    def fetch_margin_in_use(self) -> dict[str, Decimal]:
        """Raise `Unsupported`: spot has no margin."""
        raise Unsupported(NO_MARGIN)

    def fetch_mark(self, symbol: str) -> Decimal:
        """Return the last price."""
        exchange_id = self.table().exchange_id(symbol)
        result = self._result(self.call("publicGetTicker", {"pair": exchange_id}))
        if set(result) != {exchange_id}:
            raise UnreadableAnswer(f"the answer is not about {exchange_id}, which was asked for")
        return normalize_last_price(result[exchange_id], symbol)

    def _fill_pages(
        self, instrument_type: InstrumentType, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        start_ms, end_ms = window_ms(start, end)
        pages = walk_by_offset(
            self._ask_trades, start_ms=start_ms, end_ms=end_ms, margin_ms=WINDOW_MARGIN_MS
        )
        for page in pages:
            ids = dict.fromkeys(
                Fields(row, kind="fill", id_fields=("txid",)).required_text("ordertxid")
                for row in page.rows
            )
            fills = self._fills(page.rows, self._orders(list(ids)))
            yield fill_page(page, fills, instrument_type, start=start, end=end)

    def _ask_trades(self, *, begin_ms: int, end_ms: int, offset: int) -> CountedPage:
        window = {"start": str(begin_ms // 1000), "end": str(-(-end_ms // 1000))}
        result = self._result(self.ask("TradesHistory", {**window, "ofs": str(offset)}))
        count = result.get("count")
        if not isinstance(count, int):
            raise UnreadableAnswer("the list of trades does not say how many there are")
        return CountedPage(
            rows=[_listed_trade(row) for row in _with_ids(result.get("trades"))], count=count
        )

    def _orders(self, ids: list[str], *, trades: bool = False) -> dict[str, Row]:
        """Return the rows of orders by id, of those that the exchange shows."""
        found: dict[str, Row] = {}
        for some in _batches(ids, ORDERS_AT_ONCE):
            filters = {"txid": ",".join(some)} | ({"trades": "true"} if trades else {})
            try:
                rows = self._rows("QueryOrders", filters)
            except NoSuchOrder as error:
                if error.code == NOT_FOUND_CODE and len(some) == 1:
                    continue
                failure = RetryableExchangeError(str(error))
            else:
                found |= {str(row["txid"]): row for row in rows}
                missing = next((each for each in some if each not in found), None)
                if missing is None:
                    continue
                # Left out of an answer is not what it says of an order that it does not know.
                failure = RetryableExchangeError(
                    f"asked for order {missing}, the exchange answered without it"
                )
            raise failure
        return found

    def _one_order(self, row: Row, name: str, wanted: str, symbol: str) -> ExchangeOrder:
        order = self.read(lambda reading: normalize_order(row, reading))
        if order is None:
            raise Unsupported(f"order {wanted} is of an instrument that is not read")
        answered = Fields(row, kind="order", id_fields=()).text(name)
        return check_order(order, wanted, answered, symbol=symbol)

    def _fills(self, rows: tuple[Row, ...], orders: Mapping[str, Row]) -> tuple[ExchangeFill, ...]:
        return self.read_fills(rows, lambda row, reading: normalize_fill(row, reading, orders))

    def _rows(self, path: str, filters: Mapping[str, str], name: str | None = None) -> list[Row]:
        result = self._result(self.ask(path, filters))
        return _with_ids(result if name is None else result.get(name))

    @staticmethod
    def _result(body: object) -> Mapping[str, object]:
        result = body.get("result") if isinstance(body, Mapping) else None
        if not isinstance(result, Mapping):
            raise UnreadableAnswer("the answer has no result")
        return result


def _batches(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[first : first + size] for first in range(0, len(ids), size))


def _with_ids(rows: object) -> list[Row]:
    if not isinstance(rows, Mapping):
        raise UnreadableAnswer("the answer has no object of rows by their ids")
    return [
        {**Fields(row, kind=f"row {txid}", id_fields=()).row, "txid": txid}
        for txid, row in rows.items()
    ]


def _listed_trade(row: Row) -> Listed:
    fields = Fields(row, kind="fill", id_fields=("txid",))
    time_ms = milliseconds_of(fields, "time")
    if time_ms is None:
        raise fields.fault("time", "is missing")
    txid = fields.required_text("txid")
    return Listed(key=txid, cursor=txid, time_ms=time_ms, row=row)


def _opened_ms(row: Row) -> int:
    return milliseconds_of(Fields(row, kind="order", id_fields=("txid",)), "opentm") or 0
