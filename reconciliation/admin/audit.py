"""One event of the audit chain: what it changed, who stood behind it, whether its links hold."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from reconciliation.admin import audit_words, display, tables
from reconciliation.admin import columns as col
from reconciliation.admin.audit_proofs import AuditNeighbours, people_of, proofs_of
from reconciliation.admin.audit_urls import explorer_url, timeline_url
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.deciding_types import now
from reconciliation.admin.links import anchor, link, link_to
from reconciliation.admin.objects import audited_model
from reconciliation.admin.page import Block, Facts, Section
from reconciliation.admin.sides import compare_change
from reconciliation.models import AuditEvent, AuditHead, ExchangeAccount, Profile, Run


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin[AuditEvent]):
    """The page of an event; the list of events is the console's explorer."""

    list_title = "Audit trail"
    ordering = ("-sequence",)
    note = (
        "Read-only and append-only: every event is sealed to the one before it, so that an edit "
        "or a gap can be shown. manage.py audit_verify checks the whole chain."
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the explorer; a condition of an address that was kept stays one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = {
            name.removesuffix("__exact"): value for name, value in request.GET.items() if value
        }
        return HttpResponseRedirect(explorer_url(asked))

    def sections(self, obj: AuditEvent) -> Iterable[Section]:
        chain = AuditNeighbours.of(obj)
        yield from chain.faults()
        said = audit_words.said_of(obj.payload)
        account = ExchangeAccount.objects.filter(name=obj.account_name).first()
        yield Facts(
            title="Event",
            rows=[
                ("What happened", audit_words.sentence(obj)),
                *_event(obj, account),
                *_why(said),
            ],
        )
        before, after = said.get("before"), said.get("after")
        if isinstance(before, Mapping) and isinstance(after, Mapping) and (before or after):
            yield from compare_change(before, after, object_type=obj.object_type, account=account)
        yield Facts(title="Who", rows=people_of(obj, said))
        yield Facts(title="Under which settings, with which evidence", rows=proofs_of(obj, said))
        yield chain.table()
        yield Block.of(
            title="Payload",
            text=display.pretty_json_text(obj.payload),
            folded="Show the payload that was sealed",
        )
        yield Facts(
            title="Seal",
            rows=[
                ("Leaf", obj.leaf),
                ("Previous hash", obj.previous_hash),
                ("Hash", obj.hash),
            ],
            note="leaf = SHA-256(0x00 ‖ payload); hash = SHA-256(0x01 ‖ previous hash ‖ leaf)",
        )


def _event(event: AuditEvent, account: ExchangeAccount | None) -> list[tuple[str, str]]:
    profile = Profile.objects.filter(name=event.profile_name).first()
    run = link_to(Run, event.run_id, f"run {event.run_id}") if event.run_id else display.NOTHING
    return [
        ("Sequence", str(event.sequence)),
        ("Time", display.age(event.occurred_at, now())),
        ("Action", anchor(explorer_url({"action": event.action}), display.text(event.action))),
        ("Outcome", audit_words.outcome(event)),
        ("Object", tables.object_link(event)),
        ("All that concerns it", _timeline(event)),
        ("Run", run),
        # An event keeps the names as they were; one that is gone is shown as words.
        ("Profile", link(profile) if profile else display.text(event.profile_name)),
        ("Account", link(account) if account else display.text(event.account_name)),
        ("Event id", str(event.event_id)),
    ]


def _timeline(event: AuditEvent) -> str:
    is_user = event.object_type == "user" and event.object_id.isascii()
    if audited_model(event.object_type, event.object_id) is None and not (
        is_user and event.object_id.isdigit()
    ):
        return display.NOTHING
    url = timeline_url(event.object_type, int(event.object_id))
    return anchor(url, f"timeline of {event.object_type.replace('_', ' ')} {event.object_id}")


def _why(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = {"reason": "Reason code", "comment": "Comment"}
    return [
        (words, display.inline_json(said[name])) for name, words in names.items() if said.get(name)
    ]


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
