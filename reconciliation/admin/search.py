"""Exact search: one term, looked up in indexes, never scanned for.

Each function returns a lookup: given the term, a condition, or None where the term cannot be that
kind of thing. Unique ids are indexed behind their account, so a lookup names all accounts (there
are few) for the index to be used.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from reconciliation.models import ExchangeAccount, Profile

Lookup = Callable[[str], Q | None]
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_MATCHES_FOLLOWED = 1_000


def by_text(field: str, *, shaped: str = "") -> Lookup:
    """Look a text column up as it stands: upper and lower case are different ids.

    `shaped` is what its texts look like, so that a term that cannot be one is not looked up.
    """
    shape = re.compile(shaped or r".*", re.ASCII | re.DOTALL)
    return lambda term: Q(**{field: term}) if shape.fullmatch(term) else None


def by_account_and_text(field: str) -> Lookup:
    """Look up a column whose index begins with the account."""
    return lambda term: Q(
        account__in=list(ExchangeAccount.objects.values_list("pk", flat=True)), **{field: term}
    )


def by_profile_and_text(field: str) -> Lookup:
    """Look up a column whose index begins with the profile."""
    return lambda term: Q(
        profile__in=list(Profile.objects.values_list("pk", flat=True)), **{field: term}
    )


def by_number(field: str = "pk") -> Lookup:
    """Look up a number, which may be written with a leading #."""

    def condition(term: str) -> Q | None:
        digits = term.removeprefix("#")
        return Q(**{field: int(digits)}) if _NUMBER.fullmatch(digits) else None

    return condition


def by_uuid(field: str) -> Lookup:
    """Look up a UUID."""

    def condition(term: str) -> Q | None:
        try:
            return Q(**{field: UUID(term)})
        except ValueError:
            return None

    return condition


def through(field: str, model: type[Model], *lookups: Lookup) -> Lookup:
    """Look up rows of a related model first: an OR across a join would use no index."""

    def condition(term: str) -> Q | None:
        found = matching(model._default_manager.all(), term, lookups)
        keys = list(found.values_list("pk", flat=True)[:_MATCHES_FOLLOWED])
        return Q(**{f"{field}__in": keys}) if keys else None

    return condition


def matching(queryset: QuerySet[Any], term: str, lookups: Sequence[Lookup]) -> QuerySet[Any]:
    """Return the rows that any of the lookups finds."""
    conditions = [found for lookup in lookups if (found := lookup(term)) is not None]
    if not conditions:
        return queryset.none()
    anything = conditions[0]
    for condition in conditions[1:]:
        anything |= condition
    return queryset.filter(anything)
