"""How profiles stand, as their bots read it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from reconciliation.enums import (
    HOLDING_TRADE_STATUSES,
    Coverage,
    MismatchStatus,
    RunKind,
    RunStatus,
)
from reconciliation.models import Mismatch, Profile, Run, Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileStatus:
    """A profile with what is open; `last_reconciliation_at` is None before the first full one."""

    profile: Profile
    open_trades: int
    open_mismatches: int
    last_reconciliation_at: datetime | None


def load_statuses(profiles: Iterable[Profile]) -> list[ProfileStatus]:
    """Return how profiles stand, by name: three queries however many there are."""
    # Newest first, so that the search ends at the first; a run of one profile says nothing of
    # the others.
    complete = Run.objects.filter(
        account=OuterRef("account"),
        kind=RunKind.RECONCILE,
        status=RunStatus.SUCCEEDED,
        coverage=Coverage.COMPLETE,
    ).filter(Q(only_profile="") | Q(only_profile=OuterRef("name")))
    rows = Profile.objects.filter(pk__in=[profile.pk for profile in profiles])
    rows = rows.select_related("account").order_by("name")
    known = list(
        rows.annotate(
            last_reconciliation_at=Subquery(
                complete.order_by("-started_at").values("finished_at")[:1]
            )
        )
    )
    ids = [profile.pk for profile in known]
    trades = Trade.objects.filter(profile__in=ids, status__in=sorted(HOLDING_TRADE_STATUSES))
    mismatches = Mismatch.objects.filter(profile__in=ids, status=MismatchStatus.OPEN)
    open_trades, open_mismatches = _by_profile(trades), _by_profile(mismatches)
    return [
        ProfileStatus(
            profile=profile,
            open_trades=open_trades.get(profile.pk, 0),
            open_mismatches=open_mismatches.get(profile.pk, 0),
            last_reconciliation_at=profile.last_reconciliation_at,
        )
        for profile in known
    ]


def open_mismatches(*, profile: Profile, after: int, limit: int) -> list[Mismatch]:
    """Return the open mismatches of a profile behind a key, in order of their keys."""
    rows = Mismatch.objects.filter(profile=profile, status=MismatchStatus.OPEN, pk__gt=after)
    rows = rows.select_related("trade", "order").defer("database_side", "exchange_side")
    return list(rows.order_by("pk")[:limit])


def _by_profile(rows: QuerySet[Any]) -> dict[int, int]:
    """Return how many rows each profile has, by its key; one without rows is not in it."""
    return dict(rows.order_by().values_list("profile").annotate(count=Count("pk")))
