"""Ask for evidence to be read anew: the job is queued by its name; no page talks to an exchange."""

from django_q.tasks import async_task

from reconciliation.admin.deciding_types import Desk, Told
from reconciliation.enums import DecisionRefusal, RunKind
from reconciliation.handlers.refreshing import ask_refresh
from reconciliation.selectors.decisions import Subject

_TASKS = {
    RunKind.RECONCILE: ("reconciliation.tasks.reconcile_account", "reconcile"),
    RunKind.HEARTBEAT: ("reconciliation.tasks.heartbeat_account", "heartbeat"),
}


def refresh(subject: Subject, desk: Desk) -> Told:
    """Queue the job that sees the evidence of an item, if the person may ask for that."""
    account = subject.account
    denied = ask_refresh(
        account=account,
        job=subject.job,
        object_type=subject.object_type,
        object_id=subject.row.pk,
        person=desk.person,
        conf=desk.conf,
        clock=desk.clock,
    )
    if denied is not None:
        return Told(
            code=DecisionRefusal.DENIED,
            sentence=f"{desk.person.actor.name} may not read evidence anew",
        )
    task, name = _TASKS[subject.job]
    async_task(task, account.pk, task_name=f"{name} {account.name}", group=f"{name} an account")
    return Told(
        sentence=(
            f"queued: the {name} of {account.name} reads the exchange anew; load this page again in"
            " a few seconds"
        )
    )
