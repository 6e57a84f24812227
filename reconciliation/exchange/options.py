"""The options of an account's gateway, read once and checked by name."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciliation.enums import InstrumentType
from reconciliation.exchange.gateway import PermanentExchangeError

OKX, BYBIT, KRAKEN = "okx", "bybit", "kraken"
BINANCE_SPOT, BINANCE_USDM = "binance", "binanceusdm"

_SPOT, _SWAP = InstrumentType.SPOT, InstrumentType.SWAP
_NAMES = (
    "instrument_types",
    "instruments_ttl_seconds",
    "symbols",
    "sub_tag_field",
    "sub_tag_separator",
    "trade_hint_field",
    "pace",
    "ccxt",
)
# Where an exchange keeps the tag of a strategy, among what it sends for an order or a fill.
_SUB_TAG_FIELDS = {OKX: "tag", "deribit": "label"}
# What the ids of ccxt serve: the types of instruments, the default first.
_SERVED_TYPES = {
    OKX: (_SPOT, _SWAP),
    BYBIT: (_SWAP, _SPOT),
    BINANCE_SPOT: (_SPOT,),
    BINANCE_USDM: (_SWAP,),
    KRAKEN: (_SPOT,),
}
_ELSEWHERE = {
    (BINANCE_SPOT, _SWAP): "its USD-M swaps are the exchange binanceusdm",
    (BINANCE_USDM, _SPOT): "its spot markets are the exchange binance",
    (KRAKEN, _SWAP): "its swaps are the exchange krakenfutures",
}
# Their lists of fills have to be asked for symbol by symbol.
LISTING_BY_SYMBOL = frozenset({BINANCE_SPOT, BINANCE_USDM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`pace` scales the interval between requests (1: the exchange's own limit, 0: none).

    `symbols` are all that the account may trade; empty: every symbol of its types. Where
    `sub_tag_field` is empty, the sub tag is what stands before the first `sub_tag_separator` in a
    client order id; with neither there is no sub tag.
    """

    instrument_types: frozenset[InstrumentType]
    instruments_ttl_seconds: float
    sub_tag_field: str
    sub_tag_separator: str
    trade_hint_field: str
    pace: float
    symbols: frozenset[str] = frozenset()
    ccxt: Mapping[str, object] = field(default_factory=dict)


def parse_options(exchange_id: str, options: Mapping[str, object]) -> Options:
    """Return the options with the defaults of an exchange; raises `PermanentExchangeError`."""
    for name in options:
        if name not in _NAMES:
            raise PermanentExchangeError(
                f"unknown exchange option {name!r}{did_you_mean(name, _NAMES)}; "
                f"known are {', '.join(_NAMES)}"
            )
    own = options.get("ccxt", {})
    if not isinstance(own, Mapping):
        raise PermanentExchangeError("exchange option ccxt is not a mapping")
    return Options(
        instrument_types=_types_of(exchange_id, options),
        instruments_ttl_seconds=_number(options, "instruments_ttl_seconds", 3600),
        symbols=_symbols(options.get("symbols", [])),
        sub_tag_field=_text(options, "sub_tag_field", _SUB_TAG_FIELDS.get(exchange_id, "")),
        sub_tag_separator=_text(options, "sub_tag_separator", "-"),
        trade_hint_field=_text(options, "trade_hint_field", "tradeIdHint"),
        pace=_number(options, "pace", 1),
        ccxt=own,
    )


def did_you_mean(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return `: did you mean …?` with the closest known names, or nothing."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f": did you mean {', '.join(close)}?" if close else ""


def _types_of(exchange_id: str, options: Mapping[str, object]) -> frozenset[InstrumentType]:
    served = _SERVED_TYPES.get(exchange_id, (_SWAP, _SPOT))
    default = served if exchange_id == OKX else served[:1]
    types = _types(options.get("instrument_types", list(default)))
    if exchange_id != OKX and len(types) != 1:
        raise PermanentExchangeError(
            f"{exchange_id}: instrument_types takes one type; add an account for each"
        )
    for kind in sorted(types - frozenset(served)):
        where = _ELSEWHERE[exchange_id, kind]
        raise PermanentExchangeError(
            f"exchange option instrument_types is [{kind.value!r}], which {exchange_id} does not "
            f"serve: {where}"
        )
    return types


def _types(value: object) -> frozenset[InstrumentType]:
    words = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    known = frozenset(word for word in words if word in InstrumentType.values)
    if not words or len(known) != len(frozenset(words)):
        raise PermanentExchangeError(
            f"exchange option instrument_types is {value!r}; it lists some of "
            f"{', '.join(InstrumentType.values)}"
        )
    return frozenset(InstrumentType(str(word)) for word in known)


def _symbols(value: object) -> frozenset[str]:
    if not isinstance(value, list | tuple) or not all(
        isinstance(each, str) and "/" in each for each in value
    ):
        raise PermanentExchangeError(
            f"exchange option symbols is {value!r}; it lists unified symbols, such as "
            "['BTC/USDT', 'ETH/USDT:USDT']"
        )
    return frozenset(value)


def _number(options: Mapping[str, object], name: str, default: float) -> float:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise PermanentExchangeError(f"exchange option {name} is {value!r}, not a number from 0 on")
    return float(value)


def _text(options: Mapping[str, object], name: str, default: str) -> str:
    value = options.get(name, default)
    if not isinstance(value, str):
        raise PermanentExchangeError(f"exchange option {name} is {value!r}, not a text")
    return value
