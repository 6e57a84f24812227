"""The samples of /metrics that come from the database, because workers are other processes."""

from datetime import datetime

from django.db.models import Count

from reconciliation.conf import Conf
from reconciliation.enums import MismatchKind
from reconciliation.models import Mismatch, Profile

_COUNTERS = {
    "reconciliation_mismatch_total": None,
    "reconciliation_missing_from_exchange_total": MismatchKind.MISSING_FROM_EXCHANGE,
    "reconciliation_missing_in_db_total": MismatchKind.MISSING_IN_DB,
}


def load_metrics(*, conf: Conf, now: datetime) -> dict[str, int]:
    """Return each sample by its name with labels; counters count mismatches first seen.

    Rows of mismatches are never deleted, so a restart does not set a counter back.
    """
    samples = {
        f'{name}{{profile="{profile}"}}': 0
        for profile in Profile.objects.values_list("name", flat=True)
        for name in _COUNTERS
    }
    seen = (
        Mismatch.objects.filter(profile__isnull=False)
        .values_list("profile__name", "kind")
        .annotate(count=Count("pk"))
        .order_by()
    )
    for profile, kind, count in seen:
        for name, counted in _COUNTERS.items():
            if counted is None or counted == kind:
                samples[f'{name}{{profile="{profile}"}}'] += count
    return samples
