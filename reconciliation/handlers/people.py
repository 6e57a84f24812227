"""Users and groups as Django's own pages write them: each write with its audit event.

Those pages write by themselves, so a unit is opened around them: what they save is compared with
what was there before, and the difference recorded. A password is never part of an event.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import Group, User

from reconciliation.clock import Clock
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.people import Person
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit, transaction_unit

_USER_FIELDS = (
    "username",
    "first_name",
    "last_name",
    "email",
    "is_active",
    "is_staff",
    "is_superuser",
)
MOST_DELETED = 500
"""Users or groups that one press of a button may delete."""

State = Mapping[str, Any]


@contextmanager
def people_unit(*, person: Person, clock: Clock, settings_hash: str) -> Iterator[Unit]:
    """Open the unit in which a page of Django's writes users or groups, as the person's doing."""
    with transaction_unit(
        actor=person.actor,
        clock=clock,
        settings_hash=settings_hash,
        request_id=person.request_id,
        ip=person.ip,
    ) as unit:
        yield unit


def state_of(row: User | Group) -> State:
    """Return what an event says of a user or a group; groups of a user are events of their own."""
    if isinstance(row, Group):
        return {"name": storable(row.name), "permissions": _permissions(row.permissions)}
    kept = {name: storable(getattr(row, name)) for name in _USER_FIELDS}
    return {**kept, "permissions": _permissions(row.user_permissions)}


def record_saved(*, unit: Unit, row: User | Group, before: State | None) -> None:
    """Record that a row was created (`before` is None) or changed; nothing where it is the same."""
    after = state_of(row)
    verb = "created" if before is None else "changed"
    if before == after:
        return
    unit.record(_event(row, verb, before=before or {}, after=after))


def record_deleted(*, unit: Unit, row: User | Group) -> None:
    """Record that a row is about to be deleted; of a user the groups too, which end with it."""
    before = dict(state_of(row))
    if isinstance(row, User):
        before["groups"] = [storable(name) for name in _groups(row)]
    unit.record(_event(row, "deleted", before=before, after={}))


def record_password(*, unit: Unit, user: User) -> None:
    """Record that a user's password was set, by whomever the unit is of."""
    unit.record(
        _event(user, "password_changed", before={}, after={"username": storable(user.username)})
    )


def _event(row: User | Group, verb: str, *, before: State, after: State) -> EventDraft:
    word = "group" if isinstance(row, Group) else "user"
    action = {
        ("user", "created"): "user.created",
        ("user", "changed"): "user.changed",
        ("user", "deleted"): "user.deleted",
        ("user", "password_changed"): "user.password_changed",
        ("group", "created"): "group.created",
        ("group", "changed"): "group.changed",
        ("group", "deleted"): "group.deleted",
    }[word, verb]
    return EventDraft(
        action=action, object_type=word, object_id=str(row.pk), before=before, after=after
    )


def _groups(user: User) -> list[str]:
    return sorted(user.groups.values_list("name", flat=True))


def _permissions(held: Any) -> list[str]:
    named = held.values_list("content_type__app_label", "codename")
    return sorted(f"{app}.{name}" for app, name in named)
