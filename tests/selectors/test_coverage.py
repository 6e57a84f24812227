"""How far back fills matter, and how far they are known."""

from datetime import timedelta

import pytest

from reconciliation.enums import CoverageStatus, InstrumentType, OrderStatus, TradeStatus
from reconciliation.models import FillCoverage
from reconciliation.selectors.coverage import (
    MARGIN,
    load_known_intervals,
    load_newest_fill_at,
    load_proven_intervals,
    load_window_start,
)
from tests.builders import NOW, make_account, make_fill, make_order, make_profile, make_trade

pytestmark = pytest.mark.django_db
GRACE = timedelta(minutes=5)
SWAP, SPOT = InstrumentType.SWAP, InstrumentType.SPOT


def days(number: float):
    return NOW - timedelta(days=number)


def window_start():
    return load_window_start(make_account().pk, as_of=NOW, stale_grace=GRACE)


def cover(start: float, end: float, status=CoverageStatus.PROVEN, kind=SWAP, account="main"):
    FillCoverage.objects.create(
        account=make_account(account),
        instrument_type=kind,
        status=status,
        start_at=days(start),
        end_at=days(end),
    )


def test_with_nothing_open_only_the_last_moments_matter():
    assert window_start() == NOW - GRACE - MARGIN


@pytest.mark.parametrize("status", [TradeStatus.OPEN, TradeStatus.QUARANTINED, TradeStatus.PENDING])
def test_the_window_starts_at_the_oldest_live_slice(status):
    entered = "0" if status == TradeStatus.PENDING else "0.5"
    make_trade(opened_at=days(9), entry_quantity=entered, status=status)
    make_trade(opened_at=days(3), entry_quantity="0.5")
    assert window_start() == days(9) - GRACE - MARGIN


def test_the_window_starts_at_the_oldest_active_order():
    make_order(created_at=days(4))
    make_trade(opened_at=days(3), entry_quantity="0.5")
    assert window_start() == days(4) - GRACE - MARGIN


def test_what_is_over_or_another_accounts_does_not_widen_the_window():
    make_trade(opened_at=days(9), entry_quantity="0.5", exit_quantity="0.5")
    make_trade(opened_at=days(9), status=TradeStatus.CANCELED)
    make_order(created_at=days(9), status=OrderStatus.CANCELED)
    other = make_profile("beta", account=make_account("other"), sub_tag="beta01")
    make_trade(other, opened_at=days(9), entry_quantity="0.5")
    make_order(profile=other, created_at=days(9))
    assert window_start() == NOW - GRACE - MARGIN


def test_what_was_read_and_what_is_unobtainable_are_both_known_in_order_of_time():
    cover(1, 0)
    cover(9, 5, CoverageStatus.UNOBTAINABLE)
    cover(9, 0, kind=SPOT)
    cover(9, 0, account="other")
    assert load_known_intervals(make_account().pk, SWAP) == [(days(9), days(5)), (days(1), days(0))]


def test_what_is_unobtainable_proves_nothing():
    cover(1, 0)
    cover(9, 5, CoverageStatus.UNOBTAINABLE)
    assert load_proven_intervals(make_account().pk, SWAP) == [(days(1), days(0))]


def test_the_newest_fill_is_of_its_account_and_type():
    assert load_newest_fill_at(make_account().pk, SWAP) is None
    make_fill(executed_at=days(3))
    make_fill(executed_at=days(2))
    make_fill(executed_at=days(1), instrument_type=SPOT)
    make_fill(make_account("other"), executed_at=days(1))
    assert load_newest_fill_at(make_account().pk, SWAP) == days(2)
