"""What the position comparison has open, in trades and in USD.

Rows are read as they are and added up here: decimals are not added in SQL. Their number follows
what is open, not what ever was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, total
from reconciliation.enums import PARITY_MISMATCH_KINDS, MismatchKind, MismatchStatus
from reconciliation.models import Mismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFinding:
    """One open finding; `notional_usd` is of the whole of it, None where there was no mark.

    `trades` are the slices concerned, each with its profile's id: those of a shared shortfall
    are several, an orphan has none.
    """

    account_id: int
    notional_usd: Decimal | None
    trades: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notional:
    """The largest finding and the sum of all, in USD; both None where one of them is unknown."""

    largest: Decimal | None
    total: Decimal | None


def load_open_findings() -> list[OpenFinding]:
    """Return the open findings of every account: one query."""
    rows = Mismatch.objects.current().filter(
        status=MismatchStatus.OPEN, kind__in=sorted(PARITY_MISMATCH_KINDS)
    )
    values = rows.order_by("pk").values_list(
        "account_id",
        "kind",
        "trade_id",
        "trade__profile_id",
        "database_side",
        "sighting__notional_usd",
    )
    return [
        OpenFinding(
            account_id=account_id,
            notional_usd=notional,
            trades=((trade_id, profile_id),)
            if trade_id is not None
            else _shared(kind, database_side),
        )
        for account_id, kind, trade_id, profile_id, database_side, notional in values
    ]


def count_trades(findings: Sequence[OpenFinding]) -> dict[int, int]:
    """Return by profile id how many trades the findings concern, each counted once."""
    counts: dict[int, int] = {}
    for _, profile_id in {trade for finding in findings for trade in finding.trades}:
        counts[profile_id] = counts.get(profile_id, 0) + 1
    return counts


def notional_of(findings: Sequence[OpenFinding]) -> Notional:
    """Return what the findings come to; nothing open is zero."""
    known = [each.notional_usd for each in findings if each.notional_usd is not None]
    if len(known) < len(findings):
        return Notional(largest=None, total=None)
    return Notional(largest=max(known, default=ZERO), total=total(known))


def _shared(kind: str, database_side: object) -> tuple[tuple[int, int], ...]:
    """Return the slices of a shortfall that several profiles share."""
    if kind != MismatchKind.POSITION_MISMATCH or not isinstance(database_side, Mapping):
        return ()
    slices = database_side.get("slices")
    return tuple(
        (each["trade"], each["profile_id"])
        for each in (slices if isinstance(slices, list) else ())
        if isinstance(each, Mapping) and {"trade", "profile_id"} <= each.keys()
    )
