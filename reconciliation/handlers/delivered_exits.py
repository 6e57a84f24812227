"""Delivered exits that take the place of synthetic ones of their slices."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import StandingExits, SyntheticExit, TradeState
from reconciliation.domain.plans.changes import HistoryDraft
from reconciliation.domain.plans.reversals import is_synthetic, replace_exit, reversed_event
from reconciliation.handlers.bulk import insert_rows
from reconciliation.handlers.delivered_rows import Desk
from reconciliation.models import Profile, Trade, TradeHistory
from reconciliation.selectors.states import trade_state
from reconciliation.selectors.synthetic_exits import standing_exits


def stands_for_a_fill(source: str, exchange_fill_id: str | None) -> bool:
    """Return whether a delivered exit happened, and is not itself one without a fill."""
    return not is_synthetic(source, exchange_fill_id)


class ReplacementDesk:
    """The portal's own rows of a delivery: reversals, and what is synthetic still.

    Rows that are not written yet have no key; they go by numbers below zero until then.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._made: list[tuple[TradeHistory, Trade]] = []
        self._reversed: list[TradeHistory] = []
        self._reverses: dict[int, TradeHistory] = {}
        self._numbered: dict[int, TradeHistory] = {}
        self._first: dict[int, tuple[Trade, TradeState]] = {}
        self._drafts: dict[int, list[HistoryDraft]] = {}

    def standing(self, rows: Iterable[TradeHistory]) -> StandingExits | None:
        """Return the exits of a trade that stand, None where all have their fills."""
        exits = [row for row in rows if row.booked_quantity > 0]
        found = standing_exits(exits)
        if not found.synthetic:
            return None
        synthetic = [row for row in exits if is_synthetic(row.source, row.exchange_fill_id)]
        return StandingExits(
            synthetic=tuple(
                self._as_known(row, state)
                for row, state in zip(synthetic, found.synthetic, strict=True)
            ),
            real=found.real,
        )

    def is_reversed(self, row: TradeHistory) -> bool:
        """Return whether this delivery takes a row back."""
        return any(each is row for each in self._reversed)

    def replace(
        self,
        standing: StandingExits,
        trade: Trade,
        added: TradeHistory,
        rows: list[TradeHistory],
    ) -> TradeState | None:
        """Return the trade after a delivered exit that replaces synthetic ones, else None.

        The portal's rows of it join the `rows` of the trade.
        """
        before = trade_state(trade)
        replaced = replace_exit(
            trade=before,
            standing=standing,
            quantity=added.booked_quantity,
            price=added.price,
            executed_at=added.executed_at,
        )
        if replaced is None:
            return None
        after, taken = replaced
        rows[:] = [row for row in rows if row.key not in taken.dropped]
        self._made = [each for each in self._made if each[0].key not in taken.dropped]
        for draft in (*taken.reversals, *taken.rest):
            row = self._row(draft)
            if draft.reverses_id is not None:
                target = self._numbered[draft.reverses_id]
                self._reversed.append(target)
                self._reverses[id(row)] = target
            rows.append(row)
            self._made.append((row, trade))
        self._first.setdefault(id(trade), (trade, before))
        self._drafts.setdefault(id(trade), []).extend(taken.reversals)
        return after

    def write(self) -> None:
        """Write the rows; what they reverse, and their trades, have their keys by now."""
        for row, trade in self._made:
            row.trade_id = trade.pk
            target = self._reverses.get(id(row))
            row.reverses_id = None if target is None else target.pk
        insert_rows(TradeHistory, [row for row, _ in self._made])

    def events(self, profiles: Mapping[int, Profile]) -> list[EventDraft]:
        """Return one event a trade whose synthetic exits were replaced."""
        ids = {number: row.pk for number, row in self._numbered.items()}
        found = []
        for key, (trade, before) in self._first.items():
            drafts = [
                replace(draft, reverses_id=ids[draft.reverses_id])
                for draft in self._drafts[key]
                if draft.reverses_id is not None
            ]
            event = reversed_event(before, trade_state(trade), drafts)
            if event is not None:
                found.append(
                    replace(
                        event,
                        object_id=str(trade.pk),
                        profile=profiles[trade.profile_id].name,
                        account=self.desk.account.name,
                    )
                )
        return found

    def _as_known(self, row: TradeHistory, state: SyntheticExit) -> SyntheticExit:
        """Return an exit under its key, or the number that it has until it is written."""
        if any(row is made for made, _ in self._made):
            return replace(state, id=None)
        number = -1 - len(self._numbered) if row.pk is None else row.pk
        self._numbered[number] = row
        return replace(state, id=number)

    def _row(self, draft: HistoryDraft) -> TradeHistory:
        return TradeHistory(
            key=draft.key,
            kind=draft.kind,
            source=draft.source,
            quantity=draft.quantity,
            booked_quantity=draft.quantity,
            price=draft.price,
            fee_currency="",
            estimated=draft.estimated,
            evidence_hash=draft.evidence_hash,
            executed_at=draft.executed_at,
            recorded_at=self.desk.now,
        )
