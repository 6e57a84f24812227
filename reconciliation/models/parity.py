"""What the heartbeat saw of positions, and what a person accepted of them."""

from django.db import models
from django.db.models import Q

from reconciliation.enums import ParityKind, PositionSide
from reconciliation.models.accounts import ExchangeAccount
from reconciliation.models.decisions import Decision
from reconciliation.models.fields import ExactDecimalField
from reconciliation.models.runs import Run


class ParityWatch(models.Model):
    """The streak of an account, symbol and side: observation, derived from what was read.

    `streak` counts the consecutive heartbeats that counted and came to the same `kind` and
    `fingerprint`; `counted_as_of` is the snapshot of the last of them. `fresh_count` counts the
    heartbeats in a row that left it alone because of fresh activity.
    """

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="parity_watches"
    )
    symbol = models.CharField(max_length=64)
    side = models.CharField(max_length=8, choices=PositionSide)
    kind = models.CharField(max_length=20, choices=ParityKind)
    fingerprint = models.CharField(max_length=64, blank=True)
    streak = models.PositiveIntegerField(default=0)
    counted_as_of = models.DateTimeField(null=True, blank=True)
    fresh_count = models.PositiveIntegerField(default=0)
    last_run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="parity_watches")

    class Meta:
        verbose_name_plural = "parity watches"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "symbol", "side"], name="parity_watch_unique_per_position"
            ),
            models.CheckConstraint(
                name="parity_watch_kind_known", condition=Q(kind__in=ParityKind.values)
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.symbol} {self.side} {self.kind} {self.streak}"


class ParityReading(models.Model):
    """Both sides of a position as one heartbeat read them, wherever they were not simply equal.

    `outcome` says in words what the machine did, would have done (dry run), or why it did nothing;
    `evidence` holds the slices by profile, the exchange's row, mark, coverage and fills considered.
    """

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="parity_readings")
    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="parity_readings"
    )
    symbol = models.CharField(max_length=64)
    side = models.CharField(max_length=8, choices=PositionSide)
    kind = models.CharField(max_length=20, choices=ParityKind)
    streak = models.PositiveIntegerField(default=0)
    virtual_quantity = ExactDecimalField(null=True, blank=True)
    actual_quantity = ExactDecimalField(null=True, blank=True)
    mark = ExactDecimalField(null=True, blank=True)
    as_of = models.DateTimeField()
    outcome = models.TextField(blank=True)
    dry_run = models.BooleanField(default=False)
    evidence = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "symbol", "side"], name="parity_reading_once_a_run"
            ),
            models.CheckConstraint(
                name="parity_reading_kind_known", condition=Q(kind__in=ParityKind.values)
            ),
        ]
        indexes = [
            # The history of one position, newest first.
            models.Index(fields=["account", "symbol", "-id"], name="parity_reading_by_symbol"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.symbol} {self.side} {self.kind}"


class MarkPrice(models.Model):
    """The last mark of a symbol that a run read: what money figures are shown by."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="marks")
    symbol = models.CharField(max_length=64)
    price = ExactDecimalField()
    as_of = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "symbol"], name="mark_unique_per_symbol"),
            models.CheckConstraint(name="mark_price_positive", condition=Q(price__gt=0)),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return self.symbol


class AcceptedPosition(models.Model):
    """What an account holds beyond its slices, and a person ignored: signed, base units.

    It is zero again once the exchange no longer shows it.
    """

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="accepted_positions"
    )
    symbol = models.CharField(max_length=64)
    side = models.CharField(max_length=8, choices=PositionSide)
    quantity = ExactDecimalField()
    decision = models.ForeignKey(
        Decision, on_delete=models.PROTECT, related_name="accepted_positions"
    )
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "symbol", "side"], name="accepted_position_unique"
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.symbol} {self.side}"
