"""Orders: what the trading system delivered beside what the portal holds to be true."""

from django.db import models
from django.db.models import F, Q

from reconciliation.enums import (
    ACTIVE_ORDER_STATUSES,
    ExternalStatus,
    LegKind,
    OrderClass,
    OrderStatus,
    OrderType,
    Origin,
    PositionSide,
    Purpose,
    Side,
)
from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.fields import ExactDecimalField
from reconciliation.models.trades import Trade


class OrderQuerySet(models.QuerySet["Order"]):
    def active(self) -> "OrderQuerySet":
        return self.filter(status__in=ACTIVE_ORDER_STATUSES)


class Order(models.Model):
    """One order of a profile. Columns without a prefix are effective, `delivered_` ones are not.

    `version` counts the portal's writes of the row: a decision that was made on an older version
    is dropped.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="orders")
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="orders")
    trade = models.ForeignKey(
        Trade, on_delete=models.PROTECT, related_name="orders", null=True, blank=True
    )
    purpose = models.CharField(  # noqa: DJ001
        max_length=8,
        choices=Purpose,
        null=True,
        blank=True,
        help_text="Empty for an adopted order of which only the profile is known.",
    )
    origin = models.CharField(max_length=12, choices=Origin)
    client_order_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    exchange_order_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    order_class = models.CharField(max_length=16, choices=OrderClass, default=OrderClass.REGULAR)
    symbol = models.CharField(max_length=64)
    side = models.CharField(max_length=4, choices=Side)
    position_side = models.CharField(  # noqa: DJ001
        max_length=8, choices=PositionSide, null=True, blank=True
    )
    type = models.CharField(max_length=8, choices=OrderType)
    sub_tag = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001

    status = models.CharField(max_length=20, choices=OrderStatus)
    quantity = ExactDecimalField()
    price = ExactDecimalField(null=True, blank=True)
    filled_quantity = ExactDecimalField()
    average_price = ExactDecimalField(null=True, blank=True)
    end_reason = models.CharField(max_length=64, blank=True)

    delivered_status = models.CharField(  # noqa: DJ001
        max_length=20, choices=OrderStatus, null=True, blank=True
    )
    delivered_quantity = ExactDecimalField(null=True, blank=True)
    delivered_price = ExactDecimalField(null=True, blank=True)
    delivered_filled_quantity = ExactDecimalField(null=True, blank=True)
    delivered_average_price = ExactDecimalField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(help_text="When the order was placed.")
    last_activity_at = models.DateTimeField(
        help_text="Its newest sign of life on either side: drift younger than the grace waits."
    )
    version = models.PositiveIntegerField(default=1)

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "client_order_id"],
                name="order_client_order_id_unique_per_account",
            ),
            models.UniqueConstraint(
                fields=["account", "exchange_order_id", "symbol"],
                name="order_exchange_order_id_unique_per_account",
            ),
            models.CheckConstraint(
                name="order_status_known", condition=Q(status__in=OrderStatus.values)
            ),
            models.CheckConstraint(
                name="order_purpose_known",
                condition=Q(purpose__in=Purpose.values) | Q(purpose__isnull=True, trade=None),
            ),
            models.CheckConstraint(name="order_side_known", condition=Q(side__in=Side.values)),
            models.CheckConstraint(name="order_quantity_positive", condition=Q(quantity__gt=0)),
            models.CheckConstraint(
                name="order_filled_not_negative", condition=Q(filled_quantity__gte=0)
            ),
            models.CheckConstraint(
                name="order_filled_status_means_filled",
                condition=~Q(status=OrderStatus.FILLED) | Q(filled_quantity__gt=0),
            ),
            models.CheckConstraint(
                name="order_has_an_id",
                condition=Q(client_order_id__isnull=False) | Q(exchange_order_id__isnull=False),
            ),
        ]
        indexes = [
            # The cycle's first question: the active orders of an account. Whole: SQLite never uses
            # an index of some statuses for a query that is given its statuses.
            models.Index(fields=["account", "status", "symbol"], name="order_by_account"),
            # The admin's changelist: by status, newest first.
            models.Index(F("status"), F("id"), name="order_by_status"),
            models.Index(fields=["created_at", "id"], name="order_by_time"),
            # The heartbeat asks which symbols are busy.
            models.Index(fields=["account", "last_activity_at"], name="order_by_activity"),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return self.client_order_id or self.exchange_order_id or f"order {self.pk}"


class OrderLeg(models.Model):
    """Another exchange order that is a part of ours: what replaced it, or what it triggered."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="legs")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="+")
    symbol = models.CharField(max_length=64)
    exchange_order_id = models.CharField(max_length=64)
    kind = models.CharField(max_length=12, choices=LegKind)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "exchange_order_id", "symbol"],
                name="order_leg_belongs_to_one_order",
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return self.exchange_order_id


class OrderLookUp(models.Model):
    """When an order was last asked for by itself: whose turn it is next, no state of the books."""

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="look_up")
    asked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.order_id} at {self.asked_at:%F %T}"


class ExternalOrder(models.Model):
    """An open exchange order that no profile owns: a person adopts or ignores it."""

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.PROTECT, related_name="external_orders"
    )
    symbol = models.CharField(max_length=64)
    exchange_order_id = models.CharField(max_length=64)
    client_order_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    sub_tag = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    side = models.CharField(max_length=4, choices=Side)
    quantity = ExactDecimalField(null=True, blank=True)
    price = ExactDecimalField(null=True, blank=True)
    status = models.CharField(max_length=12, choices=ExternalStatus)
    why = models.CharField(max_length=200, help_text="Why it could not be attributed.")
    raw = models.TextField(blank=True)
    first_run = models.ForeignKey(
        "reconciliation.Run", on_delete=models.PROTECT, related_name="external_orders"
    )
    first_seen_at = models.DateTimeField()
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "exchange_order_id", "symbol"],
                name="external_order_unique_per_account",
            ),
            models.CheckConstraint(
                name="external_order_status_known", condition=Q(status__in=ExternalStatus.values)
            ),
        ]
        indexes = [
            models.Index(fields=["status", "id"], name="external_order_by_status"),
            # What was decided of an account's, apart from those that were gone by themselves.
            models.Index(fields=["account", "status", "why"], name="external_order_by_account"),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return self.exchange_order_id
