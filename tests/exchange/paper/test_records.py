from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.exchange.paper.book import (
    BUILT_IN_INSTRUMENTS,
    PaperAccount,
    PaperInstrument,
)
from tests.exchange.paper.builders import SPOT, SWAP, fill, order, position


def test_the_four_built_in_instruments_are_those_of_the_drills() -> None:
    digits = {
        symbol: (
            str(each.contract_size),
            str(each.amount_step),
            str(each.price_tick),
            str(each.mark),
        )
        for symbol, each in BUILT_IN_INSTRUMENTS.items()
    }
    assert digits == {
        "BTC/USDT:USDT": ("0.01", "0.01", "0.1", "60000"),
        "ETH/USDT:USDT": ("0.1", "0.01", "0.01", "3000"),
        "BTC/USDT": ("None", "0.00001", "0.1", "60000"),
        "ETH/USDT": ("None", "0.0001", "0.01", "3000"),
    }


@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTC/USD:BTC", "/USDT", "BTC/USDT:USDT-260626"])
def test_a_symbol_that_is_neither_spot_nor_a_linear_swap_is_refused(symbol: str) -> None:
    with pytest.raises(ValueError, match="linear swap"):
        PaperInstrument(symbol, None, Decimal("0.1"), Decimal("0.1"), Decimal("1"))


@pytest.mark.parametrize(("symbol", "size"), [(SWAP, None), (SPOT, Decimal("0.01"))])
def test_a_contract_size_belongs_to_swaps_and_to_no_spot(symbol: str, size: Decimal | None) -> None:
    with pytest.raises(ValueError, match="contract_size"):
        PaperInstrument(symbol, size, Decimal("0.1"), Decimal("0.1"), Decimal("1"))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"side": "long"}, "side must be one of buy, sell"),
        ({"state": "open"}, "state must be one of live"),
        ({"type": "stop"}, "type must be one of limit"),
        ({"order_class": "iceberg"}, "order_class must be one of regular"),
        ({"position_side": "net"}, "position_side must be one of long, short"),
        ({"quantity": Decimal("-1")}, "quantity must be above zero"),
        ({"filled": Decimal("NaN")}, "finite"),
        ({"created_at": datetime(2026, 1, 5)}, "timezone-aware"),  # noqa: DTZ001
        ({"exchange_order_id": ""}, "non-empty string"),
    ],
)
def test_an_order_that_no_exchange_could_hold_is_refused(
    changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        order(**changes)


def test_a_float_is_refused_where_it_would_enter() -> None:
    with pytest.raises(TypeError, match="quantity must be a Decimal"):
        fill(quantity=0.5)


def test_a_quantity_without_finite_contracts_is_refused_when_it_is_put() -> None:
    thirds = PaperInstrument(SWAP, Decimal("0.3"), Decimal("1"), Decimal("0.1"), Decimal("60000"))
    account = PaperAccount("main", instruments={SWAP: thirds})
    with pytest.raises(ValueError, match=r"order 1001: 0\.5 BTC is no exact number of contracts"):
        account.put_orders([order(quantity=Decimal("0.5"))])


def test_a_row_of_an_unknown_symbol_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no instrument 'SOL/USDT'; it has BTC/USDT"):
        PaperAccount("main").put_fills([fill(symbol="SOL/USDT")])


@pytest.mark.parametrize(("mode", "side"), [("net", "long"), ("hedge", "net")])
def test_a_position_of_the_other_mode_is_refused(mode: Any, side: str) -> None:
    with pytest.raises(ValueError, match=f"is in {mode} mode"):
        PaperAccount("main", mode).put_positions([position("0.5", side)])


def test_spot_is_a_balance_and_never_a_position() -> None:
    with pytest.raises(ValueError, match="held as a balance"):
        PaperAccount("main").put_positions([position("0.5", symbol=SPOT)])


def test_putting_replaces_a_row_of_the_same_id_and_keeps_the_others() -> None:
    account = PaperAccount("main")
    account.put_orders([order("1001"), order("1002")])
    account.put_orders([order("1001", state="canceled")])
    assert [(each.exchange_order_id, each.state) for each in account.orders()] == [
        ("1001", "canceled"),
        ("1002", "live"),
    ]


def test_replacing_leaves_nothing_of_what_was_there() -> None:
    account = PaperAccount("main")
    account.put_fills([fill("9001")])
    account.replace_fills([fill("9002")])
    assert [each.fill_id for each in account.fills()] == ["9002"]


def test_what_an_account_hands_out_does_not_change_it() -> None:
    account = PaperAccount("main")
    account.set_balances({"USDT": Decimal("1")})
    account.balances()["USDT"] = Decimal("2")
    account.marks()[SWAP] = Decimal("2")
    assert account.balances() == {"USDT": Decimal("1")}
    assert account.marks()[SWAP] == Decimal("60000")


@pytest.mark.parametrize("name", ["", "ma/in", "mäin", "main?"])
def test_an_account_name_must_fit_in_a_url(name: str) -> None:
    with pytest.raises(ValueError, match="part of a URL"):
        PaperAccount(name)
