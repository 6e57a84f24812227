"""The samples of /metrics that come from the database, because workers are other processes."""

from datetime import datetime

from django.db.models import Count

from reconciliation.conf import Conf
from reconciliation.enums import MismatchKind
from reconciliation.models import Mismatch, Profile

# The label of what belongs to no profile. No profile has it: a name is never empty.
NOBODY = ""
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
        for profile in (*Profile.objects.values_list("name", flat=True), NOBODY)
        for name in _COUNTERS
    }
    seen = Mismatch.objects.values_list("profile__name", "kind").annotate(count=Count("pk"))
    for profile_name, kind, count in seen.order_by():
        profile = NOBODY if profile_name is None else profile_name
        for name, counted in _COUNTERS.items():
            if counted is None or counted == kind:
                samples[f'{name}{{profile="{profile}"}}'] += count
    return samples
