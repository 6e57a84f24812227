"""A person stops a profile's trading, and lets it go on."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.people import Person
from reconciliation.enums import AuditOutcome, DecisionRefusal, PauseSource, Right
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import Pause, Profile
from reconciliation.selectors.watchdog import load_resume


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseOutcome:
    """What became of a person's word: `said` tells it in a sentence.

    `refusal` is None where it was not refused; `changed` is False where there was nothing to do.
    `sources` are those that stop the profile's trading now.
    """

    refusal: DecisionRefusal | None
    changed: bool
    sources: tuple[PauseSource, ...]
    said: str


def pause_profile(
    *, profile: Profile, person: Person, reason: str, clock: Clock, conf: Conf
) -> PauseOutcome:
    """Stop new entries of a profile by a person's word; one that holds already is left as it is.

    No lock is asked for: trading must be stopped also while something is being written.
    """
    reason = storable(reason.strip())
    with _unit(person, clock, conf) as unit:
        open_pauses = _lock_open(profile)
        if not person.may(Right.PAUSE):
            return _refuse(profile, person, DecisionRefusal.DENIED, "pause", unit, open_pauses)
        known = open_pauses.get(PauseSource.OPERATOR)
        if known is not None:
            said = f"{profile.name} is paused by {known.started_by} already"
            return _outcome(open_pauses, changed=False, said=said)
        pause = Pause.objects.create(
            profile=profile,
            source=PauseSource.OPERATOR,
            reason=reason,
            started_at=unit.now,
            started_by=person.actor.name,
        )
        unit.record(_event("pause.started", profile, pause, comment=reason))
        open_pauses[PauseSource.OPERATOR] = pause
        return _outcome(open_pauses, changed=True, said=f"{profile.name} is paused")


def resume_profile(
    *,
    profile: Profile,
    person: Person,
    reason: str,
    clock: Clock,
    conf: Conf,
    source: PauseSource = PauseSource.OPERATOR,
) -> PauseOutcome:
    """End a profile's pause of one source by a person's word; trading goes on when none holds.

    The watchdog's pause must be named and needs a reason; while its cause lasts, the next
    heartbeat pauses again.
    """
    reason = storable(reason.strip())
    with _unit(person, clock, conf) as unit:
        open_pauses = _lock_open(profile)
        if not person.may(Right.PAUSE):
            return _refuse(profile, person, DecisionRefusal.DENIED, "resume", unit, open_pauses)
        if source == PauseSource.PARITY_WATCHDOG and not reason:
            refusal = DecisionRefusal.REASON_NEEDED
            return _refuse(profile, person, refusal, "resume", unit, open_pauses)
        pause = open_pauses.pop(source, None)
        if pause is None:
            said = f"{profile.name} is not paused by {source}{_still_paused(open_pauses)}"
            return _outcome(open_pauses, changed=False, said=said)
        pause.ended_at, pause.ended_by, pause.end_reason = unit.now, person.actor.name, reason
        if source == PauseSource.PARITY_WATCHDOG:
            conditions = load_resume(pause, conf=conf, now=unit.now).as_data()
            pause.end_evidence = {"conditions": conditions}
        pause.save(update_fields=["ended_at", "ended_by", "end_reason", "end_evidence"])
        unit.record(
            _event(
                "pause.ended",
                profile,
                pause,
                after={"auto_resumed": False, **pause.end_evidence},
                comment=reason,
            )
        )
        said = f"the pause of {profile.name} by {source} is over{_still_paused(open_pauses)}"
        return _outcome(open_pauses, changed=True, said=said)


def _unit(person: Person, clock: Clock, conf: Conf) -> AbstractContextManager[Unit]:
    return transaction_unit(
        actor=person.actor,
        clock=clock,
        settings_hash=conf.hash(),
        request_id=person.request_id,
        ip=person.ip,
    )


def _lock_open(profile: Profile) -> dict[PauseSource, Pause]:
    """Return the open pauses of a profile by source; nobody else starts or ends one meanwhile."""
    Profile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    rows = Pause.objects.open().select_for_update(no_key=True).filter(profile=profile)
    return {PauseSource(row.source): row for row in rows.order_by("pk")}


def _refuse(
    profile: Profile,
    person: Person,
    refusal: DecisionRefusal,
    asked: str,
    unit: Unit,
    open_pauses: dict[PauseSource, Pause],
) -> PauseOutcome:
    """Record what was asked in vain; nothing else is written."""
    is_denied = refusal == DecisionRefusal.DENIED
    said = (
        f"{person.actor.name} may not {asked} trading"
        if is_denied
        else f"to lift the pause by {PauseSource.PARITY_WATCHDOG}, say why"
    )
    unit.record(
        EventDraft(
            action="pause.denied" if is_denied else "pause.refused",
            outcome=AuditOutcome.DENIED if is_denied else AuditOutcome.REFUSED,
            object_type="profile",
            object_id=str(profile.pk),
            profile=profile.name,
            account=profile.account.name,
            after={"asked": asked},
            reason_code=refusal.value,
            comment=said,
        )
    )
    return _outcome(open_pauses, changed=False, said=said, refusal=refusal)


def _event(
    action: str,
    profile: Profile,
    pause: Pause,
    *,
    comment: str,
    after: Mapping[str, object] | None = None,
) -> EventDraft:
    return EventDraft(
        action=action,
        object_type="pause",
        object_id=str(pause.pk),
        profile=profile.name,
        account=profile.account.name,
        before={"source": pause.source, "started_at": pause.started_at} if after else {},
        after={"source": pause.source, **(after or {})},
        comment=comment,
    )


def _still_paused(open_pauses: Mapping[PauseSource, Pause]) -> str:
    return f"; it is still paused by {', '.join(open_pauses)}" if open_pauses else ""


def _outcome(
    open_pauses: Mapping[PauseSource, Pause],
    *,
    changed: bool,
    said: str,
    refusal: DecisionRefusal | None = None,
) -> PauseOutcome:
    sources = tuple(source for source in PauseSource if source in open_pauses)
    return PauseOutcome(refusal=refusal, changed=changed, sources=sources, said=said)
