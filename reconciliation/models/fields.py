"""The one column type for money and quantity."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from reconciliation.domain.amounts import (
    FRACTION_DIGITS,
    INTEGER_DIGITS,
    InexactAmount,
    parse_amount,
    plain,
)

_COMPLEMENT = str.maketrans("0123456789", "9876543210")


_ST = TypeVar("_ST", contravariant=True)
_GT = TypeVar("_GT", covariant=True)

if TYPE_CHECKING:
    _Field = models.Field
else:

    class _Field(models.Field):
        """Django's Field, which the stubs know as generic and Python does not."""

        def __class_getitem__(cls, _types: object) -> type:
            return cls


class ExactDecimalField(_Field[_ST, _GT]):
    """A Decimal of 38 digits, 18 after the point, that comes back as it went in.

    PostgreSQL stores numeric(38,18). SQLite's own decimals are floats, so there the column is a
    text of fixed width whose order is the order of the numbers: constraints, filters and ORDER BY
    mean the same on both engines. A negative number is written as the nine's complement of its
    digits behind a `-`. Arithmetic in SQL (`Sum`, `F() + 1`) would go through floats on SQLite and
    is refused when the value is read: add up in Python, with `domain.amounts`.
    """

    description = "Exact decimal (38 digits, 18 after the point)"
    # What the type checker's plugin takes a field to accept and to give.
    _pyi_private_set_type: Decimal | str | int
    _pyi_private_get_type: Decimal

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        if connection.vendor == "postgresql":
            return f"numeric({INTEGER_DIGITS + FRACTION_DIGITS}, {FRACTION_DIGITS})"
        return "text"

    def get_internal_type(self) -> str:
        return "ExactDecimalField"

    def to_python(self, value: object) -> Decimal | None:
        """Return the Decimal of a form's or fixture's value; ValidationError names the fault."""
        if value is None or value == "":
            return None
        try:
            return parse_amount(value)
        except InexactAmount as error:
            raise ValidationError(str(error), code="inexact") from error

    def from_db_value(
        self, value: object, expression: object, connection: BaseDatabaseWrapper
    ) -> Decimal | None:
        if value is None:
            return None
        if isinstance(value, Decimal):
            return parse_amount(value)
        if isinstance(value, str):
            return decode(value)
        raise TypeError(f"{value!r}: arithmetic on an exact decimal in SQL is not exact on SQLite")

    def get_prep_value(self, value: object) -> Decimal | None:
        return None if value is None else parse_amount(value)

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Decimal | str | None:
        amount = value if prepared else self.get_prep_value(value)
        if amount is None or connection.vendor == "postgresql":
            return amount
        return encode(amount)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else plain(parse_amount(value))

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"widget": None, **kwargs})


def encode(amount: Decimal) -> str:
    """Return the text of an exact amount whose byte order is the order of numbers."""
    sign, number = ("-", -amount) if amount < 0 else ("0", amount)
    whole, _, fraction = format(number, "f").partition(".")
    digits = f"{whole:0>{INTEGER_DIGITS}}.{fraction:0<{FRACTION_DIGITS}}"
    return sign + (digits.translate(_COMPLEMENT) if sign == "-" else digits)


def decode(text: str) -> Decimal:
    """Return the amount of a column's text; the inverse of `encode`.

    A text of another width was put there past the portal (`SET quantity = quantity + 1` writes
    "51.0"): it is read as the number that it says. So the edit can be shown and told of, and the
    rows beside it can be read. Raises InexactAmount for what is no number.
    """
    if len(text) != INTEGER_DIGITS + FRACTION_DIGITS + 2 or text[0] not in "-0":
        return parse_amount(text)
    if text[0] == "-":
        return parse_amount("-" + text[1:].translate(_COMPLEMENT))
    return parse_amount(text)
