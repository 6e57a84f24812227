"""A whole cycle against a fake exchange: what each difference comes to in the database."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from reconciliation.cycles.reconcile import UnknownName
from reconciliation.domain.keys import client_order_id, fill_evidence, history_key
from reconciliation.domain.types import ExchangePosition
from reconciliation.enums import (
    Coverage,
    Direction,
    HistoryKind,
    OrderClass,
    OrderStatus,
    Purpose,
    RunStatus,
    Side,
    TradeStatus,
)
from reconciliation.exchange.gateway import RetryableExchangeError
from reconciliation.models import (
    AuditEvent,
    ExchangeAccount,
    ExternalOrder,
    Fill,
    Mismatch,
    Order,
    OrderLeg,
    Position,
    Profile,
    ReviewItem,
    Run,
    Trade,
)
from tests.builders import (
    NOW,
    SYMBOL,
    arranging,
    make_account,
    make_history,
    make_order,
    make_position,
    make_profile,
    make_trade,
)
from tests.cycles.worlds import (
    CANCELED,
    FILLED,
    OPEN,
    World,
    actions,
    everything,
    last_run,
    mismatches,
    sources,
    trade_of,
)
from tests.domain.builders import shown
from tests.handlers.worlds import deliver_rows, history_row, order_row, trade_row

pytestmark = pytest.mark.django_db
RESOLVED, STILL_OPEN = "RESOLVED", "OPEN"


def assert_settled(world: World) -> None:
    """A further cycle on the same input writes nothing but its run."""
    before = everything()
    outcome = world.cycle()
    assert outcome.status == RunStatus.SUCCEEDED
    assert everything() == before


def test_two_sides_that_agree_leave_everything_as_it_is(world):
    order = world.entry()
    world.show(order)
    before = everything()

    outcome = world.cycle()

    assert everything() == before
    assert (outcome.status, outcome.coverage) == (RunStatus.SUCCEEDED, Coverage.COMPLETE)
    assert outcome.counts["orders"] == 1
    assert outcome.counts["mismatches"] == 0
    run = last_run()
    assert (run.status, run.as_of) == (RunStatus.SUCCEEDED, NOW + timedelta(minutes=1))
    assert run.pk == outcome.run_id


def test_a_missed_fill_is_found_by_asking_and_booked(world):
    order = world.entry()
    world.fill(order, "0.2", price="59975")
    world.fill(order, "0.3", price="60000")
    world.end(order)

    outcome = world.cycle()

    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == (FILLED, Decimal("0.5"))
    assert order.average_price == Decimal(59990)
    assert trade_of(order).status == TradeStatus.OPEN
    assert sources() == [("ENTRY", "RECONCILED", "0.2"), ("ENTRY", "RECONCILED", "0.3")]
    assert mismatches() == [("MISSING_FROM_EXCHANGE", RESOLVED)]
    assert Position.objects.get().quantity == Decimal("0.5")
    assert actions().count("trade.entry_filled") == 1
    assert outcome.counts["look_ups"] == 1
    assert_settled(world)


def test_a_canceled_entry_without_fills_cancels_its_trade(world):
    order = world.entry()
    world.end(order, CANCELED)
    world.cycle()
    order.refresh_from_db()
    assert order.status == CANCELED
    assert trade_of(order).status == TradeStatus.CANCELED
    assert sources() == []
    assert_settled(world)


def test_a_canceled_entry_with_a_partial_fill_keeps_what_was_filled(world):
    order = world.entry()
    world.fill(order, "0.2")
    world.end(order, CANCELED)
    world.cycle()
    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == (CANCELED, Decimal("0.2"))
    assert trade_of(order).status == TradeStatus.OPEN
    assert trade_of(order).entry_quantity == Decimal("0.2")
    assert_settled(world)


def test_a_canceled_exit_leaves_its_trade_open(world):
    order = world.exit()
    world.end(order, CANCELED)
    world.cycle()
    order.refresh_from_db()
    assert order.status == CANCELED
    assert trade_of(order).status == TradeStatus.OPEN
    assert_settled(world)


def test_a_missed_exit_closes_its_trade_and_its_position(world):
    order = world.exit()
    make_position(quantity="0.5")
    world.fill(order, "0.5", price="61000")
    world.end(order)
    world.cycle()
    trade = trade_of(order)
    assert (trade.status, trade.exit_quantity) == (TradeStatus.CLOSED, Decimal("0.5"))
    assert trade.average_exit_price == Decimal(61000)
    assert trade.closed_at == world.exchange.fills[0].executed_at
    assert Position.objects.get().quantity == 0
    assert_settled(world)


def test_a_round_trip_that_was_missed_whole_is_booked_in_one_cycle(world):
    entry = world.entry()
    leaves = world.exit(trade=entry.trade)
    for order in (entry, leaves):
        world.fill(order, "0.5")
        world.end(order)

    outcome = world.cycle()

    assert outcome.row_errors == ()
    assert trade_of(entry).status == TradeStatus.CLOSED
    assert [kind for kind, _, _ in sources()] == ["ENTRY", "EXIT"]
    assert_settled(world)


def test_a_short_is_booked_on_its_own_side(world):
    trade = make_trade(direction=Direction.SHORT)
    order = world.entry(trade=trade, side=Side.SELL)
    world.fill(order, "0.5")
    world.end(order)
    world.cycle()
    assert Position.objects.get().quantity == Decimal("-0.5")


def test_an_open_order_with_fills_is_booked_and_stays_open(world):
    order = world.entry()
    world.fill(order, "0.2")
    world.show(order, status=OrderStatus.PARTIALLY_FILLED, filled_quantity="0.2")
    outcome = world.cycle()
    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == (
        OrderStatus.PARTIALLY_FILLED,
        Decimal("0.2"),
    )
    assert mismatches() == [("QUANTITY_MISMATCH", RESOLVED)]
    assert outcome.counts["look_ups"] == 0
    assert_settled(world)


def test_other_terms_are_mirrored(world):
    order = world.entry(price="60000")
    world.show(order, price="59000", quantity="0.7")
    world.cycle()
    order.refresh_from_db()
    assert (order.price, order.quantity) == (Decimal(59000), Decimal("0.7"))
    assert mismatches() == [("STATUS_MISMATCH", RESOLVED)]
    assert actions().count("order.updated") == 1
    assert_settled(world)


def test_a_terminal_order_that_is_open_is_reopened(world):
    order = world.entry(status=CANCELED)
    world.show(order, status=OPEN)
    world.cycle()
    order.refresh_from_db()
    assert order.status == OPEN
    assert_settled(world)


def test_a_late_fill_of_a_canceled_order_is_booked_and_reopens_its_trade(world):
    order = world.entry(trade=make_trade(status=TradeStatus.CANCELED), status=CANCELED)
    world.fill(order, "0.2")
    world.cycle()
    assert trade_of(order).status == TradeStatus.OPEN
    assert mismatches() == [("QUANTITY_MISMATCH", RESOLVED)]
    assert_settled(world)


def test_fills_that_do_not_add_up_yet_leave_the_order_active_until_they_do(world):
    order = world.entry()
    world.fill(order, "0.2")
    world.end(order, FILLED, filled="0.5")
    world.cycle()
    order.refresh_from_db()
    assert order.status == OrderStatus.PARTIALLY_FILLED
    assert trade_of(order).entry_quantity == Decimal("0.2")
    assert mismatches() == [("MISSING_FROM_EXCHANGE", STILL_OPEN)]

    world.fill(order, "0.3")
    world.cycle()
    order.refresh_from_db()
    assert order.status == FILLED
    assert trade_of(order).entry_quantity == Decimal("0.5")
    assert mismatches() == [("MISSING_FROM_EXCHANGE", RESOLVED)]


def test_an_order_that_the_list_misses_and_the_look_up_finds_open_is_left_alone(world):
    order = world.entry()
    world.exchange.hidden.add(world.show(order).exchange_order_id)
    before = everything()
    assert world.cycle().status == RunStatus.SUCCEEDED
    assert everything() == before


def test_an_order_that_the_exchange_does_not_know_is_canceled_after_so_many_cycles(world):
    world.environ["RECON_ORDER_NOT_FOUND_RETRIES"] = "3"
    order = world.entry()
    for count in (1, 2):
        world.cycle()
        order.refresh_from_db()
        assert order.status == OPEN
        assert Mismatch.objects.get().sighting.not_found_count == count
    world.cycle()
    order.refresh_from_db()
    assert (order.status, order.end_reason) == (CANCELED, "UNKNOWN_TO_EXCHANGE")
    assert mismatches() == [("MISSING_FROM_EXCHANGE", RESOLVED)]
    assert_settled(world)


@pytest.mark.parametrize("seen", ["listed", "looked up"])
def test_an_order_that_is_found_after_all_starts_its_count_anew(world, seen):
    world.environ["RECON_ORDER_NOT_FOUND_RETRIES"] = "3"
    order = world.entry()
    world.cycle()
    world.cycle()
    found = world.show(order)
    if seen == "looked up":
        world.exchange.hidden.add(found.exchange_order_id)
    world.cycle()
    world.exchange.orders.clear()
    world.cycle()
    world.cycle()
    order.refresh_from_db()
    assert order.status == OPEN
    world.cycle()
    order.refresh_from_db()
    assert order.status == CANCELED


def test_a_look_up_that_fails_leaves_the_count(world):
    order = world.entry()
    world.cycle()
    world.exchange.fail("fetch_order", RetryableExchangeError("http 500"))
    world.cycle()
    assert Mismatch.objects.get().sighting.not_found_count == 1
    world.exchange.heal()
    world.cycle()
    assert Mismatch.objects.get().sighting.not_found_count == 2
    assert order.pk == Mismatch.objects.get().order_id


def test_an_order_that_is_not_found_stays_while_its_fills_are_not_covered(world):
    world.environ["RECON_ORDER_NOT_FOUND_RETRIES"] = "1"
    world.exchange.kept_since = NOW - timedelta(minutes=30)
    order = world.entry()
    for _ in range(3):
        outcome = world.cycle()
    order.refresh_from_db()
    assert order.status == OPEN
    assert mismatches() == [("MISSING_FROM_EXCHANGE", STILL_OPEN)]
    assert outcome.unread == {}


def test_an_exit_filled_beyond_its_trade_waits_for_a_person(world):
    order = world.exit(open="0.5", quantity="0.8")
    world.fill(order, "0.8")
    world.end(order)
    world.cycle()
    assert trade_of(order).status == TradeStatus.CLOSED
    assert Fill.objects.get().allocated_quantity == Decimal("0.5")
    item = ReviewItem.objects.get()
    assert (item.reason, item.quantity, item.status) == ("OVERCLOSE", Decimal("0.3"), "PENDING")
    assert mismatches() == [("MISSING_FROM_EXCHANGE", STILL_OPEN)]

    before = everything()
    world.cycle()
    assert everything() == before
    assert trade_of(order).entry_quantity == Decimal("0.5")


def test_a_fee_in_the_base_of_a_spot_market_is_taken_from_what_was_bought(world):
    order = world.entry(trade=make_trade(symbol="BTC/USDT"))
    world.exchange.types = tuple({each.type for each in world.exchange.instruments.values()})
    world.fill(order, "0.5", fee="0.001", fee_currency="BTC")
    world.end(order)
    world.cycle()
    assert trade_of(order).entry_quantity == Decimal("0.499")
    assert Fill.objects.get().allocated_quantity == Decimal("0.5")
    assert_settled(world)


def test_a_residue_below_one_step_is_closed_by_a_dust_row(world):
    order = world.exit(open="0.50005")
    world.fill(order, "0.5")
    world.end(order)
    world.cycle()
    assert trade_of(order).status == TradeStatus.CLOSED
    assert sources()[-1] == ("EXIT", "DUST", "0.00005")


def test_an_algo_order_is_booked_by_the_fills_of_the_child_that_it_triggered(world):
    stop = world.exit(order_class=OrderClass.CONDITIONAL, exchange_order_id="500")
    child = shown(
        exchange_order_id="501",
        client_order_id=None,
        parent_id="500",
        side=Side.SELL,
        status=FILLED,
        filled_quantity="0.5",
    )
    world.show(stop, status=FILLED, child_ids=("501",))
    world.exchange.orders.append(child)
    world.fill(stop, "0.5", exchange_order_id="501", client_order_id=None)
    world.cycle()
    stop.refresh_from_db()
    assert stop.status == FILLED
    assert trade_of(stop).status == TradeStatus.CLOSED
    assert OrderLeg.objects.get().exchange_order_id == "501"
    assert_settled(world)


# --- what no book knows ---


def entry_id(trade_id: str) -> str:
    return client_order_id(sub_tag="alpha01", trade_id=trade_id, purpose=Purpose.ENTRY)


def test_an_open_order_of_a_profile_is_adopted_into_its_trade(world):
    trade = make_trade(trade_id="T77")
    world.exchange.orders.append(
        shown(exchange_order_id="77", client_order_id=entry_id("T77"), sub_tag="alpha01")
    )
    world.cycle()
    order = Order.objects.get()
    assert (order.trade, order.origin, order.purpose) == (trade, "EXCHANGE", "ENTRY")
    assert mismatches() == [("MISSING_IN_DB", RESOLVED)]
    assert "order.adopted" in actions()
    assert_settled(world)


def test_a_closed_entry_of_a_profile_is_adopted_with_its_fills(world):
    strange = make_order(make_trade(trade_id="T0"), client_order_id=entry_id("T77"))
    world.fill(strange, "0.5")
    world.end(strange)
    with arranging():
        make_trade(trade_id="T77")
        Order.objects.filter(pk=strange.pk).update(
            client_order_id="other", exchange_order_id="other", status=CANCELED
        )
    world.cycle()
    adopted = Order.objects.exclude(pk=strange.pk).get()
    assert (adopted.trade.trade_id, adopted.status) == ("T77", FILLED)
    assert adopted.trade.entry_quantity == Decimal("0.5")
    assert_settled(world)


def test_an_entry_of_a_trade_that_nobody_knows_opens_it_and_the_bot_gives_it_its_name(world):
    order = shown(exchange_order_id="77", client_order_id=entry_id("T77"), sub_tag=None)
    world.exchange.orders.append(order)
    world.cycle()
    opened = Trade.objects.get()
    assert opened.trade_id.startswith("adopted-")

    deliver_rows(trade_row("T77"), clock=world.clock)
    opened.refresh_from_db()
    assert opened.trade_id == "T77"
    assert Trade.objects.count() == 1


def test_an_open_order_of_nobody_waits_for_a_person_and_is_gone_when_it_is(world):
    world.exchange.orders.append(
        shown(exchange_order_id="77", client_order_id=None, sub_tag="stranger")
    )
    world.cycle()
    assert ExternalOrder.objects.get().status == "PENDING"
    assert mismatches() == [("MISSING_IN_DB", STILL_OPEN)]
    assert_settled(world)
    world.exchange.orders.clear()
    world.cycle()
    assert mismatches() == [("MISSING_IN_DB", RESOLVED)]


def test_a_fill_that_no_slice_explains_is_shown(world):
    stranger = make_order(None, client_order_id="x")
    world.fill(stranger, "0.5", exchange_order_id="77", client_order_id=None, sub_tag=None)
    world.show(stranger)
    world.cycle()
    assert mismatches() == [("UNATTRIBUTED_FILL", STILL_OPEN)]
    assert Mismatch.objects.get().drift == Decimal("0.5")
    assert_settled(world)


def test_what_is_older_than_the_baseline_was_accepted_as_found(world):
    with arranging():
        ExchangeAccount.objects.update(baseline_at=NOW)
    world.exchange.orders.append(
        shown(exchange_order_id="77", client_order_id=None, sub_tag="stranger")
    )
    stranger = make_order(None, client_order_id="x")
    world.fill(stranger, "0.5", exchange_order_id="78", client_order_id=None, sub_tag=None)
    world.show(stranger)
    world.cycle()
    assert mismatches() == []
    assert not ExternalOrder.objects.exists()


# --- what the bot delivers meanwhile ---


@pytest.mark.parametrize("first", ["row", "fill"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "nameless"])
def test_a_row_and_a_fill_are_one_event_whichever_comes_first(world, first, named):
    deliver_rows(trade_row(), order_row(), clock=world.clock)
    world.clock.advance(minutes=1)
    order = Order.objects.get()
    fill = world.fill(order, "0.5", executed_at=world.clock.now())
    world.end(order)
    row = history_row(
        exchange_fill_id=fill.fill_id if named else None,
        order_ref=None if named else "client1",
        executed_at=fill.executed_at,
    )
    if first == "row":
        deliver_rows(row, clock=world.clock)
        world.cycle()
    else:
        world.cycle()
        deliver_rows(row, clock=world.clock)

    world.cycle()
    trade = Trade.objects.get()
    assert trade.entry_quantity == Decimal("0.5")
    assert Order.objects.get().status == FILLED
    assert Fill.objects.get().allocated_quantity == Decimal("0.5")
    assert_settled(world)


def test_a_row_without_its_order_is_not_booked_again_when_the_order_is_adopted(world):
    client_id = entry_id("T1")
    deliver_rows(trade_row(), history_row(), clock=world.clock)
    ghost = make_order(make_trade(trade_id="T0"), client_order_id=client_id)
    world.fill(ghost, "0.5")
    world.end(ghost)
    with arranging():
        Order.objects.filter(pk=ghost.pk).update(
            client_order_id="other", exchange_order_id="other", status=CANCELED
        )
    world.cycle()
    assert Trade.objects.get(trade_id="T1").entry_quantity == Decimal("0.5")
    assert Order.objects.exclude(pk=ghost.pk).get().status == FILLED
    assert_settled(world)


def test_what_is_delivered_within_the_grace_is_left_for_the_next_cycle(world):
    deliver_rows(trade_row(), order_row(), clock=world.clock)
    order = Order.objects.get()
    world.end(order, CANCELED)
    world.cycle(minutes=0.05)
    order.refresh_from_db()
    assert order.status == OPEN
    assert mismatches() == []
    world.cycle()
    order.refresh_from_db()
    assert order.status == CANCELED


def test_a_stale_row_that_is_delivered_after_a_repair_changes_nothing(world):
    deliver_rows(trade_row(), order_row(), clock=world.clock)
    order = Order.objects.get()
    world.fill(order, "0.5")
    world.end(order)
    world.cycle()
    deliver_rows(trade_row(), order_row(), clock=world.clock)
    assert Order.objects.get().status == FILLED
    assert_settled(world)


def test_a_decision_whose_premises_move_before_the_write_is_dropped_and_made_anew(world):
    order = world.entry()
    world.fill(order, "0.5")
    world.end(order)

    def deliver_in_between(step) -> None:
        if step == "lock":
            with arranging():
                Order.objects.filter(pk=order.pk).update(version=99)

    outcome = world.cycle(reach=deliver_in_between)
    assert (outcome.counts["written"], outcome.counts["dropped"]) == (0, 1)
    assert sources() == []
    assert world.cycle().counts["written"] == 1
    assert len(sources()) == 1


def test_a_delivered_position_that_the_exchange_contradicts_is_aligned(world):
    deliver_rows(trade_row(), history_row(), clock=world.clock)
    with arranging():
        Position.objects.update(
            quantity=Decimal("0.7"), delivered_quantity=Decimal("0.7"), version=F("version") + 1
        )
    world.exchange.positions.append(
        ExchangePosition(
            symbol=SYMBOL,
            side="net",
            quantity=Decimal("0.5"),
            entry_price=None,
            mark_price=None,
        )
    )
    world.cycle()
    assert Position.objects.get().quantity == Decimal("0.5")
    assert "position.aligned" in actions()
    assert_settled(world)


# --- several profiles and accounts ---


def test_a_bad_row_of_one_profile_stops_neither_its_other_rows_nor_other_profiles(world):
    beta = make_profile("beta", sub_tag="beta01")
    orders = [world.entry(), world.entry(), world.entry(profile=beta)]
    for order in orders:
        world.fill(order, "0.5")
        world.end(order)
    # A history row in the way: the key of the first booking is taken.
    first = trade_of(orders[0])
    with arranging():
        _occupy_history_key(first, orders[0], world)

    outcome = world.cycle()

    assert outcome.status == RunStatus.PARTIAL
    (error,) = outcome.row_errors
    assert error.startswith(f"alpha: trade {first.trade_id}:")
    assert [trade_of(order).entry_quantity for order in orders] == [
        Decimal(0),
        Decimal("0.5"),
        Decimal("0.5"),
    ]
    assert outcome.counts["failed"] == 1
    assert last_run().row_errors == [error]


def _occupy_history_key(trade: Trade, order: Order, world: World) -> None:
    fill = world.exchange.fills[0]
    evidence = fill_evidence(symbol=fill.symbol, side=fill.side, fill_id=fill.fill_id)
    key = history_key(trade_id=trade.pk, kind="ENTRY", evidence=evidence, reversals=0)
    make_history(trade, key=key, kind=HistoryKind.ENTRY, source="OPERATOR", booked_quantity="0")


def test_a_cycle_of_one_profile_leaves_the_others(world):
    beta = make_profile("beta", sub_tag="beta01")
    mine, other = world.entry(), world.entry(profile=beta)
    for order in (mine, other):
        world.end(order, CANCELED)
    outcome = world.cycle(profile="alpha")
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.status, other.status) == (CANCELED, OPEN)
    assert (outcome.counts["look_ups"], outcome.counts["mismatches"]) == (1, 1)
    assert last_run().only_profile == "alpha"


def test_a_disabled_profile_is_left_alone(world):
    beta = make_profile("beta", sub_tag="beta01", enabled=False)
    order = world.entry(profile=beta)
    world.end(order, CANCELED)
    outcome = world.cycle()
    order.refresh_from_db()
    assert order.status == OPEN
    assert outcome.counts["look_ups"] == 0


def test_a_disabled_account_is_left_alone(world):
    with arranging():
        ExchangeAccount.objects.update(enabled=False)
    assert world.cycles() == ()
    assert not Run.objects.exists()


def test_each_account_has_a_run_of_its_own(world):
    other = make_account("other")
    world.serve(other)
    outcomes = world.cycles()
    assert [outcome.account for outcome in outcomes] == ["main", "other"]
    assert Run.objects.count() == 2


def test_one_account_can_be_named(world):
    world.serve(make_account("other"))
    assert [outcome.account for outcome in world.cycles(account="other")] == ["other"]
    make_profile("beta", sub_tag="b", account=make_account("other"))
    assert [outcome.account for outcome in world.cycles(profile="beta")] == ["other"]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"account": "mian"}, "'mian'; there are: main"),
        ({"profile": "alhpa"}, "'alhpa'; there are: alpha"),
        ({"account": "main", "profile": "alhpa"}, "'alhpa'"),
        ({"account": "other", "profile": "alpha"}, "'alpha' is not on account 'other'"),
    ],
)
def test_a_name_that_nobody_has_is_an_error_before_anything_is_done(world, names, says):
    make_account("other", enabled=False)
    with pytest.raises(UnknownName, match=says):
        world.cycles(**names)
    assert not Run.objects.exists()


@pytest.mark.parametrize("names", [{"account": "main"}, {"profile": "alpha"}])
def test_a_name_of_something_disabled_is_an_error_too(world, names):
    with arranging():
        ExchangeAccount.objects.update(enabled=False)
    with pytest.raises(UnknownName):
        world.cycles(**names)
    with arranging():
        ExchangeAccount.objects.update(enabled=True)
        Profile.objects.update(enabled=False)
    if "profile" in names:
        with pytest.raises(UnknownName):
            world.cycles(**names)


def test_an_account_without_profiles_has_a_cycle_all_the_same(world):
    world.serve(make_account("other"))
    (_, outcome) = world.cycles()
    assert outcome.status == RunStatus.SUCCEEDED


def test_every_step_of_a_cycle_is_told_and_timed(world):
    told: list[str] = []
    order = world.entry()
    world.end(order, CANCELED)
    world.cycle(progress=told.append)
    assert all(text.startswith("main: ") for text in told)
    assert any("open orders" in text for text in told)
    assert any("asking for order 1 of 1" in text for text in told)
    assert told[-1].startswith("main: done")
    assert sorted(last_run().step_ms) == [
        "apply",
        "fills.swap",
        "look_ups",
        "open_orders.conditional",
        "open_orders.regular",
        "positions",
        "snapshot",
    ]


def test_the_portal_itself_is_the_actor_and_the_run_is_named(world):
    order = world.entry()
    world.end(order, CANCELED)
    outcome = world.cycle()
    event = AuditEvent.objects.get(action="order.canceled")
    assert (event.actor_type, event.actor_name, event.run_id) == (
        "system",
        "reconcile",
        outcome.run_id,
    )
