"""Read the evidence of one review item anew: run the job that saw it, for that account.

What the run finds changes the item itself, supersedes it, or shows that it still holds; then the
evidence is as old as that run.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_account
from reconciliation.domain.people import Person
from reconciliation.enums import Right, RunKind
from reconciliation.models import ExchangeAccount
from reconciliation.selectors.decisions import Subject


class Job(Protocol):
    """Runs one cycle of one account and records it whatever its outcome."""

    def __call__(self, *, account: ExchangeAccount, ports: Ports) -> RunOutcome: ...


class NotAllowed(PermissionError):
    """The person may not read evidence anew."""


def _reconcile(*, account: ExchangeAccount, ports: Ports) -> RunOutcome:
    return reconcile_account(account=account, ports=ports)


def _heartbeat(*, account: ExchangeAccount, ports: Ports) -> RunOutcome:
    # Looked up when it is used: a version without the heartbeat refreshes what the loop saw.
    job = cast(Job, import_module("reconciliation.cycles.heartbeat").heartbeat_account)
    return job(account=account, ports=ports)


JOBS: Mapping[RunKind, Job] = {RunKind.RECONCILE: _reconcile, RunKind.HEARTBEAT: _heartbeat}


def refresh_evidence(
    *,
    subject: Subject,
    ports: Ports,
    person: Person | None = None,
    jobs: Mapping[RunKind, Job] = JOBS,
) -> RunOutcome:
    """Run the job that sees the evidence; raises `NotAllowed` for who may not ask for that.

    `person` is None where nobody asks but the drill, or a schedule.
    """
    if person is not None and not person.may(Right.REFRESH):
        raise NotAllowed(f"{person.actor.name} may not read evidence anew")
    return jobs[subject.job](account=subject.account, ports=ports)
