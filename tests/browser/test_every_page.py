"""Every page that links lead to: nothing said in the browser's console, nothing against the policy
of content, nothing serious against accessibility in light and dark, nothing wider than its window.
"""

from collections.abc import Iterable, Mapping

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from tests.admin.conftest import logged_in
from tests.browser.crawl import reachable
from tests.browser.long_world import long_story, starts

SHARDS = 3
DESKTOP, PHONE, HEIGHT = 1440, 390, 900

# How much wider than its window the page is (a table scrolls in its own box), and on a desktop
# the rows of a list than their box.
WIDER = """() => {
    const list = document.querySelector("#result_list");
    return {
        page: document.documentElement.scrollWidth - window.innerWidth,
        list: list ? list.scrollWidth - list.parentElement.clientWidth : 0,
    };
}"""


@pytest.fixture
def client_of_root(transactional_db: None) -> Client:
    """Return a browser of a superuser, in a world with a row of everything."""
    long_story()
    return logged_in(User.objects.create_superuser("root", password="irrelevant"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_page_is_sound_in_light_and_dark_on_a_desktop_and_a_phone(
    shard: int, client_of_root: Client, live_server: LiveServer, browser: Browser
):
    addresses = reachable(client_of_root, starts())[shard::SHARDS]
    faults = []
    for scheme in ("light", "dark"):
        context = browser.new_context(
            base_url=live_server.url,
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": DESKTOP, "height": HEIGHT},
        )
        session = client_of_root.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
        )
        # Only the colours differ between the two.
        rules = {} if scheme == "light" else {"runOnly": ["color-contrast"]}
        faults += [f"{scheme} {each}" for each in _faults(context.new_page(), addresses, rules)]
        context.close()
    assert not faults, "\n".join(faults)


def _faults(page: Page, addresses: Iterable[str], rules: Mapping[str, object]) -> list[str]:
    faults: list[str] = []
    page.on("console", lambda said: faults.extend(_complaint(said)))
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    for address in addresses:
        answer = page.goto(address)
        if answer is None or not answer.ok:
            faults.append(f"{address} answered {answer and answer.status}")
        for width in (PHONE, DESKTOP):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            wider: Mapping[str, int] = page.evaluate(WIDER)
            if wider["page"] > 0:
                faults.append(f"{address}: {wider['page']} px wider than {width}")
        if wider["list"] > 0:
            faults.append(f"{address}: the list is {wider['list']} px wider than its box")
        faults += [f"{address}: {fault}" for fault in _unreadable(page, rules)]
    return faults


def _complaint(message: ConsoleMessage) -> list[str]:
    """Return what a browser complains of: errors, and everything that the policy forbids."""
    is_fault = message.type in ("error", "warning")
    return [f"{message.page and message.page.url}: {message.text}"] if is_fault else []


def _unreadable(page: Page, rules: Mapping[str, object]) -> list[str]:
    # Without axe's own loading of style sheets, which asks for what they import at wrong addresses.
    found: Mapping[str, list[Mapping[str, object]]] = (
        Axe().run(page, options={"preload": False, **rules}).response
    )
    return [
        f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}"  # type: ignore[attr-defined]
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
