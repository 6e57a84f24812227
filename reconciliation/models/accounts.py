"""Who trades where: exchange accounts and the profiles that share them."""

from django.db import models

from reconciliation.enums import PositionMode
from reconciliation.models.fields import ExactDecimalField


class ExchangeAccount(models.Model):
    """One set of API keys at one exchange. The keys themselves are never in the database."""

    name = models.SlugField(max_length=64, unique=True)
    exchange_id = models.CharField(max_length=32, help_text="The ccxt id, for example okx.")
    credential_prefix = models.CharField(
        max_length=64,
        help_text="The environment holds PREFIX_API_KEY, PREFIX_SECRET and PREFIX_PASSWORD.",
    )
    position_mode = models.CharField(max_length=8, choices=PositionMode)
    options = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    baseline_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Orders and fills older than this were accepted as found, by a person's word.",
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="account_position_mode_known",
                condition=models.Q(position_mode__in=PositionMode.values),
            ),
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Profile(models.Model):
    """One strategy on an account, known at the exchange by its sub tag."""

    name = models.SlugField(max_length=64, unique=True)
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="profiles")
    sub_tag = models.CharField(max_length=64)
    allocated_capital_usd = ExactDecimalField()
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "sub_tag"], name="profile_sub_tag_unique_per_account"
            ),
            models.CheckConstraint(
                name="profile_capital_not_negative",
                condition=models.Q(allocated_capital_usd__gte=0),
            ),
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
