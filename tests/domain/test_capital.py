"""A profile's capital: what orders reserve, what slices use, and what is in no sum."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.amounts import LIMIT, total
from reconciliation.domain.capital import (
    Capital,
    EntryOrder,
    HeldSlice,
    capital_of,
    changes_between,
)
from reconciliation.enums import CapitalCause, OrderType

BTC = "BTC/USDT:USDT"
AMOUNT = st.decimals(min_value=0, max_value=10**9, places=8)


def order(quantity: str = "0.5", price: str | None = "60000", **values: Any) -> EntryOrder:
    defaults: dict[str, Any] = {
        "symbol": BTC,
        "type": OrderType.LIMIT,
        "quantity": Decimal(quantity),
        "filled_quantity": Decimal(0),
        "price": None if price is None else Decimal(price),
    }
    return EntryOrder(**{**defaults, **values})


def held(quantity: str, price: str | None = "60000") -> HeldSlice:
    return HeldSlice(
        open_quantity=Decimal(quantity),
        average_entry_price=None if price is None else Decimal(price),
    )


def capital(*things: EntryOrder | HeldSlice, mark: str | None = None) -> Capital:
    return capital_of(
        allocated=Decimal(100000),
        orders=[each for each in things if isinstance(each, EntryOrder)],
        slices=[each for each in things if isinstance(each, HeldSlice)],
        marks={} if mark is None else {BTC: Decimal(mark)},
    )


def test_nothing_open_leaves_all_of_it_free():
    assert capital() == Capital(allocated=Decimal(100000))
    assert capital().free == 100000


def test_an_order_reserves_what_remains_of_it_at_its_price():
    assert capital(order(filled_quantity=Decimal("0.2"))).reserved == 18000


@pytest.mark.parametrize("filled", ["0.5", "0.6"])
def test_an_order_that_is_filled_or_overfilled_reserves_nothing(filled):
    assert capital(order(filled_quantity=Decimal(filled), price=None)) == capital()


def test_a_market_order_reserves_at_the_mark():
    assert capital(order(price=None, type=OrderType.MARKET), mark="61000").reserved == 30500


def test_a_market_order_with_a_price_of_its_own_goes_by_the_mark_and_else_by_that():
    market = order(type=OrderType.MARKET)
    assert capital(market, mark="61000").reserved == 30500
    assert capital(market).reserved == 30000


def test_a_limit_order_does_not_follow_the_mark():
    assert capital(order(), mark="1").reserved == 30000


def test_what_nobody_knows_a_price_of_is_in_no_sum_and_counted():
    said = capital(order(price=None), order(), held("0.5", None), held("0.1"))
    assert (said.reserved, said.used, said.unpriced) == (30000, 6000, 2)


def test_more_bound_than_allocated_is_a_negative_rest():
    assert capital(order("1"), held("1")).free == -20000


def test_a_sum_that_no_column_could_hold_leaves_out_what_makes_it_so():
    said = capital(order(), order(str(LIMIT / 10), "1000"))
    assert (said.reserved, said.unpriced) == (30000, 1)


@pytest.mark.parametrize(
    ("after", "causes"),
    [
        ({}, []),
        ({"reserved": 1}, [CapitalCause.ORDERS]),
        ({"used": 1}, [CapitalCause.HISTORY]),
        ({"reserved": 1, "used": 1}, [CapitalCause.ORDERS_AND_HISTORY]),
        ({"allocated": 1}, [CapitalCause.ALLOCATION]),
        ({"allocated": 1, "used": 1}, [CapitalCause.ALLOCATION, CapitalCause.HISTORY]),
        ({"unpriced": 1}, []),
    ],
)
def test_each_change_has_its_cause_and_an_allocation_its_own_row(after, causes):
    changed = Capital(**{name: Decimal(value) for name, value in after.items()})
    assert [row.cause for row in changes_between(Capital(), changed)] == causes


@given(st.lists(st.tuples(AMOUNT, AMOUNT, AMOUNT), max_size=12))
def test_the_rows_of_any_history_sum_to_the_balance(history):
    before, rows = Capital(), []
    for allocated, reserved, used in history:
        after = Capital(allocated=allocated, reserved=reserved, used=used)
        new = changes_between(before, after)
        assert all(row.allocated or row.reserved or row.used for row in new)
        rows += new
        before = after
    for name in ("allocated", "reserved", "used"):
        assert total(getattr(row, name) for row in rows) == getattr(before, name)
