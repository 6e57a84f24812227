"""A position is the sum of its slices, priced only if each of them is."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.positions import PositionState, position_of
from reconciliation.enums import Direction, TradeStatus
from tests.domain.builders import trade

SHORT = {"direction": Direction.SHORT}


def test_no_slice_is_a_flat_position_without_a_price():
    assert position_of([]) == PositionState(quantity=ZERO, entry_price=None)


def test_slices_add_up_and_the_price_is_weighted_by_what_is_still_open():
    position = position_of(
        [
            trade(1, entered="0.5", exited="0.4", average_entry_price="50000"),
            trade(2, entered="0.3", average_entry_price="60000"),
        ]
    )
    assert position == PositionState(quantity=Decimal("0.4"), entry_price=Decimal(57500))


def test_a_short_is_negative_and_its_price_is_not():
    position = position_of([trade(entered="0.5", average_entry_price="60000", **SHORT)])
    assert position == PositionState(quantity=Decimal("-0.5"), entry_price=Decimal(60000))


def test_a_quarantined_slice_still_holds_its_quantity():
    quarantined = trade(entered="0.5", status=TradeStatus.QUARANTINED)
    assert position_of([quarantined]).quantity == Decimal("0.5")


def test_slices_that_hold_nothing_do_not_count():
    closed, pending = trade(1, entered="0.5", exited="0.5"), trade(2)
    canceled = trade(3, status=TradeStatus.CANCELED)
    assert position_of([closed, pending, canceled]) == position_of([])


def test_one_slice_without_a_price_leaves_the_position_without_one():
    slices = [trade(1, entered="0.5"), trade(2, entered="0.1", average_entry_price=None)]
    assert position_of(slices) == PositionState(quantity=Decimal("0.6"), entry_price=None)


def test_a_closed_slice_without_a_price_takes_the_price_of_nobody():
    slices = [
        trade(1, entered="0.5", average_entry_price="60000"),
        trade(2, entered="0.1", exited="0.1", average_entry_price=None),
    ]
    assert position_of(slices).entry_price == Decimal(60000)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), max_size=5), st.randoms())
def test_the_order_of_slices_does_not_matter(quantities, random):
    slices = [
        trade(
            number,
            entered=str(Decimal(entry) / 10),
            exited=str(Decimal(min(left, entry)) / 10),
            average_entry_price=Decimal(50000 + 7 * number),
        )
        for number, (entry, left) in enumerate(quantities, start=1)
    ]
    shuffled = list(slices)
    random.shuffle(shuffled)
    assert position_of(shuffled) == position_of(slices)
    assert position_of(slices).quantity == sum((each.open_quantity for each in slices), ZERO)
