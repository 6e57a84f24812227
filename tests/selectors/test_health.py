"""What /internal/health says: the runbook's own names; unknown is null, and a count is a number."""

from datetime import timedelta
from typing import Any

import pytest

from reconciliation.conf import require
from reconciliation.enums import Coverage, MismatchKind, MismatchStatus, RunKind, RunStatus
from reconciliation.handlers.leases import take_lease
from reconciliation.models import ExchangeAccount, Run
from reconciliation.selectors.health import STALLED_AFTER_INTERVALS, load_health
from tests.builders import (
    NOW,
    FixedClock,
    arranging,
    make_account,
    make_mismatch,
    make_profile,
    make_run,
)

pytestmark = pytest.mark.django_db
CONF = require({})
LIMIT = CONF.interval * STALLED_AFTER_INTERVALS
TICK = timedelta(milliseconds=1)


def health(now=NOW) -> dict[str, Any]:
    return load_health(conf=CONF, now=now)


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
    assert health()["accounts"][0]["lockHolders"] == {"alpha": "worker 7"}
    assert health(NOW + ttl)["accounts"][0]["lockHolders"] == {}


def test_the_runbooks_names_are_all_there():
    assert {
        "reconciliationLoopHealthy",
        "reconciliationMismatchCount",
        "reconciliationLastRun",
        "reconciliationMissingFromExchange",
        "reconciliationMissingInDb",
    } <= health().keys()
