"""What /internal/health says: flat, in the runbook's own names.

What was never measured is None; counts of the portal's own rows are 0.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.clock import MOST_AHEAD, Clock
from reconciliation.conf import Conf
from reconciliation.domain.checkpoints import CHECKPOINT_LATE
from reconciliation.enums import (
    HealthStatus,
    MismatchKind,
    MismatchStatus,
    PauseSource,
    RunKind,
    RunStatus,
)
from reconciliation.models import Run
from reconciliation.selectors.alerts import (
    EscalationGroup,
    OpenPause,
    load_escalation_groups,
    load_open_pauses,
)
from reconciliation.selectors.backlog import (
    MismatchGroup,
    count_mismatches,
    load_auto_closed_trades,
    load_current_mismatches,
    load_quarantined_trades,
)
from reconciliation.selectors.checkpoints import last_checkpoint_at
from reconciliation.selectors.findings import (
    Notional,
    OpenFinding,
    count_trades,
    load_open_findings,
    notional_of,
)
from reconciliation.selectors.locks import HeldLease
from reconciliation.selectors.loop import AccountLoop, load_loops

MILLISECOND, SECOND = timedelta(milliseconds=1), timedelta(seconds=1)
# A job is stalled when it has not finished for more than this many intervals: schedules have a
# granularity of a minute, so one late run says nothing.
STALLED_AFTER_INTERVALS = 3
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What health and metrics both tell of, read at `at`; trades are counted by profile id."""

    at: datetime
    loops: Sequence[AccountLoop]
    mismatches: Sequence[MismatchGroup]
    findings: Sequence[OpenFinding]
    quarantined_trades: Mapping[int, int]
    auto_closed_trades: Mapping[int, int]
    pauses: Sequence[OpenPause]
    escalations: Sequence[EscalationGroup]
    checkpoint_at: datetime | None


def load_reading(*, conf: Conf, clock: Clock) -> Reading:
    """Read the portal's state as of now; the number of queries is constant."""
    return Reading(
        at=clock.now(),
        loops=load_loops(clock=clock),
        mismatches=load_current_mismatches(),
        findings=load_open_findings(),
        quarantined_trades=load_quarantined_trades(),
        auto_closed_trades=load_auto_closed_trades(),
        pauses=load_open_pauses(),
        escalations=load_escalation_groups(),
        checkpoint_at=last_checkpoint_at(conf),
    )


def load_health(*, conf: Conf, clock: Clock) -> dict[str, object]:
    """Return the health of the portal as of now."""
    reading = load_reading(conf=conf, clock=clock)
    mismatches, notional = reading.mismatches, _notional(reading)
    return {
        "status": str(portal_status(reading, conf=conf)),
        "problems": _problems(reading, conf=conf),
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


def loop_is_healthy(reading: Reading, *, conf: Conf) -> bool:
    """Return whether there is a loop at all and it finishes in time on every account."""
    return bool(reading.loops) and all(
        account_is_healthy(loop, conf=conf, now=reading.at) for loop in reading.loops
    )


def account_is_healthy(loop: AccountLoop, *, conf: Conf, now: datetime) -> bool:
    """Return whether an account's newest finished cycle is no older than three intervals."""
    finished_at = _finished_at(loop)
    return finished_at is not None and is_in_time(finished_at, conf=conf, now=now)


def is_in_time(finished_at: datetime, *, conf: Conf, now: datetime) -> bool:
    """Return whether what ended then is no older than three intervals, nor of a wrong clock."""
    if finished_at > now + MOST_AHEAD:
        return False
    return now - finished_at <= conf.interval * STALLED_AFTER_INTERVALS


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


def portal_status(reading: Reading, *, conf: Conf) -> HealthStatus:
    """Return the portal's status in one word."""
    if not loop_is_healthy(reading, conf=conf):
        return HealthStatus.DOWN
    return HealthStatus.DEGRADED if _problems(reading, conf=conf) else HealthStatus.OK


def _problems(reading: Reading, *, conf: Conf) -> list[str]:
    """Return what is wrong, in words an engineer can act on."""
    problems = [] if reading.loops else ["no account is enabled: there is nothing to reconcile"]
    for loop in reading.loops:
        problems += _loop_problems(loop, conf=conf, now=reading.at)
        problems += _heartbeat_problems(loop, conf=conf, now=reading.at)
    if open_now := count_mismatches(reading.mismatches):
        problems.append(f"open mismatches: {open_now}")
    if quarantined := sum(reading.quarantined_trades.values()):
        problems.append(f"trades in quarantine: {quarantined}")
    problems += [f"{each.profile}: trading is paused by {each.source}" for each in reading.pauses]
    kinds: Counter[str] = Counter()
    for group in reading.escalations:
        kinds[group.kind] += group.count
    if kinds:
        each_kind = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        problems.append(f"escalations: {each_kind}")
    return problems + _checkpoint_problems(reading, conf=conf)


def checkpoint_age(reading: Reading) -> timedelta | None:
    """Return how long ago the audit chain's end was signed; None where it never was."""
    return None if reading.checkpoint_at is None else reading.at - reading.checkpoint_at


def _checkpoint_age(reading: Reading) -> int | None:
    age = checkpoint_age(reading)
    return None if age is None else age // MILLISECOND


def _checkpoint_problems(reading: Reading, *, conf: Conf) -> list[str]:
    """Return what is wrong with checkpoints that are on; that they are off is a system check's."""
    age = checkpoint_age(reading)
    if conf.audit_checkpoint_dir is None or (age is not None and age <= CHECKPOINT_LATE):
        return []
    if age is None:
        return ["the audit chain was never signed: no checkpoint can be seen"]
    limit = CHECKPOINT_LATE // SECOND
    return [f"the audit chain was not signed for {age // SECOND} s (limit {limit} s)"]


def _loop_problems(loop: AccountLoop, *, conf: Conf, now: datetime) -> list[str]:
    problems = []
    last, finished_at = loop.jobs[RunKind.RECONCILE].last, _finished_at(loop)
    if finished_at is None:
        problems.append(f"{loop.account}: no cycle has finished yet")
    elif finished_at > now + MOST_AHEAD:
        problems.append(f"{loop.account}: its last cycle ended in the future; check the clocks")
    elif not account_is_healthy(loop, conf=conf, now=now):
        limit = conf.interval * STALLED_AFTER_INTERVALS // SECOND
        age = (now - finished_at) // SECOND
        problems.append(f"{loop.account}: no cycle finished for {age} s (limit {limit} s)")
    if last is not None and last.status != RunStatus.SUCCEEDED:
        problems.append(f"{loop.account}: the last run ended {last.status}{_why(last)}")
    return problems


def _heartbeat_problems(loop: AccountLoop, *, conf: Conf, now: datetime) -> list[str]:
    """Return what is wrong with a heartbeat that is on; one that never began has no sign yet."""
    job = loop.jobs[RunKind.HEARTBEAT]
    if not conf.parity_enabled or job.last is None:
        return []
    finished_at = _finished_at(loop, RunKind.HEARTBEAT)
    if finished_at is None:
        return [f"{loop.account}: no heartbeat has read all positions yet"]
    if is_in_time(finished_at, conf=conf, now=now):
        return []
    limit = conf.interval * STALLED_AFTER_INTERVALS // SECOND
    return [f"{loop.account}: no heartbeat finished for {_age(finished_at, now)} (limit {limit} s)"]


def _age(since: datetime, now: datetime) -> str:
    return f"{(now - since) // SECOND} s"


def _why(run: Run) -> str:
    if run.error:
        return f": {run.error}"
    return f", not read: {', '.join(sorted(run.unread))}" if run.unread else ""


def _account(loop: AccountLoop, *, conf: Conf, now: datetime) -> dict[str, object]:
    job, finished_at = loop.jobs[RunKind.RECONCILE], _finished_at(loop)
    last = job.last
    return {
        "account": loop.account,
        "loopHealthy": account_is_healthy(loop, conf=conf, now=now),
        "lastRun": None if last is None else _iso(last.finished_at),
        "lastRunStatus": None if last is None else last.status,
        "lastRunError": last.error if last is not None and last.error else None,
        "lastFinishedRun": _iso(finished_at),
        "coverage": None if last is None else last.coverage,
        "unread": None if last is None else last.unread,
        "ageMs": None if finished_at is None else (now - finished_at) // MILLISECOND,
        "skippedRuns": job.skips,
        **_heartbeat(loop, now=now),
        "lockHolders": {lock.profile: _lock(lock) for lock in loop.locks},
    }


def _heartbeat(loop: AccountLoop, *, now: datetime) -> dict[str, object]:
    job, finished_at = loop.jobs[RunKind.HEARTBEAT], _finished_at(loop, RunKind.HEARTBEAT)
    last = job.last
    return {
        "lastHeartbeat": None if last is None else _iso(last.finished_at),
        "lastHeartbeatStatus": None if last is None else last.status,
        "lastHeartbeatError": last.error if last is not None and last.error else None,
        "heartbeatCoverage": None if last is None else last.coverage,
        "heartbeatAgeMs": None if finished_at is None else (now - finished_at) // MILLISECOND,
    }


def _lock(lock: HeldLease) -> dict[str, object]:
    return {"holder": lock.holder, "since": _iso(lock.since), "until": _iso(lock.until)}


def _finished_at(loop: AccountLoop, kind: RunKind = RunKind.RECONCILE) -> datetime | None:
    complete = loop.jobs[kind].last_complete
    return None if complete is None else complete.finished_at


def _last_run_of_all(loops: Sequence[AccountLoop]) -> str | None:
    """Return when the account that waits longest had its last run; None if one never had any."""
    lasts = [loop.jobs[RunKind.RECONCILE].last for loop in loops]
    known = [run.finished_at for run in lasts if run is not None and run.finished_at is not None]
    return _iso(min(known)) if known and len(known) == len(lasts) else None


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
