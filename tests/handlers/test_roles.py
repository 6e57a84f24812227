"""Groups and rights: made by every migrate, as the code says."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command

from reconciliation.enums import RIGHTS_OF_ROLES, Right, Role
from reconciliation.handlers.roles import make_roles
from reconciliation.selectors.people import load_person

pytestmark = pytest.mark.django_db


def codenames(role: Role) -> set[str]:
    return set(Group.objects.get(name=role).permissions.values_list("codename", flat=True))


def everything_viewable() -> set[str]:
    models = apps.get_app_config("reconciliation").get_models()
    jobs = apps.get_app_config("django_q").get_models()
    return {f"view_{model._meta.model_name}" for model in (*models, *jobs)}


@pytest.mark.parametrize("role", Role)
def test_a_migrate_makes_each_role_with_its_rights_and_a_look_at_everything(role: Role):
    assert codenames(role) == everything_viewable() | set(RIGHTS_OF_ROLES[role])


def test_making_them_again_changes_nothing():
    before = {role: codenames(role) for role in Role}
    make_roles()
    call_command("migrate", verbosity=0)
    assert {role: codenames(role) for role in Role} == before
    assert Group.objects.count() == len(Role)


def test_what_was_given_or_taken_by_hand_is_put_right_and_other_apps_are_left_alone():
    viewer = Group.objects.get(name=Role.VIEWER)
    before = codenames(Role.VIEWER)
    other = Permission.objects.get(codename="view_user")
    viewer.permissions.remove(Permission.objects.get(codename="view_trade"))
    viewer.permissions.add(Permission.objects.get(codename=Right.APPROVE), other)
    make_roles()
    assert codenames(Role.VIEWER) == before | {"view_user"}


def test_a_person_has_the_rights_of_his_groups():
    user = User.objects.create_user("olga", password="irrelevant")
    user.groups.set(Group.objects.filter(name__in=[Role.OPERATOR, Role.COMPLIANCE]))
    person = load_person(User.objects.get(pk=user.pk))
    assert person.rights == RIGHTS_OF_ROLES[Role.OPERATOR] | RIGHTS_OF_ROLES[Role.COMPLIANCE]
    assert person.actor.groups == ("Compliance", "Operator")
