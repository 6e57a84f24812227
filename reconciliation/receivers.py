"""What Django tells of: migrations, logins, and whose groups changed; the handlers do the rest."""

from dataclasses import replace
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import m2m_changed, post_migrate, pre_delete
from django.http import HttpRequest

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.handlers.acting import acting_person
from reconciliation.handlers.roles import APP, make_roles
from reconciliation.handlers.sign_ins import (
    record_failed_login,
    record_groups,
    record_login,
    record_logout,
)
from reconciliation.selectors.people import load_person, load_users

_GROUPS_BEFORE = "_groups_before"


def connect() -> None:
    """Listen; called once, when the app is ready."""
    post_migrate.connect(_after_migrate, dispatch_uid="reconciliation.roles")
    user_logged_in.connect(_logged_in, dispatch_uid="reconciliation.logged_in")
    user_login_failed.connect(_login_failed, dispatch_uid="reconciliation.login_failed")
    user_logged_out.connect(_logged_out, dispatch_uid="reconciliation.logged_out")
    m2m_changed.connect(
        _groups_changed, sender=User.groups.through, dispatch_uid="reconciliation.groups"
    )
    pre_delete.connect(_group_deleted, sender=Group, dispatch_uid="reconciliation.group_deleted")


def _after_migrate(sender: AppConfig, using: str, **kwargs: Any) -> None:
    # Permissions of this app's models are there: those of an app are made before its receivers.
    if sender.label == APP:
        make_roles(using=using)


def _logged_in(request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    record_login(actor=load_person(user).actor, ip=_address(request), **_surroundings())


def _login_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    name = str(credentials.get(User.USERNAME_FIELD) or "")
    record_failed_login(name=name, ip=_address(request), **_surroundings())


def _logged_out(request: HttpRequest | None, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        record_logout(actor=load_person(user).actor, ip=_address(request), **_surroundings())


def _groups_changed(
    instance: User | Group, action: str, pk_set: set[int] | None, **kwargs: Any
) -> None:
    """Note the groups before a change, and record what became of them after it."""
    if action.startswith("pre_"):
        setattr(instance, _GROUPS_BEFORE, load_users(_members(instance, pk_set)))
        return
    before = {user.id: user for user in instance.__dict__.pop(_GROUPS_BEFORE, ())}
    person = acting_person()
    for user in load_users(before):
        if user.groups != before[user.id].groups:
            record_groups(
                actor=person.actor,
                user=user,
                before=before[user.id].groups,
                ip=person.ip,
                **_surroundings(),
            )


def _group_deleted(instance: Group, **kwargs: Any) -> None:
    """Record that all who are in a group leave it: its rows of members go without a signal."""
    person = acting_person()
    for user in load_users(_members(instance, None)):
        left = tuple(name for name in user.groups if name != instance.name)
        record_groups(
            actor=person.actor,
            user=replace(user, groups=left),
            before=user.groups,
            ip=person.ip,
            **_surroundings(),
        )


def _members(instance: User | Group, pk_set: set[int] | None) -> list[int]:
    """Return the users whose groups change: of a group that is cleared, all that are in it."""
    if isinstance(instance, User):
        return [instance.pk]
    if pk_set is None:
        return list(instance.user_set.values_list("pk", flat=True))
    return sorted(pk_set)


def _surroundings() -> dict[str, Any]:
    """Return the clock, and the hash of the settings, where they are in order."""
    loaded, _ = conf.load(settings.RECON_ENVIRON)
    return {"clock": SystemClock(), "settings_hash": "" if loaded is None else loaded.hash()}


def _address(request: HttpRequest | None) -> str:
    return "" if request is None else str(request.META.get("REMOTE_ADDR", ""))
