"""OKX's orders and fills as the portal's types: base units, signs, words, and no float anywhere.

Pure. A row is what the exchange sent (ccxt's `info`), because its texts are exact and ccxt's own
structures are not always: it names an order by `algoId` before `ordId`, and a fill by `tradeId`.
None instead of a result means that a row is of an instrument which the portal leaves out on
purpose. What cannot be read exactly raises `UnreadableAnswer`.
"""

from dataclasses import dataclass
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, product
from reconciliation.domain.types import (
    ExchangeFill,
    ExchangeOrder,
    Instrument,
)
from reconciliation.enums import (
    FillKind,
    InstrumentType,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
)
from reconciliation.exchange.fields import Fields
from reconciliation.exchange.instruments import InstrumentTable

INSTRUMENT_TYPES = {"SPOT": InstrumentType.SPOT, "SWAP": InstrumentType.SWAP}

_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
# On orders and fills `net` says only that none is named, in hedge mode as well.
_NAMED_SIDES = {"net": None, "long": PositionSide.LONG, "short": PositionSide.SHORT}

_STATUSES = {
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "mmp_canceled": OrderStatus.CANCELED,
}
# A triggered algo order is neither filled nor over: the orders that it triggered (`child_ids`)
# decide, so it stays open until they are asked. Its own sizes never say what was filled.
_ALGO_STATUSES = {
    "live": OrderStatus.OPEN,
    "pause": OrderStatus.OPEN,
    "effective": OrderStatus.OPEN,
    "partially_effective": OrderStatus.OPEN,
    "partially_failed": OrderStatus.OPEN,
    "canceled": OrderStatus.CANCELED,
    "order_failed": OrderStatus.REJECTED,
}
_TYPES = {
    **dict.fromkeys(("market", "optimal_limit_ioc"), OrderType.MARKET),
    **dict.fromkeys(
        ("limit", "post_only", "fok", "ioc", "mmp", "mmp_and_post_only", "op_fok", "rpi", "elp"),
        OrderType.LIMIT,
    ),
}
ALGO_CLASSES = {
    "conditional": OrderClass.CONDITIONAL,
    "trigger": OrderClass.CONDITIONAL,
    "oco": OrderClass.OCO,
    "move_order_stop": OrderClass.TRAILING,
}
_ALGO_PRICES = ("ordPx", "slOrdPx", "tpOrdPx")
_AT_MARKET = Decimal(-1)

_FUNDING = ("173", "174")
_FILL_KINDS = {
    **dict.fromkeys(
        ("100", "101", "102", "103", "104", "105", "106", "107", "110", "111"),
        FillKind.LIQUIDATION,
    ),
    **dict.fromkeys(("125", "126", "127", "128"), FillKind.ADL),
    **dict.fromkeys(("112", "113", "170", "171", "172"), FillKind.DELIVERY),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How rows of an account are read: its instruments, and where its tags stand."""

    table: InstrumentTable
    types: frozenset[InstrumentType]
    sub_tag_field: str = "tag"
    sub_tag_separator: str = ""
    trade_hint_field: str = "tradeIdHint"

    def sub_tag(self, fields: Fields, client_order_id: str | None) -> str | None:
        """Return the sub tag of a row, as `sub_tag_of` does."""
        return sub_tag_of(
            fields,
            client_order_id,
            field=self.sub_tag_field,
            separator=self.sub_tag_separator,
        )

    def instrument(self, fields: Fields) -> Instrument | None:
        """Return the instrument of a row, or None where it is left out on purpose.

        A margin pair has the id of its spot pair: the row's own type tells them apart.
        """
        if INSTRUMENT_TYPES.get(fields.required_text("instType")) not in self.types:
            return None
        return self.table.of_row(fields.required_text("instId"))


def sub_tag_of(
    fields: Fields, client_order_id: str | None, *, field: str, separator: str
) -> str | None:
    """Return a sub tag: a field of what the exchange sent, else how the client order id begins."""
    if field:
        return fields.text(field)
    if not separator or client_order_id is None:
        return None
    tag, found, _ = client_order_id.partition(separator)
    return tag if tag and found else None


def normalize_order(row: object, reading: Reading) -> ExchangeOrder | None:
    """Return a regular order. One that an algo order triggered has that one as its parent.

    The quantity of a spot market buy sized in quote currency is not known. A status word decides
    nothing by itself: the fills do.
    """
    fields = Fields(row, kind="order", id_fields=("ordId", "clOrdId"))
    instrument = reading.instrument(fields)
    if instrument is None:
        return None
    side = fields.word("side", _SIDES)
    order_type = fields.word("ordType", _TYPES)
    in_quote = (
        instrument.type == InstrumentType.SPOT
        and order_type == OrderType.MARKET
        # The exchange's default for a spot market buy, where it does not say.
        and (fields.text("tgtCcy") or ("quote_ccy" if side == Side.BUY else "base_ccy"))
        == "quote_ccy"
    )
    return ExchangeOrder(
        exchange_order_id=fields.required_text("ordId"),
        symbol=instrument.symbol,
        side=side,
        type=order_type,
        order_class=OrderClass.REGULAR,
        status=fields.word("state", _STATUSES),
        quantity=None if in_quote else base_units(fields, "sz", instrument),
        filled_quantity=base_units(fields, "accFillSz", instrument),
        price=None if order_type == OrderType.MARKET else price_of(fields, "px"),
        average_price=price_of(fields, "avgPx"),
        created_at=fields.moment("cTime"),
        updated_at=fields.moment("uTime"),
        client_order_id=fields.text("clOrdId"),
        sub_tag=reading.sub_tag(fields, fields.text("clOrdId")),
        trade_hint=fields.text(reading.trade_hint_field),
        position_side=_named_side(fields),
        reduce_only=fields.text("reduceOnly") == "true",
        parent_id=fields.text("algoId"),
        raw=fields.raw(),
    )


def normalize_algo_order(row: object, reading: Reading) -> ExchangeOrder | None:
    """Return an algo order by its own id, open until its `child_ids` say otherwise.

    What it would place at market has type market and no price; what has two different prices
    (one to take profit, one to stop) has none either.
    """
    fields = Fields(row, kind="algo order", id_fields=("algoId", "algoClOrdId"))
    instrument = reading.instrument(fields)
    if instrument is None:
        return None
    named = [price for price in map(fields.amount, _ALGO_PRICES) if price]
    limits = {price for price in named if price != _AT_MARKET}
    client_order_id = fields.text("algoClOrdId") or fields.text("clOrdId")
    children = (*fields.texts("ordIdList"), fields.text("ordId"))
    return ExchangeOrder(
        exchange_order_id=fields.required_text("algoId"),
        symbol=instrument.symbol,
        side=fields.word("side", _SIDES),
        type=OrderType.LIMIT if limits else OrderType.MARKET,
        order_class=fields.word("ordType", ALGO_CLASSES),
        status=fields.word("state", _ALGO_STATUSES),
        quantity=base_units(fields, "sz", instrument),
        filled_quantity=None,
        price=limits.pop() if len(limits) == 1 else None,
        average_price=None,
        created_at=fields.moment("cTime"),
        updated_at=fields.moment("uTime"),
        client_order_id=client_order_id,
        sub_tag=reading.sub_tag(fields, client_order_id),
        trade_hint=fields.text(reading.trade_hint_field),
        position_side=_named_side(fields),
        reduce_only=fields.text("reduceOnly") == "true",
        # "0" is how some answers say that there is none.
        child_ids=tuple(dict.fromkeys(each for each in children if each and each != "0")),
        raw=fields.raw(),
    )


def normalize_fill(row: object, reading: Reading) -> ExchangeFill | None:
    """Return an execution, or None for funding too, which moves money and no position.

    Its id is `billId`; its fee is positive when paid; its time is the one that the exchange's
    own window is filtered by. A sub type that names no act of the exchange is a trade.
    """
    fields = Fields(row, kind="fill", id_fields=("billId", "tradeId"))
    instrument = reading.instrument(fields)
    sub_type = fields.text("subType") or ""
    if instrument is None or sub_type in _FUNDING:
        return None
    quantity = base_units(fields, "fillSz", instrument)
    price = fields.required_amount("fillPx")
    fee = fields.amount("fee")
    if quantity is None or quantity <= 0:
        raise fields.fault("fillSz", "is not above zero")
    return ExchangeFill(
        fill_id=fields.required_text("billId"),
        symbol=instrument.symbol,
        side=fields.word("side", _SIDES),
        quantity=quantity,
        price=price,
        executed_at=fields.required_moment("ts"),
        kind=_FILL_KINDS.get(sub_type, FillKind.TRADE),
        exchange_order_id=fields.text("ordId"),
        client_order_id=fields.text("clOrdId"),
        sub_tag=reading.sub_tag(fields, fields.text("clOrdId")),
        trade_hint=fields.text(reading.trade_hint_field),
        position_side=_named_side(fields),
        fee=None if fee is None else _negated(fee),
        fee_currency=reading.table.currency(fields.text("feeCcy")),
        raw=fields.raw(),
    )


def base_units(fields: Fields, name: str, instrument: Instrument) -> Decimal | None:
    contracts = fields.amount(name)
    if contracts is None:
        return None
    if contracts < 0:
        raise fields.fault(name, "is negative")
    return fields.exact(f"{name} in base units", product(contracts, instrument.contract_size))


def price_of(fields: Fields, name: str) -> Decimal | None:
    """Return a price, None where it is not known: empty, zero, or the exchange's "at market"."""
    price = fields.amount(name)
    return price if price is not None and price > 0 else None


def _negated(amount: Decimal) -> Decimal:
    # Not `-amount`, which rounds to the digits of the arithmetic context.
    return amount.copy_negate() if amount else ZERO


def _named_side(fields: Fields) -> PositionSide | None:
    return None if fields.text("posSide") is None else fields.word("posSide", _NAMED_SIDES)
