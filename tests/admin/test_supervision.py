"""Decisions, positions compared, pauses, capital, escalations: both sides shown, all linked."""

import pytest

from reconciliation.admin import reads
from reconciliation.admin.kinds import PARITY_MEANINGS
from reconciliation.enums import (
    CapitalCause,
    DecisionKind,
    EscalationStatus,
    HistoryKind,
    HistorySource,
    ParityKind,
    PauseSource,
)
from reconciliation.models import (
    BackfillCandidate,
    CapitalBalance,
    Decision,
    ParityReading,
    Pause,
    ReviewItem,
)
from tests import builders
from tests.admin.pages import Console, column, list_address, object_address, result_rows
from tests.admin.story import Story
from tests.builders import NOW

pytestmark = pytest.mark.django_db


def test_the_two_queues_are_told_apart_by_their_titles(console: Console, story: Story):
    index = console.open("/admin/").main
    assert index.href("Quarantine") == list_address(ReviewItem)
    assert index.href("Missed exits") == list_address(BackfillCandidate)
    for row, title in ((story.review, "Quarantine"), (story.candidate, "Missed exits")):
        assert f"<h1>{title}</h1>" in console.list_of(type(row)).html
        assert console.page_of(row).main.href(title) == list_address(type(row))


def test_a_decision_is_found_from_what_it_is_about_and_leads_back(console: Console, story: Story):
    decision = builders.make_decision(story.review)
    words, address = f"decision {decision.pk}", object_address(decision)
    for row, title in (
        (story.review, "Decisions on this question"),
        (story.trade, "Decisions on this trade in quarantine"),
        (story.profile, "Latest decisions"),
    ):
        assert console.page_of(row).section(title).href(words) == address
    facts = console.open(address).section("Decision")
    assert facts.href(f"item {story.review.pk}") == object_address(story.review)
    assert facts.fact("Maker") == "olga (user 7)"
    assert facts.fact("Checker") == "–"


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        ("candidate", "Decisions on this fill as a missed exit"),
        ("external", "Decisions on this order"),
        ("fill", "Decisions about this fill"),
        ("mismatch", "Decisions on this mismatch"),
    ],
)
def test_each_subject_shows_its_decisions(console: Console, story: Story, subject: str, title: str):
    row = getattr(story, subject)
    decision = builders.make_decision(row)
    section = console.page_of(row).section(title)
    assert section.href(f"decision {decision.pk}") == object_address(decision)
    assert column(console.open(section.href("Open as a list")), "Decision") == [str(decision.pk)]


def test_a_decision_that_was_taken_back_says_so(console: Console, story: Story):
    later = builders.make_decision(
        story.review, kind=DecisionKind.REVERSED, reverses=story.decision
    )
    page = console.page_of(story.decision)
    assert f"This decision was taken back by decision {later.pk}." in page.main.text
    facts = console.page_of(later).section("Decision")
    assert facts.href(f"decision {story.decision.pk}") == object_address(story.decision)


def test_a_history_row_leads_to_the_decision_that_wrote_it(console: Console, story: Story):
    row = builders.make_history(
        story.trade,
        kind=HistoryKind.EXIT,
        source=HistorySource.OPERATOR,
        decision=story.decision,
    )
    words = f"decision {story.decision.pk}"
    facts = console.page_of(row).section("History row")
    assert facts.fact("Written by") == words
    assert facts.href(words) == object_address(story.decision)
    written = console.page_of(story.decision).section("History rows written by this decision")
    assert written.href(f"EXIT {row.pk}") == object_address(row)


def test_an_unknown_side_of_a_position_is_never_shown_as_zero(console: Console, story: Story):
    builders.make_parity_reading(
        story.run, symbol="ETH", kind=ParityKind.UNKNOWN, virtual_quantity="0", actual_quantity=None
    )
    page = console.list_of(ParityReading, q="ETH")
    assert (column(page, "Slices"), column(page, "Exchange")) == (["0"], ["–"])


def test_each_outcome_of_a_comparison_is_told_in_plain_words(console: Console, story: Story):
    assert set(PARITY_MEANINGS) == set(ParityKind.values)
    facts = console.page_of(story.reading).section("Reading")
    assert facts.fact("What it means") == PARITY_MEANINGS[ParityKind.GHOST_POSITION]
    assert facts.fact("Open here, all slices") == "+0.5"
    assert facts.fact("Held at the exchange") == "0"


def test_a_run_an_account_and_a_watch_lead_to_the_readings(console: Console, story: Story):
    words, address = f"reading {story.reading.pk}", object_address(story.reading)
    for row, title in (
        (story.run, "Positions that this run found other than equal"),
        (story.account, "Latest positions found other than equal"),
        (story.watch, "Latest readings of this position"),
        (story.accepted, "Latest readings of this position"),
    ):
        section = console.page_of(row).section(title)
        assert section.href(words) == address
        rows = column(console.open(section.href("Open as a list")), "Reading")
        assert str(story.reading.pk) in rows


def test_a_dry_run_says_that_nothing_was_done(console: Console, story: Story):
    dry = builders.make_parity_reading(story.run, symbol="ETH", dry_run=True)
    sentence = "This was a dry run: nothing was closed and nothing was quarantined."
    assert sentence in console.page_of(dry).main.text
    assert sentence not in console.page_of(story.reading).main.text


def test_a_pause_that_holds_is_told_from_one_that_ended(console: Console, story: Story):
    ended = builders.make_pause(story.profile, ended_at=NOW, auto_resumed=True)
    by_hand = builders.make_pause(
        story.profile, source=PauseSource.OPERATOR, started_by="olga", ended_at=NOW, ended_by="eve"
    )
    assert column(console.list_of(Pause), "State") == ["ended", "ended by itself", "holds"]
    assert column(console.list_of(Pause, ended_at__isempty="1"), "State") == ["holds"]
    assert "This pause holds" in console.page_of(story.pause).main.text
    assert "This pause holds" not in console.page_of(ended).main.text
    assert console.page_of(by_hand).section("Pause").fact("Started by") == "olga"
    assert console.page_of(ended).section("Pause").fact("Ended by") == (
        "by itself (PARITY_WATCHDOG)"
    )


def test_a_profile_leads_to_its_pauses_capital_and_escalations(console: Console, story: Story):
    builders.make_escalation(
        profile=story.profile, status=EscalationStatus.RESOLVED, resolved_at=NOW
    )
    page = console.page_of(story.profile)
    pauses = page.section("Pauses")
    assert pauses.href(f"pause {story.pause.pk}") == object_address(story.pause)
    facts = page.section("Profile")
    capital = page.section("Capital")
    assert capital.href(f"capital {story.balance.pk}") == object_address(story.balance)
    assert facts.href(f"watchdog {story.watchdog.pk}") == object_address(story.watchdog)
    unresolved = page.section("Escalations that are not resolved")
    assert len(unresolved.rows) == 2
    words = f"escalation {story.escalation.pk}"
    assert unresolved.href(words) == object_address(story.escalation)


def test_the_page_of_a_balance_shows_that_the_ledger_sums_to_it(console: Console, story: Story):
    for change in ({"reserved_usd": "0.1"}, {"used_usd": "0.2"}, {"reserved_usd": "-0.1"}):
        builders.make_capital_entry(
            story.profile,
            cause=CapitalCause.ORDERS,
            **{"allocated_usd": "0", **change},
        )
    page = console.page_of(story.balance)
    assert "The rows of the ledger do not sum to this balance." in page.main.text
    assert page.section("Ledger against balance").rows[1:] == [
        ["Allocated (USD)", "100000", "100000"],
        ["Reserved (USD)", "0", "0"],
        ["Used (USD)", "0.2", "0"],
    ]
    with builders.arranging():
        CapitalBalance.objects.filter(pk=story.balance.pk).update(used_usd="0.2")
    page = console.page_of(story.balance)
    assert "The rows of the ledger sum to this balance." in page.main.text
    assert page.section("Capital").fact("Free (USD)") == "99999.8"
    assert len(page.section("Latest rows of the ledger").rows) == 5


def test_a_ledger_too_long_to_add_up_for_a_page_is_not_said_to_sum(
    console: Console, story: Story, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reads, "ROWS_ADDED_UP", 0)
    page = console.page_of(story.balance)
    assert "it is not added up here" in page.main.text
    assert "Ledger against balance" not in page.titles()


def test_free_capital_may_be_negative(console: Console, story: Story):
    profile = builders.make_profile("poor", allocated_capital_usd="10")
    builders.make_capital_balance(profile, used_usd="12.5")
    page = console.list_of(CapitalBalance, q="poor")
    assert column(page, "Free (USD)") == ["-2.5"]


def test_an_escalation_says_what_is_wrong_and_how_often_it_was_seen(console: Console, story: Story):
    page = console.page_of(story.escalation)
    assert story.escalation.says in page.main.text
    assert page.section("Escalation").fact("Sightings") == "1"
    sighting = console.page_of(story.escalation_sighting).section("Sightings")
    assert sighting.href(f"escalation {story.escalation.pk}") == object_address(story.escalation)


def test_a_fill_that_a_person_set_aside_says_so(console: Console, story: Story):
    aside = builders.make_fill(set_aside=True)
    name = "Set aside as not ours"
    assert console.page_of(aside).section("Fill").fact(name) == "yes"
    assert console.page_of(story.fill).section("Fill").fact(name) == "no"


def test_decisions_can_be_narrowed_to_those_of_one_profile(console: Console, story: Story):
    builders.make_decision(builders.make_fill())
    found = result_rows(console.list_of(Decision, profile__id__exact=story.profile.pk))
    assert len(found) == 1
