"""The runbook's reconciliation lock."""

from django.db import models

from reconciliation.models.accounts import Profile


class ProfileLease(models.Model):
    """Who may write to a profile now.

    `token` grows by one with each holder; a write is fenced by the token it was given, so that a
    holder whose lease ran out cannot commit after the next one.
    """

    profile = models.OneToOneField(Profile, on_delete=models.PROTECT, related_name="lease")
    token = models.PositiveBigIntegerField(default=0)
    holder = models.CharField(max_length=120, blank=True)
    acquired_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["profile"]

    def __str__(self) -> str:
        return f"{self.profile_id}: {self.holder or 'free'}"
