"""In a browser: the first page changes by itself, works without a script, all can read it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from reconciliation.admin import deciding_types
from reconciliation.admin.console import home
from reconciliation.enums import ParityKind, Role, RunKind, TradeStatus
from reconciliation.models import Profile
from tests import builders
from tests.admin.pages import object_address
from tests.admin.people import client_of
from tests.builders import FixedClock

DESKTOP, PHONE = 1440, 390
SHOTS = os.environ.get("SHOTS", "")
"""A folder for pictures of the pages, where somebody wants to look at them."""

Open = Callable[..., Page]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)
    monkeypatch.setattr(home, "REFRESH_SECONDS", 1)


@pytest.fixture
def profile(transactional_db: None) -> Profile:
    """Return a profile of an account that every job has read just now, with a position known."""
    found = builders.make_profile()
    run = builders.make_run(found.account, kind=RunKind.HEARTBEAT)
    builders.make_run(found.account)
    builders.make_watchdog_state(found, notional_usd="12500")
    builders.make_trade(found, entry_quantity="0.5", status=TradeStatus.OPEN)
    builders.make_parity_watch(last_run=run, kind=ParityKind.GHOST_POSITION, streak=2)
    builders.make_parity_reading(run, streak=2)
    return found


@pytest.fixture
def cookie(profile: Profile) -> str:
    session = client_of("olga", Role.OPERATOR).cookies[settings.SESSION_COOKIE_NAME]
    return str(session.value)


@pytest.fixture
def open_page(cookie: str, live_server: LiveServer, browser: Browser) -> Iterator[Open]:
    """Return what opens an address in a new window in which an operator is logged in."""
    contexts: list[BrowserContext] = []

    def opened(address: str, *, script: bool = True, dark: bool = False) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": cookie, "url": live_server.url}])
        page = context.new_page()
        page.set_viewport_size({"width": DESKTOP, "height": 900})
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()


def test_the_banner_changes_without_loading_the_page_again(profile: Profile, open_page: Open):
    page = open_page("/admin/")
    expect(page.locator(".banner h2")).to_have_text("Healthy")
    page.evaluate("window.sameDocument = true")
    builders.make_pause(profile, reason="too much")
    expect(page.locator(".banner h2")).to_have_text("Degraded")
    expect(page.locator(".banner")).to_contain_text("alpha: trading is paused by PARITY_WATCHDOG")
    expect(page.locator("#freshness")).to_contain_text("Loaded again")
    assert page.evaluate("window.sameDocument") is True


def test_without_a_script_the_page_says_the_same_and_leads_on(profile: Profile, open_page: Open):
    builders.make_pause(profile, reason="too much")
    page = open_page("/admin/", script=False)
    expect(page.locator(".banner h2")).to_have_text("Degraded")
    assert page.locator("noscript meta[http-equiv=refresh], meta[http-equiv=refresh]").count() == 1
    page.locator(".banner").get_by_role("link", name="The profile").click()
    expect(page.locator(".banner")).to_contain_text("PAUSED_WATCHDOG")
    page.get_by_text("The JSON of the gate", exact=False).click()
    expect(page.get_by_text('"entries_allowed": false')).to_be_visible()
    page.get_by_role("link", name="Resume trading").click()
    expect(page.get_by_label("Whose pause is lifted")).to_be_visible()


def test_the_pages_fit_and_have_no_serious_fault_for_anybody(profile: Profile, open_page: Open):
    builders.make_pause(profile)
    builders.make_escalation(profile.account, profile=profile)
    builders.make_mismatch()
    faults: list[str] = []
    pages = {
        "home": "/admin/",
        "exposure": "/admin/exposure/",
        "position": f"/admin/exposure/{profile.account_id}/net/BTC/USDT:USDT/",
        "profiles": "/admin/profiles/",
        "profile": object_address(profile),
    }
    for dark in (False, True):
        page = open_page("/admin/", dark=dark)
        for name, address in pages.items():
            for width in (DESKTOP, PHONE):
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(address)
                wide = page.evaluate("document.documentElement.scrollWidth")
                if wide > width:
                    faults.append(f"{name} is {wide} px wide in {width} px")
                if SHOTS:
                    scheme = "dark" if dark else "light"
                    path = Path(SHOTS) / f"{name}-{scheme}-{width}.png"
                    page.screenshot(path=path, full_page=True)
            for found in Axe().run(page).response["violations"]:
                if found["impact"] in ("serious", "critical"):
                    where = [node["target"] for node in found["nodes"]][:3]
                    faults.append(f"{name}, dark {dark}: {found['id']} at {where}")
    assert "\n".join(faults) == ""
