"""In a browser: no page is wider than its window, and no list hides a column on a desktop."""

import shutil
from collections.abc import Iterator, Mapping

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from playwright.sync_api import Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from reconciliation.domain.audit import EventDraft
from reconciliation.enums import OrderStatus, RunStatus
from tests import builders
from tests.admin.pages import list_address, object_address
from tests.admin.story import Story, add_to, seal, tell

DESKTOP, PHONE, HEIGHT = 1440, 390, 900
CLIENT_ORDER_ID = "rcu3ywmykeuvqgr32r6svcbi0016p5dg"
EXCHANGE_ID = "1795362486087000008"
AMOUNT = "12345.12345678"

# What is wider than the window, and whether the table of a list is wider than its box.
MEASURE = """() => {
    const list = document.querySelector("#result_list");
    return {
        page: document.documentElement.scrollWidth,
        window: window.innerWidth,
        list: list ? list.scrollWidth : 0,
        box: list ? list.parentElement.clientWidth : 0,
    };
}"""


@pytest.fixture
def told(transactional_db: None) -> Story:
    """Return a story, and beside it rows whose ids and amounts are as long as real ones."""
    story = tell()
    add_to(story, 1)
    trade = builders.make_trade(
        story.profile,
        trade_id="breakout-4h-BTC-2026-01-05-00017",
        entry_quantity=AMOUNT,
        average_entry_price=AMOUNT,
        average_exit_price=AMOUNT,
    )
    order = builders.make_order(
        trade,
        client_order_id=CLIENT_ORDER_ID,
        exchange_order_id=EXCHANGE_ID,
        status=OrderStatus.PARTIALLY_FILLED,
        quantity=AMOUNT,
        filled_quantity=AMOUNT,
        average_price=AMOUNT,
        delivered_status=OrderStatus.OPEN,
        delivered_filled_quantity="0",
        delivered_quantity="1",
    )
    run = builders.make_run(
        status=RunStatus.FAILED,
        error=f"okx answered 503 to GET /api/v5/trade/orders-pending{'?after=1' * 9}\n{'-' * 300}",
        unread={"open_orders.regular": "timeout"},
        counts={"orders": 1200, "mismatches": 31, "look_ups": 50, "look_ups_waiting": 12},
    )
    fill = builders.make_fill(
        exchange_fill_id=EXCHANGE_ID,
        exchange_order_id=EXCHANGE_ID,
        client_order_id=CLIENT_ORDER_ID,
        quantity=AMOUNT,
        run=run,
        raw='{"' + "x" * 500 + '":1}',
    )
    history = builders.make_history(
        trade, order=order, quantity=AMOUNT, run=run, evidence_hash="e" * 64
    )
    builders.make_allocation(fill, history)
    mismatch = builders.make_mismatch(
        run,
        profile=story.profile,
        trade=trade,
        order=order,
        drift=AMOUNT,
        resolution="booked 12345.12345678, order now FILLED, 31.5 not booked: " + "why " * 20,
        evidence_hash="f" * 64,
        database_side={"client_order_id": CLIENT_ORDER_ID, "long": "x" * 300},
        exchange_side={"order": {"client_order_id": CLIENT_ORDER_ID, "status": "FILLED"}},
    )
    builders.make_sighting(mismatch)
    seal(
        run,
        EventDraft(
            action="trade.synthetic_exit_replaced",
            object_type="trade",
            object_id=str(trade.pk),
            profile=story.profile.name,
            account=story.account.name,
            before={"trade": {"exit_quantity": "0"}},
            after={"trade": {"exit_quantity": AMOUNT}, "fills": [{"fill_id": EXCHANGE_ID}]},
        ),
    )
    return story


@pytest.fixture
def addresses(told: Story, cookies: Mapping[str, str]) -> list[str]:
    """Return every list, the newest page of each model (the longest ids are there), the index."""
    found = ["/admin/", "/admin/reconciliation/", "/admin/password_change/"]
    for model in (*apps.get_app_config("reconciliation").get_models(), User):
        found += [list_address(model), object_address(_newest(model))]
    return found


def _newest(model: type[Model]) -> Model:
    row = model._default_manager.order_by("-pk").first()
    assert row is not None, f"the story has no {model.__name__}"
    return row


@pytest.fixture
def cookies(transactional_db: None) -> Mapping[str, str]:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="irrelevant"))
    return {name: morsel.value for name, morsel in client.cookies.items()}


@pytest.fixture
def browser_page(
    addresses: list[str], cookies: Mapping[str, str], live_server: LiveServer
) -> Iterator[Page]:
    """Return a page of a browser in which a superuser is logged in.

    It starts after all that is written to the database: Django refuses to write beside its loop.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("chromium is not installed; run: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        context = browser.new_context(base_url=live_server.url)
        context.add_cookies(
            [
                {"name": name, "value": value, "url": live_server.url}
                for name, value in cookies.items()
            ]
        )
        yield context.new_page()
        browser.close()


def test_every_page_fits_a_desktop_and_a_phone_and_reports_no_error(
    browser_page: Page, addresses: list[str]
):
    faults: list[str] = []
    browser_page.on(
        "console",
        lambda said: (
            faults.append(f"{browser_page.url}: {said.text}")
            if said.type in ("error", "warning")
            else None
        ),
    )
    browser_page.on("pageerror", lambda error: faults.append(f"{browser_page.url}: {error}"))
    for address in addresses:
        browser_page.set_viewport_size({"width": DESKTOP, "height": HEIGHT})
        answer = browser_page.goto(address)
        assert answer is not None
        assert answer.status == 200, f"{address} answered {answer.status}"
        assert browser_page.url.endswith(address), f"{address} led to {browser_page.url}"
        for width in (DESKTOP, PHONE):
            browser_page.set_viewport_size({"width": width, "height": HEIGHT})
            found = browser_page.evaluate(MEASURE)
            if found["page"] > found["window"]:
                faults.append(f"{address} is {found['page']} px wide in {width} px")
            if width == DESKTOP and found["list"] > found["box"]:
                faults.append(f"{address}: the list needs {found['list']} of {found['box']} px")
    assert faults == []
