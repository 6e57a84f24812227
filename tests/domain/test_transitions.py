"""Statuses change as the tables say, and a delivery only ever moves an order forward."""

from itertools import product

import pytest

from reconciliation.domain.transitions import (
    ORDER_TRANSITIONS,
    TRADE_TRANSITIONS,
    merge_delivered_status,
    order_may_become,
    trade_may_become,
)
from reconciliation.enums import (
    ACTIVE_ORDER_STATUSES,
    TERMINAL_ORDER_STATUSES,
    OrderStatus,
    TradeStatus,
)

O, T = OrderStatus, TradeStatus  # noqa: E741  (columns of the tables below)
every_pair = pytest.mark.parametrize(("old", "new"), list(product(OrderStatus, OrderStatus)))


@pytest.mark.parametrize("status", OrderStatus)
def test_an_order_may_stay_what_it_is(status):
    assert order_may_become(status, status)
    assert status not in ORDER_TRANSITIONS[status]


@pytest.mark.parametrize("status", TradeStatus)
def test_a_trade_may_stay_what_it_is(status):
    assert trade_may_become(status, status)
    assert status not in TRADE_TRANSITIONS[status]


@every_pair
def test_an_order_changes_only_as_the_table_says(old, new):
    legal = old == new or new in ORDER_TRANSITIONS[old]
    assert order_may_become(old, new) == legal


@pytest.mark.parametrize("end", sorted(TERMINAL_ORDER_STATUSES))
def test_every_end_can_be_reopened_and_none_becomes_another_end_but_filled(end):
    assert order_may_become(end, O.OPEN)
    assert order_may_become(end, O.PARTIALLY_FILLED)
    others = TERMINAL_ORDER_STATUSES - {end, O.FILLED}
    assert not any(order_may_become(end, other) for other in others)
    assert order_may_become(end, O.FILLED)


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {O.PENDING}))
def test_nothing_becomes_pending_again(status):
    assert not order_may_become(status, O.PENDING)


@pytest.mark.parametrize(
    ("old", "new", "legal"),
    [
        (T.PENDING, T.OPEN, True),
        (T.PENDING, T.CANCELED, True),
        (T.PENDING, T.CLOSED, True),
        (T.PENDING, T.QUARANTINED, False),
        (T.OPEN, T.CLOSED, True),
        (T.OPEN, T.QUARANTINED, True),
        (T.OPEN, T.CANCELED, False),
        (T.OPEN, T.PENDING, False),
        (T.QUARANTINED, T.OPEN, True),
        (T.QUARANTINED, T.CLOSED, True),
        (T.QUARANTINED, T.CANCELED, False),
        (T.CLOSED, T.OPEN, True),
        (T.CLOSED, T.CANCELED, False),
        (T.CLOSED, T.PENDING, False),
        (T.CANCELED, T.OPEN, True),
        (T.CANCELED, T.CLOSED, True),
    ],
)
def test_a_trade_changes_only_as_the_table_says(old, new, legal):
    assert trade_may_become(old, new) is legal


@every_pair
def test_a_delivery_makes_only_legal_changes(old, new):
    assert order_may_become(old, merge_delivered_status(old, new))


@every_pair
def test_a_delivery_never_undoes_an_end(old, new):
    if old in TERMINAL_ORDER_STATUSES:
        assert merge_delivered_status(old, new) == old


@every_pair
def test_a_delivery_that_is_repeated_changes_nothing_more(old, new):
    once = merge_delivered_status(old, new)
    assert merge_delivered_status(once, new) == once


@pytest.mark.parametrize(
    ("effective", "delivered", "merged"),
    [
        (O.PENDING, O.OPEN, O.OPEN),
        (O.OPEN, O.PENDING, O.OPEN),
        (O.PARTIALLY_FILLED, O.OPEN, O.PARTIALLY_FILLED),
        (O.OPEN, O.PARTIALLY_FILLED, O.PARTIALLY_FILLED),
        (O.OPEN, O.CANCELED, O.CANCELED),
        (O.PENDING, O.REJECTED, O.REJECTED),
        (O.FILLED, O.CANCELED, O.FILLED),
        (O.CANCELED, O.FILLED, O.CANCELED),
    ],
)
def test_a_delivery_moves_an_order_forward_never_back(effective, delivered, merged):
    assert merge_delivered_status(effective, delivered) == merged


@every_pair
def test_of_two_stale_deliveries_the_order_of_arrival_does_not_matter(old, new):
    if {old, new} <= ACTIVE_ORDER_STATUSES:
        assert merge_delivered_status(old, new) == merge_delivered_status(new, old)
