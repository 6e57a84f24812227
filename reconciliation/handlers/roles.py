"""The groups of people and what they may do: as the code says, made anew by every migrate."""

from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, connection, transaction

from reconciliation.clock import SystemClock
from reconciliation.domain.audit import system_actor
from reconciliation.enums import RIGHTS_OF_ROLES
from reconciliation.handlers.people import State, record_saved, state_of
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import AuditHead

APP, QUEUE = "reconciliation", "django_q"


def make_roles(*, using: str = "default") -> None:
    """Make the groups that are missing, and give each exactly its permissions of this app.

    Every role may view every model of the app, and the queue's own: the runbook leads there. What
    somebody gave a group of other apps stays; a right of this app that he gave or took by hand
    does not outlive the next migrate.
    """
    with transaction.atomic(using=using):
        of_app = Permission.objects.using(using).filter(content_type__app_label=APP)
        ids = dict(of_app.values_list("codename", "pk"))
        view = {pk for codename, pk in ids.items() if codename.startswith("view_")}
        of_queue = Permission.objects.using(using).filter(
            content_type__app_label=QUEUE, codename__startswith="view_"
        )
        of_jobs = set(of_queue.values_list("pk", flat=True))
        for role, rights in RIGHTS_OF_ROLES.items():
            group, is_new = Group.objects.using(using).get_or_create(name=role)
            wanted = view | {ids[right] for right in rights if right in ids}
            group.permissions.add(*sorted(of_jobs))
            held = set(group.permissions.filter(pk__in=ids.values()).values_list("pk", flat=True))
            before = None if is_new or held == wanted else state_of(group)
            if wanted - held:
                group.permissions.add(*sorted(wanted - held))
            if held - wanted:
                group.permissions.remove(*sorted(held - wanted))
            if before is not None and using == DEFAULT_DB_ALIAS and _has_trail():
                _record(group, before)


def _record(group: Group, before: State) -> None:
    """Record that an existing role has other rights now, in the transaction that gave them."""
    with transaction_unit(
        actor=system_actor("migrate"), clock=SystemClock(), durable=False
    ) as unit:
        record_saved(unit=unit, row=group, before=before)


def _has_trail() -> bool:
    """Return whether the trail has been made: roles are made after each step of migrate."""
    return AuditHead._meta.db_table in connection.introspection.table_names()
