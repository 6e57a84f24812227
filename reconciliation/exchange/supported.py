"""The exchanges that have a reader of their own, as a person who adds an account sees them.

Every other one that ccxt knows is read through its unified methods, which cannot prove a window
of fills: such an account is added on the server, by who has read what follows from that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciliation.exchange.credentials import API_KEY, PASSWORD, SECRET
from reconciliation.exchange.options import BINANCE_SPOT, BINANCE_USDM, BYBIT, KRAKEN, OKX

_TWO, _THREE = frozenset({API_KEY, SECRET}), frozenset({API_KEY, SECRET, PASSWORD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Supported:
    """One exchange: its id at ccxt, what people call it, and which parts of a key it demands."""

    id: str
    name: str
    demanded: frozenset[str]
    reads: str
    needs: str
    tells_rights: bool


SUPPORTED: Mapping[str, Supported] = {
    each.id: each
    for each in (
        Supported(
            id=OKX,
            name="OKX",
            demanded=_THREE,
            reads="spot and linear swaps; orders of every class; fills of 89 days",
            needs="nothing else",
            tells_rights=True,
        ),
        Supported(
            id=BYBIT,
            name="Bybit",
            demanded=_TWO,
            reads="linear swaps, or spot; fills of 2 years",
            needs="an account for each of the two",
            tells_rights=True,
        ),
        Supported(
            id=BINANCE_USDM,
            name="Binance USD-M futures",
            demanded=_TWO,
            reads="linear swaps; fills of 181 days",
            needs="the symbols that it trades: fills are listed by symbol",
            tells_rights=True,
        ),
        Supported(
            id=BINANCE_SPOT,
            name="Binance spot",
            demanded=_TWO,
            reads="spot; fills for as long as they are kept",
            needs="the symbols that it trades: fills are listed by symbol",
            tells_rights=True,
        ),
        Supported(
            id=KRAKEN,
            name="Kraken spot",
            demanded=_TWO,
            reads="spot; fills for as long as they are kept",
            needs="nothing else",
            tells_rights=False,
        ),
    )
}
