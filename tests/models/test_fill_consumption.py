"""A fill's quantity is consumed at most once, to the last digit and under concurrency."""

import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.handlers.bulk import insert_rows
from reconciliation.models import FillAllocation, TradeHistory
from tests.builders import NOW, arranging, make_allocation, make_fill, make_history, make_trade
from tests.models.test_guards import on_postgresql, refused

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _arranged() -> Iterator[None]:
    with arranging():
        yield


# Whole units of the 18th digit; powers of ten and their neighbours sit on every carry.
UNITS = st.integers(1, 10**37) | st.builds(
    lambda power, by: max(1, 10**power + by), st.integers(0, 36), st.integers(-2, 2)
)


@settings(max_examples=30, deadline=None)
@given(parts=st.lists(UNITS, min_size=1, max_size=5), left=st.integers(-2, 2))
def test_a_fill_is_never_over_consumed_by_a_single_unit(parts: list[int], left: int):
    """The database agrees with exact arithmetic at the very edge: some units less, or more."""
    left = max(left, 1 - parts[-1])  # the parts before the last one fit in any case
    with transaction.atomic():
        fill = make_fill(quantity=_amount(sum(parts) + left))
        for part in parts[:-1]:
            make_allocation(fill, make_history(make_trade(), quantity=_amount(part)))
        last = make_history(make_trade(), quantity=_amount(parts[-1]))
        if left >= 0:
            make_allocation(fill, last)
        else:
            with refused("fill_never_over_consumed"), transaction.atomic():
                make_allocation(fill, last)
        transaction.set_rollback(True)


@settings(max_examples=30, deadline=None)
@given(parts=st.lists(UNITS, min_size=1, max_size=4), left=st.integers(-2, 2))
def test_no_more_is_released_than_was_allocated(parts: list[int], left: int):
    left = min(left, sum(parts) - 1)
    with transaction.atomic():
        fill = make_fill(quantity=_amount(10**38 - 1))
        for part in parts:
            make_allocation(fill, make_history(make_trade(), quantity=_amount(part)))
        release = make_history(make_trade(), quantity=_amount(sum(parts) - left))
        if left >= 0:
            make_allocation(fill, release, released=True)
        else:
            with refused("fill_never_over_released"), transaction.atomic():
                make_allocation(fill, release, released=True)
        transaction.set_rollback(True)


def test_tenths_that_floats_would_sum_to_more_fit_exactly():
    fill = make_fill(quantity="0.3")
    for _ in range(3):
        make_allocation(fill, make_history(quantity="0.1"))
    with refused("fill_never_over_consumed"), transaction.atomic():
        make_allocation(fill, make_history(quantity="0.000000000000000001"))


def test_a_released_quantity_is_free_again():
    fill, history = make_fill(quantity="0.5"), make_history(quantity="0.5")
    make_allocation(fill, history)
    make_allocation(fill, history, released=True)
    make_allocation(fill, make_history(quantity="0.5"))


def test_one_over_consumed_fill_among_many_refuses_them_all():
    fills = [make_fill(quantity="0.5") for _ in range(3)]
    history = make_history(quantity="0.6")
    allocations = [
        FillAllocation(
            fill=fill, trade=history.trade, history=history, quantity=quantity, recorded_at=NOW
        )
        for fill, quantity in zip(fills, ("0.5", "0.6", "0.1"), strict=True)
    ]
    with refused("fill_never_over_consumed"), transaction.atomic():
        insert_rows(FillAllocation, allocations)
    assert not FillAllocation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_concurrent_allocations_never_over_consume_a_fill():
    fill = make_fill(quantity="0.5")
    histories = [make_history(quantity="0.2") for _ in range(4)]
    start = threading.Barrier(len(histories))
    outcomes: list[str] = []

    def allocate(history: TradeHistory) -> None:
        try:
            start.wait()
            with transaction.atomic():
                make_allocation(fill, history)
            outcomes.append("allocated")
        except IntegrityError as error:
            outcomes.append(str(error).partition(":")[0])
        finally:
            connection.close()

    threads = [threading.Thread(target=allocate, args=[history]) for history in histories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["allocated"] * 2 + ["fill_never_over_consumed"] * 2


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_an_allocation_waits_for_one_that_is_not_committed_yet():
    fill = make_fill(quantity="0.5")
    first, second = make_history(quantity="0.3"), make_history(quantity="0.3")
    outcome: list[str] = []

    def allocate() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '100ms'")
                make_allocation(fill, second)
            outcome.append("allocated")
        except Exception as error:
            outcome.append(type(error.__cause__).__name__)
        finally:
            connection.close()

    with transaction.atomic():
        make_allocation(fill, first)
        thread = threading.Thread(target=allocate)
        thread.start()
        thread.join()
    assert outcome == ["LockNotAvailable"]


def _amount(units: int) -> Decimal:
    return Decimal(f"{units}e-18")
