"""A snapshot says what was read of an account, and names what was not."""

import pytest

from reconciliation.domain.types import AccountSnapshot, OpenOrders, Unread
from reconciliation.enums import Coverage, InstrumentType, OrderClass
from tests.domain.builders import NOW, SPOT, fill, shown

READ = OpenOrders(order_class=OrderClass.REGULAR, orders=(), as_of=NOW)
FAILED = Unread(reason="http 500")


def taken(*, orders=READ, fills=None, positions=None) -> AccountSnapshot:
    return AccountSnapshot(
        as_of=NOW,
        open_orders={OrderClass.REGULAR: orders},
        fills={InstrumentType.SWAP: fills},
        positions=positions,
    )


@pytest.mark.parametrize(
    ("snapshot", "coverage"),
    [
        (taken(), Coverage.COMPLETE),
        (taken(orders=FAILED), Coverage.PARTIAL),
        (taken(fills=FAILED), Coverage.PARTIAL),
        (taken(orders=FAILED, fills=FAILED), Coverage.NONE),
        (taken(positions=()), Coverage.COMPLETE),
        (taken(positions=FAILED), Coverage.PARTIAL),
        (taken(orders=FAILED, fills=FAILED, positions=()), Coverage.PARTIAL),
        (taken(orders=FAILED, fills=FAILED, positions=FAILED), Coverage.NONE),
    ],
)
def test_coverage_is_complete_only_when_every_part_that_was_asked_for_was_read(snapshot, coverage):
    assert snapshot.coverage == coverage


def test_a_part_that_was_read_and_is_empty_is_no_unread_one():
    assert taken(positions=()).unread_parts() == {}


def test_every_unread_part_is_named_with_its_reason():
    failed = taken(orders=FAILED, fills=Unread(reason="timeout"), positions=FAILED)
    assert failed.unread_parts() == {
        "open_orders.regular": "http 500",
        "fills.swap": "timeout",
        "positions": "http 500",
    }


def test_two_fills_of_one_id_are_told_apart_by_symbol_and_side():
    keys = {fill().fill.key, fill(symbol=SPOT).fill.key, fill(side="sell").fill.key}
    assert len(keys) == 3


def test_what_an_exchange_answered_is_not_shown_in_a_message():
    # The raw answer is evidence and may be long; a repr ends up in logs.
    assert "secret" not in repr(shown(raw="secret"))
