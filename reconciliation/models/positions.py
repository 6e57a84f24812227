"""The trading system's own position rows."""

from django.db import models
from django.db.models import Q

from reconciliation.enums import Direction
from reconciliation.models.accounts import Profile
from reconciliation.models.fields import ExactDecimalField


class Position(models.Model):
    """What a profile believes to hold in a symbol and direction; the sum of its slices.

    `quantity` is signed by direction, in base units; `delivered_` columns are the trading
    system's last word.
    """

    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="positions")
    symbol = models.CharField(max_length=64)
    direction = models.CharField(max_length=8, choices=Direction)
    quantity = ExactDecimalField()
    entry_price = ExactDecimalField(null=True, blank=True)
    delivered_quantity = ExactDecimalField(null=True, blank=True)
    delivered_entry_price = ExactDecimalField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()
    version = models.PositiveIntegerField(
        default=1, help_text="Counts the portal's writes of what it holds to be true."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "symbol", "direction"],
                name="position_unique_per_profile_symbol_direction",
            ),
            models.CheckConstraint(
                name="position_sign_is_its_direction",
                condition=Q(direction=Direction.LONG, quantity__gte=0)
                | Q(direction=Direction.SHORT, quantity__lte=0),
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.profile_id} {self.symbol} {self.direction}"
