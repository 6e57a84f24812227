"""The watchdog at the end of each heartbeat: what it counts, when it stops and resumes trading."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.conf import require
from reconciliation.domain.audit import system_actor
from reconciliation.domain.watchdog import Exposure
from reconciliation.enums import HistorySource, MismatchKind, MismatchStatus, PauseSource, RunKind
from reconciliation.handlers.runs import ClaimLost
from reconciliation.handlers.watchdog import record_watchdog
from reconciliation.models import AuditEvent, Pause, Profile, Run, WatchdogState
from tests.builders import (
    NOW,
    FixedClock,
    make_history,
    make_mismatch,
    make_pause,
    make_profile,
    make_run,
    make_trade,
)

pytestmark = pytest.mark.django_db
WATCHDOG = PauseSource.PARITY_WATCHDOG
MINUTE = timedelta(minutes=1)
# Limits that are met at once, so that a test sees one of them alone.
QUICK = {
    "RECON_WATCHDOG_AUTO_RESUME_MIN_PAUSE_MS": "0",
    "RECON_WATCHDOG_AUTO_RESUME_CLEAN_CYCLES": "1",
    "RECON_WATCHDOG_AUTO_RESUME_COOLDOWN_MS": "0",
}


def beat(
    at: datetime = NOW,
    *exposures: Exposure,
    env: dict[str, str] | None = None,
    run: Run | None = None,
) -> Run:
    """Let one heartbeat end, with alpha (capital 100000) clean unless given."""
    alpha = make_profile()
    Run.objects.filter(kind=RunKind.HEARTBEAT, status="RUNNING").update(
        status="SUCCEEDED", finished_at=at
    )
    run = run or make_run(
        alpha.account,
        kind=RunKind.HEARTBEAT,
        status="RUNNING",
        started_at=at,
        claim_expires_at=at + MINUTE,
    )
    record_watchdog(
        account=alpha.account,
        run_id=run.pk,
        claim_token=run.claim_token,
        exposures=exposures or (exposure(),),
        as_of=at,
        conf=require(env or {}),
        clock=FixedClock(at),
        actor=system_actor("heartbeat"),
    )
    return run


def exposure(
    notional: str | None = "0", *, is_known: bool = True, of: Profile | None = None
) -> Exposure:
    return Exposure(
        profile_id=(of or make_profile()).pk,
        notional_usd=None if notional is None else Decimal(notional),
        is_known=is_known,
    )


def state() -> WatchdogState:
    return WatchdogState.objects.get(profile=make_profile())


def events() -> list[dict[str, Any]]:
    return [json.loads(event.payload) for event in AuditEvent.objects.order_by("sequence")]


def test_a_clean_heartbeat_is_counted_and_nothing_is_paused():
    run = beat()
    seen = state()
    assert (seen.notional_usd, seen.is_known, seen.clean_heartbeats) == (0, True, 1)
    assert (seen.as_of, seen.run_id) == (NOW, run.pk)
    assert not Pause.objects.exists()
    assert not AuditEvent.objects.exists()


def test_above_the_ratio_trading_stops_with_the_evidence_and_one_event():
    run = beat(NOW, exposure("50000.01"))
    pause = Pause.objects.get()
    assert (pause.source, pause.started_at, pause.started_by) == (WATCHDOG, NOW, "")
    assert pause.evidence == {
        "notional_usd": "50000.01",
        "limit_usd": "50000",
        "allocated_capital_usd": "100000",
        "max_notional_pct": "0.5",
        "as_of": "2026-01-05T12:00:00.000000Z",
        "run": run.pk,
    }
    (event,) = events()
    assert (event["action"], event["outcome"], event["profile_name"], event["account_name"]) == (
        "pause.started",
        "applied",
        "alpha",
        "main",
    )
    assert event["after"] == {"source": "PARITY_WATCHDOG", **pause.evidence}
    assert event["run_id"] == run.pk
    assert len(event["evidence"]) == 1


def test_exactly_at_the_ratio_trading_goes_on():
    beat(NOW, exposure("50000"))
    assert not Pause.objects.exists()


def test_it_is_paused_once_however_long_it_lasts():
    for minutes in range(3):
        beat(NOW + minutes * MINUTE, exposure("60000"))
    assert Pause.objects.count() == AuditEvent.objects.count() == 1


def test_an_unknown_notional_neither_pauses_nor_counts_and_the_last_known_one_stays():
    beat(NOW, exposure("10"))
    beat(NOW + MINUTE)
    beat(NOW + 2 * MINUTE, exposure(None))
    seen = state()
    assert (seen.notional_usd, seen.is_known, seen.clean_heartbeats) == (0, False, 0)
    assert not Pause.objects.exists()


def test_a_pause_that_starts_does_not_end_in_the_same_heartbeat():
    beat(NOW, exposure("60000"), env=QUICK)
    assert Pause.objects.open().count() == 1


def test_it_resumes_by_itself_once_every_condition_is_met_and_says_each():
    beat(NOW, exposure("60000"))
    beat(NOW + MINUTE)
    beat(NOW + 14 * MINUTE)
    assert Pause.objects.open().count() == 1
    beat(NOW + 15 * MINUTE)
    pause = Pause.objects.get()
    assert (pause.ended_at, pause.auto_resumed, pause.ended_by) == (NOW + 15 * MINUTE, True, "")
    started, ended = events()
    assert (started["action"], ended["action"]) == ("pause.started", "pause.ended")
    assert ended["after"]["conditions"] == pause.end_evidence["conditions"]
    assert {
        each["name"]: (each["met"], each["needed"], each["actual"])
        for each in pause.end_evidence["conditions"]
    } == {
        "enabled": (True, True, True),
        "source": (True, "PARITY_WATCHDOG", "PARITY_WATCHDOG"),
        "paused_ms": (True, 900_000, 900_000),
        "clean_heartbeats": (True, 2, 3),
        "since_auto_resume_ms": (True, 1_800_000, None),
    }


@pytest.mark.parametrize(
    "env",
    [
        {"ENABLE_RECON_WATCHDOG_AUTO_RESUME": "false"},
        {"RECON_WATCHDOG_AUTO_RESUME_MIN_PAUSE_MS": "60001"},
        {"RECON_WATCHDOG_AUTO_RESUME_CLEAN_CYCLES": "2"},
    ],
    ids=lambda env: next(iter(env)),
)
def test_each_condition_alone_keeps_it_paused(env: dict[str, str]):
    beat(NOW, exposure("60000"))
    beat(NOW + MINUTE, env=QUICK | env)
    assert Pause.objects.open().count() == 1


def test_the_cooldown_counts_from_that_profiles_last_resume_by_itself():
    make_pause(make_profile("beta"), source=WATCHDOG, ended_at=NOW + MINUTE, auto_resumed=True)
    beat(NOW, exposure("60000"), env=QUICK)
    beat(NOW + MINUTE, env=QUICK)
    beat(NOW + 2 * MINUTE, exposure("60000"), env=QUICK)
    cooldown = QUICK | {"RECON_WATCHDOG_AUTO_RESUME_COOLDOWN_MS": "120001"}
    beat(NOW + 3 * MINUTE, env=cooldown)
    assert Pause.objects.open().count() == 1
    beat(NOW + 4 * MINUTE, env=cooldown)
    assert not Pause.objects.open().exists()


def test_a_persons_resume_is_no_reason_for_a_cooldown():
    make_pause(source=WATCHDOG, ended_at=NOW, ended_by="olga")
    beat(NOW, exposure("60000"))
    beat(NOW + MINUTE, env=QUICK | {"RECON_WATCHDOG_AUTO_RESUME_COOLDOWN_MS": "600000"})
    assert not Pause.objects.open().exists()


def test_a_persons_pause_is_never_lifted():
    make_pause(source=PauseSource.OPERATOR)
    for minutes in range(3):
        beat(NOW + minutes * 60 * MINUTE, env=QUICK)
    assert Pause.objects.open().count() == 1


def test_both_sources_hold_at_once_and_the_watchdogs_ends_by_itself():
    make_pause(source=PauseSource.OPERATOR)
    beat(NOW, exposure("60000"))
    assert Pause.objects.open().count() == 2
    beat(NOW + MINUTE, env=QUICK)
    assert [pause.source for pause in Pause.objects.open()] == [PauseSource.OPERATOR]


def test_a_second_heartbeat_within_half_an_interval_adds_nothing():
    beat()
    beat(NOW + timedelta(seconds=29))
    assert (state().clean_heartbeats, state().as_of) == (1, NOW)
    beat(NOW + timedelta(seconds=30))
    assert state().clean_heartbeats == 2


@pytest.mark.parametrize(
    ("values", "is_clean"),
    [
        ({"profile": "alpha"}, False),
        ({"profile": "alpha", "kind": MismatchKind.GHOST_POSITION}, False),
        ({"profile": "alpha", "status": MismatchStatus.ACCEPTED}, True),
        ({"profile": "alpha", "status": MismatchStatus.RESOLVED, "closed_at": NOW}, True),
        ({"profile": "beta"}, True),
        ({"kind": MismatchKind.ORPHAN_POSITION}, False),
        ({"kind": MismatchKind.ORPHAN_POSITION, "status": MismatchStatus.ACCEPTED}, True),
        ({"kind": MismatchKind.UNATTRIBUTED_FILL}, True),
        ({"kind": MismatchKind.POSITION_MISMATCH, "shared_by": ["alpha", "beta"]}, False),
        ({"kind": MismatchKind.POSITION_MISMATCH, "shared_by": ["beta"]}, True),
        ({"kind": MismatchKind.POSITION_MISMATCH}, False),
    ],
)
def test_a_profile_is_clean_when_nothing_of_its_own_is_open(values: dict[str, Any], is_clean: bool):
    profiles = {name: make_profile(name) for name in ("alpha", "beta")}
    named, sharers = values.pop("profile", None), values.pop("shared_by", None)
    if sharers:
        rows = [
            {"trade": make_trade(profiles[name]).pk, "profile_id": profiles[name].pk}
            for name in sharers
        ]
        values["database_side"] = {"slices": rows}
    make_mismatch(profile=profiles[named] if named else None, **values)
    beat()
    assert (state().clean_heartbeats == 1) is is_clean


def test_a_heartbeat_that_repaired_the_books_is_not_clean_yet():
    run = make_run(
        make_profile().account,
        kind=RunKind.HEARTBEAT,
        status="RUNNING",
        claim_expires_at=NOW + MINUTE,
    )
    make_history(run=run, source=HistorySource.SYNTHETIC, kind="EXIT")
    Run.objects.filter(pk=run.pk).update(kind=RunKind.RECONCILE)
    beat(run=run)
    assert state().clean_heartbeats == 0


def test_what_a_lost_claim_would_have_written_is_not():
    run = make_run(
        make_profile().account, kind=RunKind.RECONCILE, status="RUNNING", claim_expires_at=NOW
    )
    with pytest.raises(ClaimLost):
        beat(NOW, exposure("60000"), run=run)
    assert not Pause.objects.exists()
    assert not WatchdogState.objects.exists()


def test_the_statements_are_as_many_for_thirty_profiles_as_for_three():
    make_profile()
    profiles = [make_profile(f"p{number}") for number in range(33)]
    beat(NOW, *(exposure("60000", of=each) for each in profiles))
    assert Pause.objects.open().count() == 33
    counts = []
    for some in (profiles[:3], profiles[3:]):
        with CaptureQueriesContext(connection) as queries:
            beat(NOW + MINUTE, *(exposure(of=each) for each in some), env=QUICK)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert not Pause.objects.open().exists()
