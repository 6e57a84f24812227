"""Replacements and triggered children are parts of an order: their fills are its fills."""

from dataclasses import replace
from decimal import Decimal

from reconciliation.domain.legs import find_legs
from reconciliation.domain.types import OrderFound
from reconciliation.enums import LegKind, OrderClass, OrderStatus
from tests.domain.builders import (
    NOW,
    applied,
    books,
    ended,
    exit_order,
    fill,
    order,
    plan,
    shown,
    snapshot,
    trade,
    writes,
)

FILLED, CANCELED = OrderStatus.FILLED, OrderStatus.CANCELED
ALGO = exit_order(1, order_class=OrderClass.CONDITIONAL, exchange_order_id="1001")


def legs(world, seen=None, look_ups=None) -> list[tuple[str, str]]:
    _, found = find_legs(world, seen or snapshot(), look_ups or {})
    return [(draft.exchange_order_id, draft.kind) for key in found for draft in found[key]]


def found(*parts, fills=()) -> OrderFound:
    return OrderFound(legs=parts, fills=fills, as_of=NOW)


def child(**values):
    return shown(
        ALGO,
        **{
            "order_class": OrderClass.REGULAR,
            "exchange_order_id": "77",
            "client_order_id": None,
            "parent_id": "1001",
            **values,
        },
    )


def test_the_order_itself_is_no_leg():
    assert legs(books(order()), snapshot(shown())) == []
    assert legs(books(order()), look_ups={1: ended(FILLED)}) == []


def test_another_exchange_id_under_the_same_client_id_is_a_replacement():
    seen = snapshot(shown(exchange_order_id="77"))
    assert legs(books(order()), seen) == [("77", LegKind.REPLACEMENT)]


def test_the_first_exchange_id_of_an_order_without_one_is_its_own():
    nameless = order(exchange_order_id=None)
    assert legs(books(nameless), snapshot(shown(exchange_order_id="77"))) == []


def test_a_leg_that_is_known_is_not_found_again():
    known = order(leg_ids=("77",))
    assert legs(books(known), snapshot(shown(exchange_order_id="77"))) == []


def test_what_an_algo_order_triggered_is_its_child():
    assert legs(books(ALGO), snapshot(child())) == [("77", LegKind.CHILD)]
    parent = shown(ALGO, status=FILLED, child_ids=("77",))
    answer = {1: found(parent, child(status=FILLED, filled_quantity="0.5"))}
    assert legs(books(ALGO), look_ups=answer) == [("77", LegKind.CHILD)]


def test_the_fills_of_a_child_are_its_parents():
    sold = fill(1, "0.5", of=ALGO, exchange_order_id="77", client_order_id=None)
    world = books(trade(entered="0.5"), ALGO, sold)
    parent = shown(ALGO, status=FILLED, filled_quantity="0.5", child_ids=("77",))
    answer = {1: found(parent, child(status=FILLED, filled_quantity="0.5"))}

    changes = plan(world, look_ups=answer)
    after = applied(world, changes)

    assert after.trades[1].open_quantity == 0
    assert (after.orders[1].status, after.orders[1].leg_ids) == (FILLED, ("77",))
    assert after.orders[1].exchange_order_id == "1001"
    assert "order.legs_found" in [event.action for each in changes for event in each.events]
    assert [each for each in plan(after, look_ups=answer) if writes(each)] == []


def test_an_algo_order_known_by_its_client_id_alone_learns_its_own_id_not_its_childs():
    nameless = replace(ALGO, exchange_order_id=None)
    named = child(client_order_id=ALGO.client_order_id)
    after = applied(
        w := books(trade(entered="0.5"), nameless), plan(w, snapshot(replace(named, price=None)))
    )
    assert after.orders[1].exchange_order_id == "1001"


def test_an_algo_order_whose_child_lives_is_not_over():
    world = books(trade(entered="0.5"), ALGO)
    parent = shown(ALGO, status=FILLED, child_ids=("77",))
    after = applied(world, plan(world, look_ups={1: found(parent, child())}))
    assert after.orders[1].is_active


def test_a_triggered_child_that_is_open_does_not_change_its_parents_terms():
    world = books(trade(entered="0.5"), ALGO)
    after = applied(world, plan(world, snapshot(child(price="1", quantity="0.4"))))
    assert after.orders[1].price == ALGO.price
    assert after.orders[1].quantity == ALGO.quantity


def test_an_order_that_was_replaced_keeps_what_filled_before_and_lives_on():
    old = fill(1, "0.2", exchange_order_id="1001")
    world = books(trade(), order(), old)
    seen = snapshot(shown(exchange_order_id="77", quantity="0.3", price="59000"))

    after = applied(world, plan(world, seen))

    assert after.trades[1].entry_quantity == Decimal("0.2")
    assert after.orders[1].status == OrderStatus.PARTIALLY_FILLED
    # The newest leg asks for 0.3 more than the 0.2 that the first one filled.
    assert after.orders[1].quantity == Decimal("0.5")
    assert after.orders[1].price == Decimal(59000)
    assert after.orders[1].exchange_order_id == "1001"
    assert [change for change in plan(after, seen) if writes(change)] == []


def test_an_order_whose_legs_ended_needs_the_fills_of_all_of_them():
    first = shown(status=CANCELED, filled_quantity="0.2")
    second = shown(exchange_order_id="77", status=FILLED, quantity="0.3", filled_quantity="0.3")
    answer = {1: found(first, second)}
    one = fill(1, "0.2", exchange_order_id="1001")
    other = fill(2, "0.3", exchange_order_id="77")

    partly = books(trade(), order(), one)
    assert applied(partly, plan(partly, look_ups=answer)).orders[1].is_active
    whole = books(trade(), order(), one, other)
    after = applied(whole, plan(whole, look_ups=answer))
    assert (after.orders[1].status, after.trades[1].entry_quantity) == (FILLED, Decimal("0.5"))


def test_a_leg_of_an_order_without_a_difference_is_recorded_all_the_same():
    known = order(quantity="0.5", status=OrderStatus.OPEN)
    (change,) = plan(books(trade(), known), snapshot(shown(exchange_order_id="77")))
    assert [leg.exchange_order_id for leg in change.legs] == ["77"]
    assert change.mismatches == ()
    assert [event.action for event in change.events] == ["order.legs_found"]
