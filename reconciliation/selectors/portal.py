"""The portal at a moment: what health, metrics and the operators' first page all tell of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciliation.clock import MOST_AHEAD, Clock
from reconciliation.conf import Conf
from reconciliation.enums import RunKind
from reconciliation.selectors.alerts import (
    EscalationGroup,
    OpenPause,
    load_escalation_groups,
    load_open_pauses,
)
from reconciliation.selectors.backlog import (
    MismatchGroup,
    load_auto_closed_trades,
    load_current_mismatches,
    load_quarantined_trades,
)
from reconciliation.selectors.checkpoints import last_checkpoint_at
from reconciliation.selectors.findings import OpenFinding, load_open_findings
from reconciliation.selectors.loop import AccountLoop, load_loops

# A job is stalled when it has not finished for more than this many intervals: schedules have a
# granularity of a minute, so one late run says nothing.
STALLED_AFTER_INTERVALS = 3


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


def checkpoint_age(reading: Reading) -> timedelta | None:
    """Return how long ago the audit chain's end was signed; None where it never was."""
    return None if reading.checkpoint_at is None else reading.at - reading.checkpoint_at


def loop_is_healthy(reading: Reading, *, conf: Conf) -> bool:
    """Return whether there is a loop at all and it finishes in time on every account."""
    return bool(reading.loops) and all(
        account_is_healthy(loop, conf=conf, now=reading.at) for loop in reading.loops
    )


def account_is_healthy(loop: AccountLoop, *, conf: Conf, now: datetime) -> bool:
    """Return whether an account's newest finished cycle is no older than three intervals."""
    ended_at = last_complete_at(loop)
    return ended_at is not None and is_in_time(ended_at, conf=conf, now=now)


def is_in_time(finished_at: datetime, *, conf: Conf, now: datetime) -> bool:
    """Return whether what ended then is no older than three intervals, nor of a wrong clock."""
    if finished_at > now + MOST_AHEAD:
        return False
    return now - finished_at <= conf.interval * STALLED_AFTER_INTERVALS


def last_complete_at(loop: AccountLoop, kind: RunKind = RunKind.RECONCILE) -> datetime | None:
    """Return when a job of an account last read and wrote all that it should; None: never."""
    complete = loop.jobs[kind].last_complete
    return None if complete is None else complete.finished_at
