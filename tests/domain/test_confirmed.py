"""The steps at the confirmation count, in their order."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.confirmed import (
    CloseGhost,
    GhostFacts,
    LeaveAlone,
    PutBefore,
    judge_ghost,
    limit_closes,
    reason_of,
)
from reconciliation.enums import CoverageStatus, ParityKind, QuarantineReason

PROVEN = GhostFacts(
    is_gone=True,
    unresolved=(),
    is_attributed=True,
    coverage=CoverageStatus.PROVEN,
    mark=Decimal(60000),
)
WORST = {
    "is_gone": None,
    "unresolved": ("fill 9",),
    "is_attributed": False,
    "coverage": None,
    "mark": None,
}
any_facts = st.builds(
    GhostFacts,
    is_gone=st.sampled_from([True, False, None]),
    unresolved=st.sampled_from([(), ("fill 9",)]),
    is_attributed=st.booleans(),
    coverage=st.sampled_from([CoverageStatus.PROVEN, CoverageStatus.UNOBTAINABLE, None]),
    mark=st.sampled_from([None, Decimal(60000)]),
)


def judged(*, gate: bool = True, **facts):
    return judge_ghost(replace(PROVEN, **facts), require_attribution=gate)


def test_a_proven_ghost_is_closed_at_the_mark():
    assert judged() == CloseGhost(price=Decimal(60000))


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"unresolved": ("fill 9",)}, QuarantineReason.UNRESOLVED_FILLS),
        ({"is_attributed": False}, QuarantineReason.UNATTRIBUTED),
        ({"coverage": CoverageStatus.UNOBTAINABLE}, QuarantineReason.EVIDENCE_INCOMPLETE),
        ({"mark": None}, QuarantineReason.NO_MARK),
    ],
)
def test_what_is_not_proven_is_put_before_a_person(facts, reason):
    assert judged(**facts) == PutBefore(reason=reason)


@pytest.mark.parametrize("facts", [{"is_gone": None}, {"is_gone": False}, {"coverage": None}])
def test_what_is_not_known_or_not_so_leads_to_nothing(facts):
    assert isinstance(judged(**facts), LeaveAlone)


def test_without_the_position_asked_again_nothing_else_matters():
    assert isinstance(judged(**WORST), LeaveAlone)
    assert isinstance(judged(**(WORST | {"is_gone": False})), LeaveAlone)


def test_an_unresolved_fill_comes_before_what_else_is_missing():
    assert judged(**(WORST | {"is_gone": True})) == PutBefore(
        reason=QuarantineReason.UNRESOLVED_FILLS
    )


def test_with_the_gate_off_an_unattributed_ghost_is_closed():
    assert judged(gate=False, is_attributed=False) == CloseGhost(price=Decimal(60000))


@given(any_facts, st.booleans())
def test_a_close_needs_every_proof_whatever_the_gate(facts, gate):
    verdict = judge_ghost(facts, require_attribution=gate)

    if isinstance(verdict, CloseGhost):
        assert facts.is_gone is True
        assert not facts.unresolved
        assert facts.coverage == CoverageStatus.PROVEN
        assert facts.mark == verdict.price
        assert facts.is_attributed or not gate
    if facts.is_gone is None:
        assert isinstance(verdict, LeaveAlone)


def test_as_many_closes_as_may_be_stand_and_one_more_stops_all():
    close, ask = CloseGhost(price=Decimal(1)), PutBefore(reason=QuarantineReason.NO_MARK)
    three = {1: close, 2: ask, 3: close, 4: close}

    assert limit_closes(three, most=3) == three
    assert limit_closes(three, most=2) == {
        **dict.fromkeys((1, 3, 4), PutBefore(reason=QuarantineReason.MASS_MISMATCH)),
        2: ask,
    }
    assert limit_closes({1: close}, most=0)[1] == PutBefore(reason=QuarantineReason.MASS_MISMATCH)


def test_findings_that_are_no_ghosts_say_why_they_wait():
    assert reason_of(ParityKind.AMBIGUOUS_OWNERS) == QuarantineReason.AMBIGUOUS_OWNERS
    assert reason_of(ParityKind.POSITION_MISMATCH) == QuarantineReason.POSITION_MISMATCH
