"""A profile's position in a symbol and direction is the sum of its slices there."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from reconciliation.domain.amounts import total, weighted_average
from reconciliation.domain.books import TradeState
from reconciliation.enums import HOLDING_TRADE_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionState:
    """Signed quantity in base units; the entry price is None when flat or not known."""

    quantity: Decimal
    entry_price: Decimal | None


def position_of(trades: Iterable[TradeState]) -> PositionState:
    """Return the position that slices of one profile, symbol and direction add up to."""
    holding = [trade for trade in trades if trade.status in HOLDING_TRADE_STATUSES]
    priced = [
        (trade.open_quantity, trade.average_entry_price)
        for trade in holding
        if trade.average_entry_price is not None
    ]
    known = len(priced) == len(holding)
    return PositionState(
        quantity=total(trade.signed_open_quantity for trade in holding),
        entry_price=weighted_average(priced) if known else None,
    )
