"""A delivery speaks of the profiles in its scope alone, whichever way it names another's."""

from typing import Any

import pytest

from reconciliation.domain.keys import client_order_id
from reconciliation.enums import OrderStatus, Purpose
from reconciliation.handlers.deliveries import DeliveryReport
from reconciliation.models import AuditEvent, Order, Position, Trade, TradeHistory
from tests import builders
from tests.builders import SYMBOL, make_profile, make_trade
from tests.handlers.worlds import (
    deliver_rows,
    history_row,
    order_row,
    outcomes,
    position_row,
    refusal,
    the_order,
    the_trade,
    trade_row,
)

pytestmark = pytest.mark.django_db
THEIRS = "another profile, outside the scope of this delivery"


@pytest.fixture(autouse=True)
def _beta() -> None:
    """Let beta, on the same account, have a trade B1 with an order and a history row."""
    make_profile(), make_profile("beta")
    taken = deliver_rows(
        trade_row("B1", profile="beta", sub_tag="beta01"),
        order_row(
            "theirs", profile="beta", trade_id="B1", exchange_order_id="2001", sub_tag="beta01"
        ),
        history_row("b1", "0.2", trade_id="B1", order_ref="theirs"),
        trade_row("A1"),
    )
    assert set(outcomes(taken)) == {"accepted"}


def state_of_beta() -> list[Any]:
    """Return everything that is kept of beta."""
    kept = {"profile__name": "beta"}
    return [
        *Trade.objects.filter(**kept).values(),
        *Order.objects.filter(**kept).values(),
        *Position.objects.filter(**kept).values(),
        *TradeHistory.objects.filter(trade__profile__name="beta").values(),
    ]


def as_alpha(*rows: Any) -> DeliveryReport:
    """Deliver rows with a scope of alpha alone; nothing of beta may change."""
    before = state_of_beta()
    report: DeliveryReport = deliver_rows(*rows, scope={"alpha"})
    assert state_of_beta() == before
    return report


def refused(row: Any) -> str:
    """Return why a row is refused as foreign; one of alpha's own beside it is taken."""
    report = as_alpha(row, trade_row("A9"))
    reason = refusal(report)
    assert outcomes(report).count("accepted") == 1
    event = AuditEvent.objects.get(outcome="denied")
    assert event.action.endswith(".delivered")
    assert event.account_name == "main"
    return reason


@pytest.mark.parametrize(
    "row",
    [
        trade_row("B2", profile="beta", sub_tag=None),
        order_row("new", profile="beta", trade_id=None),
        position_row(profile="beta"),
        trade_row("B2", profile="nobody", sub_tag=None),
    ],
    ids=["trade", "order", "position", "of nobody"],
)
def test_a_row_of_another_profile_is_refused_and_none_but_ones_own_is_named(row: Any):
    assert refused(row) == f"profile: {row.profile!r} is outside the scope of this delivery (alpha)"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (trade_row("B1"), "trade_id"),
        (order_row("new", trade_id="B1"), "trade_id"),
        (history_row("new", trade_id="B1"), "trade_id"),
        (history_row("b1", "0.2", trade_id="B1"), "trade_id"),
        (history_row("new", trade_id="A1", order_ref="theirs"), "order_ref"),
        (history_row("new", trade_id="A1", order_ref="2001"), "order_ref"),
        (order_row("theirs", trade_id="A1"), "client_order_id"),
        (order_row("new", trade_id="A1", exchange_order_id="2001"), "exchange_order_id"),
        (order_row(None, trade_id=None, exchange_order_id="2001"), "exchange_order_id"),
        (order_row("theirs", trade_id=None, status=OrderStatus.CANCELED), "client_order_id"),
        (order_row("new", trade_id="A1", sub_tag="beta01"), "sub_tag"),
        (trade_row("A2", sub_tag="beta01"), "sub_tag"),
    ],
    ids=[
        "trade",
        "order of their trade",
        "history of their trade",
        "their own history row",
        "history of their order",
        "history of their exchange id",
        "order by client id",
        "order by exchange id",
        "order by exchange id alone",
        "their order canceled",
        "order with their tag",
        "trade with their tag",
    ],
)
def test_an_id_of_another_profile_is_refused_in_each_field_that_may_name_it(row: Any, field: str):
    reason = refused(row)
    assert reason.startswith(f"{field}: ")
    assert reason.endswith(THEIRS)
    assert "beta" not in reason.replace("'beta01'", "")


def test_a_client_order_id_that_names_another_profile_is_not_taken_before_it_is_theirs():
    named = client_order_id(sub_tag="beta01", trade_id="B7", purpose=Purpose.ENTRY)
    assert refused(order_row(named, trade_id=None)).startswith("client_order_id: ")
    own = client_order_id(sub_tag="alpha01", trade_id="A1", purpose=Purpose.ENTRY)
    assert outcomes(as_alpha(order_row(own, trade_id="A1"))) == ["accepted"]


def test_the_leg_of_another_profiles_order_is_no_new_order():
    builders.make_leg(the_order("theirs"), exchange_order_id="2002", kind="CHILD")
    row = order_row("new", trade_id="A1", exchange_order_id="2002")
    assert refused(row) == f"exchange_order_id: '2002' is of {THEIRS}"


FOREIGN_FILLS: dict[str, dict[str, Any]] = {
    "their order": {"exchange_order_id": "2001"},
    "their client id": {"client_order_id": "theirs", "exchange_order_id": "9"},
    "their tag": {"sub_tag": "beta01", "exchange_order_id": None},
    "their name": {
        "client_order_id": client_order_id(sub_tag="beta01", trade_id="B7", purpose=Purpose.ENTRY),
        "exchange_order_id": None,
    },
}


@pytest.mark.parametrize("evidence", FOREIGN_FILLS.values(), ids=FOREIGN_FILLS)
def test_a_fill_of_another_profile_is_refused_without_saying_whose_it_is(evidence):
    values = {"client_order_id": None, "sub_tag": None, **evidence}
    builders.make_fill(symbol=SYMBOL, exchange_fill_id="f1", quantity="0.5", **values)
    reason = refused(history_row("new", trade_id="A1", exchange_fill_id="f1"))
    assert reason == f"exchange_fill_id: fill 'f1' is of {THEIRS}"


def test_a_fill_whose_evidence_contradicts_itself_is_refused_without_a_name():
    mine = client_order_id(sub_tag="alpha01", trade_id="A1", purpose=Purpose.ENTRY)
    values = {"client_order_id": mine, "exchange_order_id": None, "sub_tag": "beta01"}
    builders.make_fill(symbol=SYMBOL, exchange_fill_id="f1", quantity="0.5", **values)
    reason = refused(history_row("new", trade_id="A1", exchange_fill_id="f1"))
    assert reason.startswith("exchange_fill_id: ")
    assert "beta" not in reason


@pytest.mark.parametrize("quantity", ["0.5", "0.2"], ids=["all of it", "a part of it"])
def test_a_fill_that_is_booked_to_another_profile_is_not_taken_from_it(quantity: str):
    theirs = make_trade(make_profile("beta"), trade_id="B5", entry_quantity=quantity)
    bare = {"client_order_id": None, "exchange_order_id": None, "sub_tag": None}
    fill = builders.make_fill(
        symbol=SYMBOL, exchange_fill_id="f1", quantity="0.5", allocated_quantity=quantity, **bare
    )
    row = builders.make_history(theirs, quantity=quantity, exchange_fill_id="f1")
    builders.make_allocation(fill, row, quantity=quantity)
    reason = refused(history_row("new", trade_id="A1", exchange_fill_id="f1"))
    assert reason == f"exchange_fill_id: fill 'f1' is of {THEIRS}"
    assert the_trade("A1").entry_quantity == 0


def test_nothing_is_refused_for_its_scope_where_the_scope_is_the_whole_account():
    rows = (
        order_row("o1", trade_id="A1", exchange_order_id="3001"),
        history_row("a1", trade_id="A1", order_ref="o1"),
        history_row("b2", "0.1", trade_id="B1", order_ref="theirs"),
        position_row("0.3", profile="beta"),
    )
    report = deliver_rows(*rows, scope={"alpha", "beta"})
    assert report.refused == ()
    stranger = deliver_rows(trade_row("A2", profile="nobody"), scope={"alpha", "beta"})
    assert "(alpha, beta)" in refusal(stranger)
    assert not AuditEvent.objects.filter(outcome="denied").exists()


def test_each_answer_says_where_its_row_stood():
    report = as_alpha(
        trade_row("A1"),
        trade_row("B1"),
        trade_row("A1\x00"),
        history_row("late", "0.1", trade_id="A1"),
        history_row("early", "0.1", trade_id="A1", executed_at=builders.NOW.replace(hour=1)),
    )
    places = {(row.kind, row.index): row.ref for row in report.rows}
    assert places == {
        ("trade", 0): "A1",
        ("trade", 1): "B1",
        ("trade", 2): "A1\x00",
        ("history", 0): "late",
        ("history", 1): "early",
    }
