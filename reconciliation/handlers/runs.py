"""Runs: claimed before a job starts, recorded whatever its outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from reconciliation.clock import Clock
from reconciliation.domain.audit import EventDraft, system_actor
from reconciliation.enums import AuditOutcome, Coverage, RunKind, RunStatus
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import ExchangeAccount, Run

# Longer than a task may take (45 s), so that a claim in use is never taken over.
CLAIM_TTL = timedelta(seconds=90)


class ClaimLost(RuntimeError):
    """The run took longer than its claim and was taken over; it may write nothing more."""


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """What a run has to say when it ends; filled in on the way."""

    status: RunStatus = RunStatus.FAILED
    coverage: Coverage = Coverage.NONE
    as_of: datetime | None = None
    error: str = ""
    unread: Mapping[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    step_ms: dict[str, int] = field(default_factory=dict)
    row_errors: list[str] = field(default_factory=list)
    skipped_profiles: Sequence[str] = ()
    marks: Mapping[str, Decimal] = field(default_factory=dict)
    """Those that the run read, by symbol: what its money figures rest on; no column."""


def claim_run(
    *, account: ExchangeAccount, kind: RunKind, clock: Clock, only_profile: str = ""
) -> Run | None:
    """Claim an account for a job, or return None while another run holds it.

    A claim whose time is up belongs to a process that died: its run is marked FAILED, abandoned,
    and the claim is taken over.
    """
    now = clock.now()
    with transaction_unit(actor=system_actor("run claim"), clock=clock) as unit:
        # Locking re-checks the condition once a writer that extends its claim is done.
        abandoned = Run.objects.select_for_update(no_key=True).filter(
            account=account,
            kind=kind,
            status=RunStatus.RUNNING,
            claim_expires_at__lte=clock.lock_now(),
        )
        for run in abandoned.order_by("pk"):
            run.status, run.finished_at = RunStatus.FAILED, now
            run.error = "abandoned: its process ended before the run did"
            run.save(update_fields=["status", "finished_at", "error"])
            unit.record(
                EventDraft(
                    action="run.taken_over",
                    outcome=AuditOutcome.FAILED,
                    object_type="run",
                    object_id=str(run.pk),
                    account=account.name,
                    comment=run.error,
                )
            )
        try:
            with transaction.atomic():
                return Run.objects.create(
                    account=account,
                    kind=kind,
                    status=RunStatus.RUNNING,
                    only_profile=only_profile,
                    claim_token=uuid4(),
                    claim_expires_at=clock.lock_now() + CLAIM_TTL,
                    started_at=now,
                )
        except IntegrityError:
            return None


def fence_run(*, run_id: int, claim_token: UUID, clock: Clock) -> None:
    """Extend a run's claim within the transaction that writes for it.

    Raises `ClaimLost` when the claim went to another run. The row stays locked until the commit,
    so a take-over waits for the write and then finds a claim in force.
    """
    now = clock.lock_now()
    held = Run.objects.filter(
        pk=run_id, claim_token=claim_token, status=RunStatus.RUNNING, claim_expires_at__gt=now
    ).update(claim_expires_at=now + CLAIM_TTL)
    if held != 1:
        raise ClaimLost(f"run {run_id} took too long: its claim was taken over")


def finish_run(*, run_id: int, claim_token: UUID, record: RunRecord, clock: Clock) -> bool:
    """Record the outcome of a run and give its claim back.

    Returns False when the claim was taken over: the run is recorded as abandoned already.
    """
    with transaction.atomic(durable=True):
        changed = Run.objects.filter(
            pk=run_id, claim_token=claim_token, status=RunStatus.RUNNING
        ).update(
            status=record.status,
            coverage=record.coverage,
            finished_at=clock.now(),
            as_of=record.as_of,
            error=storable(record.error),
            unread=storable(record.unread),
            counts=record.counts,
            step_ms=record.step_ms,
            row_errors=storable(record.row_errors),
            skipped_profiles=list(record.skipped_profiles),
        )
    return changed == 1
