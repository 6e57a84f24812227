"""What people decided: on which question, for which reason, with which evidence."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import Model

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables
from reconciliation.admin.deciding import DecidingAdmin
from reconciliation.admin.deciding_reversals import load_decision_case
from reconciliation.admin.deciding_types import Case
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import link
from reconciliation.admin.page import Block, Facts, Notice, Section
from reconciliation.admin.search import by_number
from reconciliation.models import (
    AcceptedPosition,
    BackfillCandidate,
    Decision,
    ExternalOrder,
    Fill,
    Mismatch,
    ReviewItem,
    Trade,
    TradeHistory,
)


@admin.register(Decision)
class DecisionAdmin(DecidingAdmin[Decision]):
    note = (
        "Read-only and append-only: a decision is never changed. What takes one back is a "
        "decision of its own. A dash as notional means that it was unknown at that moment."
    )
    empty_text = "Nobody has decided anything yet."
    list_display = (
        col.Column("Decision", lambda row: str(row.pk)),
        col.text("Kind", "kind"),
        col.text("Reason", "reason"),
        supervision_tables.SUBJECT,
        col.text("Maker", "maker_name"),
        col.text("Checker", "checker_name"),
        col.yes_no("Four eyes", "four_eyes"),
        col.amount("Notional (USD)", "notional_usd"),
        col.whole_link("Profile", "profile"),
        col.moment("Decided", "decided_at", ordering="decided_at"),
    )
    list_defer = ("terms", "comment", *supervision_tables.LARGE_OF_SUBJECTS)
    list_filter = (
        ("kind", WordFilter),
        ("reason", WordFilter),
        "four_eyes",
        "override",
        "account",
        "profile",
    )
    list_select_related = ("profile", *supervision_tables.SUBJECTS)
    narrowed_by = {
        "review__id__exact": ReviewItem,
        "review__trade__id__exact": Trade,
        "candidate__id__exact": BackfillCandidate,
        "external_order__id__exact": ExternalOrder,
        "fill__id__exact": Fill,
        "mismatch__id__exact": Mismatch,
        "proposal__id__exact": Decision,
    }
    object_related = (
        "account",
        "profile",
        "proposal",
        "reverses",
        "reversed_by",
        *supervision_tables.SUBJECTS,
    )
    search_by = (by_number(),)
    search_help_text = "The number of a decision."

    def case(self, pk: int) -> Case | None:
        return load_decision_case(pk)

    def sections(self, obj: Decision) -> Iterable[Section]:
        reversed_by: Decision | None = getattr(obj, "reversed_by", None)
        if reversed_by is not None:
            yield Notice(
                level="warning",
                sentence=f"This decision was taken back by decision {reversed_by.pk}.",
            )
        yield Facts(
            title="Decision",
            rows=[
                ("Kind", display.text(obj.kind)),
                ("About", link(supervision_tables.subject(obj))),
                ("Reason", display.text(obj.reason)),
                ("Maker", _person(obj.maker_name, obj.maker_id)),
                ("Checker", _person(obj.checker_name, obj.checker_id)),
                ("Four eyes", display.yes_no(obj.four_eyes)),
                ("On evidence that could not be refreshed", display.yes_no(obj.override)),
                ("Notional (USD)", display.amount(obj.notional_usd)),
                ("Profile", link(obj.profile) if obj.profile else "belongs to no profile"),
                ("Account", link(obj.account)),
                ("Answers the proposal", link(obj.proposal)),
                ("Reverses", link(obj.reverses)),
                ("Reversed by", link(reversed_by)),
                ("Version of the question", str(obj.item_version)),
                ("Evidence hash", display.text(obj.evidence_hash)),
                ("Decided", display.moment(obj.decided_at)),
            ],
        )
        if obj.comment:
            yield Block.of(title="Comment", text=obj.comment)
        yield Block.of(title="Terms", text=display.pretty_json(obj.terms))
        yield tables.history(
            TradeHistory.objects.filter(decision=obj),
            title="History rows written by this decision",
            lookups={"decision__id__exact": obj.pk},
            empty="This decision has booked nothing.",
        ).without("Run")
        yield supervision_tables.decisions(
            Decision.objects.filter(proposal=obj),
            title="Answers to this proposal",
            lookups={"proposal__id__exact": obj.pk},
            empty="No decision answers this one.",
        ).without("About")
        yield supervision_tables.accepted_positions(
            AcceptedPosition.objects.filter(decision=obj),
            title="Positions accepted by this decision",
            lookups={"decision__id__exact": obj.pk},
            empty="No accepted position rests on this decision.",
        ).without("Decision")
        yield tables.audit_events_of(obj)
        about: Model | None = supervision_tables.subject(obj)
        if about is not None:
            yield tables.audit_events_of(about, title="Audit events of what it is about")


def _person(name: str, key: str) -> str:
    return display.text(f"{name} (user {key})" if key else "")
