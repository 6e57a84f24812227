"""From verdicts on confirmed findings to changes; who was asked already, and who is released."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from reconciliation.domain.books import TradeState
from reconciliation.domain.confirmed import CloseGhost, PutBefore, Verdict
from reconciliation.domain.keys import evidence_hash
from reconciliation.domain.parity import Finding
from reconciliation.domain.parity_books import ParityBooks
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.evidence import fill_as_evidence
from reconciliation.domain.plans.parity import (
    closing_fills_of,
    plan_quarantine,
    plan_release,
    plan_synthetic_exit,
    sameness_of,
)
from reconciliation.enums import QuarantineReason, TradeStatus


def without_answered(finding: Finding, books: ParityBooks) -> Finding | None:
    """Return a confirmed finding with the slices that a verdict is due on; None without any.

    A slice that waits for a person with this very evidence, or whose evidence a person has
    rejected, is left out; so is a disabled profile's.
    """
    shares = tuple(
        share
        for share in finding.shares
        if share.trade.profile_id not in books.disabled
        and not is_answered(finding, share.trade, books)
    )
    return replace(finding, shares=shares) if shares else None


def is_answered(finding: Finding, trade: TradeState, books: ParityBooks) -> bool:
    """Return whether a person was asked with this very evidence: he has said no, or has not yet."""
    sameness = evidence_hash(sameness_of(finding, closing_fills_of(trade, books.closing_fills)))
    if trade.status != TradeStatus.QUARANTINED:
        return (trade.id, sameness) in books.answered
    waiting = books.waiting.get(trade.id)
    return waiting is None or waiting.evidence_hash == sameness


def plan_verdict(
    trade: TradeState,
    finding: Finding,
    verdict: Verdict,
    books: ParityBooks,
    *,
    evidence: Mapping[str, object],
    as_of: datetime,
) -> Change | None:
    """Return the change that a verdict on a slice comes to; None where it is left alone."""
    fills = closing_fills_of(trade, books.closing_fills)
    evidence = {**evidence, "fills": [fill_as_evidence(kept.fill) for kept in fills]}
    waiting = books.waiting.get(trade.id)
    if isinstance(verdict, CloseGhost) and waiting is None:
        return plan_synthetic_exit(trade, price=verdict.price, as_of=as_of, evidence=evidence)
    if not isinstance(verdict, PutBefore | CloseGhost):
        return None
    # A question that waits is asked with new evidence, never taken from the person.
    reason = verdict.reason if isinstance(verdict, PutBefore) else None
    reason = reason if waiting is None else waiting.reason
    if reason is None:
        return None
    shares = {share.trade.id: share.quantity for share in finding.shares}
    return plan_quarantine(
        trade,
        reason=reason,
        quantity=shares[trade.id],
        evidence=evidence,
        sameness=sameness_of(finding, fills),
    )


def plan_releases(finding: Finding, books: ParityBooks, *, heartbeats: int) -> Iterable[Change]:
    """Yield the releases of quarantined slices of a position that was clean for long enough."""
    for trade in finding.holding.slices:
        waiting = books.waiting.get(trade.id)
        by_person = waiting is not None and waiting.reason == QuarantineReason.OPERATOR
        is_ours = trade.profile_id not in books.disabled and not by_person
        if trade.status == TradeStatus.QUARANTINED and is_ours:
            yield plan_release(trade, heartbeats=heartbeats)
