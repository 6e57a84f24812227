"""Decisions of people on the two review queues: approve, allocate, reject, reopen.

The rules come in one order: right, reason, question, version, age of the evidence, plan, four
eyes, locks. Each function decides one question once, however often it is called.
"""

from collections.abc import Mapping
from decimal import Decimal

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.people import Person
from reconciliation.domain.plans.decisions import (
    Ask,
)
from reconciliation.enums import (
    DecisionReason,
    DecisionRefusal,
)
from reconciliation.handlers.decision_desk import (
    Asked,
    DecisionResult,
    Refused,
    answer,
)
from reconciliation.handlers.decision_flows import approve, reject, reopen
from reconciliation.selectors.decisions import (
    load_candidate,
    load_review,
    load_shortfall,
)


def approve_review(
    *,
    item_id: int,
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    conf: Conf,
    clock: Clock,
    version: int | None = None,
    quantity: Decimal | None = None,
    price: Decimal | None = None,
) -> DecisionResult:
    """Exit a quarantined slice by a person's word, or mark an overclose as not ours."""
    asked = _asked(person, reason, comment, version, conf, clock)
    return approve(
        asked, ("review", item_id), load_review(item_id), Ask(quantity=quantity, price=price)
    )


def allocate_review(
    *,
    item_id: int,
    shares: Mapping[int, Decimal],
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    conf: Conf,
    clock: Clock,
    version: int | None = None,
) -> DecisionResult:
    """Allocate what was exited beyond a slice to others; `shares` are by the trade's row id."""
    asked = _asked(person, reason, comment, version, conf, clock)
    subject = load_review(item_id)
    if subject is not None and not subject.is_overclose:

        def refuse() -> DecisionResult:
            raise Refused(
                DecisionRefusal.WRONG_SLICE, "only fills are allocated; approve a quantity instead"
            )

        return answer(asked, what=("review", item_id), subject=subject, work=refuse)
    return approve(asked, ("review", item_id), subject, Ask(shares=dict(shares)))


def approve_shortfall(
    *,
    trade_id: int,
    quantity: Decimal | None,
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    conf: Conf,
    clock: Clock,
    version: int | None = None,
    price: Decimal | None = None,
) -> DecisionResult:
    """Exit from a slice its part of a shortfall that several share; `trade_id` is a row id.

    `version` is one more than the decisions on it that the person knew of.
    """
    asked = _asked(person, reason, comment, version, conf, clock)
    ask = Ask(quantity=quantity, price=price)
    return approve(asked, ("trade", trade_id), load_shortfall(trade_id), ask)


def approve_candidate(
    *,
    candidate_id: int,
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    conf: Conf,
    clock: Clock,
    version: int | None = None,
    trade_id: int | None = None,
    quantity: Decimal | None = None,
) -> DecisionResult:
    """Book a fill to the slice that a person names, or the one that is suggested."""
    asked = _asked(person, reason, comment, version, conf, clock)
    ask = Ask(trade_id=trade_id, quantity=quantity)
    return approve(asked, ("backfill", candidate_id), load_candidate(candidate_id), ask)


def allocate_candidate(
    *,
    candidate_id: int,
    shares: Mapping[int, Decimal],
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    conf: Conf,
    clock: Clock,
    version: int | None = None,
) -> DecisionResult:
    """Book a fill to several slices; `shares` are by the trade's row id."""
    asked = _asked(person, reason, comment, version, conf, clock)
    ask = Ask(shares=dict(shares))
    return approve(asked, ("backfill", candidate_id), load_candidate(candidate_id), ask)


def reject_review(
    *,
    item_id: int,
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    conf: Conf,
    clock: Clock,
    version: int | None = None,
) -> DecisionResult:
    """Say that a slice holds what its books say; it is open again, and not asked about alike."""
    asked = _asked(person, reason, comment, version, conf, clock)
    return reject(asked, ("review", item_id), load_review(item_id))


def reject_candidate(
    *,
    candidate_id: int,
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    conf: Conf,
    clock: Clock,
    version: int | None = None,
) -> DecisionResult:
    """Say that a fill is not ours; it is not asked about again unless it is reopened."""
    asked = _asked(person, reason, comment, version, conf, clock)
    return reject(asked, ("backfill", candidate_id), load_candidate(candidate_id))


def reopen_review(
    *,
    item_id: int,
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    conf: Conf,
    clock: Clock,
    version: int | None = None,
) -> DecisionResult:
    """Ask again what was rejected: the slice is in quarantine as before."""
    asked = _asked(person, reason, comment, version, conf, clock)
    return reopen(asked, ("review", item_id), load_review(item_id))


def reopen_candidate(
    *,
    candidate_id: int,
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    conf: Conf,
    clock: Clock,
    version: int | None = None,
) -> DecisionResult:
    """Ask again about a fill that was rejected."""
    asked = _asked(person, reason, comment, version, conf, clock)
    return reopen(asked, ("backfill", candidate_id), load_candidate(candidate_id))


def _asked(
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    version: int | None,
    conf: Conf,
    clock: Clock,
) -> Asked:
    return Asked(
        person=person, reason=reason, comment=comment, version=version, conf=conf, clock=clock
    )
