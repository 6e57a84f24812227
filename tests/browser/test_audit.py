"""In a browser without JavaScript: filter, keep the address, lead on, export, check the export."""

import os
import zipfile
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from reconciliation.domain.audit import EventDraft
from reconciliation.enums import AuditOutcome, Role
from tests.admin.people import client_of
from tests.admin.story import seal, tell

SHOTS = os.environ.get("SHOTS", "")


@pytest.fixture
def cookie(transactional_db: None) -> dict[str, str]:
    """Return the session of a member of Compliance, over a trail of sixty events and a story."""
    story = tell()
    draft = EventDraft(
        action="trade.quarantined",
        outcome=AuditOutcome.REFUSED,
        object_type="trade",
        object_id=str(story.trade.pk),
        profile="alpha",
        account="main",
        before={"status": "OPEN"},
        after={"trade": {"status": "QUARANTINED"}},
        comment="the position at the exchange is zero",
    )
    seal(story.run, *([draft] * 60))
    client = client_of("carla", Role.COMPLIANCE)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "trade": str(story.trade.pk)}


def test_events_are_filtered_followed_and_exported(
    cookie: dict[str, str], live_server: LiveServer, browser: Browser, tmp_path: Path
):
    trade = cookie.pop("trade")
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies([{**cookie, "url": live_server.url}])  # type: ignore[list-item]
    page = context.new_page()

    def picture(name: str) -> None:
        for scheme in ("light", "dark") if SHOTS else ():
            for width in (1440, 390):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.set_viewport_size({"width": width, "height": 900})
                page.screenshot(path=Path(SHOTS) / f"{name}-{scheme}-{width}.png", full_page=True)

    page.goto("/admin/audit/")
    page.get_by_label("Action").fill("trade.*")
    page.get_by_label("Outcome").select_option("refused")
    page.get_by_role("button", name="Show these events").click()
    expect(page.get_by_role("heading", name="60 events, newest first")).to_be_visible()
    picture("explorer")
    kept = page.url
    page.get_by_role("link", name="older ›").first.click()
    expect(page.locator("#result_list tbody tr")).to_have_count(10)
    page.goto(kept)
    expect(page.locator("#result_list tbody tr")).to_have_count(50)
    page.locator("#result_list tbody a").first.click()
    expect(page.get_by_role("heading", name="The chain around it")).to_be_visible()
    picture("event")
    page.goto(f"/admin/audit/timeline/trade/{trade}/")
    expect(page.get_by_text("quarantined the trade").first).to_be_visible()
    picture("timeline")
    page.goto(kept)
    page.get_by_role("link", name="Export these events").click()
    picture("export")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Export 60 events").click()
    file = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(file)
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        (data,) = [name for name in archive.namelist() if name.endswith(".jsonl")]
        assert len(archive.read(data).splitlines()) == 60
    page.goto("/admin/audit/?run=abc")
    expect(page.get_by_text("is not the number of a run")).to_be_visible()
    picture("fault")
    context.close()
