"""The page of everything that waits, and the lists of the queues, which start with what waits."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reconciliation.admin import deciding_types
from reconciliation.enums import MismatchKind, Role
from reconciliation.models import BackfillCandidate, ExternalOrder, Mismatch, ReviewItem
from reconciliation.selectors import queues
from tests.admin.pages import Console, Page, list_address, object_address
from tests.admin.people import client_of
from tests.builders import (
    NOW,
    SYMBOL,
    FixedClock,
    make_external_order,
    make_fill,
    make_mismatch,
    make_profile,
    make_review,
    make_sighting,
)
from tests.handlers.decision_worlds import held, waiting_fill, waiting_slice

pytestmark = pytest.mark.django_db

QUEUES = reverse("admin:queues")


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)


def of_nobody(kind: MismatchKind, key: str, **values: object) -> Mismatch:
    row: Mismatch = make_mismatch(kind=kind, key=key, **values)
    make_sighting(row, notional_usd="10")
    return row


def rows(page: Page) -> list[list[str]]:
    return page.section("What waits").rows[1:]


def test_all_six_queues_are_on_one_page_each_row_with_its_reason(console: Console):
    waiting_slice()
    waiting_fill(reasons=["WEAK_ATTRIBUTION"])
    make_external_order()
    of_nobody(MismatchKind.UNATTRIBUTED_FILL, f"fill:{make_fill().pk}")
    of_nobody(MismatchKind.ORPHAN_POSITION, f"parity:{SYMBOL}:net:ORPHAN_POSITION:1", drift="0.3")
    of_nobody(MismatchKind.POSITION_MISMATCH, f"parity:{SYMBOL}:net", drift="-0.6")
    found = rows(console.open(QUEUES))
    assert {row[3] for row in found} == {
        "Quarantined slices",
        "Missed exits",
        "Orders of nobody",
        "Fills of nobody",
        "Positions of nobody",
        "Shared shortfalls",
    }
    assert {row[4] for row in found} == {
        "UNATTRIBUTED",
        "WEAK_ATTRIBUTION",
        "EXTERNAL_ORDER",
        "UNATTRIBUTED_FILL",
        "ORPHAN_POSITION",
        "POSITION_MISMATCH",
    }


def test_overdue_stands_first_then_the_worst_then_the_oldest(console: Console):
    late = make_external_order(
        quantity="0.0001", first_seen_at=NOW - timedelta(minutes=61), exchange_order_id="late"
    )
    older = make_external_order(
        quantity="0.0001", first_seen_at=NOW - timedelta(minutes=20), exchange_order_id="older"
    )
    newer = make_external_order(
        quantity="0.0001", first_seen_at=NOW - timedelta(minutes=10), exchange_order_id="newer"
    )
    dear = make_external_order(price=None, quantity=None, exchange_order_id="dear")
    make_profile(allocated_capital_usd="10000")
    page = console.open(QUEUES)
    found = rows(page)
    assert [row[0] for row in found] == [
        row.exchange_order_id for row in (late, dear, older, newer)
    ]
    assert [row[1] for row in found] == ["LOW", "HIGH", "LOW", "LOW"]
    assert [row[2] for row in found] == ["overdue by 1 min", "in 1 h", "in 40 min", "in 50 min"]
    assert found[1][5] == "unknown"
    assert "4 wait for a person, 1 of them longer than 1 h." in page.main.text


def test_the_page_is_narrowed_by_queue_account_profile_and_symbol(console: Console):
    item = waiting_slice()
    order = make_external_order(symbol="ETH/USDT:USDT")

    def left(**given: object) -> list[str]:
        response = console.get(QUEUES, **given)
        page = Page(response.content.decode())
        return [row[3] for row in rows(page)] if "What waits" in page.titles() else []

    assert left(queue="quarantine") == ["Quarantined slices"]
    assert left(queue="shortfalls") == []
    assert left(symbol="ETH/USDT:USDT") == ["Orders of nobody"]
    assert left(profile=item.profile_id) == ["Quarantined slices"]
    assert sorted(left(account=order.account_id)) == ["Orders of nobody", "Quarantined slices"]
    assert len(left(queue="nonsense", account="x", profile="9" * 30, symbol="\0")) == 2


def test_an_empty_page_says_that_nothing_waits(console: Console):
    assert "Nothing waits for a person here." in console.open(QUEUES).main.text


def test_a_row_leads_to_its_item_with_the_filters_of_its_list(console: Console):
    item = waiting_slice()
    address = console.open(QUEUES).section("What waits").href(f"item {item.pk}")
    assert address.startswith(f"{object_address(item)}?_changelist_filters=status__in")


def test_who_may_not_see_a_queue_does_not_see_its_rows(staff: Callable[..., Console]):
    waiting_slice()
    make_external_order()
    page = staff(ExternalOrder).open(QUEUES)
    assert [row[3] for row in rows(page)] == ["Orders of nobody"]


@pytest.mark.parametrize("role", list(Role))
def test_every_group_sees_what_waits(role: Role):
    waiting_slice()
    page = Page(client_of("someone", role).get(QUEUES).content.decode())
    assert [row[3] for row in rows(page)] == ["Quarantined slices"]


def test_more_rows_take_no_more_statements(console: Console):
    def statements() -> int:
        with CaptureQueriesContext(connection) as found:
            console.open(QUEUES)
        return len(found)

    first = waiting_slice()
    make_external_order()
    before = statements()
    for _ in range(5):
        make_external_order()
        trade = held(status="QUARANTINED")
        make_review(trade, quantity="0.5", first_run=first.first_run)
        waiting_fill(trade)
    assert statements() == before


def test_a_queue_that_is_too_long_is_cut_and_says_so(
    console: Console, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queues, "MOST", 2)
    for _ in range(3):
        make_external_order()
    page = console.open(QUEUES)
    assert len(rows(page)) == 2
    assert "2 at least wait for a person" in page.main.text
    assert "looked at of: Orders of nobody" in page.section("What waits").text


@pytest.mark.parametrize("model", [ReviewItem, BackfillCandidate, ExternalOrder, Mismatch])
def test_a_list_starts_with_what_waits_the_oldest_first_and_leads_to_all(
    console: Console, model: type
):
    first = waiting_slice()
    make_review(held(), status="APPROVED", first_run=first.first_run)
    waiting_fill()
    waiting_fill(status="REJECTED")
    for status in ("PENDING", "IGNORED", "PENDING"):
        make_external_order(status=status)
    make_mismatch(status="RESOLVED", closed_at=NOW)
    page = console.list_of(model)
    status = page.results.rows[0].index("Status")
    waits = {row[status] for row in page.results.rows[1:]}
    assert waits <= {"PENDING", "OPEN"}
    assert waits
    everything = console.open(
        list_address(model) + page.main.href("Show all, also what was answered")
    )
    assert {row[status] for row in everything.results.rows[1:]} - waits
    numbers = [row.pk for row in model._default_manager.all().order_by("pk")]  # type: ignore[attr-defined]
    assert len(everything.results.rows[1:]) == len(numbers)


def test_a_list_says_how_urgent_what_waits_is(console: Console):
    item = waiting_slice()
    page = console.list_of(ReviewItem)
    named = dict(zip(page.results.rows[0], page.results.rows[1], strict=True))
    assert (named["Severity"], named["Waits"], named["Due"]) == ("HIGH", "0 s", "in 1 h")
    assert named["Notional (USD)"] == "30000"
    assert item.quantity


def test_where_all_was_answered_the_list_says_that_nothing_waits(console: Console):
    make_external_order(status="IGNORED")
    assert "Nothing waits here now." in console.list_of(ExternalOrder).main.text
