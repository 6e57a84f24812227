"""The instruments of an exchange in base units, from the market structures of ccxt.

Read are spot markets and linear swaps. An inverse contract is worth a fixed number of dollars, so
that its base quantity changes with the price: it cannot be reconciled in base units and is left
out. Futures, options and margin pairs are left out because no trade is kept in them. A row of what
is left out on purpose is passed over; a row of what could not be read, or is not listed at all, is
an error, because it may be of a symbol that is being traded.
"""

import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from reconciliation.domain.amounts import product
from reconciliation.domain.types import Instrument
from reconciliation.enums import InstrumentType
from reconciliation.exchange.fields import Fields, Row, UnreadableAnswer
from reconciliation.exchange.gateway import (
    RetryableExchangeError,
    UnknownSymbol,
    Unsupported,
)

ONE = Decimal(1)
# ccxt's name for "precision is a step, not a number of decimal places".
TICK_SIZE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentTable:
    """The instruments by unified symbol, their exchange ids, and what was left out and why.

    `out_of_scope`, `unreadable` and `undeclared` map an exchange id to a reason; `aliases` maps the
    exchange's currency codes to the unified ones where they differ; `markets` are ccxt's own
    structures.
    """

    by_symbol: Mapping[str, Instrument]
    by_id: Mapping[str, Instrument]
    ids: Mapping[str, str]
    out_of_scope: Mapping[str, str]
    unreadable: Mapping[str, str]
    skipped_symbols: Mapping[str, str]
    aliases: Mapping[str, str]
    undeclared: Mapping[str, str] = field(default_factory=dict)
    markets: tuple[Row, ...] = ()

    def instrument(self, symbol: str) -> Instrument:
        """Return an instrument; raises `Unsupported` or `UnknownSymbol`, with the reason."""
        if symbol in self.by_symbol:
            return self.by_symbol[symbol]
        if symbol in self.skipped_symbols:
            raise Unsupported(f"{symbol} is not read: {self.skipped_symbols[symbol]}")
        raise UnknownSymbol(f"the exchange lists no {symbol}")

    def exchange_id(self, symbol: str) -> str:
        """Return the exchange's id of a symbol; raises as `instrument` does."""
        self.instrument(symbol)
        return self.ids[symbol]

    def of_row(self, exchange_id: str) -> Instrument | None:
        """Return the instrument of a row, or None where it is left out on purpose.

        Raises `UnreadableAnswer` where its listing could not be read, `Unsupported` where it is of
        a symbol that the account was said not to trade, `UnknownSymbol` where it is not listed.
        """
        if exchange_id in self.by_id:
            return self.by_id[exchange_id]
        if exchange_id in self.out_of_scope:
            return None
        if exchange_id in self.undeclared:
            raise Unsupported(self.undeclared[exchange_id])
        if exchange_id in self.unreadable:
            raise UnreadableAnswer(f"instrument {exchange_id}: {self.unreadable[exchange_id]}")
        raise UnknownSymbol(f"the exchange lists no instrument {exchange_id}")

    def currency(self, code: str | None) -> str | None:
        """Return the unified code of a currency."""
        return None if code is None else self.aliases.get(code, code)


def table_from_markets(
    markets: Iterable[Row],
    *,
    types: Iterable[InstrumentType],
    aliases: Mapping[str, str],
    precision_mode: int = TICK_SIZE,
    keep_markets: bool = False,
    symbols: Collection[str] = (),
) -> InstrumentTable:
    """Return the table of ccxt market structures, whose numbers are strings.

    Where `symbols` are given, they are all that the account trades. Raises `RetryableExchangeError`
    where a wanted type has no instrument at all: an exchange that lists none gave no usable answer,
    and believing it would make every symbol unknown.
    """
    wanted = frozenset(types)
    kept = tuple(markets)
    found: dict[str, Instrument] = {}
    ids: dict[str, str] = {}
    out_of_scope: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    skipped: dict[str, str] = {}
    undeclared: dict[str, str] = {}
    other_ids: dict[str, str] = {}
    for market in kept:
        fields = Fields(market, kind="instrument", id_fields=("id", "symbol"))
        exchange_id, symbol = fields.required_text("id"), fields.required_text("symbol")
        # Kraken names a market by another id in its orders.
        other_id = fields.text("altname") or exchange_id
        reason = _reason_to_leave_out(fields, wanted)
        if reason is not None:
            out_of_scope[exchange_id] = skipped[symbol] = reason
            continue
        if symbols and symbol not in symbols:
            skipped[symbol] = "it is not among the account's option symbols"
            undeclared[exchange_id] = undeclared[other_id] = (
                f"{symbol} is not among the account's option symbols: add it there, or trade it "
                "with other keys"
            )
            continue
        try:
            instrument = _instrument(fields, precision_mode)
        except UnreadableAnswer as error:
            unreadable[exchange_id] = skipped[symbol] = str(error)
            continue
        found[symbol] = instrument
        ids[symbol] = exchange_id
        other_ids[other_id] = symbol
    missing = sorted(wanted - {instrument.type for instrument in found.values()})
    if missing and not undeclared:
        raise RetryableExchangeError(
            f"the exchange lists no instruments of type {', '.join(missing)}"
        )
    return InstrumentTable(
        by_symbol=found,
        by_id={
            each: found[symbol]
            for each, symbol in (*other_ids.items(), *((ids[symbol], symbol) for symbol in ids))
        },
        ids=ids,
        out_of_scope=out_of_scope,
        unreadable=unreadable,
        skipped_symbols=skipped,
        aliases=dict(aliases),
        undeclared=undeclared,
        markets=kept if keep_markets else (),
    )


def _reason_to_leave_out(fields: Fields, wanted: frozenset[InstrumentType]) -> str | None:
    kind = fields.text("type")
    if kind not in InstrumentType.values or InstrumentType(kind) not in wanted:
        return f"instruments of type {kind} are not read for this account"
    if kind == InstrumentType.SPOT:
        return None
    if fields.row.get("inverse") is True:
        return "an inverse contract has no fixed size in base units"
    return None


def _instrument(fields: Fields, precision_mode: int) -> Instrument:
    """Return one instrument, its sizes in base units; raises `UnreadableAnswer`."""
    kind = InstrumentType(fields.required_text("type"))
    base = fields.required_text("base")
    if precision_mode != TICK_SIZE:
        raise fields.fault("precision", "is given in decimal places, which is not supported")
    contract_size = ONE
    if kind == InstrumentType.SWAP:
        if fields.row.get("linear") is not True:
            raise fields.fault("linear", "is not true: the contract is of no known kind")
        contract_size = _positive(fields, "contractSize")
        _check_contract_value(fields, base)
    precision = Fields(
        fields.row.get("precision"), kind=f"{fields.what} precision of", id_fields=()
    )
    step = _positive(precision, "amount")
    return Instrument(
        symbol=fields.required_text("symbol"),
        type=kind,
        base=base,
        quote=fields.required_text("quote"),
        contract_size=contract_size,
        amount_step=fields.exact("amount step in base units", product(step, contract_size)),
        price_tick=_positive(precision, "price"),
    )


def _check_contract_value(fields: Fields, base: str) -> None:
    """Refuse a contract whose stated size is not plainly a number of base units (OKX's fields)."""
    info = fields.row.get("info")
    if not isinstance(info, Mapping):
        return
    multiplier, currency = info.get("ctMult"), info.get("ctValCcy")
    if multiplier not in (None, "", "1"):
        raise fields.fault("info.ctMult", f"is {multiplier!r}: a multiplier is not supported")
    if currency not in (None, "", base, fields.row.get("baseId")):
        raise fields.fault("info.ctValCcy", f"is {currency!r}, not the base currency")


def _positive(fields: Fields, name: str) -> Decimal:
    amount = fields.required_amount(name)
    if amount <= 0:
        raise fields.fault(name, f"is {amount}, not above zero")
    return amount


class InstrumentCache:
    """Tables by key, each kept for some seconds; one load at a time for a key.

    Accounts of one exchange in one worker share a table, so that its markets are listed once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loading: dict[Hashable, threading.Lock] = {}
        self._kept: dict[Hashable, tuple[float, InstrumentTable]] = {}

    def get(
        self,
        key: Hashable,
        *,
        load: Callable[[], InstrumentTable],
        now: float,
        max_age_seconds: float,
    ) -> InstrumentTable:
        """Return the table of a key, loading it where there is none younger than the limit.

        `now` is of a monotonic clock. What `load` raises is passed on and nothing is kept.
        """
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            kept = self._kept.get(key)
            if kept is not None and 0 <= now - kept[0] < max_age_seconds:
                return kept[1]
            table = load()
            self._kept[key] = (now, table)
            return table

    def clear(self) -> None:
        """Forget every table, as a restart does."""
        with self._lock:
            self._kept.clear()
