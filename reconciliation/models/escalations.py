"""What an engineer must be told: one open row a cause, gone by itself with its cause."""

from django.db import models
from django.db.models import Q

from reconciliation.enums import (
    UNRESOLVED_ESCALATION_STATUSES,
    EscalationKind,
    EscalationStatus,
)
from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.runs import Run


class EscalationQuerySet(models.QuerySet["Escalation"]):
    def unresolved(self) -> "EscalationQuerySet":
        return self.filter(status__in=sorted(UNRESOLVED_ESCALATION_STATUSES))


class Escalation(models.Model):
    """One cause: `key` names kind and object while it is unresolved."""

    kind = models.CharField(max_length=24, choices=EscalationKind)
    key = models.CharField(max_length=200)
    status = models.CharField(max_length=12, choices=EscalationStatus)
    account = models.ForeignKey(
        ExchangeAccount,
        on_delete=models.PROTECT,
        related_name="escalations",
        null=True,
        blank=True,
    )
    profile = models.ForeignKey(
        Profile, on_delete=models.PROTECT, related_name="escalations", null=True, blank=True
    )
    says = models.TextField(help_text="What is wrong, in a sentence.")
    detail = models.JSONField(default=dict)
    opened_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="escalations", null=True, blank=True
    )

    objects = EscalationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key"],
                name="escalation_one_open_per_cause",
                condition=~Q(status=EscalationStatus.RESOLVED),
            ),
            models.CheckConstraint(
                name="escalation_kind_known", condition=Q(kind__in=EscalationKind.values)
            ),
            models.CheckConstraint(
                name="escalation_status_known", condition=Q(status__in=EscalationStatus.values)
            ),
            models.CheckConstraint(
                name="escalation_resolved_has_its_time",
                condition=Q(status=EscalationStatus.RESOLVED, resolved_at__isnull=False)
                | (~Q(status=EscalationStatus.RESOLVED) & Q(resolved_at__isnull=True)),
            ),
        ]
        indexes = [models.Index(fields=["status", "id"], name="escalation_by_status")]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class EscalationSighting(models.Model):
    """How often, and when last, a cause was seen: observation, no state."""

    escalation = models.OneToOneField(Escalation, on_delete=models.PROTECT, related_name="sighting")
    count = models.PositiveIntegerField(default=1)
    last_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.escalation_id} seen {self.count} times"
