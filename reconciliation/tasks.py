"""The jobs by dotted name, as the queue calls them: thin, and each may be run twice.

The queue delivers at least once, and sometimes late: so each job asks again whether it is still
wanted before it acts. What a task returns is what the console shows of it: a sentence. A run that
FAILED for an expected reason is such a sentence and a row of its own; a task that fails is a fault.
"""

import os
from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django_q.brokers import get_broker
from django_q.models import Schedule
from django_q.tasks import async_task

from reconciliation import conf
from reconciliation.clock import MOST_AHEAD, SystemClock
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_account as run_cycle
from reconciliation.enums import RunKind
from reconciliation.models import ExchangeAccount
from reconciliation.selectors.locks import claimed_until, last_ended_run

# Tasks that may wait besides those of the accounts: signs of life, runs that come back.
OTHERS_WAITING = 10


def reconcile_all() -> str:
    """Queue one task an enabled account, so that a slow or broken one keeps no other waiting.

    While more tasks wait than one for each account, all have their turn, and none is added: what
    comes in faster than it is done would pile up for as long as the exchanges are slow.
    """
    accounts = list(ExchangeAccount.objects.filter(enabled=True).order_by("pk"))
    waiting = get_broker().queue_size()
    if waiting > len(accounts) + OTHERS_WAITING:
        return f"{waiting} tasks wait for a worker already: none is added"
    for account in accounts:
        async_task(
            "reconciliation.tasks.reconcile_account",
            account.pk,
            task_name=f"reconcile {account.name}",
            group="reconcile an account",
        )
    names = ", ".join(account.name for account in accounts)
    return f"queued: {names}" if names else "no account is enabled"


def reconcile_account(account_id: int) -> str:
    """Run one cycle of an account, if it is still wanted; return how it went, in words."""
    account = ExchangeAccount.objects.filter(pk=account_id, enabled=True).first()
    if account is None:
        return f"account {account_id} is not enabled any more: nothing to do"
    ports = _ports(os.getpid())
    until = claimed_until(account_id=account_id, kind=RunKind.RECONCILE, clock=ports.clock)
    if until is not None:
        _come_back(account, until)
        return f"{account.name}: a run of it is under way, at the longest until {until:%H:%M:%S}"
    now = ports.clock.now()
    last = last_ended_run(account_id=account_id, kind=RunKind.RECONCILE, until=now + MOST_AHEAD)
    # By its beginning: a run that takes most of an interval must not cost the next one.
    if last is not None and now - last.started_at < ports.conf.interval / 2:
        age = (now - last.started_at).total_seconds()
        return f"{account.name}: a run of it began {age:.0f} s ago and ended: nothing to do"
    return _in_words(run_cycle(account=account, ports=ports))


def beat() -> None:
    """Do nothing: that a task came through is what whoever supervises the workers wants to see."""


def _come_back(account: ExchangeAccount, at: datetime) -> None:
    """Try once more when a claim is over: a process that died holds it for longer than a minute."""
    Schedule.objects.get_or_create(
        name=f"reconcile {account.name} after a claim",
        defaults={
            "func": "reconciliation.tasks.reconcile_account",
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
