"""Whose books are written."""

from dataclasses import dataclass, replace

from reconciliation.domain.audit import EventDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whose books are written."""

    account_id: int
    account_name: str
    profile_id: int
    profile_name: str

    def named(self, event: EventDraft) -> EventDraft:
        """Return an event with the names of profile and account."""
        return replace(event, profile=self.profile_name, account=self.account_name)
