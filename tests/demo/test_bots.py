"""The bots by themselves: what they do at the exchange, and what they deliver of it."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from reconciliation.demo.accounts import BTC, SPECS, START_PRICES, BotSpec
from reconciliation.demo.bots import REPEAT_EVERY, Bot
from reconciliation.demo.drift import DRIFTS
from reconciliation.demo.exchange import make_exchange, make_exchange_environ
from reconciliation.demo.market import Fate, Prices
from reconciliation.demo.plans import (
    FILLED,
    FILLED_IN_PARTS,
    PART_FILLED_THEN_CANCELED,
    Plan,
    choose_plan,
    make_random,
)
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.deliveries import (
    DeliveredOrder,
    DeliveredTrade,
    Delivery,
)
from reconciliation.domain.keys import parse_client_order_id
from reconciliation.enums import OrderStatus, Purpose, TradeStatus
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.engine import SPOT_FEE
from tests.builders import FixedClock

LIVES = {drift.name: drift.make for drift in DRIFTS if isinstance(drift.make, Plan)}
FILL_MISSED, CANCEL_MISSED = LIVES["fill missed"], LIVES["cancel missed"]
ACKNOWLEDGEMENT_MISSED, PART_MISSED = LIVES["acknowledgement missed"], LIVES["part missed"]
PATIENCE = 10
SOON = 6
LATE = 3 * PATIENCE


class Trading:
    """One bot, its exchange, and everything that it delivered."""

    def __init__(
        self, choose: Callable[[Random], Plan], seed: int = 1, spec: BotSpec = SPECS[0]
    ) -> None:
        self.clock = FixedClock()
        self.paper = make_account(spec, self.clock)
        self.deliveries: list[Delivery] = []
        self.bot = Bot(
            spec=spec,
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


def make_account(spec: BotSpec, clock: FixedClock) -> PaperAccount:
    exchange = make_exchange(make_exchange_environ(0), 0, clock.now)
    return exchange.accounts[spec.account]


def always(plan: Plan) -> Callable[[Random], Plan]:
    return lambda random: plan


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.profile)
@pytest.mark.parametrize(
    "plan",
    [FILLED, FILLED_IN_PARTS, PART_FILLED_THEN_CANCELED, *LIVES.values()],
    ids=lambda plan: plan.name,
)
def test_the_bot_ends_up_with_the_truth_whatever_it_missed(plan: Plan, spec: BotSpec) -> None:
    trading = Trading(always(plan), spec=spec).run(LATE)

    # What was replaced or triggered another order speaks of the first one's ids.
    firsts = {each.client_order_id: each for each in reversed(trading.paper.orders())}
    for client_id, first in list(firsts.items())[-2:]:
        if client_id is None:
            continue
        legs = [
            each
            for each in trading.paper.orders()
            if each.client_order_id == client_id or each.parent == first.exchange_order_id
        ]
        told = trading.last_words()[client_id]
        rows = [
            row for each in trading.deliveries for row in each.history if row.order_ref == client_id
        ]
        assert told.status == {"filled": OrderStatus.FILLED, "canceled": OrderStatus.CANCELED}.get(
            legs[-1].state
        )
        filled = sum((leg.filled for leg in legs), ZERO)
        assert told.filled_quantity == filled
        assert told.exchange_order_id == first.exchange_order_id
        assert told.price == legs[-1].price
        net = filled * (1 - SPOT_FEE) if told.side == "buy" and ":" not in told.symbol else filled
        assert sum((row.quantity for row in rows), ZERO) == net


def test_a_missed_fill_leaves_the_bot_believing_that_its_order_is_open() -> None:
    trading = Trading(always(FILL_MISSED)).run(SOON)

    order = trading.paper.orders()[0]
    assert order.state == "filled"
    assert trading.last_words()[order.client_order_id].status == OrderStatus.OPEN
    assert not any(each.history for each in trading.deliveries)


def test_an_order_whose_acknowledgement_was_lost_is_delivered_without_an_exchange_id() -> None:
    trading = Trading(always(ACKNOWLEDGEMENT_MISSED)).run(SOON)

    assert {row.status for row in trading.orders()} == {OrderStatus.PENDING}
    assert {row.exchange_order_id for row in trading.orders()} == {None}
    assert len(trading.paper.orders()) == len(SPECS[0].markets)


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
    paper = make_account(SPECS[0], FixedClock())
    prices = Prices(paper, make_random("1"))
    seen: dict[str, set[Decimal]] = {symbol: set() for symbol in START_PRICES}
    for _ in range(500):
        prices.tick()
        for symbol, marks in seen.items():
            marks.add(paper.instrument(symbol).mark)

    for symbol, marks in seen.items():
        assert len(marks) > 100
        assert all(mark % paper.instrument(symbol).price_tick == 0 for mark in marks)
        assert all(abs(mark / START_PRICES[symbol] - 1) < Decimal("0.05") for mark in marks)


def test_a_bot_in_hedge_mode_holds_long_and_short_at_once() -> None:
    trading = Trading(always(FILLED), spec=SPECS[2]).run(SOON)

    assert {each.side for each in trading.paper.positions()} == {"long", "short"}
    assert {row.position_side for row in trading.orders()} == {"long", "short"}


def test_a_bot_that_restarts_cancels_what_is_at_work_and_closes_what_it_held() -> None:
    trading = Trading(always(FILL_MISSED)).run(1)
    assert any(order.is_open for order in trading.paper.orders())

    trading.bot.stop()

    assert not any(order.is_open for order in trading.paper.orders())


def test_a_trade_that_somebody_else_closed_is_left_alone_until_it_is_heard_of() -> None:
    trading = Trading(always(FILLED)).run(SOON)
    slot = next(trading.bot.quiet_slots())
    trade = slot.trade
    assert trade is not None
    held = trade.held
    fill = trading.paper.liquidate(trade.symbol, quantity=held)
    trading.bot.hear_later(trade, fill)
    slot.release()

    trading.bot.take_over([replace(trade)])
    trading.run(PATIENCE)

    (row,) = (
        row
        for each in trading.deliveries
        for row in each.history
        if row.exchange_fill_id == fill.fill_id
    )
    assert (row.trade_id, row.kind, row.quantity) == (trade.trade_id, "EXIT", held)
    assert trade.status == TradeStatus.CLOSED
    exits = [row for row in trading.orders() if row.trade_id == trade.trade_id]
    assert {row.purpose for row in exits} == {Purpose.ENTRY}


def test_a_drift_is_for_one_order_and_an_entry_where_it_must_be() -> None:
    trading = Trading(always(FILLED))
    begun: list[str] = []
    trading.bot._begins = lambda trade, plan: begun.append(plan.name)
    trading.bot.order_drift(LIVES["taken for canceled"])
    trading.run(LATE)

    assert begun == ["taken for canceled"]
    assert not trading.bot.drifts
    told = [row.status for row in trading.orders() if row.trade_id == "trend-1"]
    assert OrderStatus.CANCELED in told
