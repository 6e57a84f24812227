"""What each profile's open position mismatches come to in money, as a heartbeat leaves them."""

from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation

from reconciliation.domain.amounts import product, round_to_column, total
from reconciliation.domain.watchdog import Exposure
from reconciliation.enums import PARITY_MISMATCH_KINDS, MismatchKind, MismatchStatus
from reconciliation.models import ExchangeAccount, Mismatch, Profile


def load_exposures(
    account: ExchangeAccount, *, unknown_profiles: Collection[int]
) -> tuple[Exposure, ...]:
    """Return the exposure of each enabled profile; `unknown_profiles` had a position not judged.

    A slice counts with its share, an orphan in full for every profile of the account.
    """
    parts: dict[int, list[Decimal | None]] = {
        profile_id: []
        for profile_id in Profile.objects.filter(account=account, enabled=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    }
    rows = (
        Mismatch.objects.filter(
            account=account,
            status=MismatchStatus.OPEN,
            kind__in=sorted(PARITY_MISMATCH_KINDS),
        )
        .select_related("sighting")
        .order_by("pk")
    )
    for row in rows:
        for profile_id, notional in _notionals(row, parts):
            if profile_id in parts:
                parts[profile_id].append(notional)
    return tuple(
        Exposure(
            profile_id=profile_id,
            notional_usd=(
                None if None in amounts else total(each for each in amounts if each is not None)
            ),
            is_known=profile_id not in unknown_profiles,
        )
        for profile_id, amounts in parts.items()
    )


def _notionals(row: Mismatch, profiles: Collection[int]) -> list[tuple[int, Decimal | None]]:
    """Return what one mismatch comes to for whom."""
    seen = row.sighting
    if row.profile_id is not None:
        return [(row.profile_id, seen.notional_usd)]
    if row.kind == MismatchKind.ORPHAN_POSITION:
        return [(profile_id, seen.notional_usd) for profile_id in profiles]
    # A shared shortfall: each slice with its own share, at the mark in USD if there is one.
    mark = None if seen.notional_usd is None else seen.mark
    slices = row.database_side.get("slices", ()) if isinstance(row.database_side, Mapping) else ()
    return [
        (each["profile_id"], _times(each.get("share"), mark))
        for each in slices
        if isinstance(each, Mapping)
    ]


def _times(share: object, mark: Decimal | None) -> Decimal | None:
    if mark is None or not isinstance(share, str):
        return None
    try:
        return round_to_column(product(Decimal(share), mark))
    except InvalidOperation:
        return None
