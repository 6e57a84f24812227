"""Bybit's rows (v5, unified account) as the portal's types. Pure, as `normalize` is.

Its linear contracts are sized in base units already; the instrument's contract size says so. A
conditional order keeps its id when it is triggered, so that its fills are its own.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from reconciliation.domain.amounts import product
from reconciliation.domain.types import ExchangeFill, ExchangeOrder, ExchangePosition
from reconciliation.enums import (
    FillKind,
    InstrumentType,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
)
from reconciliation.exchange.fields import Fields
from reconciliation.exchange.gateway import PermanentExchangeError
from reconciliation.exchange.instruments import InstrumentTable
from reconciliation.exchange.normalize import Reading, base_units, price_of

_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_TYPES = {"Limit": OrderType.LIMIT, "Market": OrderType.MARKET}
_STATUSES = {
    **dict.fromkeys(("New", "Untriggered", "Triggered"), OrderStatus.OPEN),
    "PartiallyFilled": OrderStatus.PARTIALLY_FILLED,
    "Filled": OrderStatus.FILLED,
    **dict.fromkeys(("Cancelled", "PartiallyFilledCanceled", "Deactivated"), OrderStatus.CANCELED),
    "Rejected": OrderStatus.REJECTED,
}
_PLAIN = ("", "UNKNOWN")
_TRAILING = "TrailingStop"
# In hedge mode each side of a symbol has a position of its own, named by its index.
_NAMED_SIDES = {"0": None, "1": PositionSide.LONG, "2": PositionSide.SHORT}

_FUNDING = "Funding"
_FILL_KINDS = {
    **dict.fromkeys(("Trade", "BlockTrade", "MovePosition", "FutureSpread"), FillKind.TRADE),
    "BustTrade": FillKind.LIQUIDATION,
    "AdlTrade": FillKind.ADL,
    **dict.fromkeys(("Delivery", "Settle"), FillKind.DELIVERY),
}


def normalize_order(row: object, reading: Reading) -> ExchangeOrder | None:
    """Return an order of any class; what is sized in quote currency has no known quantity."""
    fields = Fields(row, kind="order", id_fields=("orderId", "orderLinkId"))
    instrument = reading.table.of_row(fields.required_text("symbol"))
    if instrument is None:
        return None
    order_type = fields.word("orderType", _TYPES)
    stop_type = fields.text("stopOrderType") or ""
    conditional = OrderClass.TRAILING if stop_type == _TRAILING else OrderClass.CONDITIONAL
    quantity = base_units(fields, "qty", instrument)
    in_quote = fields.text("marketUnit") == "quoteCoin"
    client_order_id = fields.text("orderLinkId")
    return ExchangeOrder(
        exchange_order_id=fields.required_text("orderId"),
        symbol=instrument.symbol,
        side=fields.word("side", _SIDES),
        type=order_type,
        order_class=OrderClass.REGULAR if stop_type in _PLAIN else conditional,
        status=fields.word("orderStatus", _STATUSES),
        # Zero is how a stop says that it closes whatever is held then.
        quantity=None if in_quote or quantity == 0 else quantity,
        filled_quantity=base_units(fields, "cumExecQty", instrument),
        price=None if order_type == OrderType.MARKET else price_of(fields, "price"),
        average_price=price_of(fields, "avgPrice"),
        created_at=fields.moment("createdTime"),
        updated_at=fields.moment("updatedTime"),
        client_order_id=client_order_id,
        sub_tag=reading.sub_tag(fields, client_order_id),
        trade_hint=fields.text(reading.trade_hint_field),
        position_side=_named_side(fields),
        reduce_only=fields.row.get("reduceOnly") is True,
        raw=fields.raw(),
    )


def normalize_fill(row: object, reading: Reading) -> ExchangeFill | None:
    """Return an execution, or None for funding too; its kind is the exchange's `execType`."""
    fields = Fields(row, kind="fill", id_fields=("execId",))
    instrument = reading.table.of_row(fields.required_text("symbol"))
    if instrument is None or fields.text("execType") == _FUNDING:
        return None
    quantity = base_units(fields, "execQty", instrument)
    if quantity is None or quantity <= 0:
        raise fields.fault("execQty", "is not above zero")
    fee_currency = reading.table.currency(fields.text("feeCurrency"))
    if fee_currency is None and instrument.type == InstrumentType.SWAP:
        fee_currency = instrument.symbol.rpartition(":")[2]
    client_order_id = fields.text("orderLinkId")
    return ExchangeFill(
        fill_id=fields.required_text("execId"),
        symbol=instrument.symbol,
        side=fields.word("side", _SIDES),
        quantity=quantity,
        price=fields.required_amount("execPrice"),
        executed_at=fields.required_moment("execTime"),
        kind=fields.word("execType", _FILL_KINDS),
        exchange_order_id=fields.text("orderId"),
        client_order_id=client_order_id,
        sub_tag=reading.sub_tag(fields, client_order_id),
        trade_hint=fields.text(reading.trade_hint_field),
        fee=fields.amount("execFee"),
        fee_currency=fee_currency,
        raw=fields.raw(),
    )


def normalize_positions(
    rows: Iterable[object], reading: Reading, *, position_mode: PositionMode
) -> tuple[ExchangePosition, ...]:
    """Return what is held; zero sizes are left out.

    Raises `PermanentExchangeError` where a symbol is not in the configured position mode.
    """
    held = (_position(row, reading, position_mode) for row in rows)
    return tuple(position for position in held if position is not None)


def normalize_balances(row: object, table: InstrumentTable) -> dict[str, Decimal]:
    """Return the wallet balance of each currency: profit not realised is no balance."""
    return _by_coin(row, table, "walletBalance")


def normalize_margin(row: object, table: InstrumentTable) -> dict[str, Decimal]:
    """Return the initial margin of all positions, by settlement currency."""
    return _by_coin(row, table, "totalPositionIM")


def envelope_problem(body: object) -> str | None:
    """Return what makes a parsed body no answer of the exchange, or None.

    Without this, ccxt takes a body that has no `result` as an answer without rows.
    """
    if not isinstance(body, Mapping):
        return f"the body is a {type(body).__name__}, not an object"
    if not isinstance(body.get("retCode"), str | int):
        return "the body has no retCode"
    # A refusal is named by its code; only what claims to be a success must carry a result.
    if str(body["retCode"]) == "0" and not isinstance(body.get("result"), Mapping):
        return "the body has no result"
    return None


def _position(
    row: object, reading: Reading, position_mode: PositionMode
) -> ExchangePosition | None:
    fields = Fields(row, kind="position", id_fields=("symbol",))
    instrument = reading.table.of_row(fields.required_text("symbol"))
    if instrument is None:
        return None
    size = fields.required_amount("size")
    if size < 0:
        raise fields.fault("size", "is negative")
    if size == 0:
        return None
    side = fields.word("side", _SIDES)
    named = fields.word("positionIdx", _NAMED_SIDES)
    if (named is None) != (position_mode == PositionMode.NET):
        raise PermanentExchangeError(
            f"{fields.what}: its side is {named.value if named else 'net'}, but the account is "
            f"configured with position mode {position_mode.value}; set the account's position "
            "mode to what it has at the exchange"
        )
    if named is not None and (named == PositionSide.LONG) != (side == Side.BUY):
        raise fields.fault("side", f"is {side.value} on the {named.value} side")
    signed = size if side == Side.BUY else size.copy_negate()
    return ExchangePosition(
        symbol=instrument.symbol,
        side=PositionSide.NET if named is None else named,
        quantity=fields.exact("size in base units", product(signed, instrument.contract_size)),
        entry_price=price_of(fields, "avgPrice"),
        mark_price=price_of(fields, "markPrice"),
        raw=fields.raw(),
    )


def _by_coin(row: object, table: InstrumentTable, name: str) -> dict[str, Decimal]:
    account = Fields(row, kind="wallet", id_fields=("accountType",))
    coins = account.row.get("coin")
    if not isinstance(coins, list):
        raise account.fault("coin", "is not a list")
    amounts: dict[str, Decimal] = {}
    for each in coins:
        fields = Fields(each, kind="balance of", id_fields=("coin",))
        code = fields.required_text("coin")
        amount = fields.required_amount(name)
        if amount != 0:
            amounts[table.currency(code) or code] = amount
    return amounts


def _named_side(fields: Fields) -> PositionSide | None:
    # Spot rows may have none.
    return None if fields.text("positionIdx") is None else fields.word("positionIdx", _NAMED_SIDES)
