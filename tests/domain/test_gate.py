"""Whether a profile may trade: what stops entries, what stops exits, and where."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.gate import (
    Difference,
    Gate,
    Holding,
    Standing,
    SymbolGate,
    decide_gate,
)
from reconciliation.enums import Direction, GateReason, MismatchKind, PauseSource, TradeStatus

SYMBOL, OTHER = "BTC/USDT:USDT", "ETH/USDT:USDT"
ALPHA, BETA = 1, 2
MINUTE = timedelta(minutes=1)
NOBODYS = (MismatchKind.MISSING_IN_DB, MismatchKind.UNATTRIBUTED_FILL)


def holding(trade_id: int = 10, quantity: str = "0.5", **values: Any) -> Holding:
    return Holding(
        **{
            "trade_id": trade_id,
            "symbol": SYMBOL,
            "direction": Direction.LONG,
            "status": TradeStatus.OPEN,
            "open_quantity": Decimal(quantity),
            **values,
        }
    )


def finding(kind: MismatchKind, actual: str | None = None, **values: Any) -> Difference:
    return Difference(
        **{
            "kind": kind,
            "symbol": SYMBOL,
            "profile_id": ALPHA,
            "trade_ids": frozenset({10}),
            "actual": None if actual is None else Decimal(actual),
            **values,
        }
    )


def shared(actual: str | None = "0.3", *sharers: int) -> Difference:
    return finding(
        MismatchKind.POSITION_MISMATCH, actual, profile_id=None, sharers=frozenset(sharers)
    )


def gate(*differences: Difference, **values: Any) -> Gate:
    standing = Standing(
        **{
            "profile_id": ALPHA,
            "is_read": True,
            "holdings": (holding(),),
            "differences": differences,
            **values,
        }
    )
    return decide_gate(standing, confirmations=3, interval=MINUTE)


def only(found: Gate) -> SymbolGate:
    (symbol,) = found.symbols
    return symbol


def test_where_nothing_is_wrong_everything_is_allowed():
    found = gate()
    assert (found.entries_allowed, found.exits_allowed) == (True, True)
    assert (found.reasons, found.symbols, found.retry_after) == ((), (), None)


def test_while_somebody_holds_the_lock_neither_entries_nor_exits_are_allowed():
    found = gate(lock_remaining=timedelta(seconds=9))
    assert (found.entries_allowed, found.exits_allowed) == (False, False)
    assert found.reasons == (GateReason.RECONCILING,)
    assert found.retry_after == timedelta(seconds=9)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"pauses": frozenset({PauseSource.PARITY_WATCHDOG})}, GateReason.PAUSED_WATCHDOG),
        ({"pauses": frozenset({PauseSource.OPERATOR})}, GateReason.PAUSED_OPERATOR),
        ({"is_read": False}, GateReason.STALE),
    ],
)
def test_what_stops_entries_leaves_exits_alone(values: dict[str, Any], reason: GateReason):
    found = gate(**values)
    assert (found.entries_allowed, found.exits_allowed) == (False, True)
    assert (found.reasons, found.symbols, found.retry_after) == ((reason,), (), MINUTE)


def test_both_pauses_are_named():
    assert gate(pauses=frozenset(PauseSource)).reasons == (
        GateReason.PAUSED_WATCHDOG,
        GateReason.PAUSED_OPERATOR,
    )


def test_a_ghost_that_is_not_confirmed_leaves_exits_up_to_what_is_there():
    found = gate(finding(MismatchKind.GHOST_POSITION, "0.00001", streak=2))
    assert found.reasons == (GateReason.MISMATCH,)
    assert only(found) == SymbolGate(
        symbol=SYMBOL,
        exits_allowed=True,
        reduce_only=True,
        max_exit_quantity=Decimal("0.00001"),
        reasons=(GateReason.MISMATCH,),
    )


def test_a_confirmed_ghost_stops_the_exits_of_its_symbol_alone():
    found = gate(
        finding(MismatchKind.GHOST_POSITION, "0", streak=3),
        holdings=(holding(), holding(11, symbol=OTHER)),
    )
    assert found.exits_allowed
    assert (only(found).symbol, only(found).exits_allowed) == (SYMBOL, False)
    assert only(found).max_exit_quantity == 0


def test_nobody_exits_where_nobody_knows_whose_it_is():
    assert not only(gate(finding(MismatchKind.AMBIGUOUS_OWNERS, "-0.5"))).exits_allowed


def test_a_question_of_too_large_an_exit_stops_exits_and_entries():
    found = gate(holdings=(), overclosed=frozenset({SYMBOL}))
    assert found.reasons == (GateReason.MISMATCH,)
    assert not only(found).exits_allowed


def test_a_quarantined_slice_is_both_reasons_and_stops_the_exits_of_its_symbol():
    found = gate(holdings=(holding(status=TradeStatus.QUARANTINED),))
    assert found.reasons == (GateReason.MISMATCH, GateReason.QUARANTINED)
    assert only(found).reasons == found.reasons
    assert not only(found).exits_allowed


@pytest.mark.parametrize(
    ("actual", "largest"), [("0.3", "0.3"), ("0.9", "0.5"), ("-0.3", "0"), (None, "0")]
)
def test_a_shortfall_leaves_exits_up_to_what_is_open_and_what_is_there(
    actual: str | None, largest: str
):
    for found in (
        gate(finding(MismatchKind.POSITION_MISMATCH, actual, streak=9)),
        gate(shared(actual, ALPHA, BETA)),
    ):
        assert only(found).exits_allowed
        assert only(found).reduce_only
        assert only(found).max_exit_quantity == Decimal(largest)


def test_a_short_is_measured_on_its_own_side():
    short = holding(direction=Direction.SHORT)
    found = gate(finding(MismatchKind.POSITION_MISMATCH, "-0.3"), holdings=(short,))
    assert only(found).max_exit_quantity == Decimal("0.3")


def test_the_smaller_side_bounds_a_symbol_that_is_held_both_ways():
    both = (holding(), holding(11, "0.2", direction=Direction.SHORT))
    found = gate(finding(MismatchKind.POSITION_MISMATCH, "0.4"), holdings=both)
    assert only(found).max_exit_quantity == Decimal("0.2")


def test_a_shared_shortfall_is_the_matter_of_those_who_have_slices_in_it():
    assert gate(shared("0.3", BETA)).entries_allowed
    assert not gate(shared("0.3", ALPHA, BETA)).entries_allowed


def test_a_shared_shortfall_of_which_nobody_can_read_whose_it_is_stops_everybody():
    found = gate(finding(MismatchKind.POSITION_MISMATCH, "0.3", profile_id=None, sharers=None))
    assert not found.entries_allowed


def test_an_orphan_stops_every_entry_of_its_account_and_no_exit_of_another_symbol():
    orphan = finding(
        MismatchKind.ORPHAN_POSITION, "2", profile_id=None, symbol=OTHER, trade_ids=frozenset()
    )
    found = gate(orphan)
    assert (found.entries_allowed, found.exits_allowed) == (False, True)
    assert found.symbols == ()


def test_an_orphan_beside_a_slice_leaves_the_slice_its_exit():
    orphan = finding(MismatchKind.ORPHAN_POSITION, "2", profile_id=None, trade_ids=frozenset())
    assert only(gate(orphan)).max_exit_quantity == Decimal("0.5")


@pytest.mark.parametrize("kind", NOBODYS)
def test_what_is_nobodys_stops_nobody(kind: MismatchKind):
    assert gate(finding(kind, profile_id=None)).entries_allowed


def test_what_is_anothers_stops_nobody_else():
    assert gate(finding(MismatchKind.GHOST_POSITION, profile_id=BETA)).entries_allowed


def test_a_difference_of_an_order_says_nothing_of_the_position():
    found = only(gate(finding(MismatchKind.MISSING_FROM_EXCHANGE)))
    assert (found.exits_allowed, found.reduce_only) == (True, True)
    assert found.max_exit_quantity == Decimal("0.5")


amounts = st.decimals("-5", "5", places=2)
differences = st.builds(
    Difference,
    kind=st.sampled_from(MismatchKind),
    symbol=st.sampled_from([SYMBOL, OTHER]),
    profile_id=st.sampled_from([ALPHA, BETA, None]),
    trade_ids=st.frozensets(st.sampled_from([10, 11, 12])),
    sharers=st.none() | st.frozensets(st.sampled_from([ALPHA, BETA])),
    actual=st.none() | amounts,
    streak=st.integers(0, 5),
)
holdings = st.builds(
    Holding,
    trade_id=st.sampled_from([10, 11, 12]),
    symbol=st.sampled_from([SYMBOL, OTHER]),
    direction=st.sampled_from(Direction),
    status=st.sampled_from([TradeStatus.OPEN, TradeStatus.QUARANTINED]),
    open_quantity=amounts.map(abs),
)
standings = st.builds(
    Standing,
    profile_id=st.just(ALPHA),
    is_read=st.booleans(),
    lock_remaining=st.none() | st.timedeltas(timedelta(0), MINUTE),
    pauses=st.frozensets(st.sampled_from(PauseSource)),
    holdings=st.lists(holdings, max_size=4).map(tuple),
    differences=st.lists(differences, max_size=4).map(tuple),
    overclosed=st.frozensets(st.sampled_from([SYMBOL, OTHER])),
)


@given(standings)
def test_entries_are_allowed_exactly_where_there_is_no_reason(standing: Standing):
    found = decide_gate(standing, confirmations=3, interval=MINUTE)
    assert found.entries_allowed is (found.reasons == ())
    assert (found.retry_after is None) is found.entries_allowed


@given(standings)
def test_nothing_but_a_write_under_way_stops_the_exits_of_a_profile(standing: Standing):
    found = decide_gate(standing, confirmations=3, interval=MINUTE)
    assert found.exits_allowed is (GateReason.RECONCILING not in found.reasons)


@given(standings)
def test_a_symbol_never_allows_more_than_its_profile_nor_more_than_is_open(standing: Standing):
    found = decide_gate(standing, confirmations=3, interval=MINUTE)
    for each in found.symbols:
        held = sum(h.open_quantity for h in standing.holdings if h.symbol == each.symbol)
        assert set(each.reasons) <= set(found.reasons)
        assert found.exits_allowed or not each.exits_allowed
        assert 0 <= each.max_exit_quantity <= held
