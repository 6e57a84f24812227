"""What an audit event rests on: the links around it, the people and their groups, the evidence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.html import format_html

from reconciliation.admin import audit_words, display
from reconciliation.admin.audit_urls import explorer_url
from reconciliation.admin.links import anchor, link
from reconciliation.admin.objects import model_of
from reconciliation.admin.page import Notice, Table, strong
from reconciliation.domain.audit import GENESIS, leaf_of
from reconciliation.domain.audit import link as sealed
from reconciliation.models import (
    AuditEvent,
    BackfillCandidate,
    Mismatch,
    ReviewItem,
    Trade,
    TradeHistory,
)

MOST_HOLDERS = 200
_HOLDS, _NO_PAYLOAD = "holds", "the payload is not the one that was sealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditNeighbours:
    """An event between the one before it and the one after it, None where there is none."""

    before: AuditEvent | None
    event: AuditEvent
    after: AuditEvent | None

    @classmethod
    def of(cls, event: AuditEvent) -> "AuditNeighbours":
        around = AuditEvent.objects.filter(sequence__in=(event.sequence - 1, event.sequence + 1))
        found = {each.sequence: each for each in around}
        return cls(
            before=found.get(event.sequence - 1), event=event, after=found.get(event.sequence + 1)
        )

    def faults(self) -> Iterator[Notice]:
        """Yield what is wrong with the event itself, to be read first."""
        for name, verdict in (("payload", _content(self.event)), ("link", self._own_link())):
            if verdict != _HOLDS:
                words = "of this event" if name == "payload" else "to the event before it"
                sentence = f"The {name} {words} does not hold: {verdict}."
                if verdict == _NO_PAYLOAD:
                    sentence = "The payload of this event is not the one that was sealed."
                yield Notice(level="error", sentence=sentence)

    def table(self) -> Table:
        """Return the three events with their hashes, and whether each link holds."""
        first = self.event.sequence == 1
        rows = [
            _row("Previous", self.before, "this is the first event" if first else "missing", ""),
            _row("This event", self.event, "", self._own_link()),
            _row("Next", self.after, "this is the newest event", self._next_link()),
        ]
        return Table(
            title="The chain around it",
            headings=["Which", "Event", "Action", "Hash", "Its own seal", "Link to the one before"],
            rows=rows,
            note="Each hash seals the event and the hash before it. That the whole chain holds, and"
            " that nobody cut off its end, is what a verification proves.",
            foreign=True,
        )

    def _own_link(self) -> str:
        if self.event.sequence == 1:
            return _HOLDS if self.event.previous_hash == GENESIS else "it is not the chain's start"
        return _linked(self.before, self.event)

    def _next_link(self) -> str:
        return "" if self.after is None else _linked(self.event, self.after)


def people_of(event: AuditEvent, said: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return actor, maker and checker with the groups that each was in at that moment."""
    who = f"{event.actor_type} {event.actor_id}".strip()
    rows = [
        ("Actor", display.text(f"{event.actor_name} ({who})")),
        ("Groups of the actor then", _groups(said)),
    ]
    for name in ("maker", "checker"):
        person = said.get(name)
        if isinstance(person, str) and person:
            rows.append((name.capitalize(), display.text(person)))
            rows.append((f"Groups of the {name} then", _groups_of(person, event, said)))
    rows += [
        ("Address", display.text(said.get("ip"))),
        ("Request", display.text(said.get("request_id"))),
    ]
    return rows


def proofs_of(event: AuditEvent, said: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the settings' hash and each hash of evidence, with what holds it."""
    rows = [("Hash of the settings in force", _settings(event, said))]
    hashes = said.get("evidence")
    hashes = [each for each in hashes if isinstance(each, str)] if isinstance(hashes, list) else []
    if not hashes:
        return [*rows, ("Evidence", "this event names no hash of evidence")]
    holders = _holders(event, hashes)
    for each in hashes:
        words = display.text(each)
        rows.append(("Evidence", _joined(words, holders.get(each))))
    return rows


def _row(which: str, event: AuditEvent | None, absent: str, linked: str) -> list[str]:
    if event is None:
        nothing = display.NOTHING
        return [which, absent, nothing, nothing, nothing, nothing]
    return [
        which,
        link(event),
        display.text(event.action),
        display.text(event.hash),
        _marked(_content(event)),
        _marked(linked) if linked else display.NOTHING,
    ]


def _marked(verdict: str) -> str:
    return verdict if verdict == _HOLDS else strong(f"BROKEN: {verdict}", css="changed")


def _content(event: AuditEvent) -> str:
    if leaf_of(event.payload) != event.leaf:
        return _NO_PAYLOAD
    try:
        holds = sealed(event.previous_hash, event.leaf) == event.hash
    except ValueError:
        holds = False
    return _HOLDS if holds else "the hash does not seal this event"


def _linked(before: AuditEvent | None, event: AuditEvent) -> str:
    if before is None:
        return "the event before it is missing"
    if event.previous_hash != before.hash:
        return f"it does not continue event {before.sequence}"
    return _HOLDS


def _groups(said: Mapping[str, Any]) -> str:
    groups = said.get("actor_groups")
    if groups is not None and not isinstance(groups, list):
        return "unreadable"
    return display.text(", ".join(map(str, groups))) if groups else "in no group"


def _groups_of(person: str, event: AuditEvent, said: Mapping[str, Any]) -> str:
    """Return the groups that the newest event of a person's own, up to this one, tells of."""
    if person == event.actor_name:
        return _groups(said)
    own = AuditEvent.objects.filter(
        actor_name=person, actor_type="user", sequence__lt=event.sequence
    )
    # Whoever types that name into the login without its password is in no group, and has no id.
    newest = own.exclude(actor_id="").order_by("-sequence").first()
    if newest is None:
        return "no event of that person's own tells of them"
    return _joined(_groups(audit_words.said_of(newest.payload)), newest)


def _settings(event: AuditEvent, said: Mapping[str, Any]) -> str:
    held = said.get("settings_hash")
    if not held:
        return "none: the settings had not been read"
    changes = AuditEvent.objects.filter(action="settings.changed", sequence__lte=event.sequence)
    newest = changes.order_by("-sequence").first()
    if newest is not None and audit_words.said_of(newest.payload).get("settings_hash") == held:
        return _joined(display.text(held), newest)
    url = explorer_url({"action": "settings.changed"})
    every = anchor(url, "every change of the settings")
    return _with(display.text(held), every)


def _holders(event: AuditEvent, hashes: list[str]) -> dict[str, Model]:
    """Return what holds each hash: the event's object, or what belongs to its trade."""
    model = model_of(event.object_type)
    if model is None or not (event.object_id.isascii() and event.object_id.isdigit()):
        return {}
    row = model._default_manager.filter(pk=int(event.object_id)).first()
    found: dict[str, Model] = {}
    trade = row if isinstance(row, Trade) else getattr(row, "trade", None)
    if trade is not None:
        for each in (BackfillCandidate, Mismatch, ReviewItem, TradeHistory):
            for held in _newest(each, trade):
                found.setdefault(held.evidence_hash, held)
    own = getattr(row, "evidence_hash", "")
    if row is not None and own:
        found[own] = row
    return {each: found[each] for each in hashes if each in found}


def _newest(model: Any, trade: Trade) -> QuerySet[Any]:
    rows: QuerySet[Any] = model.objects.filter(trade=trade).order_by("-pk")
    return rows.only("pk", "evidence_hash", *_NAMES.get(model, ()))[:MOST_HOLDERS]


_NAMES: Mapping[type[Model], tuple[str, ...]] = {TradeHistory: ("kind",)}


def _joined(words: str, row: Model | None) -> str:
    return words if row is None else _with(words, link(row))


def _with(words: str, more: str) -> str:
    return format_html("{} ({})", words, more)
