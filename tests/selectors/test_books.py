"""The books of an account hold what a cycle decides on, and nothing of anybody else's."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.books import Books
from reconciliation.domain.keys import client_order_id, trade_code
from reconciliation.domain.types import ExchangeOrder
from reconciliation.enums import (
    ACTIVE_ORDER_STATUSES,
    ExternalStatus,
    HistoryKind,
    HistorySource,
    LegKind,
    MismatchStatus,
    OrderStatus,
    PositionMode,
    Purpose,
    TradeStatus,
)
from reconciliation.models import ExchangeAccount, ExternalOrder, OrderLeg, OrderLookUp
from reconciliation.selectors.books import load_books
from tests.builders import (
    NOW,
    SYMBOL,
    arranging,
    make_account,
    make_allocation,
    make_fill,
    make_history,
    make_mismatch,
    make_order,
    make_position,
    make_profile,
    make_run,
    make_sighting,
    make_trade,
)
from tests.cycles.fakes import instrument
from tests.domain.builders import shown

pytestmark = pytest.mark.django_db
SPOT = "BTC/USDT"
BOOKED = {"allocated_quantity": "0.5"}
DELIVERED = {"key": "delivered:h1"}
INSTRUMENTS = {SYMBOL: instrument(), SPOT: instrument(SPOT)}


def load(*listed: ExchangeOrder, account: ExchangeAccount | None = None) -> Books:
    return load_books(account or make_account(), open_orders=listed, instruments=INSTRUMENTS)


def ended(trade=None, **values: Any):
    """Make an order that needs nobody's attention any more."""
    return make_order(trade, status=OrderStatus.FILLED, **{"filled_quantity": "0.5", **values})


# --- orders ---


@pytest.mark.parametrize("status", sorted(ACTIVE_ORDER_STATUSES))
def test_every_active_order_is_there(status):
    order = make_order(make_trade(), status=status)
    assert set(load().orders) == {order.pk}
    assert set(load().trades) == {order.trade_id}


def test_an_order_that_ended_and_is_booked_is_nobodys_concern():
    order = ended(make_trade(entry_quantity="0.5"))
    make_fill(exchange_order_id=order.exchange_order_id, **BOOKED)
    assert load().orders == {}
    assert load().fills == ()


@pytest.mark.parametrize("by", ["exchange_order_id", "client_order_id"])
def test_an_order_that_the_exchange_lists_as_open_is_there(by):
    order = ended()
    ids = {"exchange_order_id": "77", "client_order_id": None, by: getattr(order, by)}
    assert set(load(shown(**ids)).orders) == {order.pk}


@pytest.mark.parametrize("by", ["exchange_order_id", "client_order_id"])
def test_an_order_with_an_unbooked_fill_is_there_with_all_its_fills(by):
    order = ended()
    ids = {"exchange_order_id": None, "client_order_id": None, by: getattr(order, by)}
    news = make_fill(**ids)
    old = make_fill(**ids, **BOOKED)
    books = load()
    assert set(books.orders) == {order.pk}
    assert {kept.id: kept.remaining for kept in books.fills} == {
        news.pk: Decimal("0.5"),
        old.pk: Decimal(0),
    }


def test_an_order_with_an_open_mismatch_is_there():
    order, healed = ended(), ended()
    make_sighting(make_mismatch(order=order, profile=order.profile))
    make_sighting(make_mismatch(order=healed, status=MismatchStatus.RESOLVED, closed_at=NOW))
    books = load()
    assert set(books.orders) == {order.pk}
    assert [each.order_id for each in books.open_mismatches] == [order.pk]


def test_a_mismatch_that_a_person_accepted_is_still_watched():
    order = ended()
    accepted = make_mismatch(order=order, status=MismatchStatus.ACCEPTED)
    make_sighting(accepted, not_found_count=3)
    (mismatch,) = load().open_mismatches
    assert (mismatch.id, mismatch.not_found_count) == (accepted.pk, 3)


def test_an_order_is_there_by_its_legs_and_knows_them():
    order = ended(exchange_order_id="1001")
    with arranging():
        for number, name in enumerate(("77", "78")):
            OrderLeg.objects.create(
                order=order,
                account=order.account,
                symbol=order.symbol,
                exchange_order_id=name,
                kind=LegKind.REPLACEMENT,
                recorded_at=NOW + timedelta(seconds=number),
            )
    make_fill(exchange_order_id="78")
    old = make_fill(exchange_order_id="77", **BOOKED)
    books = load()
    assert books.orders[order.pk].leg_ids == ("77", "78")
    assert old.pk in {kept.id for kept in books.fills}


def test_an_order_is_there_by_the_child_that_it_triggered():
    order = ended(exchange_order_id="500")
    child = shown(exchange_order_id="501", client_order_id=None, parent_id="500")
    assert set(load(child).orders) == {order.pk}


def test_an_order_says_when_it_was_last_asked_for():
    asked, other = make_order(), make_order()
    OrderLookUp.objects.create(order=asked, asked_at=NOW)
    books = load()
    assert books.orders[asked.pk].looked_up_at == NOW
    assert books.orders[other.pk].looked_up_at is None


def test_an_order_is_what_its_row_says():
    row = make_order(
        make_trade(), price=None, average_price="59000", filled_quantity="0.2", sub_tag=None
    )
    order = load().orders[row.pk]
    for name in (
        "client_order_id",
        "exchange_order_id",
        "symbol",
        "side",
        "status",
        "purpose",
        "sub_tag",
        "created_at",
        "last_activity_at",
        "version",
        "end_reason",
        "profile_id",
        "trade_id",
        "order_class",
    ):
        assert getattr(order, name) == getattr(row, name), name
    assert (order.price, order.average_price) == (None, Decimal(59000))
    assert (order.quantity, order.filled_quantity) == (Decimal("0.5"), Decimal("0.2"))


# --- trades ---


def test_the_trade_that_an_unknown_client_id_names_is_there():
    trade = make_trade(trade_id="T7")
    name = client_order_id(sub_tag="alpha01", trade_id="T7", purpose=Purpose.ENTRY)
    make_fill(client_order_id=name)
    assert set(load().trades) == {trade.pk}
    assert load().trades[trade.pk].code == trade_code("alpha01", "T7")
    unknown = shown(exchange_order_id="77", client_order_id=name)
    assert trade.pk in load(unknown).trades


def test_the_trade_that_a_hint_names_is_there():
    trade = make_trade(trade_id="T7")
    assert set(load(shown(client_order_id=None, trade_hint="T7")).trades) == {trade.pk}


def test_the_open_slices_that_an_unbooked_fill_could_close_are_there():
    holding = make_trade(entry_quantity="0.5")
    waiting = make_trade(entry_quantity="0.5", status=TradeStatus.QUARANTINED)
    make_trade(entry_quantity="0.5", exit_quantity="0.5")
    make_trade(entry_quantity="0.5", symbol="ETH/USDT:USDT")
    assert load().trades == {}
    make_fill(side="sell", exchange_order_id="77")
    assert set(load().trades) == {holding.pk, waiting.pk}


# --- delivered rows ---


def test_the_delivered_row_that_names_an_unbooked_fill_is_there_with_its_trade():
    row = make_history(make_trade(entry_quantity="0.5"), exchange_fill_id="9001", **DELIVERED)
    make_fill(exchange_fill_id="9001")
    books = load()
    assert [each.id for each in books.history] == [row.pk]
    assert row.trade_id in books.trades


def test_the_nameless_rows_of_a_trade_with_an_unbooked_fill_are_there():
    order = make_order(make_trade(entry_quantity="0.5"))
    row = make_history(order.trade, order=order, **DELIVERED)
    other = make_history(make_trade(entry_quantity="0.5"), key="delivered:h2")
    make_fill(exchange_order_id=order.exchange_order_id)
    ids = [each.id for each in load().history]
    assert row.pk in ids
    assert other.pk not in ids


@pytest.mark.parametrize("by", ["exchange_order_id", "client_order_id", "leg"])
def test_only_the_nameless_rows_of_trades_with_news_are_there(by):
    news, quiet = (make_order(make_trade(entry_quantity="0.5")) for _ in range(2))
    rows = [
        make_history(order.trade, order=order, key=f"delivered:{order.pk}")
        for order in (news, quiet)
    ]
    ids = {"exchange_order_id": None, "client_order_id": None}
    if by == "leg":
        with arranging():
            OrderLeg.objects.create(
                order=news,
                account=news.account,
                symbol=news.symbol,
                exchange_order_id="77",
                kind=LegKind.CHILD,
                recorded_at=NOW,
            )
        make_fill(**{**ids, "exchange_order_id": "77"})
    else:
        make_fill(**{**ids, by: getattr(news, by)})
    assert [each.id for each in load().history] == [rows[0].pk]


def test_the_nameless_rows_of_a_trade_that_a_listed_order_of_a_fill_names_are_there():
    trade = make_trade(trade_id="T7", entry_quantity="0.5")
    row = make_history(trade, **DELIVERED)
    make_fill(exchange_order_id="77", client_order_id=None)
    name = client_order_id(sub_tag="alpha01", trade_id="T7", purpose=Purpose.ENTRY)
    unknown = shown(exchange_order_id="77", client_order_id=name)
    assert [each.id for each in load(unknown).history] == [row.pk]
    elsewhere = shown(exchange_order_id="78", client_order_id=name)
    assert load(elsewhere).history == ()


def test_the_nameless_rows_of_a_trade_that_an_unknown_order_names_are_there():
    trade = make_trade(trade_id="T7", entry_quantity="0.5")
    row = make_history(trade, **DELIVERED)
    name = client_order_id(sub_tag="alpha01", trade_id="T7", purpose=Purpose.ENTRY)
    make_fill(client_order_id=name)
    assert [each.id for each in load().history] == [row.pk]


@pytest.mark.parametrize(
    "values",
    [
        {"key": "portal", "source": HistorySource.RECONCILED},
        {"booked_quantity": "0", **DELIVERED},
    ],
    ids=["the portal's own", "wholly repeated"],
)
def test_rows_that_cover_nothing_are_not_there(values):
    make_history(make_trade(entry_quantity="0.5"), exchange_fill_id="9001", **values)
    make_fill(exchange_fill_id="9001")
    assert load().history == ()


def test_a_row_says_how_much_of_it_fills_explain_already():
    trade = make_trade(entry_quantity="0.5")
    row = make_history(trade, exchange_fill_id="9001", **DELIVERED)
    covered = make_fill(exchange_fill_id="9000", allocated_quantity="0.2")
    freed = make_fill(exchange_fill_id="8999", allocated_quantity="0")
    make_allocation(covered, row, quantity="0.2")
    make_allocation(freed, row, quantity="0.1")
    make_allocation(freed, row, quantity="0.1", released=True)
    make_fill(exchange_fill_id="9001")
    (each,) = load().history
    assert (each.covered, each.uncovered) == (Decimal("0.2"), Decimal("0.3"))


def test_what_a_spot_fill_explains_is_less_its_fee():
    trade = make_trade(symbol=SPOT, entry_quantity="0.5")
    row = make_history(trade, exchange_fill_id="9001", **DELIVERED)
    values = {"symbol": SPOT, "fee": "0.001", "fee_currency": "BTC"}
    booked = make_fill(exchange_fill_id="9000", allocated_quantity="0.5", **values)
    make_allocation(booked, row, quantity="0.5")
    make_fill(exchange_fill_id="9001", **values)
    (each,) = load().history
    assert each.covered == Decimal("0.499")


# --- the account ---


def test_nothing_of_another_account_is_there():
    other = make_account("other")
    profile = make_profile("beta", account=other, sub_tag="alpha01")
    make_order(make_trade(profile), client_order_id="client1", exchange_order_id="1001")
    make_fill(other, exchange_order_id="1001")
    make_sighting(make_mismatch(make_run(other)))
    make_position(profile)
    books = load(shown())
    assert (books.orders, books.trades, books.fills) == ({}, {}, ())
    assert (books.profiles, books.open_mismatches, books.positions) == ({}, (), ())


def test_nothing_is_attributed_to_a_profile_that_is_disabled():
    make_profile("alpha")
    make_profile("beta", sub_tag="beta01", enabled=False)
    assert [each.name for each in load().profiles.values()] == ["alpha"]


def test_positions_stand_beside_the_sums_of_their_slices():
    make_trade(entry_quantity="0.5", average_entry_price="60000")
    make_trade(entry_quantity="0.3", exit_quantity="0.1", average_entry_price="60000")
    row = make_position(quantity="0.9")
    (position,) = load().positions
    assert (position.id, position.quantity, position.of_slices) == (
        row.pk,
        Decimal("0.9"),
        Decimal("0.7"),
    )


def test_what_a_person_decided_and_accepted_is_there():
    account = make_account(baseline_at=NOW, position_mode=PositionMode.HEDGE)
    run = make_run(account)
    with arranging():
        for name, status in (("77", ExternalStatus.IGNORED), ("78", ExternalStatus.PENDING)):
            ExternalOrder.objects.create(
                account=account,
                symbol=SYMBOL,
                exchange_order_id=name,
                side="buy",
                status=status,
                first_run=run,
                first_seen_at=NOW,
            )
    books = load()
    assert books.decided_orders == {(SYMBOL, "77")}
    assert (books.baseline_at, books.is_hedged) == (NOW, True)


def test_steps_and_base_currencies_are_the_instruments():
    books = load()
    assert books.amount_steps == {SYMBOL: Decimal("0.0001"), SPOT: Decimal("0.0001")}
    assert books.base_currencies == {SPOT: "BTC"}


def test_the_number_of_statements_does_not_depend_on_how_much_there_is():
    def add(number: int) -> list[ExchangeOrder]:
        listed = []
        for _ in range(number):
            order = make_order(make_trade(entry_quantity="0.5"))
            row = make_history(order.trade, key=f"delivered:{order.pk}", kind=HistoryKind.ENTRY)
            fill = make_fill(exchange_order_id=order.exchange_order_id)
            make_allocation(fill, row)
            make_sighting(make_mismatch(run, order=order))
            listed.append(shown(exchange_order_id=order.exchange_order_id))
        make_position(make_profile(), symbol=f"S{number}")
        return listed

    run = make_run()
    counts = []
    for number in (1, 30):
        listed = add(number)
        with CaptureQueriesContext(connection) as queries:
            load(*listed)
        counts.append(len(queries))
    assert counts[0] == counts[1]
