"""Who keeps whom waiting: the profile leases that are held, and the claims of runs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import BooleanField, Case, Value, When

from reconciliation.clock import Clock
from reconciliation.enums import RunStatus
from reconciliation.models import ProfileLease, Run
from reconciliation.selectors.lists import id_list


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLease:
    """A profile's reconciliation lock in somebody's hands."""

    profile: str
    account: str
    holder: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunClaim:
    """A run under way; `expired` when its time is up and the next run will take it over."""

    run: int
    account: str
    kind: str
    profile: str
    since: datetime
    until: datetime
    expired: bool


def load_held_leases(
    *,
    clock: Clock,
    account_id: int | None = None,
    profile_ids: Collection[int] | None = None,
) -> list[HeldLease]:
    """Return the leases held now, by the time that holders measure by, in order of profile.

    Those of an account, or of profiles, where they are given.
    """
    held = ProfileLease.objects.filter(expires_at__gt=clock.lock_now())
    if account_id is not None:
        held = held.filter(profile__account_id=account_id)
    if profile_ids is not None:
        held = held.filter(profile_id__in=id_list(profile_ids))
    return [
        HeldLease(
            profile=lease.profile.name,
            account=lease.profile.account.name,
            holder=lease.holder,
            since=lease.acquired_at,
            until=lease.expires_at,
        )
        for lease in held.select_related("profile__account").order_by("profile__name")
        if lease.acquired_at is not None and lease.expires_at is not None
    ]


def load_run_claims(*, clock: Clock) -> list[RunClaim]:
    """Return the runs that hold an account, the oldest first."""
    over = Case(
        When(claim_expires_at__lte=clock.lock_now(), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    claims = Run.objects.filter(status=RunStatus.RUNNING).annotate(over=over)
    return [
        RunClaim(
            run=run.pk,
            account=run.account.name,
            kind=run.kind,
            profile=run.only_profile,
            since=run.started_at,
            until=run.claim_expires_at,
            expired=run.over,
        )
        for run in claims.select_related("account").order_by("pk")
    ]


def claimed_until(*, account_id: int, kind: str, clock: Clock) -> datetime | None:
    """Return until when the run of the account that is under way holds it, None where none does."""
    claims = Run.objects.filter(account_id=account_id, kind=kind, status=RunStatus.RUNNING)
    in_force = claims.filter(claim_expires_at__gt=clock.lock_now())
    return in_force.values_list("claim_expires_at", flat=True).first()


def last_ended_run(*, account_id: int, kind: str, until: datetime) -> Run | None:
    """Return the last run of the whole account that began until then and ended, however it did.

    One that began later is of a clock that was wrong, and says nothing.
    """
    ended = Run.objects.filter(
        account_id=account_id, kind=kind, only_profile="", started_at__lte=until
    )
    newest_first = ended.exclude(status=RunStatus.RUNNING).order_by("-started_at", "-pk")
    return newest_first.only("started_at", "finished_at").first()
