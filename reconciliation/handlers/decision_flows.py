"""How each kind of decision goes: the rules in their one order, then the writing.

Right, reason, question, version, age of the evidence, plan, four eyes, locks.
"""

from dataclasses import replace
from decimal import Decimal

from reconciliation.domain.amounts import parse_amount
from reconciliation.domain.plans.decisions import (
    Ask,
    DecisionPlan,
    Refusal,
    plan_quarantine,
    plan_release,
)
from reconciliation.enums import (
    CandidateStatus,
    DecisionKind,
    DecisionRefusal,
    MismatchStatus,
    ReviewStatus,
    Right,
)
from reconciliation.handlers.decision_desk import (
    Act,
    Asked,
    DecisionOutcome,
    DecisionResult,
    Refused,
    answer,
    asked_terms,
    carry_out,
    check_asked,
    insert_decision,
    record,
)
from reconciliation.handlers.decision_questions import (
    answer_mismatches,
    look_again,
    set_status,
    state_of,
)
from reconciliation.handlers.unit import Unit
from reconciliation.models import BackfillCandidate, Decision, Mismatch, ReviewItem
from reconciliation.selectors.decisions import (
    EvidenceAge,
    Subject,
    load_evidence_age,
    load_proposal,
    plan_approval,
    plan_rejection_of_fill,
    plan_rejection_of_overclose,
)
from reconciliation.selectors.states import trade_state


def approve(asked: Asked, what: tuple[str, int], found: Subject | None, ask: Ask) -> DecisionResult:
    def work() -> DecisionResult:
        check_asked(asked, (Right.PROPOSE, Right.APPROVE), "propose or approve")
        subject = _waiting(asked, found)
        proposal = load_proposal(subject)
        wanted = ask if proposal is None else _as_proposed(proposal, ask)
        age = load_evidence_age(
            subject, now=asked.clock.now(), max_age=asked.conf.review_evidence_max_age
        )
        if age.is_stale and not age.is_unreadable:
            raise Refused(
                DecisionRefusal.STALE_EVIDENCE,
                f"no complete run has seen the evidence since {age.seen_at:%F %T} UTC;"
                " refresh it first",
            )
        decided = _check_count(asked, subject)
        plan = plan_approval(subject, wanted, now=asked.clock.now())
        if isinstance(plan, Refusal):
            raise Refused.of(plan)
        if proposal is None:
            if _needs_two(asked, plan, age):
                return _propose(asked, subject, plan, age)
            return _carry_out_approval(asked, subject, plan, decided=decided)
        if proposal.maker_id == asked.person.actor.id:
            raise Refused(
                DecisionRefusal.SAME_PERSON,
                f"{asked.name} proposed it; somebody else has to approve",
            )
        if not asked.person.may(Right.APPROVE):
            raise Refused(
                DecisionRefusal.DENIED,
                f"{proposal.maker_name} has proposed it, and {asked.name} may not approve",
            )
        return _carry_out_approval(
            asked,
            subject,
            plan,
            decided=decided,
            proposal=proposal,
            override=proposal.override or age.is_stale,
        )

    return answer(asked, what=what, subject=found, work=work)


def _waiting(asked: Asked, subject: Subject | None) -> Subject:
    """Return the question; raises `Refused` where it is none any more, or another one."""
    if subject is None:
        raise Refused(DecisionRefusal.UNKNOWN_ITEM, "nothing waits here under that name")
    if not subject.is_waiting:
        raise Refused(
            DecisionRefusal.DECIDED_ALREADY,
            f"it is {subject.row.status} already; nothing was done a second time",
        )
    _check_version(asked, subject)
    return subject


def _check_version(asked: Asked, subject: Subject) -> None:
    # A mismatch has no version: the decisions on it are counted instead.
    is_counted = isinstance(subject.row, Mismatch)
    if not is_counted and asked.version not in (None, subject.version):
        raise Refused(
            DecisionRefusal.CONFLICT, "it has changed since the page was loaded; load it again"
        )


def _as_proposed(proposal: Decision, ask: Ask) -> Ask:
    """Return what was proposed; raises `Refused` where somebody asks for something else."""
    given = {key: value for key, value in asked_terms(ask).items() if value is not None}
    if any(proposal.terms.get(key) != value for key, value in given.items()):
        raise Refused(
            DecisionRefusal.CONFLICT,
            f"{proposal.maker_name} proposed other terms; approve those, or reject it",
        )
    return proposed_ask(proposal)


def proposed_ask(proposal: Decision) -> Ask:
    """Return what a proposal asks for; a preview of it plans the same."""
    terms = proposal.terms

    def amount(key: str) -> Decimal | None:
        return None if terms.get(key) is None else parse_amount(terms[key])

    shares = terms.get("to")
    return Ask(
        quantity=amount("quantity"),
        price=amount("price"),
        trade_id=terms.get("trade"),
        shares=None
        if shares is None
        else {int(key): parse_amount(value) for key, value in shares.items()},
    )


def _needs_two(asked: Asked, plan: DecisionPlan, age: EvidenceAge) -> bool:
    """Return whether a second person has to agree; a worth that is unknown counts as too much."""
    limit = asked.conf.four_eyes_min_notional_usd
    at_limit = limit is not None and (plan.notional is None or plan.notional >= limit)
    return at_limit or age.is_stale or not asked.person.may(Right.APPROVE)


def _propose(
    asked: Asked, subject: Subject, plan: DecisionPlan, age: EvidenceAge
) -> DecisionResult:
    if not asked.person.may(Right.PROPOSE):
        raise Refused(
            DecisionRefusal.DENIED,
            f"two people have to decide this, and {asked.name} may not propose;"
            " ask somebody who may",
        )
    act = Act(
        kind=DecisionKind.PROPOSED,
        action="review.proposed",
        subject=subject,
        plan=plan,
        before=state_of(subject),
        look=look_again(subject),
        close=lambda unit, decision_id: set_status(unit, subject, ReviewStatus.PROPOSED),
        override=age.is_stale,
    )
    # No books are written, so no lease is needed: the item's own row is what is locked.
    with asked.unit() as unit:
        act.look()
        decision = insert_decision(unit, asked, act)
        record(unit, asked, act, decision, act.close(unit, decision.pk))
    return DecisionResult(
        outcome=DecisionOutcome.PROPOSED,
        sentence="proposed; a second person has to approve it",
        decision_id=decision.pk,
    )


def _carry_out_approval(
    asked: Asked,
    subject: Subject,
    plan: DecisionPlan,
    *,
    decided: int,
    proposal: Decision | None = None,
    override: bool = False,
) -> DecisionResult:
    is_allocation = plan.ask.shares is not None or isinstance(subject.row, Mismatch)
    look_at_row = look_again(subject)

    def look() -> None:
        look_at_row()
        if isinstance(subject.row, Mismatch) and count_decided(subject) != decided:
            raise Refused(
                DecisionRefusal.CONFLICT, "another part of the shortfall was decided meanwhile"
            )

    def close(unit: Unit, decision_id: int) -> dict[str, object]:
        after = set_status(unit, subject, ReviewStatus.APPROVED, chosen=plan.ask.trade_id)
        if plan.covers and not subject.is_overclose:
            answer_mismatches(
                unit,
                subject,
                old=MismatchStatus.OPEN,
                new=MismatchStatus.RESOLVED,
                why=f"decision {decision_id} of {asked.name} exited what was in question",
            )
        return after

    return carry_out(
        asked,
        Act(
            kind=DecisionKind.ALLOCATED if is_allocation else DecisionKind.APPROVED,
            action="review.approved",
            subject=subject,
            plan=plan,
            before=state_of(subject),
            look=look,
            close=close,
            proposal=proposal,
            override=override,
        ),
    )


def _check_count(asked: Asked, subject: Subject) -> int:
    """Return how many decisions a shortfall has; raises `Refused` where a page showed fewer."""
    decided = count_decided(subject)
    if isinstance(subject.row, Mismatch) and asked.version not in (None, 1 + decided):
        raise Refused(
            DecisionRefusal.CONFLICT,
            "another part of the shortfall was decided since the page was loaded",
        )
    return decided


def count_decided(subject: Subject) -> int:
    """Return how many decisions a shared shortfall has: each of them changes what is left."""
    if not isinstance(subject.row, Mismatch):
        return 0
    rows = Decision.objects.filter(mismatch=subject.row).exclude(kind=DecisionKind.PROPOSED)
    return rows.count()


def reject(asked: Asked, what: tuple[str, int], found: Subject | None) -> DecisionResult:
    def work() -> DecisionResult:
        check_asked(asked, (Right.REJECT,), "reject")
        subject = _waiting(asked, found)
        row = subject.row
        if isinstance(row, BackfillCandidate):
            plan = plan_rejection_of_fill(row)
        elif isinstance(row, ReviewItem) and subject.is_overclose:
            plan = plan_rejection_of_overclose(row)
        elif isinstance(row, ReviewItem):
            plan = plan_release(trade_state(row.trade))
        else:
            raise Refused(DecisionRefusal.UNKNOWN_ITEM, "a shortfall is allocated, not rejected")

        def close(unit: Unit, decision_id: int) -> dict[str, object]:
            after = set_status(unit, subject, ReviewStatus.REJECTED)
            if not subject.is_overclose:
                answer_mismatches(
                    unit,
                    subject,
                    old=MismatchStatus.OPEN,
                    new=MismatchStatus.ACCEPTED,
                    why=f"decision {decision_id} of {asked.name}: the slice holds what it says",
                )
            return after

        return carry_out(
            asked,
            Act(
                kind=DecisionKind.REJECTED,
                action="review.rejected",
                subject=subject,
                plan=plan,
                before=state_of(subject),
                look=look_again(subject),
                close=close,
            ),
        )

    return answer(asked, what=what, subject=found, work=work)


def reopen(asked: Asked, what: tuple[str, int], found: Subject | None) -> DecisionResult:
    def work() -> DecisionResult:
        check_asked(asked, (Right.REJECT,), "reopen")
        if found is None:
            raise Refused(DecisionRefusal.UNKNOWN_ITEM, "there is no such item")
        if found.is_waiting:
            raise Refused(DecisionRefusal.DECIDED_ALREADY, "it waits already: decide it")
        if found.row.status not in (ReviewStatus.REJECTED, CandidateStatus.REJECTED):
            raise Refused(
                DecisionRefusal.NOT_REVERSIBLE,
                f"it is {found.row.status}; only what was rejected is reopened,"
                " an approval is reversed",
            )
        _check_version(asked, found)
        plan = plan_reopening(found)
        if isinstance(plan, Refusal):
            raise Refused.of(plan)

        def close(unit: Unit, decision_id: int) -> dict[str, object]:
            if not found.is_overclose:
                answer_mismatches(
                    unit, found, old=MismatchStatus.ACCEPTED, new=MismatchStatus.OPEN, why=""
                )
            return set_status(unit, found, ReviewStatus.PENDING)

        return carry_out(
            asked,
            Act(
                kind=DecisionKind.REOPENED,
                action="review.reopened",
                subject=found,
                plan=plan,
                before=state_of(found),
                look=look_again(found),
                close=close,
            ),
        )

    return answer(asked, what=what, subject=found, work=work)


def plan_reopening(subject: Subject) -> DecisionPlan | Refusal:
    """Return what reopening would write; a preview shows the same."""
    row = subject.row
    if isinstance(row, ReviewItem) and not subject.is_overclose:
        waiting = ReviewItem.objects.waiting().filter(trade_id=row.trade_id, reason=row.reason)
        if waiting.exists():
            return Refusal(
                code=DecisionRefusal.CONFLICT,
                sentence="newer evidence on this slice waits already; decide that",
            )
        return plan_quarantine(trade_state(row.trade))
    last = (
        Decision.objects.filter(**{subject.field: row}, kind=DecisionKind.REJECTED)
        .order_by("-pk")
        .first()
    )
    freed = () if last is None else tuple(last.terms.get("set_aside", ()))
    return replace(
        DecisionPlan(ask=Ask(), sentences=("it waits for a decision again",)), freed=freed
    )
