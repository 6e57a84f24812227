"""Open mismatches as the gate and the watchdog look at them: whose they are, what is held."""

import json
from decimal import Decimal
from typing import Any

from django.db.models import Case, F, Q, QuerySet, TextField, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from reconciliation.domain.amounts import InexactAmount, parse_amount
from reconciliation.domain.gate import Difference
from reconciliation.enums import MismatchKind, MismatchStatus
from reconciliation.models import Mismatch

# Mismatches of no profile that can concern one; `Difference.concerns` says which.
SHARED = Q(
    profile__isnull=True,
    kind__in=[MismatchKind.POSITION_MISMATCH, MismatchKind.ORPHAN_POSITION],
)


def open_differences(account_id: int) -> QuerySet[Any, Any]:
    """Return an account's open mismatches with what `difference_of` needs, one query in all.

    Both sides are evidence of any size: of each, only the one value is taken that matters here.
    """
    rows = Mismatch.objects.current().filter(account_id=account_id, status=MismatchStatus.OPEN)
    shared = Q(profile__isnull=True, kind=MismatchKind.POSITION_MISMATCH)
    return rows.order_by().annotate(
        slices=Case(
            When(shared, then=KeyTextTransform("slices", "database_side")),
            default=Value(""),
            output_field=TextField(),
        ),
        held=Coalesce(
            KeyTextTransform("quantity", "exchange_side"), Value(""), output_field=TextField()
        ),
        streak=Coalesce(F("sighting__streak"), Value(0)),
    )


def difference_of(
    *,
    kind: str,
    symbol: str,
    profile_id: int | None,
    trade_id: int | None,
    slices: str | None,
    held: str | None,
    streak: int,
) -> Difference:
    """Return a mismatch as the domain sees it; text that cannot be read is unknown."""
    shared = _slices(slices)
    own = frozenset() if trade_id is None else frozenset({trade_id})
    return Difference(
        kind=MismatchKind(kind),
        symbol=symbol,
        profile_id=profile_id,
        trade_ids=own if shared is None else own | shared[0],
        sharers=None if shared is None else shared[1],
        actual=_amount(held),
        streak=streak,
    )


def _slices(text: str | None) -> tuple[frozenset[int], frozenset[int]] | None:
    """Return the trades and the profiles of a shared shortfall; None where one cannot be read."""
    try:
        rows = json.loads(text or "null")
    except ValueError:
        return None
    if not isinstance(rows, list) or not rows:
        return None
    trades, profiles = set(), set()
    for row in rows:
        trade, profile = (
            (row.get("trade"), row.get("profile_id")) if isinstance(row, dict) else (None, None)
        )
        if not isinstance(trade, int) or not isinstance(profile, int):
            return None
        trades.add(trade)
        profiles.add(profile)
    return frozenset(trades), frozenset(profiles)


def _amount(text: str | None) -> Decimal | None:
    try:
        return parse_amount(text)
    except InexactAmount:
        return None
