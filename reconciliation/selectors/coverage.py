"""How far the fills of an account have been read, and how far they must be."""

from datetime import datetime, timedelta

from django.db.models import Max, Min

from reconciliation.domain.intervals import Interval
from reconciliation.enums import CoverageStatus, InstrumentType
from reconciliation.models import Fill, FillCoverage, Order, Trade

# Exchanges stamp a fill some time before they list it; what is read once is read again for as
# long as a late fill may take to appear.
OVERLAP = timedelta(minutes=10)
# A fill that is just too old for a slice is evidence all the same: a person is shown it as stale,
# which needs that it was read. It costs one page more on a first reading.
MARGIN = timedelta(days=1)


def load_known_intervals(account_id: int, instrument_type: InstrumentType) -> list[Interval]:
    """Return the intervals whose fills are known, or known to be unobtainable."""
    rows = FillCoverage.objects.filter(account_id=account_id, instrument_type=instrument_type)
    return list(rows.order_by("start_at").values_list("start_at", "end_at"))


def load_proven_intervals(account_id: int, instrument_type: InstrumentType) -> list[Interval]:
    """Return the intervals of which every fill was read."""
    rows = FillCoverage.objects.filter(
        account_id=account_id, instrument_type=instrument_type, status=CoverageStatus.PROVEN
    )
    return list(rows.order_by("start_at").values_list("start_at", "end_at"))


def load_newest_fill_at(account_id: int, instrument_type: InstrumentType) -> datetime | None:
    """Return when the newest kept fill of a type was executed."""
    rows = Fill.objects.filter(account_id=account_id, instrument_type=instrument_type)
    newest: datetime | None = rows.aggregate(at=Max("executed_at"))["at"]
    return newest


def load_next_fill_at(
    account_id: int, instrument_type: InstrumentType, *, since: datetime
) -> datetime | None:
    """Return when the oldest kept fill of a type was executed that is not older than `since`."""
    rows = Fill.objects.filter(
        account_id=account_id, instrument_type=instrument_type, executed_at__gte=since
    )
    oldest: datetime | None = rows.aggregate(at=Min("executed_at"))["at"]
    return oldest


def load_window_start(account_id: int, *, as_of: datetime, stale_grace: timedelta) -> datetime:
    """Return from when on an account's fills matter: its oldest open slice or active order.

    Less the stale grace and a margin; with nothing open or active, that much before now.
    """
    oldest: list[datetime | None] = [
        Trade.objects.filter(account_id=account_id).live().aggregate(at=Min("opened_at"))["at"],
        Order.objects.filter(account_id=account_id).active().aggregate(at=Min("created_at"))["at"],
    ]
    moments = [as_of, *(moment for moment in oldest if moment is not None)]
    return min(moments) - stale_grace - MARGIN
