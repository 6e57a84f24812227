"""How pages read: numbers, moments, both sides of a difference, and what went wrong."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from reconciliation.domain.audit import EventDraft
from reconciliation.enums import Coverage, Origin, RunStatus, TradeStatus
from reconciliation.models import (
    AuditEvent,
    Mismatch,
    Order,
    Position,
    Profile,
    ProfileLease,
    Run,
    Trade,
)
from tests import builders
from tests.admin.pages import Console, Page, object_address, result_rows
from tests.admin.story import Story, seal
from tests.builders import NOW

pytestmark = pytest.mark.django_db


def row_of(page: Page, column: str, first: str = "") -> str:
    """Return the cell of a list under a heading, in the (first) row that begins so."""
    headings, *rows = page.results.rows
    return next(row for row in rows if row[0].startswith(first))[headings.index(column)]


def test_an_order_page_marks_what_differs_from_what_was_delivered(console: Console, story: Story):
    page = console.page_of(story.order)
    assert page.section("Effective beside delivered").rows == [
        ["Field", "Effective", "Delivered", "Comparison"],
        ["Status", "FILLED", "OPEN", "differs"],
        ["Quantity", "0.5", "0.5", "same"],
        ["Price", "60000", "60000", "same"],
        ["Filled quantity", "0.5", "0", "differs"],
        ["Average price", "60000", "–", "not delivered"],
    ]
    assert (
        "The trading system delivered another status and filled quantity; it must be told."
        in page.main.text
    )
    assert row_of(console.list_of(Order), "Correction owed") == "status, filled quantity"


def test_an_order_that_was_never_delivered_says_so(console: Console, story: Story):
    order = builders.make_order(story.trade, origin=Origin.EXCHANGE, client_order_id="adopted")
    page = console.page_of(order)
    assert "has not delivered this order; it is known from EXCHANGE." in page.main.text
    assert "it must be told" not in page.main.text
    assert row_of(console.list_of(Order), "Correction owed", "adopted") == "not delivered"


def test_an_order_that_is_as_delivered_owes_nothing(console: Console, story: Story):
    order = builders.make_order(
        story.trade,
        client_order_id="equal",
        price=None,
        delivered_status="OPEN",
        delivered_quantity="0.500",
        delivered_filled_quantity="0",
        delivered_at=NOW,
    )
    assert "it must be told" not in console.page_of(order).html
    assert row_of(console.list_of(Order), "Correction owed", "equal") == "–"


@pytest.mark.parametrize("delivered", ["1.75", "-1.75"])
def test_a_delivered_short_is_compared_with_the_sign_of_its_direction(
    console: Console, delivered: str
):
    position = builders.make_position(
        symbol="ETH/USDT", direction="short", quantity="-1.75", delivered_quantity=delivered
    )
    table = console.page_of(position).section("Effective beside delivered")
    assert table.rows[1] == ["Quantity", "-1.75", "-1.75", "same"]
    assert row_of(console.list_of(Position), "Quantity") == "-1.75"


def test_the_open_quantity_of_a_trade_is_signed_by_its_direction(console: Console):
    builders.make_trade(trade_id="long", entry_quantity="2.50", exit_quantity="1")
    builders.make_trade(
        trade_id="short", direction="short", entry_quantity="2.5", exit_quantity="1"
    )
    closed = builders.make_trade(trade_id="closed", entry_quantity="1", exit_quantity="1")
    page = console.list_of(Trade)
    assert row_of(page, "Open quantity", "long") == "+1.5"
    assert row_of(page, "Open quantity", "short") == "-1.5"
    assert row_of(page, "Open quantity", "closed") == "0"
    assert console.page_of(closed).section("Trade").fact("Open quantity") == "0"


def test_amounts_are_plain_and_moments_are_utc_with_seconds(console: Console):
    order = builders.make_order(
        client_order_id="plain",
        quantity=Decimal("100000000"),
        price=Decimal("0.000000010"),
        created_at=NOW.replace(second=7, microsecond=999_999),
    )
    facts = console.page_of(order).section("Order")
    assert facts.fact("Placed") == "2026-01-05 12:00:07 UTC"
    page = console.list_of(Order)
    assert row_of(page, "Quantity") == "100000000"
    assert row_of(page, "Placed (UTC)") == "2026-01-05 12:00:07"
    assert "1E-8" not in console.page_of(order).html
    assert console.page_of(order).section("Effective beside delivered").rows[3][1] == "0.00000001"


def test_the_drift_of_a_mismatch_is_signed_and_unknown_is_not_zero(console: Console):
    run = builders.make_run()
    for key, drift in (("more", "0.5"), ("less", "-0.5"), ("none", "0"), ("unknown", None)):
        builders.make_mismatch(run, key=key, symbol=key, drift=drift)
    headings, *rows = console.list_of(Mismatch).results.rows
    drifts = {row[headings.index("Symbol")]: row[headings.index("Drift")] for row in rows}
    assert drifts == {"more": "+0.5", "less": "-0.5", "none": "0", "unknown": "–"}


def test_the_columns_of_mismatches_and_runs_are_those_that_operators_ask_for(
    console: Console, story: Story
):
    assert console.list_of(Mismatch).results.rows == [
        [
            "Status",
            "Kind",
            "Severity",
            "Due",
            "Notional (USD)",
            "Opened (UTC)",
            "Profile",
            "Symbol",
            "Trade",
            "Drift",
            "Resolution",
            "Order",
        ],
        [
            "OPEN",
            "MISSING_FROM_EXCHANGE",
            *["–"] * 3,
            "2026-01-05 12:00:00",
            "alpha",
            "BTC/USDT:USDT",
            "trade-1",
            "+0.5",
            "–",
            "client-1",
        ],
    ]
    assert console.list_of(Run).results.rows == [
        [
            "Run",
            "Status",
            "Coverage",
            "Job",
            "Account",
            "Started (UTC)",
            "Duration",
            "Counts",
            "Written",
            "Error",
        ],
        [
            str(story.run.pk),
            "SUCCEEDED",
            "COMPLETE",
            "RECONCILE",
            "main",
            "2026-01-05 12:01:00",
            "2.0 s",
            "mismatches 1, orders 5",
            "–",
            "–",
        ],
    ]


def test_both_sides_of_a_mismatch_stand_beside_each_other(console: Console, story: Story):
    page = console.page_of(story.mismatch)
    assert page.section("Database beside exchange").rows == [
        ["Field", "Database", "Exchange", "Comparison", "Exchange − database"],
        ["filled quantity", "0", "0.5", "differs", "+0.5"],
        ["status", "OPEN", "FILLED", "differs", "–"],
        ["quantity", "0.5", "0.50", "same", ""],
    ]
    assert page.section("Fills").rows == [["Fill"], ["fill-1"]]
    assert page.section("Fills").href("fill-1") == object_address(story.fill)
    assert '"filled_quantity": "0.5"' in page.section("Exchange side").text
    assert '"filled_quantity": "0"' in page.section("Database side").text


def test_a_side_that_is_unknown_is_no_difference(console: Console):
    mismatch = builders.make_mismatch(
        database_side={"price": "1", "open": True, "end_reason": "", "problem": None},
        exchange_side={"price": None, "open": 1, "problem": None, "fills": []},
    )
    rows = console.page_of(mismatch).section("Database beside exchange").rows
    assert rows[1:] == [
        ["open", "true", "1", "differs", "–"],
        ["price", "1", "–", "only in the database", ""],
    ]


def test_a_failed_run_says_why_and_what_was_not_read(console: Console):
    run = builders.make_run(
        status=RunStatus.FAILED,
        coverage=Coverage.NONE,
        error="okx answered 503 three times\nsecond line",
        unread={"open_orders.regular": "timeout", "positions": "HTML with status 200"},
        row_errors=[{"row": "order 12", "error": "no price"}, "plain words"],
        skipped_profiles=["alpha"],
    )
    page = console.page_of(run)
    assert (
        "This run failed: okx answered 503 three times. Not read: open orders (regular), positions."
        in page.main.text
    )
    assert page.section("Error").text.endswith("second line ")
    read = page.section("What was read").rows
    assert ["open orders (regular)", "not read", "timeout"] in read
    assert ["positions", "not read", "HTML with status 200"] in read
    assert page.section("Rows that failed").rows[1:] == [
        ["error no price, row order 12"],
        ["plain words"],
    ]
    assert page.section("Skipped profiles").rows[1:] == [["alpha", "–"]]
    told = row_of(console.list_of(Run), "Error")
    assert told.startswith("okx answered 503 three times")
    assert told.endswith("read on")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"status": RunStatus.RUNNING}, "This run has not finished."),
        (
            {"status": RunStatus.PARTIAL, "unread": {"fills.spot": "page 3"}},
            "This run did only a part of its work. Not read: fills (spot).",
        ),
        ({"status": RunStatus.SKIPPED_LOCKED}, "Nothing was judged."),
        ({}, "This run succeeded and read everything that its job needs."),
        (
            {"coverage": Coverage.PARTIAL},
            "This run succeeded with PARTIAL coverage of the exchange.",
        ),
        ({"status": RunStatus.FAILED}, "This run failed: no reason was recorded."),
    ],
)
def test_every_end_of_a_run_has_its_sentence(
    console: Console, values: dict[str, object], sentence: str
):
    assert sentence in console.page_of(builders.make_run(**values)).main.text


def test_an_audit_event_shows_what_changed_and_its_payload(console: Console, story: Story):
    page = console.page_of(AuditEvent.objects.get(sequence=2))
    assert page.section("Before and after").rows[1:] == [
        ["order: status", "OPEN", "FILLED", "changed"]
    ]
    assert '"reason": "LOOKUP_FILLED"' in page.section("Payload").text
    assert "not the one that was sealed" not in page.main.text
    assert page.section("Who").fact("Actor") == "reconcile (system)"


def test_an_audit_event_whose_payload_was_edited_says_so(console: Console):
    seal(None, EventDraft(action="trade.closed"))
    with builders.guards_lifted():
        AuditEvent.objects.update(payload='{"action":"trade.opened"}')
    page = console.page_of(AuditEvent.objects.get())
    assert "The payload of this event is not the one that was sealed." in page.main.text


def test_who_holds_a_lock_is_judged_by_the_clock_of_the_locks(console: Console):
    for name, holder, seconds in (("free", "", None), ("held", "worker", 3600), ("dead", "x", -60)):
        profile = builders.make_profile(name)
        lease = ProfileLease.objects.get(profile=profile)
        if seconds is not None:
            lease.holder = holder
            lease.expires_at = timezone.now() + timedelta(seconds=seconds)
            with builders.arranging():
                lease.save()
    headings, *rows = console.list_of(ProfileLease).results.rows
    states = {row[1]: row[headings.index("State")] for row in rows}
    assert states["held"] == "held"
    assert states["free"] == "available"
    assert states["dead"].startswith("available: its last holder did not release it")
    page = console.page_of(Profile.objects.get(name="held"))
    lock = console.open(page.section("Reconciliation lock").href(_lease_name("held")))
    assert lock.section("Reconciliation lock").fact("State") == "held"


def _lease_name(profile: str) -> str:
    return f"lease {ProfileLease.objects.get(profile__name=profile).pk}"


def test_a_trade_in_quarantine_owes_its_status(console: Console):
    trade = builders.make_trade(
        entry_quantity="1", status=TradeStatus.QUARANTINED, delivered_status=TradeStatus.OPEN
    )
    table = console.page_of(trade).section("Effective beside delivered")
    assert table.rows[1] == ["Status", "QUARANTINED", "OPEN", "differs"]


def test_an_account_names_its_variables_and_never_a_key(console: Console, story: Story):
    facts = console.page_of(story.account).section("Exchange account")
    assert facts.fact("API keys").startswith("never in the database; the environment holds MAIN_")
    assert len(result_rows(console.open(facts.href("orders of this account")))) == 1


def test_accounts_and_profiles_say_where_they_are_set(console: Console, story: Story):
    for row in (story.account, story.profile):
        assert "changed under Set-up" in console.page_of(row).main.text
        assert "changed under Set-up" in console.list_of(type(row)).main.text
