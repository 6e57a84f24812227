"""In a browser without JavaScript: approval, rejection, conflict, a refused maker, a double click.

A double click is two POSTs of one form: the first answer is thrown away, as a browser does.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import LazySettings, settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from reconciliation.admin import deciding_types
from reconciliation.enums import Role
from reconciliation.models import BackfillCandidate, Decision, ReviewItem, TradeHistory
from tests.admin.pages import list_address, object_address
from tests.admin.people import client_of, decide_address
from tests.builders import FixedClock, arranging, make_review
from tests.handlers.decision_worlds import held, waiting_fill, waiting_slice

BOTH = (Role.OPERATOR, Role.APPROVER)
DESKTOP, PHONE = 1440, 390
SHOTS = os.environ.get("SHOTS", "")
"""A folder for pictures of the pages, where somebody wants to look at them."""

Open = Callable[[str], Page]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)


@pytest.fixture
def item(transactional_db: None) -> ReviewItem:
    """Return one of two slices in quarantine, beside a fill that waits."""
    first = waiting_slice(
        evidence={
            "database": {"quantity": "0.5", "slices": [{"trade_id": "T1", "share": "0.5"}]},
            "exchange": {"quantity": "0", "side": "net", "mark": "60000"},
        },
        reason="POSITION_MISMATCH",
    )
    make_review(held(status="QUARANTINED"), quantity="0.5", first_run=first.first_run)
    waiting_fill(reasons=["WEAK_ATTRIBUTION", "AMBIGUOUS_SLICE"])
    return first


@pytest.fixture
def cookies(item: ReviewItem) -> Mapping[str, str]:
    """Return the sessions of three people, by name."""
    people: dict[str, tuple[Role, ...]] = {
        "ada": BOTH,
        "anna": (Role.APPROVER,),
        "vera": (Role.VIEWER,),
    }
    return {name: _session(client_of(name, *roles)) for name, roles in people.items()}


def _session(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def open_as(
    item: ReviewItem, cookies: Mapping[str, str], live_server: LiveServer, browser: Browser
) -> Open:
    """Return what opens a new window in which a person is logged in; no script runs in it."""

    def opened(name: str) -> Page:
        context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": cookies[name]}
        context.add_cookies([{**cookie, "url": live_server.url}])  # type: ignore[list-item]
        page = context.new_page()
        page.set_viewport_size({"width": DESKTOP, "height": 900})
        return page

    return opened


def picture(page: Page, name: str) -> None:
    if not SHOTS:
        return
    for width in (DESKTOP, PHONE):
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=Path(SHOTS) / f"{name}-{width}.png", full_page=True)
    page.set_viewport_size({"width": DESKTOP, "height": 900})


def off_loop(read: Callable[[], object]) -> object:
    """Read the database beside the browser's loop, which Django would refuse."""

    def closing() -> object:
        try:
            return read()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(closing).result()


def status_of(item: ReviewItem) -> object:
    return off_loop(lambda: ReviewItem.objects.get(pk=item.pk).status)


def test_a_slice_is_approved_and_the_next_one_that_waits_follows(item: ReviewItem, open_as: Open):
    page = open_as("ada")
    page.goto(f"{list_address(ReviewItem)}?status__exact=PENDING")
    picture(page, "list")
    page.goto(object_address(item))
    picture(page, "item")
    page.get_by_role("link", name="Approve", exact=True).click()
    expect(page.get_by_text("0.5 of", exact=False).first).to_be_visible()
    picture(page, "approve")
    page.get_by_label("Reason").select_option("CONFIRMED_FLAT")
    page.get_by_label("Comment").fill("looked at the exchange")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messagelist .success")).to_contain_text("is exited at 60000")
    assert page.url != object_address(item)
    picture(page, "next")
    assert status_of(item) == "APPROVED"


def test_other_terms_are_shown_before_they_are_written(item: ReviewItem, open_as: Open):
    page = open_as("ada")
    page.goto(decide_address(item, "approve"))
    page.get_by_label("Quantity to exit").fill("0.2")
    page.get_by_label("Reason").select_option("EXITED_MANUALLY")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("nothing is written yet", exact=False)).to_be_visible()
    assert status_of(item) == "PENDING"
    picture(page, "other-terms")
    page.get_by_role("button", name="Approve").click()
    assert status_of(item) == "APPROVED"
    row = off_loop(lambda: str(TradeHistory.objects.get(decision__review=item).quantity))
    assert row == "0.2"


def test_a_fill_is_rejected(item: ReviewItem, open_as: Open):
    candidate: BackfillCandidate = off_loop(BackfillCandidate.objects.get)  # type: ignore[assignment]
    page = open_as("ada")
    page.goto(object_address(candidate))
    picture(page, "candidate")
    page.get_by_role("link", name="Approve", exact=True).click()
    picture(page, "candidate-approve")
    page.go_back()
    page.get_by_role("link", name="Split over several slices").click()
    picture(page, "candidate-allocate")
    page.go_back()
    page.get_by_role("link", name="Reject").click()
    picture(page, "candidate-reject")
    page.get_by_label("Reason").select_option("NOT_OURS")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator(".messagelist .success")).to_contain_text("Backfill candidate")
    assert off_loop(lambda: BackfillCandidate.objects.get().status) == "REJECTED"


def test_what_changed_in_another_window_is_a_conflict_and_the_comment_is_kept(
    item: ReviewItem, open_as: Open
):
    first, second = open_as("ada"), open_as("anna")
    for page in (first, second):
        page.goto(decide_address(item, "reject"))
        page.get_by_label("Reason").select_option("STILL_OPEN")
    first.get_by_role("button", name="Reject").click()
    second.get_by_label("Comment").fill("I have seen it there")
    second.get_by_role("button", name="Reject").click()
    expect(second.get_by_role("heading", name="Decided already")).to_be_visible()
    expect(second.get_by_text("I have seen it there")).to_be_visible()
    expect(second.get_by_text("REJECTED by ada", exact=False).first).to_be_visible()
    picture(second, "conflict")
    assert off_loop(Decision.objects.count) == 1


def test_an_item_that_is_another_version_by_now_can_be_looked_at_again_with_the_comment(
    item: ReviewItem, open_as: Open
):
    page = open_as("ada")
    page.goto(decide_address(item, "approve"))
    page.get_by_label("Reason").select_option("EXITED_MANUALLY")
    page.get_by_label("Comment").fill("my words")
    other = open_as("anna")
    other.goto(decide_address(item, "reject"))
    other.get_by_label("Reason").select_option("STILL_OPEN")
    other.get_by_role("button", name="Reject").click()
    other.goto(decide_address(item, "reopen"))
    other.get_by_label("Reason").select_option("DUPLICATE")
    other.get_by_role("button", name="Reopen").click()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="It has changed meanwhile")).to_be_visible()
    picture(page, "changed")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_label("Comment")).to_have_value("my words")
    page.get_by_role("button", name="Approve").click()
    assert status_of(item) == "APPROVED"


@pytest.fixture
def four_eyes(settings: LazySettings) -> None:
    settings.RECON_ENVIRON = {"RECON_FOUR_EYES_MIN_NOTIONAL_USD": "1000"}


def test_the_maker_is_refused_his_own_approval_and_another_carries_it_out(
    four_eyes: None, item: ReviewItem, open_as: Open
):
    maker = open_as("ada")
    maker.goto(decide_address(item, "approve"))
    stale = maker.context.new_page()
    stale.goto(decide_address(item, "approve"))
    maker.get_by_label("Reason").select_option("EXITED_MANUALLY")
    expect(maker.get_by_text("two people decide", exact=False)).to_be_visible()
    picture(maker, "propose")
    maker.get_by_role("button", name="Propose").click()
    assert status_of(item) == "PROPOSED"
    maker.goto(object_address(item))
    picture(maker, "proposed")
    expect(maker.get_by_text("you proposed it yourself", exact=False)).to_be_visible()
    expect(maker.get_by_role("link", name="Approve")).to_have_count(0)
    answer = maker.goto(decide_address(item, "approve"))
    assert answer is not None
    assert answer.status == 403
    picture(maker, "denied")
    checker = open_as("anna")
    checker.goto(object_address(item))
    checker.get_by_role("link", name="Approve what ada proposed").click()
    picture(checker, "second")
    checker.get_by_label("Reason").select_option("CONFIRMED_FLAT")
    checker.get_by_role("button", name="Approve").click()
    assert status_of(item) == "APPROVED"


def test_a_double_click_decides_once_and_says_who_decided(item: ReviewItem, open_as: Open):
    page = open_as("ada")
    page.goto(decide_address(item, "approve"))
    page.get_by_label("Reason").select_option("EXITED_MANUALLY")
    page.get_by_role("button", name="Approve").dblclick(no_wait_after=True)
    # Whichever of the two answers the browser keeps, it is there when the form is gone.
    expect(page.get_by_label("Reason")).to_have_count(0)
    page.wait_for_load_state()
    page.goto(object_address(item))
    assert status_of(item) == "APPROVED"
    assert off_loop(lambda: TradeHistory.objects.filter(kind="EXIT").count()) == 1
    assert off_loop(Decision.objects.count) == 1


def test_the_form_that_was_sent_already_says_who_decided_when_it_is_sent_again(
    item: ReviewItem, open_as: Open
):
    page = open_as("ada")
    page.goto(decide_address(item, "approve"))
    again = page.context.new_page()
    again.goto(decide_address(item, "approve"))
    for each in (page, again):
        each.get_by_label("Reason").select_option("EXITED_MANUALLY")
        each.get_by_role("button", name="Approve").click()
    expect(again.get_by_role("heading", name="Decided already")).to_be_visible()
    expect(again.get_by_text("APPROVED by ada", exact=False).first).to_be_visible()
    assert off_loop(Decision.objects.count) == 1


def test_marked_rows_are_decided_in_one_go(item: ReviewItem, open_as: Open):
    page = open_as("ada")
    page.goto(list_address(ReviewItem))
    for box in page.locator("input[name=_selected_action]").all():
        box.check()
    page.locator("select[name=action]").select_option("reject_selected")
    page.get_by_role("button", name="Go").click()
    picture(page, "bulk")
    page.get_by_label("Reason").select_option("STILL_OPEN")
    page.get_by_role("button", name="Reject 2 rows").click()
    expect(page.get_by_role("heading", name="Reject: 2 of 2 done")).to_be_visible()
    picture(page, "bulk-done")


def test_who_may_only_look_sees_why(item: ReviewItem, open_as: Open):
    page = open_as("vera")
    page.goto(object_address(item))
    expect(page.get_by_text("you have not the right to do that", exact=False).first).to_be_visible()
    picture(page, "viewer")


def test_a_conflict_shows_what_was_seen_beside_what_there_is_now(item: ReviewItem, open_as: Open):
    page = open_as("ada")
    page.goto(decide_address(item, "approve"))
    page.get_by_label("Reason").select_option("EXITED_MANUALLY")
    page.get_by_label("Comment").fill("my words")

    def move() -> None:
        with arranging():
            ReviewItem.objects.filter(pk=item.pk).update(version=2, quantity="0.3")

    off_loop(move)
    page.get_by_role("button", name="Approve").click()
    row = page.get_by_role("row").filter(has_text="quantity").first
    expect(page.get_by_role("heading", name="What you saw, and what there is now")).to_be_visible()
    expect(row).to_contain_text("0.3")
    expect(page.get_by_text("my words", exact=False).first).to_be_visible()
    picture(page, "conflict-difference")
    assert status_of(item) == "PENDING"


@pytest.mark.parametrize("name", ["ada", "anna", "vera"])
def test_the_queues_lead_to_an_item_whose_buttons_are_those_of_the_group(
    item: ReviewItem, open_as: Open, name: str
):
    page = open_as(name)
    page.goto("/admin/queues/")
    picture(page, f"queues-{name}")
    page.get_by_role("link", name=f"item {item.pk}", exact=True).click()
    expect(page.get_by_text("Safest:", exact=False)).to_be_visible()
    may = page.get_by_role("link", name="Approve", exact=True)
    expect(may).to_have_count(0 if name == "vera" else 1)
    picture(page, f"item-{name}")


def test_keys_walk_the_queues_and_open_an_answer(
    item: ReviewItem, cookies: Mapping[str, str], live_server: LiveServer, browser: Browser
):
    context = browser.new_context(base_url=live_server.url)
    cookie = {"name": settings.SESSION_COOKIE_NAME, "value": cookies["ada"]}
    context.add_cookies([{**cookie, "url": live_server.url}])  # type: ignore[list-item]
    page = context.new_page()
    # The script shows this button when it listens: a key before that would be lost.
    listening = page.locator("#show-keys")
    page.goto("/admin/queues/?queue=quarantine")
    expect(listening).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Safest:", exact=False)).to_be_visible()
    expect(listening).to_be_visible()
    page.keyboard.press("x")
    expect(page.get_by_role("heading", name="Reject:", exact=False)).to_be_visible()
    page.goto(object_address(item))
    expect(listening).to_be_visible()
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Approve:", exact=False)).to_be_visible()
    assert status_of(item) == "PENDING"
