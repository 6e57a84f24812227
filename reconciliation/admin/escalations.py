"""What an engineer must be told: causes, open until they are gone."""

from collections.abc import Iterable

from django.contrib import admin
from django.utils.html import format_html

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables
from reconciliation.admin.acknowledging import AcknowledgingAdmin
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import link, link_to
from reconciliation.admin.page import Block, Facts, Notice, Section
from reconciliation.admin.runbook_links import runbook_link, what_to_do
from reconciliation.admin.search import by_number
from reconciliation.enums import EscalationKind, EscalationStatus
from reconciliation.models import Escalation, EscalationSighting, Mismatch, Run


@admin.register(Escalation)
class EscalationAdmin(AcknowledgingAdmin):
    note = (
        "One row a cause. Acknowledged means that somebody looks after it; it is resolved by "
        "itself when its cause is gone."
    )
    empty_text = "Nothing has escalated."
    list_display = (
        col.Column("Escalation", lambda row: str(row.pk)),
        col.text("Status", "status"),
        col.text("Kind", "kind"),
        supervision_tables.SAYS,
        col.Column("Runbook", lambda row: what_to_do(EscalationKind(row.kind))),
        col.whole_link("Account", "account"),
        col.whole_link("Profile", "profile"),
        col.moment("Opened", "opened_at"),
        col.text("Acknowledged by", "acknowledged_by"),
        col.moment("Resolved", "resolved_at"),
        col.text("Sightings", "sighting.count"),
    )
    list_defer = ("detail",)
    list_filter = (("status", WordFilter), ("kind", WordFilter), "account", "profile")
    list_select_related = ("account", "profile", "sighting")
    narrowed_by = {"run__id__exact": Run}
    object_related = ("account", "profile", "run", "sighting")
    search_by = (by_number(),)
    search_help_text = "The number of an escalation."

    def sections(self, obj: Escalation) -> Iterable[Section]:
        sighting: EscalationSighting | None = getattr(obj, "sighting", None)
        yield Notice(
            level="success" if obj.status == EscalationStatus.RESOLVED else "warning",
            sentence=_sentence(obj),
            runbook=runbook_link(EscalationKind(obj.kind)),
        )
        yield Facts(
            title="Escalation",
            rows=[
                ("Status", display.text(obj.status)),
                ("Kind", display.text(obj.kind)),
                ("Account", link(obj.account)),
                ("Profile", link(obj.profile)),
                ("First seen by", link(obj.run)),
                ("Opened", display.moment(obj.opened_at)),
                ("Acknowledged", display.moment(obj.acknowledged_at)),
                ("Acknowledged by", display.text(obj.acknowledged_by)),
                ("Resolved", display.moment(obj.resolved_at)),
                *_sightings(sighting),
                ("Key", display.text(obj.key)),
            ],
        )
        yield Block.of(title="Detail", text=display.pretty_json(obj.detail))
        yield tables.audit_events_of(obj)


def _sentence(obj: Escalation) -> str:
    """Return what it says, with the way to the mismatch that it is about."""
    mismatch = obj.detail.get("mismatch")
    if not isinstance(mismatch, int):
        return display.text(obj.says)
    return format_html(
        "{}: {}.", display.text(obj.says), link_to(Mismatch, mismatch, f"mismatch {mismatch}")
    )


def _sightings(sighting: EscalationSighting | None) -> list[tuple[str, str]]:
    if sighting is None:
        return [("Sightings", display.NOTHING)]
    return [
        ("Last seen", display.moment(sighting.last_seen_at)),
        ("Sightings", str(sighting.count)),
    ]


@admin.register(EscalationSighting)
class EscalationSightingAdmin(ReadOnlyAdmin[EscalationSighting]):
    note = "Read-only: how often, and when last, the cause of each escalation was seen."
    empty_text = "Nothing that escalates has been seen."
    list_display = (
        col.Column("Sighting", lambda row: str(row.pk)),
        col.link("Escalation", "escalation"),
        col.text("Kind", "escalation.kind"),
        col.text("Status", "escalation.status"),
        col.text("Sightings", "count"),
        col.moment("Last seen", "last_seen_at"),
    )
    list_select_related = ("escalation",)
    list_defer = ("escalation__detail",)
    object_related = ("escalation",)

    def sections(self, obj: EscalationSighting) -> Iterable[Section]:
        yield Facts(
            title="Sightings",
            rows=[
                ("Escalation", link(obj.escalation)),
                ("Kind", display.text(obj.escalation.kind)),
                ("Status", display.text(obj.escalation.status)),
                *_sightings(obj),
            ],
        )
