"""What a person takes into a slice: never more than there is, never another's."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.books import KeptFill, ProfileState, TradeState
from reconciliation.domain.keys import trade_code
from reconciliation.domain.plans.adoption import opened_trade
from reconciliation.domain.plans.booking import with_quantity
from reconciliation.domain.plans.nobodys import (
    NEW_TRADE,
    Destination,
    Orphan,
    Refusal,
    plan_fill_adoption,
    plan_orphan_adoption,
)
from reconciliation.domain.types import ExchangeFill
from reconciliation.enums import Direction, FillKind, PositionSide, Purpose, Side, TradeStatus
from tests.domain.builders import NOW, SYMBOL

ALPHA = ProfileState(id=1, name="alpha", sub_tag="alpha01")
BETA = ProfileState(id=2, name="beta", sub_tag="beta01")
amounts = st.integers(1, 10**6).map(lambda n: Decimal(n).scaleb(-4))
signs = st.sampled_from([Decimal(1), Decimal(-1)])


@st.composite
def trades(draw: st.DrawFn) -> TradeState | None:
    """Return a slice of alpha or beta that holds something or is flat, or none."""
    if draw(st.booleans()):
        return None
    profile = draw(st.sampled_from([ALPHA, BETA]))
    trade = opened_trade(
        profile=profile,
        trade_id="T1",
        code=trade_code(profile.sub_tag, "T1"),
        symbol=draw(st.sampled_from([SYMBOL, "ETH/USDT:USDT"])),
        direction=draw(st.sampled_from(Direction)),
        opened_at=NOW - timedelta(hours=2),
        temporary_id=7,
    )
    entered = draw(amounts)
    exited = draw(amounts.map(lambda amount: min(amount, entered)))
    trade = with_quantity(trade, Purpose.ENTRY, entered, Decimal(60000))
    trade = with_quantity(trade, Purpose.EXIT, exited, Decimal(61000))
    status = TradeStatus.OPEN if trade.open_quantity > 0 else TradeStatus.CLOSED
    return TradeState(**{**{f: getattr(trade, f) for f in trade.__slots__}, "status": status})


@st.composite
def fills(draw: st.DrawFn) -> KeptFill:
    quantity = draw(amounts)
    return KeptFill(
        id=5,
        fill=ExchangeFill(
            fill_id="9001",
            symbol=SYMBOL,
            side=draw(st.sampled_from(Side)),
            quantity=quantity,
            price=Decimal(60500),
            executed_at=NOW,
            kind=draw(st.sampled_from(FillKind)),
            sub_tag=draw(st.sampled_from([None, "alpha01", "beta01", "stranger"])),
            position_side=draw(st.sampled_from([None, *PositionSide])),
        ),
        allocated=draw(amounts.map(lambda amount: min(amount, quantity)) | st.just(Decimal(0))),
    )


def into(trade: TradeState | None) -> Destination:
    return Destination(profile=ALPHA, trade_id="T1", trade=trade, profiles={1: ALPHA, 2: BETA})


@given(fills(), trades())
def test_a_fill_is_booked_whole_to_a_slice_that_it_fits_or_not_at_all(
    kept: KeptFill, trade: TradeState | None
):
    change = plan_fill_adoption(kept, into(trade), base_currency=None)
    if isinstance(change, Refusal):
        return
    after = change.trade
    assert after is not None
    assert kept.remaining > 0
    assert kept.fill.sub_tag != "beta01"
    assert after.profile_id == change.profile_id == ALPHA.id
    assert after.symbol == kept.fill.symbol
    assert kept.fill.position_side in (None, PositionSide.NET, PositionSide(after.direction.value))
    assert sum(each.quantity for each in change.allocations) == kept.remaining
    assert after.exit_quantity <= after.entry_quantity
    before = Decimal(0) if trade is None else trade.signed_open_quantity
    moved = kept.remaining if kept.fill.side == Side.BUY else -kept.remaining
    assert after.signed_open_quantity == before + moved
    assert change.premises.fills == {5: kept.allocated}
    assert change.premises.trades == ({} if trade is None else {7: trade.version})
    if trade is None:
        assert (after.id, after.trade_id) == (NEW_TRADE, "T1")
        assert after.exit_quantity == 0
        assert kept.fill.kind == FillKind.TRADE


@given(
    amounts,
    signs,
    st.sampled_from(PositionSide),
    st.none() | amounts,
    st.none() | amounts,
    trades(),
)
def test_an_orphan_enters_a_slice_of_its_direction_by_exactly_its_excess(
    amount: Decimal,
    sign: Decimal,
    side: PositionSide,
    entry_price: Decimal | None,
    mark: Decimal | None,
    trade: TradeState | None,
):
    orphan = Orphan(
        mismatch_id=3,
        symbol=SYMBOL,
        side=side,
        excess=amount * sign,
        entry_price=entry_price,
        mark=mark,
        seen_at=NOW,
    )
    change = plan_orphan_adoption(orphan, into(trade))
    if isinstance(change, Refusal):
        return
    (row,), after = change.history, change.trade
    assert after is not None
    assert row.price == (mark if entry_price is None else entry_price)
    assert row.price is not None
    assert row.estimated
    assert row.exchange_fill_id is None
    assert not change.allocations
    assert after.direction == orphan.direction
    assert after.status in (TradeStatus.OPEN, TradeStatus.QUARANTINED)
    assert after.open_quantity == amount + (Decimal(0) if trade is None else trade.open_quantity)
