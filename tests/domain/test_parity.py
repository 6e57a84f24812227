"""Both sides of a position: each row of the table of findings, and where it must not be a ghost."""

from decimal import Decimal

import pytest

from reconciliation.domain.parity import PositionKey, gather_holdings, notional_of
from reconciliation.enums import ParityKind, PositionSide
from tests.domain.builders import SYMBOL
from tests.domain.parity_worlds import found, holding, long, short

CLEAN, GHOST = ParityKind.CLEAN, ParityKind.GHOST_POSITION
LESS, OWNERS = ParityKind.POSITION_MISMATCH, ParityKind.AMBIGUOUS_OWNERS
ORPHAN = ParityKind.ORPHAN_POSITION
LONG, SHORT = long(1, "0.5"), short(1, "0.5")

TABLE = [
    ("equal", "0.5", [LONG], CLEAN),
    ("equal, short", "-0.5", [SHORT], CLEAN),
    ("opposites of two profiles cancel", "0", [LONG, short(2, "0.5", 2)], CLEAN),
    ("nothing held, long", "0", [LONG], GHOST),
    ("nothing held, short", "0", [SHORT], GHOST),
    ("nothing held, several profiles", "0", [LONG, long(2, "0.2", 2)], GHOST),
    ("nothing held, both sides", "0", [LONG, short(2, "0.2", 2)], OWNERS),
    ("less than the long", "0.3", [LONG], LESS),
    ("less than the short", "-0.3", [SHORT], LESS),
    ("less than two profiles' slices", "0.6", [LONG, long(2, "0.3", 2)], LESS),
    ("more than the long", "0.7", [LONG], ORPHAN),
    ("more than the short", "-0.7", [SHORT], ORPHAN),
    ("no slice", "0.7", [], ORPHAN),
    ("slices cancel, something is held", "0.7", [LONG, short(2, "0.5", 2)], ORPHAN),
    ("opposite signs", "-0.2", [LONG], OWNERS),
    ("opposite signs, short", "0.2", [SHORT], OWNERS),
]


@pytest.mark.parametrize(
    ("actual", "slices", "kind"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_each_row_of_the_table(actual, slices, kind):
    assert found(actual, *slices).kind == kind


def test_only_a_shortfall_of_several_profiles_is_shared():
    assert found("0.6", LONG, long(2, "0.3", 2)).is_shared
    assert not found("0.6", LONG, long(2, "0.3", 1)).is_shared
    assert not found("0", LONG, long(2, "0.3", 2)).is_shared


def test_a_ghost_with_a_residue_is_the_same_finding_however_the_residue_moves():
    bare, residue = found("0", LONG), found("0.00001", LONG)

    assert bare.kind == residue.kind == GHOST
    assert bare.drift == residue.drift == Decimal("-0.5")
    assert bare.fingerprint == residue.fingerprint


def test_a_finding_is_another_one_with_another_drift_or_other_slices():
    first = found("0.3", LONG).fingerprint

    assert found("0.30", LONG).fingerprint == first
    assert found("0.2", LONG).fingerprint != first
    assert found("0.3", long(2, "0.5")).fingerprint != first


@pytest.mark.parametrize(
    ("mark", "step", "difference", "kind"),
    [
        # Worth less than five dollars, and exactly five.
        ("100", "0.0001", "0.0499", CLEAN),
        ("100", "0.0001", "0.05", LESS),
        # One step is a difference, less than one is none, whatever it is worth.
        ("60000", "0.001", "0.001", LESS),
        ("60000", "0.001", "0.0009", CLEAN),
        # Nothing known: any difference is one.
        (None, None, "0.000000000000000001", LESS),
    ],
)
def test_effectively_zero(mark, step, difference, kind):
    values = {
        "mark": None if mark is None else Decimal(mark),
        "amount_step": None if step is None else Decimal(step),
    }

    assert found(Decimal("0.5") - Decimal(difference), LONG, **values).kind == kind


def test_a_mark_in_another_currency_makes_no_dust():
    values = {"mark": Decimal("0.03"), "is_quoted_in_usd": False, "amount_step": Decimal("0.001")}

    assert found("0.4", LONG, **values).kind == LESS
    assert holding("0.4", LONG, **values).usd_mark is None


def test_an_accepted_excess_is_accepted_while_it_is_the_same():
    assert found("0.7", LONG, accepted=Decimal("0.2")).is_accepted
    assert not found("0.8", LONG, accepted=Decimal("0.2")).is_accepted
    assert found("0.8", LONG, accepted=Decimal("0.2")).unaccepted == Decimal("0.1")


def test_an_accepted_position_that_nets_with_a_slice_makes_no_ghost_of_it():
    netted = found("0", LONG, accepted=Decimal("-0.5"))
    assert (netted.kind, netted.is_accepted, netted.shares) == (ORPHAN, True, ())
    # Even where the sums do not quite explain it, a person decides.
    assert found("0", LONG, accepted=Decimal("-0.2")).kind == OWNERS
    assert found("0", SHORT, accepted=Decimal("0.2")).kind == OWNERS
    assert found("-1", LONG, accepted=Decimal("-1.5")).is_accepted


def test_an_accepted_position_of_the_same_side_that_is_gone_too_hides_no_ghost():
    assert found("0", LONG, accepted=Decimal("0.2")).kind == GHOST


def test_a_currency_that_was_partly_spent_elsewhere_makes_no_ghost():
    assert found("0.3", LONG, flow=Decimal("-0.2")).kind == CLEAN
    assert found("0", LONG, flow=Decimal("-0.2")).kind == OWNERS
    # What the fees took is dust.
    assert found("0", LONG, flow=Decimal("-0.00001")).kind == GHOST


def test_in_hedge_mode_each_side_is_a_position_and_what_is_not_listed_is_not_held():
    side = {each: PositionKey(symbol=SYMBOL, side=each) for each in PositionSide}
    gathered = gather_holdings(
        slices=[LONG, short(2, "0.5")],
        positions={side[PositionSide.LONG]: Decimal("0.5")},
        is_hedged=True,
    )

    assert gathered[side[PositionSide.LONG]] == ((LONG,), Decimal("0.5"))
    assert gathered[side[PositionSide.SHORT]] == ((short(2, "0.5"),), Decimal(0))
    assert side[PositionSide.NET] not in gathered


def test_a_notional_without_a_mark_is_unknown():
    assert notional_of(Decimal(1), None) is None
    assert notional_of(Decimal("-0.5"), Decimal(60000)) == 30000
