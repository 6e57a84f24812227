"""People: who may come in, in which groups, with which password; each change is an audit event.

A password goes in and is never recorded, shown or put into an error. Whoever may set up the portal
cannot raise himself by it: nobody but a superuser touches a superuser, nobody changes his own
groups, and the last superuser who can log in stays one.
"""

import re
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import Q

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.people import Person
from reconciliation.enums import AuditOutcome, Right, SetUpRefusal
from reconciliation.handlers.accounts import AlreadyExists, InvalidValue
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit, current_unit, transaction_unit

_OBJECT = "user"
_NAME = re.compile(r"[\w.@+-]{1,150}")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOutcome:
    """What became of a person's word about a user: `said` tells it in a sentence.

    `refusal` is None where it was not refused; `changed` is False where there was nothing to do.
    """

    said: str
    user_id: int | None = None
    changed: bool = False
    refusal: SetUpRefusal | None = None


def create_user(
    *, name: str, groups: Collection[str], password: str, person: Person, clock: Clock, conf: Conf
) -> UserOutcome:
    """Let somebody in, in groups, with a first password that he is told by whoever makes him.

    Raises `InvalidValue` for a field that cannot be right (`name`, `groups`, `password`),
    `AlreadyExists` for a name that is taken.
    """
    with _unit(person, clock, conf) as unit:
        if not person.may(Right.SET_UP):
            return _denied(unit, person, "create", name)
        if not _NAME.fullmatch(name):
            raise InvalidValue("name", "it needs 1 to 150 letters, digits and @ . + - _")
        rows = _groups(groups)
        if User.objects.filter(username__iexact=name).exists():
            raise AlreadyExists(f"a user {name!r} exists; choose another name")
        user = User(username=name, is_staff=True, is_active=True, date_joined=unit.now)
        _give_password(user, password)
        user.save()
        record_user(
            action="user.created",
            user=user,
            after={"is_active": True, "is_superuser": False, "groups": sorted(groups)},
        )
        user.groups.set(rows)
        return UserOutcome(said=f"{name} can log in now", user_id=user.pk, changed=True)


def change_groups(
    *, user_id: int, groups: Collection[str], person: Person, clock: Clock, conf: Conf
) -> UserOutcome:
    """Put a user into exactly these groups; that they changed is recorded by who tells of it.

    Raises `InvalidValue` for a group that does not exist.
    """
    with _unit(person, clock, conf) as unit:
        user = _lock(user_id)
        refused = _refuse(unit, person, user, "change the groups of", own=True)
        if refused is not None:
            return refused
        rows = _groups(groups)
        before = set(user.groups.values_list("pk", flat=True))
        if before == {row.pk for row in rows}:
            said = f"{user.get_username()} is in these groups already"
            return UserOutcome(said=said, user_id=user.pk)
        # The signal of this table records `user.groups_changed` in this unit.
        user.groups.set(rows)
        words = ", ".join(sorted(groups)) or "no group"
        said = f"{user.get_username()} is in {words} now"
        return UserOutcome(said=said, user_id=user.pk, changed=True)


def deactivate_user(
    *, user_id: int, comment: str, person: Person, clock: Clock, conf: Conf
) -> UserOutcome:
    """Let a user in no more, from his next request on; what he did stays under his name."""
    return _set_active(user_id, False, comment, person, clock, conf)


def activate_user(
    *, user_id: int, comment: str, person: Person, clock: Clock, conf: Conf
) -> UserOutcome:
    """Let a user in again, with the groups and the password that he had."""
    return _set_active(user_id, True, comment, person, clock, conf)


def set_password(
    *, user_id: int, password: str, person: Person, clock: Clock, conf: Conf
) -> UserOutcome:
    """Give a user another password, which ends his sessions.

    Raises `InvalidValue` (`password`) for one that is too weak.
    """
    with _unit(person, clock, conf) as unit:
        user = _lock(user_id)
        refused = _refuse(unit, person, user, "set the password of", own=True)
        if refused is not None:
            return refused
        _give_password(user, password)
        user.save(update_fields=["password"])
        record_user(action="user.password_changed", user=user)
        said = f"the password of {user.get_username()} is set; his sessions have ended"
        return UserOutcome(said=said, user_id=user.pk, changed=True)


def record_user(
    *,
    action: str,
    user: User,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    comment: str = "",
) -> None:
    """Record in the unit that is open what became of a user; never anything of his password."""
    unit = current_unit()
    if unit is None:
        raise RuntimeError(f"{action} was recorded outside a transaction unit")
    unit.record(
        EventDraft(
            action=action,
            object_type=_OBJECT,
            object_id=str(user.pk),
            before=before or {},
            after={"name": storable(user.get_username()), **(after or {})},
            comment=comment,
        )
    )


def locks_everybody_out(user: User) -> bool:
    """Return whether nobody could set up the portal any more without this user.

    Asked in the transaction that would take the user's rights.
    """
    if not (user.is_superuser and user.is_active):
        return False
    rows = User.objects.select_for_update(no_key=True).order_by("pk")
    able = rows.filter(is_superuser=True, is_active=True, is_staff=True).values_list(
        "pk", flat=True
    )
    return not set(able) - {user.pk}


def _set_active(
    user_id: int, active: bool, comment: str, person: Person, clock: Clock, conf: Conf
) -> UserOutcome:
    verb = "activate" if active else "deactivate"
    with _unit(person, clock, conf) as unit:
        user = _lock(user_id)
        refused = _refuse(unit, person, user, verb, own=not active)
        if refused is not None:
            return refused
        name = user.get_username()
        if user.is_active == active:
            return UserOutcome(said=f"{name} is {verb}d already", user_id=user.pk)
        if not active and locks_everybody_out(user):
            said = f"{name} is the last superuser who can log in; make another one first"
            return _refused(unit, user, SetUpRefusal.LAST_SUPERUSER, verb, said)
        user.is_active = active
        user.save(update_fields=["is_active"])
        record_user(
            action="user.activated" if active else "user.deactivated",
            user=user,
            before={"is_active": not active},
            after={"is_active": active},
            comment=str(storable(comment.strip())),
        )
        says = "can log in again" if active else "is let in no more, from the next request on"
        return UserOutcome(said=f"{name} {says}", user_id=user.pk, changed=True)


def _unit(person: Person, clock: Clock, conf: Conf) -> AbstractContextManager[Unit]:
    return transaction_unit(
        actor=person.actor,
        clock=clock,
        settings_hash=conf.hash(),
        request_id=person.request_id,
        ip=person.ip,
    )


def _lock(user_id: int) -> User:
    """Lock a user, and with him every superuser, in the order of their keys.

    Two superusers who deactivate each other at once wait for one another's end, and never both win.
    """
    asked = Q(pk=user_id) | Q(is_superuser=True)
    rows = User.objects.select_for_update(no_key=True).filter(asked).order_by("pk")
    found = {row.pk: row for row in rows}
    if user_id not in found:
        raise User.DoesNotExist(f"there is no user {user_id}")
    return found[user_id]


def _groups(names: Collection[str]) -> list[Group]:
    rows = list(Group.objects.filter(name__in=set(names)).order_by("name"))
    missing = sorted(set(names) - {row.name for row in rows})
    if missing:
        raise InvalidValue("groups", f"no group is called {', '.join(map(repr, missing))}")
    return rows


def _give_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidValue("password", " ".join(error.messages)) from None
    user.set_password(password)


def _refuse(unit: Unit, person: Person, user: User, verb: str, *, own: bool) -> UserOutcome | None:
    """Return the refusal of what a person may not do to a user; `own`: not to himself either."""
    name = user.get_username()
    if not person.may(Right.SET_UP):
        return _denied(unit, person, verb, name, user)
    if own and _is_himself(person.actor, user):
        said = f"nobody may {verb} himself; ask another person who may set up the portal"
        return _refused(unit, user, SetUpRefusal.ONESELF, verb, said)
    if user.is_superuser and not _is_superuser(person.actor):
        said = f"{name} is a superuser; only a superuser may {verb} him"
        return _refused(unit, user, SetUpRefusal.SUPERUSER_ONLY, verb, said)
    return None


def _is_himself(actor: Actor, user: User) -> bool:
    return actor.id == str(user.pk)


def _is_superuser(actor: Actor) -> bool:
    if not actor.id.isdecimal():
        return False
    return User.objects.filter(pk=int(actor.id), is_superuser=True, is_active=True).exists()


def _denied(
    unit: Unit, person: Person, verb: str, name: str, user: User | None = None
) -> UserOutcome:
    said = f"{person.actor.name} may not {verb} users"
    unit.record(
        EventDraft(
            action="user.denied",
            outcome=AuditOutcome.DENIED,
            object_type=_OBJECT,
            object_id="" if user is None else str(user.pk),
            after={"asked": verb, "name": str(storable(name))[:150]},
            reason_code=SetUpRefusal.DENIED.value,
            comment=said,
        )
    )
    return UserOutcome(
        said=said, user_id=None if user is None else user.pk, refusal=SetUpRefusal.DENIED
    )


def _refused(unit: Unit, user: User, refusal: SetUpRefusal, verb: str, said: str) -> UserOutcome:
    unit.record(
        EventDraft(
            action="user.refused",
            outcome=AuditOutcome.REFUSED,
            object_type=_OBJECT,
            object_id=str(user.pk),
            after={"asked": verb, "name": storable(user.get_username())},
            reason_code=refusal.value,
            comment=said,
        )
    )
    return UserOutcome(said=said, user_id=user.pk, refusal=refusal)
