"""A user as a decision sees him: with the groups and rights of that moment."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User

from reconciliation.enums import ActorType, Right
from reconciliation.selectors.people import load_person

pytestmark = pytest.mark.django_db


def permission(right: Right) -> Permission:
    return Permission.objects.get(codename=right, content_type__app_label="reconciliation")


def group(name: str, *rights: Right) -> Group:
    made = Group.objects.create(name=name)
    made.permissions.set([permission(right) for right in rights])
    return made


def test_a_person_has_the_rights_of_his_groups_and_his_own():
    user = User.objects.create_user("olga")
    user.groups.set([group("b-team", Right.PROPOSE), group("a-team", Right.REFRESH)])
    user.user_permissions.add(permission(Right.PAUSE))

    person = load_person(user, request_id="r-1", ip="10.0.0.1")

    assert person.rights == {Right.PROPOSE, Right.REFRESH, Right.PAUSE}
    actor = person.actor
    assert (actor.type, actor.id, actor.name) == (ActorType.USER, str(user.pk), "olga")
    assert actor.groups == ("a-team", "b-team")
    assert (person.request_id, person.ip) == ("r-1", "10.0.0.1")


def test_a_right_to_look_is_none_to_decide():
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    assert load_person(user).rights == frozenset()


def test_a_superuser_has_every_right():
    assert load_person(User.objects.create_superuser("root")).rights == frozenset(Right)


def test_a_user_who_is_not_active_any_more_has_no_name_and_no_right():
    user = User.objects.create_superuser("gone", is_active=False)
    person = load_person(user)
    assert (person.actor.id, person.actor.name) == ("", "anonymous")
    assert person.rights == frozenset()


def test_whoever_is_not_logged_in_has_no_right():
    person = load_person(AnonymousUser(), ip="10.0.0.1")
    assert (person.actor.name, person.rights) == ("anonymous", frozenset())
    assert person.ip == "10.0.0.1"
