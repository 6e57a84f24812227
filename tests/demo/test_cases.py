"""The table of cases against the portal: each leads to the questions that its row promises."""

from collections import defaultdict

import pytest

from reconciliation.demo.accounts import ALL_ACCOUNTS, CASES, STORM
from reconciliation.demo.cases import TABLE
from reconciliation.demo.player import GOES_WRONG_AFTER, PAUSE
from reconciliation.demo.swing import FIRST, GONE_AFTER, PRICE, SHOWN_AFTER
from reconciliation.enums import (
    CandidateStatus,
    EscalationKind,
    HistoryKind,
    HistorySource,
    MismatchKind,
    MismatchStatus,
    NoGoReason,
    PauseSource,
    QuarantineReason,
    ReviewStatus,
    TradeStatus,
)
from reconciliation.models import (
    BackfillCandidate,
    Escalation,
    ExchangeAccount,
    Mismatch,
    Pause,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
)
from tests.demo.conftest import StartDemo
from tests.demo.worlds import Demo, OnRequest

pytestmark = pytest.mark.django_db
UNTIL_PLAYED = PAUSE * len(TABLE) + GOES_WRONG_AFTER
HEARTBEAT_EVERY = 60
CONFIRMATIONS = 3


def play_all(demo: Demo) -> None:
    """Let every case happen, and both jobs look at it until each finding is confirmed."""
    tick(demo, UNTIL_PLAYED)
    for _ in range(CONFIRMATIONS):
        look(demo)


def tick(demo: Demo, seconds: int) -> None:
    for _ in range(seconds):
        demo.clock.advance(seconds=1)
        demo.world.tick_cases()


def look(demo: Demo) -> None:
    """Let an interval pass in which nobody trades but by the table, and run both jobs."""
    demo.clock.advance(seconds=HEARTBEAT_EVERY)
    for name in (CASES.name, STORM.name):
        demo.reconcile_and_heartbeat(name)


def questions() -> dict[str, set[str]]:
    """Return, by trade, the reasons for which it waits for a person in the queue of slices."""
    found: dict[str, set[str]] = defaultdict(set)
    for item in ReviewItem.objects.filter(status=ReviewStatus.PENDING).select_related("trade"):
        found[item.trade.trade_id].add(item.reason)
    return found


def missed_exits() -> dict[tuple[str, str], set[str]]:
    """Return, by account and symbol, the reasons against the fills that wait for a person."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    waiting = BackfillCandidate.objects.filter(status=CandidateStatus.PENDING)
    for row in waiting.select_related("fill__account"):
        found[row.fill.account.name, row.fill.symbol] |= set(row.reasons)
    return found


def test_the_table_promises_every_reason_that_needs_no_person() -> None:
    promised = {reason for case in TABLE for reason in case.quarantine}

    assert promised == set(QuarantineReason) - {QuarantineReason.OPERATOR}
    assert {reason for case in TABLE for reason in case.missed} == set(NoGoReason)


def test_no_two_cases_meet() -> None:
    trades = [trade for case in TABLE for trade in case.trades]
    markets = [(case.account, symbol) for case in TABLE for symbol in case.holds]

    assert len(set(trades)) == len(trades)
    assert len(set(markets)) == len(markets)
    assert len({case.name for case in TABLE}) == len(TABLE)


def test_each_case_leads_to_the_questions_that_it_promises(start: StartDemo) -> None:
    demo = start(OnRequest, with_cases=True)

    play_all(demo)

    asked, missed = questions(), missed_exits()
    for case in TABLE:
        for trade in case.trades:
            assert asked[trade] == set(case.quarantine), case.name
        account, symbol = case.account, next(iter(case.holds))
        assert missed[account, symbol] >= set(case.missed), case.name
        assert bool(missed[account, symbol]) == bool(case.missed), case.name
    assert demo.said("refused") == []
    assert len(demo.said("case, ")) == len(TABLE)
    failed = Run.objects.exclude(status="SUCCEEDED").filter(account__name__in=("cases", "storm"))
    assert list(failed.values_list("account__name", "kind", "error")) == []


def test_a_shortfall_of_two_profiles_quarantines_nobody_and_an_overclose_leaves_an_orphan(
    start: StartDemo,
) -> None:
    demo = start(OnRequest, with_cases=True)

    play_all(demo)

    waiting = Mismatch.objects.filter(status=MismatchStatus.OPEN, account__name=CASES.name)
    shared = waiting.get(symbol="BNB/USDT:USDT", profile=None)
    assert shared.kind == MismatchKind.POSITION_MISMATCH
    orphan = waiting.get(kind=MismatchKind.ORPHAN_POSITION)
    assert orphan.symbol == "BCH/USDT:USDT"
    assert Escalation.objects.filter(
        kind=EscalationKind.MASS_MISMATCH, account__name=STORM.name, resolved_at=None
    ).exists()


def test_cases_are_played_once_and_a_restart_leaves_their_questions_as_they_are(
    start: StartDemo,
) -> None:
    demo = start(OnRequest, with_cases=True)
    play_all(demo)
    asked, items = questions(), ReviewItem.objects.count()

    later = start(OnRequest, with_cases=True)
    play_all(later)
    look(later)

    assert later.said("case, ") == []
    assert questions() == asked
    assert ReviewItem.objects.count() == items


def test_the_trade_of_swing_pauses_it_is_closed_synthetically_and_gets_its_real_exit(
    start: StartDemo,
) -> None:
    demo = start(OnRequest, with_cases=True)
    play_all(demo)
    tick(demo, FIRST + GONE_AFTER - UNTIL_PLAYED)
    look(demo)
    pause = Pause.objects.get(profile__name="swing")
    assert (pause.source, pause.ended_at) == (PauseSource.PARITY_WATCHDOG, None)
    trade = Trade.objects.get(trade_id="swing-1")
    assert trade.status == TradeStatus.OPEN

    for _ in range(CONFIRMATIONS - 1):
        look(demo)
    trade.refresh_from_db()
    assert trade.status == TradeStatus.CLOSED
    assert exits_of(trade) == [HistorySource.SYNTHETIC]

    for _ in range(3):
        look(demo)
    pause.refresh_from_db()
    assert pause.ended_at is not None

    demo.clock.advance(seconds=SHOWN_AFTER.total_seconds())
    look(demo)
    trade.refresh_from_db()
    assert trade.status == TradeStatus.CLOSED
    assert exits_of(trade) == [HistorySource.SYNTHETIC, HistorySource.BACKFILL]
    assert trade.history.filter(kind=HistoryKind.REVERSAL).count() == 1
    assert trade.history.get(source=HistorySource.BACKFILL, kind=HistoryKind.EXIT).price == PRICE
    assert demo.said("refused") == []


def test_swing_opens_nothing_while_its_last_trade_waits(start: StartDemo) -> None:
    demo = start(OnRequest, with_cases=True)

    tick(demo, FIRST + 2000)

    assert list(Trade.objects.filter(profile__name="swing").values_list("trade_id", flat=True)) == [
        "swing-1"
    ]


def exits_of(trade: Trade) -> list[str]:
    rows = TradeHistory.objects.filter(trade=trade, kind=HistoryKind.EXIT).order_by("pk")
    return list(rows.values_list("source", flat=True))


def test_every_account_is_made(start: StartDemo) -> None:
    start(OnRequest)

    assert set(ExchangeAccount.objects.values_list("name", flat=True)) == {
        spec.name for spec in ALL_ACCOUNTS
    }
