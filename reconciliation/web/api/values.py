"""The types of the fields of delivered rows: how each is read, and how it is documented."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from django.db.models import Model
from pydantic import PlainValidator, StringConstraints, WithJsonSchema

from reconciliation.domain.amounts import InexactAmount, parse_amount
from reconciliation.web.api.body import JsonNumber

# An exponent is what some languages write small decimals with.
_AMOUNT = r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?"
_MOMENT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_LONGEST = 100


def _read_amount(value: object) -> Decimal:
    if isinstance(value, JsonNumber):
        raise ValueError('is a JSON number; give it as a string, such as "0.5"')
    if not isinstance(value, str) or len(value) > _LONGEST or not re.fullmatch(_AMOUNT, value):
        raise ValueError('is not a decimal number as a string, such as "0.5"')
    try:
        return parse_amount(value)
    except InexactAmount as error:
        raise ValueError(str(error)) from None


def _read_moment(value: object) -> datetime:
    if not isinstance(value, str) or len(value) > _LONGEST or not re.fullmatch(_MOMENT, value):
        raise ValueError("is not a moment with an offset, such as 2026-01-05T12:00:00Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no moment that a calendar has") from None


Amount = Annotated[
    Decimal,
    PlainValidator(_read_amount),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_AMOUNT}$",
            "description": "An exact decimal: 20 digits before the point, 18 after it at most.",
            "examples": ["0.5"],
        }
    ),
]
Moment = Annotated[
    datetime,
    PlainValidator(_read_moment),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": f"^{_MOMENT}$",
            "description": "ISO 8601 with an offset, to the microsecond at most.",
            "examples": ["2026-01-05T12:00:00Z"],
        }
    ),
]


def fits(model: type[Model], field: str, *, behind: str = "") -> StringConstraints:
    """Return what a text must be to fit into a column, behind what the column begins with."""
    longest: Any = getattr(model._meta.get_field(field), "max_length", None)
    return StringConstraints(strict=True, min_length=1, max_length=longest - len(behind))
