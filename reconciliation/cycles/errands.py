"""Do what a person asked for on a page, and say how far it is while it is done."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from reconciliation.cycles.account_check import check_account
from reconciliation.cycles.audit_chain import verify_chain
from reconciliation.cycles.errand_types import Came, Doer, Teller
from reconciliation.cycles.heartbeat import heartbeat_account
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_account
from reconciliation.enums import CycleStep, ErrandKind, RunKind, RunStatus
from reconciliation.handlers.errands import end_errand, start_errand, tell_errand
from reconciliation.models import Errand, ExchangeAccount, Run

logger = logging.getLogger(__name__)

# How long an errand waits for another run of its account: a task has 45 seconds, and that run has
# begun already. What it has not ended by then is to be followed on its own page.
WAITS_SECONDS = 25
READING = "reading the exchange"
# What each step of a cycle, once it is reached, is followed by. The later ones are within the
# transactions of the profiles, where nothing else is written.
_NEXT = {
    CycleStep.SNAPSHOT: "comparing, and asking for single orders",
    CycleStep.LOOKUPS: "writing, profile by profile",
}


def do_errand(*, errand_id: int, ports: Ports) -> str:
    """Do an errand whose turn it is; return what became of it, in words."""
    errand = start_errand(errand_id=errand_id, clock=ports.clock)
    if errand is None:
        return f"errand {errand_id} has ended, or another worker is at it: nothing to do"

    def tell(
        step: str, *, done: int | None = None, total: int | None = None, run_id: int | None = None
    ) -> None:
        tell_errand(
            errand_id=errand_id,
            clock=ports.clock,
            step=step,
            done=done,
            total=total,
            run_id=run_id,
        )

    try:
        came = ERRANDS[ErrandKind(errand.kind)](errand, ports, tell)
    except Exception as error:
        logger.exception("errand %s failed", errand_id)
        says = f"unexpected {type(error).__name__}: {error} (the log has the traceback)"
        came = Came(is_done=False, says=says)
    if came is None:
        return f"errand {errand_id} goes on in another task"
    end_errand(
        errand_id=errand_id,
        clock=ports.clock,
        is_done=came.is_done,
        says=came.says,
        result=came.result,
        run_id=came.run_id,
    )
    return came.says


def _job(kind: RunKind, run: Callable[..., RunOutcome]) -> Doer:
    def do(errand: Errand, ports: Ports, tell: Teller) -> Came:
        account: ExchangeAccount | None = errand.account
        if account is None or not account.enabled:
            return Came(
                is_done=False,
                says="the account is disabled: no job reads it, and nothing was done",
            )
        if kind == RunKind.HEARTBEAT and not ports.conf.parity_enabled:
            return Came(
                is_done=False,
                says="the heartbeat is switched off"
                " (ENABLE_RECON_POSITION_PARITY_HEARTBEAT=false): nothing was read",
            )
        tell(READING)

        def reach(step: CycleStep) -> None:
            ports.reach(step)
            if step in _NEXT:
                own = _under_way(account, kind)
                tell(_NEXT[step], run_id=None if own is None else own.pk)

        outcome = run(account=account, ports=replace(ports, reach=reach))
        if outcome.run_id is None:
            return _attach(account, kind, ports, tell)
        return Came(
            is_done=outcome.status in _AT_LEAST_A_PART,
            says=_in_words(outcome),
            run_id=outcome.run_id,
        )

    return do


def _attach(account: ExchangeAccount, kind: RunKind, ports: Ports, tell: Teller) -> Came:
    """Wait for the run that has the account: it does what was asked for, and tells its outcome."""
    other = _under_way(account, kind)
    if other is None:
        other = (
            Run.objects.filter(account=account, kind=kind).order_by("-started_at", "-id").first()
        )
    if other is None:
        return Came(is_done=False, says="another run had the account, and is gone: ask again")
    tell(f"waiting for run {other.pk}, which was under way already", run_id=other.pk)
    until = ports.clock.monotonic() + WAITS_SECONDS
    while other.status == RunStatus.RUNNING and ports.clock.monotonic() < until:
        ports.clock.sleep(1)
        other.refresh_from_db(fields=["status", "coverage", "error", "claim_expires_at"])
    began = f"run {other.pk} was under way already and does the same: "
    if other.status == RunStatus.RUNNING:
        return Came(
            is_done=True, says=f"{began}it has not ended yet, {_given_up(other)}", run_id=other.pk
        )
    error = f": {other.error}" if other.error else ""
    return Came(
        is_done=other.status in _AT_LEAST_A_PART,
        says=f"{began}{account.name}: {other.status}, coverage {other.coverage}{error}",
        run_id=other.pk,
    )


def _given_up(run: Run) -> str:
    at: datetime = run.claim_expires_at
    return f"and if its worker has died the next run takes its place from {at:%H:%M:%S} UTC on"


def _under_way(account: ExchangeAccount, kind: RunKind) -> Run | None:
    return Run.objects.filter(account=account, kind=kind, status=RunStatus.RUNNING).first()


def _check_account(errand: Errand, ports: Ports, tell: Teller) -> Came:
    """Test an account, also one that is not enabled: that is when it is wanted."""
    account = errand.account
    if account is None:
        return Came(is_done=False, says="the test names no account")

    def progress(part: str, done: int, total: int) -> None:
        tell(f"reading: {part}", done=done, total=total)

    check = check_account(account=account, ports=ports, progress=progress)
    return Came(is_done=check.passed, says=f"{account.name}: {check.says}", result=check.as_data())


def _in_words(outcome: RunOutcome) -> str:
    error = f": {outcome.error}" if outcome.error else ""
    return f"{outcome.account}: {outcome.status}, coverage {outcome.coverage}{error}"


_AT_LEAST_A_PART = (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
ERRANDS: dict[ErrandKind, Doer] = {
    ErrandKind.RECONCILE: _job(RunKind.RECONCILE, reconcile_account),
    ErrandKind.HEARTBEAT: _job(RunKind.HEARTBEAT, heartbeat_account),
    ErrandKind.CHECK_ACCOUNT: _check_account,
    ErrandKind.VERIFY_AUDIT: verify_chain,
}
