"""What the desks of delivered rows share; each desk loads once and writes once."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Model

from reconciliation.domain.audit import EventDraft
from reconciliation.models import ExchangeAccount, Profile


class Refused(ValueError):
    """A delivered row that cannot be taken; the text names the field and the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The account whose rows are judged, and when."""

    account: ExchangeAccount
    profiles: dict[str, Profile]
    now: datetime

    def profile(self, name: str) -> Profile:
        """Return the profile of the account by name; raises `Refused` for a stranger."""
        profile = self.profiles.get(name)
        if profile is None:
            known = ", ".join(sorted(self.profiles)) or "none"
            raise Refused(f"profile: {name!r} is not on account {self.account.name!r} ({known})")
        return profile

    def event(self, kind: str, row: Model, profile: Profile, after: object) -> EventDraft:
        """Return the event of a row that was taken and written."""
        return EventDraft(
            action=f"{kind}.delivered",
            object_type=kind,
            object_id=str(row.pk),
            profile=profile.name,
            account=self.account.name,
            after={"row": after},
        )
