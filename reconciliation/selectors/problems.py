"""What is wrong with the portal: the one list that health answers with and the pages explain."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from reconciliation.clock import MOST_AHEAD
from reconciliation.conf import Conf
from reconciliation.domain.checkpoints import CHECKPOINT_LATE
from reconciliation.enums import HealthStatus, PauseSource, RunKind, RunStatus
from reconciliation.models import Run
from reconciliation.selectors.backlog import count_mismatches
from reconciliation.selectors.loop import AccountLoop
from reconciliation.selectors.portal import (
    STALLED_AFTER_INTERVALS,
    Reading,
    account_is_healthy,
    checkpoint_age,
    is_in_time,
    last_complete_at,
    loop_is_healthy,
)

SECOND = timedelta(seconds=1)


class ProblemKind(StrEnum):
    """What can be wrong; each has words of its own for what is to be done."""

    NO_ACCOUNT = "NO_ACCOUNT"
    NEVER_FINISHED = "NEVER_FINISHED"
    CLOCK_AHEAD = "CLOCK_AHEAD"
    LOOP_STALLED = "LOOP_STALLED"
    RUN_NOT_COMPLETE = "RUN_NOT_COMPLETE"
    HEARTBEAT_NEVER_READ = "HEARTBEAT_NEVER_READ"
    HEARTBEAT_STALLED = "HEARTBEAT_STALLED"
    MISMATCHES = "MISMATCHES"
    QUARANTINE = "QUARANTINE"
    PAUSED_WATCHDOG = "PAUSED_WATCHDOG"
    PAUSED_OPERATOR = "PAUSED_OPERATOR"
    ESCALATED = "ESCALATED"
    NO_CHECKPOINT = "NO_CHECKPOINT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong; `says` is in words that an engineer can act on.

    It names what it is about: an account, a profile, a run, wherever there is one.
    """

    kind: ProblemKind
    says: str
    account_id: int | None = None
    profile_id: int | None = None
    run_id: int | None = None


_OF_PAUSES = {
    PauseSource.PARITY_WATCHDOG: ProblemKind.PAUSED_WATCHDOG,
    PauseSource.OPERATOR: ProblemKind.PAUSED_OPERATOR,
}


def portal_status(reading: Reading, *, conf: Conf) -> HealthStatus:
    """Return the portal's status in one word."""
    if not loop_is_healthy(reading, conf=conf):
        return HealthStatus.DOWN
    return HealthStatus.DEGRADED if find_problems(reading, conf=conf) else HealthStatus.OK


def find_problems(reading: Reading, *, conf: Conf) -> list[Problem]:
    """Return all that is wrong, the jobs first: what they do not read, nobody knows."""
    return [*_jobs(reading, conf), *_books(reading), *_trail(reading, conf)]


def _jobs(reading: Reading, conf: Conf) -> Iterator[Problem]:
    if not reading.loops:
        yield Problem(
            kind=ProblemKind.NO_ACCOUNT,
            says="no account is enabled: there is nothing to reconcile",
        )
    for loop in reading.loops:
        yield from _loop(loop, conf, reading.at)
        yield from _heartbeat(loop, conf, reading.at)


def _books(reading: Reading) -> Iterator[Problem]:
    if open_now := count_mismatches(reading.mismatches):
        yield Problem(kind=ProblemKind.MISMATCHES, says=f"open mismatches: {open_now}")
    if quarantined := sum(reading.quarantined_trades.values()):
        yield Problem(kind=ProblemKind.QUARANTINE, says=f"trades in quarantine: {quarantined}")
    for pause in reading.pauses:
        yield Problem(
            kind=_OF_PAUSES[pause.source],
            says=f"{pause.profile}: trading is paused by {pause.source}",
            profile_id=pause.profile_id,
        )
    kinds: Counter[str] = Counter()
    for group in reading.escalations:
        kinds[group.kind] += group.count
    if kinds:
        each_kind = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        yield Problem(kind=ProblemKind.ESCALATED, says=f"escalations: {each_kind}")


def _trail(reading: Reading, conf: Conf) -> Iterator[Problem]:
    """Yield what is wrong with checkpoints that are on; that they are off is a system check's."""
    age = checkpoint_age(reading)
    if conf.audit_checkpoint_dir is None or (age is not None and age <= CHECKPOINT_LATE):
        return
    says = "the audit chain was never signed: no checkpoint can be seen"
    if age is not None:
        limit = CHECKPOINT_LATE // SECOND
        says = f"the audit chain was not signed for {age // SECOND} s (limit {limit} s)"
    yield Problem(kind=ProblemKind.NO_CHECKPOINT, says=says)


def _loop(loop: AccountLoop, conf: Conf, now: datetime) -> Iterator[Problem]:
    last, ended_at = loop.jobs[RunKind.RECONCILE].last, last_complete_at(loop)
    kind, says = None, ""
    if ended_at is None:
        kind, says = ProblemKind.NEVER_FINISHED, "no cycle has finished yet"
    elif ended_at > now + MOST_AHEAD:
        kind = ProblemKind.CLOCK_AHEAD
        says = "its last cycle ended in the future; check the clocks"
    elif not account_is_healthy(loop, conf=conf, now=now):
        kind = ProblemKind.LOOP_STALLED
        says = f"no cycle finished for {_age(ended_at, now)} (limit {_limit(conf)})"
    if kind is not None:
        yield Problem(kind=kind, says=f"{loop.account}: {says}", account_id=loop.account_id)
    if last is not None and last.status != RunStatus.SUCCEEDED:
        yield Problem(
            kind=ProblemKind.RUN_NOT_COMPLETE,
            says=f"{loop.account}: the last run ended {last.status}{_why(last)}",
            account_id=loop.account_id,
            run_id=last.pk,
        )


def _heartbeat(loop: AccountLoop, conf: Conf, now: datetime) -> Iterator[Problem]:
    """Yield what is wrong with a heartbeat that is on; one that never began has no sign yet."""
    job = loop.jobs[RunKind.HEARTBEAT]
    if not conf.parity_enabled or job.last is None:
        return
    ended_at = last_complete_at(loop, RunKind.HEARTBEAT)
    if ended_at is None:
        kind, says = ProblemKind.HEARTBEAT_NEVER_READ, "no heartbeat has read all positions yet"
    elif is_in_time(ended_at, conf=conf, now=now):
        return
    else:
        kind = ProblemKind.HEARTBEAT_STALLED
        says = f"no heartbeat finished for {_age(ended_at, now)} (limit {_limit(conf)})"
    yield Problem(
        kind=kind,
        says=f"{loop.account}: {says}",
        account_id=loop.account_id,
        run_id=job.last.pk,
    )


def _age(since: datetime, now: datetime) -> str:
    return f"{(now - since) // SECOND} s"


def _limit(conf: Conf) -> str:
    return f"{conf.interval * STALLED_AFTER_INTERVALS // SECOND} s"


def _why(run: Run) -> str:
    if run.error:
        return f": {run.error}"
    return f", not read: {', '.join(sorted(run.unread))}" if run.unread else ""
