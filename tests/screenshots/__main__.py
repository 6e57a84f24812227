"""Take the pictures: at 1440 and at 390 pixels, some also in dark colours."""

import argparse
import io
import shutil
import sys
import time
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.screenshots.demo import Demo, started
from tests.screenshots.pages import EXITS, REVIEWS, Shot, shots

WIDTHS = {1440: 900, 390: 844}
FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
_WAITED_FOR = {REVIEWS: ("AMBIGUOUS_OWNERS", "OVERCLOSE"), EXITS: ("QTY_EXCEEDS_OPEN",)}
_PATIENCE_MS = 8000
_FILLED_WITHIN_SECONDS = 480


def main() -> None:
    """Take the pictures of the pages that were named, or of all."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of pages; all of them without any")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--url", help="of a demo that runs already, with --password and --folder")
    parser.add_argument("--password", default="", help="of its user demo")
    parser.add_argument("--folder", type=Path, default=Path(), help="where it keeps its database")
    chosen = parser.parse_args()
    running = Demo(chosen.url, chosen.password, chosen.folder / "demo.sqlite3")
    chosen.out.mkdir(parents=True, exist_ok=True)
    with nullcontext(running) if chosen.url else started() as demo:
        _take_all(demo, chosen.only, chosen.out)


def _take_all(demo: Demo, only: list[str], out: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        context = browser.new_context(base_url=demo.url, color_scheme="light")
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        _log_in(page, demo, Shot("login", lambda page: page.goto("/admin/login/")), out)
        if not only:
            _wait_until_filled(page)
        failed = [
            shot.name
            for shot in shots(demo.database)
            if (not only or shot.name in only) and not _take(context, page, shot, out)
        ]
        browser.close()
    if failed:
        sys.exit(f"No picture of: {', '.join(failed)}")


def _log_in(page: Page, demo: Demo, shot: Shot, out: Path) -> None:
    shot.reach(page)
    _picture(page, shot, out)
    page.fill("#id_username", "demo")
    page.fill("#id_password", demo.password)
    page.click("[type=submit]")


def _wait_until_filled(page: Page) -> None:
    until = time.monotonic() + _FILLED_WITHIN_SECONDS
    for address, words in _WAITED_FOR.items():
        while not all(word in page.locator("#content").inner_text() for word in words):
            if time.monotonic() > until:
                sys.exit(f"{address} does not hold {', '.join(words)}")
            page.wait_for_timeout(5000)
            page.goto(address)


def _take(context: BrowserContext, page: Page, shot: Shot, out: Path) -> bool:
    try:
        page.set_viewport_size({"width": 1440, "height": 900})
        shot.reach(page)
        _picture(page, shot, out)
    except Exception as error:  # the others are taken all the same
        sys.stderr.write(f"{shot.name}: {error}\n")
        return False
    return True


def _picture(page: Page, shot: Shot, out: Path) -> None:
    for scheme in ("light", "dark") if shot.in_dark else ("light",):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width, height in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            suffix = "-dark" if scheme == "dark" else ""
            png = _quantised(page.screenshot(animations="disabled"))
            (out / f"{shot.name}-{width}{suffix}.png").write_bytes(png)
    page.emulate_media(color_scheme="light")


def _quantised(png: bytes) -> bytes:
    """Return a picture of 128 colours where Pillow is installed: a third of the size."""
    if find_spec("PIL") is None:
        return png
    image = import_module("PIL.Image")
    out = io.BytesIO()
    image.open(io.BytesIO(png)).convert("RGB").quantize(128, dither=0).save(
        out, "PNG", optimize=True
    )
    return out.getvalue()


if __name__ == "__main__":
    main()
