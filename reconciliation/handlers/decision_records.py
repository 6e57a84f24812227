"""What every decision of a person leaves behind: its row, its events, or why it was not done."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.people import Person
from reconciliation.enums import (
    AuditOutcome,
    DecisionKind,
    DecisionReason,
    DecisionRefusal,
    MismatchStatus,
)
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import Decision, Mismatch

# A decision is carried out, refused or denied under these names, whatever it is about.
DENIED_ACTION = "review.denied"


class Refused(Exception):
    """A decision is not carried out, for a reason that was to be expected."""

    def __init__(self, code: DecisionRefusal, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a decision: `kind` and `decision_id`, or a refusal with its sentence."""

    kind: DecisionKind | None = None
    decision_id: int | None = None
    refusal: DecisionRefusal | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Who asks for what, about which object, in whose words."""

    person: Person
    verb: str
    object_type: str
    object_id: str
    reason: DecisionReason | None
    comment: str
    account: str = ""
    profile: str = ""
    terms: Mapping[str, object] = field(default_factory=dict)

    def event(self, action: str, **values: Any) -> EventDraft:
        """Return an event about the object, with reason and comment unless others are given."""
        given = {"reason_code": str(self.reason or ""), "comment": self.comment, **values}
        return EventDraft(
            action=action,
            object_type=self.object_type,
            object_id=self.object_id,
            account=self.account,
            profile=self.profile,
            **given,
        )


def clean(comment: str) -> str:
    """Return a comment as it is kept."""
    return str(storable(comment)).strip()


def check_words(ask: Ask) -> None:
    """Raise `Refused` where a decision does not say why."""
    if ask.reason is None:
        raise Refused(DecisionRefusal.REASON_NEEDED, "say why, by one of the reasons")
    if ask.reason == DecisionReason.OTHER and not ask.comment:
        raise Refused(DecisionRefusal.COMMENT_NEEDED, "with OTHER, say why in words")


@contextmanager
def decision_unit(ask: Ask, *, conf: Conf, clock: Clock) -> Iterator[Unit]:
    """Open the unit in which a person decides."""
    with transaction_unit(
        actor=ask.person.actor,
        clock=clock,
        settings_hash=conf.hash(),
        request_id=ask.person.request_id,
        ip=ask.person.ip,
    ) as unit:
        yield unit


def record_refusal(unit: Unit, ask: Ask, refused: Refused) -> Outcome:
    """Record that a decision was not carried out, and why; that is all that is written."""
    denied = refused.code == DecisionRefusal.DENIED
    unit.record(
        ask.event(
            DENIED_ACTION,
            outcome=AuditOutcome.DENIED if denied else AuditOutcome.REFUSED,
            reason_code=refused.code.value,
            comment=refused.sentence,
            after={
                "asked": ask.verb,
                "reason": ask.reason,
                "comment": ask.comment,
                "terms": ask.terms,
            },
        )
    )
    return Outcome(refusal=refused.code, sentence=refused.sentence)


def refuse(ask: Ask, refused: Refused, *, conf: Conf, clock: Clock) -> Outcome:
    """Record a refusal in a unit of its own."""
    with decision_unit(ask, conf=conf, clock=clock) as unit:
        return record_refusal(unit, ask, refused)


def record_decision(
    unit: Unit,
    ask: Ask,
    *,
    action: str,
    kind: DecisionKind,
    account_id: int,
    subject: Mapping[str, int],
    item_version: int,
    profile_id: int | None = None,
    notional_usd: Decimal | None = None,
    proposal: Decision | None = None,
    evidence_hash: str = "",
) -> Decision:
    """Insert a decision with its event; `subject` names its one column, and the row's id."""
    actor = ask.person.actor
    maker = (actor.id, actor.name)
    checker = ("", "")
    if proposal is not None:
        maker, checker = (proposal.maker_id, proposal.maker_name), maker
    row = Decision(
        account_id=account_id,
        profile_id=profile_id,
        kind=kind,
        maker_id=maker[0],
        maker_name=maker[1],
        checker_id=checker[0],
        checker_name=checker[1],
        four_eyes=proposal is not None,
        reason=ask.reason or "",
        comment=ask.comment,
        terms=dict(ask.terms),
        notional_usd=notional_usd,
        evidence_hash=evidence_hash,
        item_version=item_version,
        proposal=proposal,
        decided_at=unit.now,
        **{f"{name}_id": key for name, key in subject.items()},
    )
    insert_rows(Decision, [row])
    unit.record(
        ask.event(
            action,
            after={"decision": row.pk, "kind": kind, "terms": ask.terms},
            maker=maker[1],
            checker=checker[1],
            evidence=(evidence_hash,) if evidence_hash else (),
        )
    )
    return row


def settle_mismatch(unit: Unit, ask: Ask, mismatch: Mismatch, *, accepted: bool, how: str) -> None:
    """End a mismatch by a person's word: accepted as it is, or resolved by what was written."""
    before = mismatch.status
    mismatch.status = MismatchStatus.ACCEPTED if accepted else MismatchStatus.RESOLVED
    mismatch.closed_at = None if accepted else unit.now
    mismatch.resolution = how[:160]
    update_rows(Mismatch, [mismatch], fields=("status", "closed_at", "resolution"))
    unit.record(
        EventDraft(
            action="mismatch.accepted" if accepted else "mismatch.resolved",
            object_type="mismatch",
            object_id=str(mismatch.pk),
            account=ask.account,
            before={"status": before},
            after={"status": mismatch.status, "kind": mismatch.kind, "key": mismatch.key},
            comment=mismatch.resolution,
            evidence=(mismatch.evidence_hash,) if mismatch.evidence_hash else (),
        )
    )
