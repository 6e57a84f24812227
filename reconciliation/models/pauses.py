"""Trading that was stopped for a profile, and how far its return is."""

from django.db import models
from django.db.models import Q

from reconciliation.enums import PauseSource
from reconciliation.models.accounts import Profile
from reconciliation.models.fields import ExactDecimalField
from reconciliation.models.runs import Run


class PauseQuerySet(models.QuerySet["Pause"]):
    def open(self) -> "PauseQuerySet":
        return self.filter(ended_at__isnull=True)


class Pause(models.Model):
    """A stop of new entries, from `started_at` until it ends; one open row a profile and source.

    `started_by` and `ended_by` are the names of people, empty where the watchdog did it.
    `evidence` is what the watchdog saw when it paused; `end_evidence` each condition of its
    auto-resume and how far it was met.
    """

    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="pauses")
    source = models.CharField(max_length=16, choices=PauseSource)
    reason = models.TextField(blank=True)
    started_at = models.DateTimeField()
    started_by = models.CharField(max_length=150, blank=True)
    evidence = models.JSONField(default=dict)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True)
    end_reason = models.TextField(blank=True)
    end_evidence = models.JSONField(default=dict)
    auto_resumed = models.BooleanField(default=False)

    objects = PauseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "source"],
                name="pause_one_open_per_source",
                condition=Q(ended_at__isnull=True),
            ),
            models.CheckConstraint(
                name="pause_source_known", condition=Q(source__in=PauseSource.values)
            ),
            models.CheckConstraint(
                name="pause_only_the_watchdog_resumes_by_itself",
                condition=Q(auto_resumed=False)
                | Q(source=PauseSource.PARITY_WATCHDOG, ended_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["profile", "-id"], name="pause_by_profile"),
            models.Index(fields=["source", "id"], name="pause_by_source"),
            # What is open now. The unique one would do, but SQLite does not see it in a join.
            models.Index(fields=["ended_at", "profile"], name="pause_by_end"),
            # When the trading of a profile last went on by itself.
            models.Index(
                fields=["profile", "-ended_at"],
                name="pause_auto_resumed",
                condition=models.Q(auto_resumed=True),
            ),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.source} of {self.profile_id}"


class WatchdogState(models.Model):
    """What the watchdog knows of a profile since its last heartbeat: observation, no state.

    `notional_usd` is the last known sum of its mismatches, `is_known` whether the last heartbeat
    could say it; `clean_heartbeats` counts those in a row that found nothing open.
    """

    profile = models.OneToOneField(
        Profile, on_delete=models.PROTECT, related_name="watchdog", primary_key=True
    )
    notional_usd = ExactDecimalField(null=True, blank=True)
    is_known = models.BooleanField(default=False)
    clean_heartbeats = models.PositiveIntegerField(default=0)
    as_of = models.DateTimeField(null=True, blank=True)
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="watchdogs", null=True, blank=True
    )

    def __str__(self) -> str:
        return f"watchdog of {self.profile_id}"
