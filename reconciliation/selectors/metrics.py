"""The samples of /metrics that come from the database, because workers are other processes.

Counters count rows that are never deleted, so a restart does not set one back. A gauge of what is
open is 0 when all has healed; what is unknown, or never was, has no sample.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.enums import (
    Coverage,
    EscalationKind,
    HealthStatus,
    MismatchKind,
    MismatchStatus,
    PauseSource,
    RunStatus,
)
from reconciliation.models import (
    AuditHead,
    CapitalBalance,
    ExchangeAccount,
    Mismatch,
    Profile,
    WatchdogState,
)
from reconciliation.selectors.backlog import (
    Queue,
    load_cluster_ages,
    load_external_orders,
    load_job_queue,
    load_review_queues,
)
from reconciliation.selectors.capital import kept_capital
from reconciliation.selectors.findings import count_trades
from reconciliation.selectors.health import as_number, measured_notional
from reconciliation.selectors.loop import AccountLoop
from reconciliation.selectors.metric_families import FAMILIES
from reconciliation.selectors.portal import (
    Reading,
    account_is_healthy,
    checkpoint_age,
    load_reading,
    loop_is_healthy,
)
from reconciliation.selectors.problems import portal_status

# The label of what belongs to no profile. No profile has it: a name is never empty.
NOBODY = ""
_FIRST_SEEN = {
    "reconciliation_mismatch_total": None,
    "reconciliation_missing_from_exchange_total": MismatchKind.MISSING_FROM_EXCHANGE,
    "reconciliation_missing_in_db_total": MismatchKind.MISSING_IN_DB,
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a metric (its name is one of `metric_families`), by the values of its labels."""

    name: str
    labels: tuple[str, ...]
    value: int | float


def load_metrics(*, conf: Conf, clock: Clock) -> dict[str, int | float]:
    """Return each sample's value by its text, as a scrape shows it."""
    return {_text(sample): sample.value for sample in load_samples(conf=conf, clock=clock)}


def load_samples(*, conf: Conf, clock: Clock) -> list[Sample]:
    """Return every sample as of now; the number of queries is constant."""
    reading = load_reading(conf=conf, clock=clock)
    profiles = dict(Profile.objects.order_by("name").values_list("pk", "name"))
    return [
        *_of_the_portal(reading, conf),
        *_of_profiles(reading, profiles),
        *_of_accounts(reading, conf),
        *_of_capital(profiles),
        *_of_escalations(reading),
        *_of_queues(reading.at),
    ]


def _of_the_portal(reading: Reading, conf: Conf) -> Iterator[Sample]:
    status = portal_status(reading, conf=conf)
    for each in HealthStatus:
        yield Sample("reconciliation_status", (each,), int(each == status))
    healthy = loop_is_healthy(reading, conf=conf)
    yield Sample("reconciliation_loop_healthy", (), int(healthy))
    yield Sample("reconciliation_parity_heartbeat_enabled", (), int(conf.parity_enabled))
    yield Sample("reconciliation_parity_dry_run", (), int(conf.parity_dry_run))
    # Sequences have no gaps, so the last one is their number.
    for events in AuditHead.objects.values_list("sequence", flat=True):
        yield Sample("reconciliation_audit_events_total", (), events)
    age = checkpoint_age(reading)
    if age is not None:
        name = "reconciliation_audit_checkpoint_age_seconds"
        yield Sample(name, (), age.total_seconds())


def _of_profiles(reading: Reading, profiles: Mapping[int, str]) -> Iterator[Sample]:
    seen: Counter[tuple[int | None, str | None]] = Counter()
    for profile_id, kind, count in (
        Mismatch.objects.order_by().values_list("profile_id", "kind").annotate(Count("pk"))
    ):
        seen[profile_id, kind] += count
        seen[profile_id, None] += count
    current: Counter[tuple[int | None, str, str]] = Counter()
    accepted: Counter[int | None] = Counter()
    for group in reading.mismatches:
        current[group.profile_id, group.kind, group.status] += group.count
        if group.status == MismatchStatus.ACCEPTED:
            accepted[group.profile_id] += group.count
    named: list[tuple[int | None, str]] = [*profiles.items(), (None, NOBODY)]
    for profile_id, profile in named:
        for name, counted in _FIRST_SEEN.items():
            yield Sample(name, (profile,), seen[profile_id, counted])
        for each in MismatchKind:
            count = current[profile_id, each, MismatchStatus.OPEN]
            yield Sample("reconciliation_open_mismatches", (profile, each), count)
        yield Sample("reconciliation_accepted_mismatches", (profile,), accepted[profile_id])
    by_profile = {
        "reconciliation_parity_mismatch_trades": count_trades(reading.findings),
        "reconciliation_parity_quarantined_trades": reading.quarantined_trades,
        "reconciliation_parity_auto_closed_trades_total": reading.auto_closed_trades,
    }
    held = {lock.profile for loop in reading.loops for lock in loop.locks}
    paused = {(pause.profile_id, pause.source) for pause in reading.pauses}
    exposed = dict(
        WatchdogState.objects.filter(is_known=True).values_list("profile_id", "notional_usd")
    )
    for profile_id, profile in profiles.items():
        for name, counts in by_profile.items():
            yield Sample(name, (profile,), counts.get(profile_id, 0))
        yield Sample("reconciliation_lock_held", (profile,), int(profile in held))
        for source in PauseSource:
            value = int((profile_id, source) in paused)
            yield Sample("reconciliation_paused", (profile, source), value)
        triggered = int((profile_id, PauseSource.PARITY_WATCHDOG) in paused)
        yield Sample("reconciliation_integrity_watchdog_triggered", (profile,), triggered)
        notional = as_number(exposed.get(profile_id))
        if notional is not None:
            yield Sample("reconciliation_profile_mismatch_notional_usd", (profile,), notional)


def _of_accounts(reading: Reading, conf: Conf) -> Iterator[Sample]:
    fills: Counter[int] = Counter()
    for group in reading.mismatches:
        if (group.kind, group.status) == (MismatchKind.UNATTRIBUTED_FILL, MismatchStatus.OPEN):
            fills[group.account_id] += group.count
    external = load_external_orders(now=reading.at)
    accounts = ExchangeAccount.objects.order_by("name").values_list("pk", "name")
    for account_id, account in accounts:
        yield Sample("reconciliation_unattributed_fills_pending", (account,), fills[account_id])
        waiting = external.get(account_id, Queue(waiting=0, oldest_age=timedelta(0)))
        yield from _queue("reconciliation_external_orders", "pending", waiting, account)
    for loop in reading.loops:
        healthy = account_is_healthy(loop, conf=conf, now=reading.at)
        yield Sample("reconciliation_account_loop_healthy", (loop.account,), int(healthy))
        yield from _of_notional(loop, reading)
        yield from _of_jobs(loop)


def _of_notional(loop: AccountLoop, reading: Reading) -> Iterator[Sample]:
    mine = [each for each in reading.findings if each.account_id == loop.account_id]
    notional = measured_notional([loop], mine)
    for name, amount in (("max", notional.largest), ("total", notional.total)):
        value = as_number(amount)
        if value is not None:
            metric = f"reconciliation_parity_{name}_mismatch_notional_usd"
            yield Sample(metric, (loop.account,), value)


def _of_capital(profiles: Mapping[int, str]) -> Iterator[Sample]:
    for balance in CapitalBalance.objects.order_by("pk"):
        capital, profile = kept_capital(balance), profiles[balance.pk]
        for name in ("allocated", "reserved", "used", "free"):
            amount = as_number(getattr(capital, name))
            if amount is not None:
                yield Sample(f"reconciliation_capital_{name}_usd", (profile,), amount)
        yield Sample("reconciliation_capital_unpriced", (profile,), capital.unpriced)


def _of_escalations(reading: Reading) -> Iterator[Sample]:
    accounts = dict(ExchangeAccount.objects.values_list("pk", "name"))
    counts = {(each.account_id, each.kind): each for each in reading.escalations}
    named: list[tuple[int | None, str]] = [*sorted(accounts.items()), (None, NOBODY)]
    for account_id, account in named:
        for kind in EscalationKind:
            group = counts.get((account_id, kind))
            age = timedelta(0) if group is None else reading.at - group.oldest
            waiting = Queue(
                waiting=0 if group is None else group.count, oldest_age=max(timedelta(0), age)
            )
            yield from _queue("reconciliation_escalations", "open", waiting, account, kind)


def _of_jobs(loop: AccountLoop) -> Iterator[Sample]:
    for kind, job in loop.jobs.items():
        labels = (loop.account, kind.lower())
        last, complete = job.last, job.last_complete
        if last is not None and last.finished_at is not None:
            ended, took = last.finished_at, last.finished_at - last.started_at
            yield Sample("reconciliation_last_run_timestamp_seconds", labels, ended.timestamp())
            yield Sample("reconciliation_last_run_duration_seconds", labels, took.total_seconds())
            for status in RunStatus:
                if status != RunStatus.RUNNING:
                    name = "reconciliation_last_run_status"
                    yield Sample(name, (*labels, status), int(last.status == status))
            everything = int(last.coverage == Coverage.COMPLETE)
            yield Sample("reconciliation_last_run_coverage_complete", labels, everything)
            yield Sample("reconciliation_last_run_unread_parts", labels, len(last.unread))
            yield Sample("reconciliation_lock_skipped_runs", labels, job.skips)
        if complete is not None and complete.finished_at is not None:
            ended = complete.finished_at
            name = "reconciliation_last_success_timestamp_seconds"
            yield Sample(name, labels, ended.timestamp())


def _of_queues(now: datetime) -> Iterator[Sample]:
    for queue, waiting in load_review_queues(now=now).items():
        yield from _queue("reconciliation_review", "items", waiting, queue)
    jobs = load_job_queue(now=now)
    if jobs is not None:
        yield from _queue("reconciliation_job_queue", "tasks", jobs.queue)
        yield Sample("reconciliation_job_queue_taken_tasks", (), jobs.taken)
    for cluster in load_cluster_ages(now=now):
        task, result = cluster.task, cluster.result
        name = "reconciliation_cluster_{}_age_seconds"
        yield Sample(name.format("task"), (cluster.host,), task.total_seconds())
        if result is not None:
            yield Sample(name.format("result"), (cluster.host,), result.total_seconds())


def _queue(name: str, depth: str, queue: Queue, *labels: str) -> Iterator[Sample]:
    yield Sample(f"{name}_{depth}", labels, queue.waiting)
    yield Sample(f"{name}_oldest_age_seconds", labels, queue.oldest_age.total_seconds())


def _text(sample: Sample) -> str:
    names = FAMILIES[sample.name].labels
    pairs = zip(names, sample.labels, strict=True)
    labels = ",".join(f'{name}="{value}"' for name, value in pairs)
    return f"{sample.name}{{{labels}}}" if labels else sample.name
