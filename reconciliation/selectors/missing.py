"""What of a position is missing at the exchange, as it was read last and booked since."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from reconciliation.domain.amounts import ZERO, InexactAmount, parse_amount, total
from reconciliation.enums import ParityKind, PositionSide
from reconciliation.models import ParityReading, ParityWatch, Trade
from reconciliation.selectors.lists import id_list

# Kinds of which one side says how much is missing; of the others nobody can.
_COUNTED = frozenset({ParityKind.GHOST_POSITION, ParityKind.POSITION_MISMATCH})
_HELD = frozenset({ParityKind.CLEAN, ParityKind.ORPHAN_POSITION})


def load_missing(trade: Trade) -> Decimal | None:
    """Return what may be missing of the position of a slice, base units; None if nobody can say.

    Whatever left the books after the heartbeat is missing no more: that slices grew counts for
    nothing, since what they grew by was not read.
    """
    watch = _watch_of(trade)
    if watch is None:
        return None
    if watch.kind in _HELD:
        return ZERO
    reading = (
        ParityReading.objects.filter(
            account_id=watch.account_id, symbol=watch.symbol, side=watch.side, kind__in=_COUNTED
        )
        .order_by("-pk")
        .first()
    )
    if watch.kind not in _COUNTED or reading is None:
        return None
    virtual, actual = reading.virtual_quantity, reading.actual_quantity
    if virtual is None or actual is None:
        return None
    missing = abs(virtual)
    if reading.kind == ParityKind.POSITION_MISMATCH:
        missing -= abs(actual)
    return max(missing - _left_since(reading), ZERO)


def _watch_of(trade: Trade) -> ParityWatch | None:
    """Return the streak of the position of a slice; spot symbols of one currency share one."""
    rows = ParityWatch.objects.filter(
        account_id=trade.account_id, side__in=[PositionSide.NET, trade.direction]
    )
    own = rows.filter(symbol=trade.symbol).order_by("-last_run_id").first()
    if own is not None or ":" in trade.symbol:
        return own
    base = trade.symbol.partition("/")[0]
    shared = rows.filter(symbol__startswith=f"{base}/").exclude(symbol__contains=":")
    return shared.order_by("-last_run_id").first()


def _left_since(reading: ParityReading) -> Decimal:
    """Return what the slices of a reading have exited since, base units."""
    side = reading.evidence.get("database")
    shown = side.get("slices") if isinstance(side, dict) else None
    before = _open_of(shown if isinstance(shown, list) else [])
    now = {
        row.pk: row.entry_quantity - row.exit_quantity
        for row in Trade.objects.filter(pk__in=id_list(before))
    }
    return total(max(before[key] - now.get(key, ZERO), ZERO) for key in before)


def _open_of(slices: list[Mapping[str, Any]]) -> dict[int, Decimal]:
    found: dict[int, Decimal] = {}
    for each in slices:
        try:
            quantity = parse_amount(each.get("open_quantity"))
        except InexactAmount:
            continue
        if isinstance(each.get("trade"), int):
            found[each["trade"]] = abs(quantity)
    return found
