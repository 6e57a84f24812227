"""In a browser without JavaScript: from an empty portal to a reconciled account, without a shell.

The paper exchange is served beside it; what a worker does is done between two pages.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from reconciliation import tasks
from reconciliation.clock import SystemClock
from reconciliation.enums import RunStatus
from reconciliation.exchange.ccxt_gateway import clear_instrument_cache
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.server import PaperExchange
from reconciliation.models import ApiKey, AuditEvent, Errand, ExchangeAccount, Run

PASSWORD = "seven gulls on a mast"
SHOTS = os.environ.get("SHOTS", "")
"""A folder for pictures of the pages, where somebody wants to look at them."""
Result = TypeVar("Result")


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Iterator[PaperExchange]:
    """Serve an exchange whose keys are in the environment, as whoever starts the portal sets it."""
    clear_instrument_cache()
    tasks._ports.cache_clear()
    with PaperExchange([PaperAccount("desk")], SystemClock().now) as running:
        account = running.accounts["desk"]
        monkeypatch.setenv("DESK_API_KEY", account.api_key)
        monkeypatch.setenv("DESK_SECRET", account.secret)
        monkeypatch.setenv("DESK_PASSWORD", account.passphrase)
        monkeypatch.setenv("DESK_BASE_URL", running.url("desk"))
        yield running
    tasks._ports.cache_clear()
    clear_instrument_cache()


def off_loop(work: Callable[[], Result]) -> Result:
    """Use the database beside the browser's loop, which Django would refuse."""

    def closing() -> Result:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(closing).result()


def picture(page: Page, name: str) -> None:
    if not SHOTS:
        return
    for width in (1440, 390):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 900})
            shot = Path(SHOTS) / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=shot, full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1440, "height": 900})


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def work_on_errands() -> list[str]:
    """Do what waits for a worker; return what became of each."""
    return off_loop(
        lambda: [tasks.do_errand(pk) for pk in Errand.objects.values_list("pk", flat=True)]
    )


def test_an_empty_portal_is_set_up_to_a_reconciled_account_without_a_shell(
    transactional_db: None, paper: PaperExchange, live_server: LiveServer, browser: Browser
):
    off_loop(lambda: User.objects.create_superuser("root", password=PASSWORD))
    page = browser.new_context(base_url=live_server.url, java_script_enabled=False).new_page()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(reverse("admin:console_setup"))
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Log in")
    expect(page.get_by_text("Next: add an exchange account.")).to_be_visible()
    picture(page, "1-empty")

    page.get_by_role("link", name="Add an exchange account").first.click()
    picture(page, "2-add-account")
    page.get_by_label("Name").fill("desk")
    page.get_by_label("Exchange", exact=True).select_option("okx")
    page.get_by_label("Prefix of the settings").fill("desk keys")
    press(page, "Add the account")
    expect(page.get_by_text("Nothing was written")).to_be_visible()
    picture(page, "3-add-account-wrong")
    page.get_by_label("Prefix of the settings").fill("DESK")
    press(page, "Add the account")
    expect(page.get_by_text("desk is added", exact=False)).to_be_visible()
    expect(page.get_by_text("present (as DESK_PASSWORD)")).to_be_visible()
    picture(page, "4-account")

    paper.accounts["desk"].permissions = "read_only,trade"
    press(page, "Test the connection")
    expect(page.get_by_text("Waiting for a worker, for", exact=False)).to_be_visible()
    work_on_errands()
    page.reload()
    expect(page.get_by_text("THE KEY MAY TRADE", exact=False).first).to_be_visible()
    picture(page, "5-test-failed")
    paper.accounts["desk"].permissions = "read_only"
    account = off_loop(lambda: ExchangeAccount.objects.get())
    here = reverse("admin:console_setup_account", args=[account.pk])
    page.goto(here)
    press(page, "Test the connection")
    work_on_errands()
    page.reload()
    expect(page.get_by_text("everything that the portal needs", exact=False)).to_be_visible()
    picture(page, "6-test-passed")

    page.goto(here)
    page.get_by_role("link", name="Set the baseline").click()
    page.get_by_label("Reason").fill("moved in")
    picture(page, "7-baseline")
    press(page, "Accept it as found")
    expect(page.get_by_text("accepted as found", exact=False).first).to_be_visible()
    page.get_by_role("link", name="Add a profile").click()
    page.get_by_label("Name").fill("alpha")
    page.get_by_label("Sub tag").fill("alpha01")
    page.get_by_label("Allocated capital").fill("100000")
    picture(page, "8-add-profile")
    press(page, "Add the profile")
    page.get_by_role("link", name="Create a bot's key").click()
    page.get_by_label("Name of the key").fill("alpha-bot")
    page.get_by_label("alpha", exact=True).check()
    picture(page, "9-add-key")
    press(page, "Create the key")
    expect(page.get_by_label("The key of alpha-bot")).to_have_value(
        off_loop(lambda: ApiKey.objects.get().public_id)
        and page.locator("#issued-key").input_value()
    )
    picture(page, "10-key")
    page.get_by_role("link", name="I have copied it", exact=False).click()
    picture(page, "11-account-whole")

    page.goto(reverse("admin:console_setup_people"))
    page.get_by_role("link", name="Let somebody in").click()
    page.get_by_label("Name to log in with").fill("olga")
    page.get_by_label("Operator").check()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same once more").fill(PASSWORD)
    picture(page, "12-add-person")
    press(page, "Create the user")
    expect(page.get_by_text("Olga can log in now")).to_be_visible()
    picture(page, "13-people")
    page.goto(reverse("admin:console_setup_settings"))
    picture(page, "14-settings")

    said = off_loop(lambda: tasks.reconcile_account(account.pk))
    assert "SUCCEEDED" in said, said
    assert off_loop(lambda: Run.objects.get().status) == RunStatus.SUCCEEDED
    page.goto(reverse("admin:console_setup"))
    expect(page.get_by_text("The set-up is complete.")).to_be_visible()
    picture(page, "15-complete")
    kept = off_loop(lambda: list(AuditEvent.objects.values_list("payload", flat=True)))
    secret = paper.accounts["desk"].secret
    assert not any(secret in text or PASSWORD in text for text in kept)
