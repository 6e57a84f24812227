"""Decisions by the pages: who may, what is shown before, what is written, what is answered."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from reconciliation.admin import deciding_types
from reconciliation.enums import MismatchKind, Role
from reconciliation.models import (
    AuditEvent,
    BackfillCandidate,
    Decision,
    Errand,
    ExternalOrder,
    Fill,
    Mismatch,
    ReviewItem,
    Trade,
    TradeHistory,
)
from tests.admin.pages import Page, object_address
from tests.admin.people import client_of, decide_address
from tests.builders import (
    SYMBOL,
    FixedClock,
    make_decision,
    make_external_order,
    make_fill,
    make_mismatch,
    make_profile,
    make_review,
    make_run,
    make_sighting,
)
from tests.handlers.decision_worlds import held, shared_shortfall, waiting_fill, waiting_slice

pytestmark = pytest.mark.django_db

BOTH = (Role.OPERATOR, Role.APPROVER)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)


def events() -> list[str]:
    """Return what was recorded, but for the people's groups and the pages refused to them."""
    rows = AuditEvent.objects.exclude(action__startswith="user.").order_by("sequence")
    rows = rows.exclude(action="page.denied")
    return list(rows.values_list("action", flat=True))


def press(client: Client, row: Any, verb: str, **values: Any) -> HttpResponse:
    """Press the button of a confirmation page that showed the row as it is now."""
    given = {"version": getattr(row, "version", 1), "reason": "EXITED_MANUALLY", **values}
    return client.post(decide_address(row, verb), given)


def text_of(response: Any) -> str:
    page = Page(response.content.decode())
    return " ".join([page.main.text, page.html])


def stray_fill() -> Mismatch:
    make_profile()
    fill = make_fill()
    row: Mismatch = make_mismatch(kind=MismatchKind.UNATTRIBUTED_FILL, key=f"fill:{fill.pk}")
    make_sighting(row)
    return row


def orphan() -> Mismatch:
    make_profile()
    row: Mismatch = make_mismatch(
        kind=MismatchKind.ORPHAN_POSITION,
        key=f"parity:{SYMBOL}:net:ORPHAN_POSITION:1",
        drift="0.3",
        exchange_side={"entry_price": "61000", "mark": "62000"},
    )
    make_sighting(row)
    return row


def test_a_quarantined_slice_shows_its_reason_in_words_and_what_can_be_done():
    item = waiting_slice(reason="POSITION_MISMATCH")
    page = Page(client_of("ada", *BOTH).get(object_address(item)).content.decode())
    assert "a part of it seems to be closed already" in page.section("Why a person is asked").text
    assert page.section("How old the evidence is").fact("Fresh enough to approve") == "yes"
    assert [words for words, _ in page.main.links if words in ("Approve", "Reject")] == [
        "Approve",
        "Reject",
    ]


def test_who_may_only_look_is_told_so_and_gets_no_button():
    item = waiting_slice()
    page = Page(client_of("vera", Role.VIEWER).get(object_address(item)).content.decode())
    assert "you have not the right to do that" in page.main.text
    assert not [words for words, _ in page.main.links if words in ("Approve", "Reject")]


def test_the_confirmation_shows_the_very_rows_and_writes_nothing():
    item = waiting_slice("0.5")
    page = Page(client_of("ada", *BOTH).get(decide_address(item, "approve")).content.decode())
    row = page.section("History rows").rows[1]
    assert (row[0], row[3], row[4], row[5]) == ("EXIT", "0.5", "60000", "estimated")
    assert "becomes RESOLVED" in page.section("What becomes of it").text
    assert page.section("The slice then").rows[1][2:] == ["CLOSED", "0"]
    assert not Decision.objects.exists()
    assert events() == []


def test_an_approval_is_written_and_leads_to_the_next_item_that_waits():
    item, other = waiting_slice(), waiting_fill()
    del other
    response = press(client_of("ada", *BOTH), item, "approve", comment="seen")
    assert response.status_code == 302
    assert ReviewItem.objects.get().status == "APPROVED"
    assert TradeHistory.objects.get(kind="EXIT", decision__comment="seen").quantity == item.quantity


def test_the_filters_of_the_list_are_kept_on_the_way_to_the_next_item():
    first = waiting_slice()
    run = first.first_run
    second = make_second(first, run)
    filters = "status__exact=PENDING"
    client = client_of("ada", *BOTH)
    response = press(client, second, "reject", _changelist_filters=filters)
    assert response["Location"] == (
        f"{object_address(first)}?_changelist_filters=status__exact%3DPENDING"
    )
    response = press(client, first, "reject", _changelist_filters=filters)
    assert response["Location"].endswith("/reviewitem/?status__exact=PENDING")


def make_second(item: ReviewItem, run: Any) -> ReviewItem:
    row: ReviewItem = make_review(
        held(status="QUARANTINED"), quantity="0.5", first_run=run, opened_at=item.opened_at
    )
    return row


@pytest.mark.parametrize("filters", ["account__id__exact=x", "trade__symbol=y", "p=z", "%00"])
def test_filters_that_are_none_of_the_list_do_not_hide_what_was_decided(filters: str):
    item = waiting_slice()
    response = press(client_of("ada", *BOTH), item, "reject", _changelist_filters=filters)
    assert response.status_code == 302
    assert ReviewItem.objects.get().status == "REJECTED"


@pytest.mark.parametrize(
    ("verb", "status"), [("approve", "PROPOSED"), ("reject", "REJECTED")], ids=["propose", "reject"]
)
def test_an_operator_proposes_and_rejects(verb: str, status: str):
    item = waiting_slice()
    assert press(client_of("olga", Role.OPERATOR), item, verb).status_code == 302
    assert ReviewItem.objects.get().status == status


def test_what_an_operator_proposed_an_approver_carries_out():
    item = waiting_slice()
    press(client_of("olga", Role.OPERATOR), item, "approve", quantity="0.2", comment="half")
    item.refresh_from_db()
    client = client_of("anna", Role.APPROVER)
    page = Page(client.get(object_address(item)).content.decode())
    assert page.section("The proposal that waits").fact("Quantity") == "0.2"
    assert press(client, item, "approve").status_code == 302
    decision = Decision.objects.get(kind="APPROVED")
    assert (decision.maker_name, decision.checker_name) == ("olga", "anna")


def test_the_maker_cannot_approve_his_own_proposal(settings: LazySettings):
    settings.RECON_ENVIRON = {"RECON_FOUR_EYES_MIN_NOTIONAL_USD": "1000"}
    item = waiting_slice()
    client = client_of("ada", *BOTH)
    shown = text_of(client.get(decide_address(item, "approve")))
    assert "two people decide" in shown
    press(client, item, "approve")
    item.refresh_from_db()
    assert item.status == "PROPOSED"
    assert "you proposed it yourself" in text_of(client.get(object_address(item)))
    response = press(client, item, "approve")
    assert response.status_code == 403
    assert events()[-1] == "review.denied"
    assert not Decision.objects.filter(kind="APPROVED").exists()


@pytest.mark.parametrize("verb", ["approve", "reject", "refresh", "allocate"])
@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMPLIANCE])
def test_a_forged_post_without_the_right_is_denied_and_audited(role: Role, verb: str):
    candidate = waiting_fill()
    client = client_of("mallory", role)
    assert client.get(decide_address(candidate, verb)).status_code == 403
    # That the page was refused is an event of its own; the press is another.
    assert AuditEvent.objects.filter(action="page.denied").count() == 1
    assert events() == []
    response = press(client, candidate, verb)
    assert response.status_code == 403
    assert events() == ["errand.asked" if verb == "refresh" else "review.denied"]
    event = AuditEvent.objects.get(action=events()[0])
    assert (event.outcome, event.actor_name) == ("denied", "mallory")
    assert BackfillCandidate.objects.get().status == "PENDING"
    assert not Decision.objects.exists()


def test_a_post_without_the_token_of_its_form_is_refused():
    item = waiting_slice()
    client = client_of("ada", *BOTH)
    client.handler.enforce_csrf_checks = True
    assert press(client, item, "approve").status_code == 403
    assert ReviewItem.objects.get().status == "PENDING"


def test_a_second_press_decides_nothing_and_says_who_decided():
    item = waiting_slice()
    client = client_of("ada", *BOTH)
    assert press(client, item, "approve").status_code == 302
    again = press(client, item, "approve", comment="mine")
    assert again.status_code == 409
    assert "Decided already" in text_of(again)
    assert "<strong>ada</strong>" in text_of(again)
    assert Decision.objects.count() == 1
    assert TradeHistory.objects.filter(kind="EXIT").count() == 1


def test_an_item_that_changed_meanwhile_is_a_conflict_that_keeps_the_comment():
    item = waiting_slice()
    response = press(client_of("ada", *BOTH), item, "approve", version=7, comment="my words")
    assert response.status_code == 409
    shown = text_of(response)
    assert "It has changed meanwhile" in shown
    assert "You saw version 7; it is version 1 now." in shown
    assert "my words" in shown
    assert not Decision.objects.exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "OTHER"}, "comment"),
        ({"quantity": "0.7"}, "quantity"),
        ({"quantity": "some"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"price": "0"}, "price"),
    ],
    ids=["no reason", "OTHER", "too much", "no number", "below zero", "no price"],
)
def test_a_refusal_stands_at_its_field_and_what_was_typed_is_kept(
    given: dict[str, str], field: str
):
    item = waiting_slice("0.5")
    response: Any = press(client_of("ada", *BOTH), item, "approve", **{"comment": "", **given})
    assert response.status_code == 200
    assert list(response.context_data["form"].errors) == [field]
    for value in given.values():
        assert value in response.content.decode()
    assert ReviewItem.objects.get().status == "PENDING"
    assert not Decision.objects.exists()


def test_other_terms_than_those_shown_are_shown_before_they_are_written():
    item = waiting_slice("0.5")
    client = client_of("ada", *BOTH)
    response: Any = press(client, item, "approve", quantity="0.2", shown="")
    assert response.status_code == 200
    assert "not those whose effect was shown" in text_of(response)
    assert Page(response.content.decode()).section("History rows").rows[1][3] == "0.2"
    assert not Decision.objects.exists()
    shown = response.context_data["shown"]
    assert press(client, item, "approve", quantity="0.2", shown=shown).status_code == 302
    assert TradeHistory.objects.get(decision__isnull=False).quantity == item.quantity * 2 / 5


def test_stale_evidence_is_read_anew_first(monkeypatch: pytest.MonkeyPatch):
    item = waiting_slice()
    late = FixedClock()
    late.advance(minutes=16)
    monkeypatch.setattr(deciding_types, "SystemClock", lambda: late)
    client = client_of("ada", *BOTH)
    assert 'Press "Read the evidence anew" (key e)' in text_of(client.get(object_address(item)))
    response: Any = press(client, item, "approve")
    assert "refresh it first" in text_of(response)
    assert press(client, item, "refresh").status_code == 302
    task = OrmQ.objects.get().task
    assert (task["func"], task["args"]) == (
        "reconciliation.tasks.do_errand",
        (Errand.objects.get(kind="HEARTBEAT", account=item.account_id).pk,),
    )
    assert events() == ["review.denied", "errand.asked"]


def test_a_fill_is_booked_to_the_slice_that_is_chosen_and_the_suggestion_is_preselected():
    candidate = waiting_fill()
    client = client_of("ada", *BOTH)
    page: Any = client.get(decide_address(candidate, "approve"))
    assert page.context_data["form"]["trade"].value() == str(candidate.trade_id)
    assert press(client, candidate, "approve", trade=candidate.trade_id).status_code == 302
    assert Fill.objects.get().allocated_quantity == candidate.quantity
    assert Trade.objects.get().status == "CLOSED"


def test_a_fill_is_split_by_lines_and_too_much_is_said_at_its_line():
    candidate = waiting_fill()
    client = client_of("ada", *BOTH)
    line = f"share_{candidate.trade_id}"
    response: Any = press(client, candidate, "allocate", **{line: "0.9"})
    assert list(response.context_data["form"].errors) == [line]
    assert press(client, candidate, "allocate", **{line: "0.3"}).status_code == 302
    assert Decision.objects.get().kind == "ALLOCATED"


def test_an_allocation_without_any_share_sets_nothing_aside():
    candidate = waiting_fill()
    client = client_of("ada", *BOTH)
    response: Any = press(client, candidate, "allocate")
    assert b"no slice was given a share" in response.content.lower()
    assert not Fill.objects.get().set_aside
    assert not Decision.objects.exists()


def test_what_was_rejected_is_reopened_and_what_was_approved_is_reversed():
    candidate = waiting_fill()
    client = client_of("ada", *BOTH)
    press(client, candidate, "reject", reason="NOT_OURS")
    candidate.refresh_from_db()
    assert press(client, candidate, "reopen").status_code == 302
    candidate.refresh_from_db()
    press(client, candidate, "approve", trade=candidate.trade_id)
    decision = Decision.objects.get(kind="APPROVED")
    shown = Page(client.get(decide_address(decision, "reverse")).content.decode())
    assert shown.section("History rows").rows[1][0] == "REVERSAL"
    assert press(client, decision, "reverse", version=1).status_code == 302
    assert Trade.objects.get().status == "OPEN"
    again = press(client, decision, "reverse", version=1)
    assert again.status_code == 409


def test_a_part_of_a_shared_shortfall_is_put_on_one_slice_once():
    row, first, _ = shared_shortfall()
    client = client_of("ada", *BOTH)
    given = {"trade": first.pk, "quantity": "0.2", "version": 1}
    assert press(client, row, "allocate", **given).status_code == 302
    again = press(client, row, "allocate", **given)
    assert again.status_code == 409
    assert Decision.objects.count() == 1


@pytest.mark.parametrize("make", [make_external_order, stray_fill, orphan])
def test_what_is_nobodys_is_adopted_with_a_preview_and_ignored_by_another_press(make: Any):
    make_profile()
    row = make()
    client = client_of("ada", *BOTH)
    assert client.get(decide_address(row, "adopt")).status_code == 200
    shown = press(client, row, "adopt", profile="alpha", trade="T9", _preview="1")
    assert "It becomes a part of the books" in text_of(shown)
    assert not Decision.objects.exists()
    assert press(client, row, "adopt", profile="alpha", trade="T9").status_code == 302
    assert Decision.objects.get().kind == "ADOPTED"
    assert press(client, row, "ignore").status_code == 409


@pytest.mark.parametrize("make", [make_external_order, stray_fill, orphan])
def test_what_is_nobodys_is_ignored(make: Any):
    row = make()
    response = press(client_of("olga", Role.OPERATOR), row, "ignore", reason="NOT_OURS")
    assert response.status_code == 302
    assert Decision.objects.get().kind == "IGNORED"


def test_adopting_needs_a_profile_and_says_so_at_the_field():
    make_profile()
    make_profile("beta")
    row = make_external_order()
    response: Any = press(client_of("ada", *BOTH), row, "adopt")
    assert list(response.context_data["form"].errors) == ["profile"]
    assert ExternalOrder.objects.get().status == "PENDING"


def test_a_confirmation_takes_no_more_statements_for_more_slices_and_decisions():
    candidate = waiting_fill()
    client = client_of("ada", *BOTH)

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(decide_address(candidate, "approve")).status_code == 200
            assert client.get(object_address(candidate)).status_code == 200
        return len(queries)

    statements()
    for _ in range(3):
        held(candidate.trade.profile)
    before = statements()
    for _ in range(20):
        held(candidate.trade.profile)
        make_decision(candidate)
    assert statements() == before


def test_every_queue_of_the_index_opens():
    waiting_fill()
    client = client_of("ada", *BOTH)
    index = Page(client.get("/admin/").content.decode())
    queues = [address for _, address in index.section("What waits for a person").links]
    assert len(queues) == 6
    assert [client.get(address).status_code for address in queues] == [200] * 6


def test_a_mismatch_that_is_no_question_has_no_buttons():
    row = make_mismatch(make_run(), kind=MismatchKind.STATUS_MISMATCH)
    client = client_of("ada", *BOTH)
    assert b"offers" not in client.get(object_address(row)).content
    assert client.get(decide_address(row, "ignore")).status_code == 404
