"""What an account holds that no profile owns, as far as the latest reconciliation saw it."""

from dataclasses import dataclass

from reconciliation.enums import ExternalStatus, MismatchKind, RunKind, RunStatus
from reconciliation.models import ExternalOrder, Mismatch, Run

COUNTED_TO = 1000
KINDS = (MismatchKind.MISSING_IN_DB, MismatchKind.UNATTRIBUTED_FILL, MismatchKind.ORPHAN_POSITION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Counts that end at `COUNTED_TO`; None before a first run, when nothing is known."""

    external_orders: int | None
    mismatches: tuple[tuple[MismatchKind, int | None], ...]


def load_found(account_id: int) -> Found:
    """Return what belongs to nobody, by kind: one query a kind, none longer for more rows."""
    ended = Run.objects.filter(
        account_id=account_id,
        kind=RunKind.RECONCILE,
        status__in=[RunStatus.SUCCEEDED, RunStatus.PARTIAL],
    )
    if not ended.exists():
        return Found(external_orders=None, mismatches=tuple((kind, None) for kind in KINDS))
    pending = ExternalOrder.objects.filter(account_id=account_id, status=ExternalStatus.PENDING)
    current = Mismatch.objects.current().filter(account_id=account_id, profile__isnull=True)
    return Found(
        external_orders=pending.order_by()[: COUNTED_TO + 1].count(),
        mismatches=tuple(
            (kind, current.filter(kind=kind).order_by()[: COUNTED_TO + 1].count()) for kind in KINDS
        ),
    )
