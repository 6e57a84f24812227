"""The audit chain, as compliance reads it: newest first, each event beside its neighbours."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import link, link_to
from reconciliation.admin.page import Block, Facts, Notice, Section, Table
from reconciliation.admin.search import by_number, by_text, by_uuid
from reconciliation.admin.sides import compare_change
from reconciliation.domain.audit import leaf_of
from reconciliation.models import AuditEvent, AuditHead, ExchangeAccount, Profile, Run


def run_link(event: AuditEvent) -> str:
    """Return a link to the run in which an event happened."""
    if event.run_id is None:
        return display.NOTHING
    return link_to(Run, event.run_id, f"run {event.run_id}")


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin[AuditEvent]):
    note = (
        "Read-only and append-only: every event is sealed to the one before it, so that an edit "
        "or a gap can be shown. manage.py audit_verify checks the whole chain."
    )
    empty_text = "No audit event is recorded: nothing has been changed or refused yet."
    list_display = (
        col.text("Sequence", "sequence"),
        col.moment("Time", "occurred_at"),
        col.text("Action", "action"),
        col.text("Outcome", "outcome"),
        col.Column("Object", tables.object_link),
        col.text("Actor", "actor_name"),
        col.text("Profile", "profile_name"),
        col.text("Account", "account_name"),
        col.Column("Run", run_link),
    )
    list_defer = ("payload",)
    list_filter = (("outcome", WordFilter), ("actor_type", WordFilter))
    narrowed_by = {
        "object_type__exact": None,
        "object_id__exact": None,
        "run_id__exact": Run,
        "action__exact": None,
    }
    ordering = ("-sequence",)
    search_by = (
        by_text("action", shaped=r"[a-z_]+(\.[a-z_]+)+"),
        by_number("sequence"),
        by_number("run_id"),
        by_uuid("event_id"),
        by_text("hash", shaped=r"[0-9a-f]{64}"),
    )
    search_help_text = (
        "A whole action (trade.synthetic_exit), event id or hash, or the number of an event or run."
    )

    def sections(self, obj: AuditEvent) -> Iterable[Section]:
        if leaf_of(obj.payload) != obj.leaf:
            yield Notice(
                level="error",
                sentence="The payload of this event is not the one that was sealed.",
            )
        said = _said(obj.payload)
        account = ExchangeAccount.objects.filter(name=obj.account_name).first()
        yield Facts(title="Event", rows=[*_event(obj, account), *_decision(said)])
        before, after = said.get("before"), said.get("after")
        if isinstance(before, Mapping) and isinstance(after, Mapping) and (before or after):
            yield from compare_change(before, after, object_type=obj.object_type, account=account)
        yield _neighbours(obj)
        yield Block.of(title="Payload", text=display.pretty_json_text(obj.payload))
        yield Facts(
            title="Seal",
            rows=[
                ("Leaf", obj.leaf),
                ("Previous hash", obj.previous_hash),
                ("Hash", obj.hash),
            ],
            note="leaf = SHA-256(0x00 ‖ payload); hash = SHA-256(0x01 ‖ previous hash ‖ leaf)",
        )


def _said(payload: str) -> dict[str, Any]:
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _event(event: AuditEvent, account: ExchangeAccount | None) -> list[tuple[str, str]]:
    profile = Profile.objects.filter(name=event.profile_name).first()
    return [
        ("Sequence", str(event.sequence)),
        ("Time", display.moment(event.occurred_at)),
        ("Action", display.text(event.action)),
        ("Outcome", display.text(event.outcome)),
        ("Object", tables.object_link(event)),
        ("Run", run_link(event)),
        # An event keeps the names as they were; one that is gone is shown as words.
        ("Profile", link(profile) if profile else display.text(event.profile_name)),
        ("Account", link(account) if account else display.text(event.account_name)),
        ("Actor", _actor(event)),
        ("Event id", str(event.event_id)),
    ]


def _actor(event: AuditEvent) -> str:
    who = f"{event.actor_type} {event.actor_id}".strip()
    return display.text(f"{event.actor_name} ({who})")


def _decision(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = {"reason": "Reason code", "comment": "Comment", "maker": "Maker", "checker": "Checker"}
    return [
        (words, display.inline_json(said[name])) for name, words in names.items() if said.get(name)
    ]


def _neighbours(event: AuditEvent) -> Table:
    """Return the events before and after; the chain has no gap, so a missing one is told."""
    around = {
        found.sequence: found
        for found in AuditEvent.objects.filter(
            sequence__in=(event.sequence - 1, event.sequence + 1)
        ).defer("payload")
    }
    before, after = around.get(event.sequence - 1), around.get(event.sequence + 1)
    return Table(
        title="Neighbours in the chain",
        headings=["Which", "Event", "Action", "Outcome"],
        rows=[
            _neighbour(
                "Previous", before, "this is the first event" if _first(event) else "missing"
            ),
            _neighbour("Next", after, "this is the newest event"),
        ],
    )


def _first(event: AuditEvent) -> bool:
    return event.sequence == 1


def _neighbour(which: str, event: AuditEvent | None, absent: str) -> list[str]:
    if event is None:
        return [which, absent, display.NOTHING, display.NOTHING]
    return [which, link(event), display.text(event.action), display.text(event.outcome)]


@admin.register(AuditHead)
class AuditHeadAdmin(ReadOnlyAdmin[AuditHead]):
    note = "Read-only: the end of the audit chain, which orders its writers."
    empty_text = "The audit chain has no head row: nothing can be written until it has one."
    list_display = (
        col.text("Sequence", "sequence"),
        col.text("Hash", "hash"),
    )

    def sections(self, obj: AuditHead) -> Iterable[Section]:
        yield Facts(
            title="End of the chain",
            rows=[
                (
                    "Last event",
                    link_to(AuditEvent, obj.sequence, f"event {obj.sequence}")
                    if obj.sequence
                    else "none yet",
                ),
                ("Hash", display.text(obj.hash)),
            ],
        )
