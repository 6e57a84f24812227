"""A delivered row and the fills it reports are one event, whichever of the two comes first."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reconciliation.domain.books import Books, ProfileState
from reconciliation.domain.linking import link_delivered_rows
from reconciliation.enums import Direction, HistoryKind, HistorySource, Side
from tests.domain.builders import (
    SPOT,
    ago,
    allocated_by,
    applied,
    books,
    entry_id,
    exit_order,
    fill,
    order,
    plan,
    row,
    trade,
    writes,
)

OPEN = trade(entered="0.5")
EXIT = {"kind": HistoryKind.EXIT}


def links(world: Books) -> list[tuple[int, int | None, str]]:
    """Return each link as fill, row and gross quantity."""
    made = link_delivered_rows(world).links
    return [(part.fill_id, part.history_id, str(part.quantity)) for t in made for part in made[t]]


def test_a_row_that_names_a_fill_is_that_fills():
    world = books(OPEN, order(), fill(1), fill(2), row(7, exchange_fill_id="9002"))
    assert links(world) == [(2, 7, "0.5")]


def test_a_row_that_names_a_fill_finds_it_without_any_order():
    orphan = fill(1, exchange_order_id=None, client_order_id=None)
    assert links(books(OPEN, orphan, row(7, exchange_fill_id="9001"))) == [(1, 7, "0.5")]


@pytest.mark.parametrize(
    "differs",
    [{"symbol": "ETH/USDT:USDT"}, {"side": Side.SELL}, {"fill_id": "9009"}],
    ids=["symbol", "side", "id"],
)
def test_a_fill_of_the_same_name_elsewhere_is_another_fill(differs):
    assert links(books(OPEN, order(), fill(1, **differs), row(7, exchange_fill_id="9001"))) == []


def test_a_fill_enters_a_short_by_selling():
    short = trade(entered="0.5", direction=Direction.SHORT)
    sold = fill(1, side=Side.SELL, exchange_order_id=None)
    bought = fill(2, side=Side.BUY, fill_id="9001", exchange_order_id=None)
    assert links(books(short, sold, bought, row(7, exchange_fill_id="9001"))) == [(1, 7, "0.5")]


@pytest.mark.parametrize(
    "owner",
    [{"trade_id": 2}, {"trade_id": None, "profile_id": 2}],
    ids=["another trade", "another profile"],
)
def test_a_row_never_claims_the_fill_of_an_order_that_is_anothers(owner):
    theirs = order(2, **owner)
    world = books(
        OPEN, trade(2, profile_id=2), theirs, fill(1, of=theirs), row(7, exchange_fill_id="9001")
    )
    assert links(world) == []


@pytest.mark.parametrize(
    "evidence",
    [
        {"client_order_id": entry_id("T2")},
        {"client_order_id": entry_id("T9")},
        {"client_order_id": entry_id("B1", sub_tag="beta01")},
        {"sub_tag": "beta01"},
        {"client_order_id": entry_id("T1"), "sub_tag": "beta01"},
    ],
    ids=["another trade", "an unknown trade", "another profile", "another tag", "a conflict"],
)
def test_a_row_never_claims_a_fill_that_proves_to_be_anothers(evidence):
    free = {"exchange_order_id": "77", "client_order_id": None, "sub_tag": None, **evidence}
    world = books(OPEN, trade(2), fill(1, **free), row(7, exchange_fill_id="9001"))
    beta = ProfileState(id=2, name="beta", sub_tag="beta01")
    world = replace(world, profiles={**world.profiles, 2: beta})
    assert links(world) == []
    own = fill(1, **{**free, "client_order_id": entry_id("T1"), "sub_tag": "alpha01"})
    assert links(replace(world, fills=(own,))) == [(1, 7, "0.5")]


def test_a_nameless_row_that_names_its_order_covers_nothing_where_that_is_another_trades():
    theirs = order(2, trade_id=2)
    world = books(OPEN, trade(2), theirs, fill(1, of=theirs), row(7, order_id=2))
    assert links(world) == []


def test_a_nameless_row_covers_the_fills_of_its_order_oldest_first():
    world = books(
        OPEN,
        order(),
        fill(1, "0.3", executed_at=ago(minutes=10)),
        fill(2, "0.2", executed_at=ago(minutes=20)),
        row(7, "0.5", order_id=1),
    )
    assert links(world) == [(2, 7, "0.2"), (1, 7, "0.3")]


def test_a_nameless_row_covers_no_fill_of_another_order():
    world = books(OPEN, order(1), order(2), fill(1, of=order(2)), row(7, order_id=1))
    assert links(world) == []


def test_a_nameless_row_without_an_order_covers_the_fills_of_its_trade():
    world = books(OPEN, order(1), order(2), fill(1, "0.5", of=order(2)), row(7, "0.5"))
    assert links(world) == [(1, 7, "0.5")]


def test_a_nameless_row_of_a_trade_covers_nothing_of_another_trade():
    other = order(2, trade_id=2)
    assert links(books(OPEN, trade(2), other, fill(1, of=other), row(7))) == []


def test_a_nameless_entry_covers_no_exit():
    world = books(OPEN, exit_order(), fill(1, of=exit_order()), row(7))
    assert links(world) == []
    assert links(books(OPEN, exit_order(), fill(1, of=exit_order()), row(7, **EXIT)))


def test_a_fill_of_no_known_order_is_covered_by_no_nameless_row():
    assert links(books(OPEN, fill(1, exchange_order_id="77", client_order_id=None), row(7))) == []


def test_a_row_covers_fills_up_to_its_quantity_and_the_excess_is_left():
    world = books(OPEN, order(), fill(1, "0.8"), row(7, "0.5", order_id=1))
    assert links(world) == [(1, 7, "0.5")]
    (kept,) = link_delivered_rows(world).books.fills
    assert kept.remaining == Decimal("0.3")


def test_a_row_of_which_a_part_is_covered_already_covers_the_rest():
    world = books(OPEN, order(), fill(1, "0.8"), row(7, "0.5", order_id=1, covered="0.4"))
    assert links(world) == [(1, 7, "0.1")]


def test_a_row_that_repeats_what_the_portal_booked_covers_nothing():
    world = books(OPEN, order(), fill(1), row(7, "0.5", booked="0", order_id=1))
    assert links(world) == []


def test_a_row_of_which_the_portal_booked_a_part_covers_only_its_excess():
    world = books(OPEN, order(), fill(1, "0.5"), row(7, "0.5", booked="0.2", order_id=1))
    assert links(world) == [(1, 7, "0.2")]


def test_several_rows_share_one_fill_in_the_order_of_their_ids():
    world = books(OPEN, order(), fill(1, "0.5"), row(8, "0.3"), row(7, "0.4"))
    assert links(world) == [(1, 7, "0.4"), (1, 8, "0.1")]


def test_the_row_that_names_the_fill_comes_before_one_that_may_mean_it():
    world = books(
        OPEN, order(), fill(1), row(7, "0.5", order_id=1), row(8, "0.5", exchange_fill_id="9001")
    )
    assert links(world) == [(1, 8, "0.5")]


def test_a_row_that_names_a_fill_covers_no_other():
    world = books(OPEN, order(), fill(1), row(7, "0.5", exchange_fill_id="9009", order_id=1))
    assert links(world) == []


def test_a_fill_that_is_booked_is_not_linked_again():
    assert links(books(OPEN, order(), fill(1, allocated="0.5"), row(7))) == []


def test_a_reversal_covers_nothing():
    world = books(OPEN, order(), fill(1), row(7, kind=HistoryKind.REVERSAL))
    assert links(world) == []


def test_only_rows_of_the_bot_cover_what_they_do_not_name():
    world = books(OPEN, order(), fill(1), row(7, source=HistorySource.SYNTHETIC))
    assert links(world) == []


def test_links_are_written_with_the_fills_premises_and_an_event():
    world = books(OPEN, order(), fill(1, "0.8", allocated="0.1"), row(7, "0.5"))
    changes = plan(world)
    (change,) = changes
    assert change.premises.fills == {1: Decimal("0.1")}
    assert change.premises.trades == {1: 1}
    assert "trade.fills_linked" in [event.action for event in change.events]
    assert allocated_by(changes) == {1: Decimal("0.5")}


def test_the_second_cycle_after_a_link_writes_nothing():
    world = books(OPEN, order(), fill(1, "0.3"), row(7, "0.5"))
    after = applied(world, plan(world))
    assert [change for change in plan(after) if writes(change)] == []
    assert after.trades[1].entry_quantity == Decimal("0.5")


# A spot purchase of 0.5 whose fee of 0.001 was taken from what was bought.
SPOT_TRADE = trade(entered="0.499", symbol=SPOT)
SPOT_ORDER = order(symbol=SPOT)
SPOT_FILL = fill(1, "0.5", of=SPOT_ORDER, fee="0.001", fee_currency="BTC")


def test_a_net_row_covers_the_whole_of_a_fill_whose_fee_was_taken_from_it():
    world = books(SPOT_TRADE, SPOT_ORDER, SPOT_FILL, row(7, "0.499"))
    assert links(world) == [(1, 7, "0.5")]


def test_a_part_of_a_net_fill_is_a_part_of_its_gross_quantity():
    world = books(SPOT_TRADE, SPOT_ORDER, SPOT_FILL, row(7, "0.2495"))
    assert links(world) == [(1, 7, "0.25")]


def test_a_fee_in_the_quote_currency_takes_nothing_from_what_was_bought():
    paid = fill(1, "0.5", of=SPOT_ORDER, fee="30", fee_currency="USDT")
    assert links(books(SPOT_TRADE, SPOT_ORDER, paid, row(7, "0.5"))) == [(1, 7, "0.5")]


@pytest.mark.parametrize("delivered", ["0.1", "0.123456789012345678", "0.333333333333333333"])
def test_rounding_leaves_no_crumb_for_the_second_cycle(delivered):
    odd = fill(1, "0.7", of=SPOT_ORDER, fee="0.0013", fee_currency="BTC")
    world = books(
        trade(entered=delivered, symbol=SPOT),
        SPOT_ORDER,
        odd,
        row(7, delivered, exchange_fill_id="9001"),
    )
    after = applied(world, plan(world))
    assert links(after) == []
