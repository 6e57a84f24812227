"""As each group, and without JavaScript: every link that is shown leads somewhere, and every page
of the console says what it is about.
"""

import pytest
from django.conf import settings
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from reconciliation.admin.console import PAGES
from reconciliation.enums import Role
from tests.admin.people import client_of
from tests.browser.crawl import reachable
from tests.browser.long_world import long_story


@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", list(Role))
def test_no_link_leads_a_group_to_a_refusal_and_no_page_needs_a_script(
    transactional_db: None, role: Role, live_server: LiveServer, browser: Browser
):
    long_story()
    client = client_of("somebody", role)
    # Each address that is asked for has to answer 200.
    addresses = reachable(client, ["/admin/"])
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
    )
    page = context.new_page()
    routes = {page.route.split("<")[0] for page in PAGES}
    own = [each for each in addresses if each.removeprefix("/admin/").split("?")[0] in routes]
    assert len(own) >= len([page for page in PAGES if page.nav])
    for address in own:
        answer = page.goto(address)
        assert answer is not None
        assert answer.ok, address
        assert page.locator("h1").first.inner_text().strip(), address
        assert page.locator("#content-main").inner_text().strip(), address
    context.close()
