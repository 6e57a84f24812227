"""Which fills are judged, what a GO writes, and what becomes of the queue."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.domain.books import CandidateState, ProfileState
from reconciliation.domain.decisions import Decisions
from reconciliation.domain.id_patterns import parse_pattern
from reconciliation.domain.types import OrderFound
from reconciliation.enums import (
    AttributionMode,
    BackfillVerdict,
    CandidateStatus,
    HistoryKind,
    HistorySource,
    InstrumentType,
    MismatchKind,
    NoGoReason,
    OrderStatus,
    PositionSide,
    Side,
    TradeStatus,
)
from tests.domain.builders import (
    GRACE,
    NOT_FOUND,
    NOT_READ,
    NOW,
    SPOT,
    SYMBOL,
    ago,
    applied,
    books,
    decide,
    entry_id,
    exit_id,
    exit_order,
    fill,
    order,
    policy,
    row,
    shown,
    snapshot,
    trade,
    without_fills,
)

ALPHA = ProfileState(id=1, name="alpha", sub_tag="alpha01")
BETA = ProfileState(id=2, name="beta", sub_tag="beta01")
OPEN = trade(1, entered="0.5")
BOTH = {"profiles": {1: ALPHA, 2: BETA}}
PENDING, SUPERSEDED, APPLIED = (
    CandidateStatus.PENDING,
    CandidateStatus.SUPERSEDED,
    CandidateStatus.APPLIED,
)


def sale(id: int = 1, quantity: str = "0.5", **evidence: Any) -> Any:
    """Build a sale by an order that nobody knows; it carries only the evidence that is given."""
    defaults = {
        "side": Side.SELL,
        "exchange_order_id": f"unknown{id}",
        "client_order_id": None,
        "sub_tag": None,
    }
    return fill(id, quantity, **{**defaults, **evidence})


def tagged(id: int = 1, quantity: str = "0.5", **evidence: Any) -> Any:
    return sale(id, quantity, **{"sub_tag": "alpha01", **evidence})


def waiting(decided: Decisions) -> list[tuple[int, int | None, list[str]]]:
    """Return what is put before a person: fill, slice and reasons."""
    return [
        (draft.fill_id, draft.trade_id, [str(reason) for reason in draft.reasons])
        for draft in decided.no_go
    ]


def booked(decided: Decisions) -> list[tuple[int, int, str]]:
    """Return what is backfilled: trade, fill and gross quantity."""
    return [
        (part.trade_id, part.fill_id, str(part.quantity))
        for change in decided.changes
        for part in change.allocations
    ]


def events(decided: Decisions) -> list[str]:
    return [event.action for change in decided.changes for event in change.events]


def nobodys(decided: Decisions) -> list[str]:
    return [draft.key for draft in decided.nobodys_mismatches]


def known(of: Decisions, status: CandidateStatus = PENDING, fill_id: int = 1) -> CandidateState:
    """Return the row that a NO_GO leaves behind."""
    (draft,) = (each for each in of.no_go if each.fill_id == fill_id)
    return CandidateState(id=7, fill_id=fill_id, status=status, hash=draft.hash, version=3)


def test_a_go_is_booked_with_source_backfill_under_its_premises():
    world = books(OPEN, tagged())
    decided = decide(world)
    (change,) = decided.changes
    (made,) = change.history
    assert (made.source, made.quantity, made.exchange_fill_id) == (
        HistorySource.BACKFILL,
        Decimal("0.5"),
        "9001",
    )
    assert change.premises.trades == {1: 1}
    assert change.premises.fills == {1: Decimal(0)}
    assert change.trade is not None
    assert (change.trade.status, change.trade.open_quantity) == (TradeStatus.CLOSED, 0)
    assert events(decided) == ["trade.exit_filled"]
    (draft,) = change.candidates
    assert (draft.verdict, draft.mode, draft.status) == (
        BackfillVerdict.GO,
        AttributionMode.SUB_TAG,
        APPLIED,
    )
    assert (decided.no_go, decided.moot_candidates, nobodys(decided)) == ((), (), [])


def test_the_same_exit_has_the_same_key_for_ever():
    keys = {decide(books(OPEN, tagged())).changes[0].history[0].key for _ in range(2)}
    assert len(keys) == 1
    reversed_once = replace(OPEN, reversals=1)
    assert decide(books(reversed_once, tagged())).changes[0].history[0].key not in keys


def test_a_second_cycle_finds_nothing_to_do():
    world = books(OPEN, tagged())
    after = applied(world, decide(world).changes)
    again = decide(after)
    assert (again.changes, again.no_go, nobodys(again)) == ((), (), [])


def test_what_waits_already_is_not_put_before_a_person_again():
    world = books(OPEN, sale())
    first = decide(world)
    assert waiting(first) == [(1, 1, ["WEAK_ATTRIBUTION", "HEURISTIC_DISABLED"])]
    again = decide(replace(world, candidates=(known(first),)))
    assert (again.no_go, again.moot_candidates) == ((), ())


def test_neither_time_nor_price_makes_evidence_new():
    world = books(OPEN, sale())
    first = decide(world)
    later = books(OPEN, sale(price="61234", executed_at=ago(minutes=31)))
    assert decide(replace(later, candidates=(known(first),))).no_go == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"require_strong": False},
        {"allow_heuristic": True},
        {"stale_grace": timedelta(minutes=6)},
        {"proven": {}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_other_settings_or_coverage_judge_it_anew(changed):
    world = books(OPEN, sale())
    before = known(decide(world))
    (draft,) = decide(replace(world, candidates=(before,)), backfill=policy(**changed)).no_go
    assert draft.known == before
    assert draft.status == PENDING


def test_a_proposal_whose_evidence_changed_waits_anew():
    world = books(OPEN, sale())
    before = known(decide(world), CandidateStatus.PROPOSED)
    more = books(OPEN, trade(2, entered="0.3"), sale(), candidates=(before,))
    assert [draft.status for draft in decide(more).no_go] == [PENDING]


def test_a_row_that_became_go_is_superseded_by_its_exit():
    two = books(OPEN, trade(2, entered="0.5"), tagged())
    before = known(decide(two))
    decided = decide(books(OPEN, tagged(), candidates=(before,)))
    (change,) = decided.changes
    (draft,) = change.candidates
    assert (draft.verdict, draft.status, draft.known) == (BackfillVerdict.GO, SUPERSEDED, before)
    assert decided.moot_candidates == ()


@pytest.mark.parametrize(
    "world",
    [
        books(trade(1, entered="0.5", exited="0.5"), sale()),
        books(OPEN, sale(allocated="0.5")),
        books(OPEN, exit_order(2, exchange_order_id="unknown1"), sale()),
        books(OPEN, sale(), baseline_at=NOW),
        books(OPEN, sale(), decided_orders=frozenset({(SYMBOL, "unknown1")})),
    ],
    ids=["slice closed", "consumed", "order known", "before the baseline", "order decided"],
)
def test_a_row_that_needs_no_answer_any_more_is_moot(world):
    before = known(decide(books(OPEN, sale())))
    decided = decide(replace(world, candidates=(before,)))
    assert decided.moot_candidates == (before,)
    assert decided.no_go == ()


@pytest.mark.parametrize("status", [CandidateStatus.REJECTED, CandidateStatus.APPROVED, APPLIED])
def test_what_is_decided_is_asked_no_more_and_is_nobodys_matter_either(status):
    world = books(OPEN, tagged())
    before = CandidateState(id=7, fill_id=1, status=status, hash="other", version=2)
    decided = decide(replace(world, candidates=(before,)))
    assert (decided.changes, decided.no_go, decided.moot_candidates) == ((), (), ())
    assert nobodys(decided) == []


def test_a_superseded_row_waits_again_when_its_fill_could_close_a_slice_again():
    world = books(OPEN, sale())
    before = known(decide(world), SUPERSEDED)
    (draft,) = decide(replace(world, candidates=(before,))).no_go
    assert (draft.known, draft.status) == (before, PENDING)


UNKNOWN = {
    "fills that were not read": ({"seen": snapshot(fills=NOT_READ)}, {}),
    "a fill within the grace": ({}, {"executed_at": NOW - GRACE / 2}),
    "a slice that was just spoken of": ({"slice": {"last_activity_at": NOW}}, {}),
}


@pytest.mark.parametrize(("world", "evidence"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_the_unknown_and_the_fresh_change_nothing(world, evidence):
    slice_ = replace(OPEN, **world.get("slice", {}))
    seen = world.get("seen")
    before = known(decide(books(OPEN, sale())))
    for loose in (tagged(**evidence), sale(**evidence)):
        for rows in ((), (before,)):
            decided = decide(books(slice_, loose, candidates=rows), seen)
            assert (decided.changes, decided.no_go, decided.moot_candidates) == ((), (), ())
            assert nobodys(decided) == []


def test_an_instrument_type_that_was_not_asked_for_is_unknown():
    spot = trade(1, entered="0.5", symbol=SPOT)
    assert decide(books(spot, tagged(symbol=SPOT))).changes == ()
    both = replace(snapshot(), fills=dict.fromkeys(InstrumentType))
    assert booked(decide(books(spot, tagged(symbol=SPOT)), both)) == [(1, 1, "0.5")]


def test_coverage_is_asked_of_the_fills_own_type_of_instrument():
    spot = trade(1, entered="0.5", symbol=SPOT)
    both = replace(snapshot(), fills=dict.fromkeys(InstrumentType))
    of_swaps = policy(proven={InstrumentType.SWAP: ((ago(days=9), NOW),)})
    world = books(spot, tagged(symbol=SPOT))
    assert waiting(decide(world, both, backfill=of_swaps)) == [(1, 1, ["EVIDENCE_INCOMPLETE"])]
    late = policy(proven={InstrumentType.SWAP: ((ago(minutes=119), NOW),)})
    assert waiting(decide(books(OPEN, tagged()), backfill=late))[0][2] == ["EVIDENCE_INCOMPLETE"]


def test_fills_are_judged_oldest_first_against_what_is_left():
    world = books(OPEN, tagged(3, "0.3"), tagged(2, "0.4"), tagged(1, "0.1"))
    decided = decide(world)
    assert booked(decided) == [(1, 1, "0.1"), (1, 2, "0.4")]
    # The slice is closed by then: the third could close nothing, and is nobody's.
    assert decided.no_go == ()
    assert nobodys(decided) == []
    again = decide(applied(world, decided.changes))
    assert nobodys(again) == ["fill:3"]
    assert len({change.profile_id for change in decided.changes}) == len(decided.changes) == 1


def test_what_is_left_of_a_fill_that_a_delivered_row_covers_in_part_is_judged():
    kept = tagged(1, "0.5", allocated="0.2")
    assert booked(decide(books(trade(1, entered="0.3"), kept))) == [(1, 1, "0.3")]


def test_a_crumb_below_one_step_goes_with_the_exit():
    decided = decide(books(OPEN, tagged(1, "0.50005")))
    assert booked(decided) == [(1, 1, "0.50005")]
    assert decided.changes[0].history[0].quantity == Decimal("0.5")


def told(quantity: str, **values: Any) -> Any:
    """Build an exit that the bot delivered of trade 1 without naming order or fill."""
    return row(1, quantity, kind=HistoryKind.EXIT, **values)


def test_what_a_delivered_exit_without_a_name_told_of_is_that_fill_and_not_booked_again():
    slice_ = trade(1, entered="1", exited="0.5")
    world = books(slice_, told("0.5"), tagged())
    decided = decide(world)
    (change,) = decided.changes
    assert (change.history, change.candidates) == ((), ())
    assert [(part.history_id, str(part.quantity)) for part in change.allocations] == [(1, "0.5")]
    assert events(decided) == ["trade.fills_linked"]
    again = decide(applied(world, decided.changes))
    assert (again.changes, again.no_go, nobodys(again)) == ((), (), [])


@pytest.mark.parametrize(
    "other",
    [{"order_id": 9}, {"exchange_fill_id": "7"}, {"kind": HistoryKind.ENTRY}],
    ids=["of an order", "of a fill", "an entry"],
)
def test_a_delivered_row_that_tells_of_something_else_covers_no_fill(other):
    rows = {"kind": HistoryKind.EXIT, **other}
    world = books(trade(1, entered="1", exited="0.5"), row(1, "0.5", **rows), tagged())
    (change,) = decide(world).changes
    assert [(part.history_id, str(part.quantity)) for part in change.allocations] == [(None, "0.5")]


def test_only_what_exceeds_such_an_exit_is_booked():
    world = books(trade(1, entered="1", exited="0.2"), told("0.2"), tagged(1, "0.5"))
    (change,) = decide(world).changes
    assert [str(part.quantity) for part in change.allocations] == ["0.2", "0.3"]
    assert [str(each.quantity) for each in change.history] == ["0.3"]
    assert change.trade is not None
    assert change.trade.open_quantity == Decimal("0.5")


def test_two_fills_share_what_such_an_exit_told_of_once():
    world = books(trade(1, entered="1", exited="0.5"), told("0.5"), tagged(1), tagged(2))
    decided = decide(world)
    assert [str(each.quantity) for c in decided.changes for each in c.history] == ["0.5"]
    assert booked(decided) == [(1, 1, "0.5"), (1, 2, "0.5")]


def test_a_waiting_row_whose_fill_was_told_of_is_moot():
    world = books(OPEN, trade(2, entered="0.3"), tagged())
    before = known(decide(world))
    later = books(trade(1, entered="1", exited="0.5"), told("0.5"), tagged(), candidates=(before,))
    assert decide(later).moot_candidates == (before,)


def test_fills_of_known_orders_are_booked_first_and_their_change_holds_the_backfill_too():
    known_exit = exit_order(2, quantity="0.2", exchange_order_id="1002", client_order_id="c2")
    own = fill(5, "0.2", of=known_exit)
    world = books(OPEN, known_exit, own, tagged(1, "0.3"))
    decided = decide(world, snapshot(), {2: _filled(known_exit, own)})
    (change,) = decided.changes
    assert [each.source for each in change.history] == [
        HistorySource.RECONCILED,
        HistorySource.BACKFILL,
    ]
    assert change.trade is not None
    assert change.trade.status == TradeStatus.CLOSED
    assert change.premises.orders == {2: 1}


def _filled(known_exit: Any, own: Any) -> OrderFound:
    leg = shown(known_exit, status=OrderStatus.FILLED, filled_quantity="0.2")
    return OrderFound(legs=(leg,), fills=(own.fill,), as_of=NOW)


def test_a_fill_is_a_candidate_or_nobodys_and_never_both():
    purchase = fill(2, "0.1", side=Side.BUY, exchange_order_id="x", client_order_id=None)
    loose = replace(purchase, fill=replace(purchase.fill, sub_tag=None))
    decided = decide(books(OPEN, sale(), loose))
    assert [each[0] for each in waiting(decided)] == [1]
    assert nobodys(decided) == ["fill:2"]


def test_in_hedge_mode_only_a_fill_of_its_own_side_closes_a_slice():
    long, short = OPEN, trade(2, entered="0.5", direction="short")
    of_short = tagged(1, "0.1", position_side=PositionSide.SHORT)  # an entry of the short
    decided = decide(books(long, short, of_short, is_hedged=True))
    assert (booked(decided), decided.no_go) == ([], ())
    assert nobodys(decided) == ["fill:1"]
    of_long = tagged(1, "0.5", position_side=PositionSide.LONG)
    assert booked(decide(books(long, short, of_long, is_hedged=True))) == [(1, 1, "0.5")]


def test_another_profiles_fill_is_never_used_and_a_disabled_ones_neither():
    theirs = sale(sub_tag="beta01")
    waived = policy(require_strong=False, allow_heuristic=True)
    for profiles in (BOTH, {"disabled_profiles": {2: BETA}}):
        decided = decide(books(OPEN, theirs, **profiles), backfill=waived)
        assert waiting(decided) == [(1, 1, ["FOREIGN_SUB_TAG"])]
        assert decided.changes == ()
    stranger = sale(client_order_id=exit_id("T1", sub_tag="gamma01"))
    assert waiting(decide(books(OPEN, stranger), backfill=waived))[0][2] == ["FOREIGN_SUB_TAG"]


def test_a_disabled_profiles_own_slice_is_left_alone():
    theirs = trade(2, entered="0.5", profile_id=2)
    world = books(theirs, sale(sub_tag="beta01"), disabled_profiles={2: BETA})
    decided = decide(world)
    assert (decided.changes, decided.no_go, nobodys(decided)) == ((), (), [])


def test_a_client_id_and_a_hint_of_two_trades_contradict_each_other():
    loose = sale(client_order_id=exit_id("T9"), trade_hint="T1")
    assert waiting(decide(books(OPEN, loose))) == [(1, 1, ["FOREIGN_SUB_TAG"])]


def test_the_order_of_a_fill_says_what_the_fill_does_not():
    listed = shown(
        exit_order(9, exchange_order_id="unknown1", client_order_id=None, sub_tag=None),
        trade_hint="T1",
        quantity=None,
    )
    world = books(OPEN, sale())
    assert booked(decide(world, snapshot(listed))) == [(1, 1, "0.5")]


def test_an_id_of_the_bots_own_scheme_names_the_slice():
    scheme = parse_pattern("(?P<sub_tag>[a-z]+01)-(?P<trade_id>T[0-9]+)-(?P<purpose>EXIT|ENTRY)")
    loose = sale(client_order_id="alpha01-T1-EXIT")
    two = (OPEN, trade(2, entered="0.5"))
    (change,) = decide(books(*two, loose, client_order_ids=scheme)).changes
    assert change.candidates[0].mode == AttributionMode.CLIENT_ORDER_ID
    assert change.premises.trades == {1: 1}
    assert waiting(decide(books(*two, loose)))[0][2] == ["AMBIGUOUS_SLICE"]


def test_an_entry_that_its_id_proves_waits_for_the_answer_of_its_order():
    entry = sale(client_order_id=entry_id("T9"))
    assert waiting(decide(books(OPEN, entry))) == []
    key = (SYMBOL, "unknown1")
    assert waiting(decide(books(OPEN, entry), unknown={key: NOT_FOUND})) == [
        (1, None, ["NO_MATCH"])
    ]


def loose_order(**values: Any) -> Any:
    """Build an exit that was adopted by its tag alone."""
    return order(
        3,
        trade_id=None,
        purpose=None,
        side=Side.SELL,
        exchange_order_id="unknown1",
        client_order_id=None,
        **values,
    )


@pytest.mark.parametrize("status", [OrderStatus.CANCELED, OrderStatus.FILLED])
def test_fills_of_an_order_that_was_adopted_by_its_tag_alone_are_judged(status):
    adopted = loose_order(status=status)
    decided = decide(books(OPEN, adopted, tagged()))
    (change,) = decided.changes
    assert change.history[0].order_id == 3
    assert change.premises.orders == {3: 1}
    # What its fills lacked is repaired by the same change: nothing is refused, nothing stays open.
    assert [(m.kind, m.resolution is not None) for m in change.mismatches] == [
        (MismatchKind.QUANTITY_MISMATCH, True)
    ]
    assert "handler.refused" not in events(decided)


def test_what_is_not_booked_of_such_an_order_stays_an_open_mismatch():
    decided = decide(books(OPEN, trade(2, entered="0.5"), loose_order(), tagged()))
    assert waiting(decided)[0][2] == ["AMBIGUOUS_SLICE"]
    assert [m.resolution for change in decided.changes for m in change.mismatches] in ([None], [])
    ended = decide(
        books(OPEN, trade(2, entered="0.5"), loose_order(status=OrderStatus.CANCELED), tagged())
    )
    assert [m.resolution for change in ended.changes for m in change.mismatches] == [None]


def test_an_order_that_is_adopted_by_its_tag_and_filled_already_is_booked_with_its_adoption():
    live = shown(
        exit_order(9, exchange_order_id="unknown1", client_order_id=None),
        status=OrderStatus.PARTIALLY_FILLED,
        filled_quantity="0.2",
        quantity="0.5",
    )
    world = books(OPEN, tagged(1, "0.2"))
    decided = decide(world, snapshot(live))
    (change,) = decided.changes
    assert [each.id < 0 for each in change.orders] == [True]
    assert [m.kind for m in change.mismatches] == [MismatchKind.MISSING_IN_DB]
    assert events(decided) == ["order.adopted", "order.updated", "trade.exit_filled"]
    assert booked(decided) == [(1, 1, "0.2")]


def test_only_strong_evidence_makes_a_fill_one_of_a_slice_that_was_closed_synthetically():
    closed = trade(1, entered="0.5", exited="0.5")
    world = books(closed, sale(), synthetic_exits={1: without_fills()})
    assert nobodys(decide(world)) == ["fill:1"]
    waived = policy(require_strong=False, allow_heuristic=True)
    assert nobodys(decide(world, backfill=waived)) == ["fill:1"]
    both = books(OPEN, replace(closed, id=2), tagged(), synthetic_exits={2: without_fills()})
    assert waiting(decide(both))[0][2] == ["AMBIGUOUS_SLICE"]


def test_two_fills_of_one_cycle_replace_a_synthetic_exit_by_one_reversal():
    closed = trade(1, entered="0.5", exited="0.5")
    world = books(closed, tagged(1, "0.2"), tagged(2, "0.3"), synthetic_exits={1: without_fills()})
    decided = decide(world)
    (change,) = decided.changes
    kinds = [(str(row.kind), str(row.quantity)) for row in change.history]
    assert kinds == [("REVERSAL", "0.5"), ("EXIT", "0.2"), ("EXIT", "0.3")]
    assert events(decided) == ["trade.exit_reversed", "trade.exit_filled", "trade.exit_filled"]
    assert change.trade is not None
    assert (change.trade.status, change.trade.exit_quantity) == ("CLOSED", Decimal("0.5"))
    after = applied(world, decided.changes)
    assert after.synthetic_exits == {}
    assert decide(after).changes == ()


def test_a_fill_beyond_the_synthetic_exit_replaces_nothing_and_waits():
    closed = trade(1, entered="0.5", exited="0.5")
    world = books(closed, tagged(1, "0.6"), synthetic_exits={1: without_fills()})
    decided = decide(world)
    assert (decided.changes, waiting(decided)) == ((), [(1, 1, ["QTY_EXCEEDS_OPEN"])])


def test_the_evidence_shows_both_sides_the_suggestions_and_the_settings():
    (draft,) = decide(books(OPEN, sale())).no_go
    assert draft.reasons == (NoGoReason.WEAK_ATTRIBUTION, NoGoReason.HEURISTIC_DISABLED)
    assert draft.evidence["suggestions"] == [
        {"mode": "SINGLE_OPEN_TRADE", "trade": "T1"},
        {"mode": "QTY_UNIQUE", "trade": "T1"},
    ]
    assert draft.evidence["settings"] == {
        "require_strong_attribution": True,
        "allow_heuristic_match": False,
        "fill_after_trade_grace_s": 300,
        "client_order_id_pattern": None,
    }
    assert draft.evidence.keys() == {
        "fill",
        "owner",
        "slices",
        "suggestions",
        "settings",
        "amount_step",
    }
