"""One Chromium for the tests of a worker that follow each other, and what every page must keep."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium.

    Playwright runs a loop in this thread, beside which Django would refuse to use the database:
    nothing here is asynchronous, so it is told that it may.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("chromium is not installed; run: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-dev-shm-usage"]
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        started = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()
