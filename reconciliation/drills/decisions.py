"""Decisions of people in a drill: what each step does, listed in `served`.

One that is denied, repeated, stale or in conflict is recorded, and no error of the drill: the
trail tells of it, and a remark says it to who runs the drill.
"""

from decimal import Decimal
from typing import TypedDict

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.cycles.refresh import refresh_evidence
from reconciliation.domain.people import Person
from reconciliation.drills.people import person_named
from reconciliation.drills.schema import (
    AllocateStep,
    DecisionStep,
    RefreshStep,
    ReviewStep,
    TakeBackStep,
)
from reconciliation.drills.world import World
from reconciliation.enums import (
    DecisionKind,
    DecisionReason,
    QuarantineReason,
    ReviewQueue,
)
from reconciliation.handlers import decisions
from reconciliation.handlers.decision_desk import DecisionOutcome, DecisionResult
from reconciliation.handlers.decision_reversals import reverse_decision
from reconciliation.models import BackfillCandidate, Decision, ReviewItem, Trade
from reconciliation.selectors.decisions import load_candidate, load_review

NOBODY = 0
"""An id that no row has: what a decision on something that does not wait is about."""


class _Who(TypedDict):
    """Who decides, and why."""

    person: Person
    reason: DecisionReason | None
    comment: str
    conf: Conf
    clock: Clock


def approve(world: World, step: ReviewStep) -> None:
    """Approve an item; with a quantity and no item, a slice's part of a shared shortfall."""
    if step.queue is ReviewQueue.BACKFILL:
        result = decisions.approve_candidate(
            candidate_id=_candidate(step.fill, step.trade),
            trade_id=None if step.trade is None else _trade(step.trade),
            quantity=step.quantity,
            **_who(world, step),
        )
    elif _waits(step.trade) or step.quantity is None:
        result = decisions.approve_review(
            item_id=_item(step.trade),
            quantity=step.quantity,
            price=step.price,
            **_who(world, step),
        )
    else:
        result = decisions.approve_shortfall(
            trade_id=_trade(step.trade),
            quantity=step.quantity,
            price=step.price,
            **_who(world, step),
        )
    _remark(world, step, result)


def reject(world: World, step: ReviewStep) -> None:
    """Reject an item."""
    if step.queue is ReviewQueue.BACKFILL:
        result = decisions.reject_candidate(
            candidate_id=_candidate(step.fill, step.trade), **_who(world, step)
        )
    else:
        result = decisions.reject_review(item_id=_item(step.trade), **_who(world, step))
    _remark(world, step, result)


def allocate(world: World, step: AllocateStep) -> None:
    """Allocate a fill over slices: a candidate of the backfill, or what an overclose is about."""
    shares: dict[int, Decimal] = {_trade(name): amount for name, amount in step.to.items()}
    item = _overclose_of(step.fill)
    if item is not None:
        result = decisions.allocate_review(item_id=item, shares=shares, **_who(world, step))
    else:
        result = decisions.allocate_candidate(
            candidate_id=_candidate(step.fill, None), shares=shares, **_who(world, step)
        )
    _remark(world, step, result)


def reopen(world: World, step: TakeBackStep) -> None:
    """Ask again what was rejected."""
    if step.queue is ReviewQueue.BACKFILL:
        result = decisions.reopen_candidate(
            candidate_id=_candidate(step.fill, step.trade), **_who(world, step)
        )
    else:
        result = decisions.reopen_review(item_id=_item(step.trade), **_who(world, step))
    _remark(world, step, result)


def reverse(world: World, step: TakeBackStep) -> None:
    """Reverse the newest decision on an item that carried something out."""
    rows = Decision.objects.filter(kind__in=[DecisionKind.APPROVED, DecisionKind.ALLOCATED])
    if step.queue is ReviewQueue.BACKFILL:
        rows = rows.filter(candidate_id=_candidate(step.fill, step.trade))
    else:
        rows = rows.filter(pk__in=_decisions_on(_trade(step.trade)))
    newest = rows.order_by("-pk").values_list("pk", flat=True).first()
    result = reverse_decision(decision_id=newest or NOBODY, **_who(world, step))
    _remark(world, step, result)


def refresh(world: World, step: RefreshStep) -> None:
    """Read the evidence of an item anew."""
    if step.queue is ReviewQueue.BACKFILL:
        subject = load_candidate(_candidate(step.fill, step.trade))
    else:
        subject = load_review(_item(step.trade))
    if subject is None:
        world.remarks.append(f"line {step.line}: there is no such item to refresh")
        return
    with world.run_that_may_die() as ports:
        refresh_evidence(subject=subject, ports=ports)


def _who(world: World, step: DecisionStep) -> _Who:
    return {
        "person": person_named(step.by),
        "reason": step.reason,
        "comment": step.comment,
        "conf": world.drill.conf,
        "clock": world.clock,
    }


def _remark(world: World, step: DecisionStep, result: DecisionResult) -> None:
    if result.outcome is DecisionOutcome.REFUSED:
        world.remarks.append(
            f"line {step.line}: {step.name} by {step.by} was refused:"
            f" {result.code}: {result.sentence}"
        )


def _trade(name: str | None) -> int:
    found = Trade.objects.filter(trade_id=name).order_by("-pk").values_list("pk", flat=True)
    return found.first() or NOBODY


def _item(trade: str | None) -> int:
    """Return the item of a trade: one that waits, else the newest."""
    items = ReviewItem.objects.filter(trade__trade_id=trade).order_by("-pk")
    found = items.waiting().first() or items.first()
    return NOBODY if found is None else found.pk


def _waits(trade: str | None) -> bool:
    return ReviewItem.objects.waiting().filter(trade__trade_id=trade).exists()


def _candidate(fill: str | None, trade: str | None) -> int:
    """Return the candidate of a fill, which several accounts may have: one that waits first."""
    rows = BackfillCandidate.objects.filter(fill__exchange_fill_id=fill or "").order_by("-pk")
    if trade is not None:
        accounts = Trade.objects.filter(trade_id=trade).values("account_id")
        rows = rows.filter(account_id__in=accounts) if rows.count() > 1 else rows
    found = rows.waiting().first() or rows.first()
    return NOBODY if found is None else found.pk


def _overclose_of(fill: str) -> int | None:
    """Return the waiting overclose that is about a fill."""
    items = ReviewItem.objects.waiting().filter(reason=QuarantineReason.OVERCLOSE)
    for item in items.order_by("-pk"):
        if any(each.get("fill_id") == fill for each in item.evidence.get("fills", [])):
            return item.pk
    return None


def _decisions_on(trade_id: int) -> list[int]:
    """Return the decisions on a slice: on its items, and on its parts of shared shortfalls."""
    rows = Decision.objects.select_related("review")
    return [
        row.pk
        for row in rows
        if (row.review is not None and row.review.trade_id == trade_id)
        or row.terms.get("slice") == trade_id
    ]
