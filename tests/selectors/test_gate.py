"""What the gate of a profile is read from: two queries, by indexes, and no lock."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.conf import require
from reconciliation.domain.gate import Gate
from reconciliation.enums import (
    Coverage,
    GateReason,
    MismatchKind,
    MismatchStatus,
    OrderClass,
    PauseSource,
    QuarantineReason,
    ReviewStatus,
    RunKind,
    RunStatus,
    TradeStatus,
)
from reconciliation.models import Profile, ProfileLease
from reconciliation.selectors.gate import gate_answer, load_gate
from tests.builders import (
    NOW,
    SYMBOL,
    FixedClock,
    arranging,
    make_account,
    make_mismatch,
    make_pause,
    make_profile,
    make_review,
    make_run,
    make_sighting,
    make_trade,
)
from tests.selectors.test_plans import WHOLE_TABLE, plan

pytestmark = pytest.mark.django_db
LIMIT = timedelta(minutes=3)
JOBS = (RunKind.RECONCILE, RunKind.HEARTBEAT)


def read(at: datetime = NOW, **values: Any) -> None:
    """Let both jobs of the account have read everything then."""
    for kind in JOBS:
        make_run(make_account(), **{"kind": kind, "started_at": at, "as_of": at, **values})


def gate(at: datetime = NOW, profile: Profile | None = None, **env: str) -> Gate:
    found, as_of = load_gate(profile or make_profile(), conf=require(env), clock=FixedClock(at))
    assert as_of == at
    return found


def reasons(at: datetime = NOW, **env: str) -> list[GateReason]:
    return list(gate(at, **env).reasons)


def test_a_profile_that_was_read_and_in_which_nothing_is_open_may_trade():
    read()
    found = gate()
    assert (found.entries_allowed, found.exits_allowed, found.symbols) == (True, True, ())


def test_before_anything_was_read_entries_are_not_allowed():
    assert reasons() == [GateReason.STALE]


@pytest.mark.parametrize("kind", JOBS)
def test_each_job_that_is_on_must_have_read(kind: RunKind):
    make_run(make_profile().account, kind=kind)
    assert reasons() == [GateReason.STALE]


def test_a_heartbeat_that_is_off_is_not_waited_for():
    make_run(make_profile().account)
    assert reasons(ENABLE_RECON_POSITION_PARITY_HEARTBEAT="false") == []


def test_exactly_three_intervals_ago_is_not_too_long():
    make_profile()
    read()
    assert reasons(NOW + LIMIT) == []
    assert reasons(NOW + LIMIT + timedelta(microseconds=1)) == [GateReason.STALE]


@pytest.mark.parametrize(
    ("values", "is_stale"),
    [
        ({"status": RunStatus.PARTIAL, "coverage": Coverage.PARTIAL}, False),
        ({"status": RunStatus.PARTIAL, "unread": {"fills.swap": "500", "order 1": "x"}}, False),
        ({"status": RunStatus.PARTIAL, "skipped_profiles": ["alph", "alpha2", "2alpha"]}, False),
        ({"only_profile": "alpha"}, False),
        ({"as_of": NOW + timedelta(seconds=59)}, False),
        ({"status": RunStatus.PARTIAL, "unread": {"open_orders.oco": "", "positions": ""}}, True),
        ({"status": RunStatus.PARTIAL, "skipped_profiles": ["beta", "alpha"]}, True),
        ({"status": RunStatus.SKIPPED_LOCKED}, True),
        ({"status": RunStatus.FAILED}, True),
        ({"status": RunStatus.RUNNING, "as_of": NOW}, True),
        ({"only_profile": "beta"}, True),
        ({"as_of": NOW + timedelta(minutes=2)}, True),
        ({"as_of": NOW - timedelta(days=31), "started_at": NOW}, True),
    ],
)
def test_a_run_counts_when_it_read_what_its_job_needs_with_the_profiles_lock(
    values: dict[str, Any], is_stale: bool
):
    make_profile()
    read(**values)
    assert reasons() == ([GateReason.STALE] if is_stale else [])


@pytest.mark.parametrize("name", OrderClass.values)
def test_every_class_of_orders_must_have_been_read(name: str):
    make_profile()
    read(status=RunStatus.PARTIAL, unread={f"open_orders.{name}": "500"})
    assert reasons() == [GateReason.STALE]


def test_what_another_account_read_is_not_this_ones():
    for kind in JOBS:
        make_run(make_account("other"), kind=kind)
    assert reasons() == [GateReason.STALE]


def test_a_run_from_before_there_was_the_profile_did_not_see_it():
    make_profile(created_at=NOW)
    read(NOW - timedelta(seconds=1))
    assert reasons() == [GateReason.STALE]


@pytest.mark.parametrize("what", ["profile", "account"])
def test_what_is_switched_off_is_not_read(what: str):
    account = make_account(enabled=what != "account")
    profile = make_profile(account=account, enabled=what != "profile")
    read()
    assert list(gate(profile=profile).reasons) == [GateReason.STALE]


def test_a_lock_that_is_held_says_for_how_long_yet():
    read()
    profile = make_profile()
    lease = ProfileLease.objects.filter(profile=profile)
    lease.update(holder="run", expires_at=NOW + timedelta(seconds=7))
    found = gate()
    assert (found.reasons, found.exits_allowed) == ((GateReason.RECONCILING,), False)
    assert found.retry_after == timedelta(seconds=7)
    lease.update(expires_at=NOW)
    assert gate().entries_allowed


def test_open_pauses_are_reasons_and_ended_ones_are_not():
    read()
    make_pause(source=PauseSource.OPERATOR)
    make_pause(source=PauseSource.PARITY_WATCHDOG, ended_at=NOW)
    make_pause(make_profile("beta"), source=PauseSource.PARITY_WATCHDOG)
    assert reasons() == [GateReason.PAUSED_OPERATOR]


@pytest.mark.parametrize("status", [MismatchStatus.ACCEPTED, MismatchStatus.RESOLVED])
@pytest.mark.parametrize(
    ("kind", "is_own"),
    [
        (MismatchKind.GHOST_POSITION, True),
        (MismatchKind.MISSING_FROM_EXCHANGE, True),
        (MismatchKind.ORPHAN_POSITION, False),
        (MismatchKind.POSITION_MISMATCH, False),
    ],
)
def test_only_what_is_open_counts(status: MismatchStatus, kind: MismatchKind, is_own: bool):
    read()
    closed_at = NOW if status == MismatchStatus.RESOLVED else None
    profile = make_profile() if is_own else None
    make_mismatch(kind=kind, profile=profile, status=status, closed_at=closed_at)
    assert gate().entries_allowed
    make_mismatch(kind=kind, profile=profile)
    assert reasons() == [GateReason.MISMATCH]


def test_a_ghost_is_read_with_its_streak_and_what_the_exchange_holds():
    read()
    trade = make_trade(entry_quantity="0.7", exit_quantity="0.2")
    found = make_mismatch(
        kind=MismatchKind.GHOST_POSITION,
        profile=trade.profile,
        trade=trade,
        exchange_side={"quantity": "0.00000000000000001"},
    )
    make_sighting(found, streak=2)
    (symbol,) = gate().symbols
    assert (symbol.exits_allowed, str(symbol.max_exit_quantity)) == (True, "1E-17")
    (symbol,) = gate(RECON_POSITION_PARITY_CONFIRMATIONS="2").symbols
    assert not symbol.exits_allowed


@pytest.mark.parametrize(
    ("side", "largest"),
    [
        ({"quantity": "0.3"}, "0.3"),
        ({"quantity": "2"}, "0.5"),
        ({"quantity": None}, "0"),
        ({"quantity": "many"}, "0"),
        ({"quantity": [1]}, "0"),
        ({}, "0"),
    ],
)
def test_what_cannot_be_read_of_the_exchange_lets_nothing_out(side: dict[str, Any], largest: str):
    read()
    trade = make_trade(entry_quantity="0.5")
    make_mismatch(
        kind=MismatchKind.POSITION_MISMATCH,
        profile=trade.profile,
        trade=trade,
        exchange_side=side,
    )
    found = gate_answer("alpha", *load_gate(trade.profile, conf=require({}), clock=FixedClock()))
    assert found["symbols"] == [
        {
            "symbol": SYMBOL,
            "exits_allowed": True,
            "reduce_only": True,
            "max_exit_quantity": largest,
            "reasons": ["MISMATCH"],
        }
    ]


@pytest.mark.parametrize(
    ("slices", "is_mine"),
    [
        (["alpha", "beta"], True),
        (["beta"], False),
        (None, True),
        ("text", True),
        ([{"trade": 1}], True),
        ([], True),
    ],
)
def test_a_shared_shortfall_is_mine_unless_its_slices_say_otherwise(slices: Any, is_mine: bool):
    read()
    profiles = {name: make_profile(name) for name in ("alpha", "beta")}
    if isinstance(slices, list) and slices and isinstance(slices[0], str):
        slices = [
            {"trade": make_trade(profiles[name]).pk, "profile_id": profiles[name].pk}
            for name in slices
        ]
    make_mismatch(kind=MismatchKind.POSITION_MISMATCH, database_side={"slices": slices})
    assert gate().entries_allowed is not is_mine


def test_what_is_in_quarantine_and_what_was_exited_beyond_is_found_by_symbol():
    read()
    make_trade(entry_quantity="1", status=TradeStatus.QUARANTINED, symbol="ETH/USDT:USDT")
    closed = make_trade(entry_quantity="1", exit_quantity="1")
    make_review(closed, reason=QuarantineReason.OVERCLOSE)
    answered = make_trade(entry_quantity="1", exit_quantity="1", symbol="SOL/USDT:USDT")
    make_review(answered, reason=QuarantineReason.OVERCLOSE, status=ReviewStatus.APPROVED)
    found = gate()
    assert found.reasons == (GateReason.MISMATCH, GateReason.QUARANTINED)
    assert [(each.symbol, each.exits_allowed) for each in found.symbols] == [
        (SYMBOL, False),
        ("ETH/USDT:USDT", False),
    ]


def test_two_queries_are_asked_by_indexes_and_nothing_is_locked_or_written():
    read()
    profile = make_profile()
    for _ in range(30):
        trade = make_trade(entry_quantity="1")
        make_sighting(make_mismatch(profile=profile, trade=trade))
        make_review(trade, reason=QuarantineReason.OVERCLOSE)
    queries: list[tuple[str, object]] = []

    def note(execute, sql, params, many, context):
        queries.append((sql, params))
        return execute(sql, params, many, context)

    with CaptureQueriesContext(connection) as captured, connection.execute_wrapper(note):
        gate(profile=profile)
    assert len(captured) == len(queries) == 2
    for sql, _ in queries:
        assert sql.lstrip("(").startswith("SELECT")
        assert " FOR " not in sql
    with arranging():
        plans = [line for sql, params in queries for line in plan(sql, params)]
    # A run and a pause that are looked for by `Exists` have aliases of their own.
    assert [line for line in plans if re.search(WHOLE_TABLE[connection.vendor], line)] == []
    assert [line for line in plans if re.search(r"^SCAN U0(?! USING)", line)] == []
    if connection.vendor == "sqlite":
        for index in ("mismatch_by_account", "pause_one_open_per_source", "run_last_by_status"):
            assert any(index in line for line in plans), "\n".join(plans)
