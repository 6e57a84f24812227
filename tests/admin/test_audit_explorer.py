"""The audit explorer: what the address asks for is shown, no more, a page at a time, read-only."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.audit import EventDraft
from reconciliation.enums import AuditOutcome, Role
from reconciliation.models import AuditEvent, Errand
from reconciliation.selectors import audit_pages
from tests.admin.conftest import logged_in
from tests.admin.pages import Console, column, list_address, object_address, result_rows
from tests.admin.people import client_of
from tests.admin.story import Story, seal

pytestmark = pytest.mark.django_db
EXPLORER = "/admin/audit/"


def fill(count: int, **values: Any) -> None:
    draft = {"action": "order.updated", "object_type": "order", "object_id": "5", **values}
    seal(None, *(EventDraft(**draft) for _ in range(count)))


def sequences(console: Console, query: str = "") -> list[str]:
    return column(console.open(f"{EXPLORER}{query}"), "Sequence")


def test_each_condition_shows_its_events_and_no_other(console: Console, story: Story):
    fill(1, outcome=AuditOutcome.REFUSED, profile="beta", account="other")
    assert sequences(console) == ["3", "2", "1"]
    for query in (
        "outcome=refused",
        "profile=beta",
        "account=other",
        "action=order.updated",
        "object_type=order&object_id=5",
    ):
        assert sequences(console, f"?{query}") == ["3"], query
    assert sequences(console, "?action=order.*") == ["3", "2"]
    assert sequences(console, f"?run={story.run.pk}") == ["2", "1"]
    assert sequences(console, "?actor=nobody") == []
    assert sequences(console, "?since=2030-01-01") == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("run=abc", "'abc' is not the number of a run"),
        ("since=yesterday", "is no moment in UTC"),
        ("outcome=good", "is none of"),
        ("actor=a*", "may only end an action"),
        ("colour=red", "'colour' is no condition"),
        ("older_than=x", "is not the number of an event"),
        ("actor=%00", "Null characters are not allowed"),
        ("q=999", "No event has this number"),
    ],
)
def test_what_cannot_be_understood_is_told_and_nothing_is_shown(
    console: Console, story: Story, query: str, told: str
):
    page = console.open(f"{EXPLORER}?{query}")
    assert told in page.main.text
    assert result_rows(page) == []


def test_an_address_that_was_kept_leads_to_the_same_events(console: Console, story: Story):
    page = console.open(f"{list_address(AuditEvent)}?object_type__exact=order")
    assert column(page, "Action") == ["order.filled"]


def test_pages_lead_on_by_key_and_back_again(console: Console, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit_pages, "PAGE", 3)
    fill(8)
    first = console.open(f"{EXPLORER}?action=order.updated")
    assert column(first, "Sequence") == ["8", "7", "6"]
    second = console.open(first.main.links[_of(first, "older ›")][1])
    assert column(second, "Sequence") == ["5", "4", "3"]
    assert "action=order.updated" in second.main.links[_of(second, "older ›")][1]
    fill(2)
    newer = console.open(second.main.links[_of(second, "‹ newer")][1])
    assert column(newer, "Sequence") == ["8", "7", "6"]
    assert sequences(console, "?older_than=3") == ["2", "1"]
    assert sequences(console, "?newer_than=9") == ["10", "9", "8"]


def test_pages_of_a_range_of_moments_lead_on_too(console: Console, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit_pages, "PAGE", 3)
    fill(5)
    assert sequences(console, "?since=2020-01-01") == ["5", "4", "3"]
    assert sequences(console, "?since=2020-01-01&older_than=3") == ["2", "1"]
    assert sequences(console, "?since=2020-01-01&newer_than=1") == ["4", "3", "2"]


def _of(page: Any, words: str) -> int:
    return next(at for at, (text, _) in enumerate(page.main.links) if text == words)


def test_more_than_is_counted_is_said_so(console: Console, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit_pages, "COUNTED_TO", 3)
    monkeypatch.setattr("reconciliation.admin.console.audit.COUNTED_TO", 3)
    fill(5)
    assert ">3 events" in console.open(f"{EXPLORER}?action=order.updated").html.replace("&gt;", ">")
    assert "5 events, newest first" in console.open(EXPLORER).html


def test_one_event_is_found_by_number_id_and_hash(console: Console, story: Story):
    event = AuditEvent.objects.get(sequence=2)
    for term in ("2", str(event.event_id), event.hash):
        answer = console.get(EXPLORER, q=term)
        assert answer["Location"] == object_address(event)


def test_no_events_are_explained(console: Console):
    assert "No audit event is recorded" in console.open(EXPLORER).main.text
    assert "No event fits all" in console.open(f"{EXPLORER}?actor=ada").main.text


def test_more_rows_take_no_more_statements(console: Console):
    fill(2)
    with CaptureQueriesContext(connection) as few:
        console.open(EXPLORER)
    fill(45)
    with CaptureQueriesContext(connection) as many:
        console.open(EXPLORER)
    assert len(few) == len(many) <= 12


@pytest.mark.parametrize(
    "query",
    [
        "actor=reconcile",
        "action=order.updated",
        "action=order.*",
        "outcome=applied",
        "object_type=order&object_id=5",
        "profile=alpha",
        "account=main",
        "run=1",
        "since=2020-01-01&until=2030-01-01",
        "older_than=3",
        "",
    ],
)
def test_every_filter_goes_by_an_index_and_no_offset(console: Console, query: str):
    fill(5)
    with CaptureQueriesContext(connection) as queries:
        console.open(f"{EXPLORER}?{query}")
    asked = [q["sql"] for q in queries if 'FROM "reconciliation_auditevent"' in q["sql"]]
    assert asked
    for sql in asked:
        assert " OFFSET " not in sql
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute(f"EXPLAIN {sql}")
            else:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
        assert "Seq Scan" not in plan, (sql, plan)
        if "WHERE" in sql and connection.vendor == "sqlite":
            assert "SEARCH reconciliation_auditevent" in plan, (sql, plan)
            assert "TEMP B-TREE" not in plan or "action" in sql, (sql, plan)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.APPROVER])
def test_who_may_not_export_looks_and_is_told_why_not(role: Role):
    fill(1)
    client = client_of("vera", role)
    page = client.get(EXPLORER).content.decode()
    assert "you have not the right to export and verify" in page
    assert "Verify the whole chain" not in page
    assert client.get("/admin/audit/export/").status_code == 403
    assert client.post("/admin/audit/export/", {"format": "jsonl"}).status_code == 403
    assert client.post("/admin/audit/verify/").status_code == 403
    denied = AuditEvent.objects.filter(outcome="denied").order_by("sequence")
    assert [event.action for event in denied] == ["page.denied", "audit.exported", "errand.asked"]
    assert not Errand.objects.exists()


def test_compliance_exports_what_the_screen_counted(console: Console):
    fill(3)
    fill(2, action="order.canceled")
    client = client_of("carla", Role.COMPLIANCE)
    query = {"action": "order.updated"}
    assert b"Export 3 events" in client.get("/admin/audit/export/", query).content
    answer = client.post("/admin/audit/export/", {**query, "format": "jsonl"})
    assert answer.streaming
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    manifest = json.loads(
        next(archive.read(name) for name in archive.namelist() if name.endswith("manifest.json"))
    )
    assert manifest["count"] == 3
    assert manifest["filter"] == query


@pytest.mark.parametrize("wrong", [{"run": "x"}, {"colour": "red"}, {"format": "xml"}])
def test_an_export_that_cannot_be_understood_hands_out_nothing(wrong: dict[str, str]):
    client = client_of("carla", Role.COMPLIANCE)
    answer = client.post("/admin/audit/export/", {"format": "jsonl", **wrong})
    assert answer.status_code == 400
    assert not AuditEvent.objects.filter(action__startswith="audit.").exists()


def test_the_timeline_of_a_trade_tells_of_what_belongs_to_it(console: Console, story: Story):
    fill(1, object_type="mismatch", object_id=str(story.mismatch.pk), action="mismatch.opened")
    fill(1, object_type="review", object_id=str(story.review.pk), action="review.opened")
    fill(1, object_type="decision", object_id=str(story.decision.pk), action="review.approved")
    fill(1, object_type="order", object_id="99999")
    text = console.open(f"/admin/audit/timeline/trade/{story.trade.pk}/").main.text
    for words in ("booked an entry", "found a mismatch", "asked a person about", "approved"):
        assert words in text
    assert "99999" not in text


def test_other_timelines_tell_of_their_objects(console: Console, story: Story):
    user = User.objects.get(username="root")
    logged_in(user)
    fill(1, object_type="user", object_id=str(user.pk), action="user.changed")
    for word, pk, words in (
        ("order", story.order.pk, "order.filled"),
        ("profile", story.profile.pk, "booked an entry"),
        ("account", story.account.pk, "booked an entry"),
        ("run", story.run.pk, "booked an entry"),
        ("user", user.pk, "changed the user"),
    ):
        assert words in console.open(f"/admin/audit/timeline/{word}/{pk}/").main.text, word
    assert console.get("/admin/audit/timeline/trade/999999/").status_code == 404
    assert console.get("/admin/audit/timeline/nonsense/1/").status_code == 404
