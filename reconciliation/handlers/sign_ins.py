"""Who came, who was not let in, who left, and whose groups changed: each is an audit event.

The names in here are what somebody typed: cut to fit, and never a reason to fail.
"""

import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from reconciliation.clock import Clock
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.enums import ActorType, AuditOutcome
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit, current_unit, transaction_unit
from reconciliation.models import AuditEvent

logger = logging.getLogger(__name__)

# Somebody who tries one password after another says nothing new, and must neither fill the audit
# trail nor keep others waiting for its head; nor must one who changes the name each time.
MOST_FAILURES_A_MINUTE = 10
MOST_FAILURES_A_MINUTE_IN_ALL = 100
NAME_LENGTH = 150
_MINUTE = timedelta(minutes=1)
_FAILED, _ATTEMPT = "user.login_failed", "login_attempt"


def record_login(*, actor: Actor, clock: Clock, settings_hash: str, ip: str) -> None:
    """Record that a user logged in."""
    _record(_of_user("user.logged_in", actor), actor, clock, settings_hash, ip)


def record_logout(*, actor: Actor, clock: Clock, settings_hash: str, ip: str) -> None:
    """Record that a user logged out."""
    _record(_of_user("user.logged_out", actor), actor, clock, settings_hash, ip)


def record_failed_login(*, name: str, clock: Clock, settings_hash: str, ip: str) -> bool:
    """Record that somebody was not let in under the name that he typed.

    Returns False, and only logs, once that happened `MOST_FAILURES_A_MINUTE` times to that name
    from that address, or `MOST_FAILURES_A_MINUTE_IN_ALL` times in all.
    """
    typed = _cut(name)
    attempt = hashlib.sha256(f"{typed}\n{ip}".encode()).hexdigest()[:32]
    now = clock.now()
    if _too_many(MOST_FAILURES_A_MINUTE, now, object_type=_ATTEMPT, object_id=attempt) or _too_many(
        MOST_FAILURES_A_MINUTE_IN_ALL, now
    ):
        logger.warning("a login as %r from %s failed again", typed, ip)
        return False
    event = EventDraft(
        action=_FAILED,
        outcome=AuditOutcome.DENIED,
        object_type=_ATTEMPT,
        object_id=attempt,
        after={"name": typed},
        comment="the name or the password is wrong, or the user is not active",
    )
    nobody = Actor(type=ActorType.USER, id="", name=typed or "anonymous")
    _record(event, nobody, clock, settings_hash, ip)
    return True


def record_groups(
    *,
    actor: Actor,
    user: Actor,
    before: Sequence[str],
    clock: Clock,
    settings_hash: str,
    ip: str,
) -> None:
    """Record that a user's groups became `user.groups`, in the transaction that changed them."""
    event = EventDraft(
        action="user.groups_changed",
        object_type="user",
        object_id=user.id,
        before={"groups": sorted(before)},
        after={"name": _cut(user.name), "groups": sorted(user.groups)},
    )
    _record(event, actor, clock, settings_hash, ip)


def _of_user(action: str, actor: Actor) -> EventDraft:
    return EventDraft(
        action=action, object_type="user", object_id=actor.id, after={"name": _cut(actor.name)}
    )


def _record(event: EventDraft, actor: Actor, clock: Clock, settings_hash: str, ip: str) -> None:
    """Record in the unit that is open, or in one that joins what transaction there is."""
    unit: Unit | None = current_unit()
    if unit is not None:
        unit.record(event)
        return
    with transaction_unit(
        actor=Actor(type=actor.type, id=actor.id, name=_cut(actor.name), groups=actor.groups),
        clock=clock,
        settings_hash=settings_hash,
        ip=str(storable(ip)),
        durable=False,
    ) as unit:
        unit.record(event)


def _too_many(most: int, now: datetime, **of: str) -> bool:
    events = AuditEvent.objects.filter(action=_FAILED, **of).order_by("-sequence")
    newest = list(events.values_list("occurred_at", flat=True)[:most])
    return len(newest) == most and abs(now - newest[-1]) < _MINUTE


def _cut(name: str) -> str:
    return str(storable(name))[:NAME_LENGTH]
