"""What stands in the way of trading, and what a person is told of: pauses and escalations."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min

from reconciliation.enums import EscalationKind, PauseSource
from reconciliation.models import Escalation, Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPause:
    """A stop of a profile's entries that holds now."""

    profile_id: int
    profile: str
    source: PauseSource


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationGroup:
    """Unresolved escalations of a kind; `account_id` is None for those of the portal itself."""

    account_id: int | None
    kind: EscalationKind
    count: int
    oldest: datetime


def load_open_pauses() -> list[OpenPause]:
    """Return every open pause, by profile."""
    rows = Pause.objects.open().order_by("profile__name", "source")
    return [
        OpenPause(profile_id=profile_id, profile=profile, source=PauseSource(source))
        for profile_id, profile, source in rows.values_list("profile_id", "profile__name", "source")
    ]


def load_escalation_groups() -> list[EscalationGroup]:
    """Return the escalations that are not resolved, by account and kind."""
    rows = Escalation.objects.unresolved().order_by().values_list("account_id", "kind")
    return [
        EscalationGroup(
            account_id=account_id, kind=EscalationKind(kind), count=count, oldest=oldest
        )
        for account_id, kind, count, oldest in rows.annotate(Count("pk"), Min("opened_at"))
    ]
