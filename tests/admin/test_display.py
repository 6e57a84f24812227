"""How single values read."""

from datetime import timedelta, timezone
from decimal import Decimal

import pytest

from reconciliation.admin import display
from tests.builders import NOW


@pytest.mark.parametrize(
    ("value", "shown", "signed"),
    [
        (None, "–", "–"),
        (Decimal("0"), "0", "0"),
        (Decimal("-0"), "0", "0"),
        (Decimal("1.500"), "1.5", "+1.5"),
        (Decimal("-1E-8"), "-0.00000001", "-0.00000001"),
        (Decimal("1E+8"), "100000000", "+100000000"),
    ],
)
def test_amounts_have_no_trailing_zeros_and_no_exponent(
    value: Decimal | None, shown: str, signed: str
):
    assert display.amount(value) == shown
    assert display.signed(value) == signed


def test_moments_of_other_zones_are_shown_in_utc():
    moment = NOW.astimezone(timezone(timedelta(hours=9)))
    assert display.moment(moment) == (
        '<time class="nowrap" datetime="2026-01-05T12:00:00.000000Z">2026-01-05 12:00:00 UTC</time>'
    )


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("1.0", "1", True),
        ("1.0", 1, True),
        ("1", "2", False),
        ("OPEN", "OPEN", True),
        ("OPEN", "open", False),
        (True, 1, False),
        (True, True, True),
        (None, 0, False),
        ("", None, False),
        (["1.0"], ["1.0"], True),
        ({"a": 1}, {"a": 2}, False),
    ],
)
def test_two_values_are_the_same_when_they_mean_the_same(left: object, right: object, same: bool):
    assert display.same_value(left, right) is same


def test_pretty_json_keeps_every_digit_of_a_number():
    stored = '{"px":0.12345678901234567890,"n":12345678901234567890123,"e":[],"o":{},"x":[1,null]}'
    assert display.pretty_json_text(stored) == (
        "{\n"
        '  "px": 0.12345678901234567890,\n'
        '  "n": 12345678901234567890123,\n'
        '  "e": [],\n'
        '  "o": {},\n'
        '  "x": [\n'
        "    1,\n"
        "    null\n"
        "  ]\n"
        "}"
    )


@pytest.mark.parametrize("stored", ["", "{", "NaN", '{"a": Infinity}', "<html>"])
def test_what_is_not_json_stays_as_it_is(stored: str):
    assert display.pretty_json_text(stored) == stored


def test_an_unfinished_run_has_no_duration():
    assert display.duration(NOW, None) == "running"
    assert display.duration(NOW, NOW + timedelta(milliseconds=1250)) == "1.2 s"


def test_the_first_line_of_an_error_is_its_first_line():
    assert display.first_line("\n one \ntwo") == "one "
    assert display.first_line("x" * 200) == "x" * 119 + "…"
    assert display.first_line("") == "–"
