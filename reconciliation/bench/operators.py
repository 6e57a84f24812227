"""People who look after a while, with the truth in hand, and decide by the domain's own plans.

What a person decides is no automatic close: it is never counted as one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from random import Random

from reconciliation.bench.delivering import find_trade
from reconciliation.bench.ledger import Ledger
from reconciliation.bench.passes import Jobs
from reconciliation.bench.truth import TrueFill, TrueSlice, Venue
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.books import CandidateState, KeptFill, TradeState
from reconciliation.domain.keys import history_key, trade_code
from reconciliation.domain.parity import FINDINGS, PositionKey
from reconciliation.domain.plans.booking import (
    book_fills,
    with_quantity,
    with_status_of_quantities,
)
from reconciliation.domain.plans.changes import Change, HistoryDraft, Premises
from reconciliation.domain.transitions import trade_may_become
from reconciliation.enums import (
    CandidateStatus,
    HistoryKind,
    HistorySource,
    Purpose,
    TradeStatus,
)


@dataclass(slots=True)
class Operators:
    """The people of a desk. What they have not seen for `patience` cycles, they do not decide."""

    rng: Random
    venue: Venue
    ledger: Ledger
    jobs: Jobs
    patience: int
    touched: set[str] = field(default_factory=set)
    decisions: int = 0
    _due: dict[tuple[str, object], int] = field(default_factory=dict)

    def look(self, cycle: int, now: datetime) -> None:
        """Decide on what has waited long enough."""
        true = {each.fill.key: each for each in self.venue.fills}
        waiting = {question.trade_id for question in self.ledger.questions_waiting()}
        for trade in list(self.ledger.trades.values()):
            is_asked = trade.status == TradeStatus.QUARANTINED or trade.id in waiting
            if self._is_due(("slice", trade.id), cycle, is_asked):
                for key in list(self.ledger.unbooked):
                    kept = self.ledger.fills[key]
                    if kept.fill.symbol == trade.symbol:
                        self._settle_fill(kept, true[kept.fill.key])
                self._settle_slice(trade.id, now)
        for key in list(self.ledger.unbooked):
            kept = self.ledger.fills[key]
            if self._is_due(("fill", key), cycle, not kept.set_aside):
                self._settle_fill(kept, true[kept.fill.key])
        for position, seen in list(self.jobs.sightings.items()):
            if self._is_due(("position", position), cycle, seen.kind in FINDINGS):
                self._settle_position(position, now)

    def _is_due(self, what: tuple[str, object], cycle: int, is_there: bool) -> bool:
        """Return whether what is there has been there for long enough to be decided on."""
        if not is_there:
            self._due.pop(what, None)
            return False
        due = self._due.setdefault(what, cycle + self.rng.randint(3, self.patience))
        if cycle < due:
            return False
        del self._due[what]
        return True

    def _settle_fill(self, kept: KeptFill, truth: TrueFill) -> None:
        """Book the parts of a fill to the slices that they truly are of; the rest is not ours."""
        for owner, quantity in truth.owners:
            kept = self.ledger.fills[kept.id]
            if owner is None or kept.remaining <= 0:
                continue
            trade = self._trade_of(self.venue.slices[owner], kept)
            part = min(quantity, kept.remaining)
            if trade is not None:
                self._book(trade, kept, part, truth.purpose)
        kept = self.ledger.fills[kept.id]
        if kept.remaining > 0 and not kept.set_aside:
            self.ledger.put_fill(replace(kept, set_aside=True))
            known = self.ledger.candidates.get(kept.id)
            self.ledger.candidates[kept.id] = CandidateState(
                id=self.ledger.next_id() if known is None else known.id,
                fill_id=kept.id,
                status=CandidateStatus.REJECTED,
                hash="",
                version=1 if known is None else known.version + 1,
            )
        self.decisions += 1

    def _trade_of(self, held: TrueSlice, kept: KeptFill) -> TradeState | None:
        """Return the slice in the books, adopted where nobody has told of it."""
        sub_tag = self.ledger.profiles[held.profile_id].sub_tag
        known = find_trade(self.ledger, held.trade_id, sub_tag)
        if known is not None or kept.fill.side != held.side_of(Purpose.ENTRY):
            return known
        trade = TradeState(
            id=self.ledger.next_id(),
            profile_id=held.profile_id,
            trade_id=held.trade_id,
            code=trade_code(sub_tag, held.trade_id),
            symbol=held.symbol,
            direction=held.direction,
            sub_tag=sub_tag,
            status=TradeStatus.PENDING,
            entry_quantity=ZERO,
            exit_quantity=ZERO,
            average_entry_price=None,
            average_exit_price=None,
            reversals=0,
            opened_at=min(held.opened_at, kept.fill.executed_at),
            closed_at=None,
            version=1,
        )
        self.ledger.trades[trade.id] = trade
        return trade

    def _book(self, trade: TradeState, kept: KeptFill, part: Decimal, purpose: Purpose) -> None:
        """Book a part of a fill to a slice, as far as the slice can take it."""
        held = self.venue.slices[self._true_id(trade)]
        if purpose == Purpose.ENTRY:
            part = min(part, max(held.entered - trade.entry_quantity, ZERO))
        else:
            part = min(part, max(trade.open_quantity - held.held, ZERO))
        if part <= 0:
            return
        left = kept.remaining - part
        booking = book_fills(
            trade=trade,
            order=None,
            purpose=purpose,
            fills=[replace(kept, allocated=kept.allocated + left)],
            base_currency=None,
            source=HistorySource.OPERATOR,
        )
        if not booking.history or not trade_may_become(trade.status, booking.trade.status):
            return
        self._write(
            Change(
                profile_id=trade.profile_id,
                premises=Premises(
                    trades={trade.id: trade.version}, orders={}, fills={kept.id: kept.allocated}
                ),
                trade=booking.trade,
                history=booking.history,
                allocations=booking.allocations,
            )
        )

    def _settle_slice(self, trade_id: int, now: datetime) -> None:
        """Let the books say of a slice what is truly open of it; then it is nobody's question."""
        trade = self.ledger.trades[trade_id]
        held = self.venue.slices[self._true_id(trade)]
        # What is held on another account is not held here: a person may say so, no machine can.
        target = ZERO if held.is_elsewhere else held.held
        drift = target - trade.open_quantity
        changes_what = drift != 0
        if drift > 0:
            trade = self._write_row(trade, Purpose.ENTRY, drift, now)
        elif drift < 0:
            trade = self._write_row(trade, Purpose.EXIT, -drift, now)
        if trade.status == TradeStatus.QUARANTINED:
            self._write(
                Change(
                    profile_id=trade.profile_id,
                    premises=Premises(trades={trade.id: trade.version}, orders={}, fills={}),
                    trade=replace(trade, status=TradeStatus.OPEN),
                )
            )
        self.ledger.answer(trade_id, "approved" if changes_what else "rejected")
        self.touched.add(held.trade_id)
        self.decisions += 1

    def _write_row(
        self, trade: TradeState, purpose: Purpose, quantity: Decimal, now: datetime
    ) -> TradeState:
        draft = HistoryDraft(
            trade_id=trade.id,
            key=history_key(
                trade_id=trade.id,
                kind=HistoryKind(purpose),
                evidence=f"operator:{self.decisions}",
                reversals=trade.reversals,
            ),
            kind=HistoryKind(purpose),
            source=HistorySource.OPERATOR,
            quantity=quantity,
            price=None,
            executed_at=now,
        )
        after = with_status_of_quantities(with_quantity(trade, purpose, quantity, None), draft)
        self._write(
            Change(
                profile_id=trade.profile_id,
                premises=Premises(trades={trade.id: trade.version}, orders={}, fills={}),
                trade=after,
                history=(draft,),
            )
        )
        return self.ledger.trades[trade.id]

    def _settle_position(self, key: PositionKey, now: datetime) -> None:
        """Settle every slice and fill of a position; what is left over is a stranger's."""
        true = {each.fill.key: each for each in self.venue.fills}
        for fill_id in list(self.ledger.unbooked):
            kept = self.ledger.fills[fill_id]
            if kept.fill.symbol == key.symbol:
                self._settle_fill(kept, true[kept.fill.key])
        for trade in list(self._trades_at(key)):
            held = self.venue.slices[self._true_id(trade)]
            target = ZERO if held.is_elsewhere else held.held
            if target != trade.open_quantity:
                self._settle_slice(trade.id, now)
        strangers = self.venue.strangers.get(key, ZERO)
        if strangers:
            self.jobs.accepted[key] = strangers

    def _trades_at(self, key: PositionKey) -> Iterable[TradeState]:
        for trade in self.ledger.trades.values():
            side = self.venue.side_of(trade.direction)
            is_live = trade.status not in (TradeStatus.PENDING, TradeStatus.CANCELED)
            if (trade.symbol, side) == (key.symbol, key.side) and is_live:
                yield trade

    def _write(self, change: Change) -> None:
        self.ledger.apply([change], asks=False)
        if change.trade is not None:
            self.touched.add(self._true_id(change.trade))

    def _true_id(self, trade: TradeState) -> str:
        return self.ledger.true_names[trade.code]
