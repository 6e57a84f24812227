"""Text from outside is kept as it is, but for what no column can hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.handlers.texts import storable, storable_json


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain, ünï 🜁 \n\t", "plain, ünï 🜁 \n\t"),
        ("a\x00b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),
        ("", ""),
    ],
)
def test_only_what_no_column_can_hold_is_replaced(text, kept):
    assert storable(text) == kept


def test_texts_are_replaced_wherever_they_are_in_a_structure():
    value = {"a\x00": ["\x00", {"b": "\ud800"}], "n": 1, "none": None, "yes": True, "f": 1.5}
    assert storable(value) == {
        "a\ufffd": ["\ufffd", {"b": "\ufffd"}],
        "n": 1,
        "none": None,
        "yes": True,
        "f": 1.5,
    }


def test_json_with_half_a_pair_stays_the_same_json():
    text = '{"a":"\ud800 ünï"}'
    kept = storable_json(text)
    kept.encode()
    assert json.loads(kept) == json.loads(text)
    assert storable_json('{"a":"ünï 🜁"}') == '{"a":"ünï 🜁"}'


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_a_text_that_can_be_held_stays_as_it_is(text):
    assert storable(text) == text


@given(st.text(st.characters()))
def test_what_comes_out_can_always_be_held_and_comes_out_the_same_again(text):
    kept = storable(text)
    kept.encode()
    assert "\x00" not in kept
    assert storable(kept) == kept
