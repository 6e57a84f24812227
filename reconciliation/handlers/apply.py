"""Apply the changes of one profile: the only way that a cycle's decisions reach the books.

One durable transaction: fence the lease, re-read the premises, drop what no longer holds, write
in bulk, seal the events, commit. Its number of statements does not depend on how many orders
there are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError

from reconciliation.clock import Clock
from reconciliation.domain.audit import Actor
from reconciliation.domain.books import OpenMismatch
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.mismatches import plan_mismatches
from reconciliation.enums import AuditOutcome, CycleStep
from reconciliation.handlers.changes import write_changes
from reconciliation.handlers.leases import Lease, fence
from reconciliation.handlers.mismatches import write_mismatches
from reconciliation.handlers.runs import fence_run
from reconciliation.handlers.targets import Target
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyContext:
    """On whose behalf a profile's changes are applied, and how."""

    profile: Profile
    account_name: str
    run_id: int
    claim_token: UUID
    lease: Lease
    lock_ttl: timedelta
    actor: Actor
    settings_hash: str
    clock: Clock
    reach: Callable[[CycleStep], None]

    @property
    def target(self) -> Target:
        """Return whose books are written."""
        return Target(
            account_id=self.profile.account_id,
            account_name=self.account_name,
            profile_id=self.profile.pk,
            profile_name=self.profile.name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """How many changes were written, how many premises had moved, and which rows failed."""

    written: int
    dropped: int
    errors: tuple[str, ...] = ()


def apply_changes(
    *,
    context: ApplyContext,
    changes: Sequence[Change],
    open_mismatches: Sequence[OpenMismatch],
    judged_orders: frozenset[int],
    found_orders: frozenset[int] = frozenset(),
) -> Applied:
    """Write all changes of one profile, or those that the database takes when one is bad.

    A row that breaks a rule of the database must not stop the others: the changes are then
    applied one by one, and the bad one is recorded as failed, with its reason.
    """
    try:
        return _apply(context, changes, open_mismatches, judged_orders, found_orders)
    except DatabaseError:
        if not changes:
            raise
    written, dropped, errors = 0, 0, []
    judged = set(judged_orders)
    for change in changes:
        keys = {draft.key for draft in change.mismatches}
        mine = [mismatch for mismatch in open_mismatches if mismatch.key in keys]
        applied = Applied(written=0, dropped=0)
        try:
            applied = _apply(context, [change], mine, frozenset(), frozenset())
        except DatabaseError as error:
            errors.append(record_failure(context, change, error))
        written, dropped = written + applied.written, dropped + applied.dropped
        if not applied.written:
            judged -= change.premises.orders.keys()
    keys = {draft.key for change in changes for draft in change.mismatches}
    others = [mismatch for mismatch in open_mismatches if mismatch.key not in keys]
    _apply(context, [], others, frozenset(judged), found_orders)
    return Applied(written=written, dropped=dropped, errors=tuple(errors))


def _apply(
    context: ApplyContext,
    changes: Sequence[Change],
    open_mismatches: Sequence[OpenMismatch],
    judged_orders: frozenset[int],
    found_orders: frozenset[int],
) -> Applied:
    with transaction_unit(
        actor=context.actor,
        clock=context.clock,
        settings_hash=context.settings_hash,
        run_id=context.run_id,
        before_commit=lambda: context.reach(CycleStep.BEFORE_COMMIT),
    ) as unit:
        fence_context(context)
        holding = write_changes(
            unit,
            changes,
            target=context.target,
            run_id=context.run_id,
            first_write=lambda: context.reach(CycleStep.FIRST_WRITE),
        )
        moved = {key for change in changes for key in change.premises.orders}
        moved -= {key for change in holding for key in change.premises.orders}
        write_mismatches(
            plan=plan_mismatches(
                open_before=open_mismatches,
                drafts=[draft for change in holding for draft in change.mismatches],
                can_see=lambda mismatch: mismatch.order_id in judged_orders - moved,
                found_orders=found_orders,
            ),
            account_id=context.profile.account_id,
            run_id=context.run_id,
            unit=unit,
            named=context.target.named,
        )
    return Applied(written=len(holding), dropped=len(changes) - len(holding))


def fence_context(context: ApplyContext) -> None:
    """Make sure, first of all, that lease and run are still this process's."""
    fence(context.lease, ttl=context.lock_ttl, clock=context.clock)
    fence_run(run_id=context.run_id, claim_token=context.claim_token, clock=context.clock)


def record_failure(context: ApplyContext, change: Change, error: DatabaseError) -> str:
    """Record, in a unit of its own, that a change could not be written."""
    subject = (
        f"trade {change.trade.trade_id}"
        if change.trade is not None
        else f"orders {sorted(change.premises.orders)}"
    )
    sentence = f"{subject}: {str(error).splitlines()[0]}"
    with transaction_unit(
        actor=context.actor,
        clock=context.clock,
        settings_hash=context.settings_hash,
        run_id=context.run_id,
    ) as unit:
        fence_context(context)
        for event in change.events:
            unit.record(
                replace(context.target.named(event), outcome=AuditOutcome.FAILED, comment=sentence)
            )
    return sentence
