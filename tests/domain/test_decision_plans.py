"""What decisions would write: quantities hold whatever is asked for, and a reversal restores."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.amounts import ZERO, total
from reconciliation.domain.books import HistoryRow, KeptFill, TradeState
from reconciliation.domain.plans.decision_fills import (
    FillQuestion,
    Share,
    plan_set_aside,
    plan_shares,
)
from reconciliation.domain.plans.decision_reversals import (
    Consumed,
    ExitRow,
    ReversalQuestion,
    plan_reversal,
)
from reconciliation.domain.plans.decisions import (
    Ask,
    DecisionPlan,
    ExitQuestion,
    Refusal,
    plan_operator_exit,
    plan_release,
)
from reconciliation.enums import (
    DecisionRefusal,
    HistoryKind,
    HistorySource,
    Side,
    TradeStatus,
)
from tests.domain.builders import NOW, fill, trade

TENTHS = st.integers(min_value=1, max_value=12).map(lambda n: Decimal(n) / 10)


def slice_of(quantity: str | Decimal, **values: Any) -> TradeState:
    return trade(**{"entered": str(quantity), **values})


def sale(quantity: str | Decimal, *, number: int = 1, allocated: str = "0") -> KeptFill:
    return fill(number, str(quantity), side=Side.SELL, price="61000", allocated=allocated)


def question(*fills: KeptFill, **values: Any) -> FillQuestion:
    return FillQuestion(**{"fills": fills, "told": {}, **values})


def told_row(trade_id: int, quantity: str) -> HistoryRow:
    return HistoryRow(
        id=900 + trade_id,
        trade_id=trade_id,
        kind=HistoryKind.EXIT,
        source=HistorySource.BOT,
        quantity=Decimal(quantity),
        booked_quantity=Decimal(quantity),
        order_id=None,
        exchange_fill_id=None,
        covered=ZERO,
    )


def planned(plan: DecisionPlan | Refusal) -> DecisionPlan:
    assert isinstance(plan, DecisionPlan), plan
    return plan


def refused(plan: DecisionPlan | Refusal) -> DecisionRefusal:
    assert isinstance(plan, Refusal), plan
    assert plan.sentence
    return plan.code


def exit_of(held: TradeState, **values: Any) -> ExitQuestion:
    defaults: dict[str, Any] = {
        "name": "review:1",
        "trade": held,
        "share": held.open_quantity,
        "mark": Decimal("60000"),
    }
    return ExitQuestion(**{**defaults, **values})


def test_an_exit_defaults_to_the_share_at_the_mark_and_is_an_estimate():
    held = slice_of("0.5", status=TradeStatus.QUARANTINED)
    plan = planned(plan_operator_exit(exit_of(held, share=Decimal("0.2")), Ask(), now=NOW))
    (change,) = plan.changes
    (row,) = change.history
    assert (row.source, row.quantity, row.price, row.estimated) == (
        "OPERATOR",
        Decimal("0.2"),
        Decimal("60000"),
        True,
    )
    assert change.trade is not None
    assert (change.trade.status, change.trade.open_quantity) == ("OPEN", Decimal("0.3"))
    assert plan.covers
    assert plan.notional == Decimal("12000")


def test_a_part_of_the_share_does_not_answer_it():
    plan = plan_operator_exit(exit_of(slice_of("0.5")), Ask(quantity=Decimal("0.2")), now=NOW)
    assert not planned(plan).covers


@pytest.mark.parametrize("asked", ["0.51", "0", "-1"])
def test_an_exit_is_never_more_than_what_is_open_nor_nothing(asked: str):
    plan = plan_operator_exit(exit_of(slice_of("0.5")), Ask(quantity=Decimal(asked)), now=NOW)
    assert refused(plan) == "QUANTITY_OUT_OF_RANGE"


def test_a_part_of_a_shared_shortfall_is_never_more_than_what_is_left_of_it():
    shared = exit_of(slice_of("0.5"), left=Decimal("0.1"))
    assert refused(plan_operator_exit(shared, Ask(quantity=Decimal("0.2")), now=NOW)) == (
        "QUANTITY_OUT_OF_RANGE"
    )
    planned(plan_operator_exit(shared, Ask(quantity=Decimal("0.1")), now=NOW))


def test_without_a_mark_or_where_it_is_not_to_be_trusted_a_price_is_needed():
    held = slice_of("0.5")
    for unpriced in (exit_of(held, mark=None), exit_of(held, needs_price=True)):
        assert refused(plan_operator_exit(unpriced, Ask(), now=NOW)) == "PRICE_NEEDED"
        plan = planned(plan_operator_exit(unpriced, Ask(price=Decimal("1")), now=NOW))
        assert not plan.is_estimated


def test_a_residue_below_one_step_closes_as_dust():
    dusty = exit_of(slice_of("0.5"), amount_step=Decimal("0.01"))
    plan = planned(plan_operator_exit(dusty, Ask(quantity=Decimal("0.495")), now=NOW))
    (change,) = plan.changes
    assert [row.source for row in change.history] == ["OPERATOR", "DUST"]
    assert change.trade is not None
    assert change.trade.status == "CLOSED"
    assert plan.covers


def test_a_slice_that_holds_nothing_any_more_is_in_conflict():
    closed = slice_of("0.5", exited="0.5", status=TradeStatus.CLOSED)
    assert refused(plan_operator_exit(exit_of(closed), Ask(), now=NOW)) == "CONFLICT"


def test_a_release_opens_the_slice_and_books_nothing():
    (change,) = plan_release(slice_of("0.5", status=TradeStatus.QUARANTINED)).changes
    assert change.trade is not None
    assert (change.trade.status, change.history) == ("OPEN", ())
    assert plan_release(slice_of("0.5")).changes == ()


def test_what_was_told_of_before_is_linked_and_only_the_rest_is_booked():
    held = slice_of("0.5", exited="0.2")
    asked = question(sale("0.5"), told={held.id: (told_row(held.id, "0.2"),)})
    plan = planned(plan_shares(asked, [Share(trade=held, quantity=None)], Ask()))
    (change,) = plan.changes
    assert [row.quantity for row in change.history] == [Decimal("0.3")]
    assert total(part.quantity for part in change.allocations) == Decimal("0.5")
    assert plan.set_aside == ()


def test_less_than_a_step_beyond_what_is_open_goes_with_the_rest():
    asked = question(sale("0.505"), amount_step=Decimal("0.01"))
    plan = planned(plan_shares(asked, [Share(trade=slice_of("0.5"), quantity=None)], Ask()))
    assert plan.set_aside == ()
    assert [part.quantity for part in plan.changes[0].allocations] == [Decimal("0.505")]


@pytest.mark.parametrize(
    ("asked", "held", "quantity", "code"),
    [
        (question(sale("0.5"), is_foreign=True), slice_of("0.5"), None, "FOREIGN"),
        (question(sale("0.5"), owner_id=99), slice_of("0.5"), None, "FOREIGN"),
        (question(sale("0.5")), slice_of("0.4"), None, "QUANTITY_OUT_OF_RANGE"),
        (question(sale("0.5")), slice_of("0.5"), "0", "QUANTITY_OUT_OF_RANGE"),
        (question(sale("0.5")), slice_of("1"), "0.6", "OVER_ALLOCATED"),
        (question(sale("0.5", allocated="0.5")), slice_of("1"), None, "CONFLICT"),
        (question(sale("0.5")), slice_of("1", symbol="ETH/USDT:USDT"), None, "WRONG_SLICE"),
        (
            question(sale("0.5")),
            slice_of("1", exited="1", status=TradeStatus.CLOSED),
            None,
            "WRONG_SLICE",
        ),
    ],
)
def test_a_fill_is_refused_where_it_does_not_fit(
    asked: FillQuestion, held: TradeState, quantity: str | None, code: str
):
    amount = None if quantity is None else Decimal(quantity)
    assert refused(plan_shares(asked, [Share(trade=held, quantity=amount)], Ask())) == code


def test_marking_as_external_touches_no_slice():
    plan = plan_set_aside(question(sale("0.5", allocated="0.2"), sale("1", number=2)))
    assert (plan.changes, plan.set_aside) == ((), (1, 2))


@given(
    fills=st.lists(TENTHS, min_size=1, max_size=3),
    slices=st.lists(st.tuples(TENTHS, TENTHS, st.integers(1, 2)), min_size=1, max_size=4),
)
def test_shares_never_take_more_than_the_fills_nor_than_a_slice_has_open(
    fills: list[Decimal], slices: list[tuple[Decimal, Decimal, int]]
):
    asked = question(*(sale(amount, number=at) for at, amount in enumerate(fills, start=1)))
    shares = [
        Share(trade=slice_of(held, id=at, trade_id=f"T{at}", profile_id=profile), quantity=wanted)
        for at, (held, wanted, profile) in enumerate(slices, start=1)
    ]
    plan = plan_shares(asked, shares, Ask(shares={s.trade.id: s.quantity or ZERO for s in shares}))
    if isinstance(plan, Refusal):
        too_much = total(wanted for _, wanted, _ in slices) > total(fills)
        assert plan.code == ("OVER_ALLOCATED" if too_much else "QUANTITY_OUT_OF_RANGE")
        return
    taken: dict[int, Decimal] = {}
    written: dict[tuple[int, int], Decimal] = {}
    for change in plan.changes:
        assert change.trade is not None
        assert change.trade.open_quantity >= 0
        for part in change.allocations:
            # What is written for a profile relies on what was written for those before it.
            key = (change.profile_id, part.fill_id)
            written.setdefault(key, taken.get(part.fill_id, ZERO))
            assert change.premises.fills[part.fill_id] == written[key]
            taken[part.fill_id] = taken.get(part.fill_id, ZERO) + part.quantity
    assert all(taken[key] <= fills[key - 1] for key in taken)
    assert total(taken.values()) == total(wanted for _, wanted, _ in slices)
    left = {at for at, amount in enumerate(fills, start=1) if taken.get(at, ZERO) < amount}
    assert set(plan.set_aside) == left
    keys = [row.key for change in plan.changes for row in change.history]
    assert len(keys) == len(set(keys))


@given(before=TENTHS, held=TENTHS, wanted=TENTHS)
def test_a_reversal_restores_what_was_there_exactly(
    before: Decimal, held: Decimal, wanted: Decimal
):
    start = slice_of(before + held, exited=str(before), average_exit_price=Decimal("59000"))
    asked = question(sale(wanted))
    plan = plan_shares(asked, [Share(trade=start, quantity=None)], Ask())
    if isinstance(plan, Refusal):
        assert wanted > held
        return
    (change,) = plan.changes
    after = change.trade
    assert after is not None
    rows = [
        ExitRow(
            id=at,
            trade_id=start.id,
            source=row.source,
            quantity=row.quantity,
            price=row.price,
            is_mine=True,
        )
        for at, row in enumerate(change.history, start=10)
    ]
    earlier = ExitRow(
        id=1,
        trade_id=start.id,
        source=HistorySource.BOT,
        quantity=before,
        price=Decimal("59000"),
        is_mine=False,
    )
    (part,) = change.allocations
    back = planned(
        plan_reversal(
            ReversalQuestion(
                trades=(after,),
                exits=(earlier, *rows),
                consumed=(
                    Consumed(
                        fill_id=1, history_id=10, quantity=part.quantity, allocated=part.quantity
                    ),
                ),
                set_aside=(),
            ),
            now=NOW,
        )
    )
    (undone,) = back.changes
    assert undone.trade == replace(
        start, reversals=1, version=after.version, status=TradeStatus.OPEN, closed_at=None
    )
    assert [(p.quantity, p.released) for p in undone.allocations] == [(part.quantity, True)]
    # A later booking of the same fill finds a key of its own.
    again = planned(plan_shares(asked, [Share(trade=undone.trade, quantity=None)], Ask()))
    assert {row.key for row in again.changes[0].history}.isdisjoint(
        row.key for row in change.history
    )


def test_what_wrote_nothing_or_was_overtaken_cannot_be_reversed():
    nothing = ReversalQuestion(trades=(), exits=(), consumed=(), set_aside=())
    assert refused(plan_reversal(nothing, now=NOW)) == "NOT_REVERSIBLE"
    mine = ExitRow(
        id=1,
        trade_id=1,
        source=HistorySource.OPERATOR,
        quantity=Decimal("0.5"),
        price=None,
        is_mine=True,
    )
    moved = slice_of("0.5", id=1, exited="0.2")
    overtaken = ReversalQuestion(trades=(moved,), exits=(mine,), consumed=(), set_aside=())
    assert refused(plan_reversal(overtaken, now=NOW)) == "NOT_REVERSIBLE"
