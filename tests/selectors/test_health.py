"""What /internal/health says: the runbook's own names; unknown is null, and a count is a number."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.conf import require
from reconciliation.enums import (
    Coverage,
    EscalationKind,
    EscalationStatus,
    HistoryKind,
    HistorySource,
    MismatchKind,
    MismatchStatus,
    PauseSource,
    RunKind,
    RunStatus,
    TradeStatus,
)
from reconciliation.handlers.leases import take_lease
from reconciliation.models import ExchangeAccount, Run
from reconciliation.selectors.health import (
    FIELDS,
    load_health,
    unknown_health,
)
from reconciliation.selectors.portal import STALLED_AFTER_INTERVALS
from tests.builders import (
    NOW,
    FixedClock,
    arranging,
    make_account,
    make_escalation,
    make_history,
    make_mismatch,
    make_pause,
    make_profile,
    make_run,
    make_sighting,
    make_trade,
)

pytestmark = pytest.mark.django_db
CONF = require({})
LIMIT = CONF.interval * STALLED_AFTER_INTERVALS
TICK = timedelta(milliseconds=1)


def health(now=NOW) -> dict[str, Any]:
    return load_health(conf=CONF, clock=FixedClock(now))


def a_run(ago: timedelta = timedelta(0), account: ExchangeAccount | None = None, **values) -> Run:
    at = NOW - ago
    return make_run(account, **{"started_at": at, "finished_at": at, **values})


def test_before_anything_ran_it_is_down_and_nothing_is_claimed_to_be_known():
    make_account()
    said = health()
    assert said["status"] == "down"
    assert said["reconciliationLoopHealthy"] is False
    assert said["reconciliationLastRun"] is None
    assert said["reconciliationMismatchCount"] == 0
    (account,) = said["accounts"]
    assert (account["lastRun"], account["coverage"], account["ageMs"]) == (None, None, None)


def test_without_any_account_there_is_no_loop_to_be_healthy():
    said = health()
    assert (said["reconciliationLoopHealthy"], said["accounts"]) == (False, [])


def test_after_a_complete_cycle_all_is_well():
    a_run()
    said = health()
    assert (said["status"], said["reconciliationLoopHealthy"]) == ("ok", True)
    assert said["reconciliationLastRun"] == "2026-01-05T12:00:00.000Z"
    (account,) = said["accounts"]
    assert account["coverage"] == Coverage.COMPLETE
    assert account["lastRunStatus"] == RunStatus.SUCCEEDED


@pytest.mark.parametrize(("ago", "healthy"), [(LIMIT, True), (LIMIT + TICK, False)])
def test_the_loop_is_stalled_after_three_intervals_and_not_before(ago, healthy):
    a_run(ago)
    said = health()
    assert said["reconciliationLoopHealthy"] is healthy
    assert said["status"] == ("ok" if healthy else "down")
    assert said["accounts"][0]["ageMs"] == ago // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "values",
    [
        {"status": RunStatus.PARTIAL, "coverage": Coverage.PARTIAL},
        {"status": RunStatus.FAILED, "coverage": Coverage.NONE},
        {"status": RunStatus.SKIPPED_LOCKED, "coverage": Coverage.COMPLETE},
        {"status": RunStatus.SUCCEEDED, "coverage": Coverage.PARTIAL},
        {"kind": RunKind.HEARTBEAT},
        {"only_profile": "alpha"},
    ],
    ids=["partial", "failed", "skipped", "succeeded in part", "another job", "one profile"],
)
def test_only_a_whole_and_complete_cycle_of_the_loop_counts_as_finished(values):
    a_run(**values)
    assert health()["reconciliationLoopHealthy"] is False


def test_a_failed_run_is_the_last_run_and_the_loop_is_well_while_the_last_good_one_is_young():
    a_run(CONF.interval)
    a_run(status=RunStatus.FAILED, coverage=Coverage.NONE)
    said = health()
    assert said["reconciliationLoopHealthy"] is True
    (account,) = said["accounts"]
    assert (account["lastRunStatus"], account["coverage"]) == (RunStatus.FAILED, Coverage.NONE)
    assert account["ageMs"] == 60_000


def test_a_run_under_way_is_not_the_last_run():
    a_run(CONF.interval)
    make_run(status=RunStatus.RUNNING)
    assert health()["accounts"][0]["lastRunStatus"] == RunStatus.SUCCEEDED


def test_the_last_run_of_all_is_that_of_the_account_that_waits_longest():
    a_run()
    other = make_account("other")
    assert health()["reconciliationLastRun"] is None
    a_run(CONF.interval, other)
    said = health()
    assert said["reconciliationLastRun"] == "2026-01-05T11:59:00.000Z"
    assert [account["account"] for account in said["accounts"]] == ["main", "other"]


def test_one_stalled_account_is_a_stalled_loop():
    a_run()
    a_run(LIMIT + TICK, make_account("other"))
    said = health()
    assert said["reconciliationLoopHealthy"] is False
    assert [account["loopHealthy"] for account in said["accounts"]] == [True, False]


def test_an_account_that_is_switched_off_is_not_missed():
    a_run()
    with arranging():
        make_account("other", enabled=False)
    assert health()["reconciliationLoopHealthy"] is True


def test_open_mismatches_are_counted_by_kind_and_degrade():
    a_run()
    for kind in (
        MismatchKind.MISSING_FROM_EXCHANGE,
        MismatchKind.MISSING_FROM_EXCHANGE,
        MismatchKind.MISSING_IN_DB,
        MismatchKind.QUANTITY_MISMATCH,
    ):
        make_mismatch(Run.objects.get(), kind=kind)
    said = health()
    assert said["status"] == "degraded"
    assert said["reconciliationMismatchCount"] == 4
    assert said["reconciliationMissingFromExchange"] == 2
    assert said["reconciliationMissingInDb"] == 1


@pytest.mark.parametrize(
    "values",
    [
        {"status": MismatchStatus.RESOLVED, "closed_at": NOW},
        {"status": MismatchStatus.ACCEPTED},
    ],
    ids=["resolved", "accepted"],
)
def test_what_is_resolved_or_accepted_is_not_counted(values):
    a_run()
    make_mismatch(Run.objects.get(), **values)
    assert health()["reconciliationMismatchCount"] == 0
    assert health()["status"] == "ok"


def test_who_holds_a_lock_is_named_until_its_time_is_up():
    profile = make_profile()
    ttl = timedelta(seconds=15)
    take_lease(profile_id=profile.pk, holder="worker 7", ttl=ttl, clock=FixedClock())
    assert health()["accounts"][0]["lockHolders"] == {
        "alpha": {
            "holder": "worker 7",
            "since": "2026-01-05T12:00:00.000Z",
            "until": "2026-01-05T12:00:15.000Z",
        }
    }
    assert health(NOW + ttl)["accounts"][0]["lockHolders"] == {}


def test_what_an_account_could_not_read_is_told_with_its_reason():
    unread = {"positions": "this exchange has no fetchPositions", "fills.swap": "timeout"}
    a_run(status=RunStatus.PARTIAL, coverage=Coverage.PARTIAL, unread=unread)
    said = health()
    assert said["accounts"][0]["unread"] == unread
    assert "main: the last run ended PARTIAL, not read: fills.swap, positions" in said["problems"]


def test_an_account_whose_last_run_failed_says_why_and_degrades():
    a_run(CONF.interval)
    a_run(status=RunStatus.FAILED, coverage=Coverage.NONE, error="MAIN_API_KEY is not set")
    said = health()
    assert said["status"] == "degraded"
    assert said["accounts"][0]["lastRunError"] == "MAIN_API_KEY is not set"
    assert said["problems"] == ["main: the last run ended FAILED: MAIN_API_KEY is not set"]


def test_a_stalled_loop_is_told_with_its_age_and_its_limit():
    a_run(LIMIT + CONF.interval)
    assert health()["problems"] == ["main: no cycle finished for 240 s (limit 180 s)"]


def test_skipped_runs_in_a_row_are_counted():
    a_run(CONF.interval * 3)
    for ago in (2, 1):
        a_run(CONF.interval * ago, status=RunStatus.SKIPPED_LOCKED)
    account = health()["accounts"][0]
    assert (account["skippedRuns"], account["lastRunStatus"]) == (2, "SKIPPED_LOCKED")


def test_a_skipped_run_before_any_other_is_counted_too():
    a_run(status=RunStatus.SKIPPED_LOCKED)
    assert health()["accounts"][0]["skippedRuns"] == 1


def test_runs_that_began_in_one_moment_are_told_apart_by_their_order():
    a_run(status=RunStatus.FAILED)
    a_run(status=RunStatus.PARTIAL)
    assert health()["accounts"][0]["lastRunStatus"] == "PARTIAL"


def test_accepted_mismatches_are_counted_apart():
    a_run()
    make_mismatch(Run.objects.get(), status=MismatchStatus.ACCEPTED)
    assert health()["reconciliationAcceptedMismatchCount"] == 1


def test_trades_in_quarantine_and_of_parity_findings_are_counted():
    a_run()
    trade = make_trade(make_profile(), entry_quantity="1", status=TradeStatus.QUARANTINED)
    for kind in (MismatchKind.GHOST_POSITION, MismatchKind.POSITION_MISMATCH):
        make_mismatch(Run.objects.get(), kind=kind, trade=trade)
    said = health()
    assert said["reconciliationParityMismatchTrades"] == 1
    assert said["reconciliationParityQuarantinedTrades"] == 1
    assert said["status"] == "degraded"
    assert "trades in quarantine: 1" in said["problems"]


def test_trades_closed_by_the_portal_alone_are_counted_and_those_of_an_operator_are_not():
    trade = make_trade(make_profile(), entry_quantity="1", exit_quantity="1")
    for source in (HistorySource.SYNTHETIC, HistorySource.OPERATOR):
        make_history(trade, kind=HistoryKind.EXIT, source=source)
    assert health()["reconciliationParityAutoClosedTrades"] == 1


def test_notional_is_unknown_before_a_heartbeat_and_zero_when_nothing_is_open():
    a_run()
    assert notional() == (None, None)
    a_run(kind=RunKind.HEARTBEAT, status=RunStatus.FAILED, coverage=Coverage.NONE)
    assert notional() == (None, None)
    a_run(kind=RunKind.HEARTBEAT, status=RunStatus.PARTIAL, coverage=Coverage.PARTIAL)
    assert notional() == (0, 0)


def test_notional_is_unknown_while_an_account_was_never_compared():
    a_run(kind=RunKind.HEARTBEAT)
    a_run(account=make_account("second"))
    assert notional() == (None, None)


def notional() -> tuple[object, object]:
    said = health()
    return (
        said["reconciliationParityMaxMismatchNotionalUsd"],
        said["reconciliationParityTotalMismatchNotionalUsd"],
    )


def a_finding(usd: str | None, **values) -> None:
    defaults = {"kind": MismatchKind.GHOST_POSITION, "trade": None}
    mismatch = make_mismatch(Run.objects.first(), **{**defaults, **values})
    make_sighting(mismatch, notional_usd=usd)


def test_notional_is_the_largest_finding_and_the_sum_of_all_that_are_open():
    a_run(kind=RunKind.HEARTBEAT)
    a_finding("30500")
    a_finding("0.25", kind=MismatchKind.ORPHAN_POSITION)
    a_finding("999", status=MismatchStatus.ACCEPTED)
    a_finding("999", status=MismatchStatus.RESOLVED, closed_at=NOW)
    a_finding("999", kind=MismatchKind.QUANTITY_MISMATCH)
    assert notional() == (30500, 30500.25)
    assert isinstance(notional()[0], int)
    a_finding(None)
    assert notional() == (None, None)


def test_a_shared_shortfall_counts_its_slices_and_an_orphan_none():
    a_run(kind=RunKind.HEARTBEAT)
    profiles = [make_profile(name) for name in ("alpha", "beta")]
    trades = [make_trade(each, entry_quantity="1") for each in profiles]
    slices = [{"trade": each.pk, "profile_id": each.profile_id} for each in trades]
    a_finding("10", kind=MismatchKind.POSITION_MISMATCH, database_side={"slices": slices})
    a_finding("10", kind=MismatchKind.ORPHAN_POSITION, database_side={"slices": slices})
    a_finding("10", trade=trades[0])
    assert health()["reconciliationParityMismatchTrades"] == 2


def test_the_watchdog_is_triggered_while_its_pause_is_open_and_an_operators_is_not_its():
    a_run()
    make_pause(source=PauseSource.OPERATOR)
    make_pause(ended_at=NOW)
    said = health()
    assert said["reconciliationIntegrityWatchdogTriggered"] is False
    assert said["problems"] == ["alpha: trading is paused by OPERATOR"]
    make_pause(make_profile("beta"))
    said = health()
    assert said["reconciliationIntegrityWatchdogTriggered"] is True
    assert said["status"] == "degraded"


def test_escalations_that_are_not_resolved_are_problems():
    a_run()
    make_escalation()
    make_escalation(kind=EscalationKind.STALE_FILLS, status=EscalationStatus.ACKNOWLEDGED)
    make_escalation(status=EscalationStatus.RESOLVED, resolved_at=NOW)
    assert health()["problems"] == ["escalations: PERSISTENT_MISMATCH 1, STALE_FILLS 1"]


@pytest.mark.parametrize("on", [True, False])
def test_the_heartbeats_flags_are_those_in_force(on):
    flags = {
        "ENABLE_RECON_POSITION_PARITY_HEARTBEAT": str(on),
        "RECON_POSITION_PARITY_DRY_RUN": str(not on),
    }
    said = load_health(conf=require(flags), clock=FixedClock())
    assert said["reconciliationParityHeartbeatEnabled"] is on
    assert said["reconciliationParityDryRun"] is not on


def test_a_heartbeat_that_stalls_is_a_problem_and_the_loop_is_well():
    a_run()
    a_run(LIMIT + TICK, kind=RunKind.HEARTBEAT)
    said = health()
    assert (said["status"], said["reconciliationLoopHealthy"]) == ("degraded", True)
    assert said["problems"] == ["main: no heartbeat finished for 180 s (limit 180 s)"]
    assert said["accounts"][0]["heartbeatAgeMs"] == 180_001
    off = require({"ENABLE_RECON_POSITION_PARITY_HEARTBEAT": "false"})
    assert load_health(conf=off, clock=FixedClock())["problems"] == []


def test_the_last_heartbeat_is_told_of_beside_the_loop():
    a_run(kind=RunKind.HEARTBEAT, status=RunStatus.PARTIAL, coverage=Coverage.PARTIAL)
    a_run()
    (account,) = health()["accounts"]
    assert (account["lastRunStatus"], account["lastHeartbeatStatus"]) == ("SUCCEEDED", "PARTIAL")
    assert (account["heartbeatCoverage"], account["heartbeatAgeMs"]) == ("PARTIAL", None)
    assert "main: no heartbeat has read all positions yet" in health()["problems"]


def test_every_name_is_there_also_when_nothing_is_known():
    assert tuple(health()) == FIELDS == tuple(unknown_health("it is gone", conf=CONF))
    unknown = unknown_health("it is gone", conf=CONF)
    assert (unknown["status"], unknown["problems"]) == ("down", ["it is gone"])
    measured = {
        name: value
        for name, value in unknown.items()
        if name not in {"status", "problems"} and not isinstance(value, bool)
    }
    assert set(measured.values()) == {None}
    assert len(measured) == len(FIELDS) - 4


def test_the_number_of_queries_does_not_depend_on_accounts_or_profiles():
    def add(first: int, last: int) -> None:
        for number in range(first, last):
            profile = make_profile(f"profile{number}", account=make_account(f"account{number}"))
            clock = FixedClock()
            take_lease(profile_id=profile.pk, holder="w", ttl=CONF.interval, clock=clock)
            a_run(account=profile.account)
            make_mismatch(make_run(profile.account), profile=profile)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            health()
        return len(captured)

    add(0, 1)
    few = queries()
    add(1, 8)
    assert queries() == few <= 9


def test_the_runbooks_names_are_all_there():
    assert {
        "reconciliationLoopHealthy",
        "reconciliationMismatchCount",
        "reconciliationLastRun",
        "reconciliationMissingFromExchange",
        "reconciliationMissingInDb",
        "reconciliationParityMismatchTrades",
        "reconciliationParityQuarantinedTrades",
        "reconciliationParityAutoClosedTrades",
        "reconciliationParityMaxMismatchNotionalUsd",
        "reconciliationParityTotalMismatchNotionalUsd",
        "reconciliationIntegrityWatchdogTriggered",
    } <= health().keys()


def test_a_clock_that_was_wrong_for_a_moment_does_not_pass_for_a_loop_that_runs() -> None:
    account = make_account()
    a_run(ago=timedelta(days=-1), account=account)
    assert health()["reconciliationLoopHealthy"] is False
    a_run(ago=timedelta(minutes=9), account=account)
    assert health()["accounts"][0]["ageMs"] == 540_000
    a_run(account=account, finished_at=NOW + timedelta(days=1))
    assert health()["reconciliationLoopHealthy"] is False
    assert health()["problems"] == ["main: its last cycle ended in the future; check the clocks"]
    a_run(ago=-TICK, account=account)
    assert health()["reconciliationLoopHealthy"] is True
