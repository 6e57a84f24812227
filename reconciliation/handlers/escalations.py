"""Escalations: opened by a cause, counted while it lasts, resolved by themselves when it is gone.

A person acknowledges one to say that he is at it; that ends nothing.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import IntegrityError
from django.db.models import F

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.escalations import (
    Cause,
    EscalationPlan,
    OpenEscalation,
    plan_escalations,
)
from reconciliation.domain.keys import canonical_json
from reconciliation.domain.people import Person
from reconciliation.enums import (
    AuditOutcome,
    DecisionRefusal,
    EscalationKind,
    EscalationStatus,
    Right,
)
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import (
    Escalation,
    EscalationSighting,
    ExchangeAccount,
    Profile,
)
from reconciliation.selectors.causes import load_causes, load_open_escalations
from reconciliation.selectors.lists import id_list

# Whoever decides may also say that he is at it; to look at everything is not enough.
MAY_ACKNOWLEDGE = (Right.PROPOSE, Right.APPROVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Whether an escalation was acknowledged; `refusal` says why not, None that it was."""

    refusal: DecisionRefusal | None = None
    says: str = ""


def sync_escalations(
    *,
    account: ExchangeAccount,
    judged: Collection[EscalationKind],
    conf: Conf,
    clock: Clock,
    actor: Actor,
    run_id: int | None = None,
) -> None:
    """Open, count and resolve an account's escalations of the kinds that can be judged now.

    The number of statements is constant. Where nothing opened and nothing ended, no more is
    written than that it was seen again.
    """

    def plan() -> EscalationPlan:
        return plan_escalations(
            open_before=load_open_escalations(account.pk),
            causes=load_causes(account=account, judged=judged, conf=conf, clock=clock),
            judged=judged,
        )

    found = plan()
    if not found.changes_state:
        _count(found.again, clock)
        return
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), run_id=run_id
    ) as unit:
        # Two jobs of an account may end at once: the second waits, and then finds it done.
        locked = ExchangeAccount.objects.select_for_update(no_key=True).filter(pk=account.pk)
        list(locked.values_list("pk"))
        found = plan()
        write_escalations(found, account=account, run_id=run_id, unit=unit)
    _count(found.again, clock)


class ChainProof(StrEnum):
    """What the audit chain is proven by; each has its own escalation, and resolves no other."""

    CHAIN = "chain"
    CHECKPOINT = "checkpoint"


_NOT_PROVEN = {
    ChainProof.CHAIN: "the audit chain is not proven; see manage.py audit_verify",
    ChainProof.CHECKPOINT: "the audit chain contradicts what was signed; see docs/audit.md",
}


def sync_audit_chain(
    *,
    is_intact: bool,
    detail: str,
    clock: Clock,
    actor: Actor,
    proof: ChainProof = ChainProof.CHAIN,
) -> None:
    """Tell a person that the audit chain is broken, or resolve that once it is proven again."""
    kind = EscalationKind.AUDIT_CHAIN_BROKEN
    broken = Cause(
        kind=kind,
        about=proof.value,
        says=_NOT_PROVEN[proof],
        detail={"detail": detail},
    )

    def plan() -> EscalationPlan:
        known = load_open_escalations(None)
        return plan_escalations(
            open_before=[each for each in known if each.key == broken.key],
            causes=() if is_intact else (broken,),
            judged=(kind,),
        )

    found = plan()
    if not found.changes_state:
        _count(found.again, clock)
        return
    try:
        with transaction_unit(actor=actor, clock=clock) as unit:
            write_escalations(plan(), account=None, run_id=None, unit=unit)
    except IntegrityError:
        # There is no account to wait for: of two verifications at once the other has told it.
        if not load_open_escalations(None):
            raise


def acknowledge_escalation(
    *, person: Person, escalation_id: int, clock: Clock, comment: str = "", settings_hash: str = ""
) -> Acknowledgement:
    """Note that a person is at it; what is refused is audited too."""
    with transaction_unit(
        actor=person.actor,
        clock=clock,
        settings_hash=settings_hash,
        request_id=person.request_id,
        ip=person.ip,
    ) as unit:
        # No join: on PostgreSQL the missing side of an outer one cannot be locked.
        row = (
            Escalation.objects.select_for_update(no_key=True)
            .filter(pk=escalation_id)
            .order_by("pk")
            .first()
        )
        answer = _may_acknowledge(person, row)
        after: dict[str, object] = {}
        before = {} if row is None else {"status": row.status}
        if answer.refusal is None and row is not None:
            row.status = EscalationStatus.ACKNOWLEDGED
            row.acknowledged_at, row.acknowledged_by = unit.now, person.actor.name[:150]
            row.save(update_fields=["status", "acknowledged_at", "acknowledged_by"])
            after = {"status": row.status, "kind": row.kind}
        unit.record(
            EventDraft(
                action="escalation.acknowledged",
                outcome=_outcome(answer),
                object_type="escalation",
                object_id=str(escalation_id),
                profile=row.profile.name if row is not None and row.profile else "",
                account=row.account.name if row is not None and row.account else "",
                before=before,
                after=after,
                reason_code=str(answer.refusal or ""),
                comment=comment,
            )
        )
    return answer


def _may_acknowledge(person: Person, row: Escalation | None) -> Acknowledgement:
    if not any(person.may(right) for right in MAY_ACKNOWLEDGE):
        return Acknowledgement(
            refusal=DecisionRefusal.DENIED, says="operators and approvers acknowledge escalations"
        )
    if row is None:
        return Acknowledgement(
            refusal=DecisionRefusal.UNKNOWN_ITEM, says="there is no such escalation"
        )
    if row.status != EscalationStatus.OPEN:
        return Acknowledgement(
            refusal=DecisionRefusal.DECIDED_ALREADY, says=f"it is {row.status} already"
        )
    return Acknowledgement()


def _outcome(answer: Acknowledgement) -> AuditOutcome:
    if answer.refusal is None:
        return AuditOutcome.APPLIED
    denied = answer.refusal == DecisionRefusal.DENIED
    return AuditOutcome.DENIED if denied else AuditOutcome.REFUSED


def _count(again: Sequence[OpenEscalation], clock: Clock) -> None:
    """Note that causes were seen again: an observation, outside of any unit."""
    if again:
        EscalationSighting.objects.filter(
            escalation_id__in=id_list(each.id for each in again)
        ).update(count=F("count") + 1, last_seen_at=clock.now())


def write_escalations(
    plan: EscalationPlan, *, account: ExchangeAccount | None, run_id: int | None, unit: Unit
) -> None:
    """Open what is new and resolve what is gone, each with its event; nothing is counted."""
    names = dict(Profile.objects.filter(account=account).values_list("pk", "name"))
    where = "" if account is None else account.name
    rows = [_row(cause, account, run_id, unit) for cause in plan.new]
    insert_rows(Escalation, rows)
    insert_rows(
        EscalationSighting,
        [EscalationSighting(escalation=row, count=1, last_seen_at=unit.now) for row in rows],
    )
    for row in rows:
        unit.record(
            EventDraft(
                action="escalation.opened",
                object_type="escalation",
                object_id=str(row.pk),
                profile=names.get(row.profile_id or 0, ""),
                account=where,
                after={"kind": row.kind, "key": row.key, "status": row.status},
                comment=row.says,
            )
        )
    _resolve(plan.gone, names, where, unit)


def _row(
    cause: Cause, account: ExchangeAccount | None, run_id: int | None, unit: Unit
) -> Escalation:
    return Escalation(
        kind=cause.kind,
        key=cause.key,
        status=EscalationStatus.OPEN,
        account=account,
        profile_id=cause.profile_id,
        says=storable(cause.says),
        detail=storable(json.loads(canonical_json(dict(cause.detail)))),
        opened_at=unit.now,
        run_id=run_id,
    )


def _resolve(gone: Sequence[OpenEscalation], names: dict[int, str], where: str, unit: Unit) -> None:
    rows = list(
        Escalation.objects.select_for_update(no_key=True)
        .unresolved()
        .filter(pk__in=id_list(each.id for each in gone))
        .order_by("pk")
    )
    before = {row.pk: row.status for row in rows}
    for row in rows:
        row.status, row.resolved_at = EscalationStatus.RESOLVED, unit.now
    update_rows(Escalation, rows, fields=["status", "resolved_at"])
    for row in rows:
        unit.record(
            EventDraft(
                action="escalation.resolved",
                object_type="escalation",
                object_id=str(row.pk),
                profile=names.get(row.profile_id or 0, ""),
                account=where,
                before={"status": before[row.pk]},
                after={"kind": row.kind, "key": row.key, "status": row.status},
                comment="the cause is gone",
            )
        )
