"""The groups of people and what they may do: as the code says, made anew by every migrate."""

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from reconciliation.enums import RIGHTS_OF_ROLES

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
            group, _ = Group.objects.using(using).get_or_create(name=role)
            wanted = view | {ids[right] for right in rights if right in ids}
            group.permissions.add(*sorted(of_jobs))
            held = set(group.permissions.filter(pk__in=ids.values()).values_list("pk", flat=True))
            if wanted - held:
                group.permissions.add(*sorted(wanted - held))
            if held - wanted:
                group.permissions.remove(*sorted(held - wanted))
