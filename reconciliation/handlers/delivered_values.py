"""Refuse a delivered row whose values cannot be, before it is looked up or written.

What PostgreSQL cannot store and SQLite would (a NUL, half a surrogate pair, text that is too long)
must not stop the rows that came with it, and a moment that has not come yet would make what is
old look fresh for ever.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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
_MOMENTS: Mapping[type[Delivered], str] = {
    DeliveredTrade: "opened_at",
    DeliveredOrder: "created_at",
    DeliveredHistory: "executed_at",
}
# How far the trading system's clock may be ahead.
MAX_AHEAD = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def find_fault(row: Delivered, *, now: datetime) -> str:
    """Return what of a row cannot be, naming the field and the fix; empty where all of it can."""
    name = _MOMENTS.get(type(row))
    problem = "" if name is None else _problem_of_moment(getattr(row, name), now)
    return f"{name}: {problem}" if problem else _find_unstorable(row)


def _problem_of_moment(moment: datetime, now: datetime) -> str:
    if moment.utcoffset() is None:
        return "has no time zone; deliver it in UTC, as 2026-01-05T12:00:00Z"
    if moment > now + MAX_AHEAD:
        return f"{moment.isoformat()} is in the future; check the trading system's clock"
    if moment < _EPOCH:
        return f"{moment.isoformat()} is before 1970; deliver when it happened"
    return ""


def _find_unstorable(row: Delivered) -> str:
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
