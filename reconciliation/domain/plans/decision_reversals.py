"""What taking back a decision would write: reversal rows, and the fills that are free again.

Invariants: a reversal restores the quantities that there were but for the decision; a row is taken
back at most once; entries are never touched.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, plain, total, weighted_average
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import TradeState
from reconciliation.domain.keys import history_key
from reconciliation.domain.plans.changes import AllocationDraft, Change, HistoryDraft, Premises
from reconciliation.domain.plans.decisions import Ask, DecisionPlan, Refusal
from reconciliation.domain.plans.evidence import trade_as_evidence
from reconciliation.domain.transitions import trade_may_become
from reconciliation.enums import (
    DecisionRefusal,
    HistoryKind,
    HistorySource,
    TradeStatus,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRow:
    """An exit in force of a trade; `is_mine` where the decision wrote it."""

    id: int
    trade_id: int
    source: HistorySource
    quantity: Decimal
    price: Decimal | None
    is_mine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed:
    """A part of a fill, gross, that a row has consumed; the fill's `allocated` is of all rows."""

    fill_id: int
    history_id: int
    quantity: Decimal
    allocated: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalQuestion:
    """What a decision has written and is still in force."""

    trades: tuple[TradeState, ...]
    exits: tuple[ExitRow, ...]
    consumed: tuple[Consumed, ...]
    set_aside: tuple[int, ...]


def plan_reversal(question: ReversalQuestion, *, now: datetime) -> DecisionPlan | Refusal:
    """Take back the exits that a decision wrote, and free their fills."""
    mine = [row for row in question.exits if row.is_mine]
    if not mine and not question.set_aside:
        return Refusal(
            code=DecisionRefusal.NOT_REVERSIBLE,
            sentence="nothing that it wrote is still in force; what was rejected can be reopened",
        )
    allocated = {part.fill_id: part.allocated for part in question.consumed}
    at_start, profile_id = dict(allocated), None
    changes, sentences = [], []
    for trade in sorted(question.trades, key=lambda each: (each.profile_id, each.id)):
        if trade.profile_id != profile_id:
            profile_id, at_start = trade.profile_id, dict(allocated)
        rows = [row for row in mine if row.trade_id == trade.id]
        others = [row for row in question.exits if row.trade_id == trade.id and not row.is_mine]
        after = _after(trade, rows, others)
        if after is None:
            return Refusal(
                code=DecisionRefusal.NOT_REVERSIBLE,
                sentence=f"{trade.trade_id} is {trade.status} and has moved on since;"
                " decide on what it is now",
            )
        ids = {row.id for row in rows}
        parts = [part for part in question.consumed if part.history_id in ids]
        for part in parts:
            allocated[part.fill_id] -= part.quantity
        changes.append(_change(trade, after, rows, parts, at_start, now))
        quantity = plain(total(row.quantity for row in rows))
        sentences.append(
            f"the exit of {quantity} from {trade.trade_id} is taken back;"
            f" it is {after.status} then, with {plain(after.open_quantity)} open"
        )
    if question.set_aside:
        sentences.append("what was set aside counts again")
    return DecisionPlan(
        ask=Ask(),
        changes=tuple(changes),
        freed=question.set_aside,
        written={"reversed": [row.id for row in mine]},
        sentences=tuple(sentences),
    )


def _after(
    trade: TradeState, rows: Sequence[ExitRow], others: Sequence[ExitRow]
) -> TradeState | None:
    """Return the trade without the rows, None where that is not legal any more."""
    exit_quantity = trade.exit_quantity - total(row.quantity for row in rows)
    if exit_quantity < ZERO or exit_quantity > trade.entry_quantity:
        return None
    status = TradeStatus.OPEN if trade.status == TradeStatus.CLOSED else trade.status
    is_holding = status in (TradeStatus.OPEN, TradeStatus.QUARANTINED)
    if not is_holding or not trade_may_become(trade.status, status):
        return None
    return replace(
        trade,
        exit_quantity=exit_quantity,
        average_exit_price=_average(others),
        reversals=trade.reversals + 1,
        status=status,
        closed_at=None,
    )


def _average(rows: Sequence[ExitRow]) -> Decimal | None:
    """Return the average price of exits; a residue has none, and an unknown one leaves it so."""
    sold = [row for row in rows if row.source != HistorySource.DUST]
    parts = [(row.quantity, row.price) for row in sold if row.price is not None]
    return weighted_average(parts) if len(parts) == len(sold) else None


def _change(
    trade: TradeState,
    after: TradeState,
    rows: Sequence[ExitRow],
    parts: Sequence[Consumed],
    at_start: dict[int, Decimal],
    now: datetime,
) -> Change:
    return Change(
        profile_id=trade.profile_id,
        premises=Premises(
            trades={trade.id: trade.version},
            orders={},
            fills={part.fill_id: at_start[part.fill_id] for part in parts},
        ),
        trade=after,
        history=tuple(
            HistoryDraft(
                trade_id=trade.id,
                key=history_key(
                    trade_id=trade.id,
                    kind=HistoryKind.REVERSAL,
                    evidence=f"history:{row.id}",
                    reversals=trade.reversals,
                ),
                kind=HistoryKind.REVERSAL,
                source=HistorySource.OPERATOR,
                quantity=row.quantity,
                price=row.price,
                executed_at=now,
                reverses_id=row.id,
            )
            for row in rows
        ),
        allocations=tuple(
            AllocationDraft(
                fill_id=part.fill_id,
                trade_id=trade.id,
                quantity=part.quantity,
                history_id=part.history_id,
                released=True,
            )
            for part in parts
        ),
        events=(
            EventDraft(
                action="trade.exit_reversed",
                object_type="trade",
                object_id=str(trade.id),
                before={"trade": trade_as_evidence(trade)},
                after={"trade": trade_as_evidence(after), "reversed": [row.id for row in rows]},
            ),
        ),
    )
