"""Exits without a fill are read as far as an unbooked fill could be theirs, and no further."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.books import Books
from reconciliation.enums import DecisionKind, DecisionReason, HistoryKind, HistorySource, Side
from reconciliation.models import Decision, Trade, TradeHistory
from reconciliation.selectors.books import load_books
from tests.builders import (
    NOW,
    SYMBOL,
    arranging,
    make_account,
    make_fill,
    make_history,
    make_order,
    make_profile,
    make_review,
    make_trade,
)
from tests.cycles.fakes import instrument
from tests.selectors.test_plans import plan

pytestmark = pytest.mark.django_db
EXIT = HistoryKind.EXIT
SYNTHETIC, OPERATOR = HistorySource.SYNTHETIC, HistorySource.OPERATOR


def closed(source: HistorySource = SYNTHETIC, **values: Any) -> Trade:
    trade = make_trade(
        values.pop("profile", None),
        entry_quantity="0.5",
        exit_quantity="0.5",
        symbol=values.pop("symbol", SYMBOL),
    )
    make_history(trade, kind=EXIT, source=source, **values)
    return trade


def load() -> Books:
    return load_books(make_account(), open_orders=(), instruments={SYMBOL: instrument()})


def test_a_slice_that_was_closed_so_is_there_while_a_fill_of_its_symbol_is_unbooked():
    make_profile()
    trade = closed()
    closed(symbol="ETH/USDT:USDT")
    assert (load().trades, load().synthetic_exits) == ({}, {})
    make_fill(side=Side.SELL)
    books = load()
    assert books.trades.keys() == books.synthetic_exits.keys() == {trade.pk}
    (row,) = books.synthetic_exits[trade.pk].synthetic
    assert (row.quantity, row.price, row.source) == (Decimal("0.5"), 60000, SYNTHETIC)


def test_what_a_person_exited_is_there_with_its_trade():
    trade = closed(OPERATOR)
    make_order(trade, purpose="EXIT", side="sell", exchange_order_id="77", status="CANCELED")
    make_fill(side=Side.SELL, exchange_order_id="77")
    assert load().synthetic_exits.keys() == {trade.pk}


def test_what_a_person_exited_is_found_by_his_decision_also_once_a_part_was_replaced():
    trade = closed(quantity="0.2")
    other = closed()
    review = make_review(make_trade(entry_quantity="0.5", status="QUARANTINED"))
    with arranging():
        decision = Decision.objects.create(
            account=review.account,
            profile=review.profile,
            kind=DecisionKind.APPROVED,
            review=review,
            maker_id="1",
            maker_name="ola",
            reason=DecisionReason.CONFIRMED_FLAT,
            item_version=1,
            decided_at=NOW,
        )
    mine = make_trade(entry_quantity="0.5", exit_quantity="0.5")
    whole = make_history(mine, kind=EXIT, source=OPERATOR, decision=decision)
    make_fill(side=Side.SELL)
    assert mine.pk in load().synthetic_exits
    make_history(mine, kind=HistoryKind.REVERSAL, reverses=whole)
    assert load().synthetic_exits.keys() == {trade.pk, other.pk}
    make_history(mine, kind=EXIT, source=OPERATOR, quantity="0.3")
    assert load().synthetic_exits[mine.pk].quantity == Decimal("0.3")


@pytest.mark.parametrize(
    "values", [{"exchange_fill_id": "9001"}, {"booked_quantity": "0"}, {"kind": HistoryKind.ENTRY}]
)
def test_what_has_a_fill_or_counts_for_nothing_or_is_no_exit_is_not(values):
    trade = make_trade(entry_quantity="0.5")
    make_history(trade, **{"kind": EXIT, "source": SYNTHETIC, **values})
    make_fill(side=Side.SELL)
    assert load().synthetic_exits == {}


def test_what_was_reversed_is_not_and_the_other_exits_stand_beside_it():
    trade = closed(quantity="0.2")
    back = make_history(trade, kind=EXIT, source=SYNTHETIC)
    make_history(trade, kind=HistoryKind.REVERSAL, reverses=back)
    make_history(trade, kind=EXIT, quantity="0.3", price="61000")
    make_history(trade, kind=EXIT, quantity="0.1", price=None, source=HistorySource.DUST)
    make_fill(side=Side.SELL)
    exits = load().synthetic_exits[trade.pk]
    assert exits.quantity == Decimal("0.2")
    real = [(str(each.quantity), each.price, each.is_dust) for each in exits.real]
    assert real == [("0.3", Decimal(61000), False), ("0.1", None, True)]


def test_nothing_of_another_account_is_there():
    other = make_profile("beta", account=make_account("second"))
    closed(profile=other)
    make_fill(side=Side.SELL)
    assert load().synthetic_exits == {}


def test_the_nameless_exit_of_such_a_slice_is_there():
    trade = closed(quantity="0.3")
    make_history(trade, kind=EXIT, quantity="0.2", key="delivered:x1")
    make_fill(side=Side.SELL)
    assert [row.trade_id for row in load().history] == [trade.pk]


def test_the_number_of_statements_does_not_depend_on_how_many_there_are():
    counts = []
    for more in (1, 9):
        for _ in range(more):
            closed()
            make_fill(side=Side.SELL)
        with CaptureQueriesContext(connection) as queries:
            load()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_history_is_read_by_an_index():
    closed()
    make_fill(side=Side.SELL)
    queries: list[tuple[str, object]] = []

    def note(execute, sql, params, many, context):
        queries.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        load()
    table = TradeHistory._meta.db_table
    lines = [line for sql, params in queries if table in sql for line in plan(sql, params)]
    whole = ("Seq Scan on " + table, "SCAN " + table)
    assert [line for line in lines if line.startswith(whole) and "USING" not in line] == []
