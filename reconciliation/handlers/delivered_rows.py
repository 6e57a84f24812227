"""What the desks of delivered rows share; each desk loads once and writes once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Model

from reconciliation.domain.audit import EventDraft
from reconciliation.domain.id_patterns import ClientOrderIdPattern
from reconciliation.models import ExchangeAccount, Profile


class Refused(ValueError):
    """A delivered row that cannot be taken; the text names the field and the fix."""


class OutOfScope(Refused):
    """A delivered row that speaks of a profile which is not the deliverer's.

    The text says nothing of the other profile but that there is one.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The account whose rows are judged, and when.

    `foreign` are the profiles of the account, by key, that this delivery may not speak of.
    """

    account: ExchangeAccount
    profiles: dict[str, Profile]
    now: datetime
    foreign: Mapping[int, Profile] = field(default_factory=dict)
    client_order_ids: ClientOrderIdPattern | None = None

    def profile(self, name: str) -> Profile:
        """Return the profile of the account by name; raises `Refused` for a stranger."""
        profile = self.profiles.get(name)
        if self.foreign and (profile is None or profile.pk in self.foreign):
            own = ", ".join(sorted(self.profiles.keys() - {p.name for p in self.foreign.values()}))
            raise OutOfScope(f"profile: {name!r} is outside the scope of this delivery ({own})")
        if profile is None:
            known = ", ".join(sorted(self.profiles)) or "none"
            raise Refused(f"profile: {name!r} is not on account {self.account.name!r} ({known})")
        return profile

    def refuse_foreign(self, profile_id: int | None, what: str) -> None:
        """Raise `OutOfScope` where a profile is foreign; `what` names the field and its value."""
        if profile_id in self.foreign:
            raise OutOfScope(f"{what} is of another profile, outside the scope of this delivery")

    def refuse_foreign_tag(self, sub_tag: str | None) -> None:
        """Raise `OutOfScope` for the sub tag of a foreign profile."""
        for profile in self.foreign.values():
            if profile.sub_tag == sub_tag:
                self.refuse_foreign(profile.pk, f"sub_tag: {sub_tag!r}")

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
