"""The decision table, one case a row: which row holds, and what the plan then does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from reconciliation.domain.books import Books
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.types import AccountSnapshot, LookUp
from reconciliation.domain.unowned import OrderKey, diff_unowned
from reconciliation.enums import MismatchKind, OrderClass, OrderStatus, TradeStatus
from tests.domain.builders import (
    GRACE,
    NOT_FOUND,
    NOT_READ,
    NOW,
    SYMBOL,
    applied,
    books,
    decide,
    ended,
    entry_id,
    exit_order,
    fill,
    judge,
    order,
    plan,
    shown,
    snapshot,
    trade,
    writes,
)

OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED
PARTIALLY = OrderStatus.PARTIALLY_FILLED


@dataclass(frozen=True, kw_only=True)
class Case:
    """Both sides of order 1 of trade 1, and what must be true of them after one cycle.

    `open_quantity` is the trade's; `repaired` is None where no mismatch is reported at all.
    """

    world: Books
    seen: AccountSnapshot = field(default_factory=snapshot)
    look_ups: Mapping[int, LookUp] = field(default_factory=dict)
    status: OrderStatus
    open_quantity: str = "0"
    trade_status: TradeStatus = TradeStatus.PENDING
    repaired: bool | None = None


@dataclass(frozen=True, kw_only=True)
class UnknownCase:
    """What no book knows of, and whose it becomes: the profile's, or nobody's."""

    world: Books
    seen: AccountSnapshot = field(default_factory=snapshot)
    unknown: Mapping[OrderKey, LookUp] = field(default_factory=dict)
    adopted_as: OrderStatus | None = None
    open_quantity: str = "0"


STRANGE = {"exchange_order_id": "77", "client_order_id": None, "sub_tag": None}
ENTRY = {"exchange_order_id": "77", "client_order_id": entry_id("T1")}
CASES: dict[OrderRule, Case] = {
    OrderRule.OPEN_NOTHING_NEW: Case(
        world=books(trade(), order()), seen=snapshot(shown()), status=OPEN
    ),
    OrderRule.OPEN_UNBOOKED_FILLS: Case(
        world=books(trade(), order(), fill(1, "0.2")),
        seen=snapshot(shown(filled_quantity="0.2", status=PARTIALLY)),
        status=PARTIALLY,
        open_quantity="0.2",
        trade_status=TradeStatus.OPEN,
        repaired=True,
    ),
    OrderRule.OPEN_OTHER_TERMS: Case(
        world=books(trade(), order(price="60000")),
        seen=snapshot(shown(price="59000")),
        status=OPEN,
        repaired=True,
    ),
    OrderRule.FRESH: Case(
        world=books(trade(), order(created_at=NOW - GRACE / 2)),
        look_ups={1: ended(CANCELED)},
        status=OPEN,
    ),
    OrderRule.CLASS_NOT_READ: Case(
        world=books(trade(), order(), fill(1, "0.5")),
        seen=snapshot(unread=[OrderClass.REGULAR]),
        look_ups={1: ended(FILLED, "0.5")},
        status=OPEN,
    ),
    OrderRule.ABSENT_FILLED: Case(
        world=books(trade(), order(), fill(1, "0.2"), fill(2, "0.3")),
        look_ups={1: ended(FILLED, "0.5")},
        status=FILLED,
        open_quantity="0.5",
        trade_status=TradeStatus.OPEN,
        repaired=True,
    ),
    OrderRule.ABSENT_FILLS_MISSING: Case(
        world=books(trade(), order(), fill(1, "0.2")),
        look_ups={1: ended(FILLED, "0.5")},
        status=PARTIALLY,
        open_quantity="0.2",
        trade_status=TradeStatus.OPEN,
        repaired=False,
    ),
    OrderRule.ABSENT_ENDED: Case(
        world=books(trade(), order(), fill(1, "0.2")),
        look_ups={1: ended(CANCELED, "0.2")},
        status=CANCELED,
        open_quantity="0.2",
        trade_status=TradeStatus.OPEN,
        repaired=True,
    ),
    OrderRule.ABSENT_STILL_OPEN: Case(
        world=books(trade(), order()), look_ups={1: ended(OPEN)}, status=OPEN
    ),
    OrderRule.ABSENT_NOT_FOUND: Case(
        world=books(trade(), order()), look_ups={1: NOT_FOUND}, status=OPEN, repaired=False
    ),
    OrderRule.LOOK_UP_FAILED: Case(
        world=books(trade(), order(), fill(1, "0.5")), look_ups={1: NOT_READ}, status=OPEN
    ),
    OrderRule.TERMINAL_UNBOOKED_FILLS: Case(
        world=books(trade(), order(status=CANCELED), fill(1, "0.2")),
        status=CANCELED,
        open_quantity="0.2",
        trade_status=TradeStatus.OPEN,
        repaired=True,
    ),
    OrderRule.TERMINAL_NOTHING_NEW: Case(
        world=books(
            trade(entered="0.5"),
            order(status=FILLED, filled_quantity="0.5"),
            fill(1, "0.5", allocated="0.5"),
        ),
        status=FILLED,
        open_quantity="0.5",
        trade_status=TradeStatus.OPEN,
    ),
    OrderRule.TERMINAL_OPEN: Case(
        world=books(trade(), order(status=CANCELED, end_reason="CANCELED")),
        seen=snapshot(shown()),
        status=OPEN,
        repaired=True,
    ),
}
UNKNOWN_CASES: dict[OrderRule, UnknownCase] = {
    OrderRule.UNKNOWN_OPEN_ATTRIBUTABLE: UnknownCase(
        world=books(trade(), fill(1, "0.2", **ENTRY)),
        seen=snapshot(shown(**ENTRY)),
        adopted_as=PARTIALLY,
        open_quantity="0.2",
    ),
    OrderRule.UNKNOWN_CLOSED_ENTRY: UnknownCase(
        world=books(trade(), fill(1, "0.5", **ENTRY)),
        unknown={(SYMBOL, "77"): ended(FILLED, "0.5", **ENTRY)},
        adopted_as=FILLED,
        open_quantity="0.5",
    ),
    OrderRule.UNKNOWN_OPEN_NOBODYS: UnknownCase(
        world=books(trade(), fill(1, "0.2", **STRANGE)), seen=snapshot(shown(**STRANGE))
    ),
    OrderRule.UNEXPLAINED_FILL: UnknownCase(world=books(trade(), fill(1, "0.2", **STRANGE))),
}
known_row = pytest.mark.parametrize("rule", CASES, ids=lambda rule: rule.name)
unknown_row = pytest.mark.parametrize("rule", UNKNOWN_CASES, ids=lambda rule: rule.name)
every_row = pytest.mark.parametrize("rule", OrderRule, ids=lambda rule: rule.name)


def test_every_row_of_the_table_has_a_case():
    cases = [*CASES, *UNKNOWN_CASES]
    assert [rule.name for rule in cases] == [rule.name for rule in OrderRule]


def test_the_document_shows_the_same_rows_in_the_same_order():
    document = Path(__file__).parents[2] / "docs/decision-table.md"
    lines = [line for line in document.read_text().splitlines() if line.startswith("| [")]
    shown_rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    for cells in shown_rows:
        cells[0] = re.sub(r"\[(\w+)\].*", r"\1", cells[0])
    assert shown_rows == [
        [
            rule.name,
            rule.row.database,
            rule.row.exchange,
            rule.row.mismatch or "–",
            rule.row.decision,
            rule.row.why,
        ]
        for rule in OrderRule
    ]


@unknown_row
def test_what_no_book_knows_becomes_the_profiles_or_is_shown_as_nobodys(rule: OrderRule):
    case = UNKNOWN_CASES[rule]

    (finding,) = diff_unowned(case.world, case.seen, case.unknown, grace=GRACE)
    decided = decide(case.world, case.seen, unknown=case.unknown)
    after = applied(case.world, decided.changes)

    assert finding.rule is rule
    kinds = [each.kind for change in decided.changes for each in change.mismatches]
    kinds += [each.kind for each in decided.nobodys_mismatches]
    assert kinds == [rule.row.mismatch]
    assert [each.status for each in after.orders.values()] == [
        status for status in [case.adopted_as] if status is not None
    ]
    assert after.trades[1].open_quantity == Decimal(case.open_quantity)
    assert (decided.changes == ()) == (case.adopted_as is None)
    is_external = rule is OrderRule.UNKNOWN_OPEN_NOBODYS
    assert [each.shown.exchange_order_id for each in decided.external_orders] == (
        ["77"] if is_external else []
    )


@unknown_row
def test_a_second_cycle_after_an_adoption_writes_nothing(rule: OrderRule):
    case = UNKNOWN_CASES[rule]
    after = applied(case.world, plan(case.world, case.seen, unknown=case.unknown))

    again = decide(after, case.seen, unknown=case.unknown)
    assert [change for change in again.changes if writes(change)] == []


@known_row
def test_a_row_holds_and_does_what_it_says(rule: OrderRule):
    case = CASES[rule]

    (finding,) = judge(case.world, case.seen, case.look_ups)
    changes = plan(case.world, case.seen, case.look_ups)
    after = applied(case.world, changes)

    assert finding.rule is rule
    assert after.orders[1].status == case.status
    assert after.trades[1].status == case.trade_status
    assert after.trades[1].open_quantity == Decimal(case.open_quantity)
    mismatches = [each for change in changes for each in change.mismatches]
    if rule.row.mismatch is None:
        assert case.repaired is None
        assert changes == ()
    else:
        assert [each.kind for each in mismatches] == [rule.row.mismatch]
        assert [each.resolution is not None for each in mismatches] == [case.repaired]


@known_row
def test_a_second_cycle_on_what_a_row_left_writes_nothing(rule: OrderRule):
    case = CASES[rule]
    after = applied(case.world, plan(case.world, case.seen, case.look_ups))

    assert [change for change in plan(after, case.seen, case.look_ups) if writes(change)] == []


@every_row
def test_a_row_says_why_and_a_row_without_mismatch_decides_nothing(rule: OrderRule):
    row = rule.row
    assert row.why.endswith(".")
    assert row.decision
    silent = row.decision == "none" or row.decision.startswith(("wait", "unknown"))
    assert silent == (row.mismatch is None)


@pytest.mark.parametrize(
    ("end", "shown_filled"),
    [(FILLED, None), (FILLED, "0.5"), (CANCELED, None), (CANCELED, "0.5")],
)
def test_an_end_whose_fills_were_not_read_is_half_an_answer(end, shown_filled):
    world = books(trade(), order(), fill(1, "0.5"))
    (finding,) = judge(world, snapshot(), {1: ended(end, shown_filled, fills=NOT_READ)})
    assert finding.rule is OrderRule.LOOK_UP_FAILED


def test_an_end_that_does_not_say_how_much_was_filled_is_half_an_answer():
    (finding,) = judge(books(trade(), order()), snapshot(), {1: ended(CANCELED, None)})
    assert finding.rule is OrderRule.LOOK_UP_FAILED


@pytest.mark.parametrize("end", [CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED])
def test_every_kind_of_end_without_fills_ends_the_order_as_it_says(end):
    after = applied(w := books(trade(), order()), plan(w, snapshot(), {1: ended(end)}))
    assert after.orders[1].status == end


def test_an_order_that_nobody_asked_about_is_unknown():
    (finding,) = judge(books(trade(), order()), snapshot(), {})
    assert finding.rule is OrderRule.LOOK_UP_FAILED


def test_an_order_that_is_listed_needs_no_look_up():
    world = books(trade(), order())
    (finding,) = judge(world, snapshot(shown()), {1: ended(CANCELED)})
    assert finding.rule is OrderRule.OPEN_NOTHING_NEW


def test_closed_may_mean_canceled_with_fills_that_stay():
    # The status word says canceled; the fills say what happened before.
    world = books(trade(), order(), fill(1, "0.5"))
    after = applied(world, plan(world, snapshot(), {1: ended(CANCELED, "0.5")}))
    assert after.orders[1].status == FILLED
    assert after.trades[1].open_quantity == Decimal("0.5")


def test_an_order_ended_with_late_fills_stays_active_until_they_add_up():
    world = books(trade(), order(), fill(1, "0.2"))
    late = {1: ended(CANCELED, "0.3")}
    after = applied(world, plan(world, snapshot(), late))
    assert after.orders[1].status == PARTIALLY
    complete = books(*after.trades.values(), *after.orders.values(), *after.fills, fill(2, "0.1"))
    done = applied(complete, plan(complete, snapshot(), late))
    assert done.orders[1].status == CANCELED
    assert done.trades[1].entry_quantity == Decimal("0.3")


def test_an_order_that_was_enlarged_at_the_exchange_is_not_filled_before_its_fills_add_up():
    world = books(trade(), order(quantity="0.5"), fill(1, "0.5"))
    filled = {1: ended(FILLED, "1", quantity="1")}
    after = applied(world, plan(world, snapshot(), filled))
    assert after.orders[1].status == PARTIALLY


def test_terms_that_differ_are_taken_with_the_fills_in_one_cycle():
    world = books(trade(), order(quantity="0.5"), fill(1, "0.5"))
    seen = snapshot(shown(quantity="1", status=PARTIALLY, filled_quantity="0.5"))
    after = applied(world, plan(world, seen))
    assert after.orders[1].quantity == Decimal(1)
    assert after.orders[1].status == PARTIALLY
    assert after.trades[1].open_quantity == Decimal("0.5")


def test_a_pending_order_that_is_open_at_the_exchange_is_open():
    pending = order(status=OrderStatus.PENDING, exchange_order_id=None)
    world = books(trade(), pending)
    after = applied(world, plan(world, snapshot(shown(pending, exchange_order_id="77"))))
    assert after.orders[1].status == OPEN
    assert after.orders[1].exchange_order_id == "77"


def test_how_much_the_exchange_says_is_filled_is_no_term_only_fills_are():
    seen = snapshot(shown(filled_quantity="0.4", status=PARTIALLY))
    (finding,) = judge(books(trade(), order()), seen)
    assert finding.rule is OrderRule.OPEN_NOTHING_NEW


def test_what_the_exchange_does_not_say_is_no_difference():
    seen = snapshot(shown(price=None, quantity=None))
    (finding,) = judge(books(trade(), order()), seen)
    assert finding.rule is OrderRule.OPEN_NOTHING_NEW


def test_a_reopened_order_books_its_fills_and_forgets_why_it_ended():
    world = books(
        trade(status=TradeStatus.CANCELED),
        order(status=CANCELED, end_reason="UNKNOWN_TO_EXCHANGE"),
        fill(1, "0.2"),
    )
    after = applied(world, plan(world, snapshot(shown(status=PARTIALLY))))
    assert (after.orders[1].status, after.orders[1].end_reason) == (PARTIALLY, "")
    assert after.trades[1].status == TradeStatus.OPEN


def test_both_orders_of_a_trade_become_one_change_entries_first():
    world = books(
        trade(),
        exit_order(2),
        order(3),
        fill(1, "0.5", of=exit_order(2)),
        fill(2, "0.5", of=order(3)),
    )
    done = {2: ended(FILLED, "0.5", of=exit_order(2)), 3: ended(FILLED, "0.5", of=order(3))}
    (change,) = plan(world, snapshot(), done)
    assert [draft.kind for draft in change.history] == ["ENTRY", "EXIT"]
    assert change.trade is not None
    assert change.trade.status == TradeStatus.CLOSED
    assert set(change.premises.orders) == {2, 3}
    assert change.premises.trades == {1: 1}


def test_the_drift_of_fills_is_signed_exchange_less_database():
    sells = exit_order(2)
    world = books(trade(entered="1"), order(1), sells, fill(1, "0.2"), fill(2, "0.3", of=sells))
    seen = snapshot(shown(order(1)), shown(sells))
    (change,) = plan(world, seen)
    assert {each.order_id: each.drift for each in change.mismatches} == {
        1: Decimal("0.2"),
        2: Decimal("-0.3"),
    }
    assert {each.kind for each in change.mismatches} == {MismatchKind.QUANTITY_MISMATCH}
