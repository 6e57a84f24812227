"""Who keeps whom waiting, and until when."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciliation.clock import SystemClock
from reconciliation.enums import RunKind, RunStatus
from reconciliation.models import ProfileLease, Run
from reconciliation.selectors.locks import (
    claimed_until,
    last_ended_run,
    load_held_leases,
    load_run_claims,
)
from tests import builders

pytestmark = pytest.mark.django_db
CLOCK = SystemClock()


def hold(profile: str, *, seconds: float) -> None:
    now = datetime.now(UTC)
    ProfileLease.objects.filter(profile=builders.make_profile(profile)).update(
        holder="reconcile run 3", acquired_at=now, expires_at=now + timedelta(seconds=seconds)
    )


def claim(account: str, *, seconds: float) -> int:
    now = datetime.now(UTC)
    run = builders.make_run(
        builders.make_account(account),
        status=RunStatus.RUNNING,
        started_at=now,
        claim_expires_at=now + timedelta(seconds=seconds),
    )
    return run.pk


def test_only_leases_whose_time_is_not_over_are_held() -> None:
    hold("beta", seconds=60)
    hold("alpha", seconds=60)
    hold("over", seconds=-1)
    builders.make_profile("free")
    held = load_held_leases(clock=CLOCK)
    assert [(lease.profile, lease.holder) for lease in held] == [
        ("alpha", "reconcile run 3"),
        ("beta", "reconcile run 3"),
    ]


def test_a_run_under_way_holds_its_account_until_its_claim_is_over() -> None:
    young, old = claim("young", seconds=60), claim("old", seconds=-1)
    builders.make_run(builders.make_account("done"))
    claims = load_run_claims(clock=CLOCK)
    assert [(each.run, each.account, each.expired) for each in claims] == [
        (young, "young", False),
        (old, "old", True),
    ]


def test_a_claim_counts_for_its_own_account_while_it_is_in_force() -> None:
    claim("main", seconds=60)
    claim("dead", seconds=-1)
    names = {"main": True, "dead": False, "idle": False}
    for name, held in names.items():
        account = builders.make_account(name)
        until = claimed_until(account_id=account.pk, kind=RunKind.RECONCILE, clock=CLOCK)
        assert (until is not None) is held


def test_the_last_run_is_a_whole_one_however_it_ended_and_none_of_a_later_moment() -> None:
    account = builders.make_account()
    until = builders.NOW + timedelta(minutes=10)

    def last() -> Run | None:
        return last_ended_run(account_id=account.pk, kind=RunKind.RECONCILE, until=until)

    assert last() is None
    for minutes, status in ((1, RunStatus.SUCCEEDED), (2, RunStatus.FAILED), (11, "SUCCEEDED")):
        at = builders.NOW + timedelta(minutes=minutes)
        builders.make_run(account, status=status, started_at=at, finished_at=at)
    later = builders.NOW + timedelta(minutes=9)
    builders.make_run(account, only_profile="alpha", started_at=later, finished_at=later)
    claim("main", seconds=60)
    found = last()
    assert found is not None
    assert found.started_at == builders.NOW + timedelta(minutes=2)
