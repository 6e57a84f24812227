"""Exchanges without a reader of their own, through ccxt's unified structures.

Orders, positions, balances and prices are read. A window of fills is not: its completeness cannot
be proven through a unified method, which hides the exchange's own cursor, so that is `Unsupported`.
Numbers are strings (`exchange.number = str`), sizes are contracts, fees are positive when paid.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from reconciliation.domain.amounts import ZERO, product
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
    InstrumentType,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
)
from reconciliation.exchange.fields import Fields, Row
from reconciliation.exchange.gateway import (
    PermanentExchangeError,
    RetryableExchangeError,
    Unsupported,
)
from reconciliation.exchange.instruments import InstrumentTable
from reconciliation.exchange.key_rights import unknown_rights
from reconciliation.exchange.normalize import sub_tag_of
from reconciliation.exchange.transport import NoSuchOrder

_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_TYPES = {"limit": OrderType.LIMIT, "market": OrderType.MARKET}
_HELD_SIDES = {"long": PositionSide.LONG, "short": PositionSide.SHORT}
_ENDED = {
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnifiedReader:
    """Read one account through a ccxt client's unified methods; one instrument type."""

    client: Any
    table: Callable[[], InstrumentTable]
    clock: Callable[[], datetime]
    position_mode: PositionMode
    types: frozenset[InstrumentType]
    sub_tag_field: str = ""
    sub_tag_separator: str = ""
    trade_hint_field: str = ""

    @property
    def order_classes(self) -> tuple[OrderClass, ...]:
        return (OrderClass.REGULAR,)

    def fetch_open_orders(self, order_class: OrderClass) -> OpenOrders:
        """Return the open orders that one unified request lists."""
        if order_class != OrderClass.REGULAR:
            raise Unsupported(f"orders of class {order_class.value} are not listed apart here")
        as_of = self.clock()
        rows = self._ask("fetchOpenOrders")
        orders = tuple(self._order(row) for row in _list(rows))
        return OpenOrders(order_class=order_class, orders=orders, as_of=as_of)

    def fetch_fill_pages(
        self, instrument_type: InstrumentType, *, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        """Raise `Unsupported`: nothing proves that a unified list of fills is whole."""
        raise Unsupported(
            f"{self.client.id}: a complete window of {instrument_type.value} fills cannot be "
            "proven through ccxt's unified methods"
        )

    def fetch_order_fills(self, *, symbol: str, exchange_order_id: str) -> tuple[ExchangeFill, ...]:
        """Return the fills of one order, newest first."""
        rows = _list(self._ask("fetchOrderTrades", exchange_order_id, symbol))
        fills = [self._fill(row, self.table().instrument(symbol)) for row in rows]
        return tuple(sorted(fills, key=lambda fill: fill.executed_at, reverse=True))

    def fetch_order(
        self,
        *,
        symbol: str,
        exchange_order_id: str | None,
        client_order_id: str | None,
        order_class: OrderClass,
    ) -> ExchangeOrder | None:
        """Return an order by exchange id; by client id alone it cannot be asked for."""
        if order_class != OrderClass.REGULAR:
            raise Unsupported(f"orders of class {order_class.value} cannot be asked for here")
        if exchange_order_id is None:
            raise Unsupported("an order is asked for by its exchange id here, and has none")
        self.table().instrument(symbol)
        try:
            row = self._ask("fetchOrder", exchange_order_id, symbol)
        except NoSuchOrder:
            row = None
            if client_order_id is not None:
                raise Unsupported(
                    f"order {exchange_order_id} is not known by that id, and by its client id it "
                    "cannot be asked for here"
                ) from None
        if row is None:
            return None
        answered = Fields(row, kind="order", id_fields=("id",)).text("id")
        if answered != exchange_order_id:
            raise RetryableExchangeError(
                f"asked for order {exchange_order_id}, the exchange answered "
                f"{answered or 'one without an id'}"
            )
        return self._order(row)

    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        """Return the positions that are not zero."""
        if InstrumentType.SWAP not in self.types:
            raise Unsupported("spot is held as a balance, not as a position")
        if symbol is not None:
            self.table().instrument(symbol)
        rows = _list(self._ask("fetchPositions", None if symbol is None else [symbol]))
        held = [each for row in rows if (each := self._position(row)) is not None]
        return tuple(each for each in held if symbol in (None, each.symbol))

    def fetch_position_mode(self) -> PositionMode:
        """Return whether the account nets its positions."""
        answer = Fields(self._ask("fetchPositionMode"), kind="account", id_fields=())
        hedged = answer.row.get("hedged")
        if not isinstance(hedged, bool):
            raise answer.fault("hedged", "is missing")
        return PositionMode.HEDGE if hedged else PositionMode.NET

    def fetch_key_rights(self) -> KeyRights:
        """Raise `Unsupported`: what a key may do is not asked for here."""
        raise unknown_rights()

    def fetch_balances(self) -> dict[str, Decimal]:
        """Return the total balance of each currency that has one."""
        answer = Fields(self._ask("fetchBalance"), kind="balance", id_fields=())
        totals = Fields(answer.row.get("total"), kind="balance: total", id_fields=())
        amounts = {code: totals.amount(code) for code in totals.row}
        return {code: amount for code, amount in amounts.items() if amount}

    def fetch_margin_in_use(self) -> dict[str, Decimal]:
        """Raise `Unsupported`: there is no unified field for it."""
        raise Unsupported(f"{self.client.id}: the margin in use is not read")

    def fetch_mark(self, symbol: str) -> Decimal:
        """Return the mark price of a swap, the last price of a spot market."""
        swap = self.table().instrument(symbol).type == InstrumentType.SWAP
        name = "fetchMarkPrice" if swap else "fetchTicker"
        ticker = Fields(self._ask(name, symbol), kind=f"price of {symbol}", id_fields=())
        price_name = "markPrice" if swap else "last"
        price = ticker.required_amount(price_name)
        if price <= 0:
            raise ticker.fault(price_name, "is not above zero")
        return price

    def _ask(self, capability: str, *arguments: object) -> object:
        if self.client.has.get(capability) is not True:
            raise Unsupported(f"{self.client.id} has no {capability}")
        # The unified methods look their markets up in the client.
        if not self.client.markets:
            self.client.set_markets([dict(market) for market in self.table().markets])
        answer: object = getattr(self.client, capability)(*arguments)
        return answer

    def _order(self, row: object) -> ExchangeOrder:
        fields = Fields(row, kind="order", id_fields=("id", "clientOrderId"))
        instrument = self.table().instrument(fields.required_text("symbol"))
        info = self._info(fields)
        quantity = _base_units(fields, "amount", instrument)
        filled = _base_units(fields, "filled", instrument)
        order_type = fields.word("type", _TYPES)
        return ExchangeOrder(
            exchange_order_id=fields.required_text("id"),
            symbol=instrument.symbol,
            side=fields.word("side", _SIDES),
            type=order_type,
            order_class=OrderClass.REGULAR,
            status=order_status(fields, quantity=quantity, filled=filled),
            quantity=quantity,
            filled_quantity=filled,
            price=None if order_type == OrderType.MARKET else _price(fields, "price"),
            average_price=_price(fields, "average"),
            created_at=fields.moment("timestamp"),
            updated_at=fields.moment("lastUpdateTimestamp"),
            client_order_id=fields.text("clientOrderId"),
            sub_tag=self._sub_tag(info, fields.text("clientOrderId")),
            trade_hint=info.text(self.trade_hint_field),
            reduce_only=fields.row.get("reduceOnly") is True,
            raw=info.raw(),
        )

    def _fill(self, row: object, instrument: Instrument) -> ExchangeFill:
        fields = Fields(row, kind="fill", id_fields=("id", "order"))
        info = self._info(fields)
        quantity = _base_units(fields, "amount", instrument)
        if quantity is None or quantity <= 0:
            raise fields.fault("amount", "is not above zero")
        fee = Fields(fields.row.get("fee") or {}, kind=f"{fields.what} fee of", id_fields=())
        return ExchangeFill(
            fill_id=fields.required_text("id"),
            symbol=instrument.symbol,
            side=fields.word("side", _SIDES),
            quantity=quantity,
            price=fields.required_amount("price"),
            executed_at=fields.required_moment("timestamp"),
            exchange_order_id=fields.text("order"),
            sub_tag=self._sub_tag(info, None),
            trade_hint=info.text(self.trade_hint_field),
            fee=fee.amount("cost"),
            fee_currency=fee.text("currency"),
            raw=info.raw(),
        )

    def _position(self, row: object) -> ExchangePosition | None:
        fields = Fields(row, kind="position", id_fields=("symbol", "id"))
        contracts = fields.amount("contracts")
        if contracts is None:
            raise fields.fault("contracts", "is missing")
        if contracts == 0:
            return None
        instrument = self.table().instrument(fields.required_text("symbol"))
        side = fields.word("side", _HELD_SIDES)
        hedged = fields.row.get("hedged") is True
        if hedged != (self.position_mode == PositionMode.HEDGE):
            raise PermanentExchangeError(
                f"{fields.what}: the account is configured with position mode "
                f"{self.position_mode.value}, which it does not have at the exchange"
            )
        size = contracts.copy_abs()
        signed = size.copy_negate() if side == PositionSide.SHORT else size
        return ExchangePosition(
            symbol=instrument.symbol,
            side=side if hedged else PositionSide.NET,
            quantity=fields.exact(
                "contracts in base units", product(signed, instrument.contract_size)
            ),
            entry_price=_price(fields, "entryPrice"),
            mark_price=_price(fields, "markPrice"),
            raw=self._info(fields).raw(),
        )

    def _sub_tag(self, info: Fields, client_order_id: str | None) -> str | None:
        return sub_tag_of(
            info, client_order_id, field=self.sub_tag_field, separator=self.sub_tag_separator
        )

    def _info(self, fields: Fields) -> Fields:
        return Fields(fields.row.get("info"), kind=f"{fields.what}: info of", id_fields=())


def order_status(
    fields: Fields, *, quantity: Decimal | None, filled: Decimal | None
) -> OrderStatus:
    """Return a status from ccxt's word and the quantities, which decide where the word cannot.

    "closed" is said of cancelled orders too: filled to the full quantity is FILLED, less is
    CANCELED, and where either quantity is not known it is an error.
    """
    word = fields.required_text("status")
    if word == "open":
        return OrderStatus.PARTIALLY_FILLED if (filled or ZERO) > 0 else OrderStatus.OPEN
    if word != "closed":
        return fields.word("status", _ENDED)
    if quantity is None or filled is None:
        raise fields.fault("status", "is closed, but how much was filled is not known")
    return OrderStatus.FILLED if filled >= quantity else OrderStatus.CANCELED


def _list(rows: object) -> Iterable[Row]:
    if not isinstance(rows, list):
        raise RetryableExchangeError(f"expected a list, got a {type(rows).__name__}")
    return rows


def _base_units(fields: Fields, name: str, instrument: Instrument) -> Decimal | None:
    contracts = fields.amount(name)
    if contracts is None:
        return None
    return fields.exact(f"{name} in base units", product(contracts, instrument.contract_size))


def _price(fields: Fields, name: str) -> Decimal | None:
    price = fields.amount(name)
    return price if price is not None and price > 0 else None
