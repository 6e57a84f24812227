"""What a page shows of a question: both sides, its age, who proposed what, who could take it.

A number of queries that depends neither on how many slices nor on how many decisions there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.conf import Conf
from reconciliation.domain.amounts import product
from reconciliation.domain.books import TradeState
from reconciliation.domain.plans.decisions import Ask, DecisionPlan, Refusal
from reconciliation.domain.unowned import could_close
from reconciliation.enums import HOLDING_TRADE_STATUSES, RunKind
from reconciliation.models import BackfillCandidate, Decision, Mismatch, ReviewItem, Trade
from reconciliation.selectors.decisions import (
    EvidenceAge,
    Subject,
    load_evidence_age,
    load_mark,
    load_proposal,
    plan_approval,
)
from reconciliation.selectors.states import kept_fill, trade_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    """A slice that a fill could be booked to. `is_suggested`: what the evidence points to."""

    trade: TradeState
    profile: str
    is_suggested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as a person decides on it; `version` is what the answer has to name.

    `preview` is what approving it without further terms would write, or why it cannot be.
    `evidence` is as it was read: both sides. `mark` is the last one, None where there is none.
    """

    subject: Subject
    version: int
    job: RunKind
    waiting_for: timedelta
    age: EvidenceAge
    symbol: str
    mark: Decimal | None
    evidence: Mapping[str, object]
    mismatches: tuple[Mismatch, ...]
    proposal: Decision | None
    decisions: tuple[Decision, ...]
    takers: tuple[Taker, ...]
    preview: DecisionPlan | Refusal

    @property
    def worth(self) -> Decimal | None:
        """Return what is in question in USD, None where that is not known."""
        row = self.subject.row
        return row_worth(row, self.mark) if not isinstance(row, Mismatch) else None


def load_question(subject: Subject, *, conf: Conf, now: datetime) -> Question:
    """Return all that a page shows of a question."""
    row = subject.row
    symbol = _symbol(subject)
    return Question(
        subject=subject,
        version=subject.version,
        job=subject.job,
        waiting_for=now - row.opened_at,
        age=load_evidence_age(subject, now=now, max_age=conf.review_evidence_max_age),
        symbol=symbol,
        mark=load_mark(row.account_id, symbol),
        evidence=_evidence(subject),
        mismatches=_mismatches(subject),
        proposal=load_proposal(subject),
        decisions=_decisions(subject),
        takers=_takers(subject),
        preview=plan_approval(subject, Ask(), now=now),
    )


def row_worth(row: ReviewItem | BackfillCandidate, mark: Decimal | None) -> Decimal | None:
    """Return what a row of the two queues is about in USD; a fill has a price of its own."""
    price = row.fill.price if isinstance(row, BackfillCandidate) else mark
    return None if price is None or row.quantity is None else product(row.quantity, price)


def preview_approval(subject: Subject, ask: Ask, *, now: datetime) -> DecisionPlan | Refusal:
    """Return what an approval with these terms would write: the plan that the decision writes."""
    return plan_approval(subject, ask, now=now)


def _symbol(subject: Subject) -> str:
    row = subject.row
    if isinstance(row, ReviewItem):
        return row.trade.symbol
    return row.fill.symbol if isinstance(row, BackfillCandidate) else row.symbol


def _evidence(subject: Subject) -> Mapping[str, object]:
    row = subject.row
    if isinstance(row, Mismatch):
        return {"database": row.database_side, "exchange": row.exchange_side}
    evidence: Mapping[str, object] = row.evidence
    return evidence


def _mismatches(subject: Subject) -> tuple[Mismatch, ...]:
    """Return the mismatches that are open, or accepted, of the slice in question."""
    row = subject.row
    if not isinstance(row, ReviewItem):
        return (row,) if isinstance(row, Mismatch) else ()
    rows = Mismatch.objects.filter(account_id=row.account_id, trade_id=row.trade_id)
    return tuple(rows.exclude(status="RESOLVED").select_related("sighting").order_by("pk"))


def _decisions(subject: Subject) -> tuple[Decision, ...]:
    """Return what was decided of it so far, newest first, with what reversed it."""
    rows = Decision.objects.filter(**{subject.field: subject.row})
    return tuple(rows.select_related("reversed_by").order_by("-pk"))


def _takers(subject: Subject) -> tuple[Taker, ...]:
    """Return the slices that a fill could be booked to, those first that the evidence names."""
    row = subject.row
    if not isinstance(row, BackfillCandidate):
        return ()
    fill = kept_fill(row.fill).fill
    rows = Trade.objects.filter(
        account_id=row.account_id,
        symbol=fill.symbol,
        status__in=sorted(HOLDING_TRADE_STATUSES),
    ).select_related("profile")
    suggestions = row.evidence.get("suggestions") or []
    named = {each.get("trade") for each in suggestions if isinstance(each, dict)}
    takers = [
        Taker(
            trade=trade_state(trade),
            profile=trade.profile.name,
            is_suggested=trade.pk == row.trade_id or trade.trade_id in named,
        )
        for trade in rows.order_by("pk")
    ]
    able = (taker for taker in takers if could_close(fill, taker.trade))
    return tuple(sorted(able, key=lambda taker: (not taker.is_suggested, taker.trade.id)))
