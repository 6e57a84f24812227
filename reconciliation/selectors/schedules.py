"""Which jobs a person has switched off."""

from reconciliation.enums import EscalationKind
from reconciliation.models import Escalation


def switched_off() -> dict[str, str]:
    """Return the schedules that a person switched off on their page, with who did it.

    The open escalation is the record of it: it ends when the schedule is on again. One that was
    found off, and nobody switched off here, is none of them.
    """
    rows = Escalation.objects.unresolved().filter(kind=EscalationKind.SCHEDULE_DISABLED)
    found = {}
    for detail in rows.order_by("pk").values_list("detail", flat=True):
        if detail.get("by"):
            found[str(detail.get("schedule", ""))] = str(detail["by"])
    return found
