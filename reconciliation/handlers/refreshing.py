"""A person asks for evidence to be read anew: recorded here, done by the job that sees it."""

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.people import Person
from reconciliation.enums import AuditOutcome, DecisionRefusal, Right, RunKind
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import ExchangeAccount


def ask_refresh(
    *,
    account: ExchangeAccount,
    job: RunKind,
    object_type: str,
    object_id: int,
    person: Person,
    conf: Conf,
    clock: Clock,
) -> DecisionRefusal | None:
    """Record who asked for a job of an account; return DENIED for who may not."""
    denied = not person.may(Right.REFRESH)
    said = f"{person.actor.name} may not read evidence anew" if denied else ""
    with transaction_unit(
        actor=person.actor,
        clock=clock,
        settings_hash=conf.hash(),
        request_id=person.request_id,
        ip=person.ip,
    ) as unit:
        unit.record(
            EventDraft(
                action="review.denied" if denied else "review.refresh_asked",
                outcome=AuditOutcome.DENIED if denied else AuditOutcome.APPLIED,
                object_type=object_type,
                object_id=str(object_id),
                account=account.name,
                after={"asked": "refresh", "job": job},
                reason_code=DecisionRefusal.DENIED.value if denied else "",
                comment=said,
            )
        )
    return DecisionRefusal.DENIED if denied else None
