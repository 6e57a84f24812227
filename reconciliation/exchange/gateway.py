"""What the portal may ask of an exchange, and how an answer can fail.

There is no method that places, changes or cancels an order, and there must never be one.
Errors are named by the reaction they call for; their text is redacted before they leave the
gateway, so it may be recorded and shown.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

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


class ExchangeError(Exception):
    """An exchange did not give a usable answer. Never instantiated itself."""


class RetryableExchangeError(ExchangeError):
    """Temporary: network, overload, maintenance, unreadable body. The next cycle asks again."""


class AccountHalted(RetryableExchangeError):
    """The exchange asked to stop (418, 429): nothing more is asked of it in this cycle."""


class BudgetExhausted(RetryableExchangeError):
    """The cycle's time for the network is used up; what was not reached is unknown."""


class PermanentExchangeError(ExchangeError):
    """Asking again will not help until a person changes something."""


class CredentialsRejected(PermanentExchangeError):
    """Key, secret, passphrase or its rights are wrong; the message names the setting."""


class UnknownSymbol(PermanentExchangeError):
    """The exchange lists no such symbol."""


class Unsupported(PermanentExchangeError):
    """This exchange (or its ccxt class) cannot answer this question at all."""


class HistoryUnobtainable(Unsupported):
    """The exchange keeps nothing from before a moment; what it keeps since then was read."""

    def __init__(self, message: str, *, before: datetime) -> None:
        super().__init__(message)
        self.before = before


class Gateway(Protocol):
    """Read-only access to one account at one exchange.

    Every method raises `ExchangeError` when it has no complete answer: a list that is returned
    is the whole list. Quantities are base units, moments have a time zone.
    """

    @property
    def order_classes(self) -> Collection[OrderClass]:
        """The classes of orders that this exchange lists apart from each other."""

    @property
    def instrument_types(self) -> Collection[InstrumentType]:
        """The instrument types that this account reads; fills are listed by each."""

    def begin_cycle(self, *, budget_seconds: float) -> None:
        """Start a cycle: a fresh network budget; a halt of the cycle before is forgotten."""

    def load_instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments by unified symbol (cached)."""

    def fetch_open_orders(self, order_class: OrderClass) -> OpenOrders:
        """Return all open orders of a class."""

    def fetch_fill_pages(
        self, instrument_type: InstrumentType, *, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        """Yield the fills executed in [start, end], newest page first.

        Each page yielded is complete for its own interval; together they cover [start, end]
        once the iterator ends without an error. Where the exchange keeps fills for less long,
        `HistoryUnobtainable` ends it after the pages that cover all that is kept.
        """

    def fetch_order(
        self,
        *,
        symbol: str,
        exchange_order_id: str | None,
        client_order_id: str | None,
        order_class: OrderClass,
    ) -> ExchangeOrder | None:
        """Ask for one order, by exchange id, then by client id; None: "no such order"."""

    def fetch_order_fills(self, *, symbol: str, exchange_order_id: str) -> tuple[ExchangeFill, ...]:
        """Return every fill of one order."""

    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        """Return the positions that are not zero, of one symbol or of all."""

    def fetch_position_mode(self) -> PositionMode:
        """Return whether the account nets its positions."""

    def fetch_key_rights(self) -> KeyRights:
        """Return what the key may do at the exchange; `Unsupported` where that is not told."""

    def fetch_clock_lead(self) -> timedelta:
        """Return by how much this machine's clock is ahead of the exchange's; negative: behind."""

    def fetch_balances(self) -> Mapping[str, Decimal]:
        """Return the total balance of each currency that has one."""

    def fetch_margin_in_use(self) -> Mapping[str, Decimal]:
        """Return the initial margin that the account has in use, by settlement currency."""

    def fetch_mark(self, symbol: str) -> Decimal:
        """Return the mark price (spot: the last price)."""

    def close(self) -> None:
        """Release the connection."""
