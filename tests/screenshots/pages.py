"""Which pages have their picture taken, and how a person gets to each."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

ROWS = "/admin/reconciliation"
REVIEWS, EXITS = f"{ROWS}/reviewitem/", f"{ROWS}/backfillcandidate/"
APPROVE = ".offers a[href*='/decide/approve']"
_WHY = "Compared with the statement of the exchange."
_ERRAND_MS = 60_000
# Looks like a key, and is none.
_DEAD_KEY = "rp_deadkey00_ThisKeyWasMadeUpForAPictureAndOpensNothing"


@dataclass(frozen=True, slots=True)
class Shot:
    """A page's name, how to get there, and whether it is shown in dark colours as well."""

    name: str
    reach: Callable[[Page], object]
    in_dark: bool = False


def shots(database: Path) -> tuple[Shot, ...]:
    """Return every page; those that write something come last."""
    return (
        Shot("home", _at("/admin/"), in_dark=True),
        Shot("exposure", _at("/admin/exposure/")),
        Shot("position", _position),
        Shot("queues", _at("/admin/queues/")),
        Shot("quarantine", _at(REVIEWS)),
        Shot("review-ambiguous", _first(REVIEWS, "AMBIGUOUS_OWNERS"), in_dark=True),
        Shot("review-overclose", _first(REVIEWS, "OVERCLOSE")),
        Shot("review-mass", _first(REVIEWS, "MASS_MISMATCH")),
        Shot("approve", _approve(REVIEWS, "OVERCLOSE")),
        Shot("conflict", _conflict),
        Shot("busy", lambda page: _busy(page, database)),
        Shot("bulk", _bulk),
        Shot("missed-exits", _at(EXITS)),
        Shot("missed-exit", _first(EXITS, "QTY_EXCEEDS_OPEN")),
        Shot("external-orders", _at(f"{ROWS}/externalorder/")),
        Shot("mismatches", _at(f"{ROWS}/mismatch/")),
        Shot("mismatch", _first(f"{ROWS}/mismatch/?kind__exact=POSITION_MISMATCH")),
        Shot("orphan", _first(f"{ROWS}/mismatch/?kind__exact=ORPHAN_POSITION&status__exact=OPEN")),
        Shot(
            "shared-shortfall",
            _first(
                f"{ROWS}/mismatch/?status__exact=OPEN&kind__exact=POSITION_MISMATCH"
                "&trade__isnull=True"
            ),
        ),
        Shot("escalations", _at(f"{ROWS}/escalation/")),
        Shot("escalation", _first(f"{ROWS}/escalation/?status__exact=OPEN")),
        Shot("trades", _at(f"{ROWS}/trade/")),
        Shot("trade", _first(f"{ROWS}/trade/?status__exact=CLOSED")),
        Shot("trade-timeline", _trade_timeline),
        Shot("runs", _at(f"{ROWS}/run/")),
        Shot("run", _first(f"{ROWS}/run/?kind__exact=HEARTBEAT", "POSITION_MISMATCH")),
        Shot("run-now", _at(f"{ROWS}/run/now/")),
        Shot("run-now-confirm", _run_now),
        Shot("profiles", _at("/admin/profiles/")),
        Shot("profile", _at(f"{ROWS}/profile/7/change/")),
        Shot("profile-pause", _pause),
        Shot("audit", _at("/admin/audit/"), in_dark=True),
        Shot("audit-event", _at(f"{ROWS}/auditevent/100/change/")),
        Shot("audit-timeline", _at("/admin/audit/timeline/trade/13/")),
        Shot("audit-export", _at("/admin/audit/export/")),
        Shot("set-up", _at("/admin/set-up/")),
        Shot("set-up-account", _at("/admin/set-up/accounts/1/")),
        Shot("set-up-account-add", _at("/admin/set-up/accounts/add/")),
        Shot("set-up-baseline", _at("/admin/set-up/accounts/1/baseline/")),
        Shot("set-up-profile-add", _at("/admin/set-up/accounts/1/profiles/add/")),
        Shot("set-up-key-add", _at("/admin/set-up/accounts/1/keys/add/")),
        Shot("people", _at("/admin/set-up/people/")),
        Shot("person", _at("/admin/set-up/people/4/groups/")),
        Shot("person-add", _at("/admin/set-up/people/add/")),
        Shot("settings", _at("/admin/set-up/settings/")),
        Shot("runbooks", _at("/admin/runbooks/")),
        Shot("runbook", _at("/admin/runbooks/lifecycle-incident/#quarantine")),
        Shot("schedules", _at("/admin/django_q/schedule/")),
        Shot("schedule-off", _switch_off),
        Shot("lists", _at("/admin/reconciliation/")),
        Shot("errands", _at(f"{ROWS}/errand/")),
        Shot("keys", _keys),
        Shot("audit-verify", _verify),
        Shot("account-test", _test_account),
        Shot("errand-under-way", _run_at_once),
        Shot("errand-outcome", _outcome),
        Shot("set-up-key-shown", _new_key),
    )


def _at(address: str) -> Callable[[Page], object]:
    return lambda page: page.goto(address)


def _first(address: str, words: str = "") -> Callable[[Page], object]:
    """Open the first row of a list that says these words, or the first of all where none does."""

    def reach(page: Page) -> None:
        page.goto(address)
        rows = page.locator("#result_list tbody tr")
        saying = rows.filter(has_text=words)
        row = saying.first if saying.count() else rows.first
        row.locator("th a").first.click()

    return reach


def _approve(address: str, words: str) -> Callable[[Page], object]:
    def reach(page: Page) -> None:
        _first(address, words)(page)
        page.locator(APPROVE).first.click()

    return reach


def _answered(page: Page) -> None:
    reasons = page.locator("select[name=reason]")
    if reasons.count():
        reasons.select_option(index=1)
    page.fill("textarea[name=comment]", _WHY)


def _position(page: Page) -> None:
    page.goto("/admin/exposure/")
    page.locator("#content a", has_text="LTC/USDT").first.click()


def _conflict(page: Page) -> None:
    """Decide on what was there a while ago."""
    _approve(REVIEWS, "OVERCLOSE")(page)
    _answered(page)
    page.evaluate("() => { document.querySelector('[name=version]').value = '0'; }")
    page.click("[name=_decide]")


def _busy(page: Page, database: Path) -> None:
    """Decide while somebody writes for the profile."""
    _approve(REVIEWS, "OVERCLOSE")(page)
    _answered(page)
    with closing(sqlite3.connect(database, timeout=30)) as rows, rows:
        rows.execute(
            "UPDATE reconciliation_profilelease SET holder = 'run 31 (reconcile)',"
            " acquired_at = datetime('now'), expires_at = datetime('now', '+40 seconds')"
        )
    page.click("[name=_decide]")
    with closing(sqlite3.connect(database, timeout=30)) as rows, rows:
        rows.execute(
            "UPDATE reconciliation_profilelease SET expires_at = datetime('now')"
            " WHERE holder = 'run 31 (reconcile)'"
        )


def _bulk(page: Page) -> None:
    page.goto(f"{REVIEWS}?reason__exact=MASS_MISMATCH")
    for box in page.locator("input[name=_selected_action]").all():
        box.check()
    page.select_option("select[name=action]", index=1)
    page.click("button[name=index]")


def _trade_timeline(page: Page) -> None:
    _first(f"{ROWS}/trade/?status__exact=CLOSED")(page)
    page.goto(page.url.replace("/change/", "/timeline/"))


def _run_now(page: Page) -> None:
    page.goto(f"{ROWS}/run/now/?account=1&job=RECONCILE")


def _pause(page: Page) -> None:
    page.goto(f"{ROWS}/profile/1/trading/pause/")


def _switch_off(page: Page) -> None:
    page.goto("/admin/django_q/schedule/")
    page.locator("#result_list th a", has_text="reconcile").click()
    page.locator(".offers a").first.click()


def _keys(page: Page) -> None:
    page.goto("/admin/")
    page.keyboard.press("?")


def _outcome(page: Page) -> None:
    """Wait until a worker has answered; the page loads itself again."""
    page.get_by_text("done", exact=False).first.wait_for(timeout=_ERRAND_MS)
    page.wait_for_timeout(8000)
    page.reload()


def _verify(page: Page) -> None:
    page.goto("/admin/audit/")
    page.locator("form[action$='/verify/'] [type=submit]").click()
    _outcome(page)


def _test_account(page: Page) -> None:
    page.goto("/admin/set-up/accounts/1/")
    page.locator("form[action$='/test/'] [type=submit]").click()
    _outcome(page)


def _run_at_once(page: Page) -> None:
    _run_now(page)
    page.locator("form[method=post].decision [type=submit]").click()


def _new_key(page: Page) -> None:
    page.goto("/admin/set-up/accounts/1/keys/add/")
    page.fill("[name=name]", "trend-bot-2")
    page.locator("[name=profiles]").first.check()
    page.locator("form.decision [type=submit]").click()
    page.locator("#issued-key").wait_for()
    page.evaluate("key => { document.querySelector('#issued-key').value = key; }", _DEAD_KEY)
