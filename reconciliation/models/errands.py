"""What a person asked the workers to do, and how far it is."""

from django.db import models
from django.db.models import Q

from reconciliation.enums import (
    ENDED_ERRAND_STATUSES,
    OPEN_ERRAND_STATUSES,
    ErrandKind,
    ErrandStatus,
)
from reconciliation.models.accounts import ExchangeAccount
from reconciliation.models.runs import Run


class ErrandQuerySet(models.QuerySet["Errand"]):
    def under_way(self) -> "ErrandQuerySet":
        return self.filter(status__in=sorted(OPEN_ERRAND_STATUSES))


class Errand(models.Model):
    """One thing that a person asked for on a page, done by a worker: no page talks to an exchange.

    That it was asked for is an audit event; this row is how the page that waits for it knows how
    far it is. `step` is what it is doing, in words; `done` of `total` are counted where there is
    something to count, None where there is not. `result` is what it found, for the page to show.
    """

    kind = models.CharField(max_length=16, choices=ErrandKind)
    status = models.CharField(max_length=8, choices=ErrandStatus)
    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="errands", null=True, blank=True
    )
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="errands", null=True, blank=True
    )
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(
        null=True, blank=True, help_text="The last sign of life of the worker that does it."
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    step = models.CharField(max_length=120, blank=True)
    done = models.PositiveBigIntegerField(null=True, blank=True)
    total = models.PositiveBigIntegerField(null=True, blank=True)
    says = models.TextField(blank=True, help_text="Its outcome, in a sentence.")
    result = models.JSONField(default=dict, blank=True)

    objects = ErrandQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="errand_kind_known", condition=Q(kind__in=ErrandKind.values)
            ),
            models.CheckConstraint(
                name="errand_status_known", condition=Q(status__in=ErrandStatus.values)
            ),
            models.CheckConstraint(
                name="errand_ended_has_its_time",
                condition=Q(status__in=sorted(ENDED_ERRAND_STATUSES), finished_at__isnull=False)
                | (~Q(status__in=sorted(ENDED_ERRAND_STATUSES)) & Q(finished_at__isnull=True)),
            ),
        ]
        indexes = [
            # A page shows the newest of an account and of a kind.
            models.Index(fields=["account", "kind", "-id"], name="errand_newest_of_account"),
            models.Index(fields=["status", "id"], name="errand_by_status"),
            # The newest of a kind, whichever account it is of.
            models.Index(fields=["kind", "id"], name="errand_by_kind"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} {self.status}"
