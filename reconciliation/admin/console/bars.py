"""Hours as bars: where each stands and how high it is, in the units of the drawing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reconciliation.admin.kinds import meaning
from reconciliation.admin.links import anchor, changelist_url
from reconciliation.models import Mismatch
from reconciliation.selectors.arrivals import MOST_READ, Hour

WIDTH, HEIGHT = 480, 96
_TOP, _BASE, _STEP = 12, 80, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One hour; `total` None is unknown: it is drawn as a question mark, not as nothing."""

    x: int
    middle: int
    y: int
    width: int
    height: int
    label: str
    total: int | None
    is_named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing, the sentence that says it, and the table behind it."""

    says: str
    bars: Sequence[Bar]
    base: int
    width: int
    height: int
    kinds: Sequence[tuple[str, str, int]]
    """Of each kind: a link to its rows, what it means, and how many there were."""
    rows: Sequence[tuple[str, str, str]]
    note: str


def chart_of(hours: Sequence[Hour]) -> Chart:
    """Return mismatches by the hour as a drawing."""
    most = max((hour.total or 0 for hour in hours), default=0)
    kinds: Counter[str] = Counter()
    for hour in hours:
        kinds.update(hour.kinds or {})
    total, unread = sum(kinds.values()), sum(hour.kinds is None for hour in hours)
    says = f"{total} new mismatches in the last {len(hours)} hours, {most} in the busiest hour"
    note = ""
    if unread:
        says = f"At least {says}"
        note = f"Only the newest {MOST_READ:,} are counted: {unread} hours are UNKNOWN."
    return Chart(
        says=f"{says}.",
        bars=[_bar(at, hour, most) for at, hour in enumerate(hours)],
        base=_BASE,
        width=WIDTH,
        height=HEIGHT,
        kinds=[
            (anchor(changelist_url(Mismatch, {"kind__exact": kind}), kind), meaning(kind), count)
            for kind, count in kinds.most_common()
        ],
        rows=[
            (
                f"{hour.start:%Y-%m-%d %H:%M}",
                "UNKNOWN" if hour.total is None else str(hour.total),
                ", ".join(f"{kind} {count}" for kind, count in (hour.kinds or {}).items()),
            )
            for hour in reversed(hours)
        ],
        note=note,
    )


def _bar(at: int, hour: Hour, most: int) -> Bar:
    height = round((_BASE - _TOP) * (hour.total or 0) / most) if most else 0
    if hour.total:
        height = max(height, 2)
    return Bar(
        x=at * _STEP + 2,
        middle=at * _STEP + _STEP // 2,
        y=_BASE - height,
        width=_STEP - 4,
        height=height,
        label=f"{hour.start:%H}",
        total=hour.total,
        is_named=hour.start.hour % 3 == 0,
    )
