"""Each profile's capital: an append-only ledger and the balance that its rows sum to."""

from django.db import models
from django.db.models import Q

from reconciliation.enums import CapitalCause
from reconciliation.models.accounts import Profile
from reconciliation.models.fields import ExactDecimalField
from reconciliation.models.runs import Run


class CapitalBalance(models.Model):
    """What a profile has, in USD; free = allocated − reserved − used, and may be negative.

    `unpriced` counts the open entry orders whose price nobody knows: they are in no sum.
    """

    profile = models.OneToOneField(
        Profile, on_delete=models.PROTECT, related_name="capital", primary_key=True
    )
    allocated_usd = ExactDecimalField()
    reserved_usd = ExactDecimalField()
    used_usd = ExactDecimalField()
    unpriced = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"capital of {self.profile_id}"


class CapitalEntry(models.Model):
    """One change of a balance, with its cause. Never updated, never deleted: triggers refuse it."""

    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="capital_entries")
    cause = models.CharField(max_length=20, choices=CapitalCause)
    allocated_usd = ExactDecimalField(help_text="The change, signed, as in all three columns.")
    reserved_usd = ExactDecimalField()
    used_usd = ExactDecimalField()
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="capital_entries", null=True, blank=True
    )
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "capital entries"
        constraints = [
            models.CheckConstraint(
                name="capital_cause_known", condition=Q(cause__in=CapitalCause.values)
            ),
            models.CheckConstraint(
                name="capital_entry_changes_something",
                condition=~Q(allocated_usd=0, reserved_usd=0, used_usd=0),
            ),
        ]
        indexes = [models.Index(fields=["profile", "-id"], name="capital_by_profile")]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.cause} of {self.profile_id}"
