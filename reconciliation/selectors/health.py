"""What /internal/health says: flat, in the runbook's own names.

What was never measured is None; counts of the portal's own rows are 0.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.enums import (
    HealthStatus,
    MismatchKind,
    MismatchStatus,
    PauseSource,
    RunKind,
)
from reconciliation.selectors.backlog import count_mismatches
from reconciliation.selectors.findings import Notional, OpenFinding, count_trades, notional_of
from reconciliation.selectors.locks import HeldLease
from reconciliation.selectors.loop import AccountLoop
from reconciliation.selectors.portal import (
    Reading,
    account_is_healthy,
    checkpoint_age,
    last_complete_at,
    load_reading,
    loop_is_healthy,
)
from reconciliation.selectors.problems import find_problems, portal_status

MILLISECOND = timedelta(milliseconds=1)
FIELDS = (
    "status",
    "problems",
    "reconciliationLoopHealthy",
    "reconciliationMismatchCount",
    "reconciliationMissingFromExchange",
    "reconciliationMissingInDb",
    "reconciliationAcceptedMismatchCount",
    "reconciliationLastRun",
    "reconciliationParityHeartbeatEnabled",
    "reconciliationParityDryRun",
    "reconciliationParityMismatchTrades",
    "reconciliationParityQuarantinedTrades",
    "reconciliationParityAutoClosedTrades",
    "reconciliationParityMaxMismatchNotionalUsd",
    "reconciliationParityTotalMismatchNotionalUsd",
    "reconciliationIntegrityWatchdogTriggered",
    "auditCheckpointAgeMs",
    "accounts",
)


def load_health(*, conf: Conf, clock: Clock) -> dict[str, object]:
    """Return the health of the portal as of now."""
    reading = load_reading(conf=conf, clock=clock)
    mismatches, notional = reading.mismatches, _notional(reading)
    return {
        "status": str(portal_status(reading, conf=conf)),
        "problems": [each.says for each in find_problems(reading, conf=conf)],
        "reconciliationLoopHealthy": loop_is_healthy(reading, conf=conf),
        "reconciliationMismatchCount": count_mismatches(mismatches),
        "reconciliationMissingFromExchange": count_mismatches(
            mismatches, MismatchKind.MISSING_FROM_EXCHANGE
        ),
        "reconciliationMissingInDb": count_mismatches(mismatches, MismatchKind.MISSING_IN_DB),
        "reconciliationAcceptedMismatchCount": count_mismatches(
            mismatches, status=MismatchStatus.ACCEPTED
        ),
        "reconciliationLastRun": _last_run_of_all(reading.loops),
        "reconciliationParityHeartbeatEnabled": conf.parity_enabled,
        "reconciliationParityDryRun": conf.parity_dry_run,
        "reconciliationParityMismatchTrades": sum(count_trades(reading.findings).values()),
        "reconciliationParityQuarantinedTrades": sum(reading.quarantined_trades.values()),
        "reconciliationParityAutoClosedTrades": sum(reading.auto_closed_trades.values()),
        "reconciliationParityMaxMismatchNotionalUsd": as_number(notional.largest),
        "reconciliationParityTotalMismatchNotionalUsd": as_number(notional.total),
        "reconciliationIntegrityWatchdogTriggered": any(
            pause.source == PauseSource.PARITY_WATCHDOG for pause in reading.pauses
        ),
        "auditCheckpointAgeMs": _checkpoint_age(reading),
        "accounts": [_account(loop, conf=conf, now=reading.at) for loop in reading.loops],
    }


def unknown_health(reason: str, *, conf: Conf) -> dict[str, object]:
    """Return the health of a portal that cannot read its database: nothing is known but why."""
    return {
        **dict.fromkeys(FIELDS),
        "status": str(HealthStatus.DOWN),
        "problems": [reason],
        "reconciliationParityHeartbeatEnabled": conf.parity_enabled,
        "reconciliationParityDryRun": conf.parity_dry_run,
    }


def measured_notional(loops: Sequence[AccountLoop], findings: Sequence[OpenFinding]) -> Notional:
    """Return what the findings of accounts come to; unknown until each was once compared."""
    if not loops or not all(loop.jobs[RunKind.HEARTBEAT].has_read for loop in loops):
        return Notional(largest=None, total=None)
    return notional_of(findings)


def as_number(amount: Decimal | None) -> int | float | None:
    """Return an amount as a number of JSON: a whole one where it is whole."""
    if amount is None:
        return None
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _notional(reading: Reading) -> Notional:
    return measured_notional(reading.loops, reading.findings)


def _checkpoint_age(reading: Reading) -> int | None:
    age = checkpoint_age(reading)
    return None if age is None else age // MILLISECOND


def _account(loop: AccountLoop, *, conf: Conf, now: datetime) -> dict[str, object]:
    job, ended_at = loop.jobs[RunKind.RECONCILE], last_complete_at(loop)
    last = job.last
    return {
        "account": loop.account,
        "loopHealthy": account_is_healthy(loop, conf=conf, now=now),
        "lastRun": None if last is None else _iso(last.finished_at),
        "lastRunStatus": None if last is None else last.status,
        "lastRunError": last.error if last is not None and last.error else None,
        "lastFinishedRun": _iso(ended_at),
        "coverage": None if last is None else last.coverage,
        "unread": None if last is None else last.unread,
        "ageMs": None if ended_at is None else (now - ended_at) // MILLISECOND,
        "skippedRuns": job.skips,
        **_heartbeat(loop, now=now),
        "lockHolders": {lock.profile: _lock(lock) for lock in loop.locks},
    }


def _heartbeat(loop: AccountLoop, *, now: datetime) -> dict[str, object]:
    job, ended_at = loop.jobs[RunKind.HEARTBEAT], last_complete_at(loop, RunKind.HEARTBEAT)
    last = job.last
    return {
        "lastHeartbeat": None if last is None else _iso(last.finished_at),
        "lastHeartbeatStatus": None if last is None else last.status,
        "lastHeartbeatError": last.error if last is not None and last.error else None,
        "heartbeatCoverage": None if last is None else last.coverage,
        "heartbeatAgeMs": None if ended_at is None else (now - ended_at) // MILLISECOND,
    }


def _lock(lock: HeldLease) -> dict[str, object]:
    return {"holder": lock.holder, "since": _iso(lock.since), "until": _iso(lock.until)}


def _last_run_of_all(loops: Sequence[AccountLoop]) -> str | None:
    """Return when the account that waits longest had its last run; None if one never had any."""
    lasts = [loop.jobs[RunKind.RECONCILE].last for loop in loops]
    known = [run.finished_at for run in lasts if run is not None and run.finished_at is not None]
    return _iso(min(known)) if known and len(known) == len(lasts) else None


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
