"""OKX's order rows become the portal's orders: exact, in base units, by the right id."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from reconciliation.enums import (
    InstrumentType,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
)
from reconciliation.exchange.fields import UnreadableAnswer
from reconciliation.exchange.gateway import UnknownSymbol
from reconciliation.exchange.normalize import normalize_algo_order, normalize_order
from tests.exchange.builders import algo_row, order_row, reading
from tests.exchange.paper.builders import NOW


def test_an_order_is_read_in_base_units_with_its_times_and_its_evidence() -> None:
    row = order_row(accFillSz="12.5", avgPx="59999.5", state="partially_filled")

    order = normalize_order(row, reading())

    assert order is not None
    assert order.exchange_order_id == "1001"
    assert order.client_order_id == "client1"
    assert order.symbol == "BTC/USDT:USDT"
    assert (order.side, order.type) == (Side.BUY, OrderType.LIMIT)
    assert order.order_class == OrderClass.REGULAR
    assert order.status == OrderStatus.PARTIALLY_FILLED
    assert (order.quantity, order.filled_quantity) == (Decimal("0.5"), Decimal("0.125"))
    assert (order.price, order.average_price) == (Decimal("60000"), Decimal("59999.5"))
    assert order.created_at == NOW
    assert order.updated_at == NOW + timedelta(milliseconds=5)
    assert order.sub_tag == "alpha01"
    assert json.loads(order.raw) == row


def test_a_triggered_child_keeps_its_own_id_and_names_its_parent() -> None:
    order = normalize_order(order_row(ordId="1007", algoId="5001"), reading())

    assert order is not None
    assert (order.exchange_order_id, order.parent_id) == ("1007", "5001")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("live", OrderStatus.OPEN),
        ("partially_filled", OrderStatus.PARTIALLY_FILLED),
        ("filled", OrderStatus.FILLED),
        ("canceled", OrderStatus.CANCELED),
        ("mmp_canceled", OrderStatus.CANCELED),
    ],
)
def test_each_state_of_an_order_has_its_status(word: str, status: OrderStatus) -> None:
    order = normalize_order(order_row(state=word), reading())

    assert order is not None
    assert order.status == status


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("live", OrderStatus.OPEN),
        ("pause", OrderStatus.OPEN),
        ("effective", OrderStatus.OPEN),
        ("partially_effective", OrderStatus.OPEN),
        ("partially_failed", OrderStatus.OPEN),
        ("order_failed", OrderStatus.REJECTED),
        ("canceled", OrderStatus.CANCELED),
    ],
)
def test_each_state_of_an_algo_order_has_its_status(word: str, status: OrderStatus) -> None:
    order = normalize_algo_order(algo_row(state=word), reading())

    assert order is not None
    assert order.status == status


@pytest.mark.parametrize("word", ["", "closed", "LIVE", "effective"])
def test_a_state_that_is_not_known_is_an_error_and_no_guess(word: str) -> None:
    with pytest.raises(UnreadableAnswer, match="order 1001: state"):
        normalize_order(order_row(state=word), reading())


def test_an_algo_state_that_is_not_known_is_an_error_and_no_guess() -> None:
    with pytest.raises(UnreadableAnswer, match="algo order 5001: state"):
        normalize_algo_order(algo_row(state="filled"), reading())


@pytest.mark.parametrize(
    ("word", "order_type"),
    [
        ("limit", OrderType.LIMIT),
        ("post_only", OrderType.LIMIT),
        ("fok", OrderType.LIMIT),
        ("ioc", OrderType.LIMIT),
        ("mmp", OrderType.LIMIT),
        ("mmp_and_post_only", OrderType.LIMIT),
        ("op_fok", OrderType.LIMIT),
        ("rpi", OrderType.LIMIT),
        ("market", OrderType.MARKET),
        ("optimal_limit_ioc", OrderType.MARKET),
    ],
)
def test_order_types_are_of_the_limit_family_or_at_market(word: str, order_type: OrderType) -> None:
    order = normalize_order(order_row(ordType=word), reading())

    assert order is not None
    assert order.type == order_type


def test_an_order_type_that_is_not_known_is_an_error() -> None:
    with pytest.raises(UnreadableAnswer, match="ordType"):
        normalize_order(order_row(ordType="iceberg"), reading())


@pytest.mark.parametrize("px", ["", "0", "-1"])
def test_a_market_order_has_no_price(px: str) -> None:
    order = normalize_order(order_row(ordType="market", px=px), reading())

    assert order is not None
    assert order.price is None


@pytest.mark.parametrize(
    ("side", "target", "quantity"),
    [
        ("buy", "quote_ccy", None),
        ("buy", "", None),
        ("buy", "base_ccy", Decimal("50")),
        ("sell", "", Decimal("50")),
        ("sell", "quote_ccy", None),
    ],
)
def test_a_spot_market_order_sized_in_quote_has_an_unknown_quantity(
    side: str, target: str, quantity: Decimal | None
) -> None:
    row = order_row(
        instId="BTC-USDT", instType="SPOT", ordType="market", side=side, tgtCcy=target, px=""
    )

    order = normalize_order(row, reading())

    assert order is not None
    assert order.quantity == quantity


def test_a_spot_limit_order_is_sized_in_base_units() -> None:
    order = normalize_order(order_row(instId="BTC-USDT", instType="SPOT", sz="0.5"), reading())

    assert order is not None
    assert (order.symbol, order.quantity) == ("BTC/USDT", Decimal("0.5"))


@pytest.mark.parametrize(
    ("word", "side"),
    [("long", PositionSide.LONG), ("short", PositionSide.SHORT), ("net", None), ("", None)],
)
def test_only_a_named_position_side_is_one(word: str, side: PositionSide | None) -> None:
    order = normalize_order(order_row(posSide=word), reading())

    assert order is not None
    assert order.position_side == side


def test_empty_texts_are_unknown_and_never_an_empty_name() -> None:
    row = order_row(clOrdId="", tag="", algoId="", avgPx="", accFillSz="", cTime="", uTime="0")

    order = normalize_order(row, reading())

    assert order is not None
    assert order.client_order_id is order.sub_tag is order.parent_id is None
    assert order.average_price is order.filled_quantity is None
    assert order.created_at is order.updated_at is None


def test_zero_filled_is_a_value_and_not_unknown() -> None:
    order = normalize_order(order_row(accFillSz="0"), reading())

    assert order is not None
    assert order.filled_quantity == 0
    assert order.filled_quantity is not None


def test_where_the_tags_stand_can_be_told() -> None:
    row = order_row(label="beta02", hint="T1")

    order = normalize_order(row, reading(sub_tag_field="label", trade_hint_field="hint"))

    assert order is not None
    assert (order.sub_tag, order.trade_hint) == ("beta02", "T1")


def test_the_trade_hint_is_read_where_a_row_has_one() -> None:
    with_hint = normalize_order(order_row(tradeIdHint="T1"), reading())
    without = normalize_order(order_row(), reading())

    assert with_hint is not None
    assert without is not None
    assert (with_hint.trade_hint, without.trade_hint) == ("T1", None)


def test_reduce_only_is_read_from_its_word() -> None:
    plain = normalize_order(order_row(), reading())
    reducing = normalize_order(order_row(reduceOnly="true"), reading())

    assert plain is not None
    assert reducing is not None
    assert (plain.reduce_only, reducing.reduce_only) == (False, True)


@pytest.mark.parametrize("field", ["sz", "accFillSz", "px", "avgPx"])
@pytest.mark.parametrize("value", [0.1, "0.0000000000000000001", "1e21", "NaN", "abc", True, []])
def test_a_number_that_cannot_be_held_exactly_is_an_error_that_names_row_and_field(
    field: str, value: object
) -> None:
    with pytest.raises(UnreadableAnswer, match=f"^order 1001: {field}"):
        normalize_order(order_row(**{field: value}), reading())


def test_contracts_whose_base_units_have_too_many_digits_are_an_error() -> None:
    with pytest.raises(UnreadableAnswer, match="sz in base units"):
        normalize_order(order_row(sz="0.00000000000000001"), reading())


def test_a_negative_size_is_an_error() -> None:
    with pytest.raises(UnreadableAnswer, match="sz is negative"):
        normalize_order(order_row(sz="-1"), reading())


@pytest.mark.parametrize("field", ["ordId", "instId", "instType", "side", "ordType", "state"])
def test_what_an_order_cannot_do_without_is_required(field: str) -> None:
    with pytest.raises(UnreadableAnswer, match=field):
        normalize_order(order_row(**{field: ""}), reading())


@pytest.mark.parametrize("value", ["yesterday", "1.5", "-5", 1.5, "9" * 30])
def test_a_time_that_is_none_is_an_error(value: object) -> None:
    with pytest.raises(UnreadableAnswer, match="cTime"):
        normalize_order(order_row(cTime=value), reading())


def test_times_are_exact_to_the_millisecond() -> None:
    order = normalize_order(order_row(cTime="1767614400123"), reading())

    assert order is not None
    assert order.created_at == datetime(2026, 1, 5, 12, 0, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize("row", [None, "text", ["list"], 5])
def test_a_row_that_is_no_object_is_an_error(row: object) -> None:
    with pytest.raises(UnreadableAnswer, match="expected an object"):
        normalize_order(row, reading())


def test_what_is_left_out_on_purpose_is_passed_over() -> None:
    inverse = order_row(instId="BTC-USD-SWAP")
    margin = order_row(instId="BTC-USDT", instType="MARGIN")
    future = order_row(instId="BTC-USDT-260327", instType="FUTURES")

    assert [normalize_order(row, reading()) for row in (inverse, margin, future)] == [None] * 3


def test_an_account_that_reads_swaps_only_passes_spot_over() -> None:
    swaps_only = reading(types=frozenset({InstrumentType.SWAP}))

    assert normalize_order(order_row(instId="BTC-USDT", instType="SPOT"), swaps_only) is None


def test_an_instrument_that_is_not_listed_is_an_error_and_not_passed_over() -> None:
    with pytest.raises(UnknownSymbol, match="NEW-USDT-SWAP"):
        normalize_order(order_row(instId="NEW-USDT-SWAP"), reading())


def test_an_algo_order_goes_by_its_own_ids() -> None:
    order = normalize_algo_order(algo_row(), reading())

    assert order is not None
    assert (order.exchange_order_id, order.client_order_id) == ("5001", "algoclient1")
    assert order.order_class == OrderClass.CONDITIONAL
    assert order.quantity == Decimal("0.5")
    assert order.parent_id is None


def test_what_an_algo_order_would_place_is_never_taken_for_filled() -> None:
    order = normalize_algo_order(algo_row(state="effective", actualSz="50"), reading())

    assert order is not None
    assert order.filled_quantity is None


@pytest.mark.parametrize(
    ("fields", "children"),
    [
        ({"ordId": "1007", "ordIdList": ["1007", "1008"]}, ("1007", "1008")),
        ({"ordId": "1007", "ordIdList": []}, ("1007",)),
        ({"ordId": "1009", "ordIdList": ["1007", "1008"]}, ("1007", "1008", "1009")),
        ({"ordId": "", "ordIdList": []}, ()),
        ({"ordId": "0", "ordIdList": ""}, ()),
    ],
)
def test_a_triggered_algo_order_names_its_children_once(
    fields: dict[str, object], children: tuple[str, ...]
) -> None:
    order = normalize_algo_order(algo_row(state="effective", **fields), reading())

    assert order is not None
    assert order.child_ids == children
    assert order.status == OrderStatus.OPEN


def test_a_list_of_children_that_is_none_is_an_error() -> None:
    with pytest.raises(UnreadableAnswer, match="ordIdList"):
        normalize_algo_order(algo_row(ordIdList={"1007": 1}), reading())


@pytest.mark.parametrize(
    ("prices", "order_type", "price"),
    [
        ({"slOrdPx": "-1"}, OrderType.MARKET, None),
        ({"slOrdPx": "54000"}, OrderType.LIMIT, Decimal("54000")),
        ({"slOrdPx": "", "ordPx": "-1"}, OrderType.MARKET, None),
        ({"slOrdPx": "", "ordPx": "54000"}, OrderType.LIMIT, Decimal("54000")),
        ({"slOrdPx": "-1", "tpOrdPx": "66000"}, OrderType.LIMIT, Decimal("66000")),
        ({"slOrdPx": "54000", "tpOrdPx": "66000"}, OrderType.LIMIT, None),
        ({"slOrdPx": ""}, OrderType.MARKET, None),
    ],
)
def test_an_algo_order_is_at_market_unless_it_names_a_limit(
    prices: dict[str, str], order_type: OrderType, price: Decimal | None
) -> None:
    order = normalize_algo_order(algo_row(**prices), reading())

    assert order is not None
    assert (order.type, order.price) == (order_type, price)


@pytest.mark.parametrize(
    ("word", "order_class"),
    [
        ("conditional", OrderClass.CONDITIONAL),
        ("trigger", OrderClass.CONDITIONAL),
        ("oco", OrderClass.OCO),
        ("move_order_stop", OrderClass.TRAILING),
    ],
)
def test_each_algo_type_has_its_class(word: str, order_class: OrderClass) -> None:
    order = normalize_algo_order(algo_row(ordType=word), reading())

    assert order is not None
    assert order.order_class == order_class


def test_an_algo_type_of_no_class_is_an_error() -> None:
    with pytest.raises(UnreadableAnswer, match="ordType"):
        normalize_algo_order(algo_row(ordType="twap"), reading())


def test_an_algo_order_that_closes_a_fraction_has_no_size() -> None:
    order = normalize_algo_order(algo_row(sz="", closeFraction="1"), reading())

    assert order is not None
    assert order.quantity is None
