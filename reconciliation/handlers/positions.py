"""Position rows follow their slices."""

from datetime import datetime

from reconciliation.domain.books import TradeState
from reconciliation.domain.positions import position_of
from reconciliation.enums import Direction
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.models import Position, Trade
from reconciliation.selectors.lists import text_list
from reconciliation.selectors.states import trade_state


def recalculate_positions(
    *, profile_id: int, touched: set[tuple[str, Direction]], now: datetime
) -> None:
    """Write the position rows of a profile's symbols and directions from its slices."""
    symbols = text_list(symbol for symbol, _ in touched)
    slices: dict[tuple[str, str], list[TradeState]] = {key: [] for key in touched}
    for row in Trade.objects.filter(profile_id=profile_id, symbol__in=symbols).holding():
        slices.setdefault((row.symbol, row.direction), []).append(trade_state(row))
    existing = {
        (row.symbol, row.direction): row
        for row in Position.objects.filter(profile_id=profile_id, symbol__in=symbols)
    }
    fresh = []
    for symbol, direction in sorted(touched):
        state = position_of(slices[(symbol, direction)])
        position = existing.get((symbol, direction))
        if position is None:
            position = Position(profile_id=profile_id, symbol=symbol, direction=direction)
            fresh.append(position)
        position.quantity = state.quantity
        position.entry_price = state.entry_price
        position.updated_at = now
    insert_rows(Position, fresh)
    update_rows(
        Position,
        [row for key, row in existing.items() if key in touched],
        fields=["quantity", "entry_price", "updated_at"],
    )
