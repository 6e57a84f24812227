"""Differences between the database and the exchange, each with both sides as they were read."""

from django.db import models
from django.db.models import Q

from reconciliation.enums import CURRENT_MISMATCH_STATUSES, MismatchKind, MismatchStatus
from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.fields import ExactDecimalField
from reconciliation.models.orders import Order
from reconciliation.models.runs import Run
from reconciliation.models.trades import Trade


class MismatchQuerySet(models.QuerySet["Mismatch"]):
    def current(self) -> "MismatchQuerySet":
        # What is there, not what is not: an index finds only that.
        return self.filter(status__in=sorted(CURRENT_MISMATCH_STATUSES))


class Mismatch(models.Model):
    """One difference, from the run that first saw it to the one that saw it gone.

    `drift` is signed, exchange − database, in base units; None where it is not a quantity or is
    unknown. `key` names the difference while it is open, so a second sighting finds its row.
    """

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="mismatches"
    )
    profile = models.ForeignKey(
        Profile, on_delete=models.PROTECT, related_name="mismatches", null=True, blank=True
    )
    trade = models.ForeignKey(
        Trade, on_delete=models.PROTECT, related_name="mismatches", null=True, blank=True
    )
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="mismatches", null=True, blank=True
    )
    kind = models.CharField(max_length=24, choices=MismatchKind)
    key = models.CharField(max_length=160)
    symbol = models.CharField(max_length=64)
    status = models.CharField(max_length=12, choices=MismatchStatus)
    drift = ExactDecimalField(null=True, blank=True)
    database_side = models.JSONField(default=dict)
    exchange_side = models.JSONField(default=dict)
    evidence_hash = models.CharField(max_length=64, blank=True)
    first_run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="mismatches")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=160, blank=True)

    objects = MismatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "mismatches"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "key"],
                name="mismatch_one_open_per_difference",
                condition=~Q(status=MismatchStatus.RESOLVED),
            ),
            models.CheckConstraint(
                name="mismatch_status_known", condition=Q(status__in=MismatchStatus.values)
            ),
            models.CheckConstraint(
                name="mismatch_kind_known", condition=Q(kind__in=MismatchKind.values)
            ),
            models.CheckConstraint(
                name="mismatch_closed_when_resolved",
                condition=Q(status=MismatchStatus.RESOLVED, closed_at__isnull=False)
                | (~Q(status=MismatchStatus.RESOLVED) & Q(closed_at__isnull=True)),
            ),
        ]
        indexes = [
            # The counters of /metrics, by profile.
            models.Index(fields=["profile", "kind", "status"], name="mismatch_counted"),
            models.Index(fields=["status", "id"], name="mismatch_by_status"),
            # Cycles, the gate and an account's page ask for what is there now, without a look at
            # what is over.
            models.Index(fields=["account", "status", "id"], name="mismatch_by_account"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class MismatchSighting(models.Model):
    """How often, and when last, a run saw a mismatch: observation, not state, so not audited.

    What a position's mismatch comes to in money moves with the mark: it is what was seen last.
    """

    mismatch = models.OneToOneField(Mismatch, on_delete=models.PROTECT, related_name="sighting")
    count = models.PositiveIntegerField(default=1)
    not_found_count = models.PositiveIntegerField(
        default=0, help_text="Consecutive look-ups in which the exchange knew no such order."
    )
    streak = models.PositiveIntegerField(
        default=0, help_text="Consecutive confirmations by the heartbeat, as of the last one."
    )
    quantity = ExactDecimalField(
        null=True, blank=True, help_text="The slice's share of the difference, without its sign."
    )
    mark = ExactDecimalField(null=True, blank=True)
    notional_usd = ExactDecimalField(
        null=True, blank=True, help_text="Share × mark; empty where there is no mark."
    )
    last_run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="sightings")
    last_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.mismatch_id} seen {self.count} times"
