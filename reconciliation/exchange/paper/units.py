"""Names and numbers as the exchange writes them: instrument ids, contracts, plain digits."""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, InvalidOperation

from reconciliation.exchange.paper.records import PaperInstrument

# Wide enough for any product or quotient of two amounts of 38 digits; a lost digit is an error.
_EXACT = Context(prec=80, traps=[Inexact, InvalidOperation])


def instrument_id(instrument: PaperInstrument) -> str:
    """Return the exchange's id: `BTC-USDT-SWAP` for a swap, `BTC-USDT` for spot."""
    pair = f"{instrument.base}-{instrument.quote}"
    return f"{pair}-SWAP" if instrument.is_swap else pair


def instrument_type(instrument: PaperInstrument) -> str:
    return "SWAP" if instrument.is_swap else "SPOT"


def to_wire_units(what: str, instrument: PaperInstrument, quantity: Decimal) -> Decimal:
    """Return contracts for a swap and base units for spot.

    Raises ValueError, naming `what`, where the contracts have no finite decimal digits.
    """
    try:
        return _EXACT.divide(quantity, instrument.unit)
    except Inexact:
        raise ValueError(
            f"{what}: {quantity} {instrument.base} is no exact number of contracts of "
            f"{instrument.contract_size} {instrument.base}"
        ) from None


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum."""
    summed = Decimal(0)
    for amount in amounts:
        summed = _EXACT.add(summed, amount)
    return summed


def times(left: Decimal, right: Decimal) -> Decimal:
    """Return the exact product."""
    return _EXACT.multiply(left, right)


def plain(amount: Decimal | None) -> str:
    """Return the digits without exponent or trailing zeros; "" is how the wire says unknown."""
    if amount is None:
        return ""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def size(what: str, instrument: PaperInstrument, quantity: Decimal) -> str:
    """Return a quantity in base units as the wire's digits."""
    return plain(to_wire_units(what, instrument, quantity))
