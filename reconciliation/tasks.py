"""The jobs by dotted name, as the queue calls them: thin, and each may be run twice.

The queue delivers at least once, and sometimes late: so each job asks again whether it is still
wanted before it acts. What a task returns is what the console shows of it: a sentence. A run that
FAILED for an expected reason is such a sentence and a row of its own; a task that fails is a fault.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.conf import settings
from django_q.brokers import get_broker
from django_q.models import Schedule
from django_q.tasks import async_task

from reconciliation import conf
from reconciliation.clock import MOST_AHEAD, SystemClock
from reconciliation.cycles.closing import watch_loop
from reconciliation.cycles.errands import do_errand as do_errand_of_person
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.heartbeat import heartbeat_account as run_heartbeat
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_account as run_cycle
from reconciliation.domain.audit import system_actor
from reconciliation.domain.checkpoints import CHECKPOINT_EVERY, VERIFIED_EVERY
from reconciliation.enums import ErrandKind, RunKind
from reconciliation.handlers.checkpoints import CheckpointOutcome, write_checkpoint
from reconciliation.handlers.errands import schedule_errand
from reconciliation.handlers.jobs import drop_old_failures
from reconciliation.models import ExchangeAccount
from reconciliation.selectors.checkpoints import last_checkpoint_at
from reconciliation.selectors.locks import claimed_until, last_ended_run
from reconciliation.selectors.schedules import switched_off

logger = logging.getLogger(__name__)

WATCH = system_actor("watch")
# Tasks that may wait besides those of the accounts: signs of life, runs that come back.
OTHERS_WAITING = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A job of an account: its name, its task in here, and what it runs."""

    name: str
    task: str
    run: Callable[..., RunOutcome]


_JOBS = {
    RunKind.RECONCILE: _Job(name="reconcile", task="reconcile_account", run=run_cycle),
    RunKind.HEARTBEAT: _Job(name="heartbeat", task="heartbeat_account", run=run_heartbeat),
}


def reconcile_all() -> str:
    """Queue the loop's task of every enabled account."""
    by = switched_off().get("reconcile")
    if by is not None:
        return f"the loop was switched off by {by}: nothing is queued"
    return _queue_all(RunKind.RECONCILE)


def heartbeat_all() -> str:
    """Queue the heartbeat's task of every enabled account, unless it is switched off."""
    if not _ports(os.getpid()).conf.parity_enabled:
        return "the heartbeat is off: ENABLE_RECON_POSITION_PARITY_HEARTBEAT=false"
    by = switched_off().get("heartbeat")
    if by is not None:
        return f"the heartbeat was switched off by {by}: nothing is queued"
    return _queue_all(RunKind.HEARTBEAT)


def reconcile_account(account_id: int) -> str:
    """Run one cycle of an account, if it is still wanted; return how it went, in words."""
    return _run(account_id, RunKind.RECONCILE)


def heartbeat_account(account_id: int) -> str:
    """Run one heartbeat of an account, if it is still wanted; return how it went, in words."""
    if not _ports(os.getpid()).conf.parity_enabled:
        return "the heartbeat is off: nothing to do"
    return _run(account_id, RunKind.HEARTBEAT)


def _queue_all(kind: RunKind) -> str:
    """Queue one task an enabled account, so that a slow or broken one keeps no other waiting.

    While more tasks wait than one a job for each account, all have their turn, and none is added:
    what comes in faster than it is done would pile up for as long as the exchanges are slow.
    """
    accounts = list(ExchangeAccount.objects.filter(enabled=True).order_by("pk"))
    waiting = get_broker().queue_size()
    if waiting > len(accounts) * len(_JOBS) + OTHERS_WAITING:
        return f"{waiting} tasks wait for a worker already: none is added"
    for account in accounts:
        async_task(
            f"reconciliation.tasks.{_JOBS[kind].task}",
            account.pk,
            task_name=f"{_JOBS[kind].name} {account.name}",
            group=f"{_JOBS[kind].name} an account",
        )
    names = ", ".join(account.name for account in accounts)
    return f"queued: {names}" if names else "no account is enabled"


def _run(account_id: int, kind: RunKind) -> str:
    account = ExchangeAccount.objects.filter(pk=account_id, enabled=True).first()
    if account is None:
        return f"account {account_id} is not enabled any more: nothing to do"
    ports = _ports(os.getpid())
    until = claimed_until(account_id=account_id, kind=kind, clock=ports.clock)
    if until is not None:
        _come_back(account, kind, until)
        return f"{account.name}: a run of it is under way, at the longest until {until:%H:%M:%S}"
    now = ports.clock.now()
    last = last_ended_run(account_id=account_id, kind=kind, until=now + MOST_AHEAD)
    # By its beginning: a run that takes most of an interval must not cost the next one.
    if last is not None and now - last.started_at < ports.conf.interval / 2:
        age = (now - last.started_at).total_seconds()
        return f"{account.name}: a run of it began {age:.0f} s ago and ended: nothing to do"
    return _in_words(_JOBS[kind].run(account=account, ports=ports))


def watch_loops() -> str:
    """Tell a person of every account whose loop is stalled; no exchange is needed for that.

    The other job of an account finds it too; this finds it where neither job comes to its turn.
    """
    ports = _ports(os.getpid())
    accounts = list(ExchangeAccount.objects.order_by("pk"))
    for account in accounts:
        watch_loop(account=account, ports=ports, actor=WATCH)
    dropped = drop_old_failures(now=ports.clock.now())
    tidied = f"; dropped {dropped} old failed tasks" if dropped else ""
    return f"looked at the loops of {len(accounts)} accounts{tidied}"


def do_errand(errand_id: int) -> str:
    """Do what a person asked for on a page; return what became of it, in words."""
    return do_errand_of_person(errand_id=errand_id, ports=_ports(os.getpid()))


def verify_audit() -> str:
    """Have the whole audit chain checked, once a day; a long one goes on in further tasks."""
    errand = schedule_errand(
        kind=ErrandKind.VERIFY_AUDIT,
        asked_by="the daily schedule",
        every=VERIFIED_EVERY,
        clock=_ports(os.getpid()).clock,
    )
    if errand is None:
        return "the chain was checked lately, or a worker is at it: nothing to do"
    return do_errand(errand.pk)


def checkpoint_audit() -> str:
    """Sign the end of the audit chain, once an hour; return what became of it, in words."""
    ports = _ports(os.getpid())
    now, last = ports.clock.now(), last_checkpoint_at(ports.conf)
    if last is not None and timedelta(0) <= now - last < CHECKPOINT_EVERY / 2:
        return f"a checkpoint was made at {last:%H:%M:%S}: nothing to do"
    done = write_checkpoint(
        conf=ports.conf, clock=ports.clock, actor=system_actor("audit_checkpoint")
    )
    if done.outcome in (CheckpointOutcome.UNUSABLE, CheckpointOutcome.BROKEN):
        logger.error("audit checkpoint: %s", done.says)
    return done.says


def beat() -> None:
    """Do nothing: that a task came through is what whoever supervises the workers wants to see."""


def _come_back(account: ExchangeAccount, kind: RunKind, at: datetime) -> None:
    """Try once more when a claim is over: a process that died holds it for longer than a minute."""
    Schedule.objects.get_or_create(
        name=f"{_JOBS[kind].name} {account.name} after a claim",
        defaults={
            "func": f"reconciliation.tasks.{_JOBS[kind].task}",
            "args": f"{account.pk},",
            "schedule_type": Schedule.ONCE,
            "next_run": at,
        },
    )


@lru_cache(maxsize=1)
def _ports(pid: int) -> Ports:
    """Return this process's own settings and gateways: a connection must not outlive a fork."""
    clock = SystemClock()
    return Ports(
        conf=conf.require(settings.RECON_ENVIRON),
        clock=clock,
        gateways=AccountGateways(clock=clock),
    )


def _in_words(outcome: RunOutcome) -> str:
    run = "" if outcome.run_id is None else f", run {outcome.run_id}"
    error = f": {outcome.error}" if outcome.error else ""
    return f"{outcome.account}: {outcome.status}, coverage {outcome.coverage}{run}{error}"
