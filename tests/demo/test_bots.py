"""The bots by themselves: what they do at the exchange, and what they deliver of it."""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from reconciliation.demo.bots import REPEAT_EVERY, Bot
from reconciliation.demo.market import BTC, ETH, START_PRICES, Fate, Prices
from reconciliation.demo.plans import (
    ACKNOWLEDGEMENT_MISSED,
    CANCEL_MISSED,
    FILL_MISSED,
    FILLED,
    PART_FILLED_THEN_CANCELED,
    PART_MISSED,
    PLANS,
    Plan,
    choose_plan,
    make_random,
)
from reconciliation.demo.world import SPECS
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.deliveries import (
    DeliveredOrder,
    DeliveredTrade,
    Delivery,
)
from reconciliation.domain.keys import parse_client_order_id
from reconciliation.enums import OrderStatus, Purpose, TradeStatus
from reconciliation.exchange.paper.book import PaperAccount
from tests.builders import FixedClock

PATIENCE = 10
SOON = 6
LATE = 3 * PATIENCE


class Trading:
    """One bot, its exchange, and everything that it delivered."""

    def __init__(self, choose: Callable[[Random], Plan], seed: int = 1) -> None:
        self.clock = FixedClock()
        self.paper = PaperAccount("main", clock=self.clock.now)
        self.deliveries: list[Delivery] = []
        self.bot = Bot(
            spec=SPECS[0],
            exchange=self.paper,
            deliver=self.deliveries.append,
            random=make_random(str(seed)),
            patience=PATIENCE,
            choose=choose,
        )

    def run(self, seconds: int) -> "Trading":
        for _ in range(seconds):
            self.clock.advance(seconds=1)
            self.bot.tick()
        return self

    def orders(self) -> list[DeliveredOrder]:
        return [row for each in self.deliveries for row in each.orders]

    def trades(self) -> list[DeliveredTrade]:
        return [row for each in self.deliveries for row in each.trades]

    def last_words(self) -> dict[str | None, DeliveredOrder]:
        return {row.client_order_id: row for row in self.orders()}


def always(plan: Plan) -> Callable[[Random], Plan]:
    return lambda random: plan


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_the_bot_ends_up_with_the_truth_whatever_it_missed(plan: Plan) -> None:
    trading = Trading(always(plan)).run(LATE)

    for order in trading.paper.orders()[:2]:
        told = trading.last_words()[order.client_order_id]
        rows = [
            row
            for each in trading.deliveries
            for row in each.history
            if row.order_ref == order.client_order_id
        ]
        assert told.status == {"filled": OrderStatus.FILLED, "canceled": OrderStatus.CANCELED}.get(
            order.state
        )
        assert told.filled_quantity == order.filled
        assert told.exchange_order_id == order.exchange_order_id
        if plan is not PART_MISSED:
            assert sum((row.quantity for row in rows), ZERO) == order.filled


def test_a_missed_fill_leaves_the_bot_believing_that_its_order_is_open() -> None:
    trading = Trading(always(FILL_MISSED)).run(SOON)

    order = trading.paper.orders()[0]
    assert order.state == "filled"
    assert trading.last_words()[order.client_order_id].status == OrderStatus.OPEN
    assert trading.bot.missed


def test_an_order_whose_acknowledgement_was_lost_is_delivered_without_an_exchange_id() -> None:
    trading = Trading(always(ACKNOWLEDGEMENT_MISSED)).run(SOON)

    assert {row.status for row in trading.orders()} == {OrderStatus.PENDING}
    assert {row.exchange_order_id for row in trading.orders()} == {None}
    assert len(trading.paper.orders()) == len(SPECS[0].symbols)


def test_a_fill_that_is_heard_of_is_delivered_in_the_same_second_with_its_id() -> None:
    trading = Trading(always(FILLED)).run(SOON)

    fill = trading.paper.fills()[0]
    (row,) = (
        row
        for each in trading.deliveries
        for row in each.history
        if row.exchange_fill_id == fill.fill_id
    )
    assert (row.quantity, row.price, row.fee) == (fill.quantity, fill.price, fill.fee)
    assert trading.bot.missed == 0


def test_an_entry_that_is_canceled_without_a_fill_cancels_its_trade() -> None:
    trading = Trading(always(CANCEL_MISSED)).run(LATE)

    assert TradeStatus.CANCELED in {row.status for row in trading.trades()}
    assert trading.paper.positions() == ()
    assert {row.purpose for row in trading.orders()} == {Purpose.ENTRY}


def test_a_trade_goes_from_pending_over_open_to_closed() -> None:
    trading = Trading(always(FILLED)).run(LATE)

    first = trading.trades()[0].trade_id
    words = [row.status for row in trading.trades() if row.trade_id == first]
    assert list(dict.fromkeys(words)) == [
        TradeStatus.PENDING,
        TradeStatus.OPEN,
        TradeStatus.CLOSED,
    ]


def test_an_exit_never_exceeds_what_is_held_and_names_its_order_after_the_last() -> None:
    trading = Trading(always(PART_FILLED_THEN_CANCELED)).run(200)

    exits: dict[str, list[DeliveredOrder]] = {}
    for row in trading.last_words().values():
        if row.purpose == Purpose.EXIT:
            exits.setdefault(row.trade_id or "", []).append(row)
    for rows in exits.values():
        parsed = [parse_client_order_id(row.client_order_id) for row in rows]
        assert [each and each.sequence for each in parsed] == list(range(1, len(rows) + 1))
        for earlier, later in pairwise(rows):
            assert later.quantity == earlier.quantity - earlier.filled_quantity


def test_an_order_of_the_smallest_step_is_filled_at_once() -> None:
    paper = PaperAccount("main")
    step = paper.instrument(BTC).quantity_step
    order = paper.place(BTC, "buy", step, Decimal(60_000))
    fate = Fate(
        exchange=paper,
        exchange_order_id=order.exchange_order_id,
        plan=PART_FILLED_THEN_CANCELED,
        random=make_random("1"),
        patience=0,
    )
    for _ in range(20):
        fate.tick()

    assert fate.is_over()
    assert fate.order().state == "filled"


def test_a_bot_repeats_what_it_believes_of_orders_at_work() -> None:
    trading = Trading(always(ACKNOWLEDGEMENT_MISSED))
    trading.bot.patience = 2 * REPEAT_EVERY
    trading.run(REPEAT_EVERY)

    first, again = trading.deliveries[0], trading.deliveries[-1]
    assert set(again.orders) == set(first.orders)
    assert again.trades == ()


def test_the_same_seed_does_the_same_and_another_does_not() -> None:
    def told(seed: int) -> list[Any]:
        trading = Trading(choose_plan, seed).run(150)
        return [
            (row.trade_id, row.purpose, row.status, row.filled_quantity) for row in trading.orders()
        ]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_prices_wander_about_their_start_in_whole_ticks() -> None:
    paper = PaperAccount("main")
    prices = Prices(paper, make_random("1"))
    seen = {BTC: set(), ETH: set()}
    for _ in range(500):
        prices.tick()
        for symbol, marks in seen.items():
            marks.add(paper.instrument(symbol).mark)

    for symbol, marks in seen.items():
        assert len(marks) > 100
        assert all(mark % paper.instrument(symbol).price_tick == 0 for mark in marks)
        assert all(abs(mark / START_PRICES[symbol] - 1) < Decimal("0.05") for mark in marks)
