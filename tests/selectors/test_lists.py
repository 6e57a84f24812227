"""A list of any length is one parameter, and finds exactly what is in it."""

import pytest
from django.db import connection

from reconciliation.models import Order
from reconciliation.selectors.lists import id_list, text_list
from tests.builders import make_order

pytestmark = pytest.mark.django_db
AWKWARD = ["it's", 'a "quote"', "ünï 🜁", "a,b", "%s", "\\", "[1]", ""]


def found_by(names: list[str]) -> set[str]:
    rows = Order.objects.filter(client_order_id__in=text_list(names))
    return set(rows.values_list("client_order_id", flat=True))


def test_texts_of_any_kind_find_themselves_and_nothing_else():
    for name in AWKWARD:
        make_order(client_order_id=name)
    make_order(client_order_id="another")
    assert found_by(AWKWARD) == set(AWKWARD)
    assert found_by(AWKWARD[:2]) == set(AWKWARD[:2])


@pytest.mark.parametrize("text", ["a\x00b", "half \ud800 a pair"])
def test_a_text_that_no_column_can_hold_finds_nothing_and_stops_no_other(text):
    make_order(client_order_id="plain")
    assert found_by([text, "plain"]) == {"plain"}


def test_an_empty_list_finds_nothing():
    make_order()
    assert found_by([]) == set()
    assert not Order.objects.filter(pk__in=id_list([])).exists()


def test_ids_find_their_rows():
    orders = [make_order() for _ in range(3)]
    ids = [orders[0].pk, orders[2].pk, orders[2].pk, 10**12]
    rows = Order.objects.filter(pk__in=id_list(ids)).order_by("pk")
    assert list(rows) == [orders[0], orders[2]]


def test_what_is_not_in_the_list_can_be_asked_for():
    orders = [make_order() for _ in range(3)]
    others = Order.objects.exclude(pk__in=id_list([orders[1].pk]))
    assert set(others) == {orders[0], orders[2]}


def test_a_list_of_any_length_is_one_parameter():
    seen: list[int] = []

    def count(execute, sql, params, many, context):
        seen.append(len(params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        list(Order.objects.filter(pk__in=id_list(range(100_000))))
    assert seen == [1]
