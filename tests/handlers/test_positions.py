"""Position rows follow their slices."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.enums import Direction
from reconciliation.handlers.positions import recalculate_positions
from reconciliation.models import Position
from tests.builders import (
    NOW,
    SYMBOL,
    arranging,
    make_position,
    make_profile,
    make_trade,
)

pytestmark = pytest.mark.django_db
ETH = "ETH/USDT:USDT"
LONG, SHORT = Direction.LONG, Direction.SHORT


def recalculate(*touched: tuple[str, Direction]) -> None:
    with arranging():
        recalculate_positions(profile_id=make_profile().pk, touched=set(touched), now=NOW)


def quantities() -> dict[tuple[str, str], str]:
    return {(row.symbol, row.direction): str(row.quantity) for row in Position.objects.all()}


def test_a_position_that_was_not_there_is_made():
    make_trade(entry_quantity="0.5", average_entry_price="60000")
    recalculate((SYMBOL, LONG))
    position = Position.objects.get()
    assert (position.quantity, position.entry_price) == (Decimal("0.5"), Decimal(60000))
    assert position.updated_at == NOW
    assert position.delivered_quantity is None


def test_a_position_that_was_there_is_changed_and_keeps_what_was_delivered():
    make_position(quantity="9", delivered_quantity="9")
    make_trade(entry_quantity="0.5", exit_quantity="0.2")
    recalculate((SYMBOL, LONG))
    position = Position.objects.get()
    assert (position.quantity, position.delivered_quantity) == (Decimal("0.3"), Decimal(9))


def test_without_any_slice_a_position_is_flat():
    make_position()
    recalculate((SYMBOL, LONG))
    assert quantities() == {(SYMBOL, LONG): "0"}


def test_only_what_was_touched_is_written():
    make_position(quantity="9")
    make_position(quantity="-9", direction=SHORT)
    make_position(symbol=ETH, quantity="9")
    recalculate((SYMBOL, LONG))
    assert quantities() == {(SYMBOL, LONG): "0", (SYMBOL, SHORT): "-9", (ETH, LONG): "9"}


def test_each_symbol_and_direction_has_its_own_sum():
    make_trade(entry_quantity="0.5")
    make_trade(entry_quantity="0.4", direction=SHORT)
    make_trade(entry_quantity="3", symbol=ETH)
    make_trade(make_profile("beta", sub_tag="beta01"), entry_quantity="7")
    recalculate((SYMBOL, LONG), (SYMBOL, SHORT), (ETH, LONG))
    assert quantities() == {(SYMBOL, LONG): "0.5", (SYMBOL, SHORT): "-0.4", (ETH, LONG): "3"}


def test_the_number_of_statements_does_not_depend_on_how_many_are_touched():
    def count(symbols: int) -> int:
        touched = {(f"S{symbols}N{number}", LONG) for number in range(symbols)}
        with CaptureQueriesContext(connection) as queries:
            recalculate(*touched)
        return len(queries)

    make_profile()
    assert count(1) == count(30)
