"""A cycle has 30 seconds for the network; what it does not reach is unknown, and comes later."""

import pytest

from reconciliation.cycles.reconcile import NETWORK_BUDGET_SECONDS
from reconciliation.enums import Coverage, RunStatus
from reconciliation.models import AuditEvent, Mismatch, Order, TradeHistory
from tests.cycles.faults.standard import Standard


def test_what_the_budget_does_not_reach_is_unknown_and_the_run_partial(standard: Standard) -> None:
    standard.connections.slow_down(seconds=4)

    outcome = standard.run()

    assert (outcome.status, outcome.coverage) == (RunStatus.PARTIAL, Coverage.PARTIAL)
    assert standard.connections.asked() <= NETWORK_BUDGET_SECONDS / 4 + 1
    unread = {part: reason for part, reason in outcome.unread.items() if "used up" in reason}
    # The lists came first; positions and single orders did not get their turn.
    assert "positions" in unread
    assert any(part.startswith("order ") for part in unread)
    assert not any(part.startswith("open_orders") for part in outcome.unread)


def test_a_budget_that_is_used_up_at_once_writes_nothing(standard: Standard) -> None:
    events = AuditEvent.objects.count()
    standard.connections.slow_down(seconds=NETWORK_BUDGET_SECONDS)

    outcome = standard.run()

    assert standard.connections.asked() == 1
    assert outcome.status == RunStatus.FAILED
    assert "used up" in outcome.error
    assert AuditEvent.objects.count() == events
    assert not Mismatch.objects.exists()


def test_one_list_proves_nothing_of_the_orders_that_another_would_show(standard: Standard) -> None:
    versions = dict(Order.objects.values_list("pk", "version"))
    # Instruments, then the regular open orders.
    standard.connections.slow_down(seconds=NETWORK_BUDGET_SECONDS / 2)

    outcome = standard.run()

    assert standard.connections.asked() == 2
    assert (outcome.status, outcome.coverage) == (RunStatus.PARTIAL, Coverage.PARTIAL)
    changed = Order.objects.filter(pk__in=versions, version__gt=1)
    assert {order.trade.trade_id for order in changed} <= {"ALIVE", "PENDING", "PARTIAL"}
    assert not TradeHistory.objects.filter(source="RECONCILED").exists()


@pytest.mark.parametrize("seconds", [1.3, 2])
def test_a_slow_exchange_is_read_in_turns_until_nothing_is_left(
    standard: Standard, seconds: float
) -> None:
    standard.connections.slow_down(seconds)

    outcomes = standard.settle(cycles=20)

    assert len(outcomes) > 1
    assert outcomes[0].status == RunStatus.PARTIAL
