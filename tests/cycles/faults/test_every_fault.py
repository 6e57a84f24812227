"""Every endpoint × every kind of fault × once and always: nothing is written that is not so.

Two cycles under the fault, with the exchange going on in between; then it is well again, and
within two cycles the books are what the exchange is.
"""

import pytest

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.enums import Coverage, RunStatus
from reconciliation.exchange.paper.faults import ENDPOINTS, KINDS
from tests.cycles.faults.standard import Standard
from tests.cycles.storms.truth import check_chain, find_wrong_writes

# What a cycle asks of an exchange whose clock is right; a test below proves that it is all.
ASKED = ("instruments", "open_orders", "order", "fills", "positions", "any")
FAULTS = tuple(kind for kind in KINDS if kind != "delay")
HALTING = ("http_418", "http_429")
# Answers that are well-formed: nothing in them tells that they are wrong.
LIES = ("empty_list", "short_page", "duplicate_page")
# What is over by being asked again, however often it is armed.
CURED = ("skew",)


@pytest.mark.parametrize("times", [1, "always"])
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("endpoint", ASKED)
def test_a_fault_writes_nothing_wrong_and_leaves_nothing_behind(
    standard: Standard, endpoint: str, kind: str, times: int | str
) -> None:
    standard.fail(endpoint, kind, times)

    first = run_without_wrong_writes(standard)
    if kind in HALTING:
        assert_nothing_was_asked_after_the_halt(standard, endpoint)
    if times == "always" and kind not in LIES + CURED:
        assert first.status != RunStatus.SUCCEEDED
        assert first.coverage != Coverage.COMPLETE
    standard.happen_meanwhile()
    if times == "always":
        run_without_wrong_writes(standard)
    standard.mend()

    standard.settle()
    assert check_chain() == []


@pytest.mark.parametrize("endpoint", sorted(set(ENDPOINTS) - set(ASKED)))
def test_an_endpoint_that_no_cycle_asks_can_fail_as_it_likes(
    standard: Standard, endpoint: str
) -> None:
    for kind in FAULTS:
        standard.fail(endpoint, kind, "always")

    outcome = run_without_wrong_writes(standard)

    assert outcome.status == RunStatus.SUCCEEDED
    assert standard.asked(endpoint) == 0


@pytest.mark.parametrize("kind", FAULTS)
def test_a_clock_that_cannot_be_set_leaves_everything_unknown(
    standard: Standard, kind: str
) -> None:
    standard.exchange.skew_ms = 60_000
    standard.fail("time", kind, "always")

    outcome = run_without_wrong_writes(standard)

    # What a page of rows could be spoilt by does nothing to a single moment.
    is_told = kind == "duplicate_page"
    assert outcome.status == (RunStatus.SUCCEEDED if is_told else RunStatus.FAILED)
    standard.mend()
    standard.settle()


def test_a_rejected_timestamp_is_cured_by_one_time_sync(standard: Standard) -> None:
    standard.exchange.skew_ms = 60_000

    outcome = run_without_wrong_writes(standard)

    assert outcome.status == RunStatus.SUCCEEDED
    assert standard.asked("time") == 1
    standard.settle(cycles=1)
    assert standard.asked("time") == 1


@pytest.mark.parametrize("kind", LIES)
@pytest.mark.parametrize("endpoint", ["open_orders", "fills", "any"])
def test_a_lie_about_what_was_read_before_is_found_out_or_changes_nothing(
    standard: Standard, endpoint: str, kind: str
) -> None:
    standard.settle()
    standard.happen_meanwhile()
    standard.fail(endpoint, kind, "always")

    run_without_wrong_writes(standard)
    standard.mend()

    standard.settle()


def run_without_wrong_writes(standard: Standard) -> RunOutcome:
    """Run a cycle; what it wrote is so, and no fault of the exchange was unexpected."""
    outcome = standard.world.cycle()
    assert find_wrong_writes(standard.world.truth) == []
    assert outcome.row_errors == ()
    assert not outcome.error.startswith("unexpected")
    return outcome


def assert_nothing_was_asked_after_the_halt(standard: Standard, endpoint: str) -> None:
    """The first request that the fault could meet was the last one of the cycle."""
    asked = list(standard.exchange.requests)
    matching = [each for each in asked if endpoint in (each.endpoint, "any")]
    assert matching == asked[-1:]
