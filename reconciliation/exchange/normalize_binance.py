"""Binance's rows, of spot and of USD-M futures, as the portal's types. Pure, as `normalize` is.

A fill names no client order id and no kind: both are its order's, which the reader asks for. The
orders that the exchange itself places have client ids that say what for.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, product, total
from reconciliation.domain.types import ExchangeFill, ExchangeOrder, ExchangePosition
from reconciliation.enums import (
    FillKind,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
)
from reconciliation.exchange.fields import Fields, Row
from reconciliation.exchange.gateway import PermanentExchangeError
from reconciliation.exchange.instruments import InstrumentTable
from reconciliation.exchange.normalize import Reading, base_units, price_of

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_NAMED_SIDES = {"BOTH": None, "LONG": PositionSide.LONG, "SHORT": PositionSide.SHORT}
_AT_MARKET = ("MARKET", "LIQUIDATION")
_STATUSES = {
    **dict.fromkeys(
        ("NEW", "PENDING_NEW", "PENDING_CANCEL", "NEW_INSURANCE", "NEW_ADL"), OrderStatus.OPEN
    ),
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.REJECTED,
    **dict.fromkeys(("EXPIRED", "EXPIRED_IN_MATCH"), OrderStatus.EXPIRED),
}
# A triggered one is neither filled nor over: the order that it placed (`child_ids`) decides.
_ALGO_STATUSES = {
    **dict.fromkeys(("NEW", "TRIGGERING", "TRIGGERED", "FINISHED"), OrderStatus.OPEN),
    "CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
}
_TRAILING = "TRAILING_STOP_MARKET"
# How the client ids of the exchange's own orders begin.
_OWN_ORDERS = (
    ("autoclose-", FillKind.LIQUIDATION),
    ("adl_autoclose", FillKind.ADL),
    ("settlement_autoclose-", FillKind.DELIVERY),
    ("delivery_autoclose-", FillKind.DELIVERY),
)


def normalize_order(row: object, reading: Reading) -> ExchangeOrder | None:
    """Return an order of the order book, whatever its type; a stop's own price is its limit."""
    fields = Fields(row, kind="order", id_fields=("orderId", "clientOrderId"))
    instrument = reading.table.of_row(fields.required_text("symbol"))
    if instrument is None:
        return None
    price = price_of(fields, "price")
    at_market = fields.required_text("type") in _AT_MARKET or price is None
    quantity = base_units(fields, "origQty", instrument)
    client_order_id = fields.text("clientOrderId")
    return ExchangeOrder(
        exchange_order_id=fields.required_text("orderId"),
        symbol=instrument.symbol,
        side=fields.word("side", _SIDES),
        type=OrderType.MARKET if at_market else OrderType.LIMIT,
        order_class=OrderClass.REGULAR,
        status=fields.word("status", _STATUSES),
        # Zero: sized in quote currency, or it closes whatever is held.
        quantity=None if quantity == 0 else quantity,
        filled_quantity=base_units(fields, "executedQty", instrument),
        price=None if at_market else price,
        average_price=price_of(fields, "avgPrice"),
        created_at=fields.moment("time"),
        updated_at=fields.moment("updateTime"),
        client_order_id=client_order_id,
        sub_tag=reading.sub_tag(fields, client_order_id),
        trade_hint=fields.text(reading.trade_hint_field),
        position_side=_named_side(fields),
        reduce_only=fields.row.get("reduceOnly") is True,
        raw=fields.raw(),
    )


def normalize_algo_order(row: object, reading: Reading) -> ExchangeOrder | None:
    """Return a conditional order by its own id, open until what it placed says otherwise."""
    fields = Fields(row, kind="algo order", id_fields=("algoId", "clientAlgoId"))
    instrument = reading.table.of_row(fields.required_text("symbol"))
    if instrument is None:
        return None
    price = price_of(fields, "price")
    at_market = "MARKET" in fields.required_text("orderType") or price is None
    is_trailing = fields.text("orderType") == _TRAILING
    quantity = base_units(fields, "quantity", instrument)
    client_order_id, child_id = fields.text("clientAlgoId"), fields.text("actualOrderId")
    return ExchangeOrder(
        exchange_order_id=fields.required_text("algoId"),
        symbol=instrument.symbol,
        side=fields.word("side", _SIDES),
        type=OrderType.MARKET if at_market else OrderType.LIMIT,
        order_class=OrderClass.TRAILING if is_trailing else OrderClass.CONDITIONAL,
        status=fields.word("algoStatus", _ALGO_STATUSES),
        quantity=None if quantity == 0 else quantity,
        filled_quantity=None,
        price=None if at_market else price,
        average_price=None,
        created_at=fields.moment("createTime"),
        updated_at=fields.moment("updateTime"),
        client_order_id=client_order_id,
        sub_tag=reading.sub_tag(fields, client_order_id),
        trade_hint=fields.text(reading.trade_hint_field),
        position_side=_named_side(fields),
        reduce_only=fields.row.get("reduceOnly") is True,
        child_ids=() if child_id in (None, "0") else (child_id,),
        raw=fields.raw(),
    )


def normalize_fill(
    row: object, reading: Reading, client_ids: Mapping[str, str]
) -> ExchangeFill | None:
    """Return an execution; `client_ids` are those of the orders by exchange id.

    Its fee is positive when paid, in whichever currency it was taken.
    """
    fields = Fields(row, kind="fill", id_fields=("id",))
    instrument = reading.table.of_row(fields.required_text("symbol"))
    if instrument is None:
        return None
    quantity = base_units(fields, "qty", instrument)
    if quantity is None or quantity <= 0:
        raise fields.fault("qty", "is not above zero")
    exchange_order_id = fields.required_text("orderId")
    client_order_id = client_ids.get(exchange_order_id)
    return ExchangeFill(
        fill_id=fields.required_text("id"),
        symbol=instrument.symbol,
        side=_side_of_fill(fields),
        quantity=quantity,
        price=fields.required_amount("price"),
        executed_at=fields.required_moment("time"),
        kind=_kind_of(client_order_id),
        exchange_order_id=exchange_order_id,
        client_order_id=client_order_id,
        sub_tag=reading.sub_tag(fields, client_order_id),
        trade_hint=fields.text(reading.trade_hint_field),
        position_side=_named_side(fields),
        fee=fields.amount("commission"),
        fee_currency=reading.table.currency(fields.text("commissionAsset")),
        raw=fields.raw(),
    )


def normalize_positions(
    rows: Iterable[object], reading: Reading, *, position_mode: PositionMode
) -> tuple[ExchangePosition, ...]:
    """Return what is held; zero sizes are left out.

    Raises `PermanentExchangeError` where a row's side is not one of the configured position mode.
    """
    held = (_position(row, reading, position_mode) for row in rows)
    return tuple(position for position in held if position is not None)


def normalize_position_mode(row: object) -> PositionMode:
    """Return whether the account nets its positions."""
    fields = Fields(row, kind="account", id_fields=())
    hedged = fields.row.get("dualSidePosition")
    if not isinstance(hedged, bool):
        raise fields.fault("dualSidePosition", "is no word of yes or no")
    return PositionMode.HEDGE if hedged else PositionMode.NET


def normalize_wallet(row: object, table: InstrumentTable) -> dict[str, Decimal]:
    """Return the wallet balance of each asset: profit not realised is no balance."""
    return _by_asset(row, table, "assets", ("walletBalance",))


def normalize_margin(row: object, table: InstrumentTable) -> dict[str, Decimal]:
    """Return the initial margin of all positions, by asset."""
    return _by_asset(row, table, "assets", ("positionInitialMargin",))


def normalize_spot_balances(row: object, table: InstrumentTable) -> dict[str, Decimal]:
    """Return the total of each asset: what is free and what orders lock."""
    return _by_asset(row, table, "balances", ("free", "locked"))


def _position(
    row: object, reading: Reading, position_mode: PositionMode
) -> ExchangePosition | None:
    fields = Fields(row, kind="position", id_fields=("symbol",))
    amount = fields.required_amount("positionAmt")
    side = fields.word("positionSide", _NAMED_SIDES)
    if amount == 0:
        return None
    instrument = reading.table.of_row(fields.required_text("symbol"))
    if instrument is None:
        return None
    if (side is None) != (position_mode == PositionMode.NET):
        raise PermanentExchangeError(
            f"{fields.what}: its side is {side.value if side else 'net'}, but the account is "
            f"configured with position mode {position_mode.value}; set the account's position "
            "mode to what it has at the exchange"
        )
    if side == PositionSide.LONG and amount < 0:
        raise fields.fault("positionAmt", "is negative on the long side")
    # A short is a negative number; a positive one on the short side says the same.
    signed = amount.copy_abs().copy_negate() if side == PositionSide.SHORT else amount
    return ExchangePosition(
        symbol=instrument.symbol,
        side=PositionSide.NET if side is None else side,
        quantity=fields.exact(
            "positionAmt in base units", product(signed, instrument.contract_size)
        ),
        entry_price=price_of(fields, "entryPrice"),
        mark_price=price_of(fields, "markPrice"),
        raw=fields.raw(),
    )


def _by_asset(
    row: object, table: InstrumentTable, list_name: str, names: tuple[str, ...]
) -> dict[str, Decimal]:
    account = Fields(row, kind="account", id_fields=())
    assets = account.row.get(list_name)
    if not isinstance(assets, list):
        raise account.fault(list_name, "is not a list")
    amounts: dict[str, Decimal] = {}
    for each in assets:
        fields = Fields(each, kind="balance of", id_fields=("asset",))
        code = fields.required_text("asset")
        amount = total(fields.required_amount(name) for name in names)
        if amount != ZERO:
            amounts[table.currency(code) or code] = amount
    return amounts


def _side_of_fill(fields: Fields) -> Side:
    if fields.text("side") is not None:
        return fields.word("side", _SIDES)
    is_buyer = fields.row.get("isBuyer")
    if not isinstance(is_buyer, bool):
        raise fields.fault("isBuyer", "is missing")
    return Side.BUY if is_buyer else Side.SELL


def _kind_of(client_order_id: str | None) -> FillKind:
    name = client_order_id or ""
    return next((kind for start, kind in _OWN_ORDERS if name.startswith(start)), FillKind.TRADE)


def _named_side(fields: Fields) -> PositionSide | None:
    # Spot rows have none.
    if fields.text("positionSide") is None:
        return None
    return fields.word("positionSide", _NAMED_SIDES)


def client_ids_of(rows: Iterable[Row]) -> dict[str, str]:
    """Return the client order id of each order by its exchange id."""
    found: dict[str, str] = {}
    for row in rows:
        fields = Fields(row, kind="order", id_fields=("orderId",))
        name = fields.text("clientOrderId")
        if name is not None:
            found[fields.required_text("orderId")] = name
    return found
