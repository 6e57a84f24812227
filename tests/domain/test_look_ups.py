"""Which orders are asked for one by one: the absent ones, in turn, so many and no more."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.order_diff import orders_to_look_up
from reconciliation.enums import TERMINAL_ORDER_STATUSES, OrderClass
from tests.domain.builders import GRACE, NOW, ago, books, fill, order, shown, snapshot, trade


def asked(*things, seen=None, limit: int = 50, profiles=(1,)) -> tuple[list[int], int]:
    chosen, waiting = orders_to_look_up(
        books(trade(), *things),
        seen or snapshot(),
        of_profiles=frozenset(profiles),
        grace=GRACE,
        limit=limit,
    )
    return [each.id for each in chosen], waiting


def test_an_active_order_that_no_list_shows_is_asked_for():
    assert asked(order(1)) == ([1], 0)


def test_an_order_that_is_listed_is_not_asked_for():
    assert asked(order(1), seen=snapshot(shown(order(1)))) == ([], 0)


@pytest.mark.parametrize("status", sorted(TERMINAL_ORDER_STATUSES))
def test_an_order_that_ended_is_not_asked_for(status):
    assert asked(order(1, status=status)) == ([], 0)


def test_an_order_of_a_class_that_was_not_read_is_not_missing():
    algo = order(1, order_class=OrderClass.CONDITIONAL)
    seen = snapshot(unread=[OrderClass.CONDITIONAL])
    assert asked(algo, order(2), seen=seen) == ([2], 0)


def test_an_order_of_a_class_that_the_exchange_does_not_list_is_not_missing():
    seen = snapshot()
    regular = {OrderClass.REGULAR: seen.open_orders[OrderClass.REGULAR]}
    algo = order(1, order_class=OrderClass.TRAILING)
    partly = type(seen)(as_of=seen.as_of, open_orders=regular, fills=seen.fills)
    assert asked(algo, order(2), seen=partly) == ([2], 0)


@pytest.mark.parametrize("field", ["created_at", "last_activity_at"])
def test_an_order_with_fresh_activity_is_not_asked_for_yet(field):
    assert asked(order(1, **{field: NOW - GRACE + timedelta(microseconds=1)})) == ([], 0)
    assert asked(order(1, **{field: NOW - GRACE})) == ([1], 0)


def test_an_order_that_was_filled_a_moment_ago_is_not_asked_for_yet():
    assert asked(order(1), fill(1, executed_at=NOW)) == ([], 0)


def test_the_oldest_orders_are_asked_for_and_the_rest_is_counted():
    orders = [order(number, created_at=ago(hours=number)) for number in (1, 2, 3, 4)]
    assert asked(*orders, limit=3) == ([4, 3, 2], 1)


def test_orders_of_the_same_age_are_asked_for_by_id():
    assert asked(order(3), order(1), order(2), limit=2) == ([1, 2], 1)


def test_an_order_that_was_never_asked_for_comes_before_older_ones_that_were():
    answered = order(1, created_at=ago(days=9), looked_up_at=ago(minutes=1))
    assert asked(answered, order(2), limit=1) == ([2], 1)


def test_of_those_that_were_asked_for_the_one_that_waits_longest_comes_first():
    orders = [
        order(1, looked_up_at=ago(minutes=1)),
        order(2, looked_up_at=ago(minutes=3)),
        order(3, looked_up_at=ago(minutes=2)),
    ]
    assert asked(*orders, limit=2) == ([2, 3], 1)


def test_an_order_that_stays_unanswered_never_keeps_another_from_its_turn():
    # More orders than turns: whoever was asked goes to the end of the line.
    orders = {number: order(number, created_at=ago(hours=number)) for number in range(1, 8)}
    turns: list[int] = []
    for cycle in range(4):
        chosen, _ = asked(*orders.values(), limit=2)
        turns += chosen
        for number in chosen:
            orders[number] = replace(orders[number], looked_up_at=ago(minutes=9 - cycle))
    assert sorted(turns[:7]) == [1, 2, 3, 4, 5, 6, 7]


def test_orders_of_other_profiles_are_not_asked_for_nor_waited_for():
    other = order(1, profile_id=2)
    assert asked(other, order(2)) == ([2], 0)
    assert asked(other, order(2), profiles=(1, 2)) == ([1, 2], 0)
    assert asked(other, order(2), profiles=()) == ([], 0)


def test_orders_that_need_no_look_up_take_nobodys_turn():
    old = order(1, created_at=ago(days=9))
    assert asked(old, order(2), seen=snapshot(shown(old)), limit=1) == ([2], 0)


@given(st.lists(st.integers(1, 99), min_size=1, max_size=12, unique=True), st.integers(1, 15))
def test_whatever_the_order_of_input_the_same_orders_are_asked_for(hours, limit):
    orders = [order(number, created_at=ago(hours=age)) for number, age in enumerate(hours, 1)]
    expected = sorted(orders, key=lambda each: each.created_at)
    ids, waiting = asked(*reversed(orders), limit=limit)
    assert (ids, waiting) == asked(*orders, limit=limit)
    assert ids == [each.id for each in expected[:limit]]
    assert len(ids) + waiting == len(orders)
