"""More fills, and more open orders, than a page holds: a page that is wrong proves nothing."""

import pytest

from reconciliation.enums import InstrumentType, RunStatus
from reconciliation.exchange.paper.faults import PAGING_KINDS
from reconciliation.models import Fill
from reconciliation.selectors.coverage import load_proven_intervals
from tests.cycles.faults.connections import ACCOUNT
from tests.cycles.faults.standard import Standard
from tests.cycles.storms.truth import check_chain


@pytest.mark.parametrize("kind", PAGING_KINDS)
@pytest.mark.parametrize("endpoint", ["fills", "open_orders"])
def test_pages_that_fail_are_read_again(
    standard_with_pages: Standard, endpoint: str, kind: str
) -> None:
    standard = standard_with_pages
    standard.connections.fail(endpoint, kind, "always")
    first = standard.run()
    if (endpoint, kind) != ("open_orders", "short_page"):
        # A list without a window can be cut without a trace: there, look-ups are what protects.
        assert first.status == RunStatus.PARTIAL
        assert any(name.startswith(endpoint) for name in first.unread)
    standard.happen_meanwhile()
    standard.run()
    standard.connections.mend()

    standard.settle()
    assert check_chain() == []


def test_each_proven_page_stays_where_a_later_one_fails(standard_with_pages: Standard) -> None:
    standard = standard_with_pages
    faults, account = standard.exchange.faults, standard.world.account
    # The first page comes (a little late), the second one in none of the three attempts.
    faults.add(ACCOUNT, "fills", "delay", 1, delay_seconds=0.001)
    faults.add(ACCOUNT, "fills", "http_500", 3)

    outcome = standard.run()

    assert outcome.status == RunStatus.PARTIAL
    assert list(outcome.unread) == ["fills.swap"]
    (proven,) = load_proven_intervals(account.pk, InstrumentType.SWAP)
    now = standard.world.clock.now()
    shown = {
        fill.fill_id
        for fill in standard.world.paper.fills()
        if fill.executed_at >= proven[0] and fill.is_visible(now)
    }
    kept = Fill.objects.filter(account=account).values_list("exchange_fill_id", flat=True)
    assert len(shown) > 90
    assert shown <= set(kept)
    standard.settle(cycles=1)
