"""In a browser: the life of a trade with its picture, and a job run now and followed to its end."""

import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.db import connections
from django.db.models import Model
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

from reconciliation.cycles.errands import do_errand
from reconciliation.enums import Role
from reconciliation.models import Errand, Run
from tests.admin.pages import list_address, object_address
from tests.admin.people import client_of
from tests.admin.test_trade_page import a_ghost
from tests.cycles.worlds import World

DESKTOP, PHONE = 1440, 390
# What stands around it is of every page, and looked at with them.
OWN = {"include": [["#content-main"]], "exclude": [["#changelist-search"], ["#filters"]]}
SHOTS = os.environ.get("SHOTS", "")
"""A folder for pictures of the pages, where somebody wants to look at them."""


@pytest.fixture
def world(transactional_db: None) -> World:
    return World()


@pytest.fixture
def pages(world: World) -> Mapping[str, str]:
    return pages_of(world)


@pytest.fixture
def cookie(world: World) -> str:
    client = client_of("olga", Role.OPERATOR)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def window(
    browser: Browser, live_server: LiveServer, cookie: str, *, script: bool = True, **given: object
) -> Page:
    context = browser.new_context(
        base_url=live_server.url,
        java_script_enabled=script,
        **given,  # type: ignore[arg-type]
    )
    named = {"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}
    context.add_cookies([named])  # type: ignore[list-item]
    page = context.new_page()
    page.set_default_timeout(20_000)
    return page


def elsewhere(do: Callable[[], object]) -> None:
    """Do what needs the database in another thread: the browser's own loop runs in this one."""

    def done() -> None:
        try:
            do()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(done).result()


def work(world: World) -> None:
    """Do what was asked for, as a worker does."""
    do_errand(errand_id=Errand.objects.get().pk, ports=world.ports())


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def pages_of(world: World) -> Mapping[str, str]:
    """Return the pages by name, with a ghost and a run to look at."""
    trade = a_ghost()
    world.entry()
    world.cycle()
    run: Model = Run.objects.filter(kind="RECONCILE").latest("pk")
    return {
        "trade": object_address(trade),
        "timeline": f"{object_address(trade).removesuffix('change/')}timeline/",
        "runs": list_address(Run),
        "run": object_address(run),
        "choose": "/admin/reconciliation/run/now/",
        "confirm": f"/admin/reconciliation/run/now/?account={world.account.pk}&job=RECONCILE",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_and_can_be_read_by_everybody(
    pages: Mapping[str, str],
    live_server: LiveServer,
    cookie: str,
    browser: Browser,
    scheme: str,
):
    faults: list[str] = []

    def listen(said: ConsoleMessage) -> None:
        if said.type == "error":
            faults.append(said.text)

    for width in (DESKTOP, PHONE):
        page = window(
            browser,
            live_server,
            cookie,
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
        )
        for name, address in pages.items():
            # What axe itself puts into a page is refused as well.
            page.on("console", listen)
            page.goto(address)
            page.remove_listener("console", listen)
            shot(page, f"{name}-{width}-{scheme}")
            if page.evaluate("document.documentElement.scrollWidth") > width:
                faults.append(f"{name} is wider than {width}")
            found = Axe().run(page, context=OWN).response["violations"]
            faults += [
                f"{name} {width}: {each['id']} {each['nodes'][0]['html'][:200]}"
                for each in found
                if each["impact"] in ("serious", "critical")
            ]
        page.context.close()
    assert faults == []


def test_a_job_that_is_run_now_is_followed_to_its_end(
    world: World, live_server: LiveServer, cookie: str, browser: Browser
):
    page = window(browser, live_server, cookie)
    page.goto(list_address(Run))
    # The script shows this button when it listens: a key before that would be lost.
    expect(page.locator("#show-keys")).to_be_visible()
    page.keyboard.press("n")
    page.get_by_label("Account").select_option("main")
    page.get_by_role("button", name="Show what it will do").click()
    expect(page.get_by_text("repairs what the evidence proves")).to_be_visible()
    page.get_by_role("button", name="Run the reconcile of main now").click()
    expect(page.get_by_text("now: waiting for a worker")).to_be_visible()
    shot(page, "errand-waiting")

    elsewhere(lambda: work(world))
    # Nobody touches the page: it loads itself again.
    expect(page.get_by_text("main: SUCCEEDED, coverage COMPLETE")).to_be_visible()
    shot(page, "errand-done")
    page.get_by_role("link", name=re.compile("^run [0-9]+$")).first.click()
    expect(page.get_by_role("heading", name="What was read")).to_be_visible()


def test_a_job_is_run_now_without_a_script(
    world: World, live_server: LiveServer, cookie: str, browser: Browser
):
    page = window(browser, live_server, cookie, script=False)
    page.goto(f"/admin/reconciliation/exchangeaccount/{world.account.pk}/change/")
    page.get_by_role("link", name="Run a job now").click()
    page.get_by_role("button", name="Show what it will do").click()
    page.get_by_role("button", name="Run the reconcile of main now").click()
    expect(page.get_by_text("now: waiting for a worker")).to_be_visible()
    elsewhere(lambda: work(world))
    page.reload()
    expect(page.get_by_text("main: SUCCEEDED, coverage COMPLETE")).to_be_visible()
