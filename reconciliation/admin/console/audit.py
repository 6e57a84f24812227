"""The audit trail as compliance reads it: filtered, a page at a time, by an address to be kept."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_safe

from reconciliation.admin import audit_words, display, tables
from reconciliation.admin.audit_urls import explorer_url, export_url
from reconciliation.admin.audit_verdict import verdict_context
from reconciliation.admin.base import may_view
from reconciliation.admin.console.pages import ConsolePage, render
from reconciliation.admin.links import link_to, object_url
from reconciliation.admin.objects import audit_words_known
from reconciliation.domain.audit_actions import ACTIONS
from reconciliation.domain.audit_filter import ANY_OF, AuditFilter, parse_filter
from reconciliation.enums import AuditOutcome
from reconciliation.models import AuditEvent, ExchangeAccount, Profile, Run
from reconciliation.selectors.audit_pages import (
    COUNTED_TO,
    Cursor,
    EventPage,
    load_count,
    load_page,
)

MOST_SUGGESTED = 200
HEADINGS = (
    "Sequence",
    "Time (UTC)",
    "Actor",
    "Action",
    "Outcome",
    "Object",
    "Profile",
    "Account",
    "Run",
)
_CURSORS = {"older_than": "older_than", "newer_than": "newer_than"}
_FIND = "q"
_NUMBER = re.compile(r"[0-9]{1,18}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One condition as the form shows it: what is typed, what could be, what is wrong with it."""

    name: str
    label: str
    value: str
    help: str = ""
    fault: str = ""
    suggestions: Sequence[str] = ()
    choices: Sequence[str] = ()


@require_safe
def explorer(request: HttpRequest) -> HttpResponse:
    """Show the events that the address asks for; whoever may look at events may look."""
    require_view(request)
    given = _given(request)
    if _FIND in given:
        found = _find(given[_FIND].strip())
        if found is not None:
            return HttpResponseRedirect(object_url(AuditEvent, found))
    asked, faults = parse_filter(given)
    cursor, cursor_faults = _cursor(given)
    faults |= cursor_faults | _strangers(given)
    page = EventPage(events=[]) if faults else load_page(asked, cursor)
    count = 0 if faults else load_count(asked)
    conditions = asked.as_text()
    return render(
        request,
        title="Audit trail",
        template="admin/console/audit.html",
        fields=_fields(given, faults),
        find=given.get(_FIND, ""),
        find_fault=faults.pop(_FIND, ""),
        # What has no field of its own is said on top.
        stray_faults=[text for name, text in faults.items() if name not in _LABELS],
        is_faulty=bool(faults) or _FIND in given,
        is_filtered=bool(conditions),
        headings=HEADINGS,
        rows=[row_of(event) for event in page.events],
        count=counted(count, is_whole=not conditions),
        empty=_empty(is_filtered=bool(conditions), is_beyond=bool(cursor_faults or page.newer)),
        clear_url=explorer_url(),
        export_url=export_url(conditions),
        **page_links(page, conditions),
        **verdict_context(request),
    )


def require_view(request: HttpRequest) -> None:
    """Raise PermissionDenied for whoever may not look at audit events."""
    if not may_view(request, AuditEvent):
        raise PermissionDenied


def page_links(page: EventPage, conditions: Mapping[str, object]) -> dict[str, Any]:
    """Return the addresses of the pages before and after, relative to the page itself."""
    start = explorer_url()
    links: dict[str, Any] = {"newest_url": explorer_url(conditions).replace(start, "", 1)}
    for name, cursor in (("older", page.older), ("newer", page.newer)):
        if cursor is None:
            links[f"{name}_url"] = ""
            continue
        key = "older_than" if cursor.older_than is not None else "newer_than"
        value = cursor.older_than if cursor.older_than is not None else cursor.newer_than
        address = explorer_url({**conditions, key: value})
        links[f"{name}_url"] = address.replace(start, "", 1)
    return links


def _given(request: HttpRequest) -> dict[str, str]:
    """Return what the address says; an empty field of a form is no condition."""
    said = {name: str(value).strip() for name, value in request.GET.items()}
    return {name: value for name, value in said.items() if value}


def read_cursor(request: HttpRequest) -> Cursor:
    """Return where a page of a timeline begins; what cannot be read begins with the newest."""
    cursor, _ = _cursor(_given(request))
    return cursor


def row_of(event: AuditEvent) -> list[str]:
    """Return an event as a row of the explorer."""
    run = link_to(Run, event.run_id, f"run {event.run_id}") if event.run_id else display.NOTHING
    return [
        link_to(AuditEvent, event.sequence, str(event.sequence)),
        display.moment_of_column(event.occurred_at),
        display.text(event.actor_name),
        display.text(event.action),
        audit_words.outcome(event),
        tables.object_link(event),
        display.text(event.profile_name),
        display.text(event.account_name),
        run,
    ]


def counted(count: int, *, is_whole: bool) -> str:
    """Return a count in words; beyond the limit it is not told exactly, but for the whole chain."""
    if count > COUNTED_TO and not is_whole:
        return f">{COUNTED_TO:,} events"
    return "1 event" if count == 1 else f"{count:,} events"


_LABELS = {
    "actor": "Actor",
    "action": "Action",
    "outcome": "Outcome",
    "object_type": "Kind of object",
    "object_id": "Object id",
    "profile": "Profile",
    "account": "Account",
    "run": "Run",
    "since": "From (UTC)",
    "until": "Until (UTC)",
}
_HELP = {
    "actor": "A whole name; the portal's own are reconcile, heartbeat, watch.",
    "action": f"Whole, or with {ANY_OF} at its end: trade.{ANY_OF}",
    "object_id": "The number in the object's address.",
    "since": "2026-01-05, or 2026-01-05T12:00:00Z",
    "until": "The first moment that is left out.",
}


def _fields(given: Mapping[str, str], faults: Mapping[str, str]) -> list[Field]:
    suggestions: dict[str, Sequence[str]] = {
        "actor": _names(User.objects.values_list("username", flat=True)),
        "action": [
            *sorted({f"{each.split('.')[0]}.{ANY_OF}" for each in ACTIONS}),
            *sorted(ACTIONS),
        ],
        "object_type": audit_words_known(),
        "profile": _names(Profile.objects.values_list("name", flat=True)),
        "account": _names(ExchangeAccount.objects.values_list("name", flat=True)),
    }
    return [
        Field(
            name=name,
            label=words,
            value=display.visible(given.get(name, "")),
            help=_HELP.get(name, ""),
            fault=display.visible(faults.get(name, "")),
            suggestions=suggestions.get(name, ()),
            choices=AuditOutcome.values if name == "outcome" else (),
        )
        for name, words in _LABELS.items()
    ]


def _names(rows: Any) -> list[str]:
    return [display.visible(name) for name in rows.order_by("pk")[:MOST_SUGGESTED]]


def _find(text: str) -> int | None:
    """Return the sequence of the one event with a number, an id or a hash."""
    events = AuditEvent.objects.all()
    if _NUMBER.fullmatch(text):
        events = events.filter(sequence=int(text))
    elif _HASH.fullmatch(text.lower()):
        events = events.filter(hash=text.lower())
    else:
        try:
            events = events.filter(event_id=UUID(text))
        except ValueError:
            return None
    return events.values_list("sequence", flat=True).first()


def _cursor(given: Mapping[str, str]) -> tuple[Cursor, dict[str, str]]:
    values: dict[str, int] = {}
    for name in _CURSORS:
        text = given.get(name, "")
        if text and not _NUMBER.fullmatch(text):
            return Cursor(), {
                name: f"{name}: {display.visible(text)!r} is not the number of an event"
            }
        if text:
            values[name] = int(text)
    if len(values) == 2:
        return Cursor(), {"older_than": "a page begins older or newer than an event, not both"}
    return Cursor(**values), {}


def _strangers(given: Mapping[str, str]) -> dict[str, str]:
    """Name what the address asks for and no condition is: without it more would be shown."""
    faults = {
        name: f"{display.visible(name)!r} is no condition of this page"
        for name in given.keys()
        - AuditFilter.__dataclass_fields__.keys()
        - _CURSORS.keys()
        - {_FIND}
    }
    faults |= {
        name: "Null characters are not allowed."
        for name, value in given.items()
        if name != _FIND and "\x00" in value
    }
    if _FIND in given:
        faults[_FIND] = "No event has this number, id or hash; each has to be whole."
    return faults


def _empty(*, is_filtered: bool, is_beyond: bool) -> str:
    if is_filtered:
        return (
            "No event fits all of these conditions. Names and ids have to be whole; only an action"
            f" may end with {ANY_OF}."
        )
    if is_beyond:
        return "The trail ends before this page: go to the newest events."
    return "No audit event is recorded: nothing has been changed or refused yet."


AUDIT = ConsolePage(
    name="audit",
    route="audit/",
    view=explorer,
    title="Audit",
    answers="who did what, when, and what was before",
    beside=("reconciliation_auditevent_changelist",),
    nav=True,
    key="a",
)
