"""Accounts and profiles are created once, with their lease and their event; a baseline moves on."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.audit import system_actor
from reconciliation.enums import PositionMode
from reconciliation.handlers.accounts import (
    AlreadyExists,
    InvalidBaseline,
    InvalidValue,
    create_account,
    create_profile,
    set_account_enabled,
    set_baseline,
)
from reconciliation.models import AuditEvent, ExchangeAccount, Profile, ProfileLease
from tests.builders import NOW, FixedClock, make_account, make_profile
from tests.handlers.worlds import CONF, actions

pytestmark = pytest.mark.django_db
BY = {"actor": system_actor("test"), "clock": FixedClock(), "conf": CONF}


def an_account(**values: Any) -> ExchangeAccount:
    return create_account(
        **{
            "name": "main",
            "exchange_id": "okx",
            "credential_prefix": "MAIN",
            "position_mode": PositionMode.NET,
            "options": {"pace": 0},
            **BY,
            **values,
        }
    )


def a_profile(**values: Any) -> Profile:
    return create_profile(
        **{
            "name": "alpha",
            "account_id": make_account().pk,
            "sub_tag": "alpha01",
            "allocated_capital_usd": Decimal(1000),
            **BY,
            **values,
        }
    )


def a_baseline(at: Any = NOW, comment: str = "moved in") -> ExchangeAccount:
    return set_baseline(account_id=make_account().pk, at=at, comment=comment, **BY)


def a_switch() -> bool:
    return set_account_enabled(account_id=make_account().pk, enabled=False, comment="", **BY)


def test_an_account_is_created_with_its_event_and_without_any_secret():
    account = an_account()
    assert (account.exchange_id, account.credential_prefix) == ("okx", "MAIN")
    assert account.options == {"pace": 0}
    event = AuditEvent.objects.get()
    assert (event.action, event.account_name) == ("account.created", "main")
    assert CONF.hash() in event.payload


def test_an_account_name_is_taken_once():
    an_account()
    with pytest.raises(AlreadyExists, match="main"):
        an_account(exchange_id="bybit")
    assert ExchangeAccount.objects.count() == 1
    assert actions() == ["account.created"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "my account"),
        ("name", "x" * 65),
        ("name", "main\n"),
        ("exchange_id", ""),
        ("exchange_id", "OKX"),
        ("exchange_id", "okx "),
        ("exchange_id", "x" * 33),
        ("credential_prefix", ""),
        ("credential_prefix", "1MAIN"),
        ("credential_prefix", "MY-KEYS"),
        ("position_mode", "nett"),
    ],
)
def test_an_account_that_cannot_be_right_is_refused_by_the_field(field, value):
    with pytest.raises(InvalidValue, match=f"^{field}: ") as caught:
        an_account(**{field: value})
    assert caught.value.field == field
    assert not ExchangeAccount.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "al pha"),
        ("sub_tag", ""),
        ("sub_tag", " alpha01"),
        ("sub_tag", "x" * 65),
        ("allocated_capital_usd", Decimal(-1)),
    ],
)
def test_a_profile_that_cannot_be_right_is_refused_by_the_field(field, value):
    with pytest.raises(InvalidValue, match=f"^{field}: "):
        a_profile(**{field: value})
    assert not Profile.objects.exists()


def test_an_account_is_switched_with_an_event_and_a_repeat_is_none():
    account = make_account()
    for enabled, changed in ((False, True), (False, False), (True, True), (True, False)):
        done = set_account_enabled(account_id=account.pk, enabled=enabled, comment="why", **BY)
        assert done is changed
        account.refresh_from_db()
        assert account.enabled is enabled
    assert actions() == ["account.disabled", "account.enabled"]
    event = AuditEvent.objects.order_by("sequence")[0]
    assert '"before":{"enabled":true}' in event.payload
    assert '"comment":"why"' in event.payload


def test_a_profile_is_created_with_a_free_lease_and_its_event():
    profile = a_profile()
    lease = ProfileLease.objects.get(profile=profile)
    assert (lease.holder, lease.expires_at, lease.token) == ("", None, 0)
    event = AuditEvent.objects.get()
    assert (event.action, event.profile_name, event.account_name) == (
        "profile.created",
        "alpha",
        "main",
    )
    assert '"allocated_capital_usd":"1000"' in event.payload


@pytest.mark.parametrize(
    ("values", "says"), [({"sub_tag": "other"}, "alpha"), ({"name": "beta"}, "alpha01")]
)
def test_a_profile_name_and_a_sub_tag_of_an_account_are_taken_once(values, says):
    a_profile()
    with pytest.raises(AlreadyExists, match=says):
        a_profile(**values)
    assert Profile.objects.count() == 1


def test_a_sub_tag_may_be_used_on_another_account():
    a_profile()
    a_profile(name="beta", account_id=make_account("other").pk)
    assert Profile.objects.count() == 2


def test_a_profile_of_no_account_is_not_created():
    with pytest.raises(ExchangeAccount.DoesNotExist):
        a_profile(account_id=999_999)
    assert not ProfileLease.objects.exists()


def test_a_baseline_is_set_with_the_reason_and_what_it_was_before():
    assert a_baseline(NOW - timedelta(days=1)).baseline_at == NOW - timedelta(days=1)
    assert a_baseline(NOW).baseline_at == NOW
    make_account().refresh_from_db()
    first, second = AuditEvent.objects.order_by("sequence")
    assert first.action == second.action == "account.baseline_set"
    assert '"baseline_at":null' in first.payload
    assert "moved in" in second.payload


def test_a_baseline_never_lies_ahead_and_never_moves_back():
    with pytest.raises(InvalidBaseline, match="future"):
        a_baseline(NOW + timedelta(microseconds=1))
    a_baseline(NOW)
    with pytest.raises(InvalidBaseline, match="only moves on"):
        a_baseline(NOW - timedelta(microseconds=1))
    assert ExchangeAccount.objects.get().baseline_at == NOW
    assert actions() == ["account.baseline_set"]


@pytest.mark.parametrize("comment", ["", " \n"])
def test_a_baseline_needs_a_reason(comment):
    with pytest.raises(InvalidBaseline, match="comment: it is empty"):
        a_baseline(comment=comment)
    assert ExchangeAccount.objects.get().baseline_at is None


@pytest.mark.parametrize("decide", [a_baseline, a_switch])
def test_a_decision_on_an_account_keeps_nobody_up_who_writes_rows_of_it(decide):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    make_account()
    with CaptureQueriesContext(connection) as queries:
        decide()
    locks = [each["sql"] for each in queries if "FOR " in each["sql"]]
    assert any("exchangeaccount" in sql and "FOR NO KEY UPDATE" in sql for sql in locks)
    assert not any("exchangeaccount" in sql and "FOR UPDATE" in sql for sql in locks)


def test_a_profile_made_for_a_test_has_what_one_of_the_portal_has():
    made, created = make_profile("beta", sub_tag="beta01"), a_profile()
    assert made.lease.token == created.lease.token
