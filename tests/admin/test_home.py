"""The first page: is it safe, what is wrong, what is to be done."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from reconciliation.admin import deciding_types
from reconciliation.admin.console import advice
from reconciliation.domain.due import DUE_AFTER
from reconciliation.enums import (
    Coverage,
    EscalationKind,
    ExternalStatus,
    GateReason,
    MismatchKind,
    MismatchStatus,
    PauseSource,
    PositionMode,
    ReviewStatus,
    Role,
    RunKind,
    RunStatus,
    TradeStatus,
)
from reconciliation.models import BackfillCandidate, Escalation, ExternalOrder, Mismatch, ReviewItem
from reconciliation.selectors import arrivals
from reconciliation.selectors.health import load_health
from reconciliation.selectors.problems import ProblemKind
from tests import builders
from tests.admin.pages import Console, Page, list_address, object_address, result_rows
from tests.admin.people import client_of
from tests.builders import NOW, FixedClock

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)


def home(console: Console) -> Page:
    return console.open(reverse("admin:index"))


def states(page: Page) -> list[str]:
    return [title for title in page.titles() if title in ("Healthy", "Degraded", "Down")]


def a_healthy_account(name: str = "main", **values: Any) -> Any:
    """Make an account of which both jobs have read everything just now."""
    account = builders.make_account(name, **values)
    for kind in RunKind:
        builders.make_run(account, kind=kind)
    return account


def test_an_empty_portal_says_what_to_do_first(console: Console):
    page = home(console)
    first = page.section("Nothing is set up yet")
    assert "Add an exchange account" in first.text
    assert states(page) == []
    assert "Accounts" not in page.titles()


def test_a_healthy_portal_says_so_in_words(console: Console):
    a_healthy_account()
    page = home(console)
    assert states(page) == ["Healthy"]
    assert "Nothing stands in the way of trading" in page.section("Healthy").text
    assert "Nothing is escalated" in page.section("Escalations").text
    assert "No profile is paused" in page.section("Paused profiles").text


def _mismatch() -> None:
    builders.make_mismatch()


def _quarantine() -> None:
    builders.make_trade(status=TradeStatus.QUARANTINED)


def _paused_by_the_watchdog() -> None:
    builders.make_pause(source=PauseSource.PARITY_WATCHDOG)


def _paused_by_a_person() -> None:
    builders.make_pause(source=PauseSource.OPERATOR, started_by="olga")


def _escalated() -> None:
    builders.make_escalation()


def _read_in_part() -> None:
    builders.make_run(
        status=RunStatus.PARTIAL,
        coverage=Coverage.PARTIAL,
        started_at=NOW + timedelta(seconds=1),
        finished_at=NOW + timedelta(seconds=2),
        unread={"fills": "timeout"},
    )


def _heartbeat_is_late() -> None:
    account = builders.make_account("late")
    builders.make_run(account)
    old = NOW - 30 * MINUTE
    builders.make_run(account, kind=RunKind.HEARTBEAT, started_at=old, finished_at=old, as_of=old)


@pytest.mark.parametrize(
    ("spoil", "said", "words"),
    [
        (_mismatch, "open mismatches: 1", "Open mismatches"),
        (_quarantine, "trades in quarantine: 1", "Quarantine"),
        (_paused_by_the_watchdog, "trading is paused by PARITY_WATCHDOG", "The profile"),
        (_paused_by_a_person, "trading is paused by OPERATOR", "The profile"),
        (_escalated, "escalations: PERSISTENT_MISMATCH 1", "Escalations"),
        (_read_in_part, "the last run ended PARTIAL", "That run"),
        (_heartbeat_is_late, "no heartbeat finished for 1800 s", "The last heartbeat"),
    ],
)
def test_each_reason_of_a_degraded_portal_leads_to_what_can_be_done(
    console: Console, spoil: Callable[[], None], said: str, words: str
):
    a_healthy_account()
    spoil()
    page = home(console)
    assert states(page) == ["Degraded"]
    banner = page.section("Degraded")
    assert said in banner.text
    assert console.get(banner.href(words)).status_code == 200


def test_a_portal_whose_loop_stands_still_is_down(console: Console):
    account = builders.make_account()
    old = NOW - 60 * MINUTE
    builders.make_run(account, started_at=old, finished_at=old, as_of=old)
    page = home(console)
    assert states(page) == ["Down"]
    assert "main: no cycle finished for 3600 s" in page.section("Down").text
    assert "late: reconcile, heartbeat" in page.section("Accounts").text


def test_the_banner_says_what_health_says(console: Console):
    a_healthy_account()
    for spoil in (_mismatch, _quarantine, _paused_by_a_person, _escalated, _read_in_part):
        spoil()
    conf = deciding_types.load_conf()
    problems = load_health(conf=conf, clock=FixedClock())["problems"]
    assert isinstance(problems, list)
    text = home(console).section("Degraded").text
    assert len(problems) == 5
    for said in problems:
        assert said in text


def test_everything_that_can_be_wrong_has_words_for_what_to_do():
    assert set(advice.PROBLEMS) == set(ProblemKind)
    assert set(advice.ESCALATIONS) == set(EscalationKind.values)
    assert set(advice.GATE) == set(GateReason.values)


def test_a_card_tells_of_its_account_in_words(console: Console):
    a_healthy_account("hedged", position_mode=PositionMode.HEDGE)
    lease = builders.make_profile("beta", account=builders.make_account("hedged")).lease
    with builders.arranging():
        lease.holder, lease.acquired_at = "worker-7", NOW
        lease.expires_at = NOW + timedelta(seconds=9)
        lease.save()
    text = home(console).section("Accounts").text
    assert "hedge: long and short apart" in text
    assert "everything was read" in text
    assert "held by worker-7 since 12:00:00 until 12:00:09 UTC" in text
    assert "not scheduled: run manage.py sync_schedules" in text


def test_a_part_that_was_not_read_is_unknown_on_the_card(console: Console):
    a_healthy_account()
    _read_in_part()
    assert "UNKNOWN, not read: fills" in home(console).section("Accounts").text


def test_each_queue_counts_what_waits_and_leads_to_those_very_rows(console: Console):
    a_healthy_account()
    late = NOW - DUE_AFTER - MINUTE
    builders.make_review(opened_at=late)
    builders.make_review(builders.make_trade(), status=ReviewStatus.APPROVED, closed_at=NOW)
    builders.make_candidate(opened_at=NOW - DUE_AFTER)
    builders.make_external_order(first_seen_at=late)
    builders.make_external_order(status=ExternalStatus.IGNORED, first_seen_at=late)
    builders.make_mismatch(kind=MismatchKind.UNATTRIBUTED_FILL, opened_at=late)
    builders.make_mismatch(kind=MismatchKind.ORPHAN_POSITION)
    builders.make_mismatch(kind=MismatchKind.POSITION_MISMATCH)
    builders.make_mismatch(kind=MismatchKind.POSITION_MISMATCH, trade=builders.make_trade())
    part = home(console).section("What waits for a person")
    assert [row[:3] for row in part.rows[1:]] == [
        ["Quarantined slices", "1", "1 overdue"],
        ["Missed exits", "1", "none"],
        ["Orders of nobody", "1", "1 overdue"],
        ["Fills of nobody", "1", "1 overdue"],
        ["Positions of nobody", "1", "none"],
        ["Shared shortfalls", "1", "none"],
    ]
    assert "1 h 1 min ago" in part.rows[1][3]
    late_ones = [address for title, address in part.links if title.endswith("overdue")]
    assert len(late_ones) == 3
    for address in late_ones:
        assert len(console.open(address).section("What waits").rows) == 1 + 1, address
    for title, address in part.links:
        if address not in late_ones:
            assert len(result_rows(console.open(address))) == 1, title
    for model in (ReviewItem, BackfillCandidate, ExternalOrder, Mismatch):
        assert any(address.startswith(list_address(model)) for _, address in part.links)


def test_a_pause_shows_each_condition_of_its_end_and_how_far_it_is(console: Console):
    a_healthy_account()
    builders.make_watchdog_state(clean_heartbeats=1)
    builders.make_pause(started_at=NOW - 5 * MINUTE)
    part = home(console).section("Paused profiles")
    assert "Paused for at least 15 min: 5 min so far" in part.text
    assert "Clean heartbeats in a row: 1 of 2" in part.text
    assert "it never did" in part.text
    assert "It ends by itself when all are met: 3 of 5 are." in part.text


def test_the_pause_of_a_person_never_ends_by_itself(console: Console):
    a_healthy_account()
    builders.make_pause(source=PauseSource.OPERATOR, started_by="olga", reason="holiday")
    part = home(console).section("Paused profiles")
    assert "by olga" in part.text
    assert "Reason: holiday" in part.text
    assert "never by itself" in part.text
    assert "Clean heartbeats" not in part.text


def test_money_is_shown_against_the_limit_and_unknown_is_never_zero(console: Console):
    a_healthy_account()
    builders.make_watchdog_state(builders.make_profile("known"), notional_usd="12500")
    builders.make_watchdog_state(
        builders.make_profile("blind"), notional_usd="7", is_known=False, clean_heartbeats=0
    )
    builders.make_profile("fresh")
    page = home(console)
    part = page.section("Mismatches in money, against the watchdog's limit")
    cells = {row[0]: row[1] for row in part.rows[1:]}
    assert "12,500.00 USD of 50,000.00 USD (25.0 %)" in cells["known"]
    assert cells["blind"].startswith("UNKNOWN")
    assert "7.00 USD was known last" in cells["blind"]
    assert cells["fresh"].startswith("UNKNOWN: no heartbeat has judged this profile yet")
    meters = [attributes for tag, attributes in page.elements if tag == "meter"]
    assert [meter["value"] for meter in meters] == ["25"]


def test_new_mismatches_are_drawn_by_the_hour_with_a_table_behind(console: Console):
    a_healthy_account()
    for hours in (0, 0, 3, 30):
        opened_at = NOW - timedelta(hours=hours)
        builders.make_mismatch(status=MismatchStatus.RESOLVED, opened_at=opened_at, closed_at=NOW)
    page = home(console)
    part = page.section("New mismatches, the last 24 hours")
    assert "3 new mismatches in the last 24 hours, 2 in the busiest hour." in part.text
    assert part.rows[1] == ["2026-01-05 12:00", "2", "MISSING_FROM_EXCHANGE 2"]
    assert len(part.rows) == 25
    assert sum(tag == "rect" for tag, _ in page.elements) == 2


def test_hours_that_were_not_read_are_unknown_and_not_empty(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrivals, "MOST_READ", 2)
    rows = [(NOW - timedelta(hours=back), "GHOST_POSITION") for back in (0, 2, 5)]
    hours = arrivals.hours_of(rows, now=NOW)
    assert [hour.total for hour in hours[-4:]] == [None, 1, 0, 1]
    assert hours[0].total is None


def test_an_escalation_says_what_to_do(console: Console):
    a_healthy_account()
    row = builders.make_escalation(kind=EscalationKind.UNKNOWN_FILLS, says="3 fills of nobody")
    part = home(console).section("Escalations")
    assert "3 fills of nobody" in part.text
    assert advice.ESCALATIONS[EscalationKind.UNKNOWN_FILLS] in part.text
    assert "nobody looks after it yet" in part.text
    assert part.href(f"escalation {row.pk}") == object_address(row)
    assert part.href("Open them as a list").startswith(list_address(Escalation))


def test_an_escalation_of_no_account_is_the_portals_own(console: Console):
    a_healthy_account()
    with builders.arranging():
        Escalation.objects.create(
            kind=EscalationKind.AUDIT_CHAIN_BROKEN,
            key="AUDIT_CHAIN_BROKEN chain",
            status="OPEN",
            says="the audit chain is not proven",
            opened_at=NOW,
        )
    part = home(console).section("Escalations")
    assert "the portal itself: the audit chain is not proven" in part.text


def test_who_may_not_see_rows_is_told_the_state_and_no_more(staff: Callable[..., Console]):
    a_healthy_account()
    page = home(staff())
    assert states(page) == ["Healthy"]
    assert page.titles() == ["Healthy"]
    assert "ask an administrator" in page.main.text


def test_a_viewer_sees_the_whole_page(db: None):
    a_healthy_account()
    page = home(Console(client_of("vera", Role.VIEWER)))
    assert len(page.titles()) == 7


def test_a_stranger_is_sent_to_the_log_in_page(client: Client):
    assert client.get(reverse("admin:index"))["Location"].startswith("/admin/login/")


def _grow(number: int) -> None:
    account = a_healthy_account(f"account{number}")
    profile = builders.make_profile(f"profile{number}", account=account)
    trade = builders.make_trade(profile, status=TradeStatus.QUARANTINED)
    builders.make_review(trade)
    builders.make_pause(profile)
    builders.make_watchdog_state(profile)
    builders.make_escalation(account, profile=profile)
    builders.make_mismatch(builders.make_run(account), profile=profile, trade=trade)


def test_the_page_takes_no_more_statements_for_more_rows(console: Console):
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            home(console)
        return len(queries)

    _grow(1)
    before = count()
    for number in range(2, 12):
        _grow(number)
    assert count() == before
    assert before <= 32
