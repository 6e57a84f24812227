"""Position rows follow their slices."""

from datetime import datetime

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.books import TradeState
from reconciliation.domain.positions import position_of
from reconciliation.enums import Direction
from reconciliation.handlers.bulk import insert_missing_rows, update_rows
from reconciliation.models import Position, Trade
from reconciliation.selectors.lists import text_list
from reconciliation.selectors.states import trade_state


def recalculate_positions(
    *, profile_id: int, touched: set[tuple[str, Direction]], now: datetime
) -> None:
    """Write the position rows of a profile's symbols and directions from its slices.

    The rows are locked before the slices are read: of two writers the second then reads what the
    first has committed.
    """
    symbols = text_list(symbol for symbol, _ in touched)
    existing = _lock(profile_id=profile_id, touched=touched, now=now)
    slices: dict[tuple[str, str], list[TradeState]] = {}
    for row in Trade.objects.filter(profile_id=profile_id, symbol__in=symbols).holding():
        slices.setdefault((row.symbol, row.direction), []).append(trade_state(row))
    for position in existing:
        state = position_of(slices.get((position.symbol, position.direction), ()))
        position.quantity = state.quantity
        position.entry_price = state.entry_price
        position.updated_at = now
        position.version += 1
    update_rows(Position, existing, fields=["quantity", "entry_price", "updated_at", "version"])


def _lock(*, profile_id: int, touched: set[tuple[str, Direction]], now: datetime) -> list[Position]:
    """Return the position rows locked, in order of their keys; those missing are made, flat."""
    made = [
        Position(
            profile_id=profile_id,
            symbol=symbol,
            direction=direction,
            quantity=ZERO,
            updated_at=now,
        )
        for symbol, direction in sorted(touched)
    ]
    insert_missing_rows(Position, made, conflict_fields=["profile", "symbol", "direction"])
    rows = Position.objects.select_for_update(no_key=True).filter(
        profile_id=profile_id, symbol__in=text_list(symbol for symbol, _ in touched)
    )
    return [row for row in rows.order_by("pk") if (row.symbol, row.direction) in touched]
