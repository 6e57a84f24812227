"""Align delivered position rows with slices that the exchange confirms.

A delivered row that disagrees with its slices is shown with both numbers. Which of the two is
right, only the exchange can say: the row is aligned when the slices of all profiles in that
symbol add up to what the exchange holds, and left alone otherwise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import Books, PositionRow
from reconciliation.domain.order_diff import is_recent
from reconciliation.domain.plans.changes import Change, PositionDraft, Premises
from reconciliation.domain.types import AccountSnapshot, ExchangePosition, Unread
from reconciliation.enums import Direction, PositionSide


@dataclass(frozen=True, slots=True)
class _Held:
    """What the exchange holds, or the slices add up to, by symbol and side."""

    quantities: dict[tuple[str, PositionSide], Decimal]

    def of(self, symbol: str, side: PositionSide) -> Decimal:
        return self.quantities.get((symbol, side), ZERO)


def plan_alignments(
    books: Books, snapshot: AccountSnapshot, *, grace: timedelta
) -> tuple[Change, ...]:
    """Return the changes that align position rows; none while positions are not known."""
    if snapshot.positions is None or isinstance(snapshot.positions, Unread):
        return ()
    if snapshot.may_hide_positions:
        return ()
    exchange = _sum_exchange(snapshot.positions)
    slices = _sum_slices(books.positions)
    return tuple(
        _align(row)
        for row in sorted(books.positions, key=lambda row: row.id)
        if row.quantity != row.of_slices
        and row.symbol not in books.base_currencies
        and not is_recent([row.delivered_at], as_of=snapshot.as_of, grace=grace)
        and all(
            exchange.of(row.symbol, side) == slices.of(row.symbol, side)
            for side in _sides(row, is_hedged=books.is_hedged)
        )
    )


def _sides(row: PositionRow, *, is_hedged: bool) -> tuple[PositionSide, ...]:
    if not is_hedged:
        return (PositionSide.NET,)
    return (PositionSide.LONG if row.direction == Direction.LONG else PositionSide.SHORT,)


def _sum_exchange(positions: Iterable[ExchangePosition]) -> _Held:
    quantities: dict[tuple[str, PositionSide], Decimal] = {}
    for position in positions:
        key = (position.symbol, position.side)
        quantities[key] = quantities.get(key, ZERO) + position.quantity
    return _Held(quantities)


def _sum_slices(rows: Iterable[PositionRow]) -> _Held:
    quantities: dict[tuple[str, PositionSide], Decimal] = {}
    for row in rows:
        side = PositionSide.LONG if row.direction == Direction.LONG else PositionSide.SHORT
        for key in ((row.symbol, side), (row.symbol, PositionSide.NET)):
            quantities[key] = quantities.get(key, ZERO) + row.of_slices
    return _Held(quantities)


def _align(row: PositionRow) -> Change:
    return Change(
        profile_id=row.profile_id,
        premises=Premises(trades={}, orders={}, fills={}, positions={row.id: row.quantity}),
        positions=(
            PositionDraft(id=row.id, quantity=row.of_slices, entry_price=row.entry_price_of_slices),
        ),
        events=(
            EventDraft(
                action="position.aligned",
                object_type="position",
                object_id=str(row.id),
                before={"quantity": plain(row.quantity)},
                after={"quantity": plain(row.of_slices), "symbol": row.symbol},
                comment="the slices agree with the exchange",
            ),
        ),
    )
