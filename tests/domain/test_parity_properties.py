"""What holds of every comparison, whatever the two sides are."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.amounts import total
from reconciliation.domain.parity import OF_SLICES
from reconciliation.domain.plans.parity import plan_synthetic_exit
from reconciliation.enums import Direction, ParityKind, TradeStatus
from tests.domain.builders import NOW
from tests.domain.parity_worlds import STEP, found, holding, signed, slices

accepted = st.one_of(st.just(Decimal(0)), signed)


@given(slices(), signed)
def test_shares_sum_to_the_difference_and_none_is_negative(trades, actual):
    finding = found(actual, *trades)

    if finding.kind in OF_SLICES:
        assert [share.trade for share in finding.shares] == trades
        assert total(share.quantity for share in finding.shares) == abs(finding.drift)
        assert all(share.quantity >= 0 for share in finding.shares)
    else:
        assert finding.shares == ()


@given(slices(), signed)
def test_slices_and_excess_sum_to_what_the_exchange_holds(trades, actual):
    finding = found(actual, *trades)

    if finding.kind != ParityKind.GHOST_POSITION:
        sides = total(trade.signed_open_quantity for trade in trades)
        assert sides + finding.drift == actual


@given(slices())
def test_equal_sides_are_clean_whoever_owns_them(trades):
    virtual = holding("0", *trades).virtual

    assert found(virtual, *trades).kind == ParityKind.CLEAN


@given(slices(), signed, st.randoms(use_true_random=False))
def test_the_order_of_slices_changes_nothing_but_the_order_of_shares(trades, actual, random):
    mixed = list(trades)
    random.shuffle(mixed)
    first, second = found(actual, *trades), found(actual, *mixed)

    assert (first.kind, first.drift, first.fingerprint, first.is_shared) == (
        second.kind,
        second.drift,
        second.fingerprint,
        second.is_shared,
    )


@given(slices(), st.one_of(st.just(Decimal(0)), signed), accepted)
def test_a_ghost_is_only_where_nothing_is_held_and_no_other_side_could_explain_it(
    trades, actual, taken
):
    finding = found(actual, *trades, accepted=taken)
    if finding.kind != ParityKind.GHOST_POSITION:
        return

    assert abs(actual) < STEP or abs(actual) * 60000 < 5
    (direction,) = {trade.direction for trade in trades}
    assert taken == 0 or (taken > 0) == (direction == Direction.LONG)


@given(st.sampled_from(Direction).flatmap(lambda each: slices(least=1, directions=[each])))
def test_no_exit_of_a_ghost_is_more_than_what_is_open(trades):
    finding = found("0", *trades)
    assert finding.kind == ParityKind.GHOST_POSITION

    for share in finding.shares:
        change = plan_synthetic_exit(
            share.trade, price=Decimal(60000), as_of=NOW, evidence={"kind": "ghost"}
        )
        (row,) = change.history
        assert row.quantity == share.quantity == share.trade.open_quantity
        assert change.trade is not None
        assert (change.trade.open_quantity, change.trade.status) == (0, TradeStatus.CLOSED)
