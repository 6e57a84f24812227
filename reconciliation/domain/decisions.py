"""All decisions of one reconciliation cycle, made purely from books, snapshot and look-ups."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from reconciliation.domain.backfill import BackfillPolicy
from reconciliation.domain.books import Books, CandidateState, OpenMismatch
from reconciliation.domain.legs import find_legs
from reconciliation.domain.linking import link_delivered_rows, link_more
from reconciliation.domain.order_diff import OrderFinding, diff_orders, differing_terms
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.plans.adoption import (
    draft_nobodys,
    external_key,
    find_missing_trades,
    place_adoptions,
)
from reconciliation.domain.plans.alignment import plan_alignments
from reconciliation.domain.plans.backfill import plan_backfills
from reconciliation.domain.plans.changes import (
    CandidateDraft,
    Change,
    ExternalOrderDraft,
    MismatchDraft,
)
from reconciliation.domain.plans.orders import Evidence, NotFoundPolicy, plan_orders
from reconciliation.domain.types import AccountSnapshot, LookUp, OpenOrders
from reconciliation.domain.unowned import (
    OrderKey,
    Unowned,
    diff_unowned,
    listed_of_nobody,
    owned_by_now,
)
from reconciliation.enums import MismatchKind

# Rules by which nothing was learned of an order: an open mismatch of it stays as it is.
_NOTHING_LEARNED = frozenset({OrderRule.FRESH, OrderRule.CLASS_NOT_READ, OrderRule.LOOK_UP_FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What a cycle decided: changes by profile, what is nobody's, and what could be seen."""

    changes: tuple[Change, ...]
    nobodys_mismatches: tuple[MismatchDraft, ...]
    external_orders: tuple[ExternalOrderDraft, ...]
    open_mismatches: tuple[OpenMismatch, ...]
    judged_orders: frozenset[int]
    found_orders: frozenset[int]
    """Orders that the exchange showed, in a list or by a look-up, whatever came of it."""
    every_class_read: bool
    orders: int
    no_go: tuple[CandidateDraft, ...]
    """Verdicts on fills that wait for a person, where they are new or changed."""
    moot_candidates: tuple[CandidateState, ...]
    """Fills that waited for a person, and need no answer any more."""
    nobodys_listed: frozenset[str]
    """The keys of the differences that the listed orders of nobody are, ignored ones too."""
    gone_orders: frozenset[OrderKey]
    """Orders that waited for a person, and that complete lists do not show any more."""
    owned_orders: frozenset[OrderKey]
    """Orders that waited for a person, and are in the books by now."""

    def mismatches_of(self, profile_id: int | None) -> int:
        """Return how many differences were seen, of one profile or of all and nobody."""
        if profile_id is None:
            return len(self.nobodys_mismatches) + sum(len(c.mismatches) for c in self.changes)
        return sum(len(c.mismatches) for c in self.changes if c.profile_id == profile_id)

    def open_of(self, profile_id: int | None) -> tuple[OpenMismatch, ...]:
        """Return the open mismatches of a profile, or those of none."""
        return tuple(each for each in self.open_mismatches if each.profile_id == profile_id)

    def can_see_nobodys(self, mismatch: OpenMismatch) -> bool:
        """Return whether a mismatch of no profile that is not there any more is really gone.

        An external order is gone when every class of open orders was read without it, or when it
        is in the books; a fill's mismatch when the fill, which is kept, found an owner. That of a
        fill that a person ignored stays accepted: nothing asks about the fill any more.
        """
        if mismatch.kind == MismatchKind.MISSING_IN_DB:
            return self.every_class_read and mismatch.key not in self.nobodys_listed
        return mismatch.kind == MismatchKind.UNATTRIBUTED_FILL and not mismatch.is_accepted


def decide_orders(
    books: Books,
    snapshot: AccountSnapshot,
    look_ups: Mapping[int, LookUp],
    unknown_look_ups: Mapping[OrderKey, LookUp],
    *,
    grace: timedelta,
    not_found: Callable[[Books], NotFoundPolicy],
    backfill: BackfillPolicy,
) -> Decisions:
    """Decide on every order and fill of the books.

    Legs, links, the table, adoptions, plans; then the fills that could be missed exits.
    """
    with_legs, legs = find_legs(books, snapshot, look_ups)
    with_trades = find_missing_trades(with_legs, snapshot, look_ups)
    linked = link_delivered_rows(with_trades)
    findings = diff_orders(linked.books, snapshot, look_ups, grace=grace)
    unowned = diff_unowned(linked.books, snapshot, unknown_look_ups, grace=grace)
    adopted = place_adoptions(linked.books, unowned)
    linked = link_more(linked, adopted.books)
    changes = plan_orders(
        (*findings, *(_with_links(finding, linked.books) for finding in adopted.findings)),
        Evidence(
            books=linked.books,
            links=linked.links,
            allocated_before=linked.allocated_before,
            legs=legs,
            not_found=not_found(linked.books),
            found_trades=frozenset(
                order.id
                for order in with_trades.orders.values()
                if order.trade_id != with_legs.orders[order.id].trade_id
            ),
        ),
    )
    backfilled = plan_backfills(
        linked.books,
        changes,
        snapshot,
        unknown_look_ups,
        allocated_before=linked.allocated_before,
        policy=backfill,
        grace=grace,
    )
    mismatches, external_orders = draft_nobodys(
        # What a slice could be closed by is a matter of the backfill, never of both.
        [item for item in unowned if not _is_spoken_for(item, backfilled.spoken_for)]
    )
    every_class_read = all(isinstance(part, OpenOrders) for part in snapshot.open_orders.values())
    listed = {(shown.symbol, shown.exchange_order_id) for shown in snapshot.listed_orders()}
    owned = owned_by_now(books)
    return Decisions(
        changes=(*backfilled.changes, *plan_alignments(books, snapshot, grace=grace)),
        nobodys_mismatches=mismatches,
        external_orders=external_orders,
        open_mismatches=books.open_mismatches,
        judged_orders=frozenset(finding.order.id for finding in findings if _is_judged(finding)),
        found_orders=frozenset(
            finding.order.id for finding in findings if finding.shown is not None
        ),
        every_class_read=every_class_read,
        orders=len(books.orders),
        no_go=backfilled.no_go,
        moot_candidates=backfilled.moot,
        nobodys_listed=frozenset(
            external_key(*key) for key in listed_of_nobody(linked.books, snapshot)
        ),
        gone_orders=books.waiting_orders - listed - owned if every_class_read else frozenset(),
        owned_orders=owned,
    )


def _is_spoken_for(item: Unowned, fills: frozenset[int]) -> bool:
    """Return whether a fill that no slice explained is one that a slice could be closed by."""
    return item.rule == OrderRule.UNEXPLAINED_FILL and any(k.id in fills for k in item.fills)


def _with_links(finding: OrderFinding, books: Books) -> OrderFinding:
    """Return the finding of an adopted order with its fills as they are once rows are linked."""
    fills = {kept.id: kept for kept in books.fills}
    return replace(finding, fills=tuple(fills[kept.id] for kept in finding.fills))


def _is_judged(finding: OrderFinding) -> bool:
    """Return whether both sides of an order were known, so that what is not different agrees.

    An order that only its look-up shows to be open was found, which takes back every "not found"
    before; it agrees if there is nothing of it that waits for the next list.
    """
    if finding.rule == OrderRule.ABSENT_STILL_OPEN:
        return not finding.unbooked and not differing_terms(finding)
    return finding.rule not in _NOTHING_LEARNED
