"""What is held against what is recorded: drift first, unknown said as such."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reconciliation.admin import deciding_types
from reconciliation.enums import (
    MismatchKind,
    ParityKind,
    PositionMode,
    PositionSide,
    RunKind,
    TradeStatus,
)
from reconciliation.models import ExchangeAccount, Run
from tests import builders
from tests.admin.pages import Console, Page, list_address, object_address
from tests.builders import NOW, SYMBOL, FixedClock

pytestmark = pytest.mark.django_db

DIFFERS = "Where the exchange holds something else than the books say"
WAITS = "Not known, or looked at again by the next heartbeat"


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)


def exposure(console: Console, query: str = "") -> Page:
    return console.open(reverse("admin:console_exposure") + query)


def heartbeat(account: ExchangeAccount | None = None) -> Run:
    return builders.make_run(account, kind=RunKind.HEARTBEAT, as_of=NOW)


def cells(page: Page, title: str) -> list[dict[str, str]]:
    """Return the rows of a table of positions, by the titles of its columns."""
    headings, *rows = page.section(title).rows
    return [dict(zip(headings, row, strict=True)) for row in rows]


def test_without_an_account_it_says_why_there_is_nothing(console: Console):
    assert "No exchange account is switched on" in exposure(console).main.text


def test_a_ghost_is_shown_with_both_sides_its_worth_and_how_often_it_was_confirmed(
    console: Console,
):
    run = heartbeat()
    profile = builders.make_profile()
    trade = builders.make_trade(profile, entry_quantity="0.5", status=TradeStatus.OPEN)
    builders.make_parity_watch(kind=ParityKind.GHOST_POSITION, streak=2, last_run=run)
    reading = builders.make_parity_reading(run, streak=2)
    mismatch = builders.make_mismatch(
        run, kind=MismatchKind.GHOST_POSITION, trade=trade, profile=profile
    )
    review = builders.make_review(trade)
    page = exposure(console)
    (row,) = cells(page, DIFFERS)
    assert (row["Sum"], row["Exchange"], row["Drift"]) == ("+0.5", "0", "-0.5")
    assert row["Worth"] == "30,000.00 USD"
    assert row["Streak"] == "2 of 3"
    assert row["Finding"].startswith("GHOST_POSITION: a trade is open here, while")
    assert "alpha: +0.5" in row["Open here, by profile"]
    assert "0 s ago" in row["Exchange read"]
    part = page.section(DIFFERS)
    for target in (trade, mismatch, reading, review, profile):
        assert object_address(target) in {address for _, address in part.links}


def test_what_could_not_be_read_is_unknown_says_why_and_keeps_its_streak(console: Console):
    run = heartbeat()
    builders.make_trade(entry_quantity="0.5", status=TradeStatus.OPEN)
    builders.make_parity_watch(kind=ParityKind.GHOST_POSITION, streak=1, last_run=run)
    builders.make_parity_reading(
        run,
        kind=ParityKind.UNKNOWN,
        actual_quantity=None,
        mark=None,
        outcome="positions were not read: timeout",
    )
    (row,) = cells(exposure(console), WAITS)
    assert (row["Exchange"], row["Drift"], row["Worth"]) == ("UNKNOWN", "UNKNOWN", "UNKNOWN")
    assert "positions were not read: timeout" in row["Finding"]
    assert row["Streak"] == "stays at 1 of 3"


def test_a_slice_that_no_heartbeat_has_compared_is_unknown(console: Console):
    builders.make_trade(entry_quantity="0.5", status=TradeStatus.OPEN)
    (row,) = cells(exposure(console), WAITS)
    assert row["Finding"] == "UNKNOWN: no heartbeat has compared this position yet"
    assert (row["Sum"], row["Exchange"]) == ("+0.5", "UNKNOWN")
    assert row["Exchange read"] == "never"


def test_a_position_that_has_just_moved_says_that_it_waits(console: Console):
    run = heartbeat()
    builders.make_parity_watch(last_run=run)
    builders.make_parity_reading(run, kind=ParityKind.FRESH)
    (row,) = cells(exposure(console), WAITS)
    assert row["Finding"].startswith("FRESH, waits: something has just happened there")


def test_what_agrees_is_folded_and_its_zero_is_not_invented(console: Console):
    builders.make_trade(entry_quantity="0.5", status=TradeStatus.OPEN)
    builders.make_parity_watch(last_run=heartbeat())
    page = exposure(console)
    assert DIFFERS not in page.titles()
    assert "1 agree" in page.main.text
    assert "Every position that was compared agrees." in page.main.text
    (row,) = [row for row in page.main.rows if row and row[0] == SYMBOL]
    assert row[1:3] == ["none", "nothing"]
    assert row[6:8] == ["+0.5", "what the slices say"]


def test_a_drift_without_a_mark_has_no_worth(console: Console):
    run = heartbeat()
    builders.make_parity_watch(kind=ParityKind.ORPHAN_POSITION, last_run=run)
    builders.make_parity_reading(
        run, kind=ParityKind.ORPHAN_POSITION, virtual_quantity="0", actual_quantity="2", mark=None
    )
    (row,) = cells(exposure(console), DIFFERS)
    assert (row["Drift"], row["Worth"]) == ("+2", "UNKNOWN: no mark")
    assert row["Open here, by profile"] == "no slice"


def test_in_hedge_mode_each_side_is_a_position_of_its_own(console: Console):
    account = builders.make_account("hedged", position_mode=PositionMode.HEDGE)
    profile = builders.make_profile("both", account=account)
    run = heartbeat(account)
    for direction, side in (("long", PositionSide.LONG), ("short", PositionSide.SHORT)):
        builders.make_trade(
            profile, direction=direction, entry_quantity="0.5", status=TradeStatus.OPEN
        )
        builders.make_parity_watch(
            account, side=side, kind=ParityKind.GHOST_POSITION, streak=3, last_run=run
        )
        builders.make_parity_reading(
            run, side=side, virtual_quantity="0.5" if direction == "long" else "-0.5"
        )
    rows = cells(exposure(console), DIFFERS)
    assert [row["Symbol"] for row in rows] == [f"{SYMBOL} long", f"{SYMBOL} short"]
    assert [row["Sum"] for row in rows] == ["+0.5", "-0.5"]
    assert ["both: +0.5" in row["Open here, by profile"] for row in rows] == [True, False]
    assert {row["Streak"] for row in rows} == {"3 of 3, confirmed"}


def test_an_old_reading_is_called_old(console: Console):
    run = builders.make_run(kind=RunKind.HEARTBEAT, as_of=NOW - timedelta(hours=1))
    builders.make_parity_watch(kind=ParityKind.GHOST_POSITION, last_run=run)
    builders.make_parity_reading(run, as_of=NOW - timedelta(hours=1))
    (row,) = cells(exposure(console), DIFFERS)
    assert row["Exchange read"].endswith("old")


def test_a_position_that_is_over_leaves_the_page(console: Console):
    builders.make_parity_watch(last_run=heartbeat())
    later = NOW + timedelta(seconds=1)
    builders.make_run(kind=RunKind.HEARTBEAT, started_at=later)
    assert "0 agree" in exposure(console).main.text


def test_it_is_narrowed_to_one_account(console: Console):
    for name in ("first", "second"):
        profile = builders.make_profile(f"of-{name}", account=builders.make_account(name))
        builders.make_trade(profile, status=TradeStatus.OPEN, entry_quantity="1")
    account = builders.make_account("second")
    page = exposure(console, f"?account={account.pk}")
    assert [row["Account"] for row in cells(page, WAITS)] == ["second"]
    assert len(cells(exposure(console, "?account=x"), WAITS)) == 2
    assert page.main.href("first").endswith(f"?account={builders.make_account('first').pk}")


def test_what_the_exchange_does_not_show_is_one_click_away(console: Console):
    order = builders.make_mismatch(kind=MismatchKind.MISSING_FROM_EXCHANGE)
    ghost = builders.make_mismatch(kind=MismatchKind.GHOST_POSITION)
    page = exposure(console)
    for title, row in (
        ("Orders recorded here that the exchange does not show", order),
        ("Positions recorded here that the exchange does not hold", ghost),
    ):
        part = page.section(title)
        assert part.href(f"mismatch {row.pk}") == object_address(row)
        assert part.href("Open as a list").startswith(list_address(type(row)))
        assert console.get(part.href("Open as a list")).status_code == 200


def test_a_position_has_a_page_with_its_latest_readings(console: Console):
    run = heartbeat()
    builders.make_parity_watch(kind=ParityKind.GHOST_POSITION, streak=1, last_run=run)
    reading = builders.make_parity_reading(run)
    address = exposure(console).section(DIFFERS).href(SYMBOL)
    page = console.open(address)
    assert page.section("Position").fact("Held at the exchange") == "0"
    links = page.section("Latest readings other than equal").links
    assert object_address(reading) in {target for _, target in links}


def test_the_page_of_a_position_of_which_nothing_is_left_says_so(console: Console):
    account = builders.make_account()
    address = reverse("admin:console_position", args=[account.pk, "net", "XRP/USDT:USDT"])
    assert "Nothing of this position is open" in console.open(address).main.text
    nowhere = reverse("admin:console_position", args=[account.pk + 1, "net", "XRP/USDT:USDT"])
    assert console.get(nowhere).status_code == 404


def test_a_hostile_symbol_is_shown_and_never_obeyed(console: Console):
    builders.make_trade(
        symbol="<script>alert(1)</script>?x=/:#", status=TradeStatus.OPEN, entry_quantity="1"
    )
    page = exposure(console)
    assert "<script>alert" not in page.html
    address = page.section(WAITS).links[0][1]
    assert "UNKNOWN" in console.open(address).section("Position").fact("Finding")


def test_staff_who_may_not_see_trades_are_refused(staff: Callable[..., Console]):
    console = staff()
    assert console.get(reverse("admin:console_exposure")).status_code == 403


def test_the_page_takes_no_more_statements_for_more_rows(console: Console):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            exposure(console)
        return len(queries)

    def grow(number: int) -> None:
        account = builders.make_account(f"account{number}")
        profile = builders.make_profile(f"profile{number}", account=account)
        trade = builders.make_trade(profile, status=TradeStatus.OPEN, entry_quantity="1")
        run = heartbeat(account)
        builders.make_parity_watch(account, kind=ParityKind.GHOST_POSITION, last_run=run)
        builders.make_parity_reading(run)
        builders.make_mismatch(run, kind=MismatchKind.GHOST_POSITION, trade=trade)
        builders.make_review(trade)

    grow(1)
    before = count()
    for number in range(2, 12):
        grow(number)
    assert count() == before
    assert before <= 16
