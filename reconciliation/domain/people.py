"""A person who acts, with what he may do: all that a decision needs to know of him."""

from dataclasses import dataclass

from reconciliation.domain.audit import Actor
from reconciliation.enums import Right


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who acts, which rights he has at that moment, and from where he asked."""

    actor: Actor
    rights: frozenset[Right]
    request_id: str = ""
    ip: str = ""

    def may(self, right: Right) -> bool:
        """Return whether the person has a right."""
        return right in self.rights
