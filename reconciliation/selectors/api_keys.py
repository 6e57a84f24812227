"""Keys of bots, as the API and the console read them."""

from django.db.models import Prefetch, QuerySet

from reconciliation.models import ApiKey, Profile


def keys_with_scope() -> QuerySet[ApiKey]:
    """Return keys with account, last use and profiles: two queries however many there are."""
    profiles = Prefetch("profiles", queryset=Profile.objects.order_by("name"))
    return ApiKey.objects.select_related("account", "use").prefetch_related(profiles)


def find_key(public_id: str) -> ApiKey | None:
    """Return the key of a public id with its scope, or None."""
    return keys_with_scope().filter(public_id=public_id).first()
