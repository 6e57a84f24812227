"""The gates of the backfill: one test a reason, and what holds for every verdict."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.domain.attribution import Attribution, Conflict
from reconciliation.domain.backfill import FillCase, Judgement, judge_fill
from reconciliation.domain.books import ProfileState, TradeState
from reconciliation.enums import (
    AttributionMode,
    BackfillVerdict,
    FillKind,
    NoGoReason,
    Purpose,
    Side,
    TradeStatus,
)
from tests.domain.builders import ago, fill, policy, trade

ALPHA = ProfileState(id=1, name="alpha", sub_tag="alpha01")
BETA = ProfileState(id=2, name="beta", sub_tag="beta01")
STEP = Decimal("0.0001")
GO, NO_GO = BackfillVerdict.GO, BackfillVerdict.NO_GO
TAGGED = Attribution(profile=ALPHA, mode=AttributionMode.SUB_TAG)
OPEN = trade(1, entered="0.5")
WAIVED = {"require_strong": False, "allow_heuristic": True}


def named(of: TradeState, mode: AttributionMode = AttributionMode.CLIENT_ORDER_ID) -> Attribution:
    return Attribution(profile=ALPHA, mode=mode, purpose=Purpose.EXIT, trade=of, trade_code=of.code)


def case(
    *slices: TradeState,
    quantity: str = "0.5",
    owner: Attribution | Conflict | None = TAGGED,
    synthetic: tuple[TradeState, ...] = (),
    **values: Any,
) -> FillCase:
    """Build the case of a sale an hour ago that could close the slices; one of 0.5 by default."""
    slices = slices or (() if synthetic else (OPEN,))
    at = values.pop("at", ago(hours=1))
    kept = fill(1, quantity, side=Side.SELL, executed_at=at, kind=values.pop("kind", "trade"))
    defaults: dict[str, Any] = {
        "kept": kept,
        "net": Decimal(quantity),
        "owner": owner,
        "is_strangers": False,
        "slices": slices,
        "closed_synthetically": synthetic,
        "room": {
            **{each.id: each.open_quantity for each in slices},
            **{each.id: each.exit_quantity for each in synthetic},
        },
        "told": {},
        "unproven": frozenset(),
        "amount_step": STEP,
    }
    return FillCase(**{**defaults, **values})


def reasons(of: FillCase, **values: Any) -> list[str]:
    """Return the reasons against a fill, of a NO_GO that accepts no evidence."""
    judged = judge_fill(of, policy(**values))
    assert judged.verdict == NO_GO
    assert judged.mode == AttributionMode.NONE
    return [str(reason) for reason in judged.reasons]


def accepted(of: FillCase, **values: Any) -> tuple[TradeState | None, AttributionMode]:
    """Return the slice and the evidence of a GO."""
    judged = judge_fill(of, policy(**values))
    assert (judged.verdict, judged.reasons) == (GO, ())
    return judged.trade, judged.mode


@pytest.mark.parametrize("mode", ["CLIENT_ORDER_ID", "TRADE_ID"])
def test_a_fill_that_names_its_trade_is_its_exit_whatever_else_is_open(mode):
    other = trade(2, entered="0.5")
    mode = AttributionMode(mode)
    assert accepted(case(OPEN, other, owner=named(OPEN, mode))) == (OPEN, mode)


def test_a_tag_is_the_exit_of_the_only_slice_of_its_profile():
    others = trade(2, entered="0.5", profile_id=2)
    assert accepted(case(OPEN, others)) == (OPEN, AttributionMode.SUB_TAG)


def test_a_tag_that_fits_two_slices_of_its_profile_is_ambiguous():
    two = case(OPEN, trade(2, entered="0.4"))
    assert reasons(two) == ["AMBIGUOUS_SLICE"]
    assert reasons(two, **WAIVED) == ["AMBIGUOUS_SLICE"]
    assert judge_fill(two, policy()).trade is None


def test_a_slice_that_was_closed_synthetically_counts_as_one_that_a_tag_could_mean():
    closed = trade(2, entered="0.5", exited="0.5")
    assert reasons(case(OPEN, synthetic=(closed,))) == ["AMBIGUOUS_SLICE"]
    assert accepted(case(synthetic=(closed,))) == (closed, AttributionMode.SUB_TAG)
    assert accepted(case(synthetic=(closed,), owner=named(closed)))[0] == closed


FOREIGN = {
    "another profile's tag": {"owner": Attribution(profile=BETA, mode=AttributionMode.SUB_TAG)},
    "another profile's trade": {
        "owner": Attribution(
            profile=BETA,
            mode=AttributionMode.CLIENT_ORDER_ID,
            purpose=Purpose.EXIT,
            trade=trade(9, profile_id=2, entered="1", exited="1"),
        )
    },
    "a conflict": {"owner": Conflict(sentence="the evidence names two")},
    "a profile of nowhere": {"owner": None, "is_strangers": True},
}


@pytest.mark.parametrize("evidence", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_is_anothers_is_foreign_and_that_stands_alone(evidence):
    # Stale, too large and without coverage as well: none of it is said.
    worst = case(quantity="9", at=ago(hours=9), unproven=frozenset({1}), **evidence)
    assert reasons(worst) == ["FOREIGN_SUB_TAG"]
    assert reasons(worst, **WAIVED) == ["FOREIGN_SUB_TAG"]
    assert judge_fill(worst, policy(**WAIVED)).suggestions == ()


@pytest.mark.parametrize(
    ("late", "expected"), [(timedelta(0), GO), (timedelta(microseconds=-1), NO_GO)]
)
def test_a_fill_may_be_older_than_its_slice_by_the_grace_and_no_more(late, expected):
    at = OPEN.opened_at - timedelta(minutes=5) + late
    judged = judge_fill(case(at=at), policy())
    assert judged.verdict == expected
    assert judged.trade == OPEN
    assert judged.reasons == (() if expected == GO else (NoGoReason.STALE_FILL,))


@pytest.mark.parametrize(
    ("strong", "heuristic", "expected"),
    [
        (True, False, ["WEAK_ATTRIBUTION", "HEURISTIC_DISABLED"]),
        (True, True, ["WEAK_ATTRIBUTION"]),
        (False, False, ["HEURISTIC_DISABLED"]),
    ],
)
def test_a_heuristic_alone_is_no_exit_unless_both_flags_have_it_so(strong, heuristic, expected):
    flags = {"require_strong": strong, "allow_heuristic": heuristic}
    assert reasons(case(owner=None), **flags) == expected


def test_with_both_flags_given_up_a_heuristic_is_applied_the_single_slice_first():
    assert accepted(case(owner=None), **WAIVED) == (OPEN, AttributionMode.SINGLE_OPEN_TRADE)
    other = trade(2, entered="0.3", profile_id=2)
    unique = accepted(case(OPEN, other, owner=None), **WAIVED)
    assert unique == (OPEN, AttributionMode.QTY_UNIQUE)


def test_suggestions_are_made_whatever_the_flags_say():
    for flags in ({}, WAIVED):
        judged = judge_fill(case(owner=None), policy(**flags))
        assert [(each.mode, each.trade) for each in judged.suggestions] == [
            (AttributionMode.SINGLE_OPEN_TRADE, OPEN),
            (AttributionMode.QTY_UNIQUE, OPEN),
        ]


def test_without_evidence_slices_of_one_size_are_ambiguous_and_of_other_sizes_no_match():
    same, other = trade(2, entered="0.5"), trade(3, entered="0.3")
    assert reasons(case(OPEN, same, owner=None), **WAIVED) == ["AMBIGUOUS_SLICE"]
    assert reasons(case(other, trade(4, entered="0.7"), owner=None), **WAIVED) == ["NO_MATCH"]


@pytest.mark.parametrize(
    "owner",
    [
        Attribution(profile=ALPHA, mode=AttributionMode.CLIENT_ORDER_ID, trade_code="unknown"),
        Attribution(
            profile=ALPHA, mode=AttributionMode.CLIENT_ORDER_ID, purpose=Purpose.ENTRY, trade=OPEN
        ),
    ],
    ids=["a trade that nobody knows", "an entry"],
)
def test_an_id_that_means_something_else_matches_nothing(owner):
    assert reasons(case(owner=owner), **WAIVED) == ["NO_MATCH"]


@pytest.mark.parametrize(
    ("quantity", "step", "fits"),
    [
        ("0.50009999", STEP, True),
        ("0.5001", STEP, False),
        ("0.50000001", None, False),
        ("0.4", None, True),
    ],
)
def test_a_fill_may_exceed_what_is_open_by_less_than_one_step(quantity, step, fits):
    judged = judge_fill(case(quantity=quantity, amount_step=step), policy())
    assert judged.reasons == (() if fits else (NoGoReason.QTY_EXCEEDS_OPEN,))


def test_what_was_told_of_already_is_not_counted_against_what_is_open():
    assert accepted(case(quantity="0.9", told={1: Decimal("0.4")}))[0] == OPEN
    assert reasons(case(quantity="1", told={1: Decimal("0.4")})) == ["QTY_EXCEEDS_OPEN"]
    closed = trade(2, entered="0.5", exited="0.5")
    told = case(OPEN, owner=named(closed), told={2: Decimal("0.5")})
    assert accepted(told)[0] == closed


def test_a_trade_that_holds_nothing_takes_nothing_however_little_it_is():
    closed = trade(2, entered="0.5", exited="0.5")
    tiny = case(OPEN, owner=named(closed), quantity="0.00001")
    assert reasons(tiny, **WAIVED) == ["QTY_EXCEEDS_OPEN"]


def test_fills_that_were_not_read_since_the_slice_opened_may_tell_another_story():
    assert reasons(case(unproven=frozenset({1}))) == ["EVIDENCE_INCOMPLETE"]
    assert accepted(case(unproven=frozenset({2})))[0] == OPEN


def test_every_reason_is_given_not_only_the_first():
    worst = case(owner=None, quantity="9", at=ago(hours=9), unproven=frozenset({1}))
    assert reasons(worst) == [
        "STALE_FILL",
        "WEAK_ATTRIBUTION",
        "HEURISTIC_DISABLED",
        "QTY_EXCEEDS_OPEN",
        "EVIDENCE_INCOMPLETE",
    ]


def test_a_slice_in_quarantine_takes_only_what_names_it():
    held = trade(1, entered="0.5", status=TradeStatus.QUARANTINED)
    assert reasons(case(held)) == ["WEAK_ATTRIBUTION"]
    assert reasons(case(held, owner=None), **WAIVED) == ["WEAK_ATTRIBUTION"]
    for mode in (AttributionMode.CLIENT_ORDER_ID, AttributionMode.TRADE_ID):
        assert accepted(case(held, owner=named(held, mode))) == (held, mode)


@pytest.mark.parametrize("kind", ["liquidation", "adl", "delivery"])
def test_what_the_exchange_did_itself_is_marked_and_takes_the_same_gates(kind):
    own = case(owner=None, kind=FillKind(kind))
    assert own.is_exchange_initiated
    assert reasons(own) == ["WEAK_ATTRIBUTION", "HEURISTIC_DISABLED"]
    # Over several slices it is never split: only a person can do that.
    two = case(OPEN, trade(2, entered="0.5"), owner=None, quantity="1", kind=FillKind(kind))
    assert "NO_MATCH" in reasons(two, **WAIVED)


owners = st.sampled_from(
    [
        None,
        TAGGED,
        Attribution(profile=BETA, mode=AttributionMode.SUB_TAG),
        Conflict(sentence="the evidence names two"),
        named(OPEN),
        named(trade(9, entered="1", exited="1")),
        Attribution(profile=ALPHA, mode=AttributionMode.CLIENT_ORDER_ID, trade_code="unknown"),
    ]
)
quantities = st.sampled_from(["0.0001", "0.3", "0.49995", "0.5", "0.50005", "0.6", "5"])


@st.composite
def cases(draw: st.DrawFn) -> FillCase:
    slices = [OPEN] if draw(st.booleans()) else []
    for id in range(2, draw(st.integers(2, 5))):
        status = draw(st.sampled_from([TradeStatus.OPEN, TradeStatus.QUARANTINED]))
        profile = draw(st.sampled_from([1, 2]))
        slices.append(trade(id, entered=draw(quantities), profile_id=profile, status=status))
    slices = slices or [OPEN]
    return case(
        *slices,
        quantity=draw(quantities),
        owner=draw(owners),
        is_strangers=draw(st.booleans()) and draw(st.booleans()),
        at=ago(hours=draw(st.sampled_from([1, 9]))),
        unproven=frozenset(draw(st.sets(st.integers(1, 5), max_size=1))),
    )


policies = st.builds(policy, require_strong=st.booleans(), allow_heuristic=st.booleans())
generated = settings(max_examples=300, deadline=None)


def judge(of: FillCase, by: Any) -> Judgement:
    return judge_fill(of, by)


@generated
@given(cases(), policies, st.randoms(use_true_random=False))
def test_the_order_of_the_slices_never_changes_the_verdict(of, by, random):
    mixed = list(of.slices)
    random.shuffle(mixed)
    values = {name: getattr(of, name) for name in FillCase.__slots__}
    again = judge(FillCase(**{**values, "slices": tuple(mixed)}), by)
    assert again == judge(of, by)


@generated
@given(cases(), policies)
def test_a_go_never_takes_a_step_more_than_its_slice_has_open(of, by):
    judged = judge(of, by)
    if judged.verdict == GO:
        assert judged.trade is not None
        assert of.net - of.room[judged.trade.id] < STEP
        assert of.room[judged.trade.id] > 0


@generated
@given(cases(), policies)
def test_what_is_anothers_is_never_go(of, by):
    judged = judge(of, by)
    if of.is_strangers or isinstance(of.owner, Conflict):
        assert judged.reasons == (NoGoReason.FOREIGN_SUB_TAG,)
    elif of.owner is not None and judged.verdict == GO:
        assert judged.trade is not None
        assert judged.trade.profile_id == of.owner.profile.id


@generated
@given(cases(), policies)
def test_a_heuristic_is_never_applied_against_the_flags(of, by):
    judged = judge(of, by)
    if judged.mode in (AttributionMode.SINGLE_OPEN_TRADE, AttributionMode.QTY_UNIQUE):
        assert by.allow_heuristic
        assert not by.require_strong
        assert of.owner is None


@generated
@given(cases(), policies)
def test_a_verdict_is_a_go_with_a_slice_and_its_evidence_or_a_no_go_with_reasons(of, by):
    judged = judge(of, by)
    if judged.verdict == GO:
        assert judged.trade is not None
        assert (judged.reasons, judged.mode != AttributionMode.NONE) == ((), True)
    else:
        assert judged.reasons
        assert judged.mode == AttributionMode.NONE
