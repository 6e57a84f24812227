"""Book to a trade what is left of its fills once delivered rows are linked to them.

Invariants: a fill is consumed at most once; an exit never exceeds the open quantity; the same
fills in any order of input give the same rows; booking twice books nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconciliation.domain.amounts import (
    QUANTUM,
    ZERO,
    plain,
    product,
    ratio,
    round_to_column,
    weighted_average,
)
from reconciliation.domain.books import KeptFill, OrderState, TradeState
from reconciliation.domain.keys import evidence_hash, fill_evidence, history_key
from reconciliation.domain.plans.changes import AllocationDraft, HistoryDraft
from reconciliation.domain.plans.evidence import fill_as_evidence
from reconciliation.domain.types import ExchangeFill
from reconciliation.enums import HistoryKind, HistorySource, Purpose, Side, TradeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """The outcome: the trade after, the drafts, and the net quantity that found no room.

    `overclose` is what exit fills hold beyond the open quantity: it stays with the fill. `dropped`
    are the keys of planned rows that are not to be written any more.
    """

    trade: TradeState
    history: tuple[HistoryDraft, ...]
    allocations: tuple[AllocationDraft, ...]
    overclose: Decimal
    dropped: frozenset[str] = frozenset()


def book_fills(
    *,
    trade: TradeState,
    order: OrderState | None,
    purpose: Purpose,
    fills: Sequence[KeptFill],
    base_currency: str | None,
    source: HistorySource,
    at_most: Decimal | None = None,
) -> Booking:
    """Book what remains of the fills to the trade, oldest first, one history row a fill.

    `base_currency` is that of a spot symbol, where a fee in it changes what was gained. `at_most`
    bounds what an exit takes in all, net, where only a part of the fills is the trade's.
    """
    least_open = ZERO if at_most is None else max(trade.open_quantity - at_most, ZERO)
    history: list[HistoryDraft] = []
    allocations: list[AllocationDraft] = []
    overclose = ZERO
    ordered = sorted(fills, key=lambda kept: (kept.fill.executed_at, kept.fill.fill_id, kept.id))
    for kept in ordered:
        gross = kept.remaining
        net = net_quantity(kept.fill, gross, base_currency)
        room = trade.open_quantity - least_open
        if purpose == Purpose.EXIT and net > room:
            overclose += net - room
            gross = gross_of(kept, room, base_currency)
            net = room
        if net <= 0 or gross <= 0:
            continue
        draft = _draft(trade, order, kept, HistoryKind(purpose), source, net=net, gross=gross)
        history.append(draft)
        allocations.append(
            AllocationDraft(
                fill_id=kept.id, trade_id=trade.id, quantity=gross, history_key=draft.key
            )
        )
        trade = with_quantity(trade, purpose, net, kept.fill.price)
    if history:
        trade = with_status_of_quantities(trade, history[-1])
    return Booking(
        trade=trade,
        history=tuple(history),
        allocations=tuple(allocations),
        overclose=overclose,
    )


def net_quantity(fill: ExchangeFill, gross: Decimal, base_currency: str | None) -> Decimal:
    """Return what `gross` of a fill moved the holding by, base units, without its sign.

    A fee paid in the base currency of a spot market takes from what was bought, and adds to what
    left the account when it was sold.
    """
    if base_currency is None or fill.fee is None or fill.fee_currency != base_currency:
        return gross
    fee = -fill.fee if fill.side == Side.BUY else fill.fee
    if gross == fill.quantity:
        return gross + fee
    return gross + round_to_column(product(fee, ratio(gross, fill.quantity)))


def gross_of(kept: KeptFill, net: Decimal, base_currency: str | None) -> Decimal:
    """Return the gross part of what remains of a fill that a net quantity stands for.

    All that remains stands for all of its net quantity, and a part for no less than its own, so
    that no rounding leaves a crumb of the quantity to be asked for again.
    """
    if net >= net_quantity(kept.fill, kept.remaining, base_currency):
        return kept.remaining
    whole = net_quantity(kept.fill, kept.fill.quantity, base_currency)
    if whole == kept.fill.quantity:
        return net
    share = round_to_column(product(net, ratio(kept.fill.quantity, whole)))
    while net_quantity(kept.fill, share, base_currency) < net:
        share += QUANTUM
    return min(share, kept.remaining)


def with_quantity(
    trade: TradeState, purpose: Purpose, quantity: Decimal, price: Decimal | None
) -> TradeState:
    """Return the trade with a net quantity more entered or exited at a price.

    An unknown price leaves the average unknown.
    """
    if purpose == Purpose.ENTRY:
        return replace(
            trade,
            entry_quantity=trade.entry_quantity + quantity,
            average_entry_price=_average(
                trade.entry_quantity, trade.average_entry_price, quantity, price
            ),
        )
    return replace(
        trade,
        exit_quantity=trade.exit_quantity + quantity,
        average_exit_price=_average(trade.exit_quantity, trade.average_exit_price, quantity, price),
    )


def with_status_of_quantities(trade: TradeState, last: HistoryDraft) -> TradeState:
    """Return the trade with the status that its quantities mean.

    An entry on a closed or canceled trade reopens it; a quarantined one stays so until flat.
    """
    if trade.open_quantity == 0 and trade.entry_quantity > 0:
        return replace(trade, status=TradeStatus.CLOSED, closed_at=last.executed_at)
    if trade.open_quantity > 0 and trade.status != TradeStatus.QUARANTINED:
        return replace(trade, status=TradeStatus.OPEN, closed_at=None)
    return trade


def dust_row(
    trade: TradeState, *, amount_step: Decimal | None, after: HistoryDraft
) -> HistoryDraft | None:
    """Return the DUST row that closes a residue below one amount step after an exit, if any.

    It has no price: nothing was sold. Without a known step nothing is dust.
    """
    residue = trade.open_quantity
    if amount_step is None or not ZERO < residue < amount_step or trade.exit_quantity == 0:
        return None
    return HistoryDraft(
        trade_id=trade.id,
        key=history_key(
            trade_id=trade.id, kind="DUST", evidence=after.key, reversals=trade.reversals
        ),
        kind=HistoryKind.EXIT,
        source=HistorySource.DUST,
        quantity=residue,
        price=None,
        executed_at=after.executed_at,
        order_id=after.order_id,
        estimated=True,
        evidence_hash=evidence_hash(
            {"residue": residue, "amount_step": amount_step, "after": after.key}
        ),
    )


def with_dust(booking: Booking, amount_step: Decimal | None) -> Booking:
    """Return a booking of exits with a DUST row that closes a residue below one amount step."""
    if not booking.history:
        return booking
    dust = dust_row(booking.trade, amount_step=amount_step, after=booking.history[-1])
    if dust is None:
        return booking
    trade = with_quantity(booking.trade, Purpose.EXIT, dust.quantity, None)
    # A residue has no price; the average of what was sold stays what it was.
    trade = replace(trade, average_exit_price=booking.trade.average_exit_price)
    return replace(
        booking,
        trade=with_status_of_quantities(trade, dust),
        history=(*booking.history, dust),
    )


def booked_average(fills: Sequence[KeptFill]) -> Decimal | None:
    """Return the average price of all fills of an order."""
    return weighted_average((kept.fill.quantity, kept.fill.price) for kept in fills)


def _draft(
    trade: TradeState,
    order: OrderState | None,
    kept: KeptFill,
    kind: HistoryKind,
    source: HistorySource,
    *,
    net: Decimal,
    gross: Decimal,
) -> HistoryDraft:
    fill = kept.fill
    name = fill_evidence(symbol=fill.symbol, side=fill.side, fill_id=fill.fill_id)
    # What was consumed of the fill before tells a later part of it from a replay of the first.
    evidence = name if kept.allocated == 0 else f"{name}:{plain(kept.allocated)}"
    fee = fill.fee
    if fee is not None and gross != fill.quantity:
        fee = round_to_column(product(fee, ratio(gross, fill.quantity)))
    return HistoryDraft(
        trade_id=trade.id,
        key=history_key(trade_id=trade.id, kind=kind, evidence=evidence, reversals=trade.reversals),
        kind=kind,
        source=source,
        quantity=net,
        price=fill.price,
        executed_at=fill.executed_at,
        order_id=None if order is None else order.id,
        exchange_fill_id=fill.fill_id,
        fee=fee,
        fee_currency=fill.fee_currency,
        evidence_hash=evidence_hash(fill_as_evidence(fill)),
    )


def _average(
    quantity: Decimal, average: Decimal | None, more: Decimal, price: Decimal | None
) -> Decimal | None:
    if quantity == 0:
        return price
    if price is None or average is None:
        return None
    return weighted_average([(quantity, average), (more, price)])
