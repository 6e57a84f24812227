"""Which audit events a person asks for: the same words in an address, a command and a manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from reconciliation.domain.keys import iso_utc
from reconciliation.enums import AuditOutcome

ANY_OF = "*"
"""At the end of an action: every action that begins so, for example `trade.*`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Conditions that all have to hold; an empty one asks for every event.

    `actor`, `profile` and `account` are whole names, `action` a whole one or one that ends with
    `*`. `since` is the first moment that belongs to it, `until` the first that does not, UTC.
    """

    actor: str = ""
    action: str = ""
    outcome: str = ""
    object_type: str = ""
    object_id: str = ""
    profile: str = ""
    account: str = ""
    run: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def as_text(self) -> dict[str, str]:
        """Return the conditions that are set, by name: what `parse_filter` takes back."""
        said = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value not in ("", None):
                said[each.name] = iso_utc(value) if isinstance(value, datetime) else str(value)
        return said


def parse_filter(given: Mapping[str, str]) -> tuple[AuditFilter, dict[str, str]]:
    """Return the filter that some words ask for, and what is wrong with them, by their names.

    A condition that cannot be understood is left out of the filter: whoever shows or exports
    events must refuse rather than answer more than was asked for. Names that are no condition are
    the caller's.
    """
    values: dict[str, object] = {}
    faults: dict[str, str] = {}
    for each in fields(AuditFilter):
        text = given.get(each.name, "").strip()
        if not text:
            continue
        if not _is_storable(text):
            # A shell hands on bytes that are no UTF-8; no event can hold them.
            faults[each.name] = f"{text!r} is no text that an event can hold"
        elif each.name == "run":
            if text.isascii() and text.isdigit() and len(text) < 19:
                values["run"] = int(text)
            else:
                faults["run"] = f"{text!r} is not the number of a run, for example 17"
        elif each.name in ("since", "until"):
            moment = _moment(text)
            if moment is None:
                faults[each.name] = (
                    f"{text!r} is no moment in UTC, for example 2026-01-05T12:00:00Z"
                )
            else:
                values[each.name] = moment
        elif each.name == "outcome" and text not in AuditOutcome.values:
            faults["outcome"] = f"{text!r} is none of {', '.join(AuditOutcome.values)}"
        elif ANY_OF in text[:-1] or (text.endswith(ANY_OF) and each.name != "action"):
            faults[each.name] = f"{text!r}: * may only end an action, for example trade.*"
        else:
            values[each.name] = text
    asked = AuditFilter(**values)  # type: ignore[arg-type]
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        faults["until"] = "it is not after since: no event lies between them"
    return asked, faults


def _is_storable(text: str) -> bool:
    try:
        return "\x00" not in text and bool(text.encode())
    except UnicodeEncodeError:
        return False


def _moment(text: str) -> datetime | None:
    """Return a moment; a day, or one without a zone, is read as UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
