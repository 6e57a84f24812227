"""What people ask the workers to do: asked for here, done there, told of as it goes.

That somebody asked, or was denied, is an audit event. How far a worker is with it is no state of
the books: those writes need no event and no unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.people import Person
from reconciliation.enums import (
    ENDED_ERRAND_STATUSES,
    AuditOutcome,
    DecisionRefusal,
    ErrandKind,
    ErrandStatus,
    Right,
)
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import Errand, ExchangeAccount

RIGHT_FOR: Mapping[ErrandKind, Right] = {
    ErrandKind.RECONCILE: Right.REFRESH,
    ErrandKind.HEARTBEAT: Right.REFRESH,
    ErrandKind.CHECK_ACCOUNT: Right.SET_UP,
    ErrandKind.VERIFY_AUDIT: Right.EXPORT,
}
SILENT_FOR = timedelta(seconds=120)
"""A worker that does an errand is heard of more often; after this its errand can be asked anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of asking. `errand` is None where it was refused; `is_new` is False where the
    same errand was under way already, and that one is returned."""

    said: str
    errand: Errand | None = None
    is_new: bool = False
    refusal: DecisionRefusal | None = None


def ask_errand(
    *,
    kind: ErrandKind,
    account: ExchangeAccount | None,
    person: Person,
    conf: Conf,
    clock: Clock,
) -> Asked:
    """Record that a person asks for something; whoever calls queues the task of a new errand.

    A second press while the first is under way asks for nothing new.
    """
    words = f"{kind.label.lower()}{'' if account is None else f' of {account.name}'}"
    with transaction_unit(
        actor=person.actor,
        clock=clock,
        settings_hash=conf.hash(),
        request_id=person.request_id,
        ip=person.ip,
    ) as unit:
        if account is not None:
            # Two presses at once: the second waits, and finds the errand of the first.
            locked = ExchangeAccount.objects.select_for_update(no_key=True).filter(pk=account.pk)
            list(locked.values_list("pk"))
        known = (
            Errand.objects.under_way()
            .filter(_heard_of(unit.now), kind=kind, account=account)
            .first()
        )
        denied = not person.may(RIGHT_FOR[kind])
        errand = None
        if not denied and known is None:
            errand = Errand.objects.create(
                kind=kind,
                status=ErrandStatus.ASKED,
                account=account,
                asked_by=person.actor.name,
                asked_at=unit.now,
            )
        if denied or known is None:
            unit.record(
                EventDraft(
                    action="errand.asked",
                    outcome=AuditOutcome.DENIED if denied else AuditOutcome.APPLIED,
                    object_type="errand" if errand is not None else "",
                    object_id="" if errand is None else str(errand.pk),
                    account="" if account is None else account.name,
                    after={"kind": kind},
                    reason_code=DecisionRefusal.DENIED.value if denied else "",
                )
            )
    if denied:
        said = f"{person.actor.name} may not ask for the {words}"
        return Asked(refusal=DecisionRefusal.DENIED, said=said)
    if known is not None:
        return Asked(errand=known, said=f"the {words} was asked for already and is under way")
    return Asked(errand=errand, is_new=True, said=f"the {words} was asked for")


def schedule_errand(
    *, kind: ErrandKind, asked_by: str, every: timedelta, clock: Clock
) -> Errand | None:
    """Return the errand that a schedule's task has to do now: a new one, or one left lying.

    None where a worker is at one, or the last one ended less than half an interval ago: a task of
    a schedule may come twice. Nobody asked for it, so nothing but this row tells of it.
    """
    now = clock.now()
    last = Errand.objects.filter(kind=kind, account=None).first()
    if last is not None and last.status not in ENDED_ERRAND_STATUSES:
        heard = Errand.objects.filter(_heard_of(now), pk=last.pk).exists()
        return None if heard else last
    if last is not None and last.finished_at is not None and now - last.finished_at < every / 2:
        return None
    return Errand.objects.create(
        kind=kind, status=ErrandStatus.ASKED, asked_by=asked_by, asked_at=now
    )


def start_errand(*, errand_id: int, clock: Clock) -> Errand | None:
    """Take an errand up; None where it has ended, or another worker is at it."""
    now = clock.now()
    taken = Errand.objects.filter(pk=errand_id, status=ErrandStatus.ASKED).update(
        status=ErrandStatus.RUNNING, started_at=Coalesce("started_at", Value(now)), seen_at=now
    ) or Errand.objects.filter(
        pk=errand_id, status=ErrandStatus.RUNNING, seen_at__lt=now - SILENT_FOR
    ).update(seen_at=now)
    return Errand.objects.select_related("account").get(pk=errand_id) if taken else None


def tell_errand(
    *,
    errand_id: int,
    clock: Clock,
    step: str,
    done: int | None = None,
    total: int | None = None,
    run_id: int | None = None,
) -> None:
    """Say how far an errand is; one statement, outside any transaction of its work."""
    values: dict[str, Any] = {"step": storable(step), "seen_at": clock.now()}
    values |= {"done": done, "total": total}
    if run_id is not None:
        values["run_id"] = run_id
    Errand.objects.filter(pk=errand_id, status=ErrandStatus.RUNNING).update(**values)


def put_down_errand(*, errand_id: int, clock: Clock, result: Mapping[str, Any]) -> bool:
    """Let another task go on with an errand; `result` is where it has to. False: it has ended.

    Whoever calls queues that task in the same transaction. Until it comes the errand waits for a
    worker, as in the beginning.
    """
    taken = Errand.objects.filter(pk=errand_id, status=ErrandStatus.RUNNING)
    put = taken.update(status=ErrandStatus.ASKED, seen_at=clock.now(), result=dict(result))
    return bool(put)


def _heard_of(now: datetime) -> Q:
    """Return the condition that an errand was asked for, or its worker heard of, a while ago."""
    return Q(asked_at__gt=now - SILENT_FOR) | Q(seen_at__gt=now - SILENT_FOR)


def end_errand(
    *,
    errand_id: int,
    clock: Clock,
    is_done: bool,
    says: str,
    result: Mapping[str, Any] | None = None,
    run_id: int | None = None,
) -> None:
    """Say what an errand came to; one that has ended already is left as it is."""
    values: dict[str, Any] = {
        "status": ErrandStatus.DONE if is_done else ErrandStatus.FAILED,
        "finished_at": clock.now(),
        "says": storable(says),
        "result": storable(dict(result or {})),
    }
    if run_id is not None:
        values["run_id"] = run_id
    Errand.objects.filter(pk=errand_id).exclude(status__in=ENDED_ERRAND_STATUSES).update(**values)
