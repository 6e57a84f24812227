"""Exact arithmetic on money and quantity.

Everything is a `Decimal` made from a string or an integer; a float is refused where it would
enter, because its digits are not the ones the exchange sent. Columns hold 38 digits, 18 of them
after the point, and so does this module.
"""

from collections.abc import Iterable
from decimal import (
    Context,
    Decimal,
    DefaultContext,
    Inexact,
    InvalidOperation,
    Overflow,
    getcontext,
)

ZERO = Decimal(0)
FRACTION_DIGITS = 18
INTEGER_DIGITS = 20
QUANTUM = Decimal(1).scaleb(-FRACTION_DIGITS)
LIMIT = Decimal(1).scaleb(INTEGER_DIGITS)

# Products of two columns have up to 76 digits; 80 keeps every intermediate result exact, and the
# traps turn a silently lost digit into an error.
_EXACT = Context(prec=80, traps=[Inexact, InvalidOperation, Overflow])
_WIDE = Context(prec=80, traps=[InvalidOperation, Overflow])

# A plain `a - b` rounds to the ambient context, 28 digits where nobody says otherwise: fewer than a
# column holds. This makes + and − exact wherever amounts are used, in this thread and new ones.
DefaultContext.prec = _WIDE.prec
getcontext().prec = _WIDE.prec


class InexactAmount(ValueError):
    """A number that cannot be held exactly in a column of 38 digits, 18 after the point."""


def parse_amount(value: object) -> Decimal:
    """Return the exact `Decimal` of a string, integer or Decimal.

    Raises `InexactAmount` for a float, a non-number, a non-finite number, more than 18 digits
    after the point or more than 20 before it.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InexactAmount(f"{value!r} is a {type(value).__name__}; give the number as a string")
    try:
        amount = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise InexactAmount(f"{value!r} is not a number") from None
    if not amount.is_finite():
        raise InexactAmount(f"{value!r} is not a finite number")
    if amount.copy_abs() >= LIMIT:
        raise InexactAmount(f"{value!r} has more than {INTEGER_DIGITS} digits before the point")
    try:
        return _EXACT.add(amount.quantize(QUANTUM, context=_EXACT).normalize(_EXACT), ZERO)
    except Inexact:
        raise InexactAmount(
            f"{value!r} has more than {FRACTION_DIGITS} digits after the point"
        ) from None


def plain(amount: Decimal) -> str:
    """Return the shortest plain text of an amount: no exponent, no trailing zeros, no `-0`."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum."""
    result = ZERO
    for amount in amounts:
        result = _EXACT.add(result, amount)
    return result


def product(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact product (for example contracts × contract size)."""
    return _EXACT.multiply(left, right)


def round_to_column(amount: Decimal) -> Decimal:
    """Round to the 18 digits of a column; for results of division, never for what was read."""
    return _WIDE.add(amount.quantize(QUANTUM, context=_WIDE).normalize(_WIDE), ZERO)


def ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Return numerator / denominator, rounded to a column; the denominator is not zero."""
    return round_to_column(_WIDE.divide(numerator, denominator))


def weighted_average(parts: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Return the average price of (quantity, price) parts, or None when nothing was traded."""
    quantity, cost = ZERO, ZERO
    for part_quantity, price in parts:
        quantity = _EXACT.add(quantity, part_quantity)
        cost = _WIDE.add(cost, _WIDE.multiply(part_quantity, price))
    return None if quantity == 0 else round_to_column(_WIDE.divide(cost, quantity))
