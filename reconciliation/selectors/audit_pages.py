"""Audit events a page at a time: by key, newest first, each by an index, never counted to the end.

A page is asked for by the sequence that it comes after or before: an offset would read all that it
leaves out, and would show a row twice when events are added meanwhile.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from django.db.models import Q, QuerySet

from reconciliation.domain.audit_filter import AuditFilter
from reconciliation.models import (
    AuditEvent,
    BackfillCandidate,
    Decision,
    Mismatch,
    Order,
    ReviewItem,
    Trade,
)
from reconciliation.selectors.audit import filtered_events, load_head

PAGE = 50
COUNTED_TO = 10_000
# Of one kind, of one trade: what is beyond is left out of its timeline, which then says so.
MOST_OBJECTS = 300
# Of one user; each is a statement.
MOST_NAMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page begins: with what is older than a sequence, newer than one, or the newest."""

    older_than: int | None = None
    newer_than: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events, newest first; `older` and `newer` lead on from them, None where nothing follows."""

    events: Sequence[AuditEvent]
    older: Cursor | None = None
    newer: Cursor | None = None


def load_page(asked: AuditFilter, cursor: Cursor) -> EventPage:
    """Return one page of the events that a filter asks for, without their payloads.

    A filter that only names moments is answered in the order of moments, which its index has.
    """
    found = filtered_events(asked).defer("payload")
    names_moments = asked.since is not None or asked.until is not None
    is_by_time = names_moments and replace(asked, since=None, until=None) == AuditFilter()
    return _page([found], cursor, is_by_time=is_by_time)


def load_count(asked: AuditFilter) -> int:
    """Return how many events a filter asks for; `COUNTED_TO` + 1 stands for more than that."""
    if asked == AuditFilter():
        # The chain has no gap: its end is its count.
        head = load_head()
        return 0 if head is None else head.sequence
    return filtered_events(asked).order_by()[: COUNTED_TO + 1].count()


def load_merged(conditions: Iterable[Q], cursor: Cursor) -> EventPage:
    """Return one page of the events that any of some conditions names: a statement each."""
    found = [AuditEvent.objects.filter(each).order_by("-sequence") for each in conditions]
    return _page(found, cursor)


def named(word: str, ids: Iterable[int | str]) -> Q:
    """Return the condition that an event's object is one of some of a kind."""
    return Q(object_type=word, object_id__in=[str(each) for each in ids])


def conditions_of_trade(trade: Trade) -> tuple[list[Q], bool]:
    """Return what names a trade or what belongs to it, and whether some had to be left out."""
    reviews = _ids(ReviewItem.objects.filter(trade=trade))
    candidates = _ids(BackfillCandidate.objects.filter(trade=trade))
    mismatches = _ids(Mismatch.objects.filter(trade=trade))
    found = {
        "trade": [trade.pk],
        "order": _ids(Order.objects.filter(trade=trade)),
        "mismatch": mismatches,
        "review": reviews,
        "backfill": candidates,
        # A statement each: together they could use no index.
        "decision": [
            *_ids(Decision.objects.filter(review__in=reviews)),
            *_ids(Decision.objects.filter(candidate__in=candidates)),
            *_ids(Decision.objects.filter(mismatch__in=mismatches)),
        ],
    }
    is_cut = any(len(ids) >= MOST_OBJECTS for ids in found.values())
    return [named(word, ids) for word, ids in found.items() if ids], is_cut


def conditions_of_order(order: Order) -> tuple[list[Q], bool]:
    """Return what names an order or one of its mismatches, and whether some had to be left out."""
    mismatches = _ids(Mismatch.objects.filter(order=order))
    conditions = [named("order", [order.pk]), named("mismatch", mismatches)]
    return conditions, len(mismatches) >= MOST_OBJECTS


def names_of_user(pk: int) -> tuple[str, ...]:
    """Return the names that a user had, as the trail tells of them, the newest first.

    Empty where no event is of that user.
    """
    told = AuditEvent.objects.filter(object_type="user", object_id=str(pk))
    found: dict[str, None] = {}
    for action in ("user.deleted", "user.changed", "user.created", "user.logged_in"):
        most = MOST_OBJECTS if action == "user.changed" else 1
        newest = told.filter(action=action).order_by("-sequence")
        for payload in newest.values_list("payload", flat=True)[:most]:
            for name in _user_names(payload):
                found.setdefault(name)
    return tuple(found)[:MOST_NAMES]


def _user_names(payload: str) -> list[str]:
    try:
        said = json.loads(payload)
        states = (said["after"], said["before"])
        names = [state.get("username") or state.get("name") for state in states]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []  # somebody wrote over it
    return [name for name in names if name and isinstance(name, str)]


def conditions_of_user(pk: int, names: Iterable[str]) -> list[Q]:
    """Return what was done by a user under any of some names, or to the user.

    Another user who had a name before, or has it since, is not this one; who was not let in under
    a name has no id.
    """
    own = [Q(actor_name=name, actor_type="user", actor_id__in=[str(pk), ""]) for name in names]
    return [*own, named("user", [pk])]


def _ids(rows: QuerySet[Any]) -> list[int]:
    return list(rows.order_by("-pk").values_list("pk", flat=True)[:MOST_OBJECTS])


def _page(
    found: Sequence[QuerySet[AuditEvent]], cursor: Cursor, *, is_by_time: bool = False
) -> EventPage:
    """Read a page and one row more of each query; whether there is more needs no count."""
    if cursor.newer_than is not None:
        rows = _rows(found, cursor, is_by_time=is_by_time)
        if len(rows) <= PAGE:
            # Less than a page is newer: the newest page shows it, and some older ones below it.
            return _page(found, Cursor(), is_by_time=is_by_time)
        events = rows[:PAGE][::-1]
        has_newer, has_older = True, True
    else:
        rows = _rows(found, cursor, is_by_time=is_by_time)
        events = rows[:PAGE]
        has_newer, has_older = cursor.older_than is not None, len(rows) > PAGE
    if not events:
        return EventPage(events=[], newer=Cursor(newer_than=0) if has_newer else None)
    return EventPage(
        events=events,
        older=Cursor(older_than=events[-1].sequence) if has_older else None,
        newer=Cursor(newer_than=events[0].sequence) if has_newer else None,
    )


def _rows(
    found: Sequence[QuerySet[AuditEvent]], cursor: Cursor, *, is_by_time: bool
) -> list[AuditEvent]:
    """Return up to a page and a row: newest first, oldest first for what is newer than a row."""
    is_upwards = cursor.newer_than is not None
    names = ("occurred_at", "sequence") if is_by_time else ("sequence",)
    order = [name if is_upwards else f"-{name}" for name in names]
    merged: dict[int, AuditEvent] = {}
    for each in found:
        rows = _beyond(each, cursor, is_by_time=is_by_time).order_by(*order)[: PAGE + 1]
        merged |= {event.sequence: event for event in rows}
    in_order = sorted(
        merged.values(),
        key=lambda event: (event.occurred_at, event.sequence) if is_by_time else (event.sequence,),
        reverse=not is_upwards,
    )
    return list(islice(in_order, PAGE + 1))


def _beyond(
    rows: QuerySet[AuditEvent], cursor: Cursor, *, is_by_time: bool
) -> QuerySet[AuditEvent]:
    sequence = cursor.newer_than if cursor.newer_than is not None else cursor.older_than
    if sequence is None:
        return rows
    verb = "gt" if cursor.newer_than is not None else "lt"
    if not is_by_time:
        return rows.filter(**{f"sequence__{verb}": sequence})
    at = AuditEvent.objects.filter(pk=sequence).values_list("occurred_at", flat=True).first()
    if at is None:
        return rows
    # The first condition is the range of the index, the second what is left of the same moment.
    return rows.filter(**{f"occurred_at__{verb}e": at}).exclude(
        Q(occurred_at=at) & ~Q(**{f"sequence__{verb}": sequence})
    )
