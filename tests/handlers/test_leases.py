"""The profile lease: one holder at a time, for its time, and none after it was overtaken."""

from datetime import timedelta

import pytest
from django.db import connection

from reconciliation.handlers.leases import (
    Lease,
    LockLost,
    fence,
    holding,
    release_lease,
    take_lease,
)
from reconciliation.models import ProfileLease
from tests.builders import NOW, FixedClock, make_profile

pytestmark = pytest.mark.django_db
TTL = timedelta(seconds=15)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


def take(clock: FixedClock, holder: str = "one") -> Lease | None:
    return take_lease(profile_id=make_profile().pk, holder=holder, ttl=TTL, clock=clock)


def held(clock: FixedClock) -> Lease:
    lease = take(clock)
    assert lease is not None
    return lease


def row() -> ProfileLease:
    return ProfileLease.objects.get()


def test_a_free_lease_is_taken_and_says_by_whom_since_and_until_when(clock):
    assert take(clock) is not None
    assert (row().holder, row().acquired_at, row().expires_at) == ("one", NOW, NOW + TTL)


def test_a_held_lease_is_refused_and_stays_its_holders(clock):
    first = held(clock)
    assert take(clock, "two") is None
    assert (row().holder, row().token) == ("one", first.token)


def test_a_holder_does_not_get_it_a_second_time(clock):
    assert take(clock) is not None
    assert take(clock) is None


@pytest.mark.parametrize(("later", "free"), [(TTL - timedelta(microseconds=1), False), (TTL, True)])
def test_a_lease_runs_out_exactly_at_its_time(clock, later, free):
    first = held(clock)
    clock.moment += later
    second = take(clock, "two")
    assert (second is not None) == free
    if second is not None:
        assert second.token == first.token + 1


def test_a_lease_that_was_given_back_is_free_at_once(clock):
    release_lease(held(clock))
    assert (row().holder, row().acquired_at, row().expires_at) == ("", None, None)
    assert take(clock, "two") is not None


def test_every_holder_has_a_token_of_its_own(clock):
    tokens = []
    for _ in range(3):
        lease = held(clock)
        tokens.append(lease.token)
        release_lease(lease)
    assert tokens == sorted(set(tokens))


def test_a_lease_that_went_to_another_is_not_given_back_by_the_first(clock):
    first = held(clock)
    clock.moment += TTL
    assert take(clock, "two") is not None
    release_lease(first)
    assert row().holder == "two"


def test_a_profile_without_a_lease_row_is_never_taken(clock):
    profile = make_profile()
    ProfileLease.objects.all().delete()
    assert take_lease(profile_id=profile.pk, holder="one", ttl=TTL, clock=clock) is None


def test_the_fence_holds_for_the_holder_and_extends_its_time(clock):
    lease = held(clock)
    clock.advance(seconds=10)
    fence(lease, ttl=TTL, clock=clock)
    assert row().expires_at == clock.now() + TTL


def test_the_fence_stops_a_holder_whose_time_is_up_even_where_nobody_took_over(clock):
    lease = held(clock)
    clock.moment += TTL
    with pytest.raises(LockLost, match="lost before the write"):
        fence(lease, ttl=TTL, clock=clock)


def test_the_fence_stops_a_holder_that_was_overtaken(clock):
    first = held(clock)
    clock.moment += TTL
    second = take(clock, "two")
    assert second is not None
    with pytest.raises(LockLost):
        fence(first, ttl=TTL, clock=clock)
    fence(second, ttl=TTL, clock=clock)


def test_leaving_gives_the_lease_back_after_success(clock):
    with holding(held(clock)):
        assert row().holder == "one"
    assert row().holder == ""


def test_leaving_gives_the_lease_back_after_an_exception(clock):
    with pytest.raises(ZeroDivisionError), holding(held(clock)):
        raise ZeroDivisionError
    assert row().holder == ""


@pytest.mark.parametrize("kill", [SystemExit, KeyboardInterrupt, BaseException])
def test_a_killed_holder_leaves_its_lease_to_its_time(clock, kill):
    with pytest.raises(kill), holding(held(clock)):
        raise kill
    assert row().holder == "one"
    clock.moment += TTL
    assert take(clock, "two") is not None


def test_leases_of_two_profiles_do_not_touch(clock):
    held(clock)
    other = make_profile("beta", sub_tag="beta01")
    assert take_lease(profile_id=other.pk, holder="two", ttl=TTL, clock=clock) is not None


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_seen_by_others_as_soon_as_it_is_taken(clock):
    lease = held(clock)
    assert not connection.in_atomic_block
    release_lease(lease)
    assert not connection.in_atomic_block
