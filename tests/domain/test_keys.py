"""The same inputs give the same id for ever, and different ones never share one."""

import hashlib
import json
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.keys import (
    CLIENT_ORDER_ID_LENGTH,
    MAX_SEQUENCE,
    ClientOrderId,
    canonical_json,
    client_order_id,
    evidence_hash,
    fill_evidence,
    history_key,
    iso_utc,
    parse_client_order_id,
    profile_code,
    trade_code,
)
from reconciliation.enums import Purpose

# Frozen: bots build the same ids in their own languages, and orders that carry them are live.
VECTORS = [
    ("alpha01", "T1", Purpose.ENTRY, 1, "rc51u6n0yehpqplp89ogi2pw001v7ee9"),
    ("alpha01", "T1", Purpose.EXIT, 1, "rc51u6n0yxhpqplp89ogi2pw001vzkya"),
    ("alpha01", "T1", Purpose.ENTRY, 2, "rc51u6n0yehpqplp89ogi2pw002cwh3t"),
    ("alpha01", "T1", Purpose.ENTRY, 46655, "rc51u6n0yehpqplp89ogi2pwzzzmj4lm"),
    ("beta01", "T1", Purpose.ENTRY, 1, "rcxmwgmhwef5cax32obdb62q001jb0mn"),
    ("größe-β", "trade/7 🜁", Purpose.EXIT, 36, "rckwvy1c8xg0am97sfnhgaca010q1len"),
    ("", "", Purpose.ENTRY, 1, "rcfrow9h1es91g5rkcii7bk90011u9ap"),
]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
orders = st.tuples(words, words, st.sampled_from(Purpose), st.integers(1, MAX_SEQUENCE))


def make_id(order: tuple[str, str, Purpose, int]) -> str:
    sub_tag, trade_id, purpose, sequence = order
    return client_order_id(sub_tag=sub_tag, trade_id=trade_id, purpose=purpose, sequence=sequence)


def by_the_recipe(sub_tag: str, trade_id: str, purpose: Purpose, sequence: int) -> str:
    """Build an id as a bot would, from the documented recipe alone."""

    def base36(number: int) -> str:
        rest, digit = divmod(number, 36)
        return (base36(rest) if rest else "") + "0123456789abcdefghijklmnopqrstuvwxyz"[digit]

    def code(parts: list[str], length: int) -> str:
        text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
        number = int(hashlib.sha256(text.encode()).hexdigest(), 16)
        return base36(number % 36**length).rjust(length, "0")

    letter = "e" if purpose == "ENTRY" else "x"
    body = "rc" + code(["profile", sub_tag], 7) + letter
    body += code(["trade", sub_tag, trade_id], 14) + base36(sequence).rjust(3, "0")
    return body + code(["check", body], 5)


@pytest.mark.parametrize(("sub_tag", "trade_id", "purpose", "sequence", "expected"), VECTORS)
def test_the_test_vectors_hold(
    sub_tag: str, trade_id: str, purpose: Purpose, sequence: int, expected: str
):
    assert make_id((sub_tag, trade_id, purpose, sequence)) == expected


@given(orders)
def test_the_recipe_alone_builds_the_same_id(order: tuple[str, str, Purpose, int]):
    assert make_id(order) == by_the_recipe(*order)


@given(orders)
def test_an_id_is_what_every_exchange_accepts(order: tuple[str, str, Purpose, int]):
    text = make_id(order)
    assert len(text) == CLIENT_ORDER_ID_LENGTH == 32
    assert text.isascii()
    assert text.isalnum()
    assert text == text.lower()


@given(orders)
def test_an_id_says_whose_it_is(order: tuple[str, str, Purpose, int]):
    sub_tag, trade_id, purpose, sequence = order
    assert parse_client_order_id(make_id(order)) == ClientOrderId(
        profile_code=profile_code(sub_tag),
        purpose=purpose,
        trade_code=trade_code(sub_tag, trade_id),
        sequence=sequence,
    )


@given(orders, orders)
def test_different_orders_have_different_ids(
    one: tuple[str, str, Purpose, int], other: tuple[str, str, Purpose, int]
):
    assert (make_id(one) == make_id(other)) == (one == other)


@given(orders, st.integers(0, 31), st.sampled_from("0123456789abcdefghijklmnopqrstuvwxyz"))
def test_an_id_with_another_character_in_it_says_nothing(
    order: tuple[str, str, Purpose, int], at: int, character: str
):
    text = make_id(order)
    changed = text[:at] + character + text[at + 1 :]
    assert (parse_client_order_id(changed) is not None) == (changed == text)


@pytest.mark.parametrize(
    "text", [None, "", "rc", "x" * 32, VECTORS[0][4].upper(), VECTORS[0][4] + "0", "rc" + "0" * 30]
)
def test_any_other_text_says_nothing(text: str | None):
    assert parse_client_order_id(text) is None


@pytest.mark.parametrize("sequence", [0, -1, MAX_SEQUENCE + 1])
def test_a_sequence_that_does_not_fit_is_refused(sequence: int):
    with pytest.raises(ValueError, match="outside"):
        make_id(("a", "b", Purpose.ENTRY, sequence))


def test_a_history_key_is_frozen_and_changes_with_each_part():
    parts = {"trade_id": 1, "kind": "EXIT", "evidence": "fill:a:sell:9002", "reversals": 0}
    keys = {
        history_key(**parts),
        history_key(**parts | {"trade_id": 2}),
        history_key(**parts | {"kind": "ENTRY"}),
        history_key(**parts | {"evidence": "fill:a:sell:9003"}),
        history_key(**parts | {"reversals": 1}),
    }
    assert len(keys) == 5
    assert (
        history_key(
            trade_id=1,
            kind="EXIT",
            evidence=fill_evidence(symbol="BTC/USDT:USDT", side="sell", fill_id="9002"),
            reversals=0,
        )
        == "2c266a781fcda13a9bf43cf55533f17f5df26fe0"
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_canonical_json_is_json_of_the_same_value(value: object):
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(words, values, max_size=5), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, object], random):
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json(OrderedDict(items)) == canonical_json(value)
    assert evidence_hash(OrderedDict(items)) == evidence_hash(value)


def test_canonical_json_has_one_text_for_equal_things():
    assert canonical_json({"q": Decimal("0.50")}) == canonical_json({"q": "0.5"}) == '{"q":"0.5"}'
    assert canonical_json(Purpose.ENTRY) == '"ENTRY"'
    assert canonical_json({"b", "a"}) == canonical_json(("a", "b")) == '["a","b"]'
    assert canonical_json("ü") == '"ü"'
    there = datetime(2026, 1, 5, 14, tzinfo=timezone(timedelta(hours=2)))
    assert canonical_json(there) == '"2026-01-05T12:00:00.000000Z"'


@pytest.mark.parametrize("value", [0.1, {"a": [float("nan")]}, object()])
def test_what_has_no_canonical_form_is_refused(value: object):
    with pytest.raises(TypeError, match="no canonical form"):
        canonical_json(value)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-1439, 1439))
def test_a_moment_is_written_in_utc_and_sorts_as_text(moment: datetime, minutes: int):
    there = timezone(timedelta(minutes=minutes))
    try:
        moved = moment.astimezone(there)
    except OverflowError:
        return
    assert iso_utc(moved) == iso_utc(moment)
    assert datetime.fromisoformat(iso_utc(moment)) == moment
    assert len(iso_utc(moment)) == 27


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        iso_utc(datetime(2026, 1, 5))  # noqa: DTZ001
