"""More fills than a page holds: one that comes cut, repeated or not at all proves nothing."""

import pytest

from reconciliation.enums import InstrumentType, RunStatus
from reconciliation.models import Fill
from reconciliation.selectors.coverage import load_proven_intervals
from tests.cycles.faults.standard import Standard
from tests.cycles.faults.test_every_fault import run_without_wrong_writes
from tests.cycles.storms.truth import check_chain

OF_PAGES = ("short_page", "duplicate_page", "empty_list", "truncated_200", "http_429")


@pytest.mark.parametrize("times", [1, "always"])
@pytest.mark.parametrize("kind", OF_PAGES)
def test_pages_of_fills_that_fail_are_read_again(
    standard_with_pages: Standard, kind: str, times: int | str
) -> None:
    standard = standard_with_pages
    standard.fail("fills", kind, times)

    run_without_wrong_writes(standard)
    standard.happen_meanwhile()
    run_without_wrong_writes(standard)
    standard.mend()

    standard.settle()
    assert check_chain() == []


def test_each_proven_page_stays_where_a_later_one_fails(standard_with_pages: Standard) -> None:
    standard = standard_with_pages
    faults, account = standard.exchange.faults, standard.world.account
    # The first page comes (a little late), the second one in none of the three attempts.
    faults.add(account.name, "fills", "delay", 1, delay_seconds=0.001)
    faults.add(account.name, "fills", "http_500", 3)

    outcome = run_without_wrong_writes(standard)

    assert outcome.status == RunStatus.PARTIAL
    assert list(outcome.unread) == ["fills.swap"]
    (proven,) = load_proven_intervals(account.pk, InstrumentType.SWAP)
    shown = {fill.fill_id for fill in standard.world.paper.fills() if fill.executed_at >= proven[0]}
    kept = Fill.objects.filter(account=account).values_list("exchange_fill_id", flat=True)
    assert len(shown) > 90
    assert shown <= set(kept)
    standard.settle(cycles=1)
