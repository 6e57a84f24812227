"""From any row a person gets to all that belongs to it, by links alone."""

from datetime import timedelta

import pytest

from reconciliation.domain.audit import EventDraft
from reconciliation.enums import HistoryKind, HistorySource
from reconciliation.models import (
    AcceptedPosition,
    AuditEvent,
    BackfillCandidate,
    Decision,
    Escalation,
    ExternalOrder,
    Fill,
    FillAllocation,
    Mismatch,
    Order,
    OrderLeg,
    ParityReading,
    ParityWatch,
    ReviewItem,
    TradeHistory,
)
from tests import builders
from tests.admin.pages import Console, column, list_address, object_address, result_rows
from tests.admin.story import Story, add_to, seal, tell
from tests.builders import NOW

pytestmark = pytest.mark.django_db


def test_order_to_trade_to_fills_to_run_to_audit_by_links_alone(console: Console, story: Story):
    orders = console.list_of(Order, q="client-1")
    order = console.open(orders.results.href("client-1"))
    trade = console.open(order.section("Order").href("trade-1"))
    fill = console.open(trade.section("Fills booked to this trade").href("fill-1"))
    run = console.open(fill.section("Fill").href(f"run {story.run.pk}"))
    event = console.open(run.section("Audit events of this run").href("event 2"))

    assert event.section("Event").fact("Action") == "order.filled"
    assert event.section("Event").fact("Reason code") == "LOOKUP_FILLED"
    assert event.section("Event").href(f"order {story.order.pk}") == object_address(story.order)
    assert event.section("Event").href(f"run {story.run.pk}") == object_address(story.run)


def test_an_order_leads_to_everything_about_it(console: Console, story: Story):
    page = console.page_of(story.order)
    order = page.section("Order")
    assert order.href("trade-1") == object_address(story.trade)
    assert order.href("alpha") == object_address(story.profile)
    assert order.href("main") == object_address(story.account)
    history = page.section("History rows of this order")
    assert history.href(f"ENTRY {story.history.pk}") == object_address(story.history)
    assert page.section("Fills of this order").href("fill-1") == object_address(story.fill)
    mismatches = page.section("Mismatches of this order")
    assert mismatches.href(f"mismatch {story.mismatch.pk}") == object_address(story.mismatch)
    assert [row[3] for row in page.section("Audit events of this order").rows[1:]] == [
        "order.filled"
    ]
    assert [row[3] for row in page.section("Audit events of its trade").rows[1:]] == [
        "trade.entry_filled"
    ]


def test_the_fills_of_an_order_are_those_that_carry_either_of_its_ids(
    console: Console, story: Story
):
    builders.make_fill(exchange_fill_id="replaced", client_order_id="client-1")
    builders.make_fill(exchange_fill_id="unmarked", exchange_order_id="exchange-1")
    builders.make_fill(
        exchange_fill_id="other symbol", exchange_order_id="exchange-1", symbol="ETH/USDT"
    )
    builders.make_fill(
        builders.make_account("other"), exchange_fill_id="other account", client_order_id="client-1"
    )
    builders.make_fill(exchange_fill_id="nobody's")

    section = console.page_of(story.order).section("Fills of this order")
    assert {row[0] for row in section.rows[1:]} == {"fill-1", "replaced", "unmarked"}

    full_list = console.open(section.href("Open as a list"))
    assert set(column(full_list, "Fill")) == {"fill-1", "replaced", "unmarked"}
    assert "client-1" in full_list.main.text  # the filter says whose fills these are


def test_an_order_without_an_exchange_id_has_no_fills_of_other_orders_without_one(
    console: Console, story: Story
):
    order = builders.make_order(story.trade, exchange_order_id=None, client_order_id="never sent")
    builders.make_fill(exchange_fill_id="bare")
    page = console.page_of(order)
    assert "Fills of this order" not in page.titles()
    nothing = page.section("Nothing to show").text
    assert "No fill with one of this order's ids has been read." in nothing


@pytest.mark.parametrize("value", ["", "abc", "999999", "-1"])
def test_fills_of_an_order_that_does_not_exist_are_none(console: Console, story: Story, value: str):
    assert result_rows(console.list_of(Fill, of_order=value)) == []


def test_a_fill_leads_to_what_it_is_booked_to_and_to_its_order(console: Console, story: Story):
    page = console.page_of(story.fill)
    booked = page.section("What this fill is booked to")
    assert booked.href("trade-1") == object_address(story.trade)
    assert booked.href(f"ENTRY {story.history.pk}") == object_address(story.history)
    assert booked.href(f"allocation {story.allocation.pk}") == object_address(story.allocation)
    assert page.section("Order of this fill").href("client-1") == object_address(story.order)


def test_the_audit_events_of_a_fill_are_those_in_which_it_was_booked(
    console: Console, story: Story
):
    seal(None, EventDraft(action="fill.noted", object_type="fill", object_id=str(story.fill.pk)))
    section = console.page_of(story.fill).section("Audit events of this fill")
    assert [row[3] for row in section.rows[1:]] == ["fill.noted", "trade.entry_filled"]
    assert section.href(f"trade {story.trade.pk}") == object_address(story.trade)

    unbooked = console.page_of(builders.make_fill())
    nothing = unbooked.section("Nothing to show").text
    assert "No audit event names this fill, and nothing is booked of it." in nothing


def test_tables_do_not_repeat_in_each_row_what_the_page_is_about(console: Console, story: Story):
    of_trade, of_order = console.page_of(story.trade), console.page_of(story.order)
    for page in (of_trade, of_order):
        assert page.sections
    for part in of_trade.sections:
        assert not part.rows or "Trade" not in part.rows[0], part.title
    for title in ("History rows of this order", "Mismatches of this order"):
        assert "Order" not in of_order.section(title).rows[0]


def test_an_audit_event_leads_to_its_profile_and_account(console: Console, story: Story):
    facts = console.page_of(AuditEvent.objects.get(sequence=1)).section("Event")
    assert facts.href("alpha") == object_address(story.profile)
    assert facts.href("main") == object_address(story.account)


def test_a_leg_and_its_fills_belong_to_the_order(console: Console, story: Story):
    fill = builders.make_fill(exchange_fill_id="by leg", exchange_order_id="leg-1")
    page = console.page_of(story.order)
    title = "Other exchange orders that are a part of this order"
    assert page.section(title).href("leg-1") == object_address(story.leg)
    assert page.section("Fills of this order").href("by leg") == object_address(fill)
    order = console.page_of(fill).section("Order of this fill")
    assert order.href("client-1") == object_address(story.order)
    assert console.page_of(story.leg).section("Leg").href("client-1") == object_address(story.order)


def test_a_question_to_a_person_is_found_from_its_trade_fill_and_run(
    console: Console, story: Story
):
    words, address = f"item {story.review.pk}", object_address(story.review)
    for row, of in ((story.trade, "about this trade"), (story.fill, "about this fill")):
        assert console.page_of(row).section(f"Questions to a person {of}").href(words) == address
    run = console.page_of(story.run)
    assert run.section("Questions to a person opened by this run").href(words) == address
    question = console.open(address).section("Question")
    assert question.href("trade-1") == object_address(story.trade)
    assert question.href("fill-1") == object_address(story.fill)
    assert question.href(f"run {story.run.pk}") == object_address(story.run)


def test_an_order_of_nobody_is_found_from_its_run_and_leads_to_its_fills(
    console: Console, story: Story
):
    fill = builders.make_fill(exchange_order_id="external-1", exchange_fill_id="stray")
    run = console.page_of(story.run).section("Orders of nobody first seen by this run")
    page = console.open(run.href("external-1"))
    assert page.section("Order of nobody").fact("Why it belongs to nobody") == "no known tag"
    assert page.section("Fills of this order").href("stray") == object_address(fill)


def test_a_run_leads_to_what_it_saw_and_wrote(console: Console, story: Story):
    later = builders.make_run(started_at=NOW + timedelta(days=1), finished_at=NOW)
    with builders.arranging():
        story.sighting.last_run = later
        story.sighting.save()

    page = console.page_of(story.run)
    name = f"mismatch {story.mismatch.pk}"
    assert page.section("Mismatches first seen by this run").href(name)
    assert "Mismatches last seen by this run" not in page.titles()
    assert page.section("History rows written by this run").href(f"ENTRY {story.history.pk}")
    assert page.section("Fills first read by this run").href("fill-1")

    after = console.page_of(later).section("Mismatches last seen by this run")
    assert column(console.open(after.href("Open as a list")), "Status") == ["OPEN"]


def test_a_mismatch_leads_to_trade_order_and_runs(console: Console, story: Story):
    facts = console.page_of(story.mismatch).section("Mismatch")
    assert facts.href("trade-1") == object_address(story.trade)
    assert facts.href("client-1") == object_address(story.order)
    assert facts.fact("First seen by") == facts.fact("Last seen by") == f"run {story.run.pk}"
    assert facts.href(f"run {story.run.pk}") == object_address(story.run)


def test_a_mismatch_that_nobody_owns_says_so(console: Console, story: Story):
    orphan = builders.make_mismatch(story.run)
    facts = console.page_of(orphan).section("Mismatch")
    assert facts.fact("Profile") == "belongs to no profile"
    assert facts.fact("Sightings") == "–"


def test_a_history_row_and_its_reversal_lead_to_each_other(console: Console, story: Story):
    reversal = builders.make_history(
        story.trade,
        kind=HistoryKind.REVERSAL,
        source=HistorySource.OPERATOR,
        reverses=story.history,
        run=None,
    )
    taken_back = console.page_of(story.history)
    assert f"This row was taken back by REVERSAL {reversal.pk}." in taken_back.main.text
    there = taken_back.section("History row")
    assert there.href(f"REVERSAL {reversal.pk}") == object_address(reversal)
    assert there.fact("Evidence hash") == "e" * 64
    back = console.page_of(reversal).section("History row")
    assert back.href(f"ENTRY {story.history.pk}") == object_address(story.history)
    assert back.fact("Written by") == "no run: the bot or a person"
    assert console.page_of(story.history).section("Fills that this row books").href("fill-1")


def test_audit_events_lead_to_the_one_before_and_the_one_after(console: Console, story: Story):
    first, last = AuditEvent.objects.order_by("sequence")
    page = console.page_of(first)
    neighbours = page.section("The chain around it")
    assert neighbours.rows[1][:2] == ["Previous", "this is the first event"]
    assert neighbours.href("event 2") == object_address(last)
    assert console.page_of(last).section("The chain around it").rows[3][:2] == [
        "Next",
        "this is the newest event",
    ]


def test_an_event_about_something_without_a_page_is_shown_in_words(console: Console):
    seal(None, EventDraft(action="user.logged_in", object_type="user", object_id="7"))
    event = AuditEvent.objects.get()
    facts = console.page_of(event).section("Event")
    assert facts.fact("Object") == "user 7"
    assert facts.fact("Run") == "–"
    # Its user may be gone: the timeline says so.
    assert {words for words, _ in facts.links} == {"user.logged_in", "timeline of user 7"}


def test_a_long_table_is_cut_and_says_so_and_leads_to_the_full_list(console: Console, story: Story):
    for number in range(25):
        add_to(story, number)

    section = console.page_of(story.order).section("History rows of this order")
    assert len(section.rows) == 21
    assert "The newest 20 are shown; there are more." in section.text
    full_list = console.open(section.href("Open all of them as a list"))
    assert len(result_rows(full_list)) == 26
    assert "Only rows of order client-1." in full_list.main.text


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (TradeHistory, "trade__id__exact"),
        (TradeHistory, "order__id__exact"),
        (TradeHistory, "run__id__exact"),
        (FillAllocation, "fill__id__exact"),
        (FillAllocation, "trade__id__exact"),
        (FillAllocation, "history__id__exact"),
        (Order, "trade__id__exact"),
        (Mismatch, "order__id__exact"),
        (Mismatch, "trade__id__exact"),
        (Mismatch, "first_run__id__exact"),
        (Mismatch, "sighting__last_run__id__exact"),
        (Fill, "run__id__exact"),
        (OrderLeg, "order__id__exact"),
        (ExternalOrder, "first_run__id__exact"),
        (ReviewItem, "trade__id__exact"),
        (ReviewItem, "fill__id__exact"),
        (ReviewItem, "first_run__id__exact"),
        (BackfillCandidate, "trade__id__exact"),
        (BackfillCandidate, "fill__id__exact"),
        (BackfillCandidate, "first_run__id__exact"),
        (Decision, "review__id__exact"),
        (Decision, "review__trade__id__exact"),
        (ParityReading, "run__id__exact"),
        (ParityWatch, "last_run__id__exact"),
        (AcceptedPosition, "decision__id__exact"),
        (Escalation, "run__id__exact"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_list_can_be_narrowed_to_the_rows_of_one_object(
    console: Console, model: type, lookup: str
):
    stories = [tell(1), tell(2)]
    wanted = {
        "trade": stories[0].trade,
        "order": stories[0].order,
        "fill": stories[0].fill,
        "history": stories[0].history,
        "review": stories[0].trade if "trade" in lookup else stories[0].review,
        "decision": stories[0].decision,
    }.get(lookup.split("__")[0], stories[0].run)
    page = console.list_of(model, **{lookup: wanted.pk})
    assert len(result_rows(page)) == model.objects.count() / 2
    assert "Only rows of" in page.main.text


@pytest.mark.parametrize(
    "condition",
    [
        {"sub_tag__contains": "a"},
        {"trade__profile__name": "alpha"},
        {"raw__regex": "(a+)+$"},
        {"account__credential_prefix": "MAIN"},
    ],
)
def test_a_condition_that_no_link_uses_is_refused(
    console: Console, story: Story, condition: dict[str, str]
):
    assert console.get(list_address(Order), **condition).status_code == 400
