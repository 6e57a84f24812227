"""Do what a person asked for on a page, and say how far it is while it is done."""

import logging
from collections.abc import Callable
from dataclasses import replace

from reconciliation.cycles.audit_chain import verify_chain
from reconciliation.cycles.errand_types import Came, Doer, Teller
from reconciliation.cycles.heartbeat import heartbeat_account
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_account
from reconciliation.enums import CycleStep, ErrandKind, RunStatus
from reconciliation.handlers.errands import end_errand, start_errand, tell_errand
from reconciliation.models import Errand, ExchangeAccount

logger = logging.getLogger(__name__)

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

    def tell(step: str, *, done: int | None = None, total: int | None = None) -> None:
        tell_errand(errand_id=errand_id, clock=ports.clock, step=step, done=done, total=total)

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


def _job(run: Callable[..., RunOutcome]) -> Doer:
    def do(errand: Errand, ports: Ports, tell: Teller) -> Came:
        account: ExchangeAccount | None = errand.account
        if account is None or not account.enabled:
            return Came(is_done=False, says="the account is not enabled any more")
        tell("reading the exchange")

        def reach(step: CycleStep) -> None:
            ports.reach(step)
            if step in _NEXT:
                tell(_NEXT[step])

        outcome = run(account=account, ports=replace(ports, reach=reach))
        return Came(
            is_done=outcome.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL),
            says=_in_words(outcome),
            run_id=outcome.run_id,
        )

    return do


def _in_words(outcome: RunOutcome) -> str:
    error = f": {outcome.error}" if outcome.error else ""
    return f"{outcome.account}: {outcome.status}, coverage {outcome.coverage}{error}"


ERRANDS: dict[ErrandKind, Doer] = {
    ErrandKind.RECONCILE: _job(reconcile_account),
    ErrandKind.HEARTBEAT: _job(heartbeat_account),
    ErrandKind.VERIFY_AUDIT: verify_chain,
}
