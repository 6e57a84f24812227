"""The page of what waits: the question, both sides, every gate, what a decision would do."""

from typing import Any

import pytest

from reconciliation.admin import deciding_types
from reconciliation.enums import Role
from reconciliation.models import Errand, ExternalOrder, Fill, ReviewItem, Trade
from tests.admin.pages import Page, object_address
from tests.admin.people import client_of, decide_address
from tests.admin.test_deciding import BOTH, orphan, press, stray_fill
from tests.builders import (
    NOW,
    FixedClock,
    arranging,
    make_errand,
    make_external_order,
    make_profile,
    make_run,
)
from tests.handlers.decision_worlds import held, shared_shortfall, waiting_fill, waiting_slice
from tests.handlers.test_decisions import overclosed

pytestmark = pytest.mark.django_db

GHOST = {
    "asked_again": "nothing is held",
    "unresolved": ["fill 17"],
    "attributed": False,
    "fills_since_it_opened": "PROVEN",
    "mark": "60000",
}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)


def shown(address: str, name: str = "ada") -> Page:
    return Page(client_of(name, *BOTH).get(address).content.decode())


def field(form: Page, name: str) -> str | None:
    """Return what a hidden field of a form carries."""
    inputs = [attributes for tag, attributes in form.elements if tag == "input"]
    return next(each["value"] for each in inputs if each.get("name") == name)


def gates(page: Page) -> dict[str, tuple[str, str]]:
    return {row[0]: (row[1], row[2]) for row in page.section("Gates").rows[1:]}


@pytest.mark.parametrize(
    "make",
    [
        waiting_slice,
        waiting_fill,
        make_external_order,
        stray_fill,
        orphan,
        lambda: shared_shortfall()[0],
        lambda: overclosed()[0],
    ],
    ids=["slice", "fill", "order", "stray fill", "orphan", "shortfall", "overclose"],
)
def test_every_question_says_what_is_asked_what_is_safest_and_how_old_it_is(make: Any):
    page = shown(object_address(make()))
    assert "Safest: " in page.main.text
    assert "Severity " in page.main.text
    assert "Evidence is fresh" in gates(page)
    assert "One person is enough" in gates(page)
    assert page.section("Where both sides come from").rows[1][0] == "Database"


def test_the_gates_of_a_ghost_say_what_failed_and_by_which_numbers():
    item = waiting_slice(reason="UNRESOLVED_FILLS", evidence=GHOST)
    found = gates(shown(object_address(item)))
    assert found["Asked for by itself, nothing is held"] == ("passed", "nothing is held")
    assert found["No execution or order is left undecided"] == ("failed", "fill 17")
    assert found["The entry is proven to be this profile's"][0] == "failed"
    assert found["Every fill since the slice opened was read"] == ("passed", "PROVEN")
    assert found["A mark to exit at is known"] == ("passed", "60000")


def test_the_gates_of_a_fill_are_its_verdict_with_the_numbers_of_its_evidence():
    trade = held()
    candidate = waiting_fill(
        trade,
        reasons=["WEAK_ATTRIBUTION", "HEURISTIC_DISABLED"],
        evidence={
            "slices": [
                {
                    "trade_id": trade.trade_id,
                    "open_quantity": "0.5",
                    "opened_at": "2026-01-05T11:00:00Z",
                }
            ],
            "settings": {
                "require_strong_attribution": True,
                "allow_heuristic_match": False,
                "fill_after_trade_grace_s": 300,
            },
            "suggestions": [{"trade": trade.trade_id, "mode": "SINGLE_OPEN_TRADE"}],
        },
    )
    found = gates(shown(object_address(candidate)))
    assert found["Its own evidence names the slice"][0] == "failed"
    assert found["Heuristics are allowed, or not needed"] == (
        "failed",
        "heuristic match allowed: no",
    )
    assert found["Fits into what is open"] == (
        "passed",
        f"fill 0.5, open 0.5 of {trade.trade_id}",
    )
    assert "at most 300 s before" in found["Not older than the slice"][1]


def test_a_foreign_fill_was_held_against_no_other_gate():
    found = gates(shown(object_address(waiting_fill(reasons=["FOREIGN_SUB_TAG"]))))
    assert found["Not another profile's"][0] == "failed"
    assert found["Fits into what is open"][0] == "not judged"


def test_a_fill_stands_beside_its_slice_and_the_difference_has_a_sign():
    candidate = waiting_fill(held(quantity="0.7"), quantity="0.5")
    rows = shown(object_address(candidate)).section("Database beside exchange").rows
    assert ["quantity", "0.7", "0.5", "differs", "-0.2"] in rows


def test_the_limit_of_two_people_is_a_gate_with_the_notional(settings: Any):
    settings.RECON_ENVIRON = {"RECON_FOUR_EYES_MIN_NOTIONAL_USD": "1000"}
    found = gates(shown(object_address(waiting_slice())))
    assert found["One person is enough"] == (
        "failed",
        "worth 30000 USD; two people from 1000 USD on",
    )


def test_a_confirmation_says_what_becomes_of_capital_gate_and_pauses():
    item = waiting_slice("0.5")
    page = shown(decide_address(item, "approve"))
    found = {row[1]: row[2:] for row in page.section("What it does to the profile").rows[1:]}
    assert found["Capital used (USD)"] == ["30000", "0 (-30000)"]
    assert "QUARANTINED" in found["Entries"][0]
    assert "QUARANTINED" not in found["Entries"][1]
    assert "MISMATCH" not in found["Entries"][1]
    assert found["Exits"][1] == "allowed"
    assert found["Pauses"] == ["none", "none"]
    press(client_of("anna", *BOTH), item, "approve")
    assert Trade.objects.get().status == "CLOSED"


def test_a_conflict_shows_field_by_field_what_was_seen_and_what_there_is():
    item = waiting_slice("0.5")
    client = client_of("ada", *BOTH)
    form = Page(client.get(decide_address(item, "approve")).content.decode())
    seen = field(form, "seen")
    with arranging():
        ReviewItem.objects.update(version=2, quantity="0.3", evidence_hash="a" * 64)
    response = press(client, item, "approve", version=1, seen=seen, comment="my words")
    assert response.status_code == 409
    page = Page(response.content.decode())
    rows = {row[0]: row[1:] for row in page.section("What you saw, and what there is now").rows}
    assert rows["quantity"] == ["0.5", "0.3", "changed"]
    assert rows["version"] == ["1", "2", "changed"]
    assert "status" not in rows
    assert "my words" in page.html


def test_what_was_seen_is_not_believed_where_it_was_not_signed_for_this_row():
    item = waiting_slice()
    client = client_of("ada", *BOTH)
    response = press(client, item, "approve", version=7, seen="made:up")
    assert response.status_code == 409
    assert "What you saw" not in response.content.decode()


def test_reading_anew_is_followed_on_the_page_of_the_item_until_it_has_ended():
    item = waiting_slice()
    client = client_of("ada", *BOTH)
    response = press(client, item, "refresh")
    assert response["Location"] == object_address(item)
    page = Page(client.get(object_address(item)).content.decode())
    assert "ada asked for the evidence" in page.main.text
    assert 'data-refresh-seconds="2"' in page.html
    run = make_run(item.account, kind="HEARTBEAT")
    Errand.objects.update(
        status="DONE", says="main: SUCCEEDED, coverage COMPLETE", finished_at=NOW, run=run
    )
    page = Page(client.get(object_address(item)).content.decode())
    assert f"run {run.pk}" in page.main.text
    assert "The evidence is now 0 s old" in page.main.text
    assert "data-refresh-seconds" not in page.html


def test_an_errand_of_another_job_is_not_told_of():
    item = waiting_slice()
    make_errand(item.account, kind="RECONCILE", asked_at=NOW)
    assert "asked for the evidence" not in shown(object_address(item)).main.text


def test_the_buttons_say_what_happens_and_have_keys():
    page = shown(object_address(waiting_slice()))
    keys = {
        attributes["data-key"]
        for _, attributes in page.elements
        if attributes.get("data-key") is not None
    }
    assert {"a", "x", "e"} <= keys
    assert "writes the exit that the books lack; no order is placed" in page.main.text


def test_what_was_exited_beyond_a_slice_is_allocated_by_its_page():
    item, fill = overclosed()
    mine = held(quantity="0.5")
    client = client_of("ada", *BOTH)
    page = Page(client.get(decide_address(item, "allocate")).content.decode())
    assert f"share_{mine.pk}" in page.html
    share = {f"share_{mine.pk}": "0.5"}
    first: Any = press(client, item, "allocate", **share, _preview="1")
    assert "0.5" in Page(first.content.decode()).section("History rows").text
    assert not Fill.objects.get(pk=fill.pk).allocated_quantity
    assert press(client, item, "allocate", **share).status_code == 302
    assert Trade.objects.get(pk=mine.pk).status == "CLOSED"
    assert ReviewItem.objects.get(pk=item.pk).status == "APPROVED"


@pytest.mark.parametrize("make", [make_external_order, orphan], ids=["order", "orphan"])
def test_what_is_nobodys_is_proposed_by_one_and_adopted_by_another(make: Any, settings: Any):
    settings.RECON_ENVIRON = {"RECON_FOUR_EYES_MIN_NOTIONAL_USD": "100"}
    row = make()
    if isinstance(row, ExternalOrder):
        make_profile()
    terms = {"profile": "alpha", "trade": "T9"}
    maker = client_of("ada", *BOTH)
    assert press(maker, row, "adopt", **terms).status_code == 302
    row.refresh_from_db()
    assert row.status in ("PENDING", "OPEN")
    again = Page(maker.get(object_address(row)).content.decode())
    assert "you proposed it yourself" in again.main.text
    checker = client_of("anna", Role.APPROVER)
    page = Page(checker.get(object_address(row)).content.decode())
    assert "Adopt as ada proposed" in page.main.text
    form = Page(checker.get(decide_address(row, "adopt")).content.decode())
    version = field(form, "version")
    press(checker, row, "adopt", **{**terms, "version": version})
    row.refresh_from_db()
    assert row.status in ("ADOPTED", "RESOLVED")
