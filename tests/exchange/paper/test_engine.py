from decimal import Decimal
from typing import Any

import pytest

from reconciliation.exchange.paper.book import PaperAccount, PaperPosition
from tests.exchange.paper.builders import NOW, SPOT, SWAP, FrozenClock


@pytest.fixture
def trader() -> PaperAccount:
    account = PaperAccount("main", clock=FrozenClock())
    account.set_balances({"USDT": Decimal("100000"), "BTC": Decimal("2")})
    return account


@pytest.fixture
def hedger() -> PaperAccount:
    return PaperAccount("main", "hedge", clock=FrozenClock())


def trade(account: PaperAccount, side: Any, quantity: str, price: str, **more: Any) -> None:
    placed = account.place(SWAP, side, Decimal(quantity), Decimal(price), **more)
    account.fill(placed.exchange_order_id)


def held(account: PaperAccount) -> list[tuple[str, str, str]]:
    return [
        (each.side, f"{each.quantity.normalize():f}", f"{each.entry_price:f}")
        for each in account.positions()
        if each.entry_price is not None
    ]


def test_a_partial_fill_leaves_the_rest_of_an_order_open(trader: PaperAccount) -> None:
    placed = trader.place(SWAP, "buy", Decimal("0.5"), Decimal("60000"))
    trader.fill(placed.exchange_order_id, Decimal("0.2"), Decimal("59990"))
    [now] = trader.orders()
    assert (now.state, now.filled, now.average_price) == (
        "partially_filled",
        Decimal("0.2"),
        Decimal("59990"),
    )


def test_an_order_that_is_filled_in_parts_has_the_weighted_price(trader: PaperAccount) -> None:
    placed = trader.place(SWAP, "buy", Decimal("0.5"), Decimal("60000"))
    trader.fill(placed.exchange_order_id, Decimal("0.2"), Decimal("59975"))
    trader.fill(placed.exchange_order_id)
    [now] = trader.orders()
    assert (now.state, now.average_price) == ("filled", Decimal("59990"))
    assert held(trader) == [("net", "0.5", "59990.000000000000")]


def test_more_than_what_remains_cannot_be_filled(trader: PaperAccount) -> None:
    placed = trader.place(SWAP, "buy", Decimal("0.5"), Decimal("60000"))
    with pytest.raises(ValueError, match=r"more than the 0\.5 that remains"):
        trader.fill(placed.exchange_order_id, Decimal("0.6"))
    assert trader.fills() == ()


def test_a_net_position_crosses_zero_and_starts_again_at_the_price_there(
    trader: PaperAccount,
) -> None:
    trade(trader, "buy", "0.5", "60000")
    trade(trader, "sell", "0.8", "61000")
    assert held(trader) == [("net", "-0.3", "61000")]


def test_a_reduced_position_keeps_its_entry_price(trader: PaperAccount) -> None:
    trade(trader, "sell", "0.5", "60000")
    trade(trader, "buy", "0.2", "59000")
    assert held(trader) == [("net", "-0.3", "60000")]


def test_a_closed_position_is_gone_and_its_profit_less_fees_is_cash(trader: PaperAccount) -> None:
    trade(trader, "buy", "0.5", "60000")
    trade(trader, "sell", "0.5", "61000")
    # 500 of profit, 0.0002 of 30000 and of 30500 in maker fees.
    assert trader.positions() == ()
    assert trader.balances()["USDT"] == Decimal("100000") + 500 - 6 - Decimal("6.1")


def test_a_hedge_account_holds_both_sides_apart(hedger: PaperAccount) -> None:
    trade(hedger, "buy", "0.5", "60000", position_side="long")
    trade(hedger, "sell", "0.3", "60500", position_side="short")
    assert held(hedger) == [("long", "0.5", "60000"), ("short", "0.3", "60500")]


def test_a_hedged_side_cannot_be_closed_further_than_flat(hedger: PaperAccount) -> None:
    trade(hedger, "sell", "0.3", "60500", position_side="short")
    with pytest.raises(ValueError, match=r"closing 0\.4 of 0\.3"):
        trade(hedger, "buy", "0.4", "60500", position_side="short")
    assert held(hedger) == [("short", "0.3", "60500")]


@pytest.mark.parametrize(
    ("symbol", "side", "order_type", "fee", "currency"),
    [
        (SWAP, "buy", "limit", "6.0000", "USDT"),
        (SWAP, "sell", "market", "15.0000", "USDT"),
        (SPOT, "buy", "limit", "0.0005", "BTC"),
        (SPOT, "sell", "limit", "30.000", "USDT"),
    ],
)
def test_fees_follow_market_side_and_liquidity(
    trader: PaperAccount, symbol: str, side: Any, order_type: Any, fee: str, currency: str
) -> None:
    placed = trader.place(symbol, side, Decimal("0.5"), Decimal("60000"), order_type)
    done = trader.fill(placed.exchange_order_id)
    assert (done.fee, done.fee_currency) == (Decimal(fee), currency)


def test_a_spot_buy_gains_the_quantity_less_its_fee(trader: PaperAccount) -> None:
    placed = trader.place(SPOT, "buy", Decimal("0.5"), Decimal("60000"))
    trader.fill(placed.exchange_order_id)
    assert trader.balances() == {"USDT": Decimal("70000"), "BTC": Decimal("2.4995")}
    assert trader.positions() == ()


def test_a_market_order_is_filled_at_the_mark(trader: PaperAccount) -> None:
    trader.set_mark(SWAP, Decimal("61000"))
    placed = trader.place(SWAP, "buy", Decimal("0.5"), None, "market")
    assert trader.fill(placed.exchange_order_id).price == Decimal("61000")


def test_a_canceled_order_keeps_its_fills_and_takes_no_more(trader: PaperAccount) -> None:
    placed = trader.place(SWAP, "buy", Decimal("0.5"), Decimal("60000"))
    trader.fill(placed.exchange_order_id, Decimal("0.2"))
    canceled = trader.cancel(placed.exchange_order_id)
    assert (canceled.state, canceled.filled, canceled.updated_at) == (
        "canceled",
        Decimal("0.2"),
        NOW,
    )
    with pytest.raises(ValueError, match="is canceled"):
        trader.fill(placed.exchange_order_id)


def test_a_liquidation_closes_all_at_the_mark_by_an_order_of_the_exchange(
    trader: PaperAccount,
) -> None:
    trade(trader, "buy", "0.5", "60000", client_order_id="mine", tag="alpha01")
    done = trader.liquidate(SWAP)
    assert (done.kind, done.side, done.quantity, done.price) == (
        "liquidation",
        "sell",
        Decimal("0.5"),
        Decimal("60000"),
    )
    assert (done.client_order_id, done.tag) == (None, None)
    assert trader.positions() == ()


def test_a_short_side_is_liquidated_by_buying(hedger: PaperAccount) -> None:
    trade(hedger, "sell", "0.3", "60500", position_side="short")
    done = hedger.liquidate(SWAP, "short", quantity=Decimal("0.1"), kind="adl")
    assert (done.side, done.position_side, done.kind) == ("buy", "short", "adl")
    assert held(hedger) == [("short", "0.2", "60500")]


def test_what_is_not_held_cannot_be_liquidated(trader: PaperAccount) -> None:
    with pytest.raises(ValueError, match="holds no net position"):
        trader.liquidate(SWAP)


def test_a_triggered_algo_order_is_done_and_leaves_a_child_that_names_it(
    trader: PaperAccount,
) -> None:
    algo = trader.place(
        SWAP,
        "sell",
        Decimal("0.5"),
        None,
        "market",
        "stop1",
        "alpha01",
        order_class="conditional",
        trigger_price=Decimal("55000"),
    )
    child = trader.trigger(algo.exchange_order_id)
    assert (child.parent, child.client_order_id, child.tag) == (
        algo.exchange_order_id,
        None,
        "alpha01",
    )
    assert [(each.order_class, each.state) for each in trader.orders()] == [
        ("conditional", "filled"),
        ("regular", "live"),
    ]
    assert trader.fill(child.exchange_order_id).exchange_order_id == child.exchange_order_id


def test_an_algo_order_is_not_filled_itself(trader: PaperAccount) -> None:
    algo = trader.place(SWAP, "sell", Decimal("0.5"), None, "market", order_class="oco")
    with pytest.raises(ValueError, match="trigger it"):
        trader.fill(algo.exchange_order_id)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ((SWAP, "buy", Decimal("0.00005"), Decimal("60000")), "no multiple of 0.0001"),
        ((SWAP, "buy", Decimal("0.5"), Decimal("60000.05")), "no multiple of 0.1"),
        ((SWAP, "buy", Decimal("0.5")), "needs a price"),
        (("SOL/USDT", "buy", Decimal("0.5"), Decimal("1")), "no instrument"),
        (
            (SWAP, "buy", Decimal("0.5"), Decimal("60000"), "limit", None, None, "long"),
            "position side",
        ),
    ],
)
def test_an_order_that_the_exchange_would_refuse_is_refused(
    trader: PaperAccount, arguments: tuple[Any, ...], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        trader.place(*arguments)


def test_a_client_id_is_free_again_once_its_order_is_done(trader: PaperAccount) -> None:
    first = trader.place(SWAP, "buy", Decimal("0.5"), Decimal("60000"), client_order_id="c1")
    with pytest.raises(ValueError, match="taken by an open order"):
        trader.place(SWAP, "buy", Decimal("0.5"), Decimal("60000"), client_order_id="c1")
    trader.cancel(first.exchange_order_id)
    assert (
        trader.place(
            SWAP, "buy", Decimal("0.5"), Decimal("60000"), client_order_id="c1"
        ).exchange_order_id
        != first.exchange_order_id
    )


def test_ids_made_later_are_greater_and_never_those_of_rows_put_in(trader: PaperAccount) -> None:
    first = trader.place(SWAP, "buy", Decimal("0.5"), Decimal("60000"))
    done = trader.fill(first.exchange_order_id)
    moved = trader.deposit("USDT", Decimal("5"))
    ids = [int(first.exchange_order_id), int(done.fill_id), int(moved.transfer_id)]
    assert ids == sorted(set(ids))


def test_deposits_and_funding_change_the_cash_and_nothing_else(trader: PaperAccount) -> None:
    trader.put_positions([PaperPosition(SWAP, "net", Decimal("0.5"), Decimal("60000"))])
    trader.deposit("USDT", Decimal("-1000"))
    trader.pay_funding(SWAP, Decimal("3.5"))
    assert trader.balances()["USDT"] == Decimal("98996.5")
    assert trader.positions()[0].quantity == Decimal("0.5")
    assert trader.orders() == ()
