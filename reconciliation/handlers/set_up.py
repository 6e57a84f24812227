"""A person sets the portal up: the one place that asks whether he may, before anything is written.

What is done then is the same that the commands of the shell do, with him as the actor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.people import Person
from reconciliation.enums import AuditOutcome, Right, SetUpRefusal
from reconciliation.handlers.unit import transaction_unit

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp(Generic[Result]):
    """What came of it. `result` is None where it was refused; `said` then says why."""

    result: Result | None = None
    refusal: SetUpRefusal | None = None
    said: str = ""

    def value(self) -> Result:
        """Return what was done; raises ValueError where it was refused."""
        if self.result is None:
            raise ValueError(self.said)
        return self.result


def set_up(
    work: Callable[..., Result],
    *,
    asked: str,
    person: Person,
    clock: Clock,
    conf: Conf,
    account: str = "",
    **values: Any,
) -> SetUp[Result]:
    """Let a person do a piece of the set-up with `values`; raises whatever `work` raises.

    `asked` says in words what it is, `account` the name of the account that it is about: of a
    denial, the audit trail keeps both.
    """
    if not person.may(Right.SET_UP):
        said = record_denied(asked=asked, account=account, person=person, clock=clock, conf=conf)
        return SetUp(refusal=SetUpRefusal.DENIED, said=said)
    result = work(
        actor=person.actor,
        clock=clock,
        conf=conf,
        request_id=person.request_id,
        ip=person.ip,
        **values,
    )
    return SetUp(result=result)


def record_denied(
    *, asked: str, person: Person, clock: Clock, conf: Conf, account: str = ""
) -> str:
    """Record that somebody tried what he may not; return that in a sentence."""
    said = f"{person.actor.name} may not {asked}"
    with transaction_unit(
        actor=person.actor,
        clock=clock,
        settings_hash=conf.hash(),
        request_id=person.request_id,
        ip=person.ip,
    ) as unit:
        unit.record(
            EventDraft(
                action="set_up.denied",
                outcome=AuditOutcome.DENIED,
                account=account,
                after={"asked": asked},
                reason_code=SetUpRefusal.DENIED.value,
                comment=said,
            )
        )
    return said
