"""Users as decisions see them."""

from collections.abc import Iterable

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

from reconciliation.domain.audit import Actor
from reconciliation.domain.people import Person
from reconciliation.enums import ActorType, Right


def load_person(
    user: User | AbstractBaseUser | AnonymousUser, *, request_id: str = "", ip: str = ""
) -> Person:
    """Return a user with groups and rights as they are now; whoever is not logged in has none."""
    if not isinstance(user, User) or not user.is_active:
        return Person(
            actor=Actor(type=ActorType.USER, id="", name="anonymous"),
            rights=frozenset(),
            request_id=request_id,
            ip=ip,
        )
    groups = tuple(user.groups.order_by("name").values_list("name", flat=True))
    held = user.get_all_permissions()
    return Person(
        actor=Actor(type=ActorType.USER, id=str(user.pk), name=user.get_username(), groups=groups),
        rights=frozenset(right for right in Right if f"reconciliation.{right}" in held),
        request_id=request_id,
        ip=ip,
    )


def load_users(ids: Iterable[int | str]) -> tuple[Actor, ...]:
    """Return users by id as audit events name them, with the groups that they are in."""
    users = User.objects.filter(pk__in=list(ids)).prefetch_related("groups").order_by("pk")
    return tuple(
        Actor(
            type=ActorType.USER,
            id=str(user.pk),
            name=user.get_username(),
            groups=tuple(sorted(group.name for group in user.groups.all())),
        )
        for user in users
    )


def load_who_may(right: Right) -> tuple[str, ...]:
    """Return the names of the users who have a right now, superusers among them."""
    rows = User.objects.with_perm(
        f"reconciliation.{right}", backend="django.contrib.auth.backends.ModelBackend"
    )
    return tuple(rows.filter(is_staff=True).order_by("username").values_list("username", flat=True))
