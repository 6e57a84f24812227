"""Keep what was read of an exchange's fills, and the interval that is proven by it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.intervals import Interval, merge
from reconciliation.domain.types import ExchangeFill, FillPage
from reconciliation.enums import CoverageStatus, InstrumentType
from reconciliation.handlers.bulk import insert_missing_rows
from reconciliation.handlers.texts import storable_json
from reconciliation.models import Fill, FillCoverage


class UnprovenFills(RuntimeError):
    """What was read proves no interval: it contradicts itself, or not all of it can be kept."""


def keep_fill_page(*, account_id: int, page: FillPage, run_id: int, now: datetime) -> int:
    """Keep a page's fills and extend the coverage by its interval; return how many were new.

    A list that is empty, or short, without saying so looks complete. So a page is believed only
    if it holds every fill of its interval that was seen before; else `UnprovenFills`.
    """
    with transaction.atomic(durable=True):
        seen = {fill.key: (fill.quantity, fill.price) for fill in page.fills}
        before = Fill.objects.filter(
            account_id=account_id,
            instrument_type=page.instrument_type,
            executed_at__gte=page.start,
            executed_at__lte=page.end,
        ).values_list("symbol", "side", "exchange_fill_id", "quantity", "price")
        for symbol, side, fill_id, quantity, price in before:
            now_shown = seen.get((symbol, side, fill_id))
            if now_shown != (quantity, price):
                what = "is missing" if now_shown is None else "has other numbers"
                raise UnprovenFills(f"fill {fill_id} of {symbol} was shown before and {what} now")
        storable = [fill for fill in page.fills if _is_storable(fill)]
        new = _insert(account_id, page.instrument_type, storable, run_id, now)
        if len(storable) == len(page.fills):
            _extend_coverage(account_id, page.instrument_type, (page.start, page.end))
    _refuse_unstorable(page.fills)
    return new


def keep_order_fills(
    *,
    account_id: int,
    instrument_type: InstrumentType,
    fills: Sequence[ExchangeFill],
    run_id: int,
    now: datetime,
) -> int:
    """Keep the fills of one order; they prove no interval. Return how many were new.

    Raises `UnprovenFills` once the others are kept, when one cannot be.
    """
    storable = [fill for fill in fills if _is_storable(fill)]
    with transaction.atomic(durable=True):
        new = _insert(account_id, instrument_type, storable, run_id, now)
    _refuse_unstorable(fills)
    return new


def _is_storable(fill: ExchangeFill) -> bool:
    """Return whether the columns can hold what identifies a fill: one bad row stops no other."""
    texts = {
        "exchange_fill_id": fill.fill_id,
        "symbol": fill.symbol,
        "exchange_order_id": fill.exchange_order_id,
        "client_order_id": fill.client_order_id,
        "sub_tag": fill.sub_tag,
        "trade_hint": fill.trade_hint,
        "fee_currency": fill.fee_currency,
    }
    columns = {field.name: field for field in Fill._meta.concrete_fields}
    limits = {name: columns[name].max_length or 0 for name in texts}
    return all(text is None or _fits(text, limits[name]) for name, text in texts.items())


def _fits(text: str, limit: int) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False  # half a surrogate pair, which an exchange's JSON can contain
    return len(text) <= limit and "\x00" not in text


def _refuse_unstorable(fills: Iterable[ExchangeFill]) -> None:
    names = [ascii(fill.fill_id[:64]) for fill in fills if not _is_storable(fill)]
    if names:
        raise UnprovenFills(f"no column can hold the text of fill {', '.join(names)}")


def mark_unobtainable(
    *, account_id: int, instrument_type: InstrumentType, interval: Interval
) -> None:
    """Record that the exchange keeps an interval no more, which is not a failure to read it."""
    with transaction.atomic(durable=True):
        _extend_coverage(account_id, instrument_type, interval, status=CoverageStatus.UNOBTAINABLE)


def _insert(
    account_id: int,
    instrument_type: InstrumentType,
    fills: Iterable[ExchangeFill],
    run_id: int,
    now: datetime,
) -> int:
    rows = [
        Fill(
            account_id=account_id,
            symbol=fill.symbol,
            side=fill.side,
            exchange_fill_id=fill.fill_id,
            instrument_type=instrument_type,
            kind=fill.kind,
            position_side=fill.position_side,
            exchange_order_id=fill.exchange_order_id,
            client_order_id=fill.client_order_id,
            sub_tag=fill.sub_tag,
            trade_hint=fill.trade_hint,
            quantity=fill.quantity,
            allocated_quantity=ZERO,
            price=fill.price,
            fee=fill.fee,
            fee_currency=fill.fee_currency,
            executed_at=fill.executed_at,
            raw=storable_json(fill.raw),
            run_id=run_id,
            recorded_at=now,
        )
        for fill in fills
    ]
    return insert_missing_rows(
        Fill, rows, conflict_fields=["account", "exchange_fill_id", "symbol", "side"]
    )


def _extend_coverage(
    account_id: int,
    instrument_type: InstrumentType,
    added: Interval,
    *,
    status: CoverageStatus = CoverageStatus.PROVEN,
) -> None:
    """Join an interval to those of its type and status."""
    rows = list(
        FillCoverage.objects.select_for_update(no_key=True).filter(
            account_id=account_id,
            instrument_type=instrument_type,
            status=status,
        )
    )
    before = {(row.start_at, row.end_at): row for row in rows}
    after = set(merge([*before, added]))
    FillCoverage.objects.filter(
        pk__in=[row.pk for interval, row in before.items() if interval not in after]
    ).delete()
    FillCoverage.objects.bulk_create(
        FillCoverage(
            account_id=account_id,
            instrument_type=instrument_type,
            status=status,
            start_at=start,
            end_at=end,
        )
        for start, end in sorted(after - before.keys())
    )
