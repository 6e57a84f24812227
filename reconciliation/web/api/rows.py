"""Delivered rows as JSON: their schemas, and one row read by itself, so that it stops no other."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from reconciliation.domain.deliveries import (
    DeliveredHistory,
    DeliveredOrder,
    DeliveredPosition,
    DeliveredTrade,
)
from reconciliation.domain.keys import DELIVERED_PREFIX
from reconciliation.enums import (
    Direction,
    HistoryKind,
    HistorySource,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionSide,
    Purpose,
    Side,
    TradeStatus,
)
from reconciliation.models import Order, Profile, Trade, TradeHistory
from reconciliation.web.api.body import JsonNumber, RepeatedName
from reconciliation.web.api.values import Amount, Moment, fits

Delivered: TypeAlias = DeliveredTrade | DeliveredOrder | DeliveredHistory | DeliveredPosition
TradeId = Annotated[str, fits(Trade, "trade_id")]
ProfileName = Annotated[str, fits(Profile, "name")]
Symbol = Annotated[str, fits(Trade, "symbol")]
SubTag = Annotated[str, fits(Trade, "sub_tag")]
ClientOrderId = Annotated[str, fits(Order, "client_order_id")]
ExchangeOrderId = Annotated[str, fits(Order, "exchange_order_id")]


class Unreadable(ValueError):
    """What was delivered is no row: `field` names why, `reason` says it."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(f"{field}: {reason}")


class Row(BaseModel):
    """A row with no other fields than those it has."""

    model_config = ConfigDict(extra="forbid")


class TradeRow(Row):
    """One round trip of a profile; its quantities come from the history alone."""

    trade_id: TradeId = Field(description="Your own id of it, never used again.")
    profile: ProfileName
    symbol: Symbol = Field(description="The unified symbol.", examples=["BTC/USDT:USDT"])
    direction: Direction
    opened_at: Moment
    sub_tag: SubTag | None = None
    status: TradeStatus | None = Field(None, description="Your word; null leaves it to history.")


class OrderRow(Row):
    """An order, known by its client order id, else by its exchange order id."""

    profile: ProfileName
    purpose: Purpose
    symbol: Symbol
    side: Side
    type: OrderType
    status: OrderStatus
    quantity: Amount
    filled_quantity: Amount
    created_at: Moment
    trade_id: TradeId | None = None
    price: Amount | None = None
    average_price: Amount | None = None
    client_order_id: ClientOrderId | None = None
    exchange_order_id: ExchangeOrderId | None = None
    order_class: OrderClass = OrderClass.REGULAR
    position_side: PositionSide | None = None
    sub_tag: SubTag | None = None


class HistoryRow(Row):
    """An entry or an exit of a trade, which never changes."""

    row_id: Annotated[str, fits(TradeHistory, "key", behind=DELIVERED_PREFIX)] = Field(
        description="Your own id of it, unique within its trade."
    )
    trade_id: TradeId
    kind: Literal[HistoryKind.ENTRY, HistoryKind.EXIT]
    quantity: Amount
    executed_at: Moment
    price: Amount | None = None
    fee: Amount | None = None
    fee_currency: Annotated[str, fits(TradeHistory, "fee_currency")] | None = None
    exchange_fill_id: Annotated[str, fits(TradeHistory, "exchange_fill_id")] | None = None
    order_ref: ClientOrderId | None = Field(
        None, description="The client or exchange order id of its order."
    )
    net_of_fee: StrictBool = Field(
        True, description="Whether a spot quantity is what remained after a fee in its currency."
    )
    source: Literal[HistorySource.BOT] = HistorySource.BOT


class PositionRow(Row):
    """Your own row of a position; its direction gives the sign."""

    profile: ProfileName
    symbol: Symbol
    direction: Direction
    quantity: Amount
    entry_price: Amount | None = None


# By the name under which a request lists them: what the answers call one, and its types.
KINDS: dict[str, tuple[str, type[Row], type[Delivered]]] = {
    "trades": ("trade", TradeRow, DeliveredTrade),
    "orders": ("order", OrderRow, DeliveredOrder),
    "history": ("history", HistoryRow, DeliveredHistory),
    "positions": ("position", PositionRow, DeliveredPosition),
}
# What names a row that cannot be read, the first that it has.
_REFS = {
    "trades": ("trade_id",),
    "orders": ("client_order_id", "exchange_order_id"),
    "history": ("row_id",),
    "positions": ("profile", "symbol", "direction"),
}
_LONGEST_REF = 64


def read_row(section: str, value: object) -> Delivered:
    """Return one row of a section of a delivery; raises `Unreadable` for what is none."""
    if isinstance(value, RepeatedName):
        raise Unreadable(value.name, "is given twice")
    if not isinstance(value, dict):
        raise Unreadable("row", "is not a JSON object")
    _, schema, delivered = KINDS[section]
    try:
        row = schema.model_validate(value)
    except ValidationError as error:
        raise _unreadable(error) from None
    return delivered(**{name: getattr(row, name) for name in schema.model_fields})


def ref_of(section: str, value: object) -> str:
    """Return what may name a row that cannot be read."""
    given = value if isinstance(value, dict) else {}
    found = [given[name] for name in _REFS[section] if isinstance(given.get(name), str)]
    words = " ".join(found) if section == "positions" else next(iter(found), "")
    return words[:_LONGEST_REF] or "without an id"


def _unreadable(error: ValidationError) -> Unreadable:
    first = error.errors(include_url=False)[0]
    location, given, about = first["loc"], first["input"], first.get("ctx", {})
    reasons: dict[str, Any] = {
        "missing": "is missing",
        "extra_forbidden": "is no field of this row",
        "string_too_short": "is empty",
        "string_too_long": f"is longer than {about.get('max_length')} characters",
        "string_unicode": "holds half a surrogate pair, which no column takes",
        "bool_type": "is neither true nor false",
        "enum": f"is none of {about.get('expected')}",
        "literal_error": f"is none of {about.get('expected')}",
        "value_error": str(about.get("error", "")),
    }
    is_number = isinstance(given, JsonNumber) and first["type"] == "string_type"
    reason = "is a JSON number; give it as a string" if is_number else "is not a string"
    name = str(location[0]) if location else "row"
    return Unreadable(name[:_LONGEST_REF], reasons.get(first["type"], reason))
