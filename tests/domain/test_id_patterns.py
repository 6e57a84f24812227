"""A bot's own scheme of client order ids: what an id names, and what no scheme may be."""

import pytest

from reconciliation.domain.id_patterns import NamedOwner, UnusablePattern, parse_pattern
from reconciliation.enums import Purpose

SCHEME = parse_pattern(r"^(?P<sub_tag>[a-z0-9]+)-(?P<trade_id>T\d+)-(?P<purpose>\w+?)-\d+$")


@pytest.mark.parametrize(
    ("text", "purpose"),
    [
        ("alpha01-T7-ENTRY-1", Purpose.ENTRY),
        ("alpha01-T7-exit-12", Purpose.EXIT),
        ("alpha01-T7-E-1", Purpose.ENTRY),
        ("alpha01-T7-x-1", Purpose.EXIT),
    ],
)
def test_an_id_of_the_scheme_names_profile_trade_and_purpose(text, purpose):
    named = NamedOwner(sub_tag="alpha01", trade_id="T7", purpose=purpose)
    assert SCHEME.read(text) == named


@pytest.mark.parametrize(
    "text",
    [None, "", "beta", "alpha01-T7-STOP-1", "alpha01-T7-EXIT-", "x" * 50 + "-T7-EXIT-1234567"],
    ids=["none", "empty", "another", "unknown purpose", "cut", "longer than a column"],
)
def test_any_other_id_names_nobody(text):
    assert SCHEME.read(text) is None


def test_groups_that_took_no_part_say_nothing():
    either = parse_pattern("(?:a(?P<sub_tag>[0-9]+)|b(?P<trade_id>[0-9]+))$")
    assert either.read("a12") == NamedOwner(sub_tag="12", trade_id=None, purpose=None)
    assert either.read("b12") == NamedOwner(sub_tag=None, trade_id="12", purpose=None)
    assert parse_pattern("x(?P<trade_id>[0-9]*)").read("x") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(?P<trade_id>", "no regular expression"),
        ("(?P<trade_id>a{99999999999999})", "no regular expression"),
        ("[a-z]+", "names nobody"),
        ("(?P<purpose>ENTRY|EXIT)", "names nobody"),
        ("(?P<trade_id>.+)(?P<profile>.)", "'profile'"),
        ("(?P<trade_id>(a+)+)$", "repeats a group"),
        ("(?P<trade_id>(?:a|aa)*)$", "repeats a group"),
        ("(?P<trade_id>((?:x[*]y*)z){2,})$", "repeats a group"),
        (r"(?P<trade_id>.+)-(?P=trade_id)", "refers back"),
        (r"(?P<trade_id>.+)-\1", "refers back"),
        ("(?P<trade_id>" + "a*" * 7 + ")b", "repeats 7 times"),
        ("(?P<trade_id>a)" + "b" * 200, "longer than 200"),
    ],
)
def test_an_expression_that_cannot_serve_is_refused_with_its_fault(text, why):
    with pytest.raises(UnusablePattern, match=why):
        parse_pattern(text)


@pytest.mark.parametrize(
    "text",
    [
        r"(?P<trade_id>[(+*)]{3}\+\)*)",
        "(?P<sub_tag>alpha|beta)(?:x)?(?P<trade_id>(?:T[0-9]){2})",
        "(?P<trade_id>[^]+]+)",
    ],
)
def test_signs_that_only_look_like_repetition_are_taken(text):
    assert str(parse_pattern(text)) == text
