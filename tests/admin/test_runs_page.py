"""Runs in words, and a job that is run now: said before, followed while, told after."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django_q.models import OrmQ, Schedule

from reconciliation.admin import deciding_types
from reconciliation.admin.run_sections import COUNTERS, ROW_ERRORS_SHOWN
from reconciliation.cycles.errands import do_errand
from reconciliation.enums import Coverage, ErrandKind, ErrandStatus, Role, RunKind, RunStatus
from reconciliation.models import AuditEvent, Errand, ExchangeAccount, Run
from tests import builders
from tests.admin.pages import Console, Page, list_address, object_address
from tests.admin.people import client_of
from tests.builders import NOW
from tests.cycles.worlds import World

pytestmark = pytest.mark.django_db
RUN_NOW = "/admin/reconciliation/run/now/"


@pytest.fixture
def world(db: None) -> World:
    return World()


@pytest.fixture
def operator() -> Client:
    return client_of("olga", Role.OPERATOR)


def told(client: Client, **given: object) -> Page:
    return Page(client.get(RUN_NOW, given).content.decode())


def test_the_navigation_leads_to_runs_and_trades(console: Console):
    page = console.list_of(Run)
    going = {each.get("data-go"): each.get("href") for tag, each in page.elements if tag == "a"}
    assert going["u"] == list_address(Run)
    assert going["t"] == "/admin/reconciliation/trade/"
    marked = [each["href"] for tag, each in page.elements if each.get("aria-current") == "page"]
    assert marked == [list_address(Run)]


def test_a_run_says_of_each_part_whether_it_was_read(console: Console):
    run = builders.make_run(
        status=RunStatus.PARTIAL,
        coverage=Coverage.PARTIAL,
        step_ms={"open_orders.regular": 9, "open_orders.oco": 5, "fills.swap": 4, "snapshot": 17},
        unread={"open_orders.oco": "HTTP 500", "order x1": "timed out"},
    )
    rows = {row[0]: row[1:] for row in console.page_of(run).section("What was read").rows[1:]}
    assert rows["open orders (regular)"] == ["read", "completely"]
    assert rows["open orders (oco)"] == ["not read", "HTTP 500"]
    assert rows["open orders (trailing)"][0] == "not asked"
    assert rows["fills (spot)"][0] == "not asked"
    assert rows["order x1"] == ["not read", "timed out"]


def test_a_run_that_kept_no_list_of_its_parts_does_not_claim_that_they_were_read(
    console: Console,
):
    rows = console.page_of(builders.make_run()).section("What was read").rows[1:]
    assert {row[1] for row in rows} == {"not recorded"}


def test_steps_have_a_bar_and_their_milliseconds(console: Console):
    page = console.page_of(
        builders.make_run(step_ms={"apply": 30, "snapshot": 1200, "positions": 7})
    )
    rows = page.section("How long it took").rows[1:]
    assert [row[:2] for row in rows] == [
        ["reading the exchange, all parts together", "1,200"],
        ["writing, profile by profile", "30"],
        ["reading positions", "7"],
    ]
    meters = [dict(each) for tag, each in page.elements if tag == "meter"]
    assert [(each["value"], each["max"]) for each in meters] == [
        ("1200", "1200"),
        ("30", "1200"),
        ("7", "1200"),
    ]


def test_each_counter_of_a_cycle_and_of_a_heartbeat_has_its_meaning(world: World):
    world.entry()
    world.cycle()
    errand = builders.make_errand(
        world.account, kind=ErrandKind.HEARTBEAT, status=ErrandStatus.ASKED
    )
    do_errand(errand_id=errand.pk, ports=world.ports())
    counted = {name for run in Run.objects.all() for name in run.counts}
    assert counted
    assert counted <= set(COUNTERS)


def test_every_row_that_failed_can_be_read(console: Console):
    errors = [f"alpha: row {number} failed" for number in range(ROW_ERRORS_SHOWN + 7)]
    page = console.page_of(builders.make_run(row_errors=errors))
    assert len(page.section("Rows that failed").rows) == ROW_ERRORS_SHOWN + 1
    rest = page.section("The other rows that failed")
    assert [row[0] for row in rest.rows[1:]] == errors[ROW_ERRORS_SHOWN:]
    assert "Show the other 7" in rest.text


def test_a_long_error_in_the_list_leads_to_the_rest_of_it(console: Console):
    run = builders.make_run(status=RunStatus.FAILED, error="no answer\n" + "x" * 400)
    page = console.list_of(Run)
    assert page.results.href("read on") == object_address(run)


def test_a_run_leads_to_the_one_before_and_after_of_its_job(console: Console):
    first = builders.make_run(started_at=NOW)
    builders.make_run(started_at=NOW, kind=RunKind.HEARTBEAT)
    second = builders.make_run(started_at=NOW + timedelta(minutes=1))
    section = console.page_of(first).section("Runs of this job before and after")
    assert "this is the first run of the job" in section.text
    assert section.href(f"run {second.pk}") == object_address(second)
    back = console.page_of(second).section("Runs of this job before and after")
    assert back.href(f"run {first.pk}") == object_address(first)


def test_a_skipped_profile_is_named_with_who_has_its_lock(console: Console):
    profile = builders.make_profile("alpha")
    run = builders.make_run(profile.account, skipped_profiles=["alpha", "gone"])
    rows = console.page_of(run).section("Skipped profiles").rows[1:]
    assert [row[0] for row in rows] == ["alpha", "gone"]


def test_look_ups_carried_over_are_said(console: Console):
    run = builders.make_run(counts={"look_ups_waiting": 12})
    fact = console.page_of(run).section("Run").fact("Look-ups carried over")
    assert fact == "12, asked for by the next run, the oldest first"


def test_run_now_is_offered_on_the_list_and_on_the_account(operator: Client):
    account = builders.make_account()
    builders.make_run(account)
    of_list = Page(operator.get(list_address(Run)).content.decode())
    of_account = Page(operator.get(object_address(account)).content.decode())
    for page, address in ((of_list, RUN_NOW), (of_account, f"{RUN_NOW}?account={account.pk}")):
        offers = [e for tag, e in page.elements if tag == "a" and e.get("data-key") == "n"]
        assert [each["href"] for each in offers] == [address]


def test_what_a_run_would_do_is_said_before_it_is_asked_for(operator: Client):
    account = builders.make_account()
    Schedule.objects.create(
        name="reconcile",
        func="reconciliation.tasks.reconcile_all",
        next_run=datetime.now(UTC) + timedelta(seconds=1000),
    )
    page = told(operator, account=account.pk, job="RECONCILE")
    facts = page.section("What the reconcile of main will do")
    assert "repairs what the evidence proves" in facts.fact("It does")
    assert "places, changes or cancels no order" in facts.fact("It never does")
    assert facts.fact("Schedule") == "the same as the next scheduled run in 16 min"
    assert facts.fact("Under way") == "no run of it is under way"
    assert not Errand.objects.exists()


def test_a_job_that_no_schedule_runs_says_so(operator: Client):
    account = builders.make_account()
    facts = told(operator, account=account.pk, job="HEARTBEAT").section(
        "What the heartbeat of main will do"
    )
    assert "no schedule runs this job" in facts.fact("Schedule")


def test_pressing_the_button_asks_a_worker_and_leads_to_the_page_that_follows(
    operator: Client, world: World
):
    given = {"account": world.account.pk, "job": "RECONCILE"}
    answer = operator.post(RUN_NOW, given)
    errand = Errand.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, object_address(errand))
    assert OrmQ.objects.count() == 1

    waiting = Page(operator.get(object_address(errand)).content.decode())
    assert "now: waiting for a worker" in waiting.section("How far it is").text
    # A second press finds the first.
    assert operator.post(RUN_NOW, given)["Location"] == object_address(errand)
    assert OrmQ.objects.count() == 1

    do_errand(errand_id=errand.pk, ports=world.ports())
    done = Page(operator.get(object_address(errand)).content.decode())
    assert done.section("Errand").href(f"run {Run.objects.get().pk}")
    assert "main: SUCCEEDED, coverage COMPLETE" in done.main.text
    assert any(row[1] == COUNTERS["orders"] for row in done.section("What it found").rows)


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        ("reading the exchange", ["done: waiting for a worker", "now: reading", "then: comparing"]),
        ("comparing, and asking for single orders", ["done: reading", "now: comparing"]),
        ("writing, profile by profile", ["done: comparing", "now: writing"]),
        ("waiting for run 3, which was under way already", ["now: waiting for run 3"]),
    ],
)
def test_how_far_an_errand_is_stands_on_its_page(
    operator: Client, monkeypatch: pytest.MonkeyPatch, step: str, lines: list[str]
):
    monkeypatch.setattr(deciding_types, "SystemClock", builders.FixedClock)
    errand = builders.make_errand(
        status=ErrandStatus.RUNNING, step=step, asked_at=NOW, seen_at=NOW, finished_at=None
    )
    text = Page(operator.get(object_address(errand)).content.decode()).section("How far it is").text
    for line in lines:
        assert line in text


def test_an_errand_that_no_worker_takes_says_how_to_see_whether_they_run(operator: Client):
    errand = builders.make_errand(status=ErrandStatus.ASKED, asked_at=NOW)
    section = Page(operator.get(object_address(errand)).content.decode()).section(
        "Whether the workers run"
    )
    assert "docs/operations.md" in section.text
    for words in ("signs of life of the workers", "tasks"):
        assert section.href(words).startswith("/admin/")


def refused(client: Client, account: ExchangeAccount, job: str = "RECONCILE") -> Page:
    answer = client.post(RUN_NOW, {"account": account.pk, "job": job})
    assert answer.status_code == 409
    assert not Errand.objects.exists()
    return Page(answer.content.decode())


def test_a_disabled_account_says_that_nothing_reads_it(operator: Client):
    account = builders.make_account(enabled=False)
    assert "main is disabled: no job reads it" in refused(operator, account).main.text
    page = told(operator, account=account.pk, job="RECONCILE")
    assert not [e for tag, e in page.elements if tag == "input" and e.get("type") == "submit"]


def test_a_heartbeat_that_is_switched_off_says_so(
    operator: Client, settings: pytest.FixtureRequest
):
    settings.RECON_ENVIRON = {  # type: ignore[attr-defined]
        "ENABLE_RECON_POSITION_PARITY_HEARTBEAT": "false"
    }
    account = builders.make_account()
    assert "The heartbeat is switched off" in refused(operator, account, "HEARTBEAT").main.text


def test_who_may_only_look_is_denied_and_that_is_an_event():
    viewer = client_of("vera", Role.VIEWER)
    account = builders.make_account()
    assert viewer.get(RUN_NOW).status_code == 403
    answer = viewer.post(RUN_NOW, {"account": account.pk, "job": "RECONCILE"})
    assert answer.status_code == 403
    assert "vera may not ask for the reconcile of main" in answer.content.decode().replace(
        "Vera", "vera"
    )
    assert not Errand.objects.exists()
    event = AuditEvent.objects.get(action="errand.asked")
    assert (event.outcome, event.actor_name) == ("denied", "vera")
    listed = Page(viewer.get(list_address(Run)).content.decode())
    assert "you have not the right to do that" in listed.main.text


def test_a_run_that_is_under_way_is_said_before_another_is_asked_for(operator: Client):
    account = builders.make_account()
    builders.make_run(
        account,
        status=RunStatus.RUNNING,
        finished_at=None,
        claim_expires_at=datetime.now(UTC) + timedelta(seconds=60),
    )
    facts = told(operator, account=account.pk, job="RECONCILE").section(
        "What the reconcile of main will do"
    )
    assert "a run of it is under way" in facts.fact("Under way")
    assert "waits for it and shows what it came to" in facts.fact("Under way")


@pytest.mark.parametrize("account", ["", "x", "9" * 30, "77"])
def test_an_account_that_is_not_there_is_asked_for_again(operator: Client, account: str):
    page = told(operator, account=account, job="RECONCILE")
    assert "Which job, of which account" in page.main.text or "No account" in page.main.text
    answer = operator.post(RUN_NOW, {"account": account, "job": "RECONCILE"})
    assert answer.status_code == 200
    assert not Errand.objects.exists()
