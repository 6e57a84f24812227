"""The options of an account's gateway, read once and checked by name."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciliation.enums import InstrumentType
from reconciliation.exchange.gateway import PermanentExchangeError

OKX = "okx"
_NAMES = (
    "instrument_types",
    "instruments_ttl_seconds",
    "sub_tag_field",
    "trade_hint_field",
    "pace",
    "ccxt",
)
# Where an exchange keeps the tag of a strategy, among what it sends for an order or a fill.
_SUB_TAG_FIELDS = {OKX: "tag", "deribit": "label"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`pace` scales the interval between requests (1: the exchange's own limit, 0: none)."""

    instrument_types: frozenset[InstrumentType]
    instruments_ttl_seconds: float
    sub_tag_field: str
    trade_hint_field: str
    pace: float
    ccxt: Mapping[str, object] = field(default_factory=dict)


def parse_options(exchange_id: str, options: Mapping[str, object]) -> Options:
    """Return the options with the defaults of an exchange; raises `PermanentExchangeError`."""
    for name in options:
        if name not in _NAMES:
            raise PermanentExchangeError(
                f"unknown exchange option {name!r}{did_you_mean(name, _NAMES)}; "
                f"known are {', '.join(_NAMES)}"
            )
    default_types = ["spot", "swap"] if exchange_id == OKX else ["swap"]
    types = _types(options.get("instrument_types", default_types))
    if exchange_id != OKX and len(types) != 1:
        raise PermanentExchangeError(f"{exchange_id}: instrument_types takes one type")
    own = options.get("ccxt", {})
    if not isinstance(own, Mapping):
        raise PermanentExchangeError("exchange option ccxt is not a mapping")
    return Options(
        instrument_types=types,
        instruments_ttl_seconds=_number(options, "instruments_ttl_seconds", 3600),
        sub_tag_field=_text(options, "sub_tag_field", _SUB_TAG_FIELDS.get(exchange_id, "")),
        trade_hint_field=_text(options, "trade_hint_field", "tradeIdHint"),
        pace=_number(options, "pace", 1),
        ccxt=own,
    )


def did_you_mean(name: str, known: tuple[str, ...] | list[str]) -> str:
    """Return `: did you mean …?` with the closest known names, or nothing."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f": did you mean {', '.join(close)}?" if close else ""


def _types(value: object) -> frozenset[InstrumentType]:
    words = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    known = frozenset(word for word in words if word in InstrumentType.values)
    if not words or len(known) != len(frozenset(words)):
        raise PermanentExchangeError(
            f"exchange option instrument_types is {value!r}; it lists some of "
            f"{', '.join(InstrumentType.values)}"
        )
    return frozenset(InstrumentType(str(word)) for word in known)


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
