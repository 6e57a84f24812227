"""Positions, balances, margin, mode and prices of an OKX account."""

import json
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.domain.types import ExchangePosition
from reconciliation.enums import PositionMode, PositionSide
from reconciliation.exchange.fields import UnreadableAnswer
from reconciliation.exchange.gateway import PermanentExchangeError
from reconciliation.exchange.normalize_account import (
    envelope_problem,
    normalize_balances,
    normalize_margin,
    normalize_position_mode,
    normalize_positions,
    normalize_price,
)
from tests.exchange.builders import position_row, reading, table


def positions(
    *rows: dict[str, Any], mode: PositionMode = PositionMode.NET
) -> tuple[ExchangePosition, ...]:
    return normalize_positions(rows, reading(), position_mode=mode)


def hedge_row(side: str, **changes: Any) -> dict[str, Any]:
    return position_row(posSide=side, **changes)


def test_a_net_long_is_positive_base_units() -> None:
    (held,) = positions(position_row())

    assert (held.symbol, held.side, held.quantity) == (
        "BTC/USDT:USDT",
        PositionSide.NET,
        Decimal("0.5"),
    )
    assert (held.entry_price, held.mark_price) == (Decimal("60000"), Decimal("61000"))
    assert json.loads(held.raw) == position_row()


def test_a_net_short_is_negative() -> None:
    (held,) = positions(position_row(pos="-50"))

    assert held.quantity == Decimal("-0.5")


def test_hedge_mode_gives_two_positions_of_a_symbol() -> None:
    held = positions(hedge_row("short", pos="20"), hedge_row("long"), mode=PositionMode.HEDGE)

    assert [(each.side, each.quantity) for each in held] == [
        (PositionSide.LONG, Decimal("0.5")),
        (PositionSide.SHORT, Decimal("-0.2")),
    ]


def test_a_hedge_short_is_negative_whichever_sign_it_was_sent_with() -> None:
    (held,) = positions(hedge_row("short", pos="-20"), mode=PositionMode.HEDGE)

    assert held.quantity == Decimal("-0.2")


def test_a_negative_long_is_an_error() -> None:
    with pytest.raises(UnreadableAnswer, match="pos is negative"):
        positions(hedge_row("long", pos="-1"), mode=PositionMode.HEDGE)


@pytest.mark.parametrize("size", ["0", "0.00", "-0"])
def test_a_row_of_size_zero_is_no_position(size: str) -> None:
    assert positions(position_row(pos=size)) == ()


def test_a_row_of_size_zero_says_nothing_about_the_position_mode() -> None:
    assert positions(position_row(pos="0", posSide="long")) == ()


def test_a_position_without_a_size_is_an_error_and_not_flat() -> None:
    with pytest.raises(UnreadableAnswer, match="pos is missing"):
        positions(position_row(pos=""))


def test_cross_and_isolated_rows_of_one_symbol_are_added_up() -> None:
    (held,) = positions(
        position_row(pos="30", avgPx="60000", mgnMode="cross"),
        position_row(pos="10", avgPx="62000", mgnMode="isolated"),
    )

    assert (held.quantity, held.entry_price) == (Decimal("0.4"), Decimal("60500"))
    assert len(json.loads(held.raw)) == 2


def test_opposite_rows_of_one_symbol_have_no_entry_price() -> None:
    (held,) = positions(position_row(pos="30"), position_row(pos="-10", mgnMode="isolated"))

    assert (held.quantity, held.entry_price) == (Decimal("0.2"), None)


def test_opposite_rows_that_cancel_are_no_position() -> None:
    assert positions(position_row(pos="30"), position_row(pos="-30", mgnMode="isolated")) == ()


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [hedge_row("long"), hedge_row("short"), hedge_row("long", mgnMode="isolated", pos="1")]

    forwards = positions(*rows, mode=PositionMode.HEDGE)
    backwards = positions(*reversed(rows), mode=PositionMode.HEDGE)

    assert [(each.symbol, each.side, each.quantity) for each in forwards] == [
        (each.symbol, each.side, each.quantity) for each in backwards
    ]


def test_rows_of_what_is_left_out_are_no_positions() -> None:
    margin = position_row(instType="MARGIN", instId="BTC-USDT", pos="1")
    inverse = position_row(instId="BTC-USD-SWAP")

    assert positions(margin, inverse) == ()


@pytest.mark.parametrize(
    ("side", "mode"), [("long", PositionMode.NET), ("net", PositionMode.HEDGE)]
)
def test_a_position_mode_that_is_not_the_configured_one_is_an_error_with_the_way_out(
    side: str, mode: PositionMode
) -> None:
    with pytest.raises(PermanentExchangeError, match="set the account's position mode"):
        positions(position_row(posSide=side), mode=mode)


def test_a_balance_is_cash_without_profit_that_is_not_realised() -> None:
    row = {
        "details": [
            {"ccy": "USDT", "cashBal": "50000", "eq": "51000", "upl": "1000"},
            {"ccy": "XBT", "cashBal": "0.25", "eq": "0.25"},
            {"ccy": "ETH", "cashBal": "0", "eq": "5"},
        ]
    }

    assert normalize_balances(row, table()) == {"USDT": Decimal("50000"), "BTC": Decimal("0.25")}


def test_an_account_without_currencies_has_no_balance() -> None:
    assert normalize_balances({"details": []}, table()) == {}


@pytest.mark.parametrize(
    "row", [{}, {"details": None}, {"details": {}}, {"details": [{"ccy": "USDT"}]}, None]
)
def test_a_balance_that_is_none_is_an_error(row: object) -> None:
    with pytest.raises(UnreadableAnswer):
        normalize_balances(row, table())


def test_margin_in_use_is_read_by_currency() -> None:
    row = {"details": [{"ccy": "USDT", "imr": "3000"}, {"ccy": "BTC", "imr": ""}]}

    assert normalize_margin(row, table()) == {"USDT": Decimal("3000")}


@pytest.mark.parametrize(
    ("word", "mode"), [("net_mode", PositionMode.NET), ("long_short_mode", PositionMode.HEDGE)]
)
def test_the_position_mode_is_read_from_its_word(word: str, mode: PositionMode) -> None:
    assert normalize_position_mode({"uid": "1", "posMode": word}) == mode


def test_a_position_mode_that_is_not_known_is_an_error() -> None:
    with pytest.raises(UnreadableAnswer, match="posMode"):
        normalize_position_mode({"uid": "1", "posMode": "both"})


def test_a_price_is_of_the_instrument_that_was_asked_for() -> None:
    row = {"instId": "BTC-USDT-SWAP", "markPx": "60000.1"}

    assert normalize_price(row, exchange_id="BTC-USDT-SWAP", name="markPx") == Decimal("60000.1")
    with pytest.raises(UnreadableAnswer, match="is not ETH-USDT-SWAP"):
        normalize_price(row, exchange_id="ETH-USDT-SWAP", name="markPx")


@pytest.mark.parametrize("price", ["", "0", "-1"])
def test_a_price_that_is_none_is_an_error_and_not_zero(price: str) -> None:
    with pytest.raises(UnreadableAnswer, match="markPx"):
        normalize_price({"instId": "X", "markPx": price}, exchange_id="X", name="markPx")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"code": "0", "data": [], "msg": ""}, None),
        ({"code": "51603", "msg": "Order does not exist"}, None),
        ({"data": [], "msg": ""}, "no code"),
        ({"code": None, "data": []}, "no code"),
        ({"code": "0", "msg": ""}, "no list of data"),
        ({"code": "0", "data": {}}, "no list of data"),
        ({"code": "0", "data": None}, "no list of data"),
        ([], "not an object"),
        ("text", "not an object"),
        (None, "not an object"),
    ],
)
def test_a_body_is_an_answer_only_with_a_code_and_rows(body: object, problem: str | None) -> None:
    found = envelope_problem(body)

    assert found == problem if problem is None else problem in (found or "")
