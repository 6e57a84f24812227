"""The budget of a cycle and the pace of requests, on clocks that stand still unless told."""

import threading
import time
from itertools import pairwise

from reconciliation.exchange.pace import Budget, Pace
from tests.exchange.builders import Monotonic


def test_without_a_cycle_there_is_no_limit() -> None:
    assert Budget(Monotonic()).left() is None


def test_a_budget_runs_out_and_never_below_zero() -> None:
    monotonic = Monotonic()
    budget = Budget(monotonic)
    budget.start(30)

    monotonic.pass_time(29.5)
    assert budget.left() == 0.5
    monotonic.pass_time(100)
    assert budget.left() == 0


def test_the_first_request_does_not_wait() -> None:
    monotonic = Monotonic()
    pace = Pace(monotonic=monotonic, sleep=monotonic.sleep)

    assert pace.wait(5, at_most=None)
    assert monotonic.slept == []


def test_a_request_is_paid_for_by_the_one_after_it() -> None:
    monotonic = Monotonic()
    pace = Pace(monotonic=monotonic, sleep=monotonic.sleep)

    pace.wait(0.25, at_most=None)
    pace.wait(0.5, at_most=None)
    monotonic.pass_time(0.125)
    pace.wait(1, at_most=None)

    assert monotonic.slept == [0.25, 0.375]


def test_a_wait_that_would_outlast_the_budget_is_not_begun() -> None:
    monotonic = Monotonic()
    pace = Pace(monotonic=monotonic, sleep=monotonic.sleep)

    pace.wait(2, at_most=None)

    assert not pace.wait(2, at_most=2)
    assert monotonic.slept == []
    assert pace.wait(2, at_most=2.5)


def test_on_a_clock_that_stands_still_waits_do_not_add_up() -> None:
    slept: list[float] = []
    pace = Pace(monotonic=lambda: 0.0, sleep=slept.append)

    for _ in range(100):
        assert pace.wait(1, at_most=30)

    assert set(slept) == {1.0}


def test_threads_take_turns() -> None:
    starts: list[float] = []
    pace = Pace(monotonic=time.monotonic, sleep=time.sleep)

    def ask() -> None:
        pace.wait(0.02, at_most=None)
        starts.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    starts.sort()
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert sum(gaps) >= 0.05
