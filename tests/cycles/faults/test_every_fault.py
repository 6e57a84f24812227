"""Every endpoint × every kind of fault, always and once: nothing is written that is not so.

Two cycles under the fault, with the exchange going on in between, and one in which it shows once
more; then it is well again, and within two cycles the books are what the exchange is.
"""

import pytest

from reconciliation.enums import Coverage, RunStatus
from reconciliation.exchange.paper.faults import ENDPOINTS, KINDS, PAGING_KINDS
from reconciliation.exchange.transport import MAX_ATTEMPTS
from reconciliation.models import AuditEvent, MismatchSighting
from tests.cycles.faults.standard import Standard
from tests.cycles.storms.truth import check_chain

# What a cycle asks of an exchange whose clock is right; a test below proves that it is all.
ASKED = ("instruments", "open_orders", "order", "fills", "positions", "any")
FAULTS = tuple(kind for kind in KINDS if kind != "delay")
HALTING = ("http_418", "http_429")
# Answers that are well-formed: nothing in them tells that they are wrong.
LIES = ("empty_list", "short_page", "duplicate_page")
# What is over by being asked again, however often it is armed.
CURED = ("skew",)
FINAL = ("auth",)
# What a run says that it did not read, by the endpoint that failed; an order is asked for with its
# fills. Without instruments nothing is read at all.
UNREAD = {
    "open_orders": ("open_orders.",),
    "order": ("order ",),
    "fills": ("fills.", "order "),
    "positions": ("positions",),
    "any": (),
    "instruments": (),
}
ATTEMPTS = {**dict.fromkeys((*LIES, *HALTING, *FINAL), 1), "skew": 2}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("endpoint", ASKED)
def test_a_fault_writes_nothing_wrong_and_leaves_nothing_behind(
    standard: Standard, endpoint: str, kind: str
) -> None:
    standard.connections.fail(endpoint, kind, "always")
    first = standard.run()
    if kind in HALTING:
        assert_nothing_was_asked_after_the_halt(standard, endpoint)
    if kind not in LIES + CURED:
        assert first.status in (RunStatus.PARTIAL, RunStatus.FAILED)
        assert first.coverage != Coverage.COMPLETE
        assert first.unread or first.error
        for part in UNREAD[endpoint]:
            assert any(name.startswith(part) for name in first.unread)
    if endpoint == "positions":
        attempts = ATTEMPTS.get(kind, MAX_ATTEMPTS)
        assert standard.connections.asked("positions") == attempts
    if endpoint == "order" and kind not in (*CURED, *PAGING_KINDS):
        assert not MismatchSighting.objects.filter(not_found_count__gt=0).exists()
    standard.happen_meanwhile()
    standard.run()
    standard.connections.mend()

    standard.connections.fail(endpoint, kind, 1)
    once = standard.run()
    if kind not in LIES + HALTING + FINAL:
        # It was asked for again within the cycle, which is as good as one without a fault.
        assert (once.status, once.coverage) == (RunStatus.SUCCEEDED, Coverage.COMPLETE)
        assert standard.find_disagreements() == []
    standard.connections.mend()

    standard.settle()
    assert check_chain() == []


@pytest.mark.parametrize("endpoint", sorted(set(ENDPOINTS) - set(ASKED)))
def test_an_endpoint_that_no_cycle_asks_can_fail_as_it_likes(
    standard: Standard, endpoint: str
) -> None:
    for kind in FAULTS:
        standard.connections.fail(endpoint, kind, "always")

    outcome = standard.run()

    assert outcome.status == RunStatus.SUCCEEDED
    assert standard.connections.asked(endpoint) == 0


@pytest.mark.parametrize("kind", FAULTS)
def test_a_clock_that_cannot_be_set_leaves_everything_unknown(
    standard: Standard, kind: str
) -> None:
    standard.connections.set_clocks_apart(seconds=60)
    standard.connections.fail("time", kind, "always")

    events = AuditEvent.objects.count()

    outcome = standard.run()

    if kind == "duplicate_page":
        # A page that comes twice does nothing to a single moment: the clock is set.
        assert outcome.status == RunStatus.SUCCEEDED
    else:
        assert outcome.status == RunStatus.FAILED
        assert AuditEvent.objects.count() == events


def test_a_rejected_timestamp_is_cured_by_one_time_sync(standard: Standard) -> None:
    standard.connections.set_clocks_apart(seconds=60)

    outcome = standard.run()

    assert outcome.status == RunStatus.SUCCEEDED
    assert standard.connections.asked("time") == 1
    assert len(standard.settle(cycles=1)) == 1
    assert standard.connections.asked("time") == 1


@pytest.mark.parametrize("kind", ["empty_list", "short_page"])
@pytest.mark.parametrize("endpoint", ["fills", "any"])
def test_a_lie_about_what_was_read_before_is_found_out_or_changes_nothing(
    standard: Standard, endpoint: str, kind: str
) -> None:
    standard.settle()
    standard.happen_meanwhile()
    standard.connections.fail(endpoint, kind, "always")

    standard.run()
    standard.connections.mend()

    standard.settle()


def assert_nothing_was_asked_after_the_halt(standard: Standard, endpoint: str) -> None:
    """The first request that the fault could meet was the last one of the cycle."""
    asked = list(standard.exchange.requests)
    matching = [each for each in asked if endpoint in (each.endpoint, "any")]
    assert matching == asked[-1:]
