"""Trades (lifecycle slices) and their append-only history."""

from django.db import models
from django.db.models import F, Q

from reconciliation.enums import (
    HOLDING_TRADE_STATUSES,
    LIVE_TRADE_STATUSES,
    Direction,
    HistoryKind,
    HistorySource,
    Origin,
    TradeStatus,
)
from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.fields import ExactDecimalField


class TradeQuerySet(models.QuerySet["Trade"]):
    def live(self) -> "TradeQuerySet":
        return self.filter(status__in=LIVE_TRADE_STATUSES)

    def holding(self) -> "TradeQuerySet":
        return self.filter(status__in=HOLDING_TRADE_STATUSES)


class Trade(models.Model):
    """One round trip of one profile in one symbol and direction, flat to flat.

    The quantities are the sums of the history (its booked part), kept here so that the open
    quantity is one row's matter; both are base units and never negative.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="trades")
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="trades")
    trade_id = models.CharField(max_length=64)
    code = models.CharField(
        max_length=14, help_text="By what deterministic client order ids name this trade."
    )
    symbol = models.CharField(max_length=64)
    direction = models.CharField(max_length=8, choices=Direction)
    sub_tag = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    origin = models.CharField(max_length=12, choices=Origin, default=Origin.BOT)
    status = models.CharField(max_length=16, choices=TradeStatus)
    entry_quantity = ExactDecimalField()
    exit_quantity = ExactDecimalField()
    average_entry_price = ExactDecimalField(null=True, blank=True)
    average_exit_price = ExactDecimalField(null=True, blank=True)
    reversals = models.PositiveIntegerField(default=0)
    delivered_status = models.CharField(  # noqa: DJ001
        max_length=16, choices=TradeStatus, null=True, blank=True
    )
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    last_activity_at = models.DateTimeField()
    version = models.PositiveIntegerField(default=1)

    objects = TradeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "trade_id"], name="trade_id_unique_per_account"
            ),
            models.UniqueConstraint(
                fields=["profile", "code"], name="trade_code_unique_per_profile"
            ),
            models.CheckConstraint(
                name="trade_status_known", condition=Q(status__in=TradeStatus.values)
            ),
            models.CheckConstraint(
                name="trade_direction_known", condition=Q(direction__in=Direction.values)
            ),
            models.CheckConstraint(
                name="trade_entry_not_negative", condition=Q(entry_quantity__gte=0)
            ),
            models.CheckConstraint(
                name="trade_exit_not_negative", condition=Q(exit_quantity__gte=0)
            ),
            models.CheckConstraint(
                name="trade_open_quantity_not_negative",
                condition=Q(exit_quantity__lte=F("entry_quantity")),
            ),
            models.CheckConstraint(
                name="trade_closed_is_flat",
                condition=~Q(status=TradeStatus.CLOSED)
                | Q(exit_quantity=F("entry_quantity"), entry_quantity__gt=0),
            ),
            models.CheckConstraint(
                name="trade_without_entry_holds_nothing",
                condition=~Q(status__in=[TradeStatus.PENDING, TradeStatus.CANCELED])
                | Q(entry_quantity=0),
            ),
        ]
        indexes = [
            # What a cycle loads: trades it may have to act on. Whole, as the next one is: SQLite
            # never uses an index of some statuses for a query that is given its statuses.
            models.Index(fields=["account", "status", "symbol"], name="trade_by_account"),
            # What recalculates a position row: the slices of a profile in a symbol.
            models.Index(fields=["profile", "status", "symbol"], name="trade_by_profile"),
            models.Index(fields=["status", "id"], name="trade_by_status"),
            models.Index(fields=["opened_at", "id"], name="trade_by_time"),
            # The heartbeat asks which symbols are busy.
            models.Index(fields=["account", "last_activity_at"], name="trade_by_activity"),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return self.trade_id


class TradeHistory(models.Model):
    """One ENTRY, EXIT or REVERSAL. Never updated, never deleted: triggers refuse it.

    `quantity` is what the row says; `booked_quantity` is the part of it that counts: a delivered
    row that repeats fills the portal has booked already counts only its excess. `reverses` names
    the row that a REVERSAL takes back.
    """

    trade = models.ForeignKey(Trade, on_delete=models.PROTECT, related_name="history")
    key = models.CharField(max_length=80)
    kind = models.CharField(max_length=8, choices=HistoryKind)
    source = models.CharField(max_length=12, choices=HistorySource)
    quantity = ExactDecimalField()
    booked_quantity = ExactDecimalField()
    price = ExactDecimalField(null=True, blank=True)
    fee = ExactDecimalField(null=True, blank=True)
    fee_currency = models.CharField(max_length=16, blank=True)
    estimated = models.BooleanField(default=False)
    order = models.ForeignKey(
        "reconciliation.Order",
        on_delete=models.PROTECT,
        related_name="history",
        null=True,
        blank=True,
    )
    exchange_fill_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, related_name="reversed_by", null=True, blank=True
    )
    run = models.ForeignKey(
        "reconciliation.Run",
        on_delete=models.PROTECT,
        related_name="history",
        null=True,
        blank=True,
    )
    decision = models.ForeignKey(
        "reconciliation.Decision",
        on_delete=models.PROTECT,
        related_name="history",
        null=True,
        blank=True,
        help_text="The person's decision that wrote it, if one did.",
    )
    evidence_hash = models.CharField(max_length=64, blank=True)
    executed_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "trade history"
        constraints = [
            models.UniqueConstraint(fields=["trade", "key"], name="history_key_unique_per_trade"),
            models.CheckConstraint(
                name="history_kind_known", condition=Q(kind__in=HistoryKind.values)
            ),
            models.CheckConstraint(
                name="history_source_known", condition=Q(source__in=HistorySource.values)
            ),
            models.CheckConstraint(name="history_quantity_positive", condition=Q(quantity__gt=0)),
            models.CheckConstraint(
                name="history_booked_within_quantity",
                condition=Q(booked_quantity__gte=0, booked_quantity__lte=F("quantity")),
            ),
            models.CheckConstraint(
                name="history_reversal_names_its_row",
                condition=Q(kind=HistoryKind.REVERSAL, reverses__isnull=False)
                | (~Q(kind=HistoryKind.REVERSAL) & Q(reverses__isnull=True)),
            ),
        ]
        indexes = [
            # A fill finds the delivered row that already names it.
            models.Index(
                fields=["exchange_fill_id"],
                name="history_by_fill_id",
                condition=Q(exchange_fill_id__isnull=False),
            ),
            # Health and /metrics count the trades that were closed without a fill.
            models.Index(
                fields=["trade"],
                name="history_synthetic",
                condition=Q(source=HistorySource.SYNTHETIC),
            ),
            # A cycle asks which trades a person's decision wrote of.
            models.Index(
                fields=["trade"],
                name="history_decided",
                condition=Q(decision__isnull=False),
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.trade_id}"
