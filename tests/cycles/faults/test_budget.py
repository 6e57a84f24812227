"""A cycle has 30 seconds for the network; what it does not reach is unknown, and comes later."""

from reconciliation.cycles.reconcile import NETWORK_BUDGET_SECONDS
from reconciliation.enums import Coverage, RunStatus
from reconciliation.models import Order, TradeHistory
from tests.cycles.faults.standard import Standard
from tests.cycles.faults.test_every_fault import run_without_wrong_writes
from tests.cycles.storms.truth import find_disagreements
from tests.cycles.storms.world import OneGateway


def slow_down(standard: Standard, seconds: float) -> None:
    """Let every request take so many seconds, by a clock that counts requests."""
    gateway = standard.connect(monotonic=lambda: seconds * standard.asked())
    standard.world.gateways = OneGateway(gateway)


def test_what_the_budget_does_not_reach_is_unknown_and_the_run_partial(standard: Standard) -> None:
    slow_down(standard, seconds=4)

    outcome = run_without_wrong_writes(standard)

    assert (outcome.status, outcome.coverage) == (RunStatus.PARTIAL, Coverage.PARTIAL)
    assert standard.asked() <= NETWORK_BUDGET_SECONDS / 4 + 1
    unread = {part: reason for part, reason in outcome.unread.items() if "used up" in reason}
    # The lists came first; positions and single orders did not get their turn.
    assert "positions" in unread
    assert any(part.startswith("order ") for part in unread)
    assert not any(part.startswith("open_orders") for part in outcome.unread)


def test_a_budget_that_is_used_up_at_once_changes_no_order(standard: Standard) -> None:
    versions = dict(Order.objects.values_list("pk", "version"))
    slow_down(standard, seconds=NETWORK_BUDGET_SECONDS)

    outcome = run_without_wrong_writes(standard)

    assert standard.asked() == 1
    assert outcome.status == RunStatus.PARTIAL
    # The one list that was read shows an order to adopt; of known ones it proves nothing.
    after = dict(Order.objects.filter(origin="BOT").values_list("pk", "version"))
    assert after == versions
    assert not TradeHistory.objects.filter(source="RECONCILED").exists()


def test_a_slow_exchange_is_read_in_turns_until_nothing_is_left(standard: Standard) -> None:
    slow_down(standard, seconds=2)
    cycles = 0
    while find_disagreements(standard.world.truth) and cycles < 20:
        standard.world.clock.advance(seconds=60)
        run_without_wrong_writes(standard)
        cycles += 1

    assert find_disagreements(standard.world.truth) == []
    assert cycles > 1
