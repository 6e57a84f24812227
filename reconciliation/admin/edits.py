"""Rows that somebody changed past the portal."""

from collections.abc import Iterable

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import link, link_to
from reconciliation.admin.page import Facts, Notice, Section, Table
from reconciliation.admin.runbook_links import runbook_link
from reconciliation.admin.search import by_number
from reconciliation.enums import EscalationKind
from reconciliation.handlers.edits import MODELS
from reconciliation.models import OutsideEdit


def row_link(edit: OutsideEdit) -> str:
    """Return a link to the row that was edited."""
    model = MODELS.get(edit.kind)
    words = f"{edit.kind} {edit.row_id}"
    return display.text(words) if model is None else link_to(model, edit.row_id, words)


@admin.register(OutsideEdit)
class OutsideEditAdmin(ReadOnlyAdmin[OutsideEdit]):
    list_title = "Rows edited past the portal"
    note = (
        "Read-only: triggers of the database note each change that no part of the portal has "
        "made. Until somebody acknowledges the escalation, no run writes to that row."
    )
    empty_text = "Nobody has edited a row past the portal."
    list_display = (
        col.Column("Edit", lambda row: str(row.pk)),
        col.Column("Row", row_link),
        col.text("Symbol", "symbol"),
        col.whole_link("Profile", "profile"),
        col.whole_link("Account", "account"),
        col.moment("Edited", "edited_at"),
        col.moment("Noticed", "noticed_at"),
        col.moment("Accepted", "settled_at"),
    )
    list_defer = ("before", "after")
    list_filter = (("kind", WordFilter), "account", "profile")
    list_select_related = ("account", "profile")
    object_related = ("account", "profile", "trade")
    search_by = (by_number(),)
    search_help_text = "The number of an edit."

    def sections(self, obj: OutsideEdit) -> Iterable[Section]:
        if obj.settled_at is None:
            yield Notice(
                level="error",
                sentence="No run writes to this row until somebody acknowledges its escalation.",
                runbook=runbook_link(EscalationKind.EDITED_OUTSIDE),
            )
        yield Facts(
            title="Edit",
            rows=[
                ("Row", row_link(obj)),
                ("Trade", link(obj.trade)),
                ("Symbol", display.text(obj.symbol)),
                ("Profile", link(obj.profile)),
                ("Account", link(obj.account)),
                ("Edited", display.moment(obj.edited_at)),
                ("Noticed", display.moment(obj.noticed_at)),
                ("Accepted", display.moment(obj.settled_at)),
            ],
        )
        yield Table(
            title="What was changed",
            headings=["Column", "Before", "After"],
            rows=[
                [display.text(name), display.text(obj.before.get(name)), display.text(value)]
                for name, value in sorted(obj.after.items())
                if obj.before.get(name) != value
            ],
            empty="No column differs.",
            foreign=True,
        )
