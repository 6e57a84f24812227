"""Take back a decision: a new one, linked to it, that reverses its exits and frees the fills."""

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.people import Person
from reconciliation.domain.plans.decision_reversals import plan_reversal
from reconciliation.domain.plans.decisions import Refusal
from reconciliation.enums import (
    CandidateStatus,
    DecisionKind,
    DecisionReason,
    DecisionRefusal,
    Right,
)
from reconciliation.handlers.decision_desk import (
    Act,
    Asked,
    DecisionResult,
    Refused,
    answer,
    carry_out,
    check_asked,
)
from reconciliation.handlers.decision_questions import look_again, set_status, state_of
from reconciliation.handlers.unit import Unit
from reconciliation.models import BackfillCandidate, Decision
from reconciliation.selectors.reversals import load_decision, load_reversal, subject_of

_REVERSIBLE = frozenset({DecisionKind.APPROVED, DecisionKind.ALLOCATED})


def reverse_decision(
    *,
    decision_id: int,
    person: Person,
    reason: DecisionReason | None,
    comment: str,
    conf: Conf,
    clock: Clock,
) -> DecisionResult:
    """Reverse what a decision wrote. The old one stays as it is; this one points to it."""
    asked = Asked(
        person=person, reason=reason, comment=comment, version=None, conf=conf, clock=clock
    )
    old = load_decision(decision_id)
    subject = None if old is None else subject_of(old)

    def work() -> DecisionResult:
        check_asked(asked, (Right.REVERSE,), "reverse a decision")
        if old is None or subject is None:
            raise Refused(DecisionRefusal.UNKNOWN_ITEM, "there is no such decision on a queue")
        _check_reversible(old)
        plan = plan_reversal(load_reversal(old), now=clock.now())
        if isinstance(plan, Refusal):
            raise Refused.of(plan)
        look_at_row = look_again(subject)

        def look() -> None:
            look_at_row()
            _check_reversible(old)

        def close(unit: Unit, new_id: int) -> dict[str, object]:
            if isinstance(subject.row, BackfillCandidate):
                return set_status(unit, subject, CandidateStatus.PENDING)
            return {"status": subject.row.status, "reverses": old.pk}

        return carry_out(
            asked,
            Act(
                kind=DecisionKind.REVERSED,
                action="review.reversed",
                subject=subject,
                plan=plan,
                before={**state_of(subject), "decision": old.pk},
                look=look,
                close=close,
                reverses=old,
            ),
        )

    return answer(asked, what=("decision", decision_id), subject=subject, work=work)


def _check_reversible(old: Decision) -> None:
    if old.kind not in _REVERSIBLE:
        raise Refused(
            DecisionRefusal.NOT_REVERSIBLE,
            f"a decision that is {old.kind} is not reversed; what was rejected is reopened",
        )
    if Decision.objects.filter(reverses=old).exists():
        raise Refused(DecisionRefusal.NOT_REVERSIBLE, "it was reversed before")
