"""The addresses of the audit trail's pages: a filter, and the timeline of an object."""

from collections.abc import Mapping
from urllib.parse import urlencode

from django.db.models import Model
from django.urls import reverse

from reconciliation.admin.objects import audit_word


def explorer_url(conditions: Mapping[str, object] | None = None) -> str:
    """Return the address of the explorer with a filter, by the names of `AuditFilter`."""
    url = reverse("admin:audit")
    return f"{url}?{urlencode(conditions)}" if conditions else url


def explorer_url_of(obj: Model) -> str:
    """Return the address of the events that name an object."""
    return explorer_url({"object_type": audit_word(type(obj)), "object_id": obj.pk})


def export_url(conditions: Mapping[str, object]) -> str:
    """Return the address at which the events of a filter are exported."""
    url = reverse("admin:audit_export")
    return f"{url}?{urlencode(conditions)}" if conditions else url


def timeline_url(word: str, pk: object) -> str:
    """Return the address of all that concerns an object."""
    return reverse("admin:audit_timeline", args=[word, pk])


def timeline_url_of(obj: Model) -> str:
    """Return the address of all that concerns a row."""
    return timeline_url(audit_word(type(obj)), obj.pk)
