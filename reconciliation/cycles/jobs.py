"""What every job of an account does around its work: claim the run, record how it went."""

import logging
from collections.abc import Callable

from reconciliation.cycles.closing import end_cycle, watch_loop
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.domain.audit import Actor
from reconciliation.enums import Coverage, RunKind, RunStatus
from reconciliation.exchange.gateway import ExchangeError
from reconciliation.handlers.edits import notice_edits
from reconciliation.handlers.runs import ClaimLost, RunRecord, claim_run
from reconciliation.models import ExchangeAccount, Run

logger = logging.getLogger(__name__)


def run_job(
    *,
    account: ExchangeAccount,
    kind: RunKind,
    ports: Ports,
    actor: Actor,
    work: Callable[[Run, RunRecord], None],
    only_profile: str = "",
) -> RunOutcome:
    """Claim an account for a job, do its work, and record the run whatever its outcome."""
    watch_loop(account=account, ports=ports, actor=actor)
    run = claim_run(account=account, kind=kind, clock=ports.clock, only_profile=only_profile)
    if run is None:
        return RunOutcome(
            account=account.name,
            kind=kind,
            status=RunStatus.SKIPPED_LOCKED,
            coverage=Coverage.NONE,
            run_id=None,
            error="another run of this account is under way; it will do this one's work",
            counts={},
            unread={},
            row_errors=(),
        )
    record = RunRecord()
    try:
        edited = notice_edits(
            account=account, run_id=run.pk, conf=ports.conf, clock=ports.clock, actor=actor
        )
        work(run, record)
        if edited:
            record.counts["edited_outside"] = edited
    except (ExchangeError, ClaimLost) as error:
        record.status, record.error = RunStatus.FAILED, str(error)
    except Exception as error:
        # A fault of ours in one account must not keep the others from their turn.
        logger.exception("run %s of account %s failed", run.pk, account.name)
        record.status = RunStatus.FAILED
        record.error = f"unexpected {type(error).__name__}: {error} (the log has the traceback)"
    return end_cycle(account=account, run=run, record=record, ports=ports, actor=actor)
