"""What ends every run of either job: capital, the record of the run, escalations."""

import logging

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.domain.audit import Actor
from reconciliation.domain.escalations import judged_after
from reconciliation.enums import EscalationKind, RunKind, RunStatus
from reconciliation.handlers.capital import recalculate_capital
from reconciliation.handlers.escalations import sync_escalations
from reconciliation.handlers.runs import ClaimLost, RunRecord, finish_run
from reconciliation.models import ExchangeAccount, Run

logger = logging.getLogger(__name__)
# What can be told of a loop without having read anything.
_OF_THE_LOOP = frozenset({EscalationKind.LOOP_STALLED})


def watch_loop(*, account: ExchangeAccount, ports: Ports, actor: Actor) -> None:
    """Tell a person if an account's loop is stalled; a job does so before it begins.

    A fault in it keeps no job from its work.
    """
    try:
        sync_escalations(
            account=account, judged=_OF_THE_LOOP, conf=ports.conf, clock=ports.clock, actor=actor
        )
    except Exception:
        logger.exception("whether the loop of %s is stalled could not be told", account.name)


def end_cycle(
    *,
    account: ExchangeAccount,
    run: Run,
    record: RunRecord,
    ports: Ports,
    actor: Actor,
) -> RunOutcome:
    """Recalculate capital, record the run and give its claim back, then sync escalations.

    A run that failed says nothing of capital. A fault in
    either part is the run's to tell; neither undoes what the run has written.
    """
    if record.status != RunStatus.FAILED:
        _recalculate(account, run, record, ports, actor)
    finished = finish_run(
        run_id=run.pk, claim_token=run.claim_token, record=record, clock=ports.clock
    )
    if not finished and record.status != RunStatus.FAILED:
        record.status = RunStatus.FAILED
        record.error = f"run {run.pk} took too long: its claim was taken over"
    _escalate(account, run, record, ports, actor)
    return RunOutcome(
        account=account.name,
        kind=RunKind(run.kind),
        status=record.status,
        coverage=record.coverage,
        run_id=run.pk,
        error=record.error,
        counts=record.counts,
        unread=dict(record.unread),
        row_errors=tuple(record.row_errors),
    )


def _recalculate(
    account: ExchangeAccount,
    run: Run,
    record: RunRecord,
    ports: Ports,
    actor: Actor,
) -> None:
    try:
        recalculate_capital(
            account=account,
            run_id=run.pk,
            claim_token=run.claim_token,
            marks=record.marks,
            conf=ports.conf,
            clock=ports.clock,
            actor=actor,
        )
    except ClaimLost as error:
        record.status, record.error = RunStatus.FAILED, str(error)
    except Exception as error:
        logger.exception("the capital of account %s could not be written", account.name)
        record.row_errors.append(f"capital: unexpected {type(error).__name__}: {error}")
        if record.status == RunStatus.SUCCEEDED:
            record.status = RunStatus.PARTIAL


def _escalate(
    account: ExchangeAccount, run: Run, record: RunRecord, ports: Ports, actor: Actor
) -> None:
    """Sync what this run could judge; the next run does what a fault left undone."""
    try:
        sync_escalations(
            account=account,
            judged=judged_after(record.status),
            conf=ports.conf,
            clock=ports.clock,
            actor=actor,
            run_id=run.pk,
        )
    except Exception:
        logger.exception("the escalations of account %s could not be written", account.name)
