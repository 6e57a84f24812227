"""The ledger through its handler: the rows of any history sum to the balance."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from reconciliation.conf import require
from reconciliation.domain.amounts import total
from reconciliation.domain.audit import system_actor
from reconciliation.enums import OrderStatus, OrderType, Purpose, RunStatus, TradeStatus
from reconciliation.handlers.capital import recalculate_capital
from reconciliation.handlers.runs import ClaimLost
from reconciliation.models import (
    AuditEvent,
    CapitalBalance,
    CapitalEntry,
    Order,
    Profile,
    Run,
    Trade,
)
from tests.builders import (
    NOW,
    SYMBOL,
    FixedClock,
    arranging,
    make_account,
    make_order,
    make_profile,
    make_run,
    make_trade,
)

pytestmark = pytest.mark.django_db
CONF = require({})
FIELDS = ("allocated_usd", "reserved_usd", "used_usd")


def recalculate(run: Run | None = None, mark: str | None = None) -> int:
    run = run or Run.objects.filter(status=RunStatus.RUNNING).first()
    run = run or make_run(status=RunStatus.RUNNING)
    return recalculate_capital(
        account=make_account(),
        run_id=run.pk,
        claim_token=run.claim_token,
        marks={} if mark is None else {SYMBOL: Decimal(mark)},
        conf=CONF,
        clock=FixedClock(),
        actor=system_actor("test"),
    )


def figures(profile: Profile) -> tuple[Decimal, ...]:
    balance = CapitalBalance.objects.get(profile=profile)
    return tuple(getattr(balance, name) for name in FIELDS)


def check_sums() -> None:
    for balance in CapitalBalance.objects.all():
        rows = CapitalEntry.objects.filter(profile_id=balance.pk)
        for name in FIELDS:
            assert total(rows.values_list(name, flat=True)) == getattr(balance, name)


def rows() -> list[tuple[Any, ...]]:
    return list(CapitalEntry.objects.order_by("pk").values_list("cause", *FIELDS))


def test_the_first_row_brings_the_allocation_and_the_next_what_is_bound():
    alpha = make_profile()
    make_order(make_trade(entry_quantity="0.5", average_entry_price="60000"), quantity="0.1")
    assert recalculate() == 1
    assert rows() == [
        ("ALLOCATION", 100000, 0, 0),
        ("ORDERS_AND_HISTORY", 0, 6000, 30000),
    ]
    assert figures(alpha) == (100000, 6000, 30000)
    event = AuditEvent.objects.get(action="capital.recalculated")
    assert (event.profile_name, event.account_name) == ("alpha", "main")
    assert '"free_usd":"64000"' in event.payload


def test_where_nothing_changed_nothing_is_written():
    make_order(make_trade())
    recalculate()
    before = (rows(), AuditEvent.objects.count(), CapitalBalance.objects.get().updated_at)
    assert recalculate() == 0
    assert (rows(), AuditEvent.objects.count(), CapitalBalance.objects.get().updated_at) == before


def test_a_profile_without_any_capital_has_a_balance_and_no_row():
    make_profile(allocated_capital_usd="0")
    assert recalculate() == 1
    assert (rows(), CapitalBalance.objects.count()) == ([], 1)
    assert recalculate() == 0


@pytest.mark.parametrize(
    ("values", "reserved"),
    [
        ({}, 30000),
        ({"status": OrderStatus.PENDING}, 30000),
        ({"status": OrderStatus.PARTIALLY_FILLED, "filled_quantity": "0.2"}, 18000),
        ({"type": OrderType.MARKET, "price": None}, 30500),
        ({"purpose": Purpose.EXIT, "side": "sell"}, 0),
        ({"purpose": None, "trade": None}, 0),
        ({"status": OrderStatus.CANCELED}, 0),
    ],
    ids=["open", "pending", "in part", "market", "exit", "purpose unknown", "ended"],
)
def test_active_entry_orders_alone_reserve(values, reserved):
    alpha = make_profile()
    trade = values.pop("trade", make_trade())
    make_order(trade, profile=alpha, **values)
    recalculate(mark="61000")
    assert figures(alpha)[1] == reserved


@pytest.mark.parametrize(
    ("values", "used"),
    [
        ({"entry_quantity": "0.5", "exit_quantity": "0.2"}, 18000),
        ({"entry_quantity": "0.5", "direction": "short"}, 30000),
        ({"entry_quantity": "0.5", "status": TradeStatus.QUARANTINED}, 30000),
        ({"entry_quantity": "0.5", "exit_quantity": "0.5"}, 0),
    ],
    ids=["partly exited", "short", "quarantined", "closed"],
)
def test_slices_that_hold_something_use_capital(values, used):
    alpha = make_profile()
    make_trade(alpha, average_entry_price="60000", **values)
    recalculate()
    assert figures(alpha)[2] == used


def test_a_price_that_nobody_knows_is_counted_and_in_no_sum():
    make_order(make_trade(), type=OrderType.MARKET, price=None)
    make_trade(entry_quantity="1")
    recalculate()
    balance = CapitalBalance.objects.get()
    assert (balance.reserved_usd, balance.used_usd, balance.unpriced) == (0, 0, 2)


def test_a_price_that_becomes_known_leaves_the_count_with_a_row():
    make_order(make_trade(), type=OrderType.MARKET, price=None)
    recalculate()
    recalculate(mark="60000")
    assert rows()[-1] == ("ORDERS", 0, 30000, 0)
    assert CapitalBalance.objects.get().unpriced == 0


def test_a_new_allocation_is_a_row_of_its_own():
    alpha = make_profile()
    recalculate()
    with arranging():
        Profile.objects.filter(pk=alpha.pk).update(allocated_capital_usd=Decimal(90000))
    recalculate()
    assert rows()[-1] == ("ALLOCATION", -10000, 0, 0)


def test_profiles_of_other_accounts_and_disabled_ones_are_left_alone():
    make_profile("other", account=make_account("second"))
    make_profile("off", enabled=False)
    make_profile()
    assert recalculate() == 1
    assert CapitalBalance.objects.get().profile.name == "alpha"


def test_a_run_whose_claim_was_taken_over_writes_nothing():
    make_profile()
    over = make_run(status=RunStatus.RUNNING, claim_expires_at=NOW)
    with pytest.raises(ClaimLost):
        recalculate(over)
    assert not CapitalBalance.objects.exists()


def test_a_row_is_never_changed():
    make_profile()
    recalculate()
    refused = pytest.raises(IntegrityError, match="capital_entry_is_final")
    with arranging(), refused, transaction.atomic():
        CapitalEntry.objects.update(used_usd=Decimal(1))


def test_the_number_of_statements_does_not_depend_on_profiles_or_orders():
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            recalculate()
        return len(captured)

    make_run(status=RunStatus.RUNNING)
    make_order(make_trade(make_profile("p0")))
    counts = [statements()]
    for name in ("p1", "p2", "p3"):
        profile = make_profile(name)
        for _ in range(3):
            make_order(make_trade(profile))
    counts.append(statements())
    assert counts[0] == counts[1] <= 24


QUANTITY = st.decimals(min_value="0.0001", max_value=1000, places=4)
PRICE = st.none() | st.decimals(min_value="0.01", max_value=10**6, places=2)
ORDER = st.tuples(st.just("order"), QUANTITY, PRICE, st.sampled_from(OrderType))
SLICE = st.tuples(st.just("slice"), QUANTITY, PRICE, st.sampled_from(["long", "short"]))
OTHERS = st.sampled_from([("end",), ("close",), ("allocate",)])


class AnyHistory(TestCase):
    """What Django's own test case is for: each example begins with an empty database."""

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(ORDER | SLICE | OTHERS, st.none() | PRICE), max_size=8))
    def test_the_rows_sum_to_the_balance_after_each_run(self, history):
        alpha = make_profile()
        for (what, *values), mark in history:
            act(alpha, what, values)
            known = None if mark is None else str(mark)
            recalculate(mark=known)
            check_sums()
            # A second run of the same finds nothing to write.
            assert recalculate(mark=known) == 0


def act(profile: Profile, what: str, values: list[Any]) -> None:
    if what == "order":
        quantity, price, kind = values
        make_order(make_trade(profile), quantity=quantity, price=price, type=kind)
    elif what == "slice":
        quantity, price, direction = values
        make_trade(profile, entry_quantity=quantity, average_entry_price=price, direction=direction)
    else:
        with arranging():
            if what == "end":
                Order.objects.update(status=OrderStatus.CANCELED)
            elif what == "close":
                for trade in Trade.objects.filter(status=TradeStatus.OPEN):
                    trade.status, trade.exit_quantity = TradeStatus.CLOSED, trade.entry_quantity
                    trade.save()
            else:
                other = Decimal(50000) + Profile.objects.count() + Order.objects.count()
                Profile.objects.update(allocated_capital_usd=other)
