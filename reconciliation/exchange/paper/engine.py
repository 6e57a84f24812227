"""What a trade does to an order, a position, a balance and a fee: arithmetic only.

All in base units and quote currency. Products are exact; an average is rounded to twelve digits
after the point.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Context, Decimal

from reconciliation.exchange.paper.records import (
    ZERO,
    HeldSide,
    OrderType,
    PaperInstrument,
    PaperOrder,
    PaperPosition,
    PositionSide,
    Side,
)
from reconciliation.exchange.paper.units import plain, times, total

SWAP_MAKER_FEE = Decimal("0.0002")
SWAP_TAKER_FEE = Decimal("0.0005")
SPOT_FEE = Decimal("0.001")

_AVERAGE_STEP = Decimal("1e-12")
_WIDE = Context(prec=80)


def fee_of(
    instrument: PaperInstrument,
    order_type: OrderType,
    side: Side,
    quantity: Decimal,
    price: Decimal,
) -> tuple[Decimal, str]:
    """Return (fee paid, its currency): spot buys pay in base, all else in quote currency."""
    if instrument.is_swap:
        maker = order_type in ("limit", "post_only")
        rate = SWAP_MAKER_FEE if maker else SWAP_TAKER_FEE
        return times(times(quantity, price), rate), instrument.quote
    if side == "buy":
        return times(quantity, SPOT_FEE), instrument.base
    return times(times(quantity, price), SPOT_FEE), instrument.quote


def order_after_fill(
    order: PaperOrder, quantity: Decimal, price: Decimal, at: datetime
) -> PaperOrder:
    """Return the order with a fill added; raises ValueError for more than remains."""
    filled = total((order.filled, quantity))
    if filled > order.quantity:
        raise ValueError(
            f"order {order.exchange_order_id}: a fill of {plain(quantity)} is more than the "
            f"{plain(order.quantity - order.filled)} that remains"
        )
    return replace(
        order,
        state="filled" if filled == order.quantity else "partially_filled",
        filled=filled,
        average_price=average(order.filled, order.average_price, quantity, price),
        updated_at=at,
    )


def held_side(position_side: PositionSide | None) -> HeldSide:
    return "net" if position_side is None else position_side


def position_after_fill(
    before: PaperPosition | None,
    *,
    symbol: str,
    position_side: PositionSide | None,
    side: Side,
    quantity: Decimal,
    price: Decimal,
) -> tuple[PaperPosition, Decimal]:
    """Return (position, profit realised) of a swap fill.

    A net position may cross zero, and what is beyond it starts at the fill's price. A long or
    short one may not: raises ValueError.
    """
    held = held_side(position_side)
    old = before or PaperPosition(symbol, held, ZERO, None)
    change = quantity if side == "buy" else quantity.copy_negate()
    after = total((old.signed, change))
    if (held == "long" and after < ZERO) or (held == "short" and after > ZERO):
        raise ValueError(
            f"position {symbol} {held}: closing {plain(quantity)} of {plain(old.quantity)}"
        )
    stored = after.copy_negate() if held == "short" else after
    if old.signed * change >= ZERO:
        entry: Decimal | None = average(abs(old.signed), old.entry_price, quantity, price)
        return PaperPosition(symbol, held, stored, entry), ZERO
    closed = min(abs(old.signed), quantity)
    direction = Decimal(1) if old.signed > ZERO else Decimal(-1)
    opened_at = price if old.entry_price is None else old.entry_price
    profit = times(times(price - opened_at, closed), direction)
    crossed = quantity > abs(old.signed)
    return PaperPosition(symbol, held, stored, price if crossed else old.entry_price), profit


def balances_after_fill(
    balances: Mapping[str, Decimal],
    instrument: PaperInstrument,
    *,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    profit: Decimal,
    fee: Decimal,
    fee_currency: str,
) -> dict[str, Decimal]:
    """Return the cash after a fill: spot exchanges base for quote, a swap settles its profit."""
    if instrument.is_swap:
        changes = [(instrument.quote, profit)]
    else:
        direction = Decimal(1) if side == "buy" else Decimal(-1)
        changes = [
            (instrument.base, times(quantity, direction)),
            (instrument.quote, times(times(quantity, price), -direction)),
        ]
    after = dict(balances)
    for currency, change in (*changes, (fee_currency, fee.copy_negate())):
        after[currency] = total((after.get(currency, ZERO), change))
    return after


def average(
    quantity: Decimal, price: Decimal | None, added: Decimal, added_price: Decimal
) -> Decimal:
    """Return the price of both quantities together; a quantity without a price does not count."""
    if price is None or quantity == ZERO:
        return added_price
    worth = total((times(quantity, price), times(added, added_price)))
    mean = _WIDE.divide(worth, total((quantity, added)))
    return mean.quantize(_AVERAGE_STEP, context=_WIDE)


def check_step(what: str, value: Decimal, step: Decimal) -> None:
    """Raise ValueError where a value is no whole number of steps."""
    if _WIDE.remainder(value, step) != ZERO:
        raise ValueError(f"{what} {plain(value)} is no multiple of {plain(step)}")
