"""Kraken's rows (spot) as the portal's types. Pure, as `normalize` is.

Rows are values of an object whose keys are their ids; the reader puts the key in as `txid`. A fill
names no client order id and no fee currency: both are its order's, which the reader asks for.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.types import ExchangeFill, ExchangeOrder
from reconciliation.enums import OrderClass, OrderStatus, OrderType, Side
from reconciliation.exchange.fields import Fields, Row, from_ms
from reconciliation.exchange.normalize import Reading, base_units, price_of

_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_LIMITED = ("limit", "iceberg")
_ENDED = {"canceled": OrderStatus.CANCELED, "expired": OrderStatus.EXPIRED}
_ACTIVE = ("pending", "open")
_IN_QUOTE = "viqc"
_FEE_IN_QUOTE = "fciq"


def normalize_order(row: object, reading: Reading) -> ExchangeOrder | None:
    """Return an order of any type; what is sized in quote currency has no known quantity."""
    fields = Fields(row, kind="order", id_fields=("txid",))
    terms = Fields(fields.row.get("descr"), kind=f"{fields.what}: descr of", id_fields=("pair",))
    instrument = reading.table.of_row(terms.required_text("pair"))
    if instrument is None:
        return None
    word = terms.required_text("ordertype")
    limited = word in _LIMITED or word.endswith("-limit")
    quantity = None if _IN_QUOTE in flags_of(fields.row) else base_units(fields, "vol", instrument)
    filled = base_units(fields, "vol_exec", instrument)
    client_order_id = fields.text("cl_ord_id")
    return ExchangeOrder(
        exchange_order_id=fields.required_text("txid"),
        symbol=instrument.symbol,
        side=terms.word("type", _SIDES),
        type=OrderType.LIMIT if limited else OrderType.MARKET,
        order_class=OrderClass.REGULAR,
        status=_status(fields, quantity=quantity, filled=filled),
        quantity=quantity,
        filled_quantity=filled,
        price=_limit_price(terms, word) if limited else None,
        average_price=price_of(fields, "price"),
        created_at=moment_of(fields, "opentm"),
        updated_at=moment_of(fields, "closetm"),
        client_order_id=client_order_id,
        sub_tag=reading.sub_tag(fields, client_order_id),
        trade_hint=fields.text(reading.trade_hint_field),
        reduce_only=fields.row.get("reduce_only") is True,
        raw=fields.raw(),
    )


def normalize_fill(row: object, reading: Reading, orders: Mapping[str, Row]) -> ExchangeFill | None:
    """Return an execution; `orders` are the rows of the orders by id, as far as they are known.

    Its fee is in quote currency where its order says so; else it is not known: the exchange states
    it in quote currency and takes it in base currency.
    """
    fields = Fields(row, kind="fill", id_fields=("txid",))
    instrument = reading.table.of_row(fields.required_text("pair"))
    if instrument is None:
        return None
    quantity = base_units(fields, "vol", instrument)
    if quantity is None or quantity <= 0:
        raise fields.fault("vol", "is not above zero")
    executed_at = moment_of(fields, "time")
    if executed_at is None:
        raise fields.fault("time", "is missing")
    order_id = fields.required_text("ordertxid")
    order = orders.get(order_id, {})
    of_order = Fields(order, kind="order", id_fields=("txid",))
    client_order_id = of_order.text("cl_ord_id")
    in_quote = _FEE_IN_QUOTE in flags_of(order)
    return ExchangeFill(
        fill_id=fields.required_text("txid"),
        symbol=instrument.symbol,
        side=fields.word("type", _SIDES),
        quantity=quantity,
        price=fields.required_amount("price"),
        executed_at=executed_at,
        exchange_order_id=order_id,
        client_order_id=client_order_id,
        sub_tag=reading.sub_tag(of_order, client_order_id),
        trade_hint=of_order.text(reading.trade_hint_field),
        fee=fields.amount("fee") if in_quote else None,
        fee_currency=instrument.quote if in_quote else None,
        raw=fields.raw(),
    )


def normalize_balances(
    result: Mapping[str, object], currency: Callable[[str], str | None]
) -> dict[str, Decimal]:
    """Return the total of each currency that the account has some of."""
    amounts: dict[str, Decimal] = {}
    for code, row in result.items():
        amount = Fields(row, kind=f"balance of {code}", id_fields=()).required_amount("balance")
        if amount != ZERO:
            amounts[currency(code) or code] = amount
    return amounts


def normalize_last_price(row: object, symbol: str) -> Decimal:
    """Return the last price of a ticker's row; it is above zero."""
    fields = Fields(row, kind=f"price of {symbol}", id_fields=())
    last = fields.row.get("c")
    price = fields.exact("c", last[0]) if isinstance(last, list) and last else ZERO
    if price <= 0:
        raise fields.fault("c", "holds no price above zero")
    return price


def envelope_problem(body: object) -> str | None:
    """Return what makes a parsed body no answer of the exchange, or None."""
    if not isinstance(body, Mapping):
        return f"the body is a {type(body).__name__}, not an object"
    if not isinstance(body.get("error"), list):
        return "the body has no list of errors"
    # A refusal is named by its errors; only what claims to be a success must carry a result.
    if not body["error"] and not isinstance(body.get("result"), Mapping):
        return "the body has no result"
    return None


def flags_of(order: Row) -> tuple[str, ...]:
    """Return the flags of an order's row."""
    return tuple((Fields(order, kind="order", id_fields=("txid",)).text("oflags") or "").split(","))


def moment_of(fields: Fields, name: str) -> datetime | None:
    """Return a time that is given in seconds, in whole milliseconds; empty or 0 is not known."""
    milliseconds = milliseconds_of(fields, name)
    return None if not milliseconds else from_ms(milliseconds)


def milliseconds_of(fields: Fields, name: str) -> int | None:
    """Return the whole milliseconds of a time that is given in seconds."""
    seconds = fields.amount(name)
    if seconds is None:
        return None
    if seconds < 0:
        raise fields.fault(name, "is negative")
    return int(seconds * 1000)


def _limit_price(terms: Fields, word: str) -> Decimal | None:
    # Of a stop with a limit the first price is the trigger.
    return price_of(terms, "price" if word in _LIMITED else "price2")


def _status(fields: Fields, *, quantity: Decimal | None, filled: Decimal | None) -> OrderStatus:
    word = fields.required_text("status")
    if word in _ACTIVE:
        return OrderStatus.PARTIALLY_FILLED if (filled or ZERO) > 0 else OrderStatus.OPEN
    if word != "closed":
        return fields.word("status", _ENDED)
    if filled is None:
        raise fields.fault("status", "is closed, but how much was filled is not known")
    if quantity is not None and filled < quantity:
        return OrderStatus.CANCELED
    return OrderStatus.FILLED
