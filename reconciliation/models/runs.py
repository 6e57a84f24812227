"""Runs of jobs, and the claim that keeps two of them from one account."""

from django.db import models
from django.db.models import Q

from reconciliation.enums import Coverage, RunKind, RunStatus
from reconciliation.models.accounts import ExchangeAccount


class Run(models.Model):
    """One execution of one job on one account, recorded whatever its outcome.

    While RUNNING it is the claim as well: the unique index refuses a second one, and after
    `claim_expires_at` the next claimant marks it FAILED, abandoned.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="runs")
    kind = models.CharField(max_length=12, choices=RunKind)
    status = models.CharField(max_length=16, choices=RunStatus)
    coverage = models.CharField(max_length=10, choices=Coverage, default=Coverage.NONE)
    only_profile = models.CharField(
        max_length=64, blank=True, help_text="The one profile it was narrowed to, if it was."
    )
    claim_token = models.UUIDField(unique=True)
    claim_expires_at = models.DateTimeField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    as_of = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    unread = models.JSONField(default=dict, blank=True)
    counts = models.JSONField(default=dict, blank=True)
    step_ms = models.JSONField(default=dict, blank=True)
    row_errors = models.JSONField(default=list, blank=True)
    skipped_profiles = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind"],
                name="run_one_claim_per_account_and_job",
                condition=Q(status=RunStatus.RUNNING),
            ),
            models.CheckConstraint(
                name="run_status_known", condition=Q(status__in=RunStatus.values)
            ),
            models.CheckConstraint(
                name="run_finished_unless_running",
                condition=Q(status=RunStatus.RUNNING, finished_at__isnull=True)
                | (~Q(status=RunStatus.RUNNING) & Q(finished_at__isnull=False)),
            ),
        ]
        indexes = [
            # Health asks for the last run, and the last good one, of each account and job.
            models.Index(
                fields=["account", "kind", "status", "-started_at"], name="run_last_by_status"
            ),
            models.Index(fields=["-started_at", "-id"], name="run_newest_first"),
            # An account's page lists its last runs, of every kind.
            models.Index(fields=["account", "-started_at", "-id"], name="run_newest_of_account"),
            # The list by status; and what is under way.
            models.Index(fields=["status", "id"], name="run_by_status"),
            # The list by job, and the run before and after one of an account's job.
            models.Index(fields=["kind", "-started_at", "-id"], name="run_newest_of_job"),
            models.Index(fields=["account", "kind", "id"], name="run_by_job"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} {self.status}"
