"""What a person's word on exchange fills would write: booked to slices, or said not to be ours.

Invariants: the shares never sum to more than what is left of the fills; no slice exits more than
it has open; what delivered exits have told of already is linked, never booked again; what belongs
to another profile is not used, whoever asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, plain, product, round_to_column, total
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import HistoryRow, KeptFill, StandingExits, TradeState
from reconciliation.domain.keys import evidence_hash
from reconciliation.domain.plans.booking import Booking, net_quantity, with_dust
from reconciliation.domain.plans.changes import AllocationDraft, Change, Premises
from reconciliation.domain.plans.decisions import Ask, DecisionPlan, Refusal
from reconciliation.domain.plans.evidence import fill_as_evidence, trade_as_evidence
from reconciliation.domain.plans.order_events import link_event
from reconciliation.domain.plans.reversals import book_exits, reversed_event
from reconciliation.domain.plans.told import link_told
from reconciliation.domain.transitions import trade_may_become
from reconciliation.domain.unowned import could_close
from reconciliation.enums import (
    HOLDING_TRADE_STATUSES,
    DecisionRefusal,
    HistorySource,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillQuestion:
    """Fills of one symbol and side that wait for a person.

    `owner_id` is the profile whose they are by their own evidence, if any says so. `told` are, by
    trade, the delivered exits that name no fill. `standing` are, by trade, the exits of those of
    which some were booked without a fill: the real ones take their place.
    """

    fills: tuple[KeptFill, ...]
    is_foreign: bool = False
    owner_id: int | None = None
    base_currency: str | None = None
    amount_step: Decimal | None = None
    told: Mapping[int, tuple[HistoryRow, ...]]
    standing: Mapping[int, StandingExits] = field(default_factory=dict)

    def room_in(self, trade: TradeState) -> Decimal:
        """Return what a slice can take: what is open, and what was exited without a fill."""
        exits = self.standing.get(trade.id)
        return trade.open_quantity + (ZERO if exits is None else exits.quantity)

    @property
    def left(self) -> Decimal:
        """Return the net quantity of all that nothing has booked yet."""
        return total(
            net_quantity(kept.fill, kept.remaining, self.base_currency) for kept in self.fills
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part for a slice, net; None is all of it."""

    trade: TradeState
    quantity: Decimal | None


@dataclass(slots=True)
class _Desk:
    """The fills as they are so far, and as they were when the writing for a profile begins."""

    question: FillQuestion
    fills: dict[int, KeptFill]
    at_start: dict[int, Decimal]
    profile_id: int | None = None


def plan_shares(
    question: FillQuestion, shares: Sequence[Share], ask: Ask
) -> DecisionPlan | Refusal:
    """Book the fills to slices: reconcile_exit_fill with source OPERATOR, real price and fee.

    A rest that no share takes is set aside.
    """
    wanted = [
        (share.trade, question.left if share.quantity is None else share.quantity)
        for share in sorted(shares, key=lambda each: (each.trade.profile_id, each.trade.id))
    ]
    refusal = _refuse(question, wanted)
    if refusal is not None:
        return refusal
    desk = _Desk(
        question=question,
        fills={
            kept.id: kept
            for kept in sorted(
                question.fills, key=lambda each: (each.fill.executed_at, each.fill.fill_id)
            )
        },
        at_start={},
    )
    changes, sentences = [], []
    for trade, quantity in wanted:
        change, sentence = _take(desk, trade, quantity)
        if not trade_may_become(trade.status, (change.trade or trade).status):
            return _wrong(trade, f"a slice that is {trade.status} cannot be exited")
        changes.append(change)
        sentences.append(sentence)
    rest = tuple(kept for kept in desk.fills.values() if kept.remaining > 0)
    if rest:
        left = plain(total(kept.remaining for kept in rest))
        sentences.append(f"{left} is left over and set aside: it is said not to be ours")
    worth = total(
        round_to_column(product(draft.quantity, desk.fills[draft.fill_id].fill.price))
        for change in changes
        for draft in change.allocations
    )
    taken = {trade.id: plain(quantity) for trade, quantity in wanted}
    single = wanted[0] if len(wanted) == 1 and ask.shares is None else None
    return DecisionPlan(
        ask=replace(
            ask,
            trade_id=None if single is None else single[0].id,
            quantity=None if single is None else single[1],
        ),
        changes=tuple(changes),
        notional=worth,
        set_aside=tuple(kept.id for kept in rest),
        written={"shares": {str(key): amount for key, amount in taken.items()}},
        sentences=tuple(sentences),
    )


def plan_set_aside(question: FillQuestion) -> DecisionPlan:
    """Say of what is left of fills that it is not ours: no slice is touched."""
    rest = [kept for kept in question.fills if kept.remaining > 0]
    worth = total(round_to_column(product(kept.remaining, kept.fill.price)) for kept in rest)
    left = plain(total(kept.remaining for kept in rest))
    return DecisionPlan(
        ask=Ask(),
        notional=worth,
        set_aside=tuple(kept.id for kept in rest),
        written={"set_aside": left},
        sentences=(f"{left} is set aside: it is not ours, and is not asked about again",),
    )


def _refuse(question: FillQuestion, wanted: Sequence[tuple[TradeState, Decimal]]) -> Refusal | None:
    if question.is_foreign:
        return Refusal(
            code=DecisionRefusal.FOREIGN,
            sentence="tag or client id is another profile's, or contradicts itself: that is final;"
            " the fill can only be rejected",
        )
    if question.left <= 0:
        return Refusal(
            code=DecisionRefusal.CONFLICT,
            sentence="all of the fill is booked by now; load the page again",
        )
    for trade, _ in wanted:
        wrong = _refuse_slice(question, trade)
        if wrong is not None:
            return wrong
    if any(quantity <= 0 for _, quantity in wanted):
        return Refusal(
            code=DecisionRefusal.QUANTITY_OUT_OF_RANGE,
            sentence="every share needs a quantity above zero; leave out the others",
        )
    asked = total(quantity for _, quantity in wanted)
    if asked > question.left:
        return Refusal(
            code=DecisionRefusal.OVER_ALLOCATED,
            sentence=f"{plain(asked)} is asked for and {plain(question.left)} is left;"
            " allocate no more than that",
        )
    for trade, quantity in wanted:
        new = max(quantity - _told(question, trade), ZERO)
        room = question.room_in(trade)
        over = new - room
        if over > 0 and (question.amount_step is None or over >= question.amount_step):
            return Refusal(
                code=DecisionRefusal.QUANTITY_OUT_OF_RANGE,
                sentence=f"{trade.trade_id} has {plain(room)} open and cannot take"
                f" {plain(quantity)}; give a smaller quantity, or allocate over several slices",
            )
    return None


def _refuse_slice(question: FillQuestion, trade: TradeState) -> Refusal | None:
    if trade.status not in HOLDING_TRADE_STATUSES and question.room_in(trade) == 0:
        return _wrong(trade, f"it is {trade.status} and holds nothing")
    if not all(could_close(kept.fill, trade) for kept in question.fills):
        return _wrong(trade, "symbol, side or position side of the fill do not close it")
    if question.owner_id is not None and question.owner_id != trade.profile_id:
        return Refusal(
            code=DecisionRefusal.FOREIGN,
            sentence=f"{trade.trade_id} is not of the profile whose the fill is by its own"
            " evidence; choose a slice of that one, or reject the fill",
        )
    return None


def _wrong(trade: TradeState, why: str) -> Refusal:
    return Refusal(
        code=DecisionRefusal.WRONG_SLICE,
        sentence=f"{trade.trade_id} cannot take the fill: {why}; choose another slice",
    )


def _told(question: FillQuestion, trade: TradeState) -> Decimal:
    return total(row.uncovered for row in question.told.get(trade.id, ()))


def _take(desk: _Desk, trade: TradeState, quantity: Decimal) -> tuple[Change, str]:
    """Link and book a share; the fills of the desk are as they are then."""
    question, base = desk.question, desk.question.base_currency
    if desk.profile_id != trade.profile_id:
        # The changes of one profile are written at once, after those of the profiles before.
        desk.profile_id = trade.profile_id
        desk.at_start = {kept.id: kept.allocated for kept in desk.fills.values()}
    left = quantity
    links: list[AllocationDraft] = []
    rows: tuple[HistoryRow, ...] = question.told.get(trade.id, ())
    for kept in tuple(desk.fills.values()):
        linked = link_told(kept, rows, trade_id=trade.id, base_currency=base, at_most=left)
        links += linked.links
        rows, left = linked.rows, left - linked.quantity
        desk.fills[kept.id] = linked.kept
    booking = Booking(trade=trade, history=(), allocations=(), overclose=ZERO)
    if left > 0:
        booking = _book(desk, trade, left)
    for draft in booking.allocations:
        kept = desk.fills[draft.fill_id]
        desk.fills[draft.fill_id] = replace(kept, allocated=kept.allocated + draft.quantity)
    events: list[EventDraft] = [link_event(trade, links)] if links else []
    if booking.history:
        events.append(_event(trade, booking, question))
        replaced = reversed_event(trade, booking.trade, booking.history)
        events += [] if replaced is None else [replaced]
    after = booking.trade
    change = Change(
        profile_id=trade.profile_id,
        premises=Premises(trades={trade.id: trade.version}, orders={}, fills=dict(desk.at_start)),
        trade=after if booking.history else None,
        history=booking.history,
        allocations=(*links, *booking.allocations),
        events=tuple(events),
    )
    told = f", of which {plain(quantity - left)} was told of already" if links else ""
    return change, (
        f"{plain(quantity)} is exited from {trade.trade_id}{told};"
        f" it is {after.status} then, with {plain(after.open_quantity)} open"
    )


def _book(desk: _Desk, trade: TradeState, quantity: Decimal) -> Booking:
    question = desk.question
    waiting = [kept for kept in desk.fills.values() if kept.remaining > 0]
    booking = book_exits(
        trade=trade,
        order=None,
        fills=waiting,
        base_currency=question.base_currency,
        source=HistorySource.OPERATOR,
        standing=question.standing.get(trade.id),
        at_most=quantity,
    )
    takes_all = quantity >= total(
        net_quantity(kept.fill, kept.remaining, question.base_currency) for kept in waiting
    )
    if takes_all and len(waiting) == 1 and booking.allocations:
        # Less than one step beyond what was open, which nobody can trade: it goes with the rest.
        (part,) = booking.allocations
        booking = replace(booking, allocations=(replace(part, quantity=waiting[0].remaining),))
    return with_dust(booking, question.amount_step)


def _event(before: TradeState, booking: Booking, question: FillQuestion) -> EventDraft:
    ids = {draft.fill_id for draft in booking.allocations}
    shown = [fill_as_evidence(kept.fill) for kept in question.fills if kept.id in ids]
    return EventDraft(
        action="trade.exit_filled",
        object_type="trade",
        object_id=str(before.id),
        before={"trade": trade_as_evidence(before)},
        after={
            "trade": trade_as_evidence(booking.trade),
            "fills": shown,
            "booked": [
                {"kind": row.kind, "source": row.source, "quantity": plain(row.quantity)}
                for row in booking.history
            ],
        },
        evidence=tuple(evidence_hash(item) for item in shown),
    )
