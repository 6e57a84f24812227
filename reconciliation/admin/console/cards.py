"""A card an account: what each job read last, who writes to its books, when it runs next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciliation.admin import display
from reconciliation.admin.links import anchor, changelist_url, link, object_url
from reconciliation.admin.run_sections import part_in_words
from reconciliation.conf import Conf
from reconciliation.enums import Coverage, PositionMode, RunKind, RunStatus
from reconciliation.models import ExchangeAccount, Run
from reconciliation.schedules import OURS
from reconciliation.selectors.locks import HeldLease, RunClaim
from reconciliation.selectors.loop import AccountLoop, Job
from reconciliation.selectors.portal import is_in_time, last_complete_at

MODES: Mapping[str, str] = {
    PositionMode.NET: "net: one position a symbol",
    PositionMode.HEDGE: "hedge: long and short apart",
}
TASKS: Mapping[RunKind, str] = {
    RunKind.RECONCILE: f"{OURS}reconcile_all",
    RunKind.HEARTBEAT: f"{OURS}heartbeat_all",
}
NAMES: Mapping[RunKind, str] = {
    RunKind.RECONCILE: "Reconcile",
    RunKind.HEARTBEAT: "Heartbeat",
}
_STATUSES: Mapping[str, str] = {
    RunStatus.SUCCEEDED: "succeeded",
    RunStatus.PARTIAL: "succeeded in part",
    RunStatus.FAILED: "failed",
    RunStatus.SKIPPED_LOCKED: "skipped: every lock was held",
    RunStatus.RUNNING: "running",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobShown:
    """One job of an account; each text is harmless to show."""

    name: str
    url: str
    last: str
    coverage: str
    complete: str
    next: str
    is_late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An account on the first page."""

    account: str
    exchange: str
    mode: str
    state: str
    is_healthy: bool
    jobs: Sequence[JobShown]
    leases: Sequence[str]


def cards_of(
    loops: Iterable[AccountLoop],
    accounts: Mapping[int, ExchangeAccount],
    *,
    claims: Iterable[RunClaim],
    next_runs: Mapping[str, datetime],
    conf: Conf,
    now: datetime,
) -> list[Card]:
    """Return the cards of the enabled accounts, by name."""
    running = {(claim.account, claim.kind): claim for claim in claims}
    return [
        _card(
            loop,
            accounts.get(loop.account_id),
            running=running,
            next_runs=next_runs,
            conf=conf,
            now=now,
        )
        for loop in loops
    ]


def _card(
    loop: AccountLoop,
    account: ExchangeAccount | None,
    *,
    running: Mapping[tuple[str, str], RunClaim],
    next_runs: Mapping[str, datetime],
    conf: Conf,
    now: datetime,
) -> Card:
    jobs = []
    for kind in RunKind:
        if kind == RunKind.HEARTBEAT and not conf.parity_enabled:
            continue
        claim = running.get((loop.account, kind))
        jobs.append(_job(loop, kind, claim=claim, next_runs=next_runs, conf=conf, now=now))
    late = [job.name.lower() for job in jobs if job.is_late]
    return Card(
        account=display.text(loop.account) if account is None else link(account),
        exchange="" if account is None else display.text(account.exchange_id),
        mode="" if account is None else MODES.get(account.position_mode, account.position_mode),
        state=f"late: {', '.join(late)}" if late else "in time",
        is_healthy=not late,
        jobs=jobs,
        leases=[lease_in_words(lease, now=now) for lease in loop.locks],
    )


def lease_in_words(lease: HeldLease, *, now: datetime) -> str:
    """Return who holds a profile's lock, since when and until when."""
    return (
        f"{display.text(lease.profile)}: held by {display.text(lease.holder)} "
        f"since {lease.since:%H:%M:%S} until {lease.until:%H:%M:%S} UTC "
        f"({display.ago(now - lease.until)})"
    )


def _job(
    loop: AccountLoop,
    kind: RunKind,
    *,
    claim: RunClaim | None,
    next_runs: Mapping[str, datetime],
    conf: Conf,
    now: datetime,
) -> JobShown:
    job, complete_at = loop.jobs[kind], last_complete_at(loop, kind)
    lookups = {"account__id__exact": loop.account_id, "kind__exact": kind.value}
    return JobShown(
        name=NAMES[kind],
        url=changelist_url(Run, lookups),
        last=_last(job, claim, now),
        coverage=_coverage(job),
        complete="never" if complete_at is None else display.age(complete_at, now),
        next=_next(next_runs.get(TASKS[kind]), now),
        is_late=complete_at is None or not is_in_time(complete_at, conf=conf, now=now),
    )


def _last(job: Job, claim: RunClaim | None, now: datetime) -> str:
    if claim is not None and job.last is None:
        return anchor(object_url(Run, claim.run), "the first one is running now")
    if job.last is None:
        return "never"
    words = _STATUSES.get(job.last.status, str(job.last.status))
    if job.skips > 1:
        words += f", {job.skips} times in a row"
    said = anchor(object_url(Run, job.last.pk), words)
    under_way = "" if claim is None else anchor(object_url(Run, claim.run), "running now")
    return display.spaced(said, display.age(job.last.finished_at, now), under_way)


def _coverage(job: Job) -> str:
    run = job.last
    if run is None:
        return "nothing was ever read"
    if run.coverage == Coverage.COMPLETE:
        return "everything was read"
    unread = ", ".join(part_in_words(part) for part in sorted(run.unread)[:4])
    if run.coverage == Coverage.NONE:
        return "nothing was read"
    return f"UNKNOWN, not read: {unread}" if unread else "not everything was read"


def _next(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "not scheduled: run manage.py sync_schedules"
    words = display.age(at, now)
    return words if at > now else display.spaced("due since", words, ": a free worker takes it up")
