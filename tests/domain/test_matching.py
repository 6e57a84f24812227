"""What belongs to an order: by exchange order id, else by client order id, never by chance."""

from dataclasses import replace

import pytest

from reconciliation.domain.order_diff import group_fills
from reconciliation.domain.order_rules import OrderRule
from reconciliation.enums import Side
from tests.domain.builders import SPOT, ago, books, exit_order, fill, judge, order, shown, snapshot

STRANGER = {"exchange_order_id": "77", "client_order_id": "stranger"}


def rule_of(ours, *listed) -> OrderRule:
    (finding,) = judge(books(ours), snapshot(*listed))
    return finding.rule


def owner_of(kept, *orders) -> int | None:
    groups = group_fills(books(*orders, kept))
    return next(iter(groups), None)


@pytest.mark.parametrize("client_order_id", [None, "another"])
def test_an_open_order_is_ours_by_its_exchange_id_whatever_its_client_id(client_order_id):
    assert rule_of(order(), shown(client_order_id=client_order_id)) is OrderRule.OPEN_NOTHING_NEW


def test_an_open_order_is_ours_by_its_client_id_where_we_know_no_exchange_id():
    ours = order(exchange_order_id=None)
    assert rule_of(ours, shown(exchange_order_id="77")) is OrderRule.OPEN_OTHER_TERMS


def test_of_two_open_orders_the_one_with_our_exchange_id_is_ours():
    other = shown(exchange_order_id="77", price="1")
    assert rule_of(order(), shown(client_order_id="another"), other) is OrderRule.OPEN_NOTHING_NEW


@pytest.mark.parametrize("differs", ["exchange_order_id", "client_order_id"])
def test_an_open_order_of_another_symbol_is_not_ours(differs):
    other = shown(symbol=SPOT, **{differs: "77"})
    assert rule_of(order(), other) is OrderRule.LOOK_UP_FAILED


def test_a_stranger_is_not_ours():
    assert rule_of(order(), shown(**STRANGER)) is OrderRule.LOOK_UP_FAILED


@pytest.mark.parametrize("missing", ["exchange_order_id", "client_order_id"])
def test_an_id_that_nobody_has_matches_nothing(missing):
    ours = order(**{missing: None})
    nameless = shown(**(STRANGER | ({"client_order_id": None} if "client" in missing else {})))
    assert rule_of(ours, nameless) is OrderRule.LOOK_UP_FAILED


def test_a_fill_is_the_orders_by_its_exchange_id():
    assert owner_of(fill(client_order_id=None), order()) == 1


def test_a_fill_is_the_orders_by_its_client_id_where_the_exchange_id_is_unknown():
    assert owner_of(fill(exchange_order_id="77"), order(exchange_order_id=None)) == 1
    assert owner_of(fill(exchange_order_id=None), order(exchange_order_id=None)) == 1


def test_a_fill_goes_by_the_exchange_id_before_the_client_id():
    mine, other = order(1), order(2)
    contradictory = fill(client_order_id=other.client_order_id, of=mine)
    assert owner_of(contradictory, mine, other) == 1


def test_a_fill_of_a_replaced_order_is_the_orders_by_its_client_id():
    # The order has another exchange id by now; the fill is from before that.
    assert owner_of(fill(exchange_order_id="900"), order()) == 1


@pytest.mark.parametrize("by", ["exchange_order_id", "client_order_id"])
@pytest.mark.parametrize("differs", [{"symbol": SPOT}, {"side": Side.SELL}], ids=["symbol", "side"])
def test_a_fill_of_another_symbol_or_side_is_never_the_orders(by, differs):
    only = {"exchange_order_id": None, "client_order_id": None, by: getattr(order(), by)}
    assert owner_of(fill(**only, **differs), order()) is None


def test_a_fill_without_any_id_belongs_to_no_order():
    nameless = fill(exchange_order_id=None, client_order_id=None)
    assert owner_of(nameless, order(exchange_order_id=None), order(2, client_order_id=None)) is None


def test_fills_of_an_order_are_in_order_of_time_then_id():
    same = ago(minutes=30)
    late, b, a = fill(1, executed_at=ago(minutes=1)), fill(3), fill(2)
    tied = [replace(kept, fill=replace(kept.fill, executed_at=same)) for kept in (b, a)]
    group = group_fills(books(order(), late, *tied))[1]
    assert [kept.id for kept in group] == [2, 3, 1]


def test_each_order_has_its_own_fills():
    entry, leaves = order(1), exit_order(2)
    world = books(entry, leaves, fill(1, of=entry), fill(2, of=leaves), fill(3, of=entry))
    groups = group_fills(world)
    assert {key: [kept.id for kept in group] for key, group in groups.items()} == {
        1: [1, 3],
        2: [2],
    }
