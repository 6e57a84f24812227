"""From unexplained fills to missed exits: reconcile_exit_fill with source BACKFILL, planned.

Every fill of no known order that stands on the closing side of a slice is judged, oldest first,
against the books as they are after the cycle's other changes. A GO becomes part of the change of
its trade; a NO_GO waits for a person. Nothing is said of a fill that is too fresh, or whose kind
of instrument was not read in this cycle: its candidate stays as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, total
from reconciliation.domain.attribution import Attribution
from reconciliation.domain.backfill import BackfillPolicy, FillCase, Judgement, judge_fill
from reconciliation.domain.backfill_cases import (
    CaseMaker,
    LooseFill,
    find_loose_fills,
    nameless_exits,
    type_of,
)
from reconciliation.domain.books import (
    Books,
    CandidateState,
    HistoryRow,
    KeptFill,
    OrderState,
    StandingExits,
    TradeState,
)
from reconciliation.domain.order_diff import group_fills, is_recent
from reconciliation.domain.plans.backfill_drafts import (
    applied_event,
    draft_candidate,
    resolve_mismatch,
)
from reconciliation.domain.plans.booking import Booking, with_dust
from reconciliation.domain.plans.changes import (
    AllocationDraft,
    CandidateDraft,
    Change,
    Premises,
    merge,
)
from reconciliation.domain.plans.order_events import link_event
from reconciliation.domain.plans.reversals import (
    all_standing_after,
    book_exits,
    reversed_event,
    standing_after,
)
from reconciliation.domain.plans.told import link_told
from reconciliation.domain.transitions import trade_may_become
from reconciliation.domain.types import (
    AccountSnapshot,
    LookUp,
    OrderFound,
    OrderNotFound,
    Unread,
)
from reconciliation.domain.unowned import OrderKey, is_proven_entry
from reconciliation.enums import (
    DECIDED_CANDIDATE_STATUSES,
    WAITING_CANDIDATE_STATUSES,
    BackfillVerdict,
    HistorySource,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillPlan:
    """The cycle's changes with the exits in them, and what becomes of the queue.

    `no_go` are verdicts that are new or changed, `moot` candidates that waited for an answer which
    nobody needs any more. `spoken_for` are the fills that a slice could still be closed by.
    """

    changes: tuple[Change, ...]
    no_go: tuple[CandidateDraft, ...]
    moot: tuple[CandidateState, ...]
    spoken_for: frozenset[int]


@dataclass(slots=True)
class _Desk:
    """The plan in the making: `trades`, `exits` and `changes` are as they are so far."""

    maker: CaseMaker
    snapshot: AccountSnapshot
    look_ups: Mapping[OrderKey, LookUp]
    grace: timedelta
    trades: dict[int, TradeState]
    changes: list[Change]
    allocated_before: Mapping[int, Decimal]
    known: Mapping[int, CandidateState]
    rows: dict[int, tuple[HistoryRow, ...]]
    exits: dict[int, StandingExits]
    no_go: list[CandidateDraft] = field(default_factory=list)
    spoken_for: set[int] = field(default_factory=set)
    told_of: set[int] = field(default_factory=set)

    @property
    def books(self) -> Books:
        """Return the books as the cycle's other changes leave them."""
        return self.maker.books


def plan_backfills(
    books: Books,
    changes: Sequence[Change],
    snapshot: AccountSnapshot,
    look_ups: Mapping[OrderKey, LookUp],
    *,
    allocated_before: Mapping[int, Decimal],
    policy: BackfillPolicy,
    grace: timedelta,
) -> BackfillPlan:
    """Judge the fills that could be missed exits, and book those that are proven to be.

    `books` are those that `changes` were planned on, `allocated_before` what of each fill the
    database holds to be booked.
    """
    after = _books_after(books, changes, allocated_before)
    desk = _Desk(
        maker=CaseMaker.of(after, policy, snapshot.as_of),
        snapshot=snapshot,
        look_ups=look_ups,
        grace=grace,
        trades=dict(after.trades),
        changes=list(changes),
        allocated_before=allocated_before,
        known={candidate.fill_id: candidate for candidate in books.candidates},
        rows=nameless_exits(after),
        exits=dict(after.synthetic_exits),
    )
    for loose in find_loose_fills(after, snapshot, look_ups):
        case = desk.maker.make(loose, desk.trades, desk.rows, desk.exits)
        if _concerns(case):
            desk.spoken_for.add(loose.kept.id)
            if not _must_wait(loose, case, desk):
                _decide(loose, case, desk)
    waiting = (each for each in books.candidates if each.status in WAITING_CANDIDATE_STATUSES)
    return BackfillPlan(
        changes=tuple(desk.changes),
        no_go=tuple(desk.no_go),
        moot=tuple(each for each in waiting if each.fill_id not in desk.spoken_for - desk.told_of),
        spoken_for=frozenset(desk.spoken_for),
    )


def _concerns(case: FillCase) -> bool:
    """Return whether a slice could be closed by a fill.

    A synthetically closed one only by a fill that is its profile's by its own evidence.
    """
    if case.slices:
        return True
    owner = case.owner
    return isinstance(owner, Attribution) and any(
        trade.profile_id == owner.profile.id for trade in case.closed_synthetically
    )


def _must_wait(loose: LooseFill, case: FillCase, desk: _Desk) -> bool:
    """Return whether nothing may be said of a fill now.

    It is decided, too fresh, of a kind of instrument that was not read, or an entry whose order
    has not answered yet.
    """
    known = desk.known.get(loose.kept.id)
    if known is not None and known.status in DECIDED_CANDIDATE_STATUSES:
        return True
    unread = Unread(reason="not asked for")
    if isinstance(desk.snapshot.fills.get(type_of(desk.books, loose.kept.fill), unread), Unread):
        return True
    concerned = (*case.slices, *case.closed_synthetically)
    moments = [*loose.moments, *(trade.last_activity_at for trade in concerned)]
    if is_recent(moments, as_of=desk.snapshot.as_of, grace=desk.grace):
        return True
    answered = isinstance(desk.look_ups.get(loose.key), OrderFound | OrderNotFound)
    is_entry = loose.order is None and is_proven_entry(loose.evidence, desk.maker.owners)
    return is_entry and not answered


def _decide(loose: LooseFill, case: FillCase, desk: _Desk) -> None:
    """Judge a fill; a verdict that the queue shows already is not repeated."""
    judgement = judge_fill(case, desk.maker.policy)
    trade = judgement.trade
    is_go = judgement.verdict == BackfillVerdict.GO
    if trade is not None and (
        trade.profile_id not in desk.books.profiles or (trade.id < 0 and not is_go)
    ):
        # Nobody writes to a disabled profile; a question about a slice that is only opened now
        # can name it in the next cycle.
        return
    known = desk.known.get(loose.kept.id)
    draft = draft_candidate(
        case,
        loose.evidence,
        judgement,
        profile=None if trade is None else desk.books.profiles[trade.profile_id],
        policy=desk.maker.policy,
        pattern=desk.books.client_order_ids,
        known=known,
    )
    if is_go and trade is not None:
        _apply(loose, judgement, draft, desk.trades[trade.id], desk)
    elif (
        known is None or known.status not in WAITING_CANDIDATE_STATUSES or known.hash != draft.hash
    ):
        desk.no_go.append(draft)


def _apply(
    loose: LooseFill,
    judgement: Judgement,
    draft: CandidateDraft,
    trade: TradeState,
    desk: _Desk,
) -> None:
    """Book a GO into the change of its trade, where the trade can take it.

    What the trading system has told of already, without a fill id, is that fill; only the rest
    is new.
    """
    order = loose.order
    links, kept, rows = _link(loose, trade, desk)
    booking = Booking(trade=trade, history=(), allocations=(), overclose=ZERO)
    if kept.remaining > 0:
        booked = _book(kept, order, trade, desk)
        if booked is None or not trade_may_become(trade.status, booked.trade.status):
            return
        booking = booked
    events = [link_event(trade, links)] if links else []
    replaced = reversed_event(trade, booking.trade, booking.history)
    if replaced is not None:
        events.append(replaced)
    if booking.history:
        events.append(applied_event(trade, booking, loose.evidence, judgement))
    change = Change(
        profile_id=trade.profile_id,
        premises=Premises(
            trades={trade.id: trade.version} if trade.id > 0 else {},
            orders={order.id: order.version} if order is not None and order.id > 0 else {},
            fills={loose.kept.id: desk.allocated_before[loose.kept.id]},
        ),
        trade=booking.trade if booking.history else None,
        history=booking.history,
        allocations=(*links, *booking.allocations),
        candidates=(draft,) if booking.history else (),
        events=tuple(events),
    )
    if not booking.history:
        desk.told_of.add(loose.kept.id)  # it is explained: whoever was asked need not answer
    desk.rows[trade.id] = rows
    _put(change, order, desk, booking.dropped)
    _note(booking, desk)


def _link(
    loose: LooseFill, trade: TradeState, desk: _Desk
) -> tuple[list[AllocationDraft], KeptFill, tuple[HistoryRow, ...]]:
    """Return the links of a fill to delivered exits, and fill and rows as they are then."""
    linked = link_told(
        loose.kept,
        desk.rows.get(trade.id, ()),
        trade_id=trade.id,
        base_currency=desk.books.base_currencies.get(loose.kept.fill.symbol),
    )
    return list(linked.links), linked.kept, linked.rows


def _note(booking: Booking, desk: _Desk) -> None:
    """Note the trade as it is now, and its exits as long as some of them have no fill."""
    trade = booking.trade
    desk.trades[trade.id] = trade
    before = desk.exits.pop(trade.id, None)
    if before is not None:
        after = standing_after(before, booking.history, booking.dropped)
        desk.exits |= {trade.id: after} if after.synthetic else {}


def _book(
    kept: KeptFill, order: OrderState | None, trade: TradeState, desk: _Desk
) -> Booking | None:
    """Return the booking of all that is left of a fill, None where a slice cannot take it."""
    symbol, books = kept.fill.symbol, desk.books
    booking = book_exits(
        trade=trade,
        order=order,
        fills=[kept],
        base_currency=books.base_currencies.get(symbol),
        source=HistorySource.BACKFILL,
        standing=desk.exits.get(trade.id),
    )
    if not booking.history:
        return None
    if booking.overclose > 0:
        # Less than one step beyond what was open, which nobody can trade: it goes with the rest.
        (part,) = booking.allocations
        booking = replace(booking, allocations=(replace(part, quantity=kept.remaining),))
    return with_dust(booking, books.amount_steps.get(symbol))


def _put(change: Change, order: OrderState | None, desk: _Desk, dropped: frozenset[str]) -> None:
    """Add a change, as one with those there are of the same trade and of the fill's order.

    `dropped` are keys of rows of theirs that it replaces.
    """
    mine: list[Change] = []
    others: list[Change] = []
    for each in desk.changes:
        is_same = bool(_trades_of(each) & _trades_of(change))
        is_same = is_same or (order is not None and order.id in _orders_of(each))
        (mine if is_same else others).append(each)
    merged = change
    for each in reversed(mine):
        kept = tuple(row for row in each.history if row.key not in dropped)
        merged = merge(replace(each, history=kept), merged)
    desk.changes[:] = [*others, merged]
    if order is not None and _is_booked(order, desk):
        desk.changes[-1] = resolve_mismatch(merged, order)


def _trades_of(change: Change) -> set[int]:
    """Return the trades that a change is about: those it relies on, and a new one."""
    new = set() if change.trade is None else {change.trade.id}
    return new | change.premises.trades.keys()


def _orders_of(change: Change) -> set[int]:
    return {order.id for order in change.orders} | change.premises.orders.keys()


def _is_booked(order: OrderState, desk: _Desk) -> bool:
    """Return whether nothing of an order's fills is left once the changes are applied."""
    fills = group_fills(desk.books).get(order.id, ())
    booked = _booked_by(desk.changes)
    return all(
        desk.allocated_before[kept.id] + booked.get(kept.id, ZERO) >= kept.fill.quantity
        for kept in fills
    )


def _booked_by(changes: Iterable[Change]) -> dict[int, Decimal]:
    """Return the gross quantity that the changes take of each fill."""
    parts: dict[int, list[Decimal]] = {}
    for change in changes:
        for part in change.allocations:
            parts.setdefault(part.fill_id, []).append(part.quantity)
    return {fill_id: total(quantities) for fill_id, quantities in parts.items()}


def _books_after(
    books: Books, changes: Sequence[Change], allocated_before: Mapping[int, Decimal]
) -> Books:
    """Return the books as they are once the changes are applied."""
    trades, orders = dict(books.trades), dict(books.orders)
    booked = _booked_by(changes)
    for change in changes:
        if change.trade is not None:
            trades[change.trade.id] = change.trade
        orders |= {order.id: order for order in change.orders}
    return replace(
        books,
        trades=trades,
        orders=orders,
        fills=tuple(
            replace(kept, allocated=allocated_before[kept.id] + booked.get(kept.id, ZERO))
            for kept in books.fills
        ),
        synthetic_exits=all_standing_after(
            books.synthetic_exits, (row for change in changes for row in change.history)
        ),
    )
