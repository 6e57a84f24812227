"""Which orders were asked for is remembered, so that each gets its turn."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.handlers.lookups import record_look_ups
from reconciliation.models import OrderLookUp
from tests.builders import NOW, make_order

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=1)


def asked() -> dict[int, object]:
    return dict(OrderLookUp.objects.values_list("order_id", "asked_at"))


def test_the_last_time_an_order_was_asked_for_is_what_counts():
    first, second = make_order(), make_order()
    record_look_ups(order_ids=[first.pk, second.pk], now=NOW)
    record_look_ups(order_ids=[second.pk], now=LATER)
    assert asked() == {first.pk: NOW, second.pk: LATER}


def test_nobody_asked_for_is_nothing_to_remember():
    with CaptureQueriesContext(connection) as queries:
        record_look_ups(order_ids=[], now=NOW)
    assert (len(queries), asked()) == (0, {})


def test_remembering_costs_the_same_number_of_statements_however_many_there_were():
    def count(orders: int) -> int:
        ids = [make_order().pk for _ in range(orders)]
        with CaptureQueriesContext(connection) as queries:
            record_look_ups(order_ids=ids, now=NOW)
        return len(queries)

    assert count(1) == count(30)
