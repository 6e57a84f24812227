"""The one table of what this version serves: steps, and keys of an `expect`.

The grammar reads the whole language of drills; what is not in here is refused with its line, so
that nothing is passed over in silence. A new step is a function in `actions` and a line in STEPS,
a new expectation a function in `state` and a line in EXPECTATIONS.
"""

from collections.abc import Callable, Mapping
from typing import Any

from reconciliation.drills import actions, decisions, ledger, nobodys, state, trading
from reconciliation.drills.errors import DrillError
from reconciliation.drills.schema import ConcurrentStep, Drill, Expectation, ExpectStep, Step
from reconciliation.drills.world import World

STEPS: Mapping[str, Callable[[World, Any], None]] = {
    "reconcile": actions.reconcile,
    "heartbeat": actions.heartbeat,
    "advance": actions.advance,
    "exchange": actions.change_exchange,
    "database": actions.change_database,
    "fault": actions.arm_fault,
    "lock": actions.hold_lock,
    "unlock": actions.release_lock,
    "crash": actions.arm_crash,
    "restart": actions.restart,
    "tamper": actions.tamper,
    "adopt": nobodys.adopt_item,
    "ignore": nobodys.ignore_item,
    "pause": trading.pause,
    "resume": trading.resume,
    "approve": decisions.approve,
    "reject": decisions.reject,
    "allocate": decisions.allocate,
    "reverse": decisions.reverse,
    "reopen": decisions.reopen,
    "refresh": decisions.refresh,
}
# Steps that are made of others, or look at the outcome; the runner knows them by name.
OF_THE_RUNNER = frozenset({"concurrently", "expect"})
# Steps that are not the portal's own doing: what they write is no correction.
NOT_OF_THE_PORTAL = frozenset({"database"})

EXPECTATIONS: Mapping[str, Callable[[World], object]] = {
    "trades": state.read_trades,
    "orders": state.read_orders,
    "history": state.read_history,
    "exits": state.read_exits,
    "mismatches": state.read_mismatches,
    "mismatches_open": state.count_open_mismatches,
    "quarantine": state.read_quarantine,
    "backfill": state.read_backfill,
    "external_orders": state.read_external_orders,
    "positions": state.read_positions,
    "pauses": trading.read_pauses,
    "gate": trading.read_gate,
    "capital": ledger.read_capital,
    "escalations": ledger.read_escalations,
    "health": state.read_health,
    "metrics": state.read_metrics,
    "runs": state.read_runs,
    "audit": state.read_audit,
    "audit_chain": state.read_audit_chain,
    "corrections": state.read_corrections,
}


def refuse_what_is_not_served(drill: Drill) -> None:
    """Raise DrillError for the first step or expectation that this version does not serve."""
    for step in drill.steps:
        _refuse_step(drill, step)
    _refuse_expectations(drill, drill.expectations)


def _refuse_step(drill: Drill, step: Step) -> None:
    if step.name not in STEPS and step.name not in OF_THE_RUNNER:
        raise DrillError(drill.file, step.line, f"not served by this version: step {step.name!r}")
    if isinstance(step, ConcurrentStep):
        for each in step.steps:
            _refuse_step(drill, each)
    if isinstance(step, ExpectStep):
        _refuse_expectations(drill, step.expectations)


def _refuse_expectations(drill: Drill, expectations: tuple[Expectation, ...]) -> None:
    for each in expectations:
        if each.key not in EXPECTATIONS:
            raise DrillError(
                drill.file, each.line, f"not served by this version: expectation {each.key!r}"
            )
