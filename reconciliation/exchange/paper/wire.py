"""Markets as rows of the exchange's answers, and what all rows have in common.

Every value is a string: quantities in contracts (base units for spot), prices and fees as plain
digits, times as epoch milliseconds, "" for what does not apply or is not known.
"""

from datetime import datetime

from reconciliation.exchange.paper.answers import Row
from reconciliation.exchange.paper.paging import to_ms
from reconciliation.exchange.paper.records import PaperInstrument, PositionSide
from reconciliation.exchange.paper.units import instrument_id, instrument_type, plain

LEVERAGE = "10"
SETTLED_IN_CASH = "cash"
CROSS_MARGIN = "cross"

_LISTED_MS = "1548133413000"


def ms_text(moment: datetime) -> str:
    return str(to_ms(moment))


def position_side_text(position_side: PositionSide | None) -> str:
    """Return the wire's position side; what names none is shown as `net`, in hedge mode too."""
    return position_side or "net"


def instrument_row(instrument: PaperInstrument) -> Row:
    swap = instrument.is_swap
    pair = f"{instrument.base}-{instrument.quote}"
    step = plain(instrument.amount_step)
    return {
        "alias": "",
        "baseCcy": "" if swap else instrument.base,
        "category": "1",
        "ctMult": "1" if swap else "",
        "ctType": "linear" if swap else "",
        "ctVal": plain(instrument.contract_size),
        "ctValCcy": instrument.base if swap else "",
        "expTime": "",
        "instFamily": pair if swap else "",
        "instId": instrument_id(instrument),
        "instType": instrument_type(instrument),
        "lever": "100" if swap else "10",
        "listTime": _LISTED_MS,
        "lotSz": step,
        "maxLmtSz": "1000000000",
        "maxMktSz": "1000000000",
        "minSz": step,
        "optType": "",
        "quoteCcy": "" if swap else instrument.quote,
        "ruleType": "normal",
        "settleCcy": instrument.quote if swap else "",
        "state": "live",
        "stk": "",
        "tickSz": plain(instrument.price_tick),
        "uly": pair if swap else "",
    }


def ticker_row(instrument: PaperInstrument, now: datetime) -> Row:
    """Return a ticker that last traded at the mark, one tick wide on either side."""
    mark, tick = plain(instrument.mark), instrument.price_tick
    step = plain(instrument.amount_step)
    return {
        "askPx": plain(instrument.mark + tick),
        "askSz": step,
        "bidPx": plain(instrument.mark - tick),
        "bidSz": step,
        "high24h": mark,
        "instId": instrument_id(instrument),
        "instType": instrument_type(instrument),
        "last": mark,
        "lastSz": step,
        "low24h": mark,
        "open24h": mark,
        "sodUtc0": mark,
        "sodUtc8": mark,
        "ts": ms_text(now),
        "vol24h": "0",
        "volCcy24h": "0",
    }


def mark_price_row(instrument: PaperInstrument, now: datetime) -> Row:
    return {
        "instId": instrument_id(instrument),
        # The exchange marks spot pairs for margin trading, and says so.
        "instType": "SWAP" if instrument.is_swap else "MARGIN",
        "markPx": plain(instrument.mark),
        "ts": ms_text(now),
    }
