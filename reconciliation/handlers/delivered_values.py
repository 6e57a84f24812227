"""Refuse a delivered row that no column can hold, before it is looked up or written.

What PostgreSQL cannot store and SQLite would (a NUL, half a surrogate pair, text that is too long)
must not stop the rows that came with it.
"""

from collections.abc import Mapping
from decimal import Decimal

from django.db.models import Model

from reconciliation.domain.amounts import InexactAmount, parse_amount
from reconciliation.domain.deliveries import (
    DeliveredHistory,
    DeliveredOrder,
    DeliveredPosition,
    DeliveredTrade,
)
from reconciliation.domain.keys import DELIVERED_PREFIX
from reconciliation.models import Order, Position, Trade, TradeHistory

Delivered = DeliveredTrade | DeliveredOrder | DeliveredHistory | DeliveredPosition

_COLUMNS: Mapping[type[Delivered], tuple[type[Model], tuple[str, ...]]] = {
    DeliveredTrade: (Trade, ("trade_id", "symbol", "sub_tag")),
    DeliveredOrder: (
        Order,
        (
            "client_order_id",
            "exchange_order_id",
            "symbol",
            "sub_tag",
            "quantity",
            "filled_quantity",
            "price",
            "average_price",
        ),
    ),
    DeliveredHistory: (
        TradeHistory,
        ("quantity", "price", "fee", "fee_currency", "exchange_fill_id"),
    ),
    DeliveredPosition: (Position, ("symbol", "quantity", "entry_price")),
}
# What a row mentions and does not store: (field, the column that holds it, what it begins with).
_MENTIONS: Mapping[type[Delivered], tuple[tuple[str, type[Model], str, str], ...]] = {
    DeliveredOrder: (("trade_id", Trade, "trade_id", ""),),
    DeliveredHistory: (
        ("row_id", TradeHistory, "key", DELIVERED_PREFIX),
        ("trade_id", Trade, "trade_id", ""),
        ("order_ref", Order, "client_order_id", ""),
    ),
}


def find_unstorable(row: Delivered) -> str:
    """Return what of a row no column can hold, naming the field; empty where all of it fits."""
    model, names = _COLUMNS[type(row)]
    checks = [(name, model, name, "") for name in names]
    for name, of, column, prefix in (*checks, *_MENTIONS.get(type(row), ())):
        value = getattr(row, name)
        limit: int | None = getattr(of._meta.get_field(column), "max_length", None)
        problem = _problem_of(value, None if limit is None else limit - len(prefix))
        if problem:
            return f"{name}: {problem}"
    return ""


def _problem_of(value: object, limit: int | None) -> str:
    if isinstance(value, Decimal):
        try:
            parse_amount(value)
        except InexactAmount as error:
            return str(error)
    if not isinstance(value, str):
        return ""
    if limit is not None and len(value) > limit:
        return f"is longer than {limit} characters"
    if "\x00" in value:
        return "holds a NUL, which no column takes"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds half a surrogate pair, which no column takes"
    return ""
