"""A real exit takes the place of the synthetic one that was booked for it.

The synthetic rows are taken back by REVERSAL rows, the real exit is booked, and what it does not
explain is booked synthetically again. Invariants: the open quantity changes by no more than what
the real exit holds beyond the synthetic ones; the exits that stand sum to the exit quantity; in
whichever order parts of the real exit arrive, quantities, prices and status come out the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, plain, total, weighted_average
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import (
    KeptFill,
    OrderState,
    RealExit,
    StandingExits,
    SyntheticExit,
    TradeState,
)
from reconciliation.domain.keys import evidence_hash, history_key
from reconciliation.domain.plans.booking import Booking, book_fills, net_quantity
from reconciliation.domain.plans.changes import HistoryDraft
from reconciliation.domain.plans.evidence import trade_as_evidence
from reconciliation.enums import (
    SYNTHETIC_SOURCES,
    HistoryKind,
    HistorySource,
    Purpose,
    TradeStatus,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """What makes room for a real exit: the trade without the rows, their reversals, the rest.

    `dropped` are keys of rows that were only planned: they are not written at all.
    """

    trade: TradeState
    reversals: tuple[HistoryDraft, ...]
    rest: tuple[HistoryDraft, ...]
    dropped: frozenset[str]


def is_synthetic(source: str, exchange_fill_id: str | None) -> bool:
    """Return whether an exit of this source and fill was booked without a fill."""
    return source in SYNTHETIC_SOURCES and exchange_fill_id is None


def book_exits(
    *,
    trade: TradeState,
    order: OrderState | None,
    fills: Sequence[KeptFill],
    base_currency: str | None,
    source: HistorySource,
    standing: StandingExits | None,
    at_most: Decimal | None = None,
) -> Booking:
    """Book what remains of exit fills: in the place of synthetic exits, and to what is open.

    `at_most` bounds what is booked in all, net, where only a part of the fills is the trade's.
    """
    parts = _bounded(
        sorted(
            (
                kept.fill.executed_at,
                max(net_quantity(kept.fill, kept.remaining, base_currency), ZERO),
            )
            for kept in fills
        ),
        at_most,
    )
    replaced = ZERO if standing is None else replaced_by(parts, trade, standing)
    taken = None
    if standing is not None and replaced > 0:
        taken = take_back(trade, standing, replaced, source=source)
    booking = book_fills(
        trade=trade if taken is None else taken.trade,
        order=order,
        purpose=Purpose.EXIT,
        fills=fills,
        base_currency=base_currency,
        source=source,
        at_most=at_most,
    )
    if standing is None or not booking.history:
        return booking
    if taken is None:
        after = standing_after(standing, booking.history)
        return replace(booking, trade=settle(booking.trade, after, was=trade.status))
    history = (*taken.reversals, *booking.history, *taken.rest)
    after = standing_after(standing, history, taken.dropped)
    return replace(
        booking,
        trade=settle(_with_rest(booking.trade, taken), after, was=trade.status),
        history=history,
        dropped=taken.dropped,
    )


def _bounded(
    parts: Iterable[tuple[datetime, Decimal]], at_most: Decimal | None
) -> list[tuple[datetime, Decimal]]:
    """Return the parts, oldest first, as far as their sum stays within a bound."""
    bounded = []
    for executed_at, quantity in parts:
        taken = quantity if at_most is None else min(quantity, at_most)
        at_most = None if at_most is None else at_most - taken
        bounded.append((executed_at, taken))
    return bounded


def replaced_by(
    parts: Iterable[tuple[datetime, Decimal]], trade: TradeState, standing: StandingExits
) -> Decimal:
    """Return how much of the synthetic exits real ones of these moments and quantities are.

    What was sold before the slice was found to be flat is what was found; what is sold later of a
    slice that holds something is the exit of that, before it is anything else.
    """
    left, open_quantity, replaced = standing.quantity, trade.open_quantity, ZERO
    found_at = max((row.executed_at for row in standing.synthetic), default=None)
    for executed_at, quantity in parts:
        if found_at is not None and executed_at <= found_at:
            taken = min(quantity, left)
            exited = min(quantity - taken, open_quantity)
        else:
            exited = min(quantity, open_quantity)
            taken = min(quantity - exited, left)
        left, open_quantity, replaced = left - taken, open_quantity - exited, replaced + taken
    return replaced


def take_back(
    trade: TradeState, standing: StandingExits, quantity: Decimal, *, source: HistorySource
) -> TakenBack:
    """Return what takes back synthetic exits, oldest first, until a quantity of them is free.

    What the last of them holds beyond that is booked again as it was.
    """
    back: list[SyntheticExit] = []
    for row in sorted(standing.synthetic, key=_age):
        if total(each.quantity for each in back) >= quantity:
            break
        back.append(row)
    freed = total(row.quantity for row in back)
    written = [row for row in back if row.id is not None]
    reversals = tuple(
        _reversal(row, trade, source, trade.reversals + done) for done, row in enumerate(written)
    )
    after = replace(
        trade,
        exit_quantity=trade.exit_quantity - freed,
        reversals=trade.reversals + len(written),
    )
    rest = (_rest(back[-1], after, freed - quantity),) if freed > quantity else ()
    return TakenBack(
        trade=after,
        reversals=reversals,
        rest=rest,
        dropped=frozenset(row.key for row in back if row.id is None),
    )


def replace_exit(
    *,
    trade: TradeState,
    standing: StandingExits,
    quantity: Decimal,
    price: Decimal | None,
    executed_at: datetime,
) -> tuple[TradeState, TakenBack] | None:
    """Return the trade after a real exit and what it takes back; None where that is nothing."""
    replaced = replaced_by([(executed_at, quantity)], trade, standing)
    if replaced == 0:
        return None
    taken = take_back(trade, standing, replaced, source=HistorySource.RECONCILED)
    after = standing_after(standing, (*taken.reversals, *taken.rest), taken.dropped)
    made = RealExit(quantity=quantity, price=price, executed_at=executed_at)
    after = replace(after, real=(*after.real, made))
    exited = replace(taken.trade, exit_quantity=taken.trade.exit_quantity + quantity)
    return settle(_with_rest(exited, taken), after, was=trade.status), taken


def standing_after(
    standing: StandingExits, history: Iterable[HistoryDraft], dropped: frozenset[str] = frozenset()
) -> StandingExits:
    """Return the exits that stand once rows are booked."""
    synthetic = [row for row in standing.synthetic if row.key not in dropped]
    real = list(standing.real)
    for draft in history:
        if draft.kind == HistoryKind.REVERSAL:
            synthetic = [row for row in synthetic if row.id != draft.reverses_id]
        elif draft.kind == HistoryKind.EXIT and is_synthetic(draft.source, draft.exchange_fill_id):
            synthetic.append(_planned(draft))
        elif draft.kind == HistoryKind.EXIT:
            real.append(
                RealExit(
                    quantity=draft.quantity,
                    price=draft.price,
                    executed_at=draft.executed_at,
                    is_dust=draft.source == HistorySource.DUST,
                )
            )
    return StandingExits(synthetic=tuple(synthetic), real=tuple(real))


def all_standing_after(
    standing: Mapping[int, StandingExits], history: Iterable[HistoryDraft]
) -> dict[int, StandingExits]:
    """Return by trade the exits that stand once rows are booked, where some have no fill."""
    by_trade: dict[int, list[HistoryDraft]] = {}
    for draft in history:
        by_trade.setdefault(draft.trade_id, []).append(draft)
    after = {
        trade_id: standing_after(exits, by_trade.get(trade_id, ()))
        for trade_id, exits in standing.items()
    }
    return {trade_id: exits for trade_id, exits in after.items() if exits.synthetic}


def settle(trade: TradeState, standing: StandingExits, *, was: TradeStatus) -> TradeState:
    """Return a trade with the average, status and end that its exits mean.

    The average is taken anew from every row, so that it does not depend on their order.
    """
    prices = [(row.quantity, row.price) for row in standing.real if not row.is_dust]
    prices += [(row.quantity, row.price) for row in standing.synthetic]
    known = [(quantity, price) for quantity, price in prices if price is not None]
    trade = replace(
        trade,
        average_exit_price=weighted_average(known) if len(known) == len(prices) else None,
    )
    if trade.open_quantity == 0:
        moments = [row.executed_at for row in standing.real]
        moments += [row.executed_at for row in standing.synthetic]
        return replace(trade, status=TradeStatus.CLOSED, closed_at=max(moments))
    kept = TradeStatus.QUARANTINED if was == TradeStatus.QUARANTINED else TradeStatus.OPEN
    return replace(trade, status=kept, closed_at=None)


def reversed_event(
    before: TradeState, after: TradeState, history: Iterable[HistoryDraft]
) -> EventDraft | None:
    """Return the event of synthetic exits that a real one replaced, None where none was."""
    rows = [
        {
            "history": row.reverses_id,
            "quantity": plain(row.quantity),
            "price": None if row.price is None else plain(row.price),
        }
        for row in history
        if row.kind == HistoryKind.REVERSAL
    ]
    if not rows:
        return None
    return EventDraft(
        action="trade.exit_reversed",
        object_type="trade",
        object_id=str(before.id),
        before={"trade": trade_as_evidence(before)},
        after={"trade": trade_as_evidence(after), "reversed": rows},
        comment="the real exit appeared that a synthetic one stood for",
    )


def _with_rest(trade: TradeState, taken: TakenBack) -> TradeState:
    rest = total(row.quantity for row in taken.rest)
    return replace(trade, exit_quantity=trade.exit_quantity + rest)


def _reversal(
    row: SyntheticExit, trade: TradeState, source: HistorySource, reversals: int
) -> HistoryDraft:
    return HistoryDraft(
        trade_id=trade.id,
        key=history_key(
            trade_id=trade.id,
            kind=HistoryKind.REVERSAL,
            evidence=row.key,
            reversals=reversals,
        ),
        kind=HistoryKind.REVERSAL,
        source=source,
        quantity=row.quantity,
        price=row.price,
        executed_at=row.executed_at,
        evidence_hash=evidence_hash({"reverses": row.key, "quantity": row.quantity}),
        reverses_id=row.id,
    )


def _rest(row: SyntheticExit, trade: TradeState, quantity: Decimal) -> HistoryDraft:
    """Return what is left of a synthetic exit as a row; one that was only planned is made less."""
    key = row.key
    if row.id is not None:
        key = history_key(
            trade_id=trade.id, kind=row.source, evidence=row.key, reversals=trade.reversals
        )
    return HistoryDraft(
        trade_id=trade.id,
        key=key,
        kind=HistoryKind.EXIT,
        source=row.source,
        quantity=quantity,
        price=row.price,
        executed_at=row.executed_at,
        estimated=row.estimated,
        evidence_hash=row.evidence_hash,
    )


def _planned(draft: HistoryDraft) -> SyntheticExit:
    return SyntheticExit(
        id=None,
        key=draft.key,
        source=draft.source,
        quantity=draft.quantity,
        price=draft.price,
        executed_at=draft.executed_at,
        estimated=draft.estimated,
        evidence_hash=draft.evidence_hash,
    )


def _age(row: SyntheticExit) -> tuple[datetime, bool, Decimal, int]:
    """Return the order of synthetic exits: also among equals it does not change with a reversal."""
    price = ZERO if row.price is None else row.price
    return row.executed_at, row.price is None, price, row.id or 0
