"""A delivered position row is aligned when the exchange agrees with its slices, else left alone."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.domain.books import PositionRow
from reconciliation.domain.plans.alignment import plan_alignments
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.types import ExchangePosition, Unread
from reconciliation.enums import Direction, PositionSide
from tests.domain.builders import GRACE, NOW, SPOT, SYMBOL, ago, books, snapshot

READ_FAILED = Unread(reason="http 500")


def row(id: int = 1, *, says: str = "0.5", slices: str = "0.3", **values: Any) -> PositionRow:
    defaults: dict[str, Any] = {
        "id": id,
        "profile_id": 1,
        "symbol": SYMBOL,
        "direction": Direction.LONG,
        "quantity": Decimal(says),
        "of_slices": Decimal(slices),
        "entry_price_of_slices": Decimal(60000),
        "delivered_at": ago(hours=1),
    }
    return PositionRow(**{**defaults, **values})


def held(quantity: str, side: PositionSide = PositionSide.NET) -> ExchangePosition:
    return ExchangePosition(
        symbol=SYMBOL, side=side, quantity=Decimal(quantity), entry_price=None, mark_price=None
    )


def aligned(*rows: PositionRow, exchange: Any, hedged: bool = False) -> tuple[Change, ...]:
    seen = snapshot(positions=exchange)
    return plan_alignments(books(positions=rows, is_hedged=hedged), seen, grace=GRACE)


def test_a_row_that_disagrees_with_slices_that_the_exchange_confirms_is_aligned():
    (change,) = aligned(row(), exchange=(held("0.3"),))
    (draft,) = change.positions
    assert (draft.id, draft.quantity, draft.entry_price) == (1, Decimal("0.3"), Decimal(60000))
    assert change.premises.positions == {1: Decimal("0.5")}
    assert [event.action for event in change.events] == ["position.aligned"]


def test_a_row_that_agrees_with_its_slices_is_left_alone():
    assert aligned(row(says="0.3"), exchange=(held("0.3"),)) == ()


@pytest.mark.parametrize("held_there", ["0.5", "0.2"])
def test_while_the_exchange_disagrees_with_the_slices_nobody_knows_who_is_right(held_there):
    assert aligned(row(), exchange=(held(held_there),)) == ()


@pytest.mark.parametrize("answer", [None, READ_FAILED], ids=["not asked", "not read"])
def test_while_positions_were_not_read_nothing_is_aligned(answer):
    assert aligned(row(), row(2, slices="0"), exchange=answer) == ()


def test_a_position_that_the_exchange_does_not_list_is_flat():
    (change,) = aligned(row(slices="0"), exchange=())
    assert change.positions[0].quantity == 0


def test_an_answer_without_positions_that_nothing_confirms_aligns_nothing():
    seen = replace(snapshot(positions=()), may_hide_positions=True)
    assert plan_alignments(books(positions=(row(slices="0"),)), seen, grace=GRACE) == ()


def test_in_net_mode_the_slices_of_all_profiles_add_up():
    rows = [
        row(1, says="0.5", slices="0.5"),
        row(2, says="-0.5", slices="-0.2", direction=Direction.SHORT, profile_id=2),
    ]
    (change,) = aligned(*rows, exchange=(held("0.3"),))
    assert (change.profile_id, change.positions[0].quantity) == (2, Decimal("-0.2"))
    assert aligned(*rows, exchange=(held("0.5"),)) == ()


def test_in_hedge_mode_each_side_is_held_to_its_own():
    rows = [
        row(1, says="0.5", slices="0.3"),
        row(2, says="-0.5", slices="-0.2", direction=Direction.SHORT),
    ]
    sides = (held("0.3", PositionSide.LONG), held("-0.4", PositionSide.SHORT))
    (change,) = aligned(*rows, exchange=sides, hedged=True)
    assert change.positions[0].id == 1


def test_a_spot_balance_is_no_position():
    assert aligned(row(symbol=SPOT, slices="0"), exchange=()) == ()


def test_a_row_that_was_delivered_a_moment_ago_waits():
    assert aligned(row(delivered_at=NOW), exchange=(held("0.3"),)) == ()
    assert len(aligned(row(delivered_at=NOW - GRACE), exchange=(held("0.3"),))) == 1
    assert len(aligned(row(delivered_at=None), exchange=(held("0.3"),))) == 1
