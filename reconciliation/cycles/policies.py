"""What a cycle's decisions are bound by: settings, and which fills are proven to be known."""

from collections.abc import Mapping

from reconciliation.conf import Conf
from reconciliation.domain.backfill import BackfillPolicy
from reconciliation.domain.books import Books
from reconciliation.domain.intervals import Interval, covers
from reconciliation.domain.plans.orders import NotFoundPolicy
from reconciliation.domain.types import AccountSnapshot
from reconciliation.enums import InstrumentType, MismatchKind
from reconciliation.selectors.coverage import load_proven_intervals

Proven = Mapping[InstrumentType, tuple[Interval, ...]]


def load_proven(account_id: int, snapshot: AccountSnapshot) -> Proven:
    """Return the intervals whose fills were read completely, by type of instrument."""
    return {
        instrument_type: tuple(load_proven_intervals(account_id, instrument_type))
        for instrument_type in snapshot.fills
    }


def backfill_policy(conf: Conf, proven: Proven) -> BackfillPolicy:
    """Return the settings of the backfill's gates."""
    return BackfillPolicy(
        require_strong=conf.require_strong_attribution,
        allow_heuristic=conf.allow_heuristic_match,
        stale_grace=conf.fill_after_trade_grace,
        proven=proven,
    )


def not_found_policy(
    conf: Conf, books: Books, snapshot: AccountSnapshot, proven: Proven
) -> NotFoundPolicy:
    """Return when "no such order" ends an order of these books."""
    fills_read = all(unread is None for unread in snapshot.fills.values())
    return NotFoundPolicy(
        retries=conf.order_not_found_retries,
        counts={
            mismatch.order_id: mismatch.not_found_count
            for mismatch in books.open_mismatches
            if mismatch.order_id is not None and mismatch.kind == MismatchKind.MISSING_FROM_EXCHANGE
        },
        covered_orders=frozenset(
            order.id
            for order in books.orders.values()
            if fills_read
            and all(covers((order.created_at, snapshot.as_of), known) for known in proven.values())
        ),
    )
