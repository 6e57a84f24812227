"""The audit chain: one table, gapless, each event sealed to the one before it."""

from django.db import models

from reconciliation.enums import ActorType, AuditOutcome


class AuditHead(models.Model):
    """The end of the chain: the one row whose lock orders the writers."""

    sequence = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.sequence} {self.hash[:12]}"


class AuditEvent(models.Model):
    """One event. `payload` is the canonical JSON that is hashed; the columns are its index.

    Never updated, never deleted: triggers refuse it, and the chain shows it where they are gone.
    """

    sequence = models.PositiveBigIntegerField(primary_key=True)
    event_id = models.UUIDField(unique=True)
    occurred_at = models.DateTimeField()
    actor_type = models.CharField(max_length=8, choices=ActorType)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=64)
    outcome = models.CharField(max_length=8, choices=AuditOutcome)
    object_type = models.CharField(max_length=32, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    profile_name = models.CharField(max_length=64, blank=True)
    account_name = models.CharField(max_length=64, blank=True)
    run_id = models.BigIntegerField(null=True, blank=True)
    payload = models.TextField()
    leaf = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        indexes = [
            # The trail of one object, of one action, of one run.
            models.Index(fields=["object_type", "object_id", "sequence"], name="audit_by_object"),
            models.Index(fields=["action", "sequence"], name="audit_by_action"),
            models.Index(fields=["run_id", "sequence"], name="audit_by_run"),
            # What a compliance officer asks for: whose, which profile's, which account's, how it
            # ended, between which moments.
            models.Index(fields=["actor_name", "sequence"], name="audit_by_actor"),
            models.Index(fields=["profile_name", "sequence"], name="audit_by_profile"),
            models.Index(fields=["account_name", "sequence"], name="audit_by_account"),
            models.Index(fields=["outcome", "sequence"], name="audit_by_outcome"),
            models.Index(fields=["occurred_at", "sequence"], name="audit_by_time"),
        ]
        ordering = ["-sequence"]

    def __str__(self) -> str:
        return f"{self.sequence} {self.action}"
