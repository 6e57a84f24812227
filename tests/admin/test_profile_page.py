"""One profile: what its bot is told and why, its pauses, its money, its lock."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reconciliation.admin import deciding_types
from reconciliation.enums import MismatchKind, PauseSource, Role, RunKind, TradeStatus
from reconciliation.models import CapitalEntry, Profile
from tests import builders
from tests.admin.pages import Console, Page, list_address, object_address, result_rows
from tests.admin.people import client_of
from tests.builders import NOW, FixedClock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)


@pytest.fixture
def profile(db: None) -> Profile:
    """Return a profile that every job has read just now."""
    found = builders.make_profile()
    for kind in RunKind:
        builders.make_run(found.account, kind=kind)
    return found


def gate(page: Page) -> str:
    return page.section("What its bot is told").text


def test_a_profile_against_which_nothing_stands_may_do_all(console: Console, profile: Profile):
    page = console.page_of(profile)
    assert "New entries: allowed. Exits: allowed." in gate(page)
    assert "No reason stands against it." in gate(page)
    assert "Pauses that hold" not in page.titles()


def test_the_page_says_what_its_bot_is_told(console: Console, profile: Profile):
    trade = builders.make_trade(profile, status=TradeStatus.QUARANTINED, entry_quantity="1")
    builders.make_mismatch(kind=MismatchKind.GHOST_POSITION, profile=profile, trade=trade)
    builders.make_pause(profile, source=PauseSource.OPERATOR, started_by="olga")
    page = console.page_of(profile)
    assert "New entries: not allowed. Exits: allowed, but for the symbols below." in gate(page)
    for reason in ("PAUSED_OPERATOR", "MISMATCH", "QUARANTINED"):
        assert reason in gate(page)
    assert gate(page).count("What ends it:") == 3
    assert gate(page).count("What to do") == 3
    rows = page.section("Symbols in which it may do less").rows
    assert rows[1][:3] == [trade.symbol, "not allowed", "0"]
    answer = page.section("The answer as its bot gets it").text
    assert '"entries_allowed": false' in answer
    assert '"as_of": "2026-01-05T12:00:00' in answer


def test_a_profile_that_nobody_has_read_is_stale_and_not_open(console: Console):
    assert "STALE" in gate(console.page_of(builders.make_profile("unread")))


def test_a_held_lock_tells_its_holder_and_blocks_exits_too(console: Console, profile: Profile):
    lease = profile.lease
    with builders.arranging():
        lease.holder, lease.acquired_at = "worker-7", NOW
        lease.expires_at = NOW + timedelta(seconds=9)
        lease.save()
    page = console.page_of(profile)
    assert "Exits: not allowed." in gate(page)
    assert "told to ask again in 9 s" in gate(page)
    lock = page.section("Reconciliation lock")
    assert lock.fact("Holder") == "worker-7"
    assert lock.fact("Until").endswith("in 9 s")


def test_both_pauses_are_shown_with_how_each_ends(console: Console, profile: Profile):
    builders.make_pause(profile, source=PauseSource.OPERATOR, started_by="olga")
    builders.make_pause(profile, started_at=NOW - timedelta(minutes=16))
    builders.make_watchdog_state(profile, clean_heartbeats=2)
    page = console.page_of(profile)
    held = page.section("Pauses that hold").text
    assert "never by itself" in held
    assert "All conditions are met: the next heartbeat ends it." in held
    assert len(page.section("Pauses").rows) == 3


def test_capital_shows_a_free_rest_that_is_negative_and_leads_to_the_ledger(
    console: Console, profile: Profile
):
    builders.make_capital_balance(profile, reserved_usd="60000", used_usd="50000.5")
    builders.make_capital_entry(profile)
    part = console.page_of(profile).section("Capital")
    assert part.fact("Free") == "-10,000.50 USD: more is bound than was allocated"
    address = part.href("rows of the ledger")
    assert address.startswith(list_address(CapitalEntry))
    assert len(result_rows(console.open(address))) == 1


def test_capital_that_was_never_reckoned_is_unknown(console: Console, profile: Profile):
    part = console.page_of(profile).section("Capital")
    assert part.fact("Reserved, used, free").startswith("UNKNOWN")


def test_only_open_trades_are_listed_as_open(console: Console, profile: Profile):
    held = builders.make_trade(profile, status=TradeStatus.OPEN, entry_quantity="1")
    builders.make_trade(profile, status=TradeStatus.CANCELED)
    part = console.page_of(profile).section("Open trades")
    assert len(part.rows) == 2
    assert object_address(held) in {address for _, address in part.links}
    assert len(result_rows(console.open(part.href("Open as a list")))) == 1


def test_the_confirmation_of_a_pause_says_what_will_happen(profile: Profile):
    console = Console(client_of("olga", Role.OPERATOR))
    address = reverse("admin:reconciliation_profile_trading", args=[profile.pk, "pause"])
    text = console.open(address).main.text
    assert "Exits go on" in text
    assert "Until now it may open new entries: that ends with the pause." in text


def test_the_confirmation_of_a_resumption_says_what_stays_in_the_way(profile: Profile):
    builders.make_pause(profile, source=PauseSource.OPERATOR)
    console = Console(client_of("olga", Role.OPERATOR))
    address = reverse("admin:reconciliation_profile_trading", args=[profile.pk, "resume"])
    assert "its bot may trade" in console.open(address).main.text
    builders.make_mismatch(profile=profile)
    assert "New entries stay blocked after it by: MISMATCH." in console.open(address).main.text


def test_all_profiles_stand_side_by_side(console: Console, profile: Profile):
    builders.make_pause(profile, source=PauseSource.OPERATOR)
    builders.make_watchdog_state(profile, notional_usd="60000")
    builders.make_profile("off", enabled=False)
    page = console.open(reverse("admin:console_profiles"))
    rows = {row[0]: row for row in page.main.rows[1:]}
    assert rows["alpha"][2] == "paused by OPERATOR"
    assert rows["alpha"][3].endswith("60,000.00 USD of 50,000.00 USD (120.0 %): beyond the limit")
    assert rows["off"][2:4] == ["switched off", "not watched"]
    assert rows["off"][6] == "UNKNOWN: not reckoned yet"
    assert page.main.href("alpha") == object_address(profile)


def test_the_navigation_lights_up_on_a_profiles_page(console: Console, profile: Profile):
    page = console.page_of(profile)
    current = [
        attributes.get("data-go")
        for tag, attributes in page.elements
        if tag == "a" and attributes.get("aria-current") == "page"
    ]
    assert current == ["p"]


def test_the_list_takes_no_more_statements_for_more_profiles(console: Console, profile: Profile):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            console.open(reverse("admin:console_profiles"))
        return len(queries)

    before = count()
    for number in range(10):
        more = builders.make_profile(f"more{number}")
        builders.make_pause(more)
        builders.make_watchdog_state(more)
        builders.make_capital_balance(more)
    assert count() == before
    assert before <= 14
