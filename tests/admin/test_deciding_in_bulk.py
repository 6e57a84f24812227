"""Several rows at once: those that were marked, as they were shown, each answered by itself."""

from typing import Any

import pytest
from django.test import Client

from reconciliation.admin import deciding_types
from reconciliation.enums import MismatchKind, Role
from reconciliation.models import AuditEvent, Decision, ExternalOrder, Mismatch, ReviewItem
from tests.admin.pages import Page, list_address
from tests.admin.people import bulk_address, client_of
from tests.builders import FixedClock, make_external_order, make_mismatch, make_review, make_run
from tests.handlers.decision_worlds import held, waiting_slice

pytestmark = pytest.mark.django_db

BOTH = (Role.OPERATOR, Role.APPROVER)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)


def three() -> list[ReviewItem]:
    first = waiting_slice()
    rows = [
        make_review(held(status="QUARANTINED"), quantity="0.5", first_run=first.first_run)
        for _ in range(2)
    ]
    return [first, *rows]


def decide(client: Client, verb: str, rows: list[Any], **values: Any) -> Any:
    items = [f"{row.pk}:{row.version}" for row in rows]
    given = {"item": items, "reason": "EXITED_MANUALLY", "comment": "", **values}
    return client.post(bulk_address(type(rows[0]), verb), given)


def test_marked_rows_lead_to_a_confirmation_with_their_count_and_sum():
    rows = three()
    client = client_of("ada", *BOTH)
    marked = {"action": "approve_selected", "_selected_action": [row.pk for row in rows[:2]]}
    answer: Any = client.post(list_address(ReviewItem), marked, follow=True)
    page = Page(answer.content.decode())
    assert "2 rows will be decided, worth 60000 USD in all" in page.main.text
    assert len(page.section("What will be written").rows) == 3
    assert not Decision.objects.exists()


def test_what_is_rejected_is_counted_at_what_is_in_question():
    rows = three()
    client = client_of("ada", *BOTH)
    page = client.get(bulk_address(ReviewItem, "reject"), {"id": [row.pk for row in rows]})
    assert "3 rows will be decided, worth 90000 USD" in Page(page.content.decode()).main.text


def test_select_across_adds_no_row_that_was_not_marked():
    rows = three()
    client = client_of("ada", *BOTH)
    marked = {
        "action": "reject_selected",
        "_selected_action": [rows[0].pk],
        "select_across": "1",
    }
    answer: Any = client.post(list_address(ReviewItem), marked, follow=True)
    items = [
        attributes.get("value")
        for tag, attributes in Page(answer.content.decode()).elements
        if tag == "input" and attributes.get("name") == "item"
    ]
    assert items == [f"{rows[0].pk}:1"]


def test_each_row_is_answered_by_itself():
    rows = three()
    client = client_of("ada", *BOTH)
    assert decide(client, "reject", rows[:1]).status_code == 200
    rows[1].version = 9
    page = Page(decide(client, "approve", rows).content.decode())
    results = page.section("Result of each row").rows[1:]
    assert [row[1] for row in results] == ["not done", "not done", "done"]
    assert "DECIDED_ALREADY" in results[0][2]
    assert "REJECTED by ada" in results[0][2]
    assert "CONFLICT" in results[1][2]
    statuses = ReviewItem.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["REJECTED", "PENDING", "APPROVED"]


def test_only_a_list_of_what_is_nobodys_has_marks_on_mismatches():
    make_mismatch(make_run(), kind=MismatchKind.ORPHAN_POSITION)
    client = client_of("olga", Role.OPERATOR)
    marks = b"_selected_action"
    assert marks not in client.get(list_address(Mismatch)).content
    narrowed = {"kind__exact": "ORPHAN_POSITION"}
    assert marks in client.get(list_address(Mismatch), narrowed).content


def test_a_second_press_decides_nothing_again():
    rows = three()
    client = client_of("ada", *BOTH)
    decide(client, "approve", rows)
    before = Decision.objects.count()
    page = Page(decide(client, "approve", rows).content.decode())
    assert {row[1] for row in page.section("Result of each row").rows[1:]} == {"not done"}
    assert Decision.objects.count() == before


def test_without_a_reason_nothing_is_written_and_the_page_says_so():
    rows = three()
    response = decide(client_of("ada", *BOTH), "reject", rows, reason="", comment="typed")
    assert b"Choose a reason" in response.content
    assert b"typed" in response.content
    assert not Decision.objects.exists()


def test_who_may_not_is_offered_no_action_and_a_forged_one_is_denied_and_audited():
    rows = three()
    client = client_of("vera", Role.VIEWER)
    assert b"_selected_action" not in client.get(list_address(ReviewItem)).content
    assert client.get(bulk_address(ReviewItem, "approve"), {"id": rows[0].pk}).status_code == 403
    assert decide(client, "approve", rows).status_code == 403
    assert AuditEvent.objects.filter(action="review.denied").count() == 3
    assert not Decision.objects.exists()


def test_orders_of_nobody_are_ignored_and_other_mismatches_are_left_out():
    row = make_external_order()
    client = client_of("olga", Role.OPERATOR)
    assert decide(client, "ignore", [row], reason="NOT_OURS").status_code == 200
    assert ExternalOrder.objects.get().status == "IGNORED"
    other = make_mismatch(make_run(), kind=MismatchKind.STATUS_MISMATCH)
    page = client.get(bulk_address(Mismatch, "ignore"), {"id": other.pk}).content.decode()
    assert "Left out: it is no such question" in page


@pytest.mark.parametrize("items", [["x"], ["1:"], ["9" * 30 + ":1"], ["-1:1"], []])
def test_a_forged_list_of_rows_is_harmless(items: list[str]):
    client = client_of("ada", *BOTH)
    given = {"item": items, "reason": "NOT_OURS"}
    assert client.post(bulk_address(ReviewItem, "approve"), given).status_code == 200
    assert not Decision.objects.exists()
