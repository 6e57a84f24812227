"""Which settings were in force from when on: an event when a process starts with other ones."""

import json
from collections.abc import Mapping

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import EventDraft, system_actor
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import AuditEvent, AuditHead

ACTION = "settings.changed"


def note_settings(*, conf: Conf, clock: Clock, process: str) -> bool:
    """Record the settings in force where they are not those of the newest such event.

    Processes that start at once write one event: each looks again once it holds the chain's end.
    Returns whether this one wrote it.
    """
    values = conf.as_text()
    if _known() == values:
        return False
    actor = system_actor(process)
    with transaction_unit(actor=actor, clock=clock, settings_hash=conf.hash()) as unit:
        # Nothing else is locked in here, so that the chain's end may be locked first.
        list(AuditHead.objects.select_for_update(no_key=True).values_list("pk"))
        before = _known()
        if before == values:
            return False
        unit.record(
            EventDraft(
                action=ACTION,
                object_type="settings",
                before=before or {},
                after=values,
                comment="" if before is not None else "the first settings that were seen",
            )
        )
    return True


def _known() -> Mapping[str, str] | None:
    newest = AuditEvent.objects.filter(action=ACTION).order_by("-sequence")
    payload = newest.values_list("payload", flat=True).first()
    if payload is None:
        return None
    try:
        after: Mapping[str, str] = json.loads(payload)["after"]
    except (ValueError, KeyError, TypeError, RecursionError):
        # Somebody wrote over it: a verification tells of that, and a process starts all the same.
        return {}
    return after if isinstance(after, dict) else {}
