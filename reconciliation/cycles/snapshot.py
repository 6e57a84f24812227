"""Read an account: open orders by class, fills of the window; what fails is unread, not empty."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from reconciliation.cycles.ports import Ports
from reconciliation.domain.intervals import gaps
from reconciliation.domain.types import AccountSnapshot, ExchangePosition, OpenOrders, Unread
from reconciliation.enums import InstrumentType, OrderClass
from reconciliation.exchange.gateway import (
    ExchangeError,
    Gateway,
    HistoryUnobtainable,
    Unsupported,
)
from reconciliation.handlers.fills import UnprovenFills, keep_fill_page, mark_unobtainable
from reconciliation.models import ExchangeAccount
from reconciliation.selectors.coverage import (
    OVERLAP,
    load_known_intervals,
    load_newest_fill_at,
    load_next_fill_at,
    load_window_start,
)


def take_snapshot(
    *,
    account: ExchangeAccount,
    gateway: Gateway,
    ports: Ports,
    run_id: int,
    progress: Callable[[str], None],
    spent_ms: dict[str, int],
) -> AccountSnapshot:
    """Read what a reconciliation needs; each page of fills is kept as soon as it is proven.

    No part that fails stops another. `as_of` is the moment before the first request. `spent_ms`
    takes how long each part took: the parts it names are those that were asked for.
    """
    as_of = ports.clock.now()
    open_orders: dict[OrderClass, OpenOrders | Unread] = {}
    for order_class in gateway.order_classes:
        progress(f"reading open orders ({order_class})")
        with timed(f"open_orders.{order_class}", spent_ms, ports):
            try:
                open_orders[order_class] = gateway.fetch_open_orders(order_class)
            except ExchangeError as error:
                open_orders[order_class] = Unread(reason=str(error))
    fills = read_account_fills(
        account=account,
        gateway=gateway,
        ports=ports,
        run_id=run_id,
        as_of=as_of,
        progress=progress,
        spent_ms=spent_ms,
    )
    progress("reading positions")
    positions: tuple[ExchangePosition, ...] | Unread | None = None
    if InstrumentType.SWAP in gateway.instrument_types:
        with timed("positions", spent_ms, ports):
            positions = read_positions(gateway)
    return AccountSnapshot(
        as_of=as_of,
        open_orders=open_orders,
        fills=fills,
        positions=positions,
        may_hide_positions=positions == () and not is_flat(gateway),
    )


def read_account_fills(
    *,
    account: ExchangeAccount,
    gateway: Gateway,
    ports: Ports,
    run_id: int,
    as_of: datetime,
    progress: Callable[[str], None],
    spent_ms: dict[str, int],
) -> dict[InstrumentType, Unread | None]:
    """Read and keep the fills that are not known yet; return, by type, why not where it failed."""
    fills: dict[InstrumentType, Unread | None] = {}
    for instrument_type in gateway.instrument_types:
        progress(f"reading fills ({instrument_type})")
        with timed(f"fills.{instrument_type}", spent_ms, ports):
            try:
                _read_fills(account, instrument_type, gateway, ports, run_id, as_of)
                fills[instrument_type] = None
            except (ExchangeError, UnprovenFills) as error:
                fills[instrument_type] = Unread(reason=str(error))
    return fills


@contextmanager
def timed(step: str, spent_ms: dict[str, int], ports: Ports) -> Iterator[None]:
    """Add what passes within to the milliseconds of a step."""
    started = ports.clock.monotonic()
    try:
        yield
    finally:
        passed = int((ports.clock.monotonic() - started) * 1000)
        spent_ms[step] = spent_ms.get(step, 0) + passed


def read_positions(gateway: Gateway) -> tuple[ExchangePosition, ...] | Unread:
    """Return the positions of an account that trades more than spot, which has none."""
    try:
        return gateway.fetch_positions()
    except ExchangeError as error:
        return Unread(reason=str(error))


def is_flat(gateway: Gateway) -> bool:
    """Return whether the margin confirms that there is no position.

    A list that came back empty by a fault looks like the truth. An exchange that does not tell the
    margin in use cannot contradict it.
    """
    try:
        return not any(gateway.fetch_margin_in_use().values())
    except Unsupported:
        return True
    except ExchangeError:
        return False


def _read_fills(
    account: ExchangeAccount,
    instrument_type: InstrumentType,
    gateway: Gateway,
    ports: Ports,
    run_id: int,
    as_of: datetime,
) -> None:
    """Read the newest fills down to what is known, less the overlap; then the gaps, if any."""

    def read(start: datetime, end: datetime, *, until: datetime) -> None:
        try:
            for page in gateway.fetch_fill_pages(instrument_type, start=start, end=end):
                keep_fill_page(
                    account_id=account.pk, page=page, run_id=run_id, now=ports.clock.now()
                )
                if page.start <= until:
                    return
        except HistoryUnobtainable as error:
            # All that is kept was read; asking again would not bring the rest back.
            mark_unobtainable(
                account_id=account.pk,
                instrument_type=instrument_type,
                interval=(start, min(error.before, end)),
            )

    start = load_window_start(
        account.pk, as_of=as_of, stale_grace=ports.conf.fill_after_trade_grace
    )
    known = load_known_intervals(account.pk, instrument_type)
    # Back to the newest fill that is known, too: an empty list looks complete, and what it hid is
    # found again as soon as a later list is honest.
    newest = load_newest_fill_at(account.pk, instrument_type)
    until = start
    if known and newest is not None:
        until = min(max(end for _, end in known) - OVERLAP, newest)
    read(min(start, until), as_of, until=until)
    known = load_known_intervals(account.pk, instrument_type)
    for gap_start, gap_end in reversed(gaps((start, as_of), known)):
        # Up to the next fill that is known: an answer that leaves it out is not whole.
        next_fill = load_next_fill_at(account.pk, instrument_type, since=gap_end)
        read(gap_start, next_fill or gap_end, until=gap_start)
