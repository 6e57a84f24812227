"""What an operator meets first: the index, short ids, plain words, and tables instead of JSON."""

import pytest
from django.apps import apps

from reconciliation.admin.kinds import MEANINGS
from reconciliation.admin.site import ORDER
from reconciliation.domain.audit import EventDraft
from reconciliation.enums import MismatchKind, RunStatus
from reconciliation.models import AuditEvent, Mismatch, Order
from tests import builders
from tests.admin.pages import Console, column, list_address, object_address
from tests.admin.story import Story, seal

pytestmark = pytest.mark.django_db


def test_the_index_begins_with_what_an_operator_looks_at_first(console: Console, story: Story):
    page = console.open("/admin/")
    queues = [row[0] for row in page.section("What waits for a person").rows[1:]]
    assert queues == [
        "Quarantined slices",
        "Missed exits",
        "Orders of nobody",
        "Fills of nobody",
        "Positions of nobody",
        "Shared shortfalls",
    ]
    start = page.main.links.index(("Mismatches", list_address(Mismatch)))
    names = [
        words
        for words, address in page.main.links[start:]
        if "?" not in address and address.count("/") == 4 and words not in ("View", "Add", "Change")
    ]
    assert names[:5] == ["Mismatches", "Runs", "Trades", "Orders", "Fills"]
    ours = names.index("Groups")
    assert names[ours - 2 : ours] == ["Audit trail", "Audit heads"]
    jobs = ["Failed tasks", "Queued tasks", "Scheduled tasks", "Successful tasks"]
    assert names[ours:] == ["Groups", "Users", *jobs]
    assert set(ORDER) == set(apps.get_app_config("reconciliation").get_models())
    assert "Recent actions" not in page.main.text
    assert "View site" not in page.main.text


def test_a_long_id_is_shortened_in_lists_and_whole_on_its_page(console: Console):
    order = builders.make_order(client_order_id="rcu3ywmykeuvqgr32r6svcbi0016p5dg")
    page = console.list_of(Order)
    assert column(page, "Order") == ["…bi0016p5dg"]
    assert 'title="rcu3ywmykeuvqgr32r6svcbi0016p5dg"' in page.html
    facts = console.page_of(order).section("Order")
    assert facts.fact("Client order id") == "rcu3ywmykeuvqgr32r6svcbi0016p5dg"


def test_each_kind_of_mismatch_is_told_in_plain_words(console: Console, story: Story):
    assert set(MEANINGS) == set(MismatchKind.values)
    words = "active here, no longer among the open orders of the exchange"
    facts = console.page_of(story.mismatch).section("Mismatch")
    assert facts.fact("What it means") == words
    assert words in console.list_of(Mismatch).main.text


def test_a_run_tells_its_error_once_and_its_claim_while_it_runs(console: Console):
    page = console.page_of(builders.make_run(status=RunStatus.FAILED, error="no network"))
    assert page.html.count("no network") == 1
    assert page.titles() == [
        "Run",
        "What was read",
        "Runs of this job before and after",
        "Nothing to show",
    ]
    assert "Claim expires" not in page.section("Run").text
    running = console.page_of(builders.make_run(status=RunStatus.RUNNING))
    assert running.section("Run").fact("Claim expires") == "2026-01-05 12:01:30 UTC"


def test_an_event_with_nothing_before_shows_what_it_set(console: Console):
    row = {"status": "OPEN", "average_price": None, "filled_quantity": "0"}
    seal(None, EventDraft(action="order.delivered", object_type="order", after={"row": row}))
    page = console.page_of(AuditEvent.objects.get())
    assert page.section("What was set").rows == [
        ["Field", "Set to"],
        ["filled quantity", "0"],
        ["status", "OPEN"],
    ]


def test_the_fills_of_an_event_are_a_table_and_lead_to_their_pages(console: Console, story: Story):
    fill = builders.make_fill(exchange_fill_id="1795362486087000008", side="sell")
    builders.make_fill(exchange_fill_id="1795362486087000008", side="buy")
    evidence = {
        "fill_id": fill.exchange_fill_id,
        "side": "sell",
        "quantity": "0.5",
        "fee": None,
        "executed_at": "2026-01-05T10:00:00.000000Z",
    }
    links = [{"fill": fill.pk, "quantity": "0.5"}]
    seal(
        story.run,
        EventDraft(
            action="trade.exit_filled",
            object_type="trade",
            object_id=str(story.trade.pk),
            account="main",
            before={"trade": {"exit_quantity": "0"}},
            after={"trade": {"exit_quantity": "0.5"}, "fills": [evidence], "links": links},
        ),
    )
    page = console.page_of(AuditEvent.objects.latest("sequence"))
    assert page.section("Fills").rows == [
        ["Fill", "Side", "Quantity", "Fee", "Executed (UTC)"],
        ["…6087000008", "sell", "0.5", "–", "2026-01-05 10:00:00"],
    ]
    assert page.section("Fills").href("…6087000008") == object_address(fill)
    assert page.section("Links").rows == [["Fill", "Quantity"], [str(fill.pk), "0.5"]]
    assert page.section("Before and after").rows[1:] == [
        ["trade: exit quantity", "0", "0.5", "changed"]
    ]
