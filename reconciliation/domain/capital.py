"""A profile's capital: allocated, reserved by open entry orders, used by slices; the rest is free.

Everything is USD, the quote currency counting as such. What has no price is in no sum: it is
counted apart, because unknown is not zero.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from reconciliation.domain.amounts import LIMIT, ZERO, product, round_to_column, total
from reconciliation.enums import CapitalCause, OrderType


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOrder:
    """An active order that would open or enlarge a slice; quantities are base units."""

    symbol: str
    type: OrderType
    quantity: Decimal
    filled_quantity: Decimal
    price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSlice:
    """A slice that is open or in quarantine; `open_quantity` is base units without a sign."""

    open_quantity: Decimal
    average_entry_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capital:
    """What a profile has, or by how much that changed; `unpriced` counts what is in no sum."""

    allocated: Decimal = ZERO
    reserved: Decimal = ZERO
    used: Decimal = ZERO
    unpriced: int = 0

    @property
    def free(self) -> Decimal:
        """Return what is left; negative where more is bound than was allocated."""
        return total((self.allocated, -self.reserved, -self.used))


@dataclass(frozen=True, slots=True, kw_only=True)
class CapitalChange:
    """One row of the ledger: signed changes, with what moved them."""

    cause: CapitalCause
    allocated: Decimal = ZERO
    reserved: Decimal = ZERO
    used: Decimal = ZERO


def capital_of(
    *,
    allocated: Decimal,
    orders: Iterable[EntryOrder],
    slices: Iterable[HeldSlice],
    marks: Mapping[str, Decimal],
) -> Capital:
    """Return a profile's capital; `marks` are those that are known, by symbol."""
    reserved, unreserved = _sum(_reserved_by(order, marks) for order in orders)
    used, unused = _sum(_used_by(each) for each in slices)
    return Capital(allocated=allocated, reserved=reserved, used=used, unpriced=unreserved + unused)


def needs_mark(order: EntryOrder) -> bool:
    """Return whether only the market says what an order would cost."""
    return order.type == OrderType.MARKET or order.price is None


def changes_between(before: Capital, after: Capital) -> tuple[CapitalChange, ...]:
    """Return the rows that lead from one balance to the next, their sum being the difference.

    A new allocation is a row of its own: it is a person's doing, not the market's.
    """
    moved = CapitalChange(
        cause=CapitalCause.ORDERS_AND_HISTORY,
        reserved=total((after.reserved, -before.reserved)),
        used=total((after.used, -before.used)),
    )
    if not moved.used:
        moved = replace(moved, cause=CapitalCause.ORDERS)
    elif not moved.reserved:
        moved = replace(moved, cause=CapitalCause.HISTORY)
    allocated = total((after.allocated, -before.allocated))
    return (
        *([CapitalChange(cause=CapitalCause.ALLOCATION, allocated=allocated)] if allocated else []),
        *([moved] if moved.reserved or moved.used else []),
    )


def _reserved_by(order: EntryOrder, marks: Mapping[str, Decimal]) -> Decimal | None:
    remaining = total((order.quantity, -order.filled_quantity))
    if remaining <= 0:
        return ZERO
    price = order.price
    if needs_mark(order):
        price = marks.get(order.symbol, price)
    return None if price is None else product(remaining, price)


def _used_by(held: HeldSlice) -> Decimal | None:
    if held.open_quantity == 0:
        return ZERO
    if held.average_entry_price is None:
        return None
    return product(held.open_quantity, held.average_entry_price)


def _sum(amounts: Iterable[Decimal | None]) -> tuple[Decimal, int]:
    """Return the sum, rounded to a column, and how many amounts are not in it.

    One that no column can hold is not: a row with nonsense in it must not stop the ledger.
    """
    result, left_out = ZERO, 0
    for amount in amounts:
        if amount is None or total((result, amount)) >= LIMIT - 1:
            left_out += 1
        else:
            result = total((result, amount))
    return round_to_column(result), left_out
