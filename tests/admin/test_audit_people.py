"""Users and groups on Django's own pages: no write without its event, no password in any."""

import json
from typing import Any

import pytest
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from reconciliation.admin.people import PortalUserAdmin
from reconciliation.handlers.unit import people_table_written
from reconciliation.models import AuditEvent
from tests.admin.conftest import logged_in
from tests.conftest import WriteOutsideUnit

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough one 17"


@pytest.fixture
def boss(db: None) -> Client:
    return logged_in(User.objects.create_superuser("boss", password=PASSWORD))


def events() -> list[dict[str, Any]]:
    said = [json.loads(row.payload) for row in AuditEvent.objects.order_by("sequence")]
    assert all(each["actor_name"] == "boss" for each in said)
    assert PASSWORD not in json.dumps(said)
    assert "pbkdf2" not in json.dumps(said)
    return said


def body_of(user: User, **values: Any) -> dict[str, Any]:
    kept = {"username": user.username, "date_joined_0": "2026-01-01", "date_joined_1": "12:00:00"}
    flags = {name: "on" for name in ("is_active", "is_staff") if getattr(user, name)}
    return {**kept, **flags, **values}


def test_a_user_is_created(boss: Client):
    body = {"username": "olga", "password1": PASSWORD, "password2": PASSWORD}
    answer = boss.post("/admin/auth/user/add/", {**body, "usable_password": "true"})
    assert answer.status_code == 302, answer.content
    (event,) = events()
    assert (event["action"], event["after"]["username"]) == ("user.created", "olga")


def test_a_user_is_deactivated_given_a_permission_and_deleted(boss: Client):
    user = User.objects.create_user("olga", password=PASSWORD, is_staff=True)
    address = f"/admin/auth/user/{user.pk}/change/"
    permission = Permission.objects.get(codename="export_audit")
    body = body_of(user, user_permissions=[permission.pk])
    del body["is_active"]
    assert boss.post(address, body).status_code == 302
    assert boss.post(address, body).status_code == 302
    assert boss.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}).status_code == 302
    changed, deleted = events()
    assert (changed["before"]["is_active"], changed["after"]["is_active"]) == (True, False)
    assert changed["after"]["permissions"] == ["reconciliation.export_audit"]
    assert (deleted["action"], deleted["before"]["username"]) == ("user.deleted", "olga")


def test_users_are_deleted_from_their_list(boss: Client):
    user = User.objects.create_user("olga", password=PASSWORD)
    body = {"action": "delete_selected", "_selected_action": user.pk, "post": "yes"}
    assert boss.post("/admin/auth/user/", body).status_code == 302
    assert [event["action"] for event in events()] == ["user.deleted"]


def test_passwords_that_are_set_are_told_without_them(boss: Client):
    user = User.objects.create_user("olga", password="before it was this")
    new = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    assert boss.post(f"/admin/auth/user/{user.pk}/password/", new).status_code == 302
    own = {"old_password": PASSWORD, "new_password1": PASSWORD + "!", "new_password2": PASSWORD}
    assert boss.post("/admin/password_change/", own).status_code == 200
    own["new_password2"] = PASSWORD + "!"
    assert boss.post("/admin/password_change/", own).status_code == 302
    assert [(e["action"], e["after"]["username"]) for e in events()] == [
        ("user.password_changed", "olga"),
        ("user.password_changed", "boss"),
    ]


def test_a_group_is_created_changed_and_deleted(boss: Client):
    assert boss.post("/admin/auth/group/add/", {"name": "Desk"}).status_code == 302
    group = Group.objects.get(name="Desk")
    permission = Permission.objects.get(codename="pause_profile")
    body = {"name": "Desk", "permissions": [permission.pk]}
    assert boss.post(f"/admin/auth/group/{group.pk}/change/", body).status_code == 302
    assert boss.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"}).status_code == 302
    created, changed, deleted = events()
    assert created["action"] == "group.created"
    assert (changed["before"]["permissions"], changed["after"]["permissions"]) == (
        [],
        ["reconciliation.pause_profile"],
    )
    assert deleted["action"] == "group.deleted"


def test_who_was_in_a_group_that_is_deleted_leaves_it(boss: Client):
    desk, other = Group.objects.create(name="Desk"), Group.objects.create(name="Other")
    olga = User.objects.create_user("olga", password=PASSWORD)
    olga.groups.add(desk, other)
    begun = AuditEvent.objects.count()
    boss.post(f"/admin/auth/group/{desk.pk}/delete/", {"post": "yes"})
    said = [json.loads(row.payload) for row in AuditEvent.objects.order_by("sequence")][begun:]
    assert [each["action"] for each in said] == ["group.deleted", "user.groups_changed"]
    assert said[1]["before"] == {"groups": ["Desk", "Other"]}
    assert said[1]["after"] == {"name": "olga", "groups": ["Other"]}
    # By whatever way: here somebody at a shell.
    other.delete()
    newest = json.loads(AuditEvent.objects.order_by("sequence").last().payload)  # type: ignore[union-attr]
    assert newest["after"] == {"name": "olga", "groups": []}


def test_with_a_user_the_groups_are_told_that_ended(boss: Client):
    olga = User.objects.create_user("olga", password=PASSWORD)
    olga.groups.add(Group.objects.create(name="Desk"))
    boss.post(f"/admin/auth/user/{olga.pk}/delete/", {"post": "yes"})
    event = AuditEvent.objects.get(action="user.deleted")
    assert json.loads(event.payload)["before"]["groups"] == ["Desk"]


def test_a_user_who_is_renamed_and_deleted_keeps_one_timeline(boss: Client):
    olga = User.objects.create_user("olga", password=PASSWORD, is_staff=True)
    Client().force_login(olga)
    address = f"/admin/auth/user/{olga.pk}/change/"
    assert boss.post(address, body_of(olga, username="olga2")).status_code == 302
    assert boss.post(f"/admin/auth/user/{olga.pk}/delete/", {"post": "yes"}).status_code == 302
    # Somebody else with the old name is somebody else.
    Client().force_login(User.objects.create_user("olga", password=PASSWORD))
    text = boss.get(f"/admin/audit/timeline/user/{olga.pk}/").content.decode()
    assert "olga2 (deleted), before olga" in text
    assert text.count("logged in") == 1
    assert "deleted the user" in text


def test_a_user_that_never_was_has_no_timeline(boss: Client):
    assert boss.get("/admin/audit/timeline/user/999999/").status_code == 404


def test_the_suite_fails_where_a_page_writes_a_user_outside_a_unit(
    boss: Client, monkeypatch: pytest.MonkeyPatch, no_write_outside_a_unit: list[str]
):
    monkeypatch.setattr(PortalUserAdmin, "changeform_view", UserAdmin.changeform_view)
    monkeypatch.setattr(PortalUserAdmin, "save_model", UserAdmin.save_model)
    user = User.objects.create_user("olga", password=PASSWORD)
    with pytest.raises(WriteOutsideUnit, match="auth_user"):
        boss.post(f"/admin/auth/user/{user.pk}/change/", body_of(user, first_name="O"))
    assert no_write_outside_a_unit
    no_write_outside_a_unit.clear()


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ('UPDATE "auth_user" SET "password" = %s WHERE "auth_user"."id" = %s', "auth_user"),
        ('UPDATE "auth_user" SET "last_login" = %s WHERE "auth_user"."id" = %s', None),
        ('INSERT INTO "auth_group_permissions" ("group_id") VALUES (1)', "auth_group_permissions"),
        ('DELETE FROM "django_session" WHERE 1', None),
    ],
)
def test_writes_of_people_are_told_by_their_statements(sql: str, table: str | None):
    assert people_table_written(sql) == table


def test_a_page_that_is_refused_is_told_once_and_ten_times_a_minute_at_most(db: None):
    User.objects.create_user("boss", password=PASSWORD, is_staff=True)
    client = logged_in(User.objects.get())
    for _ in range(12):
        assert client.get("/admin/auth/user/").status_code == 403
    said = events()
    assert [each["action"] for each in said] == ["page.denied"] * 10
    assert said[0]["after"] == {"asked": "GET /admin/auth/user/"}
