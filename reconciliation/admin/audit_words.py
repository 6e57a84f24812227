"""An audit event in words: a sentence, its outcome, what it changed in short."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.html import format_html

from reconciliation.admin import display, tables
from reconciliation.domain.audit_actions import ACTIONS
from reconciliation.enums import AuditOutcome
from reconciliation.models import AuditEvent

CHANGES_SHOWN = 3
_VALUE_LENGTH = 60
_SAYS: Mapping[str, str] = {
    AuditOutcome.APPLIED: "",
    AuditOutcome.REFUSED: "refused",
    AuditOutcome.DENIED: "denied",
    AuditOutcome.FAILED: "failed",
}


def said_of(payload: str) -> dict[str, Any]:
    """Return what a payload says; nothing where it cannot be read."""
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def outcome(event: AuditEvent) -> str:
    """Return how an event ended: a word, with a colour that only helps to find it."""
    return format_html(
        '<span class="outcome outcome-{}">{}</span>', event.outcome, display.text(event.outcome)
    )


def sentence(event: AuditEvent) -> str:
    """Return an event as a sentence: who did what to which object, and what came of it."""
    known = ACTIONS.get(event.action)
    says = known.says if known else f"did {display.text(event.action)} to"
    # "quarantined the trade" and the link "trade 7" make "quarantined the trade 7".
    is_named = event.object_type and says.endswith(f" {event.object_type.replace('_', ' ')}")
    says = says.rsplit(" ", event.object_type.count("_") + 1)[0] if is_named else says
    return format_html(
        "<strong>{}</strong> {} {}{}",
        display.text(event.actor_name),
        says,
        tables.object_link(event) if event.object_type and not _is_own(event) else "",
        "" if event.outcome == AuditOutcome.APPLIED else f": {_ended(event)}",
    )


def details(event: AuditEvent) -> str:
    """Return in short why, and what was before and after; needs the payload."""
    said = said_of(event.payload)
    parts = [display.inline_json(said[name]) for name in ("reason", "comment") if said.get(name)]
    before, after = said.get("before"), said.get("after")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        parts += list(_changes(before, after))
    return display.clipped("; ".join(parts), 400) or display.NOTHING


def _is_own(event: AuditEvent) -> bool:
    return event.object_type in ("user", "login_attempt") and event.action.startswith("user.log")


def _ended(event: AuditEvent) -> str:
    return _SAYS.get(event.outcome, display.text(event.outcome))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield the first fields that are plain values and differ."""
    inner = next((value for value in after.values() if isinstance(value, Mapping)), None)
    if before and inner is not None and not before.keys() & after.keys():
        after = inner
    told = 0
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, Mapping | list) or isinstance(old, Mapping | list) or value == old:
            continue
        if told == CHANGES_SHOWN:
            yield "…"
            return
        told += 1
        new = display.clipped(display.inline_json(value), _VALUE_LENGTH)
        was = display.clipped(display.inline_json(old), _VALUE_LENGTH)
        words = name.replace("_", " ")
        yield f"{words} {was} → {new}" if name in before else f"{words} {new}"
