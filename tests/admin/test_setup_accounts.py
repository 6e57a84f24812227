"""Accounts, baselines, profiles and keys are set up on pages, by whoever may, with their trail."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_q.models import OrmQ

from reconciliation.enums import ErrandKind, ErrandStatus, Role
from reconciliation.models import (
    ApiKey,
    AuditEvent,
    CapitalBalance,
    CapitalEntry,
    Errand,
    ExchangeAccount,
    Profile,
    ProfileLease,
)
from tests.admin.pages import Console, Page
from tests.admin.people import client_of
from tests.builders import (
    NOW,
    make_account,
    make_capital_balance,
    make_external_order,
    make_profile,
    make_run,
)

pytestmark = pytest.mark.django_db
GOOD = {
    "name": "desk",
    "exchange_id": "okx",
    "instrument_type": "",
    "symbols": "",
    "position_mode": "net",
    "credential_prefix": "DESK",
}
SECRET = "a-secret-that-nobody-may-see"


def url(name: str, *args: object) -> str:
    return reverse(f"admin:console_setup{name}", args=args)


def send(console: Console, address: str, **values: Any) -> tuple[int, str]:
    response = console.client.post(address, values, follow=True)
    return response.status_code, response.content.decode()


def events() -> list[tuple[str, str]]:
    rows = AuditEvent.objects.exclude(action__startswith="user.logged").order_by("sequence")
    return list(rows.values_list("action", "outcome"))


def errors(html: str) -> list[str]:
    return [part.split("</li>")[0] for part in html.split('<ul class="errorlist')[1:]]


def test_an_account_is_added_with_an_event_and_its_page_says_what_is_missing(console: Console):
    status, html = send(console, url("_account_add"), **GOOD)
    assert status == 200
    account = ExchangeAccount.objects.get()
    assert (account.name, account.exchange_id, account.enabled) == ("desk", "okx", True)
    assert (account.credential_prefix, account.options) == ("DESK", {})
    assert events() == [("account.created", "applied")]
    event = AuditEvent.objects.get(action="account.created")
    assert event.actor_name != ""
    for name in ("DESK_API_KEY", "DESK_SECRET", "DESK_PASSWORD"):
        assert name in html
    assert "absent" in html


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("name", "two words", "letters, digits"),
        ("name", "", "required"),
        ("exchange_id", "nowhere", "valid choice"),
        ("position_mode", "sideways", "valid choice"),
        ("credential_prefix", "1-2", "how names of settings begin"),
        ("symbols", "BTCUSDT", "unified symbols"),
        ("exchange_id", "binanceusdm", "name every symbol"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_written(
    console: Console, field: str, value: str, fault: str
):
    status, html = send(console, url("_account_add"), **GOOD | {field: value})
    assert status == 200
    assert fault in " ".join(errors(html))
    assert not ExchangeAccount.objects.exists()
    assert events() == []


def test_hedge_is_refused_for_spot_alone(console: Console):
    _, html = send(
        console, url("_account_add"), **GOOD | {"exchange_id": "kraken", "position_mode": "hedge"}
    )
    assert "no sides to hold" in " ".join(errors(html))
    assert not ExchangeAccount.objects.exists()


def test_sent_twice_it_is_added_once(console: Console):
    send(console, url("_account_add"), **GOOD)
    _, html = send(console, url("_account_add"), **GOOD)
    assert "exists" in " ".join(errors(html))
    assert ExchangeAccount.objects.count() == 1
    assert events() == [("account.created", "applied")]


def test_of_a_key_only_that_it_is_there_is_shown(console: Console, monkeypatch: pytest.MonkeyPatch):
    account = make_account()
    monkeypatch.setenv("MAIN_API_KEY", SECRET)
    monkeypatch.setenv("MAIN_SECRET_FILE", "/nowhere/at/all")
    monkeypatch.setenv("MAIN_PASSWORD", "abc")
    html = console.open(url("_account", account.pk)).html
    assert SECRET not in html
    assert ">abc<" not in html
    assert "present (as MAIN_API_KEY)" in html
    assert "cannot be used" in html
    assert "fewer than" in html


WRITES = [
    ("_account_add", (), GOOD),
    ("_test", ("account",), {}),
    ("_baseline", ("account",), {"comment": "why"}),
    ("_profile_add", ("account",), {"name": "x", "sub_tag": "x", "allocated_capital_usd": "1"}),
    ("_key_add", ("account",), {"name": "x", "profiles": "alpha", "days": "1"}),
    ("_account_switch", ("account", "disable"), {"comment": "why"}),
    ("_profile", ("profile", "capital"), {"amount": "1", "comment": "why", "seen": "1000"}),
    ("_profile", ("profile", "disable"), {"comment": "why"}),
    ("_person_add", (), {"name": "x", "password": "a", "again": "a"}),
]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("name", "args", "values"), WRITES, ids=[each[0] for each in WRITES])
def test_without_the_right_nothing_is_written_but_the_denial(
    db: None, role: Role, name: str, args: tuple[str, ...], values: dict[str, Any]
):
    profile = make_profile()
    keys = {"account": profile.account_id, "profile": profile.pk}
    address = url(name, *(keys.get(each, each) for each in args))
    client = client_of("vera", role)
    before = len(events())
    response = client.post(address, values)
    assert response.status_code == 403
    assert [outcome for _, outcome in events()[before:]] == ["denied"]
    assert Profile.objects.get().enabled
    assert not ApiKey.objects.exists()
    assert not Errand.objects.exists()
    if name != "_test":
        page = client.get(address)
        assert page.status_code == 403
        assert "may" in page.content.decode()


@pytest.mark.parametrize("role", list(Role))
def test_everybody_may_look_and_is_told_who_may_change_it(
    db: None, role: Role, admin_client: Client
):
    profile = make_profile()
    console = Console(client_of("vera", role))
    for address in (url(""), url("_account", profile.account_id), url("_people"), url("_settings")):
        page = console.open(address)
        assert not page.inline_code
        assert "capital" not in [words for words, _ in page.main.links]
    assert "These people may change it: admin" in console.open(url("")).html


def test_an_account_is_disabled_with_a_reason_and_the_page_says_what_stops(console: Console):
    profile = make_profile()
    address = url("_account_switch", profile.account_id, "disable")
    asked = console.open(address).html
    assert "alpha" in asked
    assert "nothing is deleted" in asked
    _, html = send(console, address, comment="")
    assert "Say why" in html
    assert events() == []
    send(console, address, comment="moved away")
    assert not ExchangeAccount.objects.get().enabled
    event = json.loads(AuditEvent.objects.get(action="account.disabled").payload)
    assert event["comment"] == "moved away"
    assert event["request_id"]
    _, html = send(console, address, comment="again")
    assert "already" in html
    assert len(events()) == 1


def test_a_test_is_asked_for_once_and_followed(console: Console):
    account = make_account()
    for _ in range(2):
        response = console.post(url("_test", account.pk))
        assert response.status_code == 302
    errand = Errand.objects.get()
    assert errand.kind == ErrandKind.CHECK_ACCOUNT
    assert OrmQ.objects.count() == 1
    assert events() == [("errand.asked", "applied")]


def test_the_result_of_a_test_is_told_line_by_line(console: Console):
    lines = [
        {"part": "Clock", "state": "PASSED", "says": "0.1 s ahead", "way_out": ""},
        {
            "part": "Rights of the key",
            "state": "FAILED",
            "says": "THE KEY MAY TRADE",
            "way_out": "delete <b>it</b>",
        },
    ]
    errand = Errand.objects.create(
        kind=ErrandKind.CHECK_ACCOUNT,
        status=ErrandStatus.FAILED,
        account=make_account(),
        asked_by="sara",
        asked_at=NOW,
        finished_at=NOW,
        says="main: not right: Rights of the key",
        result={"lines": lines},
    )
    page = console.page_of(errand)
    rows = page.section("What was tested").rows
    assert rows[1][:2] == ["Clock", "✓ passed"]
    assert rows[2][:3] == ["Rights of the key", "✗ failed", "THE KEY MAY TRADE"]
    assert "<b>it</b>" not in page.html


def test_a_baseline_is_set_at_a_moment_and_says_what_it_hides(console: Console):
    account = make_account()
    address = url("_baseline", account.pk)
    page = console.open(address)
    assert "never taken back" in page.html
    known = page.section("What belongs to nobody now").rows[1:]
    assert {row[1] for row in known} == {"not known yet"}
    make_run(account, kind="RECONCILE", status="SUCCEEDED", finished_at=NOW)
    make_external_order(account)
    known = console.open(address).section("What belongs to nobody now").rows[1:]
    assert [row[1] for row in known] == ["1", "0", "0", "0"]
    _, html = send(console, address, at="yesterday", comment="moved in")
    assert "That is no moment" in html
    _, html = send(console, address, at="2199-01-01 12:00", comment="moved in")
    assert "in the future" in " ".join(errors(html))
    assert events() == []
    send(console, address, at="2026-01-05 12:00", comment="moved in")
    assert str(ExchangeAccount.objects.get().baseline_at) == "2026-01-05 12:00:00+00:00"
    assert events() == [("account.baseline_set", "applied")]


def test_a_profile_is_added_with_its_lock(console: Console):
    account = make_account()
    values = {"name": "alpha", "sub_tag": "alpha01", "allocated_capital_usd": "100000.5"}
    send(console, url("_profile_add", account.pk), **values)
    profile = Profile.objects.get()
    assert (profile.sub_tag, str(profile.allocated_capital_usd)) == ("alpha01", "100000.5")
    assert ProfileLease.objects.filter(profile=profile).exists()
    assert events() == [("profile.created", "applied")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "two words"),
        ("sub_tag", " "),
        ("allocated_capital_usd", "a lot"),
        ("allocated_capital_usd", "-1"),
        ("allocated_capital_usd", ""),
    ],
)
def test_a_profile_that_cannot_be_is_told_at_its_field(console: Console, field: str, value: str):
    values = {"name": "alpha", "sub_tag": "alpha01", "allocated_capital_usd": "1", field: value}
    _, html = send(console, url("_profile_add", make_account().pk), **values)
    assert errors(html)
    assert "Nothing was written" in html
    assert not Profile.objects.exists()


def test_capital_changes_with_a_reason_and_a_row_of_the_ledger(console: Console):
    profile = make_profile()
    before = profile.allocated_capital_usd
    make_capital_balance(profile, allocated_usd=before, reserved_usd=0, used_usd=0)
    address = url("_profile", profile.pk, "capital")
    _, html = send(console, address, amount="250000", seen=str(before), comment="")
    assert "Say why" in html
    _, html = send(console, address, amount="250000", seen="1", comment="more")
    assert "somebody changed it" in " ".join(errors(html)).lower()
    assert events() == []
    send(console, address, amount="250000", seen=str(before), comment="more")
    profile.refresh_from_db()
    assert profile.allocated_capital_usd == 250000
    entry = CapitalEntry.objects.get()
    assert (entry.cause, entry.allocated_usd) == ("ALLOCATION", 250000 - before)
    assert CapitalBalance.objects.get().allocated_usd == 250000
    assert events() == [("profile.capital_changed", "applied")]
    send(console, address, amount="250000", seen=str(before), comment="more")
    assert CapitalEntry.objects.count() == 1


def test_a_profile_is_disabled_and_enabled(console: Console):
    profile = make_profile()
    send(console, url("_profile", profile.pk, "disable"), comment="ends")
    assert not Profile.objects.get().enabled
    send(console, url("_profile", profile.pk, "enable"), comment="goes on")
    assert Profile.objects.get().enabled
    assert events() == [("profile.disabled", "applied"), ("profile.enabled", "applied")]


def test_a_key_is_shown_on_its_answer_alone(console: Console, caplog: pytest.LogCaptureFixture):
    profile = make_profile()
    address = url("_key_add", profile.account_id)
    values = {"name": "alpha-bot", "profiles": "alpha", "days": "30"}
    response = console.client.post(address, values)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    page = Page(response.content.decode())
    field = next(
        attributes for _, attributes in page.elements if attributes.get("id") == "issued-key"
    )
    text = response.content.decode().split('spellcheck="false">')[1].split("<")[0]
    assert field["readonly"] is None
    key = ApiKey.objects.get()
    secret = text.removeprefix(text[: text.index(key.public_id) + len(key.public_id)])
    assert len(secret) > 16
    again = console.client.post(address, values)
    for html in (
        again.content.decode(),
        console.open(url("_account", profile.account_id)).html,
        console.page_of(key).html,
        console.open(url("")).html,
        str(dict(console.client.session)),
        caplog.text,
        *AuditEvent.objects.values_list("payload", flat=True),
    ):
        assert secret not in html
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"), [("name", "a b"), ("profiles", "beta"), ("profiles", ""), ("days", "0")]
)
def test_a_key_that_cannot_be_is_told_at_its_field(console: Console, field: str, value: str):
    profile = make_profile()
    values = {"name": "bot", "profiles": "alpha", "days": "30", field: value}
    _, html = send(console, url("_key_add", profile.account_id), **values)
    assert errors(html)
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_after_its_page_named_the_bot(console: Console):
    profile = make_profile()
    console.client.post(
        url("_key_add", profile.account_id),
        {"name": "alpha-bot", "profiles": "alpha", "days": "30"},
    )
    address = url("_key_revoke", ApiKey.objects.get().pk)
    asked = console.open(address).html
    assert "alpha-bot" in asked
    assert ApiKey.objects.get().revoked_at is None
    send(console, address)
    assert ApiKey.objects.get().revoked_at is not None
    assert [action for action, _ in events()] == ["api_key.created", "api_key.revoked"]


def test_the_pages_ask_no_more_often_for_more_accounts(console: Console):
    def count(address: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            console.open(address)
        return len(queries)

    first = make_profile()
    addresses = (url(""), url("_account", first.account_id), url("_people"))
    before = [count(address) for address in addresses]
    for number in range(5):
        make_account(name=f"account-{number}")
        make_profile(name=f"profile-{number}", sub_tag=f"tag{number}")
        client_of(f"user-{number}", Role.VIEWER)
    assert [count(address) for address in addresses] == before
    assert max(before) <= 12
