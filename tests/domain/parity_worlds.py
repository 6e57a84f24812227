"""One line a position: both sides of a holding, and hypothesis strategies of them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from reconciliation.domain.books import TradeState
from reconciliation.domain.parity import Finding, Holding, PositionKey, compare
from reconciliation.enums import Direction, PositionSide
from tests.domain.builders import SYMBOL, trade

DUST = Decimal(5)
KEY = PositionKey(symbol=SYMBOL, side=PositionSide.NET)
STEP = Decimal("0.0001")


def long(id: int, quantity: str, profile: int = 1, **values: Any) -> TradeState:
    return trade(id, entered=quantity, profile_id=profile, **values)


def short(id: int, quantity: str, profile: int = 1, **values: Any) -> TradeState:
    return trade(id, entered=quantity, profile_id=profile, direction=Direction.SHORT, **values)


def holding(actual: str | Decimal, *slices: TradeState, **values: Any) -> Holding:
    defaults: dict[str, Any] = {"key": KEY, "mark": Decimal(60000), "amount_step": STEP}
    return Holding(slices=slices, actual=Decimal(actual), **(defaults | values))


def found(actual: str | Decimal, *slices: TradeState, **values: Any) -> Finding:
    return compare(holding(actual, *slices, **values), dust_usd=DUST)


quantities = st.integers(10**5, 10**14).map(lambda units: Decimal(units).scaleb(-8))
signed = st.one_of(st.just(Decimal(0)), quantities, quantities.map(lambda each: -each))


@st.composite
def slices(
    draw: st.DrawFn, *, least: int = 0, directions: Sequence[Direction] = tuple(Direction)
) -> Sequence[TradeState]:
    """Draw slices of up to three profiles, some partly exited."""
    made = []
    for id in range(1, draw(st.integers(least, 6)) + 1):
        entered = draw(quantities)
        exited = draw(st.sampled_from([Decimal(0), entered / 2]))
        made.append(
            trade(
                id,
                entered=str(entered),
                exited=str(exited),
                profile_id=draw(st.integers(1, 3)),
                direction=draw(st.sampled_from(directions)),
            )
        )
    return made
