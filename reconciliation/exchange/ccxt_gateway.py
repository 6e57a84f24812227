"""The gateway over ccxt: the only module that imports it, and only where a gateway is made.

ccxt signs, sends and names errors. What it gets wrong is put right around it: `strict_client` in
a subclass of the exchange's own class, `transport` for every request, `okx` and `unified` in what
is asked, `normalize` in what is read; `bybit`, `binance` and `kraken` are as `okx` is.
"""

import functools
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from random import random as default_random
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar

from reconciliation.domain.key_rights import KeyRights
from reconciliation.domain.types import (
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    FillPage,
    Instrument,
    OpenOrders,
)
from reconciliation.enums import InstrumentType, OrderClass, PositionMode
from reconciliation.exchange import (
    normalize_account,
    normalize_bybit,
    normalize_kraken,
)
from reconciliation.exchange import options as options_of
from reconciliation.exchange.binance import SPOT, USDM, BinanceReader, BinanceUsdmReader
from reconciliation.exchange.bybit import BybitReader
from reconciliation.exchange.credentials import API_KEY, PASSWORD, SECRET, Credentials
from reconciliation.exchange.gateway import (
    AccountHalted,
    CredentialsRejected,
    ExchangeError,
    PermanentExchangeError,
    RetryableExchangeError,
    UnknownSymbol,
    Unsupported,
)
from reconciliation.exchange.instruments import (
    InstrumentCache,
    InstrumentTable,
    table_from_markets,
)
from reconciliation.exchange.kraken import KrakenReader
from reconciliation.exchange.okx import OkxReader
from reconciliation.exchange.options import did_you_mean, parse_options
from reconciliation.exchange.strict_client import READS_BY_POST, BodyCheck, make_client
from reconciliation.exchange.transport import (
    NoSuchOrder,
    Reaction,
    Rule,
    Transport,
)
from reconciliation.exchange.unified import UnifiedReader

AccountReader = OkxReader | BybitReader | BinanceReader | KrakenReader | UnifiedReader
Params = ParamSpec("Params")
Result = TypeVar("Result")

# A list of instruments that lacks one is read anew, but not more often than this.
RELOAD_SECONDS = 60.0
# What makes a parsed body no answer at all, of those exchanges that put answers in an envelope.
BODY_CHECKS: Mapping[str, BodyCheck] = {
    options_of.OKX: normalize_account.envelope_problem,
    options_of.BYBIT: normalize_bybit.envelope_problem,
    options_of.KRAKEN: normalize_kraken.envelope_problem,
}
_SETTINGS = {"apiKey": API_KEY, "secret": SECRET, "password": PASSWORD}

_INSTRUMENTS = InstrumentCache()


def clear_instrument_cache() -> None:
    """Forget every exchange's instruments in this process, as a restart does."""
    _INSTRUMENTS.clear()


def require_exchange(exchange_id: str) -> None:
    """Raise `PermanentExchangeError`, with the nearest ids, unless ccxt knows the exchange."""
    import ccxt

    if exchange_id not in ccxt.exchanges:
        raise PermanentExchangeError(
            f"unknown exchange {exchange_id!r}{did_you_mean(exchange_id, ccxt.exchanges)}"
        )


def demanded_credentials(exchange_id: str) -> frozenset[str]:
    """Return the endings of the settings that hold what an exchange demands of its clients.

    Raises `PermanentExchangeError` for an exchange that ccxt does not know, or that demands what
    the portal has no setting for.
    """
    require_exchange(exchange_id)
    import ccxt

    demanded = getattr(ccxt, exchange_id)().requiredCredentials
    names = frozenset(name for name, is_demanded in demanded.items() if is_demanded)
    missing = sorted(names - frozenset(_SETTINGS))
    if missing:
        raise PermanentExchangeError(
            f"{exchange_id} demands {', '.join(missing)} of its clients, for which there is no "
            "setting; an account there cannot be read"
        )
    return frozenset(_SETTINGS[name] for name in names)


def _named_by_reaction(
    method: Callable[Concatenate["CcxtGateway", Params], Result],
) -> Callable[Concatenate["CcxtGateway", Params], Result]:
    """Let nothing but an `ExchangeError` with a redacted text leave a method."""

    def wrapper(self: "CcxtGateway", /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        try:
            return method(self, *args, **kwargs)
        except Exception as raised:
            failure = self._own_error(raised, method.__name__)
        # Here, outside of the handler: raised in it, the error would keep the original as context.
        raise failure

    functools.update_wrapper(wrapper, method)
    return wrapper


class CcxtGateway:
    """Read-only access to one account at one exchange; implements `gateway.Gateway`.

    One a worker and account. Its requests are sent one at a time, from whichever thread.
    """

    def __init__(
        self,
        *,
        exchange_id: str,
        credentials: Credentials,
        position_mode: PositionMode | str,
        options: Mapping[str, object] = MappingProxyType({}),
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
        base_url: str | None = None,
        timeout_ms: int = 10_000,
        random: Callable[[], float] = default_random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a gateway; nothing is sent yet.

        `clock` gives the time of what is read, `monotonic` that of budget and pace. Raises
        `PermanentExchangeError` for an exchange or an option that does not exist.
        """
        require_exchange(exchange_id)
        # Here and not above: it costs 0.4 s and 76 MB, which only a worker should pay.
        import ccxt

        self._options = parse_options(exchange_id, options)
        self._exchange_id = exchange_id
        self._base_url = base_url
        self._monotonic = monotonic
        self._transport = Transport(
            name=exchange_id,
            credentials=credentials,
            rules=_rules(ccxt, exchange_id),
            monotonic=monotonic,
            sleep=sleep,
            random=random,
            timeout_seconds=timeout_ms / 1000,
            base_url=base_url,
        )
        self._client = make_client(
            getattr(ccxt, exchange_id),
            self._transport,
            credentials,
            options=self._options,
            base_url=base_url,
            check_body=BODY_CHECKS.get(exchange_id),
        )
        self._transport.use_clock_sync(self._client.load_time_difference)
        self._reader = self._make_reader(clock, PositionMode(position_mode))

    def _make_reader(self, clock: Callable[[], datetime], mode: PositionMode) -> AccountReader:
        """Return what asks this exchange's own endpoints, else ccxt's unified methods."""
        options = self._options
        shared: dict[str, Any] = {
            "table": self._table,
            "clock": clock,
            "position_mode": mode,
            "types": options.instrument_types,
            "sub_tag_field": options.sub_tag_field,
            "sub_tag_separator": options.sub_tag_separator,
            "trade_hint_field": options.trade_hint_field,
        }
        own = shared | {
            "call": self._call,
            "reload_table": functools.partial(self._table, RELOAD_SECONDS),
        }
        match self._exchange_id:
            case options_of.OKX:
                return OkxReader(**own)
            case options_of.BYBIT:
                return BybitReader(**own)
            case options_of.BINANCE_SPOT:
                return BinanceReader(**own, endpoints=SPOT, symbols=options.symbols)
            case options_of.BINANCE_USDM:
                return BinanceUsdmReader(**own, endpoints=USDM, symbols=options.symbols)
            case options_of.KRAKEN:
                currency = self._client.safe_currency_code
                return KrakenReader(**own, ask=self._ask_by_post, currency=currency)
            case _:
                return UnifiedReader(**shared, client=self._client)

    def __repr__(self) -> str:
        return f"CcxtGateway({self._exchange_id})"

    @property
    def order_classes(self) -> Collection[OrderClass]:
        """The classes of orders that this exchange lists apart from each other."""
        return self._reader.order_classes

    @property
    def instrument_types(self) -> Collection[InstrumentType]:
        """The instrument types that this account reads; fills are listed by each."""
        return tuple(sorted(self._options.instrument_types))

    def begin_cycle(self, *, budget_seconds: float) -> None:
        """Start a cycle: a fresh network budget; a halt of the cycle before is forgotten."""
        self._transport.begin_cycle(budget_seconds)

    @_named_by_reaction
    def load_instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments by unified symbol, cached by all accounts of this process."""
        return self._table().by_symbol

    @_named_by_reaction
    def load_skipped_instruments(self) -> Mapping[str, str]:
        """Return, by unified symbol, why an instrument that the exchange lists is not read."""
        return self._table().skipped_symbols

    @_named_by_reaction
    def fetch_open_orders(self, order_class: OrderClass) -> OpenOrders:
        """Return all open orders of a class; `as_of` is before the first request for them."""
        return self._reader.fetch_open_orders(order_class)

    def fetch_fill_pages(
        self, instrument_type: InstrumentType, *, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        """Yield the fills executed in [start, end], newest page first.

        A page's `end` is the `start` of the page before it: a fill of that very instant is in
        both. What was yielded before an error stays proven. Raises `HistoryUnobtainable` after
        the last page where the exchange no longer keeps the beginning of the window.
        """
        pages = self._reader.fetch_fill_pages(instrument_type, start=start, end=end)
        while (page := self._next_fill_page(pages)) is not None:
            yield page

    @_named_by_reaction
    def _next_fill_page(self, pages: Iterator[FillPage]) -> FillPage | None:
        return next(pages, None)

    @_named_by_reaction
    def fetch_order(
        self,
        *,
        symbol: str,
        exchange_order_id: str | None,
        client_order_id: str | None,
        order_class: OrderClass,
    ) -> ExchangeOrder | None:
        """Ask for one order, by exchange id, then by client id; None: "no such order"."""
        return self._reader.fetch_order(
            symbol=symbol,
            exchange_order_id=exchange_order_id,
            client_order_id=client_order_id,
            order_class=order_class,
        )

    @_named_by_reaction
    def fetch_order_fills(self, *, symbol: str, exchange_order_id: str) -> tuple[ExchangeFill, ...]:
        """Return every fill of one order that the exchange still keeps, newest first."""
        return self._reader.fetch_order_fills(symbol=symbol, exchange_order_id=exchange_order_id)

    @_named_by_reaction
    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        """Return the positions that are not zero, of one symbol or of all; spot has none."""
        return self._reader.fetch_positions(symbol)

    @_named_by_reaction
    def fetch_position_mode(self) -> PositionMode:
        """Return whether the account nets its positions, by the exchange's word."""
        return self._reader.fetch_position_mode()

    @_named_by_reaction
    def fetch_key_rights(self) -> KeyRights:
        """Return what the key may do at the exchange; `Unsupported` where that is not told."""
        return self._reader.fetch_key_rights()

    @_named_by_reaction
    def fetch_clock_lead(self) -> timedelta:
        """Return by how much this machine's clock is ahead of the exchange's; negative: behind.

        The exchange's answer is taken for the moment half-way between the question and it.
        """
        if not self._client.has.get("fetchTime"):
            raise Unsupported(f"{self._exchange_id} does not tell its time")
        asked = self._client.milliseconds()
        theirs = self._client.fetch_time()
        answered = self._client.milliseconds()
        return timedelta(milliseconds=(asked + answered) / 2 - int(theirs))

    @_named_by_reaction
    def fetch_balances(self) -> Mapping[str, Decimal]:
        """Return the total cash of each currency that has some, without unrealised profit."""
        return self._reader.fetch_balances()

    @_named_by_reaction
    def fetch_margin_in_use(self) -> Mapping[str, Decimal]:
        """Return the initial margin that the account has in use, by settlement currency."""
        return self._reader.fetch_margin_in_use()

    @_named_by_reaction
    def fetch_mark(self, symbol: str) -> Decimal:
        """Return the mark price (spot: the last price)."""
        return self._reader.fetch_mark(symbol)

    def close(self) -> None:
        """Release the connection."""
        self._client.session.close()

    def _own_error(self, raised: Exception, about: str) -> ExchangeError:
        if isinstance(raised, ExchangeError):
            # Its text may quote what an exchange sent.
            raised.args = tuple(self._transport.redact(str(each)) for each in raised.args)
            raised.__cause__ = raised.__context__ = None
            return raised
        return self._transport.translate(raised, about=about)

    def _call(self, method: str, filters: Mapping[str, str]) -> object:
        answer: object = getattr(self._client, method)(dict(filters))
        return answer

    def _ask_by_post(self, path: str, filters: Mapping[str, str]) -> object:
        cost = READS_BY_POST[self._exchange_id][path]
        answer: object = self._client.request(
            path, ["private"], "POST", dict(filters), {"cost": cost}
        )
        return answer

    def _table(self, max_age_seconds: float | None = None) -> InstrumentTable:
        types = self._options.instrument_types
        limit = self._options.instruments_ttl_seconds
        return _INSTRUMENTS.get(
            (self._exchange_id, self._base_url, types, self._options.symbols),
            load=self._load_table,
            now=self._monotonic(),
            max_age_seconds=limit if max_age_seconds is None else min(limit, max_age_seconds),
        )

    def _load_table(self) -> InstrumentTable:
        return table_from_markets(
            # Not load_markets(), which asks for currencies too.
            self._client.fetch_markets(),
            types=self._options.instrument_types,
            aliases=self._client.commonCurrencies,
            precision_mode=self._client.precisionMode,
            keep_markets=isinstance(self._reader, UnifiedReader),
            symbols=self._options.symbols,
        )


def _rules(ccxt: Any, exchange_id: str) -> tuple[Rule, ...]:
    """Return what ccxt's errors call for; the order matters, since they derive from each other."""
    # Kraken's word for an order that it does not know has no error class of its own.
    own = (Rule(ccxt.InvalidOrder, Reaction.RAISE, NoSuchOrder),)
    return (
        *(own if exchange_id == options_of.KRAKEN else ()),
        Rule(ccxt.RateLimitExceeded, Reaction.HALT, AccountHalted),
        Rule(ccxt.DDoSProtection, Reaction.HALT, AccountHalted),
        Rule(ccxt.InvalidNonce, Reaction.SYNC_CLOCK, RetryableExchangeError),
        Rule(ccxt.AuthenticationError, Reaction.RAISE, CredentialsRejected),
        Rule(ccxt.OrderNotFound, Reaction.RAISE, NoSuchOrder),
        Rule(ccxt.BadSymbol, Reaction.RAISE, UnknownSymbol),
        Rule(ccxt.NotSupported, Reaction.RAISE, Unsupported),
        Rule(ccxt.OperationFailed, Reaction.RETRY, RetryableExchangeError),
        Rule(ccxt.BadRequest, Reaction.RAISE, PermanentExchangeError),
        Rule(ccxt.ArgumentsRequired, Reaction.RAISE, PermanentExchangeError),
    )
