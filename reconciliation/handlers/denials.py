"""Who was not let to a page: an event, where nothing else has told of it."""

from datetime import timedelta

from reconciliation.clock import Clock
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.people import Person
from reconciliation.enums import AuditOutcome
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import AuditEvent

# Of one user: who tries on and on must neither fill the trail nor keep others from its end.
MOST_DENIALS_A_MINUTE = 10
_MINUTE = timedelta(minutes=1)
_DENIED = "page.denied"
_LONGEST_PATH = 200


def record_page_denied(
    *, person: Person, method: str, path: str, clock: Clock, settings_hash: str
) -> bool:
    """Record that a logged-in person was answered 403.

    Returns False, and records nothing, once that happened `MOST_DENIALS_A_MINUTE` times.
    """
    own = AuditEvent.objects.filter(action=_DENIED, object_type="user", object_id=person.actor.id)
    newest = list(
        own.order_by("-sequence").values_list("occurred_at", flat=True)[:MOST_DENIALS_A_MINUTE]
    )
    if len(newest) == MOST_DENIALS_A_MINUTE and abs(clock.now() - newest[-1]) < _MINUTE:
        return False
    with transaction_unit(
        actor=person.actor,
        clock=clock,
        settings_hash=settings_hash,
        request_id=person.request_id,
        ip=person.ip,
    ) as unit:
        unit.record(
            EventDraft(
                action=_DENIED,
                outcome=AuditOutcome.DENIED,
                object_type="user",
                object_id=person.actor.id,
                after={"asked": storable(f"{method} {path[:_LONGEST_PATH]}")},
            )
        )
    return True
