"""People of the console: members of the groups, logged in, at a moment that stands still."""

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from reconciliation.enums import Role
from tests.admin.conftest import logged_in


def user_of(name: str, *roles: Role) -> User:
    """Return a staff user in groups."""
    user = User.objects.create_user(name, password="irrelevant", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles))
    return user


def client_of(name: str, *roles: Role) -> Client:
    """Return a browser in which a member of groups is logged in."""
    return logged_in(user_of(name, *roles))


def decide_address(row: Model, verb: str) -> str:
    """Return the address of a row's confirmation page."""
    return reverse(
        f"admin:{row._meta.app_label}_{row._meta.model_name}_decide", args=[row.pk, verb]
    )


def bulk_address(model: type[Model], verb: str) -> str:
    """Return the address of the confirmation of several rows."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_bulk", args=[verb])
