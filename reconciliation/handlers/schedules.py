"""A job is switched off and on: by a person on its page, or behind the portal's back.

While a job is off divergence only grows. So whoever does it says why, everybody is told by an
escalation, and a restart of the portal switches it on again.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from django_q.models import Schedule

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.escalations import Cause, plan_escalations
from reconciliation.domain.people import Person
from reconciliation.enums import AuditOutcome, DecisionRefusal, EscalationKind, Right
from reconciliation.handlers.escalations import write_escalations
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.selectors.causes import load_open_escalations

KIND = EscalationKind.SCHEDULE_DISABLED
MAY_BE_OFF = ("reconcile", "heartbeat")
"""The third job, `watch`, is what tells a person that the others stand still."""
_FOR_EVER, _NEVER = -1, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """What came of asking: `said` tells it; `refusal` is None where it was not refused."""

    said: str
    changed: bool = False
    refusal: DecisionRefusal | None = None


def switch_schedule_off(
    *, schedule: str, person: Person, reason: str, clock: Clock, conf: Conf
) -> Switched:
    """Let a job recur no more by a person's word, and tell everybody."""
    reason = storable(reason.strip())
    with _unit(person, clock, conf) as unit:
        row = _lock(schedule)
        refused = _refusal(row, person, reason, "off")
        if refused is not None or row is None:
            return _refuse(schedule, person, refused, "off", unit)
        if row.repeats == _NEVER:
            return Switched(said=f"{schedule} is off already")
        row.repeats = _NEVER
        row.save(update_fields=["repeats"])
        unit.record(_event("schedule.disabled", schedule, is_on=False, comment=reason))
        by = person.actor.name
        says = f"{schedule} was switched off by {by}: {reason}"
        _sync([_cause(schedule, says, by=by, reason=reason)], unit, of=schedule)
    return Switched(said=f"{schedule} is switched off", changed=True)


def switch_schedule_on(
    *, schedule: str, person: Person, reason: str, clock: Clock, conf: Conf
) -> Switched:
    """Let a job recur again, from now on."""
    reason = storable(reason.strip())
    with _unit(person, clock, conf) as unit:
        row = _lock(schedule)
        refused = _refusal(row, person, reason, "on")
        if refused is not None or row is None:
            return _refuse(schedule, person, refused, "on", unit)
        if row.repeats != _NEVER:
            return Switched(said=f"{schedule} is on already")
        row.repeats, row.next_run = _FOR_EVER, unit.now
        row.save(update_fields=["repeats", "next_run"])
        unit.record(_event("schedule.enabled", schedule, is_on=True, comment=reason))
        _sync([], unit, of=schedule)
    return Switched(said=f"{schedule} is switched on", changed=True)


def note_schedules(
    *, off: Mapping[str, str], clock: Clock, actor: Actor, settings_hash: str = ""
) -> None:
    """Tell of schedules that are found off, and of those that are on again.

    `off` are all that are off now by name, with how each was found. One that a person switched off
    has its escalation already; of one that nobody did here this is the first that is heard.
    """
    causes = [
        _cause(name, f"{name} was switched off behind the portal's back: {how}", by="", reason=how)
        for name, how in off.items()
    ]
    plan = plan_escalations(open_before=load_open_escalations(None), causes=causes, judged=(KIND,))
    if not plan.changes_state:
        return
    with transaction_unit(actor=actor, clock=clock, settings_hash=settings_hash) as unit:
        names = _lock_all()
        plan = plan_escalations(
            open_before=load_open_escalations(None), causes=causes, judged=(KIND,)
        )
        for cause in plan.new:
            name = str(cause.detail["schedule"])
            how = str(cause.detail["reason"])
            unit.record(_event("schedule.disabled", name, is_on=False, comment=how))
        for each in plan.gone:
            name = each.key.rpartition(" ")[2]
            how = "it recurs again" if name in names else "it is made anew"
            unit.record(_event("schedule.enabled", name, is_on=True, comment=how))
        write_escalations(plan, account=None, run_id=None, unit=unit)


def _unit(person: Person, clock: Clock, conf: Conf) -> AbstractContextManager[Unit]:
    return transaction_unit(
        actor=person.actor,
        clock=clock,
        settings_hash=conf.hash(),
        request_id=person.request_id,
        ip=person.ip,
    )


def _lock(name: str) -> Schedule | None:
    """Return a schedule; a scheduler that is at work never writes an old one back."""
    rows = Schedule.objects.select_for_update(no_key=True).filter(name=name)
    return rows.order_by("pk").first()


def _lock_all() -> set[str]:
    rows = Schedule.objects.select_for_update(no_key=True).order_by("pk")
    return {str(name) for name in rows.values_list("name", flat=True)}


def _cause(name: str, says: str, *, by: str, reason: str) -> Cause:
    return Cause(
        kind=KIND,
        about=f"schedule {name}",
        says=says,
        detail={"schedule": name, "by": by, "reason": reason},
    )


def _sync(causes: list[Cause], unit: Unit, *, of: str) -> None:
    """Open or resolve the escalation of one schedule; those of others stay as they are."""
    about = f"{KIND} schedule {of}"
    before = [each for each in load_open_escalations(None) if each.key == about]
    plan = plan_escalations(open_before=before, causes=causes, judged=(KIND,))
    write_escalations(plan, account=None, run_id=None, unit=unit)


def _refusal(
    row: Schedule | None, person: Person, reason: str, word: str
) -> DecisionRefusal | None:
    if not person.may(Right.SET_UP):
        return DecisionRefusal.DENIED
    if row is None or (word == "off" and row.name not in MAY_BE_OFF):
        return DecisionRefusal.UNKNOWN_ITEM
    return None if reason else DecisionRefusal.REASON_NEEDED


def _refuse(
    schedule: str, person: Person, refusal: DecisionRefusal | None, word: str, unit: Unit
) -> Switched:
    """Record what was asked in vain; nothing else is written."""
    code = refusal or DecisionRefusal.UNKNOWN_ITEM
    said = {
        DecisionRefusal.DENIED: f"{person.actor.name} may not switch jobs {word}",
        DecisionRefusal.REASON_NEEDED: "say why",
    }.get(code, f"{schedule} cannot be switched {word}")
    is_denied = code == DecisionRefusal.DENIED
    action = "schedule.disabled" if word == "off" else "schedule.enabled"
    unit.record(
        EventDraft(
            action=action,
            outcome=AuditOutcome.DENIED if is_denied else AuditOutcome.REFUSED,
            object_type="schedule",
            object_id=storable(schedule)[:100],
            reason_code=code.value,
            comment=said,
        )
    )
    return Switched(said=said, refusal=code)


def _event(action: str, name: str, *, is_on: bool, comment: str) -> EventDraft:
    return EventDraft(
        action=action,
        object_type="schedule",
        object_id=name,
        before={"on": not is_on},
        after={"on": is_on},
        comment=comment,
    )
