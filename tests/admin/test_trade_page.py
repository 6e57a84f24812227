"""The page of a trade: its life in sentences, what was open, what the exchange held."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.admin import deciding_types
from reconciliation.enums import HistoryKind, HistorySource, TimelineSource
from reconciliation.models import Trade
from reconciliation.selectors import timelines
from tests import builders
from tests.admin.pages import Console, object_address
from tests.admin.story import Story, add_to
from tests.builders import NOW, SYMBOL, FixedClock

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
# Its heartbeat looked at another symbol.
_NOT_IN_THE_STORY = {TimelineSource.READING}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    at = FixedClock(NOW + timedelta(hours=1))
    monkeypatch.setattr(deciding_types, "SystemClock", lambda: at)


def a_ghost() -> Trade:
    """Return a trade that was closed synthetically, reversed, and closed by its real exit."""
    trade = builders.make_trade(
        entry_quantity="0.5", exit_quantity="0.5", status="CLOSED", closed_at=NOW + 40 * MINUTE
    )
    run = builders.make_run(trade.account, kind="HEARTBEAT", started_at=NOW)
    at = [NOW + number * MINUTE for number in (0, 10, 20, 30)]
    builders.make_history(trade, recorded_at=at[0], executed_at=at[0], quantity="0.5")
    synthetic = builders.make_history(
        trade,
        kind=HistoryKind.EXIT,
        source=HistorySource.SYNTHETIC,
        estimated=True,
        quantity="0.5",
        recorded_at=at[1],
        executed_at=at[1],
        run=run,
    )
    builders.make_history(
        trade,
        kind=HistoryKind.REVERSAL,
        source=HistorySource.BACKFILL,
        reverses=synthetic,
        quantity="0.5",
        recorded_at=at[2],
        executed_at=at[2],
    )
    builders.make_history(
        trade,
        kind=HistoryKind.EXIT,
        source=HistorySource.BACKFILL,
        quantity="0.5",
        recorded_at=at[3],
        executed_at=at[1],
    )
    for minute, actual in ((5, "0"), (6, None), (9, "0")):
        builders.make_parity_reading(
            builders.make_run(trade.account, kind="HEARTBEAT", started_at=NOW + minute * MINUTE),
            symbol=trade.symbol,
            kind="GHOST_POSITION" if actual else "UNKNOWN",
            virtual_quantity="0.5",
            actual_quantity=actual,
            as_of=NOW + minute * MINUTE,
        )
    return trade


def moments(console: Console, trade: Trade) -> list[list[str]]:
    return console.page_of(trade).section("Timeline").rows[1:]


def test_the_life_of_a_trade_is_told_in_order_with_what_was_open(console: Console):
    rows = [row for row in moments(console, a_ghost()) if row[4] in ("history", "heartbeat")]
    assert [(row[4], row[2], row[3]) for row in rows] == [
        ("history", "+0.5", ""),
        ("heartbeat", "", "0"),
        ("heartbeat", "", "UNKNOWN"),
        ("heartbeat", "", "0"),
        ("history", "0", ""),
        ("history", "+0.5", ""),
        ("history", "0", ""),
    ]
    assert rows[0][0].startswith("2026-01-05 12:00:00 UTC")
    assert rows[0][0].endswith("1 h ago")


def test_a_synthetic_exit_and_its_reversal_say_what_they_are_and_name_each_other(console: Console):
    trade = a_ghost()
    section = console.page_of(trade).section("Timeline")
    history = [row[1] for row in section.rows[1:] if row[4] == "history"]
    _, synthetic, reversal = trade.history.order_by("pk")[:3]
    assert "synthetic: no fill of the exchange stands behind it" in history[1]
    assert "The price is estimated." in history[1]
    assert "Taken back later by" in history[1]
    assert f"REVERSAL {reversal.pk}, its pair." in history[1]
    assert f"EXIT {synthetic.pk}, its pair: 0.5 is open again" in history[2]
    assert section.href(f"REVERSAL {reversal.pk}") == object_address(reversal)
    assert "2026-01-05 12:10:00 UTC." in history[3]


def test_everything_that_touched_a_trade_stands_in_its_timeline(console: Console, story: Story):
    section = console.page_of(story.trade).section("Timeline")
    sources = [row[4] for row in section.rows[1:]]
    for source in TimelineSource:
        if source not in _NOT_IN_THE_STORY:
            assert source.label in sources
    for row in (story.fill, story.history, story.mismatch, story.review, story.decision):
        assert object_address(row) in {address for _, address in section.links}


def test_the_picture_has_both_lines_and_a_table_behind_it(console: Console):
    page = console.page_of(a_ghost())
    picture = page.section("Open quantity over time")
    assert "Open here last: 0. Last read at the exchange: 0." in picture.text
    cells = [row for row in picture.rows if len(row) == 3]
    assert ["2026-01-05 12:06:00", "at the exchange", "UNKNOWN"] in cells
    paths = [dict(each) for tag, each in page.elements if tag == "path"]
    own = [each["d"] for each in paths if each.get("class") == "own" and "V" in (each["d"] or "")]
    theirs = [each["d"] or "" for each in paths if each.get("class") == "exchange"]
    assert len(own) == 1
    # An unknown reading ends a stretch and begins none: two stretches, neither at a made-up zero.
    assert max(path.count("M") for path in theirs) == 2


def test_a_trade_of_which_the_exchange_was_never_read_has_no_line_of_it(console: Console):
    trade = builders.make_trade(entry_quantity="0.5")
    builders.make_history(trade, quantity="0.5")
    text = console.page_of(trade).section("Open quantity over time").text
    assert "there is no line of the exchange" in text


def test_a_position_that_several_trades_share_is_said_to_be_the_accounts(console: Console):
    trade = builders.make_trade(entry_quantity="0.5")
    assert "no other open trade shares it now" in note_of(console, trade)
    builders.make_trade(builders.make_profile("beta"), entry_quantity="1")
    assert "which 1 other open trade shares: no share of it can be told apart" in note_of(
        console, trade
    )


def note_of(console: Console, trade: Trade) -> str:
    builders.make_history(trade, quantity="0.5", key=f"note-{trade.history.count()}")
    return console.page_of(trade).section("Timeline").text


def test_a_history_that_does_not_add_up_is_said_and_not_hidden(console: Console):
    trade = builders.make_trade(entry_quantity="0.5")
    builders.make_history(trade, quantity="0.4")
    assert (
        "The history adds up to +0.4, and the trade says +0.5" in console.page_of(trade).main.text
    )


def test_a_long_life_is_read_page_by_page_and_nothing_is_left_out(
    console: Console, monkeypatch: pytest.MonkeyPatch
):
    trade = builders.make_trade(entry_quantity="1")
    for number in range(9):
        # Several at the same moment: a page may end between them.
        at = NOW + (number // 3) * MINUTE
        builders.make_history(trade, quantity=Decimal("0.1"), recorded_at=at, executed_at=at)
    builders.make_order(trade, created_at=NOW, status="FILLED", filled_quantity="0.9")
    every = [row[1] for row in moments(console, trade)]
    assert len(every) == 11

    monkeypatch.setattr(timelines.load_timeline, "__kwdefaults__", {"before": None, "limit": 4})
    section = console.page_of(trade).section("Timeline")
    told = [row[1] for row in section.rows[1:]]
    pages = 1
    while any(words == "Earlier moments" for words, _ in section.links):
        section = console.open(section.href("Earlier moments")).section("Timeline")
        told = [row[1] for row in section.rows[1:]] + told
        pages += 1
    assert (told, pages) == (every, 3)
    assert any(words == "Latest moments" for words, _ in section.links)


@pytest.mark.parametrize(
    "query",
    [
        {"before": "yesterday", "of": "history", "row": "1"},
        {"before": NOW.isoformat(), "of": "nothing", "row": "1"},
        {"before": NOW.isoformat(), "of": "history", "row": "x"},
        {"before": "2026-01-05T12:00:00", "of": "history", "row": "1"},
    ],
)
def test_an_address_that_names_no_place_is_not_found(console: Console, query: dict[str, str]):
    trade = builders.make_trade()
    address = f"/admin/reconciliation/trade/{trade.pk}/timeline/"
    assert console.get(address, **query).status_code == 404
    assert console.get("/admin/reconciliation/trade/99999/timeline/").status_code == 404


def test_facts_say_what_is_owed_who_has_the_lock_and_what_the_gate_says(
    console: Console, story: Story
):
    facts = console.page_of(story.trade).section("Trade")
    assert facts.fact("Correction owed") != "–"
    assert facts.fact("Lock of its profile") == "free: nobody writes to this profile now"
    assert facts.fact("May trade now").startswith("no entries")


def queries(console: Console, trade: Trade) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        console.page_of(trade)
    return [query["sql"] for query in captured]


def test_a_page_costs_the_same_however_much_happened(console: Console, story: Story):
    add_to(story, 1)
    before = len(queries(console, story.trade))
    for number in range(2, 12):
        add_to(story, number)
        builders.make_parity_reading(
            builders.make_run(story.account, started_at=NOW), symbol=SYMBOL, as_of=NOW
        )
    assert len(queries(console, story.trade)) == before


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plans")
def test_no_statement_of_the_timeline_reads_a_whole_table(console: Console, story: Story):
    with CaptureQueriesContext(connection) as captured:
        trade = Trade.objects.select_related("account").get(pk=story.trade.pk)
        timelines.load_timeline(trade)
        timelines.load_held(trade, until=NOW + timedelta(days=1))
    scans = []
    with connection.cursor() as cursor:
        for query in captured:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            scans += [
                (row[3], query["sql"])
                for row in cursor.fetchall()
                if row[3].startswith("SCAN") and "USING" not in row[3]
            ]
    assert not scans
