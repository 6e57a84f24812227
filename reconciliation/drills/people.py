"""The people of a drill: whoever is named by `by:` exists from then on."""

from django.contrib.auth.models import Group, User
from django.db import transaction

from reconciliation.domain.people import Person
from reconciliation.enums import Role
from reconciliation.selectors.people import load_person

ROLES = (Role.OPERATOR, Role.APPROVER)


def person_named(name: str) -> Person:
    """Return the person of that name; made on first mention, an operator and an approver."""
    user = User.objects.filter(username=name).first()
    if user is None:
        user = _make(name)
    return load_person(user)


def _make(name: str) -> User:
    """Make a user who cannot log in: nobody does, in a drill."""
    with transaction.atomic():
        user, is_new = User.objects.get_or_create(username=name, defaults={"is_staff": True})
        if is_new:
            user.set_unusable_password()
            user.save(update_fields=["password"])
            user.groups.set(Group.objects.filter(name__in=ROLES))
    return user
