"""Whose an order or a fill is: by its own evidence, in conflict with itself, or nobody's."""

import pytest

from reconciliation.domain.attribution import Attribution, Conflict, attribute, index_owners
from reconciliation.domain.books import ProfileState
from reconciliation.domain.id_patterns import parse_pattern
from reconciliation.domain.keys import trade_code
from reconciliation.enums import AttributionMode, Direction, Purpose, Side
from tests.domain.builders import entry_id, exit_id, fill, shown, trade

ALPHA = ProfileState(id=1, name="alpha", sub_tag="alpha01")
BETA = ProfileState(id=2, name="beta", sub_tag="beta01")
NO_EVIDENCE = {"client_order_id": None, "sub_tag": None, "trade_hint": None}
BETAS = entry_id("T2", sub_tag="beta01")


def owner(trades=(), **evidence) -> Attribution | Conflict | None:
    """Return whose a fill with this evidence is; an order with the same is the same one's."""
    owners = index_owners({1: ALPHA, 2: BETA}, trades)
    values = {**NO_EVIDENCE, **evidence}
    of_fill = attribute(fill(**values).fill, owners)
    assert attribute(shown(**values), owners) == of_fill
    return of_fill


def test_what_carries_no_evidence_is_nobodys():
    assert owner() is None
    assert owner(client_order_id="something", sub_tag="gamma01", trade_hint="T9") is None


def test_a_deterministic_client_id_names_profile_trade_and_purpose():
    found = owner([trade(1)], client_order_id=entry_id("T1"))
    assert found == Attribution(
        profile=ALPHA,
        mode=AttributionMode.CLIENT_ORDER_ID,
        purpose=Purpose.ENTRY,
        trade=trade(1),
        trade_code=trade(1).code,
    )


def test_a_client_id_of_a_trade_that_nobody_knows_names_its_profile_and_code():
    found = owner(client_order_id=exit_id("T9"))
    assert isinstance(found, Attribution)
    assert (found.profile, found.trade, found.purpose) == (ALPHA, None, Purpose.EXIT)
    assert found.trade_code


def test_a_client_id_of_a_stranger_proves_nothing():
    assert owner(client_order_id=entry_id("T1", sub_tag="gamma01")) is None


@pytest.mark.parametrize(
    ("direction", "side", "purpose"),
    [
        (Direction.LONG, Side.BUY, Purpose.ENTRY),
        (Direction.LONG, Side.SELL, Purpose.EXIT),
        (Direction.SHORT, Side.SELL, Purpose.ENTRY),
        (Direction.SHORT, Side.BUY, Purpose.EXIT),
    ],
)
def test_a_trade_hint_names_its_trade_and_the_side_says_for_what(direction, side, purpose):
    found = owner([trade(1, direction=direction)], trade_hint="T1", side=side)
    assert isinstance(found, Attribution)
    assert (found.mode, found.purpose) == (AttributionMode.TRADE_ID, purpose)
    assert found.trade is not None


def test_a_sub_tag_names_a_profile_and_no_trade():
    assert owner([trade(1)], sub_tag="alpha01") == Attribution(
        profile=ALPHA, mode=AttributionMode.SUB_TAG
    )


def test_the_strongest_evidence_that_names_a_trade_counts():
    found = owner([trade(1)], client_order_id=entry_id("T9"), trade_hint="T1", sub_tag="alpha01")
    assert isinstance(found, Attribution)
    assert (found.mode, found.trade) == (AttributionMode.TRADE_ID, trade(1))


@pytest.mark.parametrize(
    "evidence",
    [
        {"client_order_id": BETAS, "sub_tag": "alpha01"},
        {"trade_hint": "T1", "sub_tag": "beta01"},
        {"client_order_id": BETAS, "trade_hint": "T1"},
    ],
    ids=["id against tag", "hint against tag", "id against hint"],
)
def test_evidence_that_names_two_profiles_is_a_conflict(evidence):
    found = owner([trade(1)], **evidence)
    assert isinstance(found, Conflict)
    assert "alpha" in found.sentence
    assert "beta" in found.sentence


def test_evidence_that_names_two_trades_of_one_profile_is_a_conflict():
    trades = [trade(1), trade(2)]
    assert isinstance(owner(trades, client_order_id=entry_id("T1"), trade_hint="T2"), Conflict)


def test_two_trades_of_the_same_name_in_two_profiles_are_two_codes():
    mine, other = trade(1), trade(2, profile_id=2, trade_id="T1", code="beta's")
    found = owner([mine, other], client_order_id=entry_id("T1"))
    assert isinstance(found, Attribution)
    assert found.trade == mine


SCHEME = parse_pattern("(?P<sub_tag>[a-z]+01)?x(?P<trade_id>T[0-9]+)?x(?P<purpose>ENTRY|EXIT)?")


def named(client_order_id, trades=(), **evidence) -> Attribution | Conflict | None:
    """Return whose a fill with an id of the bot's own scheme is."""
    owners = index_owners({1: ALPHA, 2: BETA}, trades, SCHEME)
    values = {**NO_EVIDENCE, "client_order_id": client_order_id, **evidence}
    return attribute(fill(**values).fill, owners)


def test_an_id_of_the_bots_own_scheme_names_its_trade():
    found = named("alpha01xT1xENTRY", [trade(1)])
    assert found == Attribution(
        profile=ALPHA,
        mode=AttributionMode.CLIENT_ORDER_ID,
        purpose=Purpose.ENTRY,
        trade=trade(1),
        trade_code=trade(1).code,
    )
    assert named("xT1x", [trade(1)]) == found


def test_without_a_purpose_the_side_says_for_what():
    found = named("xT1x", [trade(1)], side=Side.SELL)
    assert isinstance(found, Attribution)
    assert found.purpose == Purpose.EXIT


def test_a_scheme_that_names_an_unknown_trade_names_its_code_and_its_own_id():
    found = named("alpha01xT9xEXIT", [trade(1)])
    assert isinstance(found, Attribution)
    assert (found.trade, found.trade_code) == (None, trade_code("alpha01", "T9"))
    assert found.trade_name == "T9"


def test_a_trade_that_was_adopted_before_it_was_delivered_is_found_by_its_code():
    adopted = trade(1, trade_id="adopted-x", code=trade_code("alpha01", "T9"))
    found = named("alpha01xT9xENTRY", [adopted])
    assert isinstance(found, Attribution)
    assert found.trade == adopted


@pytest.mark.parametrize(
    ("client_order_id", "evidence"),
    [
        ("beta01xT1x", {}),
        ("beta01xx", {"sub_tag": "alpha01"}),
        ("alpha01xT1xEXIT", {}),  # a buy of a long is no exit
        ("xT1x", {"trade_hint": "T2"}),
    ],
)
def test_a_scheme_that_contradicts_the_rest_is_a_conflict(client_order_id, evidence):
    found = named(client_order_id, [trade(1), trade(2)], **evidence)
    assert isinstance(found, Conflict)


def test_an_id_that_does_not_follow_the_scheme_proves_nothing():
    assert named("gamma01xx") is None
    assert named("whatever") is None
