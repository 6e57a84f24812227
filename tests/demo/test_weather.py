"""When the demo's exchange fails and its processes restart, by the second."""

from itertools import pairwise

from reconciliation.demo.plans import make_random
from reconciliation.demo.weather import FIRST_OUTAGE, OUTAGES, Outages, Recurring
from reconciliation.exchange.paper.faults import FaultPlan


def test_an_outage_is_of_one_account_ends_and_comes_again() -> None:
    said: list[str] = []
    faults = FaultPlan()
    outages = Outages(
        faults=faults, accounts=["main", "hedge"], random=make_random("1"), say=said.append
    )
    broken: list[bool] = []
    for _ in range(3600):
        outages.tick()
        broken.append(bool(faults.armed()))
        assert len(faults.armed()) <= 1

    assert broken.index(True) == FIRST_OUTAGE - 1
    begun = [line for line in said if line.startswith("outage: ")]
    assert len(begun) > 4
    assert len({line.rpartition(" ")[2] for line in begun}) == 2
    assert len(begun) - sum("answers again" in line for line in said) in (0, 1)
    assert 0.03 < sum(broken) / len(broken) < 0.25


def test_every_kind_of_outage_is_one_that_the_exchange_knows() -> None:
    faults = FaultPlan()
    for kind in OUTAGES:
        faults.add("main", "any", kind, "always")

    assert {fault.kind for fault in faults.armed()} == set(OUTAGES)


def test_what_recurs_begins_on_time_and_pauses_in_between() -> None:
    seconds: list[int] = []
    second = 0
    recurring = Recurring(lambda: seconds.append(second), first=10, random=make_random("1"))
    for _ in range(3600):
        second += 1
        recurring.tick()

    assert seconds[0] == 10
    assert len(seconds) > 5
    assert min(b - a for a, b in pairwise(seconds)) >= 300
