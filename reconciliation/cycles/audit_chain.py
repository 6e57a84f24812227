"""Check the whole audit chain in the workers, however long it is.

The queue ends a task after 45 seconds, so a check stops before and another task goes on where it
was. That place is signed: whoever can write to the database must not be able to say that all
before it is proven.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core import signing
from django.db import Error, transaction
from django_q.tasks import async_task

from reconciliation.cycles.errand_types import Came, Teller
from reconciliation.cycles.ports import Ports
from reconciliation.domain.audit import AuditRow, ChainReport, Proven, system_actor, verify_part
from reconciliation.domain.audit_reports import as_data, as_line
from reconciliation.domain.signing import UnusableKey
from reconciliation.handlers.errands import put_down_errand
from reconciliation.handlers.escalations import ChainProof, sync_audit_chain
from reconciliation.handlers.unit import BrokenChain
from reconciliation.models import Errand
from reconciliation.selectors.audit import ChainReader, load_head
from reconciliation.selectors.checkpoints import Compared, NoFolder, compare_with, newest_file
from reconciliation.selectors.signing_keys import trusted_keys

TASK_SECONDS = 25.0
"""How long one task checks; the queue kills it at 45."""
_TELL_EVERY = 5_000
_GOES_ON = "goes_on"


def verify_chain(errand: Errand, ports: Ports, tell: Teller) -> Came | None:
    """Check the chain, and against its newest checkpoint; None where another task goes on."""
    begun = _begun(errand)
    reader = ChainReader(after=begun.count or -1)
    head = load_head()
    total = None if head is None else head.sequence
    until = ports.clock.monotonic() + TASK_SECONDS

    def told(rows: Iterable[AuditRow]) -> Iterator[AuditRow]:
        for read, row in enumerate(rows):
            if read % _TELL_EVERY == 0:
                tell("checking each event's seal", done=begun.count + read, total=total)
            yield row

    found = verify_part(
        told(reader.rows()),
        head=reader.head,
        begun=begun,
        is_over=lambda: ports.clock.monotonic() >= until,
    )
    if isinstance(found, ChainReport):
        return _came(found, ports)
    tell("going on in another task", done=found.count, total=total)
    with transaction.atomic():
        if put_down_errand(errand_id=errand.pk, clock=ports.clock, result=_place(errand, found)):
            async_task(
                "reconciliation.tasks.do_errand",
                errand.pk,
                task_name=str(errand),
                group="audit chain",
            )
    return None


def _came(report: ChainReport, ports: Ports) -> Came:
    """Tell a person what is broken, or resolve what is proven again; return the outcome."""
    told = _sync(ports, ChainProof.CHAIN, as_line(report), is_intact=report.intact)
    compared = _compare(ports)
    says = [as_line(report), *told]
    contradicts = False
    result = as_data(report)
    if isinstance(compared, Compared):
        contradicts = compared.contradiction is not None
        says.append(compared.says)
        if report.intact or contradicts:
            says += _sync(ports, ChainProof.CHECKPOINT, compared.says, is_intact=not contradicts)
        result |= {"checkpoint": compared.path.name, "checkpoint_agrees": not contradicts}
    else:
        says.append(compared)
        result |= {"checkpoint": None, "checkpoint_agrees": None}
    return Came(is_done=report.intact and not contradicts, says="; ".join(says), result=result)


def _compare(ports: Ports) -> Compared | str:
    """Return the chain beside its newest checkpoint, or why there is no such comparison."""
    folder = ports.conf.audit_checkpoint_dir
    if folder is None:
        return "not compared with a checkpoint: RECON_AUDIT_CHECKPOINT_DIR is not set"
    try:
        newest, keys = newest_file(folder), trusted_keys(ports.conf)
    except (NoFolder, UnusableKey) as error:
        return f"not compared with a checkpoint: {error}"
    if newest is None:
        return "not compared with a checkpoint: there is none yet"
    return compare_with(newest, keys=keys)


def _sync(ports: Ports, proof: ChainProof, detail: str, *, is_intact: bool) -> list[str]:
    """Open or resolve the escalation; return what kept it from being written."""
    try:
        sync_audit_chain(
            is_intact=is_intact,
            detail="" if is_intact else detail,
            clock=ports.clock,
            actor=system_actor("audit_verify"),
            proof=proof,
        )
    except (Error, BrokenChain) as error:
        # To a chain without a head no event can be added: the errand's outcome has to do.
        return [f"no escalation could be written: {error}"]
    return []


def _salt(errand: Errand) -> str:
    """Return what keeps the place of one errand from passing for that of another."""
    return f"reconciliation.audit_chain.{errand.pk}"


def _place(errand: Errand, proven: Proven) -> dict[str, Any]:
    place = {"count": proven.count, "running": proven.running, "before": proven.before}
    return {
        "sequence": proven.count,
        "hash": proven.running,
        _GOES_ON: signing.dumps(place, salt=_salt(errand)),
    }


def _begun(errand: Errand) -> Proven:
    """Return where the check goes on: at the beginning, unless a signature proves how far it is."""
    try:
        place = signing.loads(errand.result.get(_GOES_ON, ""), salt=_salt(errand))
    except signing.BadSignature:
        return Proven()
    return Proven(**place)
