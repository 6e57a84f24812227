"""What the readers of all exchanges share that ask the exchange's own endpoints."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from reconciliation.domain.types import ExchangeFill, ExchangeOrder, FillPage
from reconciliation.enums import InstrumentType, PositionMode
from reconciliation.exchange.fields import Row, from_ms, to_ms
from reconciliation.exchange.gateway import (
    HistoryUnobtainable,
    PermanentExchangeError,
    RetryableExchangeError,
    UnknownSymbol,
    Unsupported,
)
from reconciliation.exchange.instruments import InstrumentTable
from reconciliation.exchange.normalize import Reading
from reconciliation.exchange.paging import WindowPage

Result = TypeVar("Result")
Call = Callable[[str, Mapping[str, str]], object]
Normalize = Callable[[Row, Reading], ExchangeFill | None]

NO_POSITIONS = "spot is held as a balance, not as a position"
NO_MARGIN = "a spot account has no margin in use"
NO_ID = "an order is asked for by an id, and none was given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Read one account. `call` sends a request by its name at ccxt and returns the parsed body.

    `table` returns the instruments, `reload_table` does after one was missing among them.
    """

    call: Call
    table: Callable[[], InstrumentTable]
    reload_table: Callable[[], InstrumentTable]
    clock: Callable[[], datetime]
    position_mode: PositionMode
    types: frozenset[InstrumentType]
    sub_tag_field: str = ""
    sub_tag_separator: str = ""
    trade_hint_field: str = ""

    def read(self, normalize: Callable[[Reading], Result]) -> Result:
        """Normalise rows; where an instrument is not listed, once more with a fresh list."""
        try:
            return normalize(self._reading(self.table()))
        except UnknownSymbol:
            table = self.reload_table()
        return normalize(self._reading(table))

    def read_fills(
        self, rows: tuple[Row, ...], normalize: Callable[[Row, Reading], ExchangeFill | None]
    ) -> tuple[ExchangeFill, ...]:
        """Return the fills that rows are, without those of instruments that are left out."""
        return self.read(
            lambda reading: tuple(
                fill for row in rows if (fill := normalize(row, reading)) is not None
            )
        )

    def check_type(self, instrument_type: InstrumentType) -> None:
        """Raise `Unsupported` for a type that is not read for this account."""
        if instrument_type not in self.types:
            raise Unsupported(f"{instrument_type.value} is not read for this account")

    def kept_pages(
        self,
        pages: Callable[[datetime, datetime], Iterator[FillPage]],
        *,
        start: datetime,
        end: datetime,
        kept_for: timedelta,
    ) -> Iterator[FillPage]:
        """Yield the pages of what an exchange keeps; raise `HistoryUnobtainable` for the rest."""
        kept_since = self.clock() - kept_for
        first = max(start, kept_since)
        if first <= end:
            yield from pages(first, end)
        if start < kept_since:
            raise HistoryUnobtainable(
                f"the exchange keeps fills for {kept_for.days} days; there is nothing to read "
                f"from before {kept_since.isoformat(timespec='seconds')}",
                before=kept_since,
            )

    def _reading(self, table: InstrumentTable) -> Reading:
        return Reading(
            table=table,
            types=self.types,
            sub_tag_field=self.sub_tag_field,
            sub_tag_separator=self.sub_tag_separator,
            trade_hint_field=self.trade_hint_field,
        )


def window_ms(start: datetime, end: datetime) -> tuple[int, int]:
    """Return the first and the last whole millisecond of a window."""
    # Fills have whole milliseconds: one before `start` is not in the window.
    return to_ms(start - timedelta(microseconds=1)) + 1, to_ms(end)


def chunks_ms(start_ms: int, end_ms: int, length: timedelta) -> Iterator[tuple[int, int]]:
    """Yield the parts of a window that an exchange answers at once, the newest first.

    Each starts at the millisecond that the one before it ends with.
    """
    step = length // timedelta(milliseconds=1)
    while True:
        first = max(start_ms, end_ms - step)
        yield first, end_ms
        if first == start_ms:
            return
        end_ms = first


def fill_page(
    page: WindowPage,
    fills: tuple[ExchangeFill, ...],
    instrument_type: InstrumentType,
    *,
    start: datetime,
    end: datetime,
) -> FillPage:
    """Return a page of the window [start, end], whose ends are no whole milliseconds."""
    start_ms, end_ms = window_ms(start, end)
    is_first, is_last = page.end_ms in (None, end_ms), page.start_ms in (None, start_ms)
    return FillPage(
        instrument_type=instrument_type,
        fills=fills,
        start=start if is_last or page.start_ms is None else from_ms(page.start_ms),
        end=end if is_first or page.end_ms is None else from_ms(page.end_ms),
    )


def require_id(exchange_order_id: str | None, client_order_id: str | None) -> None:
    """Raise `PermanentExchangeError` where an order is asked for by no id at all."""
    if exchange_order_id is None and client_order_id is None:
        raise PermanentExchangeError(NO_ID)


def check_order(
    order: ExchangeOrder, wanted: str, answered: str | None, *, symbol: str
) -> ExchangeOrder:
    """Return the order that was asked for; raises `RetryableExchangeError` for another one."""
    if order.symbol != symbol:
        raise RetryableExchangeError(
            f"asked for order {wanted} of {symbol}, the exchange answered one of {order.symbol}"
        )
    if answered != wanted:
        raise RetryableExchangeError(
            f"asked for order {wanted}, the exchange answered {answered or 'one without an id'}"
        )
    return order


def check_fills(fills: tuple[ExchangeFill, ...], exchange_order_id: str) -> None:
    """Raise `RetryableExchangeError` where one of an order's fills is another order's."""
    foreign = [each for each in fills if each.exchange_order_id != exchange_order_id]
    if foreign:
        raise RetryableExchangeError(
            f"asked for the fills of order {exchange_order_id}, the exchange answered fill "
            f"{foreign[0].fill_id} of another"
        )
