"""The profile lease, the runbook's reconciliation lock: taken, fenced, released.

It is held for milliseconds around a write and never across the network. A killed holder leaves
it to its time; a holder that was overtaken cannot commit, because its first statement in the
transaction asks for its own token.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q

from reconciliation.clock import Clock
from reconciliation.models import ProfileLease
from reconciliation.selectors.lists import id_list


class LockLost(RuntimeError):
    """The lease ran out and went to another holder; nothing of this transaction is committed."""


class LockHeld(RuntimeError):
    """Somebody writes for these profiles now: what a person would change of them has to wait."""

    def __init__(self, profile_ids: Collection[int], said: str) -> None:
        self.profile_ids = tuple(profile_ids)
        super().__init__(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease held: its fencing token proves it."""

    profile_id: int
    token: int


def take_lease(*, profile_id: int, holder: str, ttl: timedelta, clock: Clock) -> Lease | None:
    """Take a profile's lease, or return None when another holds it.

    One conditional update that must change exactly one row decides; it commits at once, so that
    others see who holds it and until when.
    """
    now = clock.lock_now()
    with transaction.atomic(durable=True):
        taken = (
            ProfileLease.objects.filter(profile_id=profile_id)
            .filter(Q(expires_at__isnull=True) | Q(expires_at__lte=now))
            .update(token=F("token") + 1, holder=holder, acquired_at=now, expires_at=now + ttl)
        )
        if taken != 1:
            return None
        token = ProfileLease.objects.values_list("token", flat=True).get(profile_id=profile_id)
    return Lease(profile_id=profile_id, token=token)


def fence(lease: Lease, *, ttl: timedelta, clock: Clock) -> None:
    """Extend the lease as the first statement of a transaction; raises `LockLost` if it is gone.

    The row stays locked until the commit, so the next holder waits for it.
    """
    now = clock.lock_now()
    held = ProfileLease.objects.filter(
        profile_id=lease.profile_id, token=lease.token, expires_at__gt=now
    ).update(expires_at=now + ttl)
    if held != 1:
        raise LockLost(f"the lock of profile {lease.profile_id} was lost before the write")


def keep_free(profile_ids: Collection[int], *, clock: Clock) -> None:
    """Keep the leases of profiles from being taken until the commit; raises `LockHeld`.

    The first statements of a transaction that changes what a cycle of theirs judges by.
    """
    rows = ProfileLease.objects.filter(profile_id__in=id_list(profile_ids)).order_by("profile_id")
    held = rows.filter(expires_at__gt=clock.lock_now())
    # A look before the lock: a holder's transaction is not waited for.
    names = list(held.values_list("profile_id", flat=True))
    if not names:
        list(rows.select_for_update(no_key=True).values_list("pk"))
        names = list(held.values_list("profile_id", flat=True))
    if names:
        raise LockHeld(names, who_holds(profile_id=names[0], clock=clock))


def who_holds(*, profile_id: int, clock: Clock) -> str:
    """Return who keeps others from writing for a profile, and until when, in words."""
    row = ProfileLease.objects.select_related("profile").get(profile_id=profile_id)
    until = row.expires_at or clock.now() + timedelta(seconds=1)
    return (
        f"{row.holder or 'another'} is writing for {row.profile.name};"
        f" try again, after {until:%H:%M:%S} UTC at the latest"
    )


def release_lease(lease: Lease) -> None:
    """Give the lease back; one that went to another holder in the meantime is left alone."""
    with transaction.atomic(durable=True):
        ProfileLease.objects.filter(profile_id=lease.profile_id, token=lease.token).update(
            holder="", acquired_at=None, expires_at=None
        )


@contextmanager
def holding(lease: Lease) -> Iterator[None]:
    """Release a lease on leaving, after success or an Exception.

    A process that is killed runs no clean-up: what ends it here like a kill (a BaseException)
    leaves the lease to its time as well.
    """
    try:
        yield
    except Exception:
        release_lease(lease)
        raise
    release_lease(lease)
