"""Exchange fills that could be the missed exit of a slice, and what was decided of each."""

from django.db import models
from django.db.models import Q

from reconciliation.enums import (
    WAITING_CANDIDATE_STATUSES,
    AttributionMode,
    BackfillVerdict,
    CandidateStatus,
)
from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.fields import ExactDecimalField
from reconciliation.models.fills import Fill
from reconciliation.models.runs import Run
from reconciliation.models.trades import Trade


class BackfillCandidateQuerySet(models.QuerySet["BackfillCandidate"]):
    def waiting(self) -> "BackfillCandidateQuerySet":
        return self.filter(status__in=sorted(WAITING_CANDIDATE_STATUSES))


class BackfillCandidate(models.Model):
    """One fill of no known order that could have reduced a slice, with the verdict on it.

    A GO is booked with it, in the same transaction; a NO_GO is an item of the review queue. `trade`
    is the slice that the verdict is about: the one that the evidence names, else the only one that
    fits. It is no owner before the fill is booked. `profile` is that slice's. `evidence_hash` is
    of what the verdict rests on; times and marks are not in it. `version` is what a decision of a
    person relies on.
    """

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="candidates"
    )
    profile = models.ForeignKey(
        Profile, on_delete=models.PROTECT, related_name="candidates", null=True, blank=True
    )
    fill = models.OneToOneField(Fill, on_delete=models.PROTECT, related_name="candidate")
    trade = models.ForeignKey(
        Trade, on_delete=models.PROTECT, related_name="candidates", null=True, blank=True
    )
    status = models.CharField(max_length=12, choices=CandidateStatus)
    verdict = models.CharField(max_length=8, choices=BackfillVerdict)
    reasons = models.JSONField(default=list)
    mode = models.CharField(max_length=20, choices=AttributionMode)
    exchange_initiated = models.BooleanField(
        default=False, help_text="A liquidation, auto-deleveraging or delivery: no order of ours."
    )
    quantity = ExactDecimalField(help_text="What was not booked of the fill, base units.")
    evidence = models.JSONField(default=dict)
    evidence_hash = models.CharField(max_length=64)
    first_run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="candidates")
    opened_at = models.DateTimeField()
    judged_at = models.DateTimeField(help_text="When evidence or settings were new last.")
    closed_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    objects = BackfillCandidateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="candidate_status_known", condition=Q(status__in=CandidateStatus.values)
            ),
            models.CheckConstraint(
                name="candidate_verdict_known", condition=Q(verdict__in=BackfillVerdict.values)
            ),
            models.CheckConstraint(
                name="candidate_mode_known", condition=Q(mode__in=AttributionMode.values)
            ),
            models.CheckConstraint(name="candidate_quantity_positive", condition=Q(quantity__gt=0)),
            models.CheckConstraint(
                name="candidate_go_names_slice_and_mode",
                condition=~Q(verdict=BackfillVerdict.GO)
                | (Q(trade__isnull=False) & ~Q(mode=AttributionMode.NONE)),
            ),
            models.CheckConstraint(
                name="candidate_waiting_is_no_go",
                condition=~Q(status__in=sorted(WAITING_CANDIDATE_STATUSES))
                | Q(verdict=BackfillVerdict.NO_GO, closed_at__isnull=True),
            ),
        ]
        indexes = [
            # The queue, oldest first; and what a cycle judges anew.
            models.Index(fields=["status", "id"], name="candidate_by_status"),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.verdict} of fill {self.fill_id}"
