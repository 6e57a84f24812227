"""A heartbeat costs the same number of statements, however many slices there are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.enums import RunStatus
from reconciliation.models import Profile, Trade
from tests.builders import arranging, make_profile
from tests.cycles.heartbeats import ONE, beat, hold, slice_of
from tests.cycles.worlds import World

pytestmark = pytest.mark.django_db
# What heartbeats before left is ended, and told to people, at a cost that no slice adds to.
OF_THE_PAST = 12


def statements(world: World) -> int:
    with CaptureQueriesContext(connection) as queries:
        outcome = beat(world)
    assert outcome.status == RunStatus.SUCCEEDED
    return len(queries)


def add_slices(world: World, count: int) -> None:
    with arranging():
        Profile.objects.update(allocated_capital_usd="1000000000")
        for _ in range(count):
            slice_of(world, "0.1")


@pytest.mark.parametrize("held", ["all", "less", "nothing"])
def test_more_slices_cost_no_more_statements(world, held):
    world.environ = ONE | {"RECON_POSITION_PARITY_MAX_AUTO_CLOSES": "100"}
    costs = []
    for count in (3, 3, 40):
        add_slices(world, count)
        open_now = Trade.objects.exclude(status="CLOSED").count()
        hold(world, {"all": f"{open_now / 10:.1f}", "less": "0.2", "nothing": "0"}[held])
        costs.append(statements(world))

    assert costs[2] <= costs[1] + OF_THE_PAST


def test_a_shared_shortfall_of_many_slices_costs_no_more(world):
    world.environ = dict(ONE)
    beta = make_profile("beta", sub_tag="beta01")
    costs = []
    for count in (2, 2, 20):
        add_slices(world, count)
        with arranging():
            for _ in range(count):
                slice_of(world, "0.1", profile=beta)
        hold(world, "0.1")
        costs.append(statements(world))

    assert costs[2] <= costs[1] + OF_THE_PAST
