"""What no book knows: adopted where evidence proves whose it is, else shown, never absorbed."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconciliation.domain.books import ProfileState
from reconciliation.domain.plans.adoption import ADOPTED_TRADE_PREFIX
from reconciliation.domain.plans.evidence import order_as_evidence
from reconciliation.domain.unowned import entry_orders_to_look_up
from reconciliation.enums import Direction, OrderStatus, Purpose, Side, TradeStatus
from tests.domain.builders import (
    GRACE,
    NOT_FOUND,
    NOT_READ,
    NOW,
    SYMBOL,
    ago,
    applied,
    books,
    decide,
    ended,
    entry_id,
    exit_id,
    fill,
    order,
    plan,
    row,
    shown,
    snapshot,
    trade,
    writes,
)

FILLED = OrderStatus.FILLED
UNKNOWN = {"exchange_order_id": "77", "sub_tag": None}
NOBODYS = {**UNKNOWN, "client_order_id": None}
ENTRY = {**UNKNOWN, "client_order_id": entry_id("T1")}
KEY = (SYMBOL, "77")


def adopted(world, *listed, unknown=None):
    after = applied(world, plan(world, snapshot(*listed), unknown=unknown or {}))
    (made,) = (each for key, each in after.orders.items() if key not in world.orders)
    return made, after


def asked(world, *listed, limit: int = 50):
    return entry_orders_to_look_up(world, snapshot(*listed), grace=GRACE, limit=limit)


# --- open orders ---


def test_an_open_order_is_adopted_into_the_trade_that_its_client_id_names():
    made, _ = adopted(books(trade()), shown(**ENTRY))
    assert (made.trade_id, made.purpose, made.profile_id) == (1, Purpose.ENTRY, 1)
    assert (made.status, made.quantity, made.exchange_order_id) == (
        OrderStatus.OPEN,
        Decimal("0.5"),
        "77",
    )


def test_an_open_order_is_adopted_into_the_trade_of_its_hint():
    hinted = shown(**NOBODYS, trade_hint="T1", side=Side.SELL)
    made, _ = adopted(books(trade(entered="0.5")), hinted)
    assert (made.trade_id, made.purpose) == (1, Purpose.EXIT)


def test_an_open_order_with_a_tag_alone_is_adopted_without_a_trade():
    made, _ = adopted(books(trade()), shown(**{**NOBODYS, "sub_tag": "alpha01"}))
    assert (made.profile_id, made.trade_id, made.purpose) == (1, None, None)


def test_an_entry_of_a_trade_that_nobody_knows_opens_that_trade():
    bought = fill(1, "0.5", **{**ENTRY, "client_order_id": entry_id("T9")})
    made, after = adopted(books(bought), shown(**UNKNOWN, client_order_id=entry_id("T9")))
    opened = after.trades[made.trade_id or 0]
    assert opened.trade_id == ADOPTED_TRADE_PREFIX + opened.code
    assert (opened.status, opened.direction) == (TradeStatus.OPEN, Direction.LONG)
    assert opened.entry_quantity == Decimal("0.5")
    assert opened.opened_at == ago(hours=2)


def test_two_entries_of_the_same_unknown_trade_open_it_once():
    listed = [
        shown(exchange_order_id=f"7{n}", client_order_id=entry_id("T9", sequence=n), sub_tag=None)
        for n in (1, 2)
    ]
    after = applied(w := books(), plan(w, snapshot(*listed)))
    assert len(after.trades) == 1
    assert {each.trade_id for each in after.orders.values()} == set(after.trades)


def test_an_exit_of_a_trade_that_nobody_knows_opens_no_trade():
    made, after = adopted(books(), shown(**UNKNOWN, client_order_id=exit_id("T9")))
    assert (made.trade_id, made.purpose, after.trades) == (None, None, {})


def test_an_adopted_order_books_its_fills_at_once():
    made, after = adopted(books(trade(), fill(1, "0.2", **ENTRY)), shown(**ENTRY))
    assert made.status == OrderStatus.PARTIALLY_FILLED
    assert after.trades[1].entry_quantity == Decimal("0.2")


def test_an_entry_that_lives_makes_its_canceled_trade_pending_again():
    _, after = adopted(books(trade(status=TradeStatus.CANCELED)), shown(**ENTRY))
    assert after.trades[1].status == TradeStatus.PENDING


def test_an_adoption_is_recorded_and_its_mismatch_named_by_the_exchange():
    (change,) = plan(books(trade()), snapshot(shown(**ENTRY)))
    assert change.events[0].action == "order.adopted"
    (found,) = change.mismatches
    assert found.key == f"exchange-order:{SYMBOL}:77"
    assert found.resolution is not None
    assert change.premises.trades == {1: 1}


def test_what_was_filled_of_an_adopted_order_without_a_trade_is_recorded():
    tagged = {**NOBODYS, "sub_tag": "alpha01"}
    (change,) = plan(books(trade(), fill(1, "0.2", **tagged)), snapshot(shown(**tagged)))
    (made,) = change.orders
    assert made.filled_quantity == Decimal("0.2")
    told = [event.after["order"] for event in change.events if "order" in event.after]
    assert told[-1] == order_as_evidence(made)


@pytest.mark.parametrize("missing", ["created_at", "quantity"])
def test_an_order_that_says_too_little_of_itself_is_not_adopted(missing):
    assert plan(books(trade()), snapshot(shown(**ENTRY, **{missing: None}))) == ()


def test_an_open_order_of_nobody_is_put_before_a_person():
    decided = decide(books(trade()), snapshot(shown(**NOBODYS)))
    assert decided.changes == ()
    (external,) = decided.external_orders
    assert external.shown.exchange_order_id == "77"
    assert external.why
    (found,) = decided.nobodys_mismatches
    assert (found.profile_id, found.resolution) == (None, None)


def test_an_open_order_whose_evidence_contradicts_itself_is_nobodys():
    beta = ProfileState(id=2, name="beta", sub_tag="beta01")
    world = books(trade())
    world = replace(world, profiles={**world.profiles, 2: beta})
    decided = decide(world, snapshot(shown(**{**ENTRY, "sub_tag": "beta01"})))
    assert decided.changes == ()
    (external,) = decided.external_orders
    assert "beta" in external.why


@pytest.mark.parametrize("field", ["created_at", "updated_at"])
def test_a_fresh_order_of_nobody_may_still_be_delivered(field):
    decided = decide(books(trade()), snapshot(shown(**NOBODYS, **{field: NOW})))
    assert (decided.external_orders, decided.nobodys_mismatches) == ((), ())


def test_a_fresh_order_of_a_profile_may_still_be_delivered():
    assert plan(books(trade()), snapshot(shown(**ENTRY, created_at=NOW))) == ()


def test_an_order_that_a_person_decided_on_is_shown_to_nobody_again():
    world = books(trade(), decided_orders=frozenset({KEY}))
    decided = decide(world, snapshot(shown(**NOBODYS)))
    assert (decided.external_orders, decided.nobodys_mismatches) == ((), ())


def test_an_order_older_than_the_baseline_was_accepted_as_found():
    at = ago(hours=1)
    old = decide(books(baseline_at=at), snapshot(shown(**NOBODYS, created_at=ago(hours=2))))
    assert old.external_orders == ()
    new = decide(books(baseline_at=at), snapshot(shown(**NOBODYS, created_at=at)))
    assert len(new.external_orders) == 1


@pytest.mark.parametrize(
    "leg",
    [
        {"exchange_order_id": "1001", "client_order_id": None},
        {"exchange_order_id": "78", "client_order_id": "client1"},
        {"exchange_order_id": "78", "client_order_id": None, "parent_id": "1001"},
    ],
    ids=["by its id", "by its client id", "by its parent"],
)
def test_another_leg_of_a_known_order_is_not_unknown(leg):
    decided = decide(books(trade(), order()), snapshot(shown(), shown(**leg, sub_tag=None)))
    assert decided.external_orders == ()
    assert all(each.id == 1 for change in decided.changes for each in change.orders)


# --- closed orders ---


def test_the_entry_that_a_client_id_proves_is_asked_for():
    assert asked(books(fill(1, **ENTRY))) == ((KEY,), 0)


@pytest.mark.parametrize(
    "evidence",
    [
        NOBODYS,
        {**NOBODYS, "sub_tag": "alpha01"},
        {**UNKNOWN, "client_order_id": exit_id("T1")},
        {**UNKNOWN, "client_order_id": entry_id("T1", sub_tag="gamma01")},
    ],
    ids=["nothing", "a tag", "an exit", "a stranger"],
)
def test_nothing_less_than_an_entrys_client_id_suffices(evidence):
    assert asked(books(trade(), fill(1, **evidence))) == ((), 0)


def test_what_is_listed_decided_fresh_or_booked_is_not_asked_for():
    assert asked(books(fill(1, **ENTRY)), shown(**ENTRY)) == ((), 0)
    assert asked(books(fill(1, **ENTRY), decided_orders=frozenset({KEY}))) == ((), 0)
    assert asked(books(fill(1, **ENTRY, executed_at=NOW))) == ((), 0)
    assert asked(books(fill(1, **ENTRY, allocated="0.5"))) == ((), 0)
    assert asked(books(order(client_order_id=entry_id("T1")), fill(1, **ENTRY))) == ((), 0)


def test_of_many_the_oldest_are_asked_for_and_the_rest_is_counted():
    fills = [
        fill(n, exchange_order_id=f"7{n}", client_order_id=entry_id("T1", sequence=n))
        for n in (1, 2, 3)
    ]
    assert asked(books(*reversed(fills)), limit=2) == (((SYMBOL, "71"), (SYMBOL, "72")), 1)


def test_a_closed_entry_is_adopted_and_its_fills_booked():
    world = books(trade(), fill(1, "0.2", **ENTRY), fill(2, "0.3", **ENTRY))
    made, after = adopted(world, unknown={KEY: ended(FILLED, "0.5", **ENTRY)})
    assert (made.status, made.filled_quantity) == (FILLED, Decimal("0.5"))
    assert after.trades[1].entry_quantity == Decimal("0.5")


def test_a_closed_entry_whose_fills_do_not_add_up_stays_active():
    world = books(trade(), fill(1, "0.2", **ENTRY))
    made, after = adopted(world, unknown={KEY: ended(FILLED, "0.5", **ENTRY)})
    assert made.is_active
    assert after.trades[1].entry_quantity == Decimal("0.2")


@pytest.mark.parametrize("answer", [NOT_FOUND, NOT_READ], ids=["not found", "not read"])
def test_without_an_answer_nothing_is_adopted(answer):
    world = books(trade(), fill(1, **ENTRY))
    assert plan(world, unknown={KEY: answer}) == ()


def test_an_order_that_was_delivered_while_it_was_asked_for_is_not_adopted_again():
    delivered = order(7, exchange_order_id="77", client_order_id=entry_id("T1"))
    world = books(trade(), delivered, fill(1, "0.5", **ENTRY))
    changes = plan(
        world, look_ups={7: ended(FILLED, "0.5", of=delivered)}, unknown={KEY: ended(FILLED)}
    )
    after = applied(world, changes)
    assert list(after.orders) == [7]
    assert after.trades[1].entry_quantity == Decimal("0.5")


def test_what_the_bot_booked_of_an_order_that_it_did_not_deliver_is_not_booked_again():
    # The history row came, the order row did not: the row speaks of the order adopted now.
    world = books(trade(entered="0.5"), fill(1, "0.5", **ENTRY), row(7, "0.5"))
    made, after = adopted(world, unknown={KEY: ended(FILLED, "0.5", **ENTRY)})
    assert made.status == FILLED
    assert after.trades[1].entry_quantity == Decimal("0.5")
    assert after.fills[0].remaining == 0


# --- fills of nobody ---


def test_a_fill_that_no_slice_explains_is_shown_with_its_sign():
    sold = fill(1, "0.2", side=Side.SELL, **NOBODYS)
    (found,) = decide(books(sold)).nobodys_mismatches
    assert found.drift == Decimal("-0.2")
    assert found.key == "fill:1"


def test_a_fill_that_could_close_an_open_slice_is_left_to_the_backfill():
    sold = fill(1, "0.2", side=Side.SELL, **NOBODYS)
    assert decide(books(trade(entered="0.5"), sold)).nobodys_mismatches == ()
    assert len(decide(books(trade(entered="0.5", exited="0.5"), sold)).nobodys_mismatches) == 1


def test_a_fill_of_a_hedged_side_closes_only_slices_of_that_side():
    sold = fill(1, "0.2", side=Side.SELL, position_side="short", **NOBODYS)
    assert len(decide(books(trade(entered="0.5"), sold)).nobodys_mismatches) == 1
    sold = fill(1, "0.2", side=Side.SELL, position_side="long", **NOBODYS)
    assert decide(books(trade(entered="0.5"), sold)).nobodys_mismatches == ()


def test_a_fresh_fill_a_booked_one_and_one_before_the_baseline_are_not_shown():
    assert decide(books(fill(1, **NOBODYS, executed_at=NOW))).nobodys_mismatches == ()
    assert decide(books(fill(1, **NOBODYS, allocated="0.5"))).nobodys_mismatches == ()
    at = fill(1, **NOBODYS).fill.executed_at
    assert decide(books(fill(1, **NOBODYS), baseline_at=at)).nobodys_mismatches != ()
    later = at.replace(microsecond=1)
    assert decide(books(fill(1, **NOBODYS), baseline_at=later)).nobodys_mismatches == ()


def test_an_entry_that_waits_for_its_look_up_is_not_shown_as_nobodys():
    world = books(trade(), fill(1, **ENTRY))
    assert decide(world).nobodys_mismatches == ()
    assert len(decide(world, unknown={KEY: ended(OrderStatus.OPEN, **ENTRY)}).changes) == 0


def test_a_second_cycle_after_every_kind_of_adoption_writes_nothing():
    world = books(trade(), fill(1, "0.2", **ENTRY), fill(2, "0.5", **NOBODYS))
    unknown = {KEY: ended(FILLED, "0.2", **ENTRY)}
    listed = snapshot(shown(exchange_order_id="78", client_order_id=None))
    after = applied(world, plan(world, listed, unknown=unknown))
    assert [each for each in plan(after, listed) if writes(each)] == []
