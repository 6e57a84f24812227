"""Logins, and whose groups changed: told by Django, recorded once, whatever the name."""

import json
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.test import Client

from reconciliation.domain.audit import Actor, verify
from reconciliation.enums import ActorType
from reconciliation.handlers.sign_ins import (
    MOST_FAILURES_A_MINUTE,
    MOST_FAILURES_A_MINUTE_IN_ALL,
    record_failed_login,
    record_groups,
)
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import AuditEvent
from reconciliation.selectors.audit import ChainReader
from tests.builders import FixedClock

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"
PASSWORD = "a long enough one"


def events(action: str = "") -> list[dict[str, Any]]:
    rows = AuditEvent.objects.order_by("sequence")
    rows = rows.filter(action=action) if action else rows
    return [json.loads(row.payload) for row in rows]


def make_user(name: str = "olga", **values: Any) -> User:
    return User.objects.create_user(name, password=PASSWORD, is_staff=True, **values)


def log_in(client: Client, name: str, password: str = PASSWORD) -> int:
    body = {"username": name, "password": password}
    return client.post(LOGIN, body, REMOTE_ADDR="192.0.2.7").status_code


def fail(name: str, ip: str, clock: FixedClock) -> bool:
    return record_failed_login(name=name, clock=clock, settings_hash="", ip=ip)


def test_who_logs_in_and_out_is_recorded_with_his_groups_and_address(client: Client):
    user = make_user()
    user.groups.add(Group.objects.get(name="Operator"))
    assert log_in(client, "olga") == 302
    client.post("/admin/logout/", REMOTE_ADDR="192.0.2.8")
    came, left = events("user.logged_in") + events("user.logged_out")
    assert (came["actor_name"], came["actor_id"]) == ("olga", str(user.pk))
    assert (came["actor_groups"], came["ip"], came["outcome"]) == (
        ["Operator"],
        "192.0.2.7",
        "applied",
    )
    assert came["settings_hash"]
    assert (left["actor_name"], left["ip"]) == ("olga", "192.0.2.8")


def test_nobody_who_was_not_in_can_log_out(client: Client):
    client.post("/admin/logout/")
    assert events() == []


def test_a_failed_login_is_denied_under_the_name_that_was_typed(client: Client):
    make_user()
    assert log_in(client, "olga", "wrong") == 200
    (event,) = events()
    assert (event["action"], event["outcome"]) == ("user.login_failed", "denied")
    assert (event["after"], event["ip"]) == ({"name": "olga"}, "192.0.2.7")
    assert (event["actor_id"], event["actor_name"]) == ("", "olga")
    assert "wrong" not in event["after"].values()
    assert PASSWORD not in json.dumps(event)


@pytest.mark.parametrize(
    "name",
    ["x" * 10_000, "a\x00b", "half \ud800 pair", "", "<script>", "Зоя"],
    ids=["long", "nul", "surrogate", "empty", "markup", "beyond ascii"],
)
def test_no_name_is_too_broken_to_be_recorded(name: str):
    assert fail(name, "192.0.2.7", FixedClock())
    (event,) = events()
    assert len(event["after"]["name"]) <= 150
    assert "\x00" not in event["after"]["name"]
    reader = ChainReader()
    assert verify(reader.rows(), head=reader.head).intact


def test_a_login_without_a_request_is_recorded_too():
    assert authenticate(username="olga", password="wrong") is None
    assert [event["ip"] for event in events("user.login_failed")] == [""]


def test_a_flood_of_failures_leaves_ten_events_a_minute_and_pair():
    clock = FixedClock()
    kept = [fail("olga", "192.0.2.7", clock) for _ in range(MOST_FAILURES_A_MINUTE + 5)]
    assert kept.count(True) == MOST_FAILURES_A_MINUTE
    assert fail("olga", "192.0.2.8", clock)
    assert fail("ivan", "192.0.2.7", clock)
    clock.advance(seconds=61)
    assert fail("olga", "192.0.2.7", clock)


def test_a_flood_under_ever_new_names_is_cut_as_well():
    clock = FixedClock()
    kept = [fail(f"n{at}", "192.0.2.7", clock) for at in range(MOST_FAILURES_A_MINUTE_IN_ALL + 3)]
    assert kept.count(True) == MOST_FAILURES_A_MINUTE_IN_ALL


def test_a_change_of_groups_says_before_and_after_once():
    user = make_user()
    user.groups.add(Group.objects.get(name="Viewer"))
    user.groups.add(Group.objects.get(name="Viewer"))
    user.groups.set(Group.objects.filter(name__in=["Viewer", "Operator"]))
    user.groups.clear()
    changes = [(e["before"]["groups"], e["after"]["groups"]) for e in events("user.groups_changed")]
    assert changes == [
        ([], ["Viewer"]),
        (["Viewer"], ["Operator", "Viewer"]),
        (["Operator", "Viewer"], []),
    ]
    assert {e["actor_name"] for e in events("user.groups_changed")} == {"shell"}


def test_a_change_from_the_side_of_the_group_is_told_of_each_user():
    one, other = make_user("one"), make_user("other")
    operators = Group.objects.get(name="Operator")
    operators.user_set.add(one, other)
    operators.user_set.remove(other, make_user("third"))
    operators.user_set.clear()
    told = [(e["after"]["name"], e["after"]["groups"]) for e in events("user.groups_changed")]
    assert told == [
        ("one", ["Operator"]),
        ("other", ["Operator"]),
        ("other", []),
        ("one", []),
    ]


def test_a_change_that_is_rolled_back_leaves_no_event():
    user = make_user()
    with transaction.atomic():
        user.groups.add(Group.objects.get(name="Viewer"))
        transaction.set_rollback(True)
    assert events() == []


def test_what_a_superuser_changes_in_the_console_is_his_doing(client: Client):
    make_user("boss", is_superuser=True)
    user = make_user()
    log_in(client, "boss")
    body = {
        "username": "olga",
        "groups": [Group.objects.get(name="Approver").pk],
        "date_joined_0": "2026-01-01",
        "date_joined_1": "12:00:00",
    }
    page = client.post(f"/admin/auth/user/{user.pk}/change/", body, REMOTE_ADDR="192.0.2.7")
    assert page.status_code == 302
    (event,) = events("user.groups_changed")
    assert (event["actor_name"], event["ip"]) == ("boss", "192.0.2.7")
    assert (event["after"]["name"], event["after"]["groups"]) == ("olga", ["Approver"])


def test_within_a_unit_the_event_is_that_units():
    clock = FixedClock()
    eve = Actor(type=ActorType.USER, id="1", name="eve")
    with transaction_unit(actor=eve, clock=clock) as _:
        record_groups(actor=eve, user=eve, before=["Viewer"], clock=clock, settings_hash="", ip="")
    assert [event["action"] for event in events()] == ["user.groups_changed"]
