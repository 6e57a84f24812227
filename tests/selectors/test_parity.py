"""The books of a heartbeat: which slices, fills, streaks and signs of life it reads."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from reconciliation.domain.parity_books import ParityBooks
from reconciliation.selectors.parity import load_parity_books
from reconciliation.selectors.states import trade_state
from tests.builders import (
    NOW,
    SYMBOL,
    make_account,
    make_fill,
    make_history,
    make_order,
    make_parity_watch,
    make_position,
    make_profile,
    make_review,
    make_trade,
)
from tests.cycles.fakes import instrument

pytestmark = pytest.mark.django_db
MARKETS = {
    each.symbol: each
    for each in (
        instrument(),
        instrument("BTC/USDT"),
        instrument("ETH/BTC"),
        instrument("BNB/USDT"),
    )
}
SINCE = NOW - timedelta(seconds=5)


def books(since: datetime = SINCE) -> ParityBooks:
    return load_parity_books(make_account(), instruments=MARKETS, active_since=since)


def test_slices_are_what_is_held_open_or_in_quarantine_of_all_profiles():
    held = [
        make_trade(entry_quantity="0.5"),
        make_trade(entry_quantity="0.5", status="QUARANTINED"),
        make_trade(make_profile("off", enabled=False), entry_quantity="0.5"),
    ]
    make_trade(), make_trade(entry_quantity="1", exit_quantity="1", closed_at=NOW)
    found = books()

    assert found.slices == tuple(trade_state(trade) for trade in held)
    assert found.disabled == {held[2].profile_id}


def test_a_fill_that_is_consumed_or_set_aside_could_close_nothing():
    make_trade(entry_quantity="0.5")
    free, partly = make_fill(), make_fill(allocated_quantity="0.2")
    make_fill(allocated_quantity="0.5"), make_fill(set_aside=True), make_fill(symbol="DOGE/USDT")

    assert {kept.id for kept in books().closing_fills} == {free.pk, partly.pk}


@pytest.mark.parametrize(("seconds", "is_fresh"), [(0, False), (0.001, True)])
def test_activity_is_what_is_younger_than_the_grace(seconds, is_fresh):
    at = SINCE + timedelta(seconds=seconds)
    old = make_trade(entry_quantity="0.5", symbol="old")
    make_trade(entry_quantity="0.5", symbol="trade", last_activity_at=at)
    make_order(old, symbol="order", last_activity_at=at)
    make_fill(symbol="fill", executed_at=at)

    assert set(books().last_activity) == ({"trade", "order", "fill"} if is_fresh else set())


def test_a_position_updated_just_now_is_no_activity():
    make_trade(entry_quantity="0.5")
    make_position(symbol=SYMBOL)

    assert books().last_activity == {}


def test_reviews_that_wait_and_answers_are_told_apart():
    waiting, answered = make_trade(entry_quantity="1"), make_trade(entry_quantity="1")
    make_review(waiting, reason="UNATTRIBUTED", evidence_hash="a" * 64)
    make_review(answered, reason="UNATTRIBUTED", evidence_hash="b" * 64, status="REJECTED")
    found = books()

    assert set(found.waiting) == {waiting.pk}
    assert found.answered == {(answered.pk, "b" * 64)}


def test_streaks_come_back_as_they_were_kept():
    kept = make_parity_watch(streak=2)
    (streak,) = books().streaks.values()

    assert (streak.kind, streak.count, streak.fingerprint) == (kept.kind, 2, kept.fingerprint)


def test_what_was_spent_of_a_currency_and_fees_paid_in_it_flow():
    make_trade(entry_quantity="2", symbol="BTC/USDT", average_entry_price="60000")
    ether = make_trade(entry_quantity="10", symbol="ETH/BTC", average_entry_price="0.05")
    make_history(ether, quantity="10", price="0.05", fee="0.001", fee_currency="BTC")

    assert books().flows["BTC"].quantity == Decimal("-0.501")


def test_a_leg_without_a_price_makes_the_flow_unknown():
    make_trade(entry_quantity="2", symbol="BTC/USDT", average_entry_price="60000")
    make_trade(entry_quantity="10", symbol="ETH/BTC", average_entry_price=None)

    assert books().flows["BTC"].quantity is None


def test_books_cost_as_many_statements_for_many_slices(django_assert_max_num_queries):
    for number in range(12):
        make_trade(entry_quantity="1", trade_id=f"N{number}")
    account = make_account()
    with django_assert_max_num_queries(14):
        load_parity_books(account, instruments=MARKETS, active_since=SINCE)
