"""A list of positions that came back empty by a fault looks like a flat account."""

from decimal import Decimal

import pytest

from reconciliation.enums import RunStatus
from reconciliation.exchange.gateway import RetryableExchangeError, Unsupported
from reconciliation.models import Position
from tests.builders import make_position

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("fault", [None, RetryableExchangeError("http 500")])
def test_a_list_without_positions_aligns_nothing_until_the_margin_confirms_it(world, fault):
    make_position(quantity="0.7")
    if fault is None:
        world.exchange.margin_in_use = {"USDT": Decimal("3000")}
    else:
        world.exchange.fail("fetch_margin_in_use", fault)
    outcome = world.cycle()
    assert outcome.status == RunStatus.SUCCEEDED
    assert Position.objects.get().quantity == Decimal("0.7")

    world.exchange.heal()
    world.exchange.margin_in_use = {"USDT": Decimal(0)}
    world.cycle()
    assert Position.objects.get().quantity == 0


def test_an_exchange_that_does_not_tell_its_margin_is_believed_that_nothing_is_held(world):
    make_position(quantity="0.7")
    world.exchange.fail("fetch_margin_in_use", Unsupported("the margin in use is not read"))
    world.cycle()
    assert Position.objects.get().quantity == 0
