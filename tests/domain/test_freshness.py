"""What happened a moment ago is not drift yet: every kind of activity, at the very limit."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciliation.domain.books import Books
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.types import AccountSnapshot, LookUp
from reconciliation.enums import OrderStatus
from tests.domain.builders import (
    GRACE,
    NOW,
    books,
    ended,
    fill,
    judge,
    order,
    plan,
    shown,
    snapshot,
    trade,
)

TICK = timedelta(microseconds=1)
LIMIT = NOW - GRACE
Side = tuple[Books, AccountSnapshot, dict[int, LookUp]]


def listed(world: Books, **values: Any) -> Side:
    return world, snapshot(shown(price="59000", **values)), {}


# What happens at a moment; without it each of these sides would be judged, and repaired.
ACTIVITIES: dict[str, Callable[[datetime], Side]] = {
    "the order was placed": lambda at: listed(books(trade(), order(created_at=at))),
    "the bot wrote the order": lambda at: listed(books(trade(), order(last_activity_at=at))),
    "the exchange took the order": lambda at: listed(books(trade(), order()), created_at=at),
    "the exchange changed the order": lambda at: listed(books(trade(), order()), updated_at=at),
    "the order was filled while open": lambda at: listed(
        books(trade(), order(), fill(1, "0.2", executed_at=at))
    ),
    "the order was filled and ended": lambda at: (
        books(trade(), order(), fill(1, "0.5", executed_at=at)),
        snapshot(),
        {1: ended(OrderStatus.FILLED, "0.5")},
    ),
    "the order ended": lambda at: (
        books(trade(), order()),
        snapshot(),
        {1: ended(OrderStatus.CANCELED, updated_at=at)},
    ),
    "an ended order was filled": lambda at: (
        books(trade(), order(status=OrderStatus.CANCELED), fill(1, "0.2", executed_at=at)),
        snapshot(),
        {},
    ),
    "the bot ended an order that is open": lambda at: listed(
        books(trade(), order(status=OrderStatus.CANCELED, last_activity_at=at))
    ),
}
every_activity = pytest.mark.parametrize("happen", ACTIVITIES.values(), ids=ACTIVITIES)


@every_activity
@pytest.mark.parametrize("at", [LIMIT + TICK, NOW, NOW + GRACE], ids=["young", "now", "ahead"])
def test_activity_within_the_grace_is_left_for_the_next_cycle(happen, at):
    world, seen, look_ups = happen(at)
    (finding,) = judge(world, seen, look_ups)
    assert finding.rule is OrderRule.FRESH
    assert plan(world, seen, look_ups) == ()


@every_activity
def test_activity_exactly_as_old_as_the_grace_is_judged(happen):
    world, seen, look_ups = happen(LIMIT)
    (finding,) = judge(world, seen, look_ups)
    assert finding.rule.row.mismatch is not None


@every_activity
def test_without_a_grace_only_what_lies_ahead_is_fresh(happen):
    (now,) = judge(*happen(NOW), grace=timedelta(0))
    assert now.rule is not OrderRule.FRESH
    (ahead,) = judge(*happen(NOW + TICK), grace=timedelta(0))
    assert ahead.rule is OrderRule.FRESH


def test_the_grace_counts_from_the_snapshot_not_from_anything_later():
    world = books(trade(), order(last_activity_at=NOW))
    seen = snapshot(shown(price="59000"), as_of=NOW + GRACE)
    (finding,) = judge(world, seen)
    assert finding.rule is OrderRule.OPEN_OTHER_TERMS


def test_moments_that_the_exchange_does_not_tell_are_no_activity():
    (finding,) = judge(*listed(books(trade(), order()), created_at=None, updated_at=None))
    assert finding.rule is OrderRule.OPEN_OTHER_TERMS


def test_one_fresh_order_leaves_the_others_to_be_judged():
    world = books(trade(), order(1, created_at=NOW), order(2, price="59000"))
    seen = snapshot(*(shown(replace(each, price=None), price="1") for each in (order(1), order(2))))
    assert [each.rule for each in judge(world, seen)] == [
        OrderRule.FRESH,
        OrderRule.OPEN_OTHER_TERMS,
    ]


def test_a_fill_that_is_booked_is_nothing_to_wait_for():
    booked = fill(1, "0.2", executed_at=NOW, allocated="0.2")
    half = order(filled_quantity="0.2")
    (finding,) = judge(*listed(books(trade(entered="0.2"), half, booked)))
    assert finding.rule is OrderRule.OPEN_OTHER_TERMS
