"""What was written past the portal to rows that it holds to be true."""

from django.db import models

from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.trades import Trade


class OutsideEditQuerySet(models.QuerySet["OutsideEdit"]):
    def unsettled(self) -> "OutsideEditQuerySet":
        return self.filter(settled_at__isnull=True)


class OutsideEdit(models.Model):
    """One change of a row that did not count its version: triggers write it, nobody else.

    `kind` and `row_id` name the row; both sides are its columns as texts, as the database keeps
    them. It is settled when a person has acknowledged its escalation.
    """

    kind = models.CharField(max_length=16)
    row_id = models.BigIntegerField()
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="+")
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="+")
    trade = models.ForeignKey(
        Trade, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    symbol = models.CharField(max_length=64)
    direction = models.CharField(max_length=8, blank=True, help_text="Of a position alone.")
    before = models.JSONField()
    after = models.JSONField()
    edited_at = models.DateTimeField()
    noticed_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = OutsideEditQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["account", "kind", "row_id"],
                name="outside_edit_unsettled",
                # Each run asks for these, and every write of a run leaves their rows alone.
                condition=models.Q(settled_at__isnull=True),
            )
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.row_id}"
