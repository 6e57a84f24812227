"""Keys of bots: created once, revoked once, and never readable again."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.api_keys import is_secret, split_key
from reconciliation.domain.audit import Actor
from reconciliation.enums import ActorType
from reconciliation.handlers.accounts import AlreadyExists, InvalidValue
from reconciliation.handlers.api_keys import (
    MAX_LIFETIME,
    MOST_DENIALS_A_MINUTE,
    IssuedKey,
    create_key,
    record_denial,
    record_use,
    revoke_key,
)
from reconciliation.models import ApiKey, ApiKeyUse, AuditEvent
from tests.builders import NOW, FixedClock, make_account, make_api_key, make_profile
from tests.handlers.worlds import CONF, actions

pytestmark = pytest.mark.django_db
EVE = Actor(type=ActorType.USER, id="", name="eve (shell)")
BY: dict[str, Any] = {"actor": EVE, "clock": FixedClock(), "conf": CONF}
YEAR = timedelta(days=365)


def create(name: str = "bot", *profiles: str, lifetime: timedelta = YEAR) -> IssuedKey:
    make_profile()
    return create_key(name=name, profiles=profiles or ("alpha",), lifetime=lifetime, **BY)


def test_a_key_is_kept_by_its_digest_and_its_creation_is_audited():
    make_profile("beta")
    issued = create("bot", "beta", "alpha", "beta")
    key = ApiKey.objects.get()
    parts = split_key(issued.text)
    assert parts is not None
    public_id, secret = parts
    assert (key.public_id, key.account.name, key.created_by) == (public_id, "main", "eve (shell)")
    assert is_secret(secret, key.digest)
    assert sorted(key.profiles.values_list("name", flat=True)) == ["alpha", "beta"]
    assert (key.expires_at, key.revoked_at) == (NOW + YEAR, None)
    assert key.use.last_used_at is None
    event = AuditEvent.objects.get()
    assert (event.action, event.object_id) == ("api_key.created", str(key.pk))
    assert secret not in event.payload
    assert key.digest not in event.payload


def test_two_keys_have_nothing_in_common():
    one, other = create("one").text, create("other").text
    assert split_key(one)[0] != split_key(other)[0]
    assert split_key(one)[1] != split_key(other)[1]


def test_a_name_is_never_given_twice_also_after_it_was_revoked():
    create()
    revoke_key(name="bot", **BY)
    with pytest.raises(AlreadyExists):
        create()


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a/b", "a\n"])
def test_a_name_that_cannot_be_is_refused(name: str):
    with pytest.raises(InvalidValue) as caught:
        create(name)
    assert caught.value.field == "name"


@pytest.mark.parametrize("lifetime", [timedelta(0), -YEAR, MAX_LIFETIME + timedelta(days=1)])
def test_a_key_lives_for_at_most_five_years(lifetime: timedelta):
    with pytest.raises(InvalidValue) as caught:
        create(lifetime=lifetime)
    assert caught.value.field == "lifetime"
    assert create(lifetime=MAX_LIFETIME).key.expires_at == NOW + MAX_LIFETIME


def test_a_key_is_for_profiles_of_one_account_that_exist():
    make_profile("gamma", account=make_account("other"))
    for profiles, words in (
        ([], "none is named"),
        (["alpha", "nobody"], "'nobody'"),
        (["alpha", "gamma"], "main and other"),
    ):
        make_profile()
        with pytest.raises(InvalidValue, match=words) as caught:
            create_key(name="bot", profiles=profiles, lifetime=YEAR, **BY)
        assert caught.value.field == "profiles"
    assert not ApiKey.objects.exists()
    assert actions() == []


def test_a_key_is_revoked_once_and_a_repeat_is_no_event():
    create()
    key, changed = revoke_key(name="bot", **BY)
    assert (changed, key.revoked_at, key.revoked_by) == (True, NOW, "eve (shell)")
    mallory = Actor(type=ActorType.USER, id="", name="mallory")
    later = {**BY, "clock": FixedClock(NOW + YEAR), "actor": mallory}
    again, changed = revoke_key(name="bot", **later)
    assert (changed, again.revoked_at, again.revoked_by) == (False, NOW, "eve (shell)")
    assert actions() == ["api_key.created", "api_key.revoked"]
    with pytest.raises(ApiKey.DoesNotExist):
        revoke_key(name="nobody", **BY)


def test_what_was_tried_in_vain_is_audited_as_denied():
    key = make_api_key()
    record_denial(
        key=key,
        reason="account: this key is for account main",
        asked="POST /api/v1/accounts/other/deliveries",
        request_id="r1",
        ip="10.0.0.1",
        **BY,
    )
    event = AuditEvent.objects.get()
    assert (event.action, event.outcome, event.object_id) == ("api.denied", "denied", str(key.pk))
    for word in ("r1", "10.0.0.1", "/accounts/other/", "for account main"):
        assert word in event.payload


def test_a_bot_that_goes_on_asking_in_vain_does_not_fill_the_trail():
    clock = FixedClock()
    looping, other = make_api_key(), make_api_key(name="other")

    def deny(key: ApiKey) -> bool:
        asked = {"reason": "key is revoked", "asked": "GET /", "request_id": "r1", "ip": ""}
        return record_denial(key=key, **asked, **{**BY, "clock": clock})

    for _ in range(MOST_DENIALS_A_MINUTE):
        assert deny(looping)
    assert not deny(looping)
    assert deny(other)
    clock.advance(seconds=59)
    assert not deny(looping)
    clock.advance(seconds=1)
    assert deny(looping)
    assert actions() == ["api.denied"] * (MOST_DENIALS_A_MINUTE + 2)


def test_a_use_is_written_once_a_minute_and_is_no_event():
    use = make_api_key().use
    assert record_use(use=use, now=NOW)
    assert ApiKeyUse.objects.get().last_used_at == NOW
    # A request at the same time that read the row before it was written.
    assert not record_use(use=use, now=NOW + timedelta(seconds=1))
    use.refresh_from_db()
    with CaptureQueriesContext(connection) as queries:
        assert not record_use(use=use, now=NOW + timedelta(seconds=59))
    assert len(queries) == 0
    assert record_use(use=use, now=NOW + timedelta(seconds=60))
    assert actions() == []


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"expires_at": NOW}, "api_key_expires_after_its_creation"),
        ({"revoked_at": NOW}, "api_key_revoked_by_somebody"),
        ({"revoked_by": "eve"}, "api_key_revoked_by_somebody"),
    ],
)
def test_the_database_refuses_a_key_that_cannot_be(values, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        make_api_key(**values)
