"""Who is let in, by whom: audited, never above one's own rights, never the last one out."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from reconciliation.domain.audit import Actor
from reconciliation.domain.people import Person
from reconciliation.enums import ActorType, Right, SetUpRefusal
from reconciliation.handlers.accounts import AlreadyExists, InvalidValue
from reconciliation.handlers.users import (
    UserOutcome,
    activate_user,
    change_groups,
    create_user,
    deactivate_user,
    set_password,
)
from reconciliation.models import AuditEvent
from tests.builders import FixedClock
from tests.handlers.people import nobody, person
from tests.handlers.worlds import CONF

pytestmark = pytest.mark.django_db
PASSWORD = "seven gulls on a mast"


def by(who: Person | None = None) -> dict[str, Any]:
    return {"person": who or person("sara", Right.SET_UP), "clock": FixedClock(), "conf": CONF}


def make(name: str = "olga", *, groups: tuple[str, ...] = ("Operator",), **who: Any) -> UserOutcome:
    return create_user(name=name, groups=groups, password=PASSWORD, **by(**who))


def person_of(user: User) -> Person:
    actor = Actor(type=ActorType.USER, id=str(user.pk), name=user.username)
    return Person(actor=actor, rights=frozenset({Right.SET_UP}))


def superuser(name: str = "root") -> User:
    return User.objects.create_superuser(name, password=PASSWORD)


def events() -> list[dict[str, Any]]:
    return [json.loads(row.payload) for row in AuditEvent.objects.order_by("sequence")]


def test_a_user_is_made_with_groups_and_password_and_no_password_is_in_the_trail():
    outcome = make()
    user = User.objects.get(pk=outcome.user_id)
    assert (user.username, user.is_staff, user.is_superuser) == ("olga", True, False)
    assert user.check_password(PASSWORD)
    assert [group.name for group in user.groups.all()] == ["Operator"]
    assert [each["action"] for each in events()] == ["user.created", "user.groups_changed"]
    assert {each["actor_name"] for each in events()} == {"sara"}
    kept = AuditEvent.objects.values_list("payload", flat=True)
    assert not any(PASSWORD in text or user.password in text for text in kept)


@pytest.mark.parametrize("name", ["", "two words", "a" * 151, "<b>"])
def test_a_name_that_cannot_be_used_writes_nothing(name: str):
    with pytest.raises(InvalidValue) as caught:
        make(name)
    assert caught.value.field == "name"
    assert (User.objects.count(), events()) == (0, [])


def test_a_weak_password_and_an_unknown_group_are_named_by_their_field():
    with pytest.raises(InvalidValue) as caught:
        create_user(name="olga", groups=(), password="12345", **by())
    assert caught.value.field == "password"
    assert "12345" not in str(caught.value)
    with pytest.raises(InvalidValue) as caught:
        make(groups=("Operators",))
    assert caught.value.field == "groups"
    assert (User.objects.count(), events()) == (0, [])


def test_a_name_is_taken_in_whatever_case():
    make("olga")
    with pytest.raises(AlreadyExists):
        make("Olga")


def test_whoever_lacks_the_right_is_denied_and_that_is_recorded():
    outcome = make(who=nobody())
    assert outcome.refusal == SetUpRefusal.DENIED
    assert not User.objects.exists()
    assert [(each["action"], each["outcome"]) for each in events()] == [("user.denied", "denied")]


def test_groups_are_changed_to_exactly_those_named():
    user = User.objects.get(pk=make().user_id)
    outcome = change_groups(user_id=user.pk, groups=("Approver", "Compliance"), **by())
    assert outcome.changed
    assert sorted(user.groups.values_list("name", flat=True)) == ["Approver", "Compliance"]
    last = events()[-1]
    assert (last["action"], last["after"]["groups"]) == (
        "user.groups_changed",
        ["Approver", "Compliance"],
    )
    count = len(events())
    assert not change_groups(user_id=user.pk, groups=("Approver", "Compliance"), **by()).changed
    assert len(events()) == count


def test_nobody_changes_his_own_groups_or_locks_himself_out():
    user = superuser()
    superuser("other")
    who = person_of(user)
    asked = (
        change_groups(user_id=user.pk, groups=("Approver",), **by(who)),
        deactivate_user(user_id=user.pk, comment="", **by(who)),
        set_password(user_id=user.pk, password=PASSWORD, **by(who)),
    )
    assert {outcome.refusal for outcome in asked} == {SetUpRefusal.ONESELF}
    assert {each["outcome"] for each in events()} == {"refused"}


def test_only_a_superuser_touches_a_superuser():
    root, other = superuser(), superuser("other")
    granted = User.objects.create_user("sara", password=PASSWORD)
    refused = set_password(user_id=root.pk, password="another good one 1", **by(person_of(granted)))
    assert refused.refusal == SetUpRefusal.SUPERUSER_ONLY
    root.refresh_from_db()
    assert root.check_password(PASSWORD)
    assert deactivate_user(user_id=root.pk, comment="left", **by(person_of(other))).changed


def test_the_last_superuser_stays():
    root = superuser()
    other = superuser("other")
    # Logged in still, but let in no more: he cannot be who is left.
    who = person_of(other)
    User.objects.filter(pk=other.pk).update(is_staff=False)
    outcome = deactivate_user(user_id=root.pk, comment="", **by(who))
    assert outcome.refusal == SetUpRefusal.LAST_SUPERUSER
    root.refresh_from_db()
    assert root.is_active


def test_a_user_is_let_in_no_more_and_again_and_twice_changes_nothing():
    pk = make().user_id
    assert pk is not None
    assert deactivate_user(user_id=pk, comment="on leave", **by()).changed
    assert not User.objects.get(pk=pk).is_active
    assert not deactivate_user(user_id=pk, comment="on leave", **by()).changed
    assert activate_user(user_id=pk, comment="is back", **by()).changed
    said = [(each["action"], each["comment"]) for each in events()][-2:]
    assert said == [("user.deactivated", "on leave"), ("user.activated", "is back")]


def test_a_password_is_set_and_only_that_it_was_is_recorded():
    pk = make().user_id
    assert pk is not None
    assert set_password(user_id=pk, password="another good one 1", **by()).changed
    assert User.objects.get(pk=pk).check_password("another good one 1")
    assert events()[-1]["action"] == "user.password_changed"
    assert "another good one" not in AuditEvent.objects.latest("sequence").payload
    assert Group.objects.exists()
