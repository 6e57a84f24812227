"""The keys by which bots use the JSON API."""

from django.db import models
from django.db.models import F, Q

from reconciliation.models.accounts import ExchangeAccount, Profile


class ApiKey(models.Model):
    """One bot's key, for some profiles of one exchange account.

    The key itself is shown once and never kept: `public_id` is the part of it that may be seen,
    `digest` the SHA-256 of the rest. A name is never given twice, so that the trail says which
    key it was.
    """

    name = models.SlugField(max_length=64)
    public_id = models.CharField(max_length=16)
    digest = models.CharField(max_length=64)
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="api_keys")
    profiles = models.ManyToManyField(Profile, through="ApiKeyProfile", related_name="api_keys")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], name="api_key_name_unique"),
            models.UniqueConstraint(fields=["public_id"], name="api_key_public_id_unique"),
            models.CheckConstraint(
                name="api_key_expires_after_its_creation",
                condition=Q(expires_at__gt=F("created_at")),
            ),
            models.CheckConstraint(
                name="api_key_revoked_by_somebody",
                condition=Q(revoked_at__isnull=True, revoked_by="")
                | (Q(revoked_at__isnull=False) & ~Q(revoked_by="")),
            ),
        ]
        ordering = ["name"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return self.name


class ApiKeyProfile(models.Model):
    """One profile that a key is for."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="scopes")
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["api_key", "profile"], name="api_key_profile_named_once"
            ),
        ]
        ordering = ["api_key", "profile"]
        verbose_name = "profile of an API key"
        verbose_name_plural = "profiles of API keys"

    def __str__(self) -> str:
        return f"{self.api_key_id}: {self.profile_id}"


class ApiKeyUse(models.Model):
    """When a key was last used, to the minute; observation, no state."""

    api_key = models.OneToOneField(
        ApiKey, on_delete=models.PROTECT, primary_key=True, related_name="use"
    )
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["api_key"]
        verbose_name = "use of an API key"
        verbose_name_plural = "uses of API keys"

    def __str__(self) -> str:
        return f"{self.api_key_id}: {self.last_used_at or 'never'}"
