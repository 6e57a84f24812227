"""Shortfalls that slices share, as their page decides on them."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet

from reconciliation.admin import display
from reconciliation.admin.deciding_preview import preview_of, second_person
from reconciliation.admin.deciding_terms import (
    NO_RIGHT,
    RIGHTS,
    age_of,
    approval_offer,
    exit_fields,
    open_of,
    trade_of,
    words_of,
)
from reconciliation.admin.deciding_types import (
    Desk,
    Offer,
    Preview,
    Terms,
    Told,
    Viewer,
    load_conf,
    now,
)
from reconciliation.admin.links import link
from reconciliation.admin.page import Facts, Section
from reconciliation.admin.refreshing import refresh
from reconciliation.domain.plans.decisions import Ask, DecisionPlan, Refusal
from reconciliation.enums import (
    DecisionRefusal,
    Right,
    RunKind,
)
from reconciliation.handlers import decisions
from reconciliation.handlers.decision_flows import count_decided, proposed_ask
from reconciliation.models import Decision, Mismatch, Trade
from reconciliation.selectors.decisions import (
    EvidenceAge,
    Subject,
    load_proposal,
    load_shortfall,
)
from reconciliation.selectors.lists import id_list
from reconciliation.selectors.reviews import preview_approval


@dataclass(slots=True)
class ShortfallCase:
    """A shortfall that slices of several profiles share: a part of it is put on one of them."""

    row: Mismatch

    @property
    def version(self) -> int:
        return 1 + count_decided(Subject(row=self.row))

    @property
    def is_waiting(self) -> bool:
        return self.row.status == "OPEN"

    @property
    def tells_age(self) -> bool:
        return False

    @property
    def job(self) -> RunKind:
        return Subject(row=self.row).job

    def age(self) -> EvidenceAge:
        return age_of(Subject(row=self.row))

    def rights(self, verb: str) -> tuple[Right, ...]:
        return RIGHTS[verb] if verb in ("allocate", "refresh") else ()

    def offers(self, viewer: Viewer) -> list[Offer]:
        if not self.is_waiting:
            return []
        refresh_why = "" if viewer.may(Right.REFRESH) else NO_RIGHT
        return [
            approval_offer(viewer, "allocate", None, "Put a part of it on a slice"),
            Offer(verb="refresh", label="Read the evidence anew", why_not=refresh_why),
        ]

    def fields(self, verb: str) -> dict[str, forms.Field]:
        if verb != "allocate":
            return {}
        choices = [("", "choose a slice")]
        for trade in self._slices():
            words = (
                f"{trade.trade_id} of {trade.profile.name}, {display.amount(open_of(trade))} open"
            )
            choices.append((str(trade.pk), display.text(words)))
        fields: dict[str, forms.Field] = {
            "trade": forms.ChoiceField(
                label="Slice that lacks it", choices=choices, required=False
            ),
            **exit_fields(),
        }
        fields[
            "quantity"
        ].help_text = (
            "What this slice lacks. Empty only to approve what another person proposed for it."
        )
        return fields

    def _slices(self) -> list[Trade]:
        named = self.row.database_side.get("slices")
        named = named if isinstance(named, list) else []
        ids = [each.get("trade") for each in named if isinstance(each, dict)]
        rows = Trade.objects.select_related("profile").filter(
            pk__in=id_list(key for key in ids if isinstance(key, int))
        )
        return list(rows.order_by("pk"))

    def takers(self, verb: str) -> list[tuple[int, str]]:
        return []

    def facts(self) -> list[Section]:
        rows = [
            ("Symbol", display.text(self.row.symbol)),
            ("Drift (exchange − database)", display.signed(self.row.drift)),
            ("Account", link(self.row.account)),
        ]
        return [Facts(title="What it is about", rows=rows)]

    def preview(self, verb: str, terms: Terms, viewer: Viewer) -> Preview:
        if verb == "refresh":
            return Preview(
                sentences=(
                    f"A worker does the heartbeat of {self.row.account.name} now: it reads anew.",
                )
            )
        trade_id = trade_of(terms)
        subject = None if trade_id is None else load_shortfall(trade_id)
        if subject is None:
            return Preview(
                code=DecisionRefusal.TRADE_NEEDED,
                sentence="choose the slice, and give the quantity that it lacks",
            )
        proposal = load_proposal(subject)
        ask = Ask(quantity=terms.values.get("quantity"), price=terms.values.get("price"))
        if proposal is not None and ask.quantity is None:
            ask = proposed_ask(proposal)
        plan = preview_approval(subject, ask, now=now())
        age = age_of(subject)
        if age.is_stale and not age.is_unreadable:
            plan = Refusal(
                code=DecisionRefusal.STALE_EVIDENCE,
                sentence="the evidence is too old to approve on; read it anew first",
            )
        second = ""
        if isinstance(plan, DecisionPlan) and proposal is None:
            second = second_person(viewer, load_conf(), plan.notional, stale=age.is_stale)
        covers = isinstance(plan, DecisionPlan) and plan.covers
        return preview_of(
            plan, mismatches=[(self.row, "RESOLVED")] if covers else [], second=second
        )

    def decide(self, verb: str, terms: Terms, desk: Desk) -> Told:
        trade_id = trade_of(terms)
        if verb == "refresh":
            return refresh(self.row.account, self.job, desk)
        if trade_id is None and desk.person.may(Right.PROPOSE) | desk.person.may(Right.APPROVE):
            return Told(code=DecisionRefusal.TRADE_NEEDED, sentence="choose the slice")
        result = decisions.approve_shortfall(
            trade_id=trade_id or 0,
            quantity=terms.values.get("quantity"),
            price=terms.values.get("price"),
            version=terms.version,
            **words_of(terms, desk),
        )
        return Told(sentence=result.sentence, code=result.code)

    def decisions(self) -> QuerySet[Decision]:
        return Decision.objects.filter(mismatch=self.row)

    def waiting(self) -> QuerySet[Any]:
        return Mismatch.objects.filter(status="OPEN", kind=self.row.kind, trade__isnull=True)
