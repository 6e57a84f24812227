"""What the pages of all queues share: rights, the age of evidence, fields, what was typed."""

from decimal import Decimal
from typing import Any

from django import forms

from reconciliation.admin import display
from reconciliation.admin.deciding_forms import AmountField
from reconciliation.admin.deciding_types import (
    Desk,
    Offer,
    Terms,
    Viewer,
    load_conf,
    now,
)
from reconciliation.enums import (
    Right,
)
from reconciliation.models import Decision, Trade
from reconciliation.selectors.decisions import (
    EvidenceAge,
    Subject,
    load_evidence_age,
)
from reconciliation.selectors.states import trade_state

RIGHTS = {
    "approve": (Right.PROPOSE, Right.APPROVE),
    "allocate": (Right.PROPOSE, Right.APPROVE),
    "reject": (Right.REJECT,),
    "reopen": (Right.REJECT,),
    "refresh": (Right.REFRESH,),
}
NO_RIGHT = "you have not the right to do that; ask somebody who has it"


def age_of(subject: Subject) -> EvidenceAge:
    """Return how old the evidence is now."""
    limit = load_conf().review_evidence_max_age
    return load_evidence_age(subject, now=now(), max_age=limit)


def approval_offer(viewer: Viewer, verb: str, proposal: Decision | None, what: str) -> Offer:
    """Return the offer to approve, or to propose, as it stands for this person."""
    if proposal is None:
        may_approve = viewer.may(Right.APPROVE)
        word = "Approve" if may_approve or not viewer.may(Right.PROPOSE) else "Propose"
        return Offer(
            verb=verb,
            label=f"{word}{what}" if verb == "approve" else what,
            why_not="" if viewer.may(*RIGHTS["approve"]) else NO_RIGHT,
        )
    label = f"Approve what {display.text(proposal.maker_name)} proposed"
    if proposal.maker_id == viewer.id:
        why = "you proposed it yourself; somebody else has to approve it"
    else:
        why = "" if viewer.may(Right.APPROVE) else NO_RIGHT
    return Offer(verb=verb, label=label, why_not=why)


def exit_fields() -> dict[str, forms.Field]:
    """Return the fields of an exit by a person's word."""
    return {
        "quantity": AmountField(
            label="Quantity to exit", help_text="Empty: all of the slice that is in question."
        ),
        "price": AmountField(
            label="Price of the exit",
            help_text="Empty: the last mark, and the exit is marked as estimated.",
        ),
    }


def trade_of(terms: Terms) -> int | None:
    """Return the slice that was chosen by its row id."""
    chosen = terms.values.get("trade")
    return int(chosen) if chosen else None


def words_of(terms: Terms, desk: Desk) -> dict[str, Any]:
    """Return what every handler of a decision takes."""
    return {
        "person": desk.person,
        "reason": terms.reason,
        "comment": terms.comment,
        "conf": desk.conf,
        "clock": desk.clock,
    }


def open_of(trade: Trade) -> Decimal:
    """Return what a slice has open."""
    return trade_state(trade).open_quantity
