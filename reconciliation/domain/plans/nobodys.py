"""A person takes what belonged to nobody into a slice: an order, a fill, a position.

Invariants: nothing of another profile is taken; an exit never exceeds what its slice holds; a
fill is consumed at most once; a refusal writes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.attribution import Conflict, attribute, index_owners
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import KeptFill, ProfileState, StandingExits, TradeState
from reconciliation.domain.id_patterns import ClientOrderIdPattern
from reconciliation.domain.keys import evidence_hash, history_key, trade_code
from reconciliation.domain.plans.adoption import adopted_order, opened_trade
from reconciliation.domain.plans.booking import (
    Booking,
    book_fills,
    net_quantity,
    with_quantity,
    with_status_of_quantities,
)
from reconciliation.domain.plans.changes import Change, HistoryDraft, Premises
from reconciliation.domain.plans.evidence import fill_as_evidence, trade_as_evidence
from reconciliation.domain.plans.order_events import order_event
from reconciliation.domain.plans.reversals import book_exits, reversed_event
from reconciliation.domain.transitions import trade_may_become
from reconciliation.domain.types import ExchangeFill, ExchangeOrder
from reconciliation.enums import (
    DecisionRefusal,
    Direction,
    FillKind,
    HistoryKind,
    HistorySource,
    PositionSide,
    Purpose,
    Side,
    TradeStatus,
)

NEW_TRADE, NEW_ORDER = -1, -2
GONE_FROM_EXCHANGE = "gone from the exchange"
"""Why an external order waits no more that nobody decided on."""
OWNED_BY_NOW = "it is in the books now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why something is not adopted."""

    code: DecisionRefusal
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Whose it shall be: the slice that has the id `trade_id`, a new one, or none (`""`).

    `profiles` are all of the account, disabled ones too: what is theirs is nobody else's. `named`
    are those whose trades the item names by a hint; `pattern` is the bots' own scheme of ids.
    """

    profile: ProfileState
    trade_id: str
    trade: TradeState | None
    profiles: Mapping[int, ProfileState]
    named: frozenset[int] = frozenset()
    pattern: ClientOrderIdPattern | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """What an account holds beyond its slices. `excess` is signed, base units."""

    mismatch_id: int
    symbol: str
    side: PositionSide
    excess: Decimal
    entry_price: Decimal | None
    mark: Decimal | None
    seen_at: datetime

    @property
    def direction(self) -> Direction:
        """Return which slices hold such a position."""
        if self.side == PositionSide.NET:
            return Direction.LONG if self.excess > 0 else Direction.SHORT
        return Direction(self.side.value)

    @property
    def price(self) -> Decimal | None:
        """Return what a unit of it is booked at: the exchange's entry price, else the mark."""
        return self.mark if self.entry_price is None else self.entry_price


def plan_order_adoption(shown: ExchangeOrder, into: Destination) -> Change | Refusal:
    """Take an open order into a profile, and into a slice where one is named.

    Its fills are booked by the next cycle, which knows the instrument and what was read of them.
    """
    if shown.quantity is None or shown.quantity <= 0:
        return _refuse(
            DecisionRefusal.QUANTITY_OUT_OF_RANGE, "the order does not say its quantity in units"
        )
    foreign = _foreign(shown, into)
    if foreign is not None:
        return foreign
    trade: TradeState | None = None
    purpose: Purpose | None = None
    if into.trade_id:
        assert shown.created_at is not None  # noqa: S101  (the caller gives when it was first seen)
        placed = _place(into, shown.symbol, shown.side, shown.position_side, shown.created_at)
        if isinstance(placed, Refusal):
            return placed
        trade, purpose = placed
        if purpose == Purpose.EXIT and trade.status in (TradeStatus.CLOSED, TradeStatus.CANCELED):
            return _wrong(f"{trade.trade_id} is {trade.status}: there is nothing to exit")
    after = trade
    if trade is not None and trade.status == TradeStatus.CANCELED:
        after = replace(trade, status=TradeStatus.PENDING)  # an entry of it lives
    order = adopted_order(
        shown,
        profile_id=into.profile.id,
        trade=trade,
        purpose=purpose,
        quantity=shown.quantity,
        temporary_id=NEW_ORDER,
    )
    is_new = trade is not None and trade.id == NEW_TRADE
    return Change(
        profile_id=into.profile.id,
        premises=Premises(trades=_version_of(trade), orders={}, fills={}),
        trade=after if is_new or after != trade else None,
        orders=(order,),
        events=(order_event("order.adopted", order, order, shown, "a person says whose it is"),),
    )


def plan_fill_adoption(
    kept: KeptFill,
    into: Destination,
    *,
    base_currency: str | None,
    standing: StandingExits | None = None,
) -> Change | Refusal:
    """Book what is left of a fill to a slice, as what its side makes it.

    An exit takes the place of what was exited without a fill: those of `standing`.
    """
    fill = kept.fill
    if kept.remaining <= 0:
        return _refuse(DecisionRefusal.DECIDED_ALREADY, "all of the fill is booked")
    foreign = _foreign(fill, into)
    if foreign is not None:
        return foreign
    placed = _place(into, fill.symbol, fill.side, fill.position_side, fill.executed_at)
    if isinstance(placed, Refusal):
        return placed
    trade, purpose = placed
    if purpose == Purpose.ENTRY and fill.kind != FillKind.TRADE:
        return _wrong(f"a {fill.kind} never enters a slice")
    net = net_quantity(fill, kept.remaining, base_currency)
    room = trade.open_quantity + (ZERO if standing is None else standing.quantity)
    if purpose == Purpose.EXIT and net > room:
        return _refuse(
            DecisionRefusal.QUANTITY_OUT_OF_RANGE,
            f"{plain(net)} is more than the {plain(room)} that {trade.trade_id} holds",
        )
    booking = _book(trade, purpose, kept, base_currency=base_currency, standing=standing)
    if not booking.history:
        return _refuse(DecisionRefusal.QUANTITY_OUT_OF_RANGE, "the fee takes all of the fill")
    if not trade_may_become(trade.status, booking.trade.status):
        return _wrong(f"{trade.trade_id} is {trade.status}")
    evidence = fill_as_evidence(fill)
    event = _booked_event(purpose, trade, booking.trade, booking.history, evidence)
    replaced = reversed_event(trade, booking.trade, booking.history)
    return Change(
        profile_id=into.profile.id,
        premises=Premises(trades=_version_of(trade), orders={}, fills={kept.id: kept.allocated}),
        trade=booking.trade,
        history=booking.history,
        allocations=booking.allocations,
        events=(event,) if replaced is None else (event, replaced),
    )


def _book(
    trade: TradeState,
    purpose: Purpose,
    kept: KeptFill,
    *,
    base_currency: str | None,
    standing: StandingExits | None,
) -> Booking:
    source = HistorySource.OPERATOR
    if purpose == Purpose.EXIT:
        return book_exits(
            trade=trade,
            order=None,
            fills=[kept],
            base_currency=base_currency,
            source=source,
            standing=standing,
        )
    return book_fills(
        trade=trade,
        order=None,
        purpose=purpose,
        fills=[kept],
        base_currency=base_currency,
        source=source,
    )


def plan_orphan_adoption(orphan: Orphan, into: Destination) -> Change | Refusal:
    """Book a position beyond all slices to a slice, as an entry of which no fill is known."""
    side = Side.BUY if orphan.direction == Direction.LONG else Side.SELL
    position_side = None if orphan.side == PositionSide.NET else orphan.side
    placed = _place(into, orphan.symbol, side, position_side, orphan.seen_at)
    if isinstance(placed, Refusal):
        return placed
    trade, purpose = placed
    if purpose != Purpose.ENTRY:
        return _wrong(f"{trade.trade_id} is {trade.direction}, and the position is not")
    quantity = abs(orphan.excess)
    if quantity == 0:
        return _refuse(DecisionRefusal.QUANTITY_OUT_OF_RANGE, "there is nothing to take")
    if orphan.price is None:
        return _refuse(
            DecisionRefusal.PRICE_NEEDED, "the exchange told neither an entry price nor a mark"
        )
    evidence = {
        "orphan": orphan.mismatch_id,
        "symbol": orphan.symbol,
        "side": orphan.side,
        "excess": plain(orphan.excess),
        "entry_price": None if orphan.entry_price is None else plain(orphan.entry_price),
        "mark": None if orphan.mark is None else plain(orphan.mark),
    }
    row = HistoryDraft(
        trade_id=trade.id,
        key=history_key(
            trade_id=trade.id,
            kind=HistoryKind.ENTRY,
            evidence=f"orphan:{orphan.mismatch_id}",
            reversals=trade.reversals,
        ),
        kind=HistoryKind.ENTRY,
        source=HistorySource.OPERATOR,
        quantity=quantity,
        price=orphan.price,
        executed_at=orphan.seen_at,
        estimated=True,
        evidence_hash=evidence_hash(evidence),
    )
    after = with_status_of_quantities(
        with_quantity(trade, Purpose.ENTRY, quantity, orphan.price), row
    )
    if not trade_may_become(trade.status, after.status):
        return _wrong(f"{trade.trade_id} is {trade.status}")
    return Change(
        profile_id=into.profile.id,
        premises=Premises(trades=_version_of(trade), orders={}, fills={}),
        trade=after,
        history=(row,),
        events=(_booked_event(Purpose.ENTRY, trade, after, (row,), evidence),),
    )


def _place(
    into: Destination,
    symbol: str,
    side: Side,
    position_side: PositionSide | None,
    moment: datetime,
) -> tuple[TradeState, Purpose] | Refusal:
    """Return the slice, found or opened, and whether that side enters or exits it."""
    if not into.trade_id:
        return _refuse(DecisionRefusal.TRADE_NEEDED, "say into which trade")
    direction = Direction.LONG if side == Side.BUY else Direction.SHORT
    if position_side not in (None, PositionSide.NET):
        direction = Direction(str(position_side))
    trade = into.trade or opened_trade(
        profile=into.profile,
        trade_id=into.trade_id,
        code=trade_code(into.profile.sub_tag, into.trade_id),
        symbol=symbol,
        direction=direction,
        opened_at=moment,
        temporary_id=NEW_TRADE,
    )
    if trade.profile_id != into.profile.id:
        return _refuse(DecisionRefusal.FOREIGN, f"{trade.trade_id} is another profile's")
    if trade.symbol != symbol:
        return _wrong(f"{trade.trade_id} is in {trade.symbol}, and it is in {symbol}")
    if position_side not in (None, PositionSide.NET) and trade.direction != direction:
        return _wrong(f"{trade.trade_id} is {trade.direction}, and it is of the {direction} side")
    purpose = Purpose.ENTRY if side == trade.side_of(Purpose.ENTRY) else Purpose.EXIT
    if into.trade is None and purpose == Purpose.EXIT:
        return _wrong(f"a {side} of the {direction} side exits, and there is no slice to exit")
    return trade, purpose


def _foreign(item: ExchangeOrder | ExchangeFill, into: Destination) -> Refusal | None:
    """Refuse what its own evidence says is another profile's, or contradicts itself about."""
    # Without trades: what it names of its own profile's is for the person to overrule.
    found = attribute(item, index_owners(into.profiles, [], into.pattern))
    if isinstance(found, Conflict):
        return _refuse(DecisionRefusal.FOREIGN, found.sentence)
    if found is not None and found.profile.id != into.profile.id:
        return _refuse(DecisionRefusal.FOREIGN, f"it is {found.profile.name}'s")
    if into.named - {into.profile.id}:
        return _refuse(DecisionRefusal.FOREIGN, "it names a trade of another profile")
    return None


def _booked_event(
    purpose: Purpose,
    before: TradeState,
    after: TradeState,
    rows: tuple[HistoryDraft, ...],
    evidence: Mapping[str, object],
) -> EventDraft:
    action = "trade.entry_filled" if purpose == Purpose.ENTRY else "trade.exit_filled"
    return EventDraft(
        action=action,
        object_type="trade",
        object_id=str(before.id),
        before={"trade": trade_as_evidence(before)},
        after={
            "trade": trade_as_evidence(after),
            "evidence": evidence,
            "booked": [
                {"kind": row.kind, "source": row.source, "quantity": plain(row.quantity)}
                for row in rows
            ],
        },
        comment="a person says whose it is",
        evidence=(evidence_hash(evidence),),
    )


def _version_of(trade: TradeState | None) -> dict[int, int]:
    return {} if trade is None or trade.id == NEW_TRADE else {trade.id: trade.version}


def _wrong(sentence: str) -> Refusal:
    return _refuse(DecisionRefusal.WRONG_SLICE, sentence)


def _refuse(code: DecisionRefusal, sentence: str) -> Refusal:
    return Refusal(code=code, sentence=sentence)
