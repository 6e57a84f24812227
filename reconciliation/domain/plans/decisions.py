"""What a decision of a person would write: planned purely, so that a preview and the act agree.

Invariants: an exit by a person's word never exceeds what the slice has open, nor what is left of
the shortfall that it is a part of; a refusal writes nothing and says the way out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, plain, product, round_to_column
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import TradeState
from reconciliation.domain.keys import history_key
from reconciliation.domain.plans.booking import (
    Booking,
    with_dust,
    with_quantity,
    with_status_of_quantities,
)
from reconciliation.domain.plans.changes import Change, HistoryDraft, Premises
from reconciliation.domain.plans.evidence import trade_as_evidence
from reconciliation.domain.transitions import trade_may_become
from reconciliation.enums import (
    HOLDING_TRADE_STATUSES,
    DecisionRefusal,
    HistoryKind,
    HistorySource,
    Purpose,
    TradeStatus,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a decision cannot be carried out, and what to do instead."""

    code: DecisionRefusal
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a person asks for. None leaves it to the default.

    `quantity` is net, base units; `shares` are quantities by the trade's row id, where one thing
    is allocated over several slices. `trade_id` is a row id too.
    """

    quantity: Decimal | None = None
    price: Decimal | None = None
    trade_id: int | None = None
    shares: Mapping[int, Decimal] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPlan:
    """What would be written, and in words. `ask` is what was asked for, its defaults filled in.

    `notional` is what it is worth in USD, None where that is unknown. `set_aside` are the fills
    whose rest is said not to be ours, `freed` those that count again. `covers` says whether all
    that was in question is answered.
    """

    ask: Ask
    sentences: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    notional: Decimal | None = ZERO
    set_aside: tuple[int, ...] = ()
    freed: tuple[int, ...] = ()
    covers: bool = True
    is_estimated: bool = False
    written: Mapping[str, object] = field(default_factory=dict)

    @property
    def profile_ids(self) -> tuple[int, ...]:
        """Return whose books it writes, in the order in which they are locked."""
        return tuple(sorted({change.profile_id for change in self.changes}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitQuestion:
    """A slice that holds more than the exchange shows, as a person finds it.

    `name` tells this question from every other, `share` is what of the slice is in question (None:
    all that is open), `left` what is missing at the exchange in all, as far as that is known.
    """

    name: str
    trade: TradeState
    share: Decimal | None
    mark: Decimal | None
    needs_price: bool = False
    left: Decimal | None = None
    amount_step: Decimal | None = None
    evidence_hash: str = ""


def plan_operator_exit(
    question: ExitQuestion, ask: Ask, *, now: datetime
) -> DecisionPlan | Refusal:
    """Exit a part of a slice by a person's word: no fill tells of it."""
    trade = question.trade
    if trade.status not in HOLDING_TRADE_STATUSES:
        return Refusal(
            code=DecisionRefusal.CONFLICT,
            sentence=f"{trade.trade_id} is {trade.status} by now and holds nothing; load it again",
        )
    if question.left is not None and question.left <= 0:
        return Refusal(
            code=DecisionRefusal.CONFLICT,
            sentence=f"nothing of {trade.trade_id} is missing by what was read and booked last;"
            " refresh the evidence",
        )
    share = trade.open_quantity if question.share is None else question.share
    most = share if question.left is None else min(share, question.left)
    quantity = min(most, trade.open_quantity) if ask.quantity is None else ask.quantity
    refusal = _refuse_quantity(question, quantity)
    if refusal is not None:
        return refusal
    price = ask.price
    if price is None and not question.needs_price:
        price = question.mark
    if price is None or price <= 0:
        return Refusal(
            code=DecisionRefusal.PRICE_NEEDED,
            sentence=f"there is no mark of {trade.symbol} to go by; give the price of the exit",
        )
    estimated = ask.price is None
    booking = with_dust(
        _exit(question, quantity=quantity, price=price, estimated=estimated, now=now),
        question.amount_step,
    )
    after = booking.trade
    if after.status == TradeStatus.QUARANTINED:
        after = replace(after, status=TradeStatus.OPEN, closed_at=None)
    change = Change(
        profile_id=trade.profile_id,
        premises=Premises(trades={trade.id: trade.version}, orders={}, fills={}),
        trade=after,
        history=booking.history,
        events=(_exit_event(trade, after, booking, price=price, estimated=estimated),),
    )
    told = "the mark, an estimate" if estimated else "the price given"
    return DecisionPlan(
        ask=replace(ask, quantity=quantity),
        changes=(change,),
        notional=round_to_column(product(quantity, _worth_of_one(question, price))),
        covers=quantity >= share or after.open_quantity == 0,
        is_estimated=estimated,
        written={"quantity": plain(quantity), "price": plain(price), "estimated": estimated},
        sentences=(
            f"{plain(quantity)} of {trade.trade_id} is exited at {plain(price)} ({told})",
            f"{trade.trade_id} is {after.status} then, with {plain(after.open_quantity)} open",
        ),
    )


def _worth_of_one(question: ExitQuestion, price: Decimal) -> Decimal:
    """Return what a unit is worth where people are counted: no typed price makes it less.

    Without a mark, what was paid for it is what there is to go by.
    """
    known = question.trade.average_entry_price if question.mark is None else question.mark
    return price if known is None else max(price, known)


def plan_release(trade: TradeState) -> DecisionPlan:
    """Take a slice out of quarantine as it is."""
    return _plan_status(trade, TradeStatus.OPEN, "trade.released")


def plan_quarantine(trade: TradeState) -> DecisionPlan | Refusal:
    """Put a slice back into quarantine, because its question is asked again."""
    if trade.status not in HOLDING_TRADE_STATUSES:
        return Refusal(
            code=DecisionRefusal.CONFLICT,
            sentence=f"{trade.trade_id} is {trade.status} by now: there is nothing left to ask",
        )
    return _plan_status(trade, TradeStatus.QUARANTINED, "trade.quarantined")


def _plan_status(trade: TradeState, status: TradeStatus, action: str) -> DecisionPlan:
    if trade.status == status or not trade_may_become(trade.status, status):
        return DecisionPlan(ask=Ask(), sentences=(f"{trade.trade_id} stays {trade.status}",))
    after = replace(trade, status=status)
    event = EventDraft(
        action=action,
        object_type="trade",
        object_id=str(trade.id),
        before={"trade": trade_as_evidence(trade)},
        after={"trade": trade_as_evidence(after)},
    )
    change = Change(
        profile_id=trade.profile_id,
        premises=Premises(trades={trade.id: trade.version}, orders={}, fills={}),
        trade=after,
        events=(event,),
    )
    return DecisionPlan(
        ask=Ask(), changes=(change,), sentences=(f"{trade.trade_id} is {status} again",)
    )


def _refuse_quantity(question: ExitQuestion, quantity: Decimal) -> Refusal | None:
    most = question.trade.open_quantity
    what = f"{question.trade.trade_id} has open"
    if question.left is not None and question.left < most:
        most, what = max(question.left, ZERO), "is left of the shortfall"
    if ZERO < quantity <= most:
        return None
    return Refusal(
        code=DecisionRefusal.QUANTITY_OUT_OF_RANGE,
        sentence=f"{plain(quantity)} cannot be exited: {plain(most)} {what}, no more",
    )


def _exit(
    question: ExitQuestion, *, quantity: Decimal, price: Decimal, estimated: bool, now: datetime
) -> Booking:
    trade = question.trade
    row = HistoryDraft(
        trade_id=trade.id,
        key=history_key(
            trade_id=trade.id,
            kind=HistoryKind.EXIT,
            evidence=question.name,
            reversals=trade.reversals,
        ),
        kind=HistoryKind.EXIT,
        source=HistorySource.OPERATOR,
        quantity=quantity,
        price=price,
        executed_at=now,
        estimated=estimated,
        evidence_hash=question.evidence_hash,
    )
    after = with_quantity(trade, Purpose.EXIT, quantity, price)
    return Booking(
        trade=with_status_of_quantities(after, row), history=(row,), allocations=(), overclose=ZERO
    )


def _exit_event(
    before: TradeState, after: TradeState, booking: Booking, *, price: Decimal, estimated: bool
) -> EventDraft:
    return EventDraft(
        action="trade.synthetic_exit",
        object_type="trade",
        object_id=str(before.id),
        before={"trade": trade_as_evidence(before)},
        after={
            "trade": trade_as_evidence(after),
            "price": plain(price),
            "estimated": estimated,
            "booked": [
                {"kind": row.kind, "source": row.source, "quantity": plain(row.quantity)}
                for row in booking.history
            ],
        },
        evidence=tuple({row.evidence_hash for row in booking.history[:1] if row.evidence_hash}),
    )
