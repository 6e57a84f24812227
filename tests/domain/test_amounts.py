"""Amounts go in and come out digit by digit; what cannot be exact is refused, never rounded."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciliation.domain.amounts import (
    QUANTUM,
    InexactAmount,
    parse_amount,
    plain,
    product,
    ratio,
    round_to_column,
    total,
    weighted_average,
)

# From whole numbers and text: Decimal's own arithmetic rounds to 28 digits.
amounts = st.integers(1 - 10**38, 10**38 - 1).map(lambda number: Decimal(f"{number}e-18"))
positive = st.integers(1, 10**27).map(lambda number: Decimal(f"{number}e-18"))


@given(amounts)
def test_an_amount_survives_its_text(amount: Decimal):
    text = plain(amount)
    assert parse_amount(text) == amount
    assert plain(parse_amount(text)) == text
    assert "E" not in text
    assert Fraction(text) == Fraction(amount)


@given(amounts, amounts)
def test_equal_amounts_have_one_text(one: Decimal, other: Decimal):
    assert (plain(one) == plain(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("0.50", "0.5"),
        ("100", "100"),
        ("1e2", "100"),
        ("1E-18", "0.000000000000000001"),
        (" 1.5 ", "1.5"),
        ("+1", "1"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
        ("-60000.10", "-60000.1"),
    ],
)
def test_a_number_is_shown_plainly(text: str, shown: str):
    assert plain(parse_amount(text)) == shown


def test_integers_and_decimals_are_taken_as_they_are():
    assert plain(parse_amount(10)) == "10"
    assert plain(parse_amount(Decimal("1.10"))) == "1.1"


@pytest.mark.parametrize(
    ("value", "because"),
    [
        (0.5, "float"),
        (True, "bool"),
        (None, "NoneType"),
        (b"1", "bytes"),
        ("", "not a number"),
        ("1,5", "not a number"),
        ("one", "not a number"),
        ("NaN", "not a finite"),
        ("sNaN", "not a finite"),
        ("-Infinity", "not a finite"),
        (Decimal("NaN"), "not a finite"),
        ("0.0000000000000000001", "digits after the point"),
        ("1.0000000000000000005", "digits after the point"),
        ("100000000000000000000", "digits before the point"),
        ("1e400", "digits before the point"),
        ("-100000000000000000000", "digits before the point"),
    ],
)
def test_what_cannot_be_exact_is_refused(value: object, because: str):
    with pytest.raises(InexactAmount, match=because):
        parse_amount(value)


@given(st.lists(amounts, max_size=50), st.randoms())
def test_a_sum_is_exact_in_any_order(parts: list[Decimal], random):
    shuffled = list(parts)
    random.shuffle(shuffled)
    assert total(parts) == total(shuffled)
    assert Fraction(total(parts)) == sum(map(Fraction, parts), Fraction(0))


def test_nothing_sums_to_zero():
    assert total([]) == 0


@given(amounts, amounts)
def test_a_product_is_exact(left: Decimal, right: Decimal):
    assert Fraction(product(left, right)) == Fraction(left) * Fraction(right)


@given(positive, positive)
def test_a_ratio_is_off_by_less_than_a_digit_of_the_column(
    numerator: Decimal, denominator: Decimal
):
    exact = Fraction(numerator) / Fraction(denominator)
    assume(exact < 10**20)
    result = ratio(numerator, denominator)
    assert abs(Fraction(result) - exact) <= Fraction(QUANTUM) / 2
    assert parse_amount(result) == result


@given(st.integers(-(10**45), 10**45))
def test_what_is_rounded_fits_the_column(number: int):
    rounded = round_to_column(Decimal(f"{number}e-30"))
    assert parse_amount(rounded) == rounded
    assert abs(Fraction(rounded) - Fraction(number, 10**30)) <= Fraction(QUANTUM) / 2


def test_half_a_digit_is_rounded_to_the_even_one():
    assert plain(round_to_column(Decimal("0.0000000000000000005"))) == "0"
    assert plain(round_to_column(Decimal("0.0000000000000000015"))) == "0.000000000000000002"


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=20))
def test_an_average_price_lies_between_the_prices(parts: list[tuple[Decimal, Decimal]]):
    average = weighted_average(parts)
    assert average is not None
    prices = [price for _, price in parts]
    assert min(prices) <= average <= max(prices)


@given(positive, positive, st.integers(1, 10))
def test_the_average_of_one_price_is_that_price(quantity: Decimal, price: Decimal, times: int):
    assert weighted_average([(quantity, price)] * times) == price


def test_the_average_weighs_by_quantity():
    parts = [(Decimal("0.3"), Decimal(60000)), (Decimal("0.1"), Decimal(64000))]
    assert weighted_average(parts) == 61000


def test_nothing_traded_has_no_average():
    assert weighted_average([]) is None
    assert weighted_average([(Decimal(0), Decimal(60000))]) is None
