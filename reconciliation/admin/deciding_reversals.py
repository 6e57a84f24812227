"""A decision is taken back: by a new one that reverses what it wrote."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet

from reconciliation.admin import display
from reconciliation.admin.deciding_preview import preview_of
from reconciliation.admin.deciding_terms import NO_RIGHT, words_of
from reconciliation.admin.deciding_types import Desk, Offer, Preview, Terms, Told, Viewer, now
from reconciliation.admin.links import link
from reconciliation.admin.page import Facts, Section
from reconciliation.domain.plans.decision_reversals import plan_reversal
from reconciliation.enums import DecisionKind, Right
from reconciliation.handlers.decision_reversals import reverse_decision
from reconciliation.models import Decision
from reconciliation.selectors.reversals import load_decision, load_reversal, subject_of

_REVERSIBLE = (DecisionKind.APPROVED, DecisionKind.ALLOCATED)


@dataclass(slots=True)
class DecisionCase:
    """A decision that can be taken back once."""

    row: Decision

    @property
    def version(self) -> int:
        return 1

    @property
    def is_waiting(self) -> bool:
        is_of_queue = subject_of(self.row) is not None
        return (
            is_of_queue
            and self.row.kind in _REVERSIBLE
            and not Decision.objects.filter(reverses=self.row).exists()
        )

    def rights(self, verb: str) -> tuple[Right, ...]:
        return (Right.REVERSE,) if verb == "reverse" else ()

    def offers(self, viewer: Viewer) -> list[Offer]:
        if not self.is_waiting:
            return []
        why = "" if viewer.may(Right.REVERSE) else NO_RIGHT
        return [Offer(verb="reverse", label="Reverse this decision", why_not=why)]

    def fields(self, verb: str) -> dict[str, forms.Field]:
        return {}

    def takers(self, verb: str) -> list[tuple[int, str]]:
        return []

    def facts(self) -> list[Section]:
        subject = subject_of(self.row)
        rows = [
            ("Decision", link(self.row)),
            ("About", link(None if subject is None else subject.row)),
            ("Decided by", display.text(self.row.checker_name or self.row.maker_name)),
            ("Decided", display.moment(self.row.decided_at)),
            ("Reason", display.text(self.row.reason)),
        ]
        return [Facts(title="What is taken back", rows=rows)]

    def preview(self, verb: str, terms: Terms, viewer: Viewer) -> Preview:
        return preview_of(plan_reversal(load_reversal(self.row), now=now()))

    def decide(self, verb: str, terms: Terms, desk: Desk) -> Told:
        result = reverse_decision(decision_id=self.row.pk, **words_of(terms, desk))
        return Told(sentence=result.sentence, code=result.code)

    def decisions(self) -> QuerySet[Decision]:
        return Decision.objects.filter(reverses=self.row)

    def waiting(self) -> QuerySet[Any]:
        return Decision.objects.none()


def load_decision_case(pk: int) -> DecisionCase | None:
    """Return a decision by its number."""
    row = load_decision(pk)
    return None if row is None else DecisionCase(row)
