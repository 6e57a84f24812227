"""What waits for a person, with the evidence as it was."""

from django.db import models
from django.db.models import Q

from reconciliation.enums import (
    WAITING_REVIEW_STATUSES,
    QuarantineReason,
    ReviewStatus,
)
from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.fields import ExactDecimalField
from reconciliation.models.fills import Fill
from reconciliation.models.runs import Run
from reconciliation.models.trades import Trade


class ReviewItemQuerySet(models.QuerySet["ReviewItem"]):
    def waiting(self) -> "ReviewItemQuerySet":
        return self.filter(status__in=sorted(WAITING_REVIEW_STATUSES))


class ReviewItem(models.Model):
    """A slice that waits for a person: the quarantine queue.

    `quantity` is what the question is about, base units; None where it is unknown. `fill` is set
    where it is about one fill. `evidence` is as it was read; `evidence_hash` is of what makes it
    another one: kind, drift and fill ids. `version` is what a decision relies on.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="reviews")
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="reviews")
    status = models.CharField(max_length=12, choices=ReviewStatus)
    reason = models.CharField(max_length=24, choices=QuarantineReason)
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="reviews")
    fill = models.ForeignKey(
        Fill, on_delete=models.PROTECT, related_name="reviews", null=True, blank=True
    )
    quantity = ExactDecimalField(null=True, blank=True)
    evidence = models.JSONField(default=dict)
    evidence_hash = models.CharField(max_length=64)
    first_run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="reviews")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    objects = ReviewItemQuerySet.as_manager()

    class Meta:
        verbose_name = "quarantined slice"
        constraints = [
            # Two, because a missing fill is distinct from another missing fill in an index.
            models.UniqueConstraint(
                fields=["trade", "reason"],
                name="review_one_waiting_per_trade",
                condition=Q(status__in=sorted(WAITING_REVIEW_STATUSES), fill=None),
            ),
            models.UniqueConstraint(
                fields=["fill"],
                name="review_one_waiting_per_fill",
                condition=Q(status__in=sorted(WAITING_REVIEW_STATUSES), fill__isnull=False),
            ),
            models.CheckConstraint(
                name="review_status_known", condition=Q(status__in=ReviewStatus.values)
            ),
            models.CheckConstraint(
                name="review_reason_known", condition=Q(reason__in=QuarantineReason.values)
            ),
        ]
        indexes = [models.Index(fields=["status", "id"], name="review_by_status")]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.reason} of {self.trade_id}"
