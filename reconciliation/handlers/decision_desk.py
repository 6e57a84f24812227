"""How a person's decision is written: locks, the decision's row, what it does, the events.

Every decision is one durable unit: fence the leases, lock the rows, look again whether the
question still waits as it was shown, write. A refusal has an event in a unit of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum

from django.db import DataError, IntegrityError

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.amounts import plain
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.people import Person
from reconciliation.domain.plans.decisions import Ask, DecisionPlan, Refusal
from reconciliation.enums import (
    AuditOutcome,
    DecisionKind,
    DecisionReason,
    DecisionRefusal,
    Right,
)
from reconciliation.handlers.changes import write_changes
from reconciliation.handlers.leases import Lease, LockLost, fence, holding, take_lease, who_holds
from reconciliation.handlers.targets import Target
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import Decision, Fill, Profile, Trade
from reconciliation.selectors.decisions import Subject
from reconciliation.selectors.lists import id_list

DENIALS = frozenset({DecisionRefusal.DENIED, DecisionRefusal.SAME_PERSON})
# A cycle holds a lease for milliseconds: a person's page may wait that long, and not much longer.
_TRIES, _BETWEEN_SECONDS = 10, 0.1


class DecisionOutcome(StrEnum):
    """What came of asking for a decision."""

    APPLIED = "applied"
    PROPOSED = "proposed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionResult:
    """The answer to a person: what came of it, and in words. `code` says why it was refused."""

    outcome: DecisionOutcome
    sentence: str
    code: DecisionRefusal | None = None
    decision_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who decides, why, and on which version of the question (None: whichever there is)."""

    person: Person
    reason: DecisionReason | None
    comment: str
    version: int | None
    conf: Conf
    clock: Clock

    @property
    def name(self) -> str:
        return self.person.actor.name

    def unit(self) -> AbstractContextManager[Unit]:
        """Open the unit in which this person acts."""
        return transaction_unit(
            actor=self.person.actor,
            clock=self.clock,
            settings_hash=self.conf.hash(),
            request_id=self.person.request_id,
            ip=self.person.ip,
        )


class Refused(Exception):
    """The decision is not carried out; within a unit, nothing of it is written."""

    def __init__(self, code: DecisionRefusal, sentence: str) -> None:
        self.code, self.sentence = code, sentence
        super().__init__(f"{code}: {sentence}")

    @classmethod
    def of(cls, refusal: Refusal) -> "Refused":
        return cls(refusal.code, refusal.sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A decision about to be written. `look` raises `Refused` where the locked rows have moved,
    `close` changes the question itself; both run within the unit."""

    kind: DecisionKind
    action: str
    subject: Subject
    plan: DecisionPlan
    before: dict[str, object]
    look: Callable[[], None]
    close: Callable[[Unit, int], dict[str, object]]
    proposal: Decision | None = None
    reverses: Decision | None = None
    override: bool = False


def answer(
    asked: Asked,
    *,
    what: tuple[str, int],
    subject: Subject | None,
    work: Callable[[], DecisionResult],
) -> DecisionResult:
    """Do a work; a refusal is audited and returned, whatever was begun is undone."""
    try:
        return work()
    except Refused as refused:
        return _refuse(asked, what, subject, refused)
    except LockLost as error:
        lost = Refused(DecisionRefusal.LOCKED, f"{error}; try again")
        return _refuse(asked, what, subject, lost)
    except (IntegrityError, DataError) as error:
        fault = str(error).splitlines()[0]
        failed = Refused(
            DecisionRefusal.FAILED, f"the database refused it ({fault}); nothing was written"
        )
        return _refuse(asked, what, subject, failed)


def check_asked(asked: Asked, rights: Iterable[Right], verb: str) -> None:
    """Raise `Refused` for who may not do this at all, or says no reason."""
    if not any(asked.person.may(right) for right in rights):
        raise Refused(
            DecisionRefusal.DENIED, f"{asked.name} may not {verb}; ask somebody who has that right"
        )
    if asked.reason is None:
        raise Refused(DecisionRefusal.REASON_NEEDED, "a reason is required; choose one")
    if asked.reason == DecisionReason.OTHER and not asked.comment.strip():
        raise Refused(DecisionRefusal.COMMENT_NEEDED, "the reason OTHER needs a comment")


def carry_out(asked: Asked, act: Act) -> DecisionResult:
    """Write a decision under the leases of all whose books it touches."""
    ids = set(act.plan.profile_ids)
    if act.subject.profile is not None:
        ids.add(act.subject.profile.pk)
    with _leases(asked, sorted(ids)) as leases, asked.unit() as unit:
        for lease in leases:
            fence(lease, ttl=asked.conf.lock_ttl, clock=asked.clock)
        _lock_books(act.plan)
        act.look()
        decision = insert_decision(unit, asked, act)
        after = act.close(unit, decision.pk)
        _write_plan(unit, act, decision.pk)
        _set_aside(act.plan)
        record(unit, asked, act, decision, after)
    return DecisionResult(
        outcome=DecisionOutcome.APPLIED,
        sentence="; ".join(act.plan.sentences),
        decision_id=decision.pk,
    )


def insert_decision(unit: Unit, asked: Asked, act: Act) -> Decision:
    """Insert the row of a decision, with both people where a second one approves."""
    actor, proposal, subject = asked.person.actor, act.proposal, act.subject
    return Decision.objects.create(
        account_id=subject.row.account_id,
        profile=subject.profile,
        kind=act.kind,
        maker_id=actor.id if proposal is None else proposal.maker_id,
        maker_name=storable(actor.name if proposal is None else proposal.maker_name),
        checker_id="" if proposal is None else actor.id,
        checker_name="" if proposal is None else storable(actor.name),
        four_eyes=proposal is not None,
        override=act.override,
        reason=asked.reason or "",
        comment=storable(asked.comment),
        terms=terms_of(subject, act.plan),
        notional_usd=act.plan.notional,
        evidence_hash=subject.row.evidence_hash,
        item_version=subject.version,
        proposal=proposal,
        reverses=act.reverses,
        decided_at=unit.now,
        **{subject.field: subject.row},
    )


def terms_of(subject: Subject, plan: DecisionPlan) -> dict[str, object]:
    """Return what is asked for, its defaults filled in, and what is written."""
    ask = plan.ask
    return {
        **asked_terms(ask),
        "slice": None if subject.trade is None else subject.trade.pk,
        "set_aside": list(plan.set_aside),
        "written": dict(plan.written),
    }


def asked_terms(ask: Ask) -> dict[str, object]:
    """Return what a person asks for as a decision keeps it."""
    return {
        "quantity": None if ask.quantity is None else plain(ask.quantity),
        "price": None if ask.price is None else plain(ask.price),
        "trade": ask.trade_id,
        "to": None
        if ask.shares is None
        else {str(key): plain(amount) for key, amount in sorted(ask.shares.items())},
    }


def record(
    unit: Unit, asked: Asked, act: Act, decision: Decision, after: dict[str, object]
) -> None:
    """Record the event of a decision, both sides of it, and who stood for it."""
    subject = act.subject
    unit.record(
        EventDraft(
            action=act.action,
            object_type=subject.object_type,
            object_id=str(subject.row.pk),
            profile="" if subject.profile is None else subject.profile.name,
            account=subject.account.name,
            before=act.before,
            after={
                **after,
                "decision": decision.pk,
                "written": dict(act.plan.written),
                "notional_usd": None if act.plan.notional is None else plain(act.plan.notional),
                "override": act.override,
            },
            reason_code=str(asked.reason or ""),
            comment=decision.comment,
            maker=decision.maker_name,
            checker=decision.checker_name,
            evidence=(subject.row.evidence_hash,) if subject.row.evidence_hash else (),
        )
    )


def _refuse(
    asked: Asked, what: tuple[str, int], subject: Subject | None, refused: Refused
) -> DecisionResult:
    is_denied = refused.code in DENIALS
    profile = None if subject is None else subject.profile
    with asked.unit() as unit:
        unit.record(
            EventDraft(
                action="review.denied",
                outcome=AuditOutcome.DENIED if is_denied else AuditOutcome.REFUSED,
                object_type=what[0],
                object_id=str(what[1]),
                profile="" if profile is None else profile.name,
                account="" if subject is None else subject.account.name,
                after={"code": refused.code, "sentence": refused.sentence},
                reason_code=str(asked.reason or ""),
                comment=storable(asked.comment),
                maker=asked.name,
            )
        )
    return DecisionResult(
        outcome=DecisionOutcome.REFUSED, sentence=refused.sentence, code=refused.code
    )


@contextmanager
def _leases(asked: Asked, profile_ids: Sequence[int]) -> Iterator[list[Lease]]:
    """Hold the leases of profiles, taken in order of id; raises `Refused` where one is held."""
    with ExitStack() as stack:
        leases = []
        for profile_id in profile_ids:
            lease = _take(asked, profile_id)
            leases.append(lease)
            stack.enter_context(holding(lease))
        yield leases


def _take(asked: Asked, profile_id: int) -> Lease:
    for attempt in range(_TRIES):
        if attempt:
            asked.clock.sleep(_BETWEEN_SECONDS)
        lease = take_lease(
            profile_id=profile_id,
            holder=f"decision of {asked.name}"[:64],
            ttl=asked.conf.lock_ttl,
            clock=asked.clock,
        )
        if lease is not None:
            return lease
    raise Refused(DecisionRefusal.LOCKED, who_holds(profile_id=profile_id, clock=asked.clock))


def _lock_books(plan: DecisionPlan) -> None:
    """Lock trades, then fills: in the order in which cycles do, before the question itself."""
    trades = {key for change in plan.changes for key in change.premises.trades}
    fills = {key for change in plan.changes for key in change.premises.fills}
    fills |= {*plan.set_aside, *plan.freed}
    for model, ids in ((Trade, trades), (Fill, fills)):
        if ids:
            rows = model.objects.select_for_update(no_key=True).filter(pk__in=id_list(ids))
            list(rows.order_by("pk").values_list("pk"))


def _write_plan(unit: Unit, act: Act, decision_id: int) -> None:
    """Write the changes profile by profile; raises `Refused` where a premise has moved."""
    profiles = Profile.objects.select_related("account").in_bulk(list(act.plan.profile_ids))
    for profile_id in act.plan.profile_ids:
        profile = profiles[profile_id]
        mine = [change for change in act.plan.changes if change.profile_id == profile_id]
        target = Target(
            account_id=profile.account_id,
            account_name=profile.account.name,
            profile_id=profile.pk,
            profile_name=profile.name,
        )
        written = write_changes(unit, mine, target=target, decision_id=decision_id)
        if len(written) != len(mine):
            raise Refused(
                DecisionRefusal.CONFLICT,
                "slice or fill has changed in the meantime; load the page again",
            )


def _set_aside(plan: DecisionPlan) -> None:
    for ids, value in ((plan.set_aside, True), (plan.freed, False)):
        if ids:
            Fill.objects.filter(pk__in=id_list(ids)).update(set_aside=value)
