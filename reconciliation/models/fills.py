"""Fills as the exchange showed them, what they were booked to, and what was read completely."""

from django.db import models
from django.db.models import F, Q

from reconciliation.enums import (
    CoverageStatus,
    FillKind,
    InstrumentType,
    PositionSide,
    Side,
)
from reconciliation.models.accounts import ExchangeAccount
from reconciliation.models.fields import ExactDecimalField
from reconciliation.models.trades import Trade, TradeHistory


class FillQuerySet(models.QuerySet["Fill"]):
    def unconsumed(self) -> "FillQuerySet":
        return self.filter(allocated_quantity__lt=F("quantity"))


class Fill(models.Model):
    """One execution at the exchange, kept as it was read.

    Only `allocated_quantity` changes, and `set_aside` by a person's decision: whose remaining
    quantity is not ours is asked about no more, and holds up no repair.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="fills")
    symbol = models.CharField(max_length=64)
    side = models.CharField(max_length=4, choices=Side)
    exchange_fill_id = models.CharField(max_length=64)
    instrument_type = models.CharField(max_length=8, choices=InstrumentType)
    kind = models.CharField(max_length=12, choices=FillKind)
    position_side = models.CharField(  # noqa: DJ001
        max_length=8, choices=PositionSide, null=True, blank=True
    )
    exchange_order_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    client_order_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    sub_tag = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    trade_hint = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    quantity = ExactDecimalField()
    allocated_quantity = ExactDecimalField()
    price = ExactDecimalField()
    fee = ExactDecimalField(null=True, blank=True)
    fee_currency = models.CharField(max_length=16, null=True, blank=True)  # noqa: DJ001
    executed_at = models.DateTimeField()
    raw = models.TextField(blank=True)
    set_aside = models.BooleanField(
        default=False, help_text="A person said that what is not booked of it is not ours."
    )
    run = models.ForeignKey(
        "reconciliation.Run", on_delete=models.PROTECT, related_name="fills", null=True, blank=True
    )
    recorded_at = models.DateTimeField()

    objects = FillQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "exchange_fill_id", "symbol", "side"],
                name="fill_unique_per_account",
            ),
            models.CheckConstraint(name="fill_quantity_positive", condition=Q(quantity__gt=0)),
            models.CheckConstraint(name="fill_kind_known", condition=Q(kind__in=FillKind.values)),
            # The sum of the allocations is checked against this by a trigger as well, so that
            # neither the running total nor the rows can promise a fill twice.
            models.CheckConstraint(
                name="fill_never_over_consumed",
                condition=Q(allocated_quantity__gte=0, allocated_quantity__lte=F("quantity")),
            ),
        ]
        indexes = [
            # What a cycle still has to explain. By key, as it is asked for: PostgreSQL takes a
            # third of all fills to be unconsumed, and would otherwise read and sort them all.
            models.Index(
                fields=["account", "id"],
                name="fill_unconsumed",
                condition=Q(allocated_quantity__lt=F("quantity")),
            ),
            # The fills of an order, by either id.
            models.Index(fields=["account", "exchange_order_id"], name="fill_by_order"),
            models.Index(fields=["account", "client_order_id"], name="fill_by_client_order_id"),
            # The newest fill of an instrument type anchors the next reading.
            models.Index(
                fields=["account", "instrument_type", "executed_at"], name="fill_newest_by_account"
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return self.exchange_fill_id


class FillAllocation(models.Model):
    """A part of a fill that a history row consumes, or (`released`) frees again.

    Rows are never updated: consumption is the sum of the rows not released minus the others.
    """

    fill = models.ForeignKey(Fill, on_delete=models.PROTECT, related_name="allocations")
    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="allocations")
    history = models.ForeignKey(TradeHistory, on_delete=models.PROTECT, related_name="allocations")
    quantity = ExactDecimalField()
    released = models.BooleanField(default=False)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fill", "history", "released"], name="allocation_once_per_history_row"
            ),
            models.CheckConstraint(
                name="allocation_quantity_positive", condition=Q(quantity__gt=0)
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.fill_id} → {self.trade_id}"


class FillCoverage(models.Model):
    """An interval of time whose fills are known, per account and instrument type.

    Intervals of one account, type and status never overlap: a page that joins them merges them.
    """

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="fill_coverage"
    )
    instrument_type = models.CharField(max_length=8, choices=InstrumentType)
    status = models.CharField(max_length=16, choices=CoverageStatus)
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "fill coverage"
        constraints = [
            models.CheckConstraint(
                name="coverage_ends_after_it_starts", condition=Q(end_at__gte=F("start_at"))
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "instrument_type", "start_at"], name="coverage_by_account"
            ),
        ]
        ordering = ["account", "instrument_type", "start_at"]

    def __str__(self) -> str:
        return f"{self.instrument_type} {self.start_at:%F %T} – {self.end_at:%F %T}"
