"""The real exit of a slice that was closed without one, in whole cycles."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.domain.keys import client_order_id
from reconciliation.enums import CycleStep, HistoryKind, HistorySource, Purpose, RunStatus, Side
from reconciliation.models import (
    BackfillCandidate,
    Fill,
    FillAllocation,
    Order,
    Position,
    ReviewItem,
    Trade,
    TradeHistory,
)
from tests.builders import NOW, make_history, make_order, make_position, make_trade
from tests.cycles.worlds import World, actions, everything, mismatches
from tests.domain import builders as domain

pytestmark = pytest.mark.django_db
EXIT = HistoryKind.EXIT


def closed(source: HistorySource = HistorySource.SYNTHETIC, **values: Any) -> Trade:
    """Make T1, whose half a coin was exited without a fill half an hour ago."""
    trade = make_trade(
        trade_id="T1",
        entry_quantity="0.5",
        exit_quantity="0.5",
        average_entry_price="60000",
        average_exit_price="60500",
    )
    make_history(trade)
    defaults = {
        "price": "60500",
        "executed_at": NOW - timedelta(minutes=30),
        "estimated": True,
        "key": "portal",
    }
    make_history(trade, kind=EXIT, source=source, **{**defaults, **values})
    return trade


def ended_exit(trade: Trade, quantity: str = "0.5") -> Order:
    return make_order(
        trade, purpose=Purpose.EXIT, side="sell", status="CANCELED", quantity=quantity
    )


def sell(world: World, quantity: str = "0.5", **evidence: Any) -> None:
    """Let the account sell by an order that nobody knows."""
    number = 500 + len(world.exchange.fills)
    defaults: dict[str, Any] = {
        "side": Side.SELL,
        "price": "61000",
        "exchange_order_id": f"unknown{number}",
        "client_order_id": None,
        "sub_tag": None,
    }
    made = domain.fill(number, quantity, **{**defaults, **evidence}).fill
    world.exchange.fills.append(made)


def standing() -> list[tuple[str, str, str]]:
    """Return source, quantity and price of the exits in force, in order."""
    rows = TradeHistory.objects.filter(kind=EXIT, reversed_by=None, booked_quantity__gt=0)
    return [(row.source, str(row.booked_quantity), str(row.price)) for row in rows.order_by("pk")]


def holds(trade: Trade) -> None:
    """Check what must hold of a trade that stays closed, whatever replaced what."""
    trade.refresh_from_db()
    exits = TradeHistory.objects.filter(trade=trade, kind=EXIT, reversed_by=None)
    assert sum(row.booked_quantity for row in exits) == trade.exit_quantity == Decimal("0.5")
    assert trade.status == "CLOSED"


@pytest.mark.parametrize("source", [HistorySource.SYNTHETIC, HistorySource.OPERATOR])
def test_a_known_orders_fill_replaces_it_and_is_no_overclose(world, source):
    trade = closed(source)
    make_position(world.alpha, quantity="0")
    world.fill(ended_exit(trade), "0.5", price="61000")
    assert world.cycle().status == RunStatus.SUCCEEDED
    holds(trade)
    assert standing() == [("RECONCILED", "0.5", "61000")]
    assert (trade.average_exit_price, trade.reversals) == (Decimal(61000), 1)
    back = TradeHistory.objects.get(kind=HistoryKind.REVERSAL)
    assert (back.reverses.key, back.run is not None) == ("portal", True)
    assert Fill.objects.get().allocated_quantity == Decimal("0.5")
    assert Position.objects.get().quantity == 0
    assert ReviewItem.objects.count() == 0
    assert [status for _, status in mismatches()] == ["RESOLVED"]
    assert actions().count("trade.exit_reversed") == 1
    assert actions().count("trade.exit_filled") == 1
    before = everything()
    world.cycle()
    assert everything() == before


@pytest.mark.parametrize("by", ["tag", "client id", "hint"])
def test_a_fill_that_proves_to_be_its_exit_replaces_it(world, by):
    trade = closed()
    named = client_order_id(sub_tag="alpha01", trade_id="T1", purpose=Purpose.EXIT)
    evidence = {
        "tag": {"sub_tag": "alpha01"},
        "client id": {"client_order_id": named},
        "hint": {"trade_hint": "T1"},
    }[by]
    sell(world, **evidence)
    world.cycle()
    holds(trade)
    assert standing() == [("BACKFILL", "0.5", "61000")]
    assert BackfillCandidate.objects.get().status == "APPLIED"
    assert sorted(actions()) == ["backfill.applied", "trade.exit_filled", "trade.exit_reversed"]
    before = everything()
    world.cycle()
    assert everything() == before


def test_what_proves_nothing_replaces_nothing(world):
    trade = closed()
    sell(world)
    world.environ = {
        "RECON_EXIT_BACKFILL_REQUIRE_STRONG_ATTRIBUTION": "false",
        "RECON_EXIT_BACKFILL_ALLOW_HEURISTIC_MATCH": "true",
    }
    world.cycle()
    holds(trade)
    assert standing() == [("SYNTHETIC", "0.5", "60500")]
    assert mismatches() == [("UNATTRIBUTED_FILL", "OPEN")]


@pytest.mark.parametrize("first", ["0.2", "0.3"])
def test_two_parts_come_to_the_same_whichever_comes_first(world, first):
    trade = closed()
    order = ended_exit(trade)
    prices = {"0.2": "61000", "0.3": "62000"}
    second = ({*prices} - {first}).pop()
    world.fill(order, first, price=prices[first])
    world.cycle()
    holds(trade)
    assert len(standing()) == 2
    world.fill(order, second, price=prices[second])
    world.cycle()
    holds(trade)
    assert sorted(standing()) == [("RECONCILED", "0.2", "61000"), ("RECONCILED", "0.3", "62000")]
    assert trade.average_exit_price == Decimal(61600)
    before = everything()
    world.cycle()
    assert everything() == before


def test_a_larger_fill_is_an_overclose_of_what_is_beyond(world):
    trade = closed()
    world.fill(ended_exit(trade, "0.7"), "0.7", price="61000")
    world.cycle()
    holds(trade)
    assert standing() == [("RECONCILED", "0.5", "61000")]
    item = ReviewItem.objects.get()
    assert (item.reason, item.quantity) == ("OVERCLOSE", Decimal("0.2"))
    before = everything()
    world.cycle()
    assert everything() == before


def test_the_fill_of_the_bots_own_exit_is_linked_to_that(world):
    trade = closed()
    make_history(
        trade,
        kind=HistoryKind.REVERSAL,
        source=HistorySource.RECONCILED,
        reverses=TradeHistory.objects.get(key="portal"),
    )
    make_history(trade, kind=EXIT, key="delivered:x1", price="61000")
    world.fill(ended_exit(trade), "0.5", price="61000")
    world.cycle()
    holds(trade)
    assert standing() == [("BOT", "0.5", "61000")]
    assert FillAllocation.objects.get().history.key == "delivered:x1"
    assert "trade.exit_reversed" not in actions()


def test_a_cycle_that_is_killed_leaves_all_or_nothing(world):
    trade = closed()
    world.fill(ended_exit(trade), "0.2", price="61000")

    class Killed(BaseException):
        pass

    def die(step: CycleStep) -> None:
        if step == CycleStep.BEFORE_COMMIT:
            raise Killed

    before = standing()
    with pytest.raises(Killed):
        world.cycle(reach=die)
    assert standing() == before
    world.cycle(minutes=3)
    holds(trade)
    assert standing() == [("RECONCILED", "0.2", "61000"), ("SYNTHETIC", "0.3", "60500")]


def test_a_row_that_was_reversed_meanwhile_is_not_reversed_again(world):
    trade = closed()
    world.fill(ended_exit(trade), "0.5", price="61000")

    def deliver(step: CycleStep) -> None:
        if step == CycleStep.LOCK:
            from tests.handlers.worlds import deliver_rows, history_row

            deliver_rows(history_row("x1", kind=EXIT, price="61000"), clock=world.clock)

    world.cycle(reach=deliver)
    holds(trade)
    assert standing() == [("BOT", "0.5", "61000")]
    world.cycle(minutes=2)
    holds(trade)
    assert TradeHistory.objects.filter(kind=HistoryKind.REVERSAL).count() == 1
    assert Fill.objects.get().allocated_quantity == Decimal("0.5")
