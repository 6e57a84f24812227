"""Counters count each mismatch once and never go back; gauges are 0 when nothing is open."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.conf import Conf as QueueConf
from django_q.models import OrmQ

from reconciliation.conf import require
from reconciliation.enums import (
    CandidateStatus,
    Coverage,
    ExternalStatus,
    HistoryKind,
    HistorySource,
    MismatchKind,
    MismatchStatus,
    QuarantineReason,
    ReviewStatus,
    RunKind,
    RunStatus,
    TradeStatus,
)
from reconciliation.handlers.leases import take_lease
from reconciliation.models import ClusterBeat, ExchangeAccount
from reconciliation.selectors.metric_families import FAMILIES, MetricType
from reconciliation.selectors.metrics import load_metrics, load_samples
from tests.builders import (
    NOW,
    FixedClock,
    arranging,
    make_account,
    make_candidate,
    make_capital_balance,
    make_escalation,
    make_external_order,
    make_history,
    make_mismatch,
    make_pause,
    make_profile,
    make_review,
    make_run,
    make_sighting,
    make_trade,
    make_watchdog_state,
)

pytestmark = pytest.mark.django_db
CONF = require({})
NAMES = ("mismatch", "missing_from_exchange", "missing_in_db")
MINUTE = timedelta(minutes=1)


def metrics(clock: FixedClock | None = None) -> dict[str, int | float]:
    return load_metrics(conf=CONF, clock=clock or FixedClock())


def sample(name: str, profile: str = "alpha") -> int | float:
    return metrics()[f'reconciliation_{name}_total{{profile="{profile}"}}']


def of(family: str) -> dict[tuple[str, ...], int | float]:
    """Return the samples of a family by the values of their labels."""
    samples = load_samples(conf=CONF, clock=FixedClock())
    return {each.labels: each.value for each in samples if each.name == f"reconciliation_{family}"}


def test_every_profile_and_nobody_have_their_counters_from_the_first():
    for profiles in ([""], ["", "alpha"]):
        for name in NAMES:
            assert of(f"{name}_total") == {(profile,): 0 for profile in profiles}
        make_profile()


def test_each_mismatch_is_counted_with_its_kind():
    profile = make_profile()
    run = make_run()
    for kind in (MismatchKind.MISSING_FROM_EXCHANGE, MismatchKind.QUANTITY_MISMATCH):
        make_mismatch(run, profile=profile, kind=kind)
    assert (sample("mismatch"), sample("missing_from_exchange")) == (2, 1)
    assert sample("missing_in_db") == 0


@pytest.mark.parametrize("status", MismatchStatus)
def test_a_counter_does_not_go_back_when_a_mismatch_is_over(status):
    closed = NOW if status == MismatchStatus.RESOLVED else None
    make_mismatch(profile=make_profile(), status=status, closed_at=closed)
    assert sample("mismatch") == 1


def test_seen_often_is_counted_once():
    make_sighting(make_mismatch(profile=make_profile()), count=9)
    assert sample("mismatch") == 1


def test_profiles_are_counted_apart_and_so_is_what_is_nobodys():
    alpha, beta = make_profile(), make_profile("beta", sub_tag="beta01")
    run = make_run()
    make_mismatch(run, profile=alpha)
    make_mismatch(run, profile=alpha)
    make_mismatch(run, profile=beta)
    make_mismatch(run, profile=None)
    counts = {name: sample("mismatch", name) for name in ("alpha", "beta", "")}
    assert counts == {"alpha": 2, "beta": 1, "": 1}


@pytest.mark.parametrize(
    ("status", "opened", "accepted"),
    [
        (MismatchStatus.OPEN, 1, 0),
        (MismatchStatus.ACCEPTED, 0, 1),
        (MismatchStatus.RESOLVED, 0, 0),
    ],
)
def test_what_is_open_and_what_is_accepted_are_told_apart(status, opened, accepted):
    closed = NOW if status == MismatchStatus.RESOLVED else None
    kind = MismatchKind.MISSING_IN_DB
    make_mismatch(profile=make_profile(), kind=kind, status=status, closed_at=closed)
    open_now = of("open_mismatches")
    assert open_now.pop(("alpha", "MISSING_IN_DB")) == opened
    assert open_now == {
        (profile, kind): 0
        for profile in ("alpha", "")
        for kind in MismatchKind
        if (profile, kind) != ("alpha", "MISSING_IN_DB")
    }
    assert of("accepted_mismatches") == {("alpha",): accepted, ("",): 0}


def test_fills_that_no_trade_explains_are_counted_by_account():
    make_account("other")
    make_mismatch(kind=MismatchKind.UNATTRIBUTED_FILL, profile=None)
    make_mismatch(kind=MismatchKind.MISSING_IN_DB, profile=None)
    assert of("unattributed_fills_pending") == {("main",): 1, ("other",): 0}


def test_trades_of_parity_findings_are_counted_once_each():
    trade = make_trade(make_profile(), entry_quantity="1", status=TradeStatus.QUARANTINED)
    for kind in (MismatchKind.GHOST_POSITION, MismatchKind.AMBIGUOUS_OWNERS):
        make_mismatch(profile=trade.profile, trade=trade, kind=kind)
    make_mismatch(profile=trade.profile, trade=trade, kind=MismatchKind.QUANTITY_MISMATCH)
    make_mismatch(profile=trade.profile, kind=MismatchKind.ORPHAN_POSITION)
    assert of("parity_mismatch_trades") == {("alpha",): 1}
    assert of("parity_quarantined_trades") == {("alpha",): 1}


def test_trades_closed_by_a_synthetic_exit_are_counted_for_ever():
    trade = make_trade(make_profile(), entry_quantity="1", exit_quantity="1")
    exit_row = {"kind": HistoryKind.EXIT, "quantity": "0.5"}
    for source in (HistorySource.SYNTHETIC, HistorySource.SYNTHETIC, HistorySource.OPERATOR):
        make_history(trade, source=source, **exit_row)
    make_history(make_trade(trade.profile, entry_quantity="1"), source=HistorySource.BOT)
    assert of("parity_auto_closed_trades_total") == {("alpha",): 1}


def test_an_account_that_never_ran_has_no_samples_of_runs():
    make_account()
    assert of("account_loop_healthy") == {("main",): 0}
    for name in FAMILIES:
        if "last_" in name or name == "reconciliation_lock_skipped_runs":
            assert of(name.removeprefix("reconciliation_")) == {}


def test_the_last_run_is_told_in_base_units():
    began, ended = NOW - 5 * MINUTE, NOW - 5 * MINUTE + timedelta(milliseconds=1500)
    make_run(started_at=began - MINUTE, finished_at=began)
    make_run(
        started_at=began,
        finished_at=ended,
        status=RunStatus.PARTIAL,
        coverage=Coverage.PARTIAL,
        unread={"fills.swap": "timeout", "orders.oco": "not served"},
    )
    job = ("main", "reconcile")
    assert of("last_run_timestamp_seconds") == {job: ended.timestamp()}
    assert of("last_success_timestamp_seconds") == {job: began.timestamp()}
    assert of("last_run_duration_seconds") == {job: 1.5}
    assert of("last_run_coverage_complete") == {job: 0}
    assert of("last_run_unread_parts") == {job: 2}
    assert of("last_run_status") == {
        (*job, "SUCCEEDED"): 0,
        (*job, "PARTIAL"): 1,
        (*job, "FAILED"): 0,
        (*job, "SKIPPED_LOCKED"): 0,
    }
    assert of("loop_healthy") == {(): 0}


def test_a_healthy_loop_is_one():
    make_run()
    assert (of("loop_healthy"), of("account_loop_healthy")) == ({(): 1}, {("main",): 1})
    assert of("status") == {("ok",): 1, ("degraded",): 0, ("down",): 0}


def test_runs_that_found_every_lock_held_are_counted_while_they_are_in_a_row():
    skipped = {"status": RunStatus.SKIPPED_LOCKED, "coverage": Coverage.COMPLETE}
    for number, values in enumerate([skipped, {}, skipped, skipped]):
        at = NOW - 10 * MINUTE + number * MINUTE
        make_run(started_at=at, finished_at=at, **values)
    assert of("lock_skipped_runs") == {("main", "reconcile"): 2}
    make_run()
    assert of("lock_skipped_runs") == {("main", "reconcile"): 0}


def test_a_lock_is_held_until_its_time_is_up():
    profile, clock = make_profile(), FixedClock()
    take_lease(profile_id=profile.pk, holder="worker 7", ttl=MINUTE, clock=clock)
    name = 'reconciliation_lock_held{profile="alpha"}'
    assert metrics(clock)[name] == 1
    clock.advance(minutes=1)
    assert metrics(clock)[name] == 0


def test_review_queues_tell_what_waits_and_since_when():
    trade = make_trade(make_profile(), entry_quantity="1", status=TradeStatus.QUARANTINED)
    waiting: list[dict[str, Any]] = [
        {"reason": QuarantineReason.NO_MARK, "opened_at": NOW - 2 * MINUTE},
        {"reason": QuarantineReason.OVERCLOSE, "status": ReviewStatus.PROPOSED},
        {"status": ReviewStatus.REJECTED, "opened_at": NOW - 9 * MINUTE, "closed_at": NOW},
    ]
    for values in waiting:
        make_review(trade, **values)
    assert of("review_items") == {("quarantine",): 2, ("backfill",): 0}
    assert of("review_oldest_age_seconds") == {("quarantine",): 120, ("backfill",): 0}
    make_candidate(opened_at=NOW - MINUTE)
    make_candidate(status=CandidateStatus.SUPERSEDED, opened_at=NOW - 9 * MINUTE, closed_at=NOW)
    assert of("review_items")[("backfill",)] == 1
    assert of("review_oldest_age_seconds")[("backfill",)] == 60


def test_orders_of_nobody_wait_by_account_until_a_person_decided():
    make_account("other")
    make_external_order(first_seen_at=NOW - MINUTE)
    make_external_order(status=ExternalStatus.IGNORED, first_seen_at=NOW - 5 * MINUTE)
    assert of("external_orders_pending") == {("main",): 1, ("other",): 0}
    assert of("external_orders_oldest_age_seconds") == {("main",): 60, ("other",): 0}


def test_tasks_wait_until_a_worker_takes_them():
    assert of("job_queue_tasks") == {(): 0}
    for lock in (NOW - 2 * MINUTE, NOW - MINUTE, NOW + 5 * MINUTE):
        OrmQ.objects.create(key="reconciliation", payload="x", lock=lock)
    assert of("job_queue_tasks") == {(): 2}
    assert of("job_queue_taken_tasks") == {(): 1}
    assert of("job_queue_oldest_age_seconds") == {(): 120}


def test_a_queue_that_is_not_in_the_database_has_no_samples(monkeypatch):
    monkeypatch.setattr(QueueConf, "ORM", None)
    assert [name for name in metrics() if "job_queue" in name] == []


def test_the_newest_signs_of_life_of_each_machine_count():
    assert of("cluster_task_age_seconds") == of("cluster_result_age_seconds") == {}
    for number, (host, ago) in enumerate([("a", 30), ("a", 5), ("b", 7), ("c", -3)]):
        at = NOW - timedelta(seconds=ago)
        result_at = None if host == "b" else at
        beat = {"started_at": at, "task_at": at, "result_at": result_at}
        ClusterBeat.objects.create(cluster=str(number), host=host, **beat)
    assert of("cluster_task_age_seconds") == {("a",): 5, ("b",): 7, ("c",): 0}
    assert of("cluster_result_age_seconds") == {("a",): 5, ("c",): 0}


def test_what_was_never_measured_has_no_sample():
    assert not any("notional" in name or "watchdog" in name for name in metrics())


def test_names_are_as_prometheus_wants_them():
    for family in FAMILIES.values():
        assert family.name.startswith("reconciliation_")
        assert family.name.endswith("_total") == (family.type == MetricType.COUNTER)
        assert family.meaning.endswith(".")
        # Prometheus gives these two to what it scrapes, and would rename ours.
        assert not {"job", "instance"} & set(family.labels)


def test_each_sample_is_of_a_family_and_none_comes_twice(tmp_path: Path):
    fill_up(2)
    (tmp_path / "checkpoint-000000000001-20260105T115900000000Z.json").touch()
    conf = require({"RECON_AUDIT_CHECKPOINT_DIR": str(tmp_path)})
    samples = load_samples(conf=conf, clock=FixedClock())
    keys = [(each.name, each.labels) for each in samples]
    assert len(set(keys)) == len(keys)
    assert {each.name for each in samples} == FAMILIES.keys()
    assert all(len(each.labels) == len(FAMILIES[each.name].labels) for each in samples)


def fill_up(number: int) -> None:
    """Make accounts with all that there is to tell of them."""
    for index in range(number):
        account = make_account(f"account{index}")
        profile = make_profile(f"profile{index}", account=account)
        take_lease(profile_id=profile.pk, holder="worker", ttl=MINUTE, clock=FixedClock())
        run = make_run(account)
        make_run(account, kind=RunKind.HEARTBEAT)
        if not profile.pauses.exists():
            make_capital_balance(profile)
            make_escalation(account, about=profile.name)
            make_pause(profile)
            make_watchdog_state(profile)
        make_run(account, status=RunStatus.SKIPPED_LOCKED, started_at=NOW + MINUTE)
        trade = make_trade(profile, entry_quantity="1", status=TradeStatus.QUARANTINED)
        make_review(trade, first_run=run)
        make_history(trade, kind=HistoryKind.EXIT, source=HistorySource.SYNTHETIC)
        make_external_order(account, first_run=run)
        for kind in MismatchKind:
            mismatch = make_mismatch(run, profile=profile, trade=trade, kind=kind)
            make_sighting(mismatch, notional_usd="100")
    beat = {"host": "h", "started_at": NOW, "task_at": NOW, "result_at": NOW}
    ClusterBeat.objects.get_or_create(cluster="c", defaults=beat)


def test_the_number_of_queries_does_not_depend_on_accounts_or_profiles():
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            metrics()
        return len(captured)

    fill_up(1)
    few = queries()
    fill_up(7)
    assert queries() == few <= 21


def test_an_account_that_is_switched_off_keeps_what_waits_and_has_no_loop():
    make_external_order(make_account())
    with arranging():
        ExchangeAccount.objects.update(enabled=False)
    assert of("external_orders_pending") == {("main",): 1}
    assert of("account_loop_healthy") == {}


def test_how_old_the_newest_checkpoint_is_is_told_and_that_there_is_none_is_not(tmp_path: Path):
    name = "reconciliation_audit_checkpoint_age_seconds"
    conf = require({"RECON_AUDIT_CHECKPOINT_DIR": str(tmp_path)})
    assert name not in metrics()
    assert name not in load_metrics(conf=conf, clock=FixedClock())
    for minute in ("10", "58"):
        (tmp_path / f"checkpoint-000000000001-20260105T11{minute}00000000Z.json").touch()
    (tmp_path / "notes.txt").touch()
    assert load_metrics(conf=conf, clock=FixedClock())[name] == 120
