"""OKX's fill rows become the portal's fills: keyed by billId, fees positive when paid."""

import json
from decimal import Decimal

import pytest

from reconciliation.enums import FillKind, PositionSide, Side
from reconciliation.exchange.fields import UnreadableAnswer
from reconciliation.exchange.normalize import normalize_fill
from tests.exchange.builders import fill_row, reading
from tests.exchange.paper.builders import NOW


def test_a_fill_is_read_in_base_units_by_its_bill_id() -> None:
    row = fill_row(tradeIdHint="T1")

    fill = normalize_fill(row, reading())

    assert fill is not None
    assert fill.fill_id == "9001"
    assert (fill.symbol, fill.side) == ("BTC/USDT:USDT", Side.BUY)
    assert (fill.quantity, fill.price) == (Decimal("0.5"), Decimal("60000"))
    assert fill.kind == FillKind.TRADE
    assert (fill.exchange_order_id, fill.client_order_id) == ("1001", "client1")
    assert (fill.sub_tag, fill.trade_hint) == ("alpha01", "T1")
    assert json.loads(fill.raw) == row


def test_a_fill_is_timed_by_what_its_window_is_filtered_by() -> None:
    fill = normalize_fill(fill_row(), reading())

    assert fill is not None
    assert fill.executed_at == NOW


@pytest.mark.parametrize(
    ("sent", "fee"),
    [
        ("-1.5", Decimal("1.5")),
        ("0.3", Decimal("-0.3")),
        ("0", Decimal("0")),
        ("-0", Decimal("0")),
        ("", None),
    ],
)
def test_a_fee_is_positive_when_it_was_paid(sent: str, fee: Decimal | None) -> None:
    fill = normalize_fill(fill_row(fee=sent), reading())

    assert fill is not None
    assert fill.fee == fee
    assert str(fill.fee) == str(fee)


def test_a_fee_keeps_every_digit() -> None:
    digits = "1234567890.123456789012345678"

    fill = normalize_fill(fill_row(fee=f"-{digits}"), reading())

    assert fill is not None
    assert str(fill.fee) == digits


def test_the_quantity_is_gross_of_a_fee_in_base() -> None:
    row = fill_row(instId="BTC-USDT", instType="SPOT", fillSz="0.5", fee="-0.0005", feeCcy="BTC")

    fill = normalize_fill(row, reading())

    assert fill is not None
    assert (fill.quantity, fill.fee, fill.fee_currency) == (
        Decimal("0.5"),
        Decimal("0.0005"),
        "BTC",
    )


def test_a_fee_currency_has_its_unified_code() -> None:
    fill = normalize_fill(fill_row(feeCcy="XBT"), reading())

    assert fill is not None
    assert fill.fee_currency == "BTC"


@pytest.mark.parametrize(
    ("sub_type", "kind"),
    [
        *((str(code), FillKind.TRADE) for code in (1, 2, 3, 4, 5, 6, 204, 209)),
        ("", FillKind.TRADE),
        *((str(code), FillKind.LIQUIDATION) for code in (*range(100, 108), 110, 111)),
        *((str(code), FillKind.ADL) for code in range(125, 129)),
        *((str(code), FillKind.DELIVERY) for code in (112, 113, 170, 171, 172)),
    ],
)
def test_the_sub_type_says_what_caused_a_fill(sub_type: str, kind: FillKind) -> None:
    fill = normalize_fill(fill_row(subType=sub_type), reading())

    assert fill is not None
    assert fill.kind == kind


@pytest.mark.parametrize("sub_type", ["173", "174"])
def test_funding_is_never_a_fill(sub_type: str) -> None:
    assert normalize_fill(fill_row(subType=sub_type), reading()) is None


def test_a_fill_of_the_exchange_itself_has_no_order() -> None:
    fill = normalize_fill(fill_row(ordId="", clOrdId="", tag="", subType="126"), reading())

    assert fill is not None
    assert fill.exchange_order_id is fill.client_order_id is fill.sub_tag is None


def test_a_hedge_mode_fill_names_its_position_side() -> None:
    fill = normalize_fill(fill_row(posSide="short"), reading())

    assert fill is not None
    assert fill.position_side == PositionSide.SHORT


@pytest.mark.parametrize("field", ["billId", "fillSz", "fillPx", "ts", "side", "instId"])
def test_what_a_fill_cannot_do_without_is_required(field: str) -> None:
    with pytest.raises(UnreadableAnswer, match=f"fill (9001|777): {field}"):
        normalize_fill(fill_row(**{field: ""}), reading())


@pytest.mark.parametrize("size", ["0", "-1"])
def test_a_fill_of_nothing_is_an_error(size: str) -> None:
    with pytest.raises(UnreadableAnswer, match="fillSz"):
        normalize_fill(fill_row(fillSz=size), reading())


def test_a_float_in_the_evidence_is_an_error() -> None:
    with pytest.raises(UnreadableAnswer, match="float"):
        normalize_fill(fill_row(feeRate=0.1), reading())


def test_a_number_sent_as_a_number_is_read_by_its_digits() -> None:
    fill = normalize_fill(fill_row(billId=90071992547409931, fillSz=50), reading())

    assert fill is not None
    assert (fill.fill_id, fill.quantity) == ("90071992547409931", Decimal("0.5"))
