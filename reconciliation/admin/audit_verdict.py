"""What is known of the trail's soundness: the last verification, and what may be asked for."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html

from reconciliation.admin import display
from reconciliation.admin.deciding_types import Viewer, load_conf, now
from reconciliation.admin.links import link
from reconciliation.admin.page import Facts, Notice, Section
from reconciliation.enums import ENDED_ERRAND_STATUSES, ErrandKind, ErrandStatus, Right
from reconciliation.models import Errand
from reconciliation.selectors.audit import load_head
from reconciliation.selectors.checkpoints import last_checkpoint_at

NO_RIGHT = (
    "you have not the right to export and verify the audit trail; members of Compliance have it"
)


def verdict_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the head of the explorer shows: sections, and why a button is not offered."""
    return {
        "sections": verdict_sections(),
        "why_not": "" if Viewer.of(request).may(Right.EXPORT) else NO_RIGHT,
    }


def verdict_sections() -> list[Section]:
    """Return what the last verification came to, and the end of the chain."""
    last = Errand.objects.filter(kind=ErrandKind.VERIFY_AUDIT).order_by("-id").first()
    head = load_head()
    moment = now()
    sections: list[Section] = []
    if last is not None and last.status == ErrandStatus.FAILED:
        sections.append(
            Notice(level="error", sentence=f"The last verification: {display.text(last.says)}")
        )
    sections.append(
        Facts(
            title="Can the trail be relied on",
            rows=[
                ("Last verification", _verified(last)),
                (
                    "Verification ended",
                    display.NOTHING if last is None else display.age(last.finished_at, moment),
                ),
                ("Last checkpoint", _checkpoint(last_checkpoint_at(load_conf()), moment)),
                (
                    "Events in the chain",
                    "the chain has no head row: nothing can be written"
                    if head is None
                    else f"{head.sequence:,}",
                ),
            ],
        )
    )
    return sections


def _checkpoint(made_at: datetime | None, moment: datetime) -> str:
    if made_at is None:
        return (
            "none that can be seen: whoever cuts off the chain's end leaves no trace until one is"
            " kept outside the database (RECON_AUDIT_CHECKPOINT_DIR)"
        )
    return display.age(made_at, moment)


def _verified(last: Errand | None) -> str:
    if last is None:
        return "nobody has asked for one on this page yet"
    if last.status not in ENDED_ERRAND_STATUSES:
        return format_html("under way: {}", link(last))
    return format_html("{} ({})", display.text(last.says), link(last))
