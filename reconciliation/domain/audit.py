"""The audit chain: what an event says, how it is sealed, how a chain is checked.

    leaf = SHA-256(0x00 ‖ payload)      hash = SHA-256(0x01 ‖ previous hash ‖ leaf)

Invariants: `payload` is canonical JSON, and what is hashed is that very text; sequences start at 1
and have no gap; the first event's previous hash is `GENESIS`. Hashes are 64 lower-case hex digits;
the bytes they stand for are what goes into the next hash. The two prefixes keep a payload from
ever passing for a link.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import chain
from uuid import UUID

from reconciliation.domain.keys import canonical_json
from reconciliation.enums import ActorType, AuditOutcome

SCHEMA_VERSION = 1
GENESIS = "0" * 64

# What the table repeats of the payload, under the same names, so that it can be searched.
INDEX_COLUMNS = (
    "event_id",
    "occurred_at",
    "actor_type",
    "actor_id",
    "actor_name",
    "action",
    "outcome",
    "object_type",
    "object_id",
    "profile_name",
    "account_name",
    "run_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts. `groups` are the ones held at that moment: roles change, events do not."""

    type: ActorType
    id: str
    name: str
    groups: tuple[str, ...] = ()


def system_actor(name: str) -> Actor:
    """Return the portal itself at work, for example `system_actor("reconcile")`."""
    return Actor(type=ActorType.SYSTEM, id="", name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """What happened, before it is sealed; who, when and under which settings the unit knows.

    `action` is dotted (`trade.synthetic_exit`); `profile` and `account` are names; `before` and
    `after` hold what canonical JSON can hold (decimals, datetimes, no floats); `evidence` are
    hashes of evidence.
    """

    action: str
    outcome: AuditOutcome = AuditOutcome.APPLIED
    object_type: str = ""
    object_id: str = ""
    profile: str = ""
    account: str = ""
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)
    reason_code: str = ""
    comment: str = ""
    maker: str = ""
    checker: str = ""
    evidence: tuple[str, ...] = ()


def event_fields(
    *,
    draft: EventDraft,
    actor: Actor,
    event_id: UUID,
    occurred_at: datetime,
    settings_hash: str,
    run_id: int | None,
    request_id: str,
    ip: str,
) -> dict[str, object]:
    """Return everything that an event says, by the names that payload and columns share."""
    return {
        "schema": SCHEMA_VERSION,
        "event_id": str(event_id),
        "occurred_at": occurred_at,
        "actor_type": actor.type,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "actor_groups": sorted(actor.groups),
        "run_id": run_id,
        "request_id": request_id,
        "ip": ip,
        "action": draft.action,
        "outcome": draft.outcome,
        "object_type": draft.object_type,
        "object_id": draft.object_id,
        "profile_name": draft.profile,
        "account_name": draft.account,
        "before": draft.before,
        "after": draft.after,
        "reason": draft.reason_code,
        "comment": draft.comment,
        "maker": draft.maker,
        "checker": draft.checker,
        "evidence": list(draft.evidence),
        "settings_hash": settings_hash,
    }


def payload_of(fields: Mapping[str, object]) -> str:
    """Return the text that is hashed and kept; TypeError for what has no canonical form."""
    # Half a surrogate pair, which an exchange's JSON can contain, has no UTF-8. Its escape is the
    # same JSON, and unlike the character it can be hashed and stored.
    return canonical_json(fields).encode("utf-8", "backslashreplace").decode("utf-8")


def leaf_of(payload: str) -> str:
    """Return SHA-256(0x00 ‖ payload in UTF-8) in hex."""
    return hashlib.sha256(b"\x00" + payload.encode()).hexdigest()


def link(previous: str, leaf: str) -> str:
    """Return SHA-256(0x01 ‖ previous ‖ leaf) in hex; both are hex and go in as bytes."""
    return hashlib.sha256(b"\x01" + bytes.fromhex(previous) + bytes.fromhex(leaf)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A stored event. `columns` are the INDEX_COLUMNS as the payload would write them."""

    sequence: int
    columns: Mapping[str, str | int | None]
    payload: str
    leaf: str
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The end of the chain as its head row tells it."""

    sequence: int
    hash: str


class ChainFault(StrEnum):
    """What is wrong at the first broken sequence."""

    EDITED = "edited"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    UNLINKED = "unlinked"
    COLUMN_DIFFERS = "column_differs"
    TAIL_CUT = "tail_cut"
    HEAD_DIFFERS = "head_differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """The outcome of a check: `count` events from the first on are proven, up to hash `head`."""

    count: int
    head: str
    broken_at: int | None = None
    fault: ChainFault | None = None
    detail: str = ""

    @property
    def intact(self) -> bool:
        """Return whether the whole chain is proven."""
        return self.fault is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """How far a check has come, so that another one can go on from there.

    `running` is the hash of event `count`, `before` that of the one before it, if there is one.
    """

    count: int = 0
    running: str = GENESIS
    before: str | None = None


def verify(rows: Iterable[AuditRow], *, head: Callable[[], ChainHead | None]) -> ChainReport:
    """Check a chain row by row, in the order of sequences, in constant memory.

    `head` is asked after the last row, because writers may add events while older ones are read.
    """
    found = verify_part(rows, head=head, begun=Proven(), is_over=lambda: False)
    assert isinstance(found, ChainReport)  # noqa: S101  (it is never over)
    return found


def verify_part(
    rows: Iterable[AuditRow],
    *,
    head: Callable[[], ChainHead | None],
    begun: Proven,
    is_over: Callable[[], bool],
) -> ChainReport | Proven:
    """Check the rows that come after what is proven; return how far it came where time is over.

    `is_over` is asked after each row.
    """
    count, running, before = begun.count, begun.running, begun.before
    for row, following in _with_next(rows):
        fault = (
            _gap(row, expected=count + 1)
            or _content(row)
            or _linkage(row, following=following, running=running, before=before)
            or _columns(row)
        )
        if fault is not None:
            sequence, kind, detail = fault
            return ChainReport(
                count=count, head=running, broken_at=sequence, fault=kind, detail=detail
            )
        count, running, before = row.sequence, row.hash, running
        if following is not None and is_over():
            return Proven(count=count, running=running, before=before)
    fault = _end(head(), count=count, running=running)
    if fault is None:
        return ChainReport(count=count, head=running)
    sequence, kind, detail = fault
    return ChainReport(count=count, head=running, broken_at=sequence, fault=kind, detail=detail)


_Fault = tuple[int, ChainFault, str]


def _with_next(rows: Iterable[AuditRow]) -> Iterator[tuple[AuditRow, AuditRow | None]]:
    last: AuditRow | None = None
    for row in chain(rows, (None,)):
        if last is not None:
            yield last, row
        last = row


def _gap(row: AuditRow, *, expected: int) -> _Fault | None:
    if row.sequence < expected:
        detail = f"inserted: sequence {row.sequence} comes before {expected}"
        return row.sequence, ChainFault.INSERTED, detail
    if row.sequence > expected:
        last = row.sequence - 1
        gone = f"event {expected} is" if last == expected else f"events {expected} to {last} are"
        return expected, ChainFault.MISSING, f"missing: {gone} gone, {row.sequence} follows"
    return None


def _content(row: AuditRow) -> _Fault | None:
    if row.leaf != leaf_of(row.payload):
        return row.sequence, ChainFault.EDITED, "edited: the payload is not the one that was sealed"
    try:
        sealed = link(row.previous_hash, row.leaf)
    except ValueError:
        sealed = None
    if row.hash != sealed:
        return row.sequence, ChainFault.EDITED, "edited: the hash does not seal this event"
    return None


def _linkage(
    row: AuditRow, *, following: AuditRow | None, running: str, before: str | None
) -> _Fault | None:
    """Name what broke the link; each event is sealed, so only their order or number can be wrong.

    `running` is the hash of the event before this one, `before` that of the one before that.
    """
    if row.previous_hash == running:
        return None
    if row.previous_hash == before:
        # The row before is the stranger: this one continues what was there without it.
        sequence = row.sequence - 1
        return sequence, ChainFault.INSERTED, f"inserted: {row.sequence} does not continue it"
    if following is not None and following.previous_hash == running:
        if row.previous_hash == following.hash:
            detail = f"reordered: it continues {following.sequence}, which comes after it"
            return row.sequence, ChainFault.REORDERED, detail
        detail = f"inserted: {following.sequence} continues the event before it"
        return row.sequence, ChainFault.INSERTED, detail
    detail = "unlinked: it does not continue the event before it; events were removed or reordered"
    return row.sequence, ChainFault.UNLINKED, detail


def _columns(row: AuditRow) -> _Fault | None:
    said = _said(row.payload)
    if said is None:
        detail = "inserted: it is sealed, but its payload is none that the portal writes"
        return row.sequence, ChainFault.INSERTED, detail
    differing = [name for name in INDEX_COLUMNS if row.columns[name] != said.get(name)]
    if not differing:
        return None
    detail = f"column differs from the sealed payload: {', '.join(differing)}"
    return row.sequence, ChainFault.COLUMN_DIFFERS, detail


def _said(payload: str) -> dict[str, object] | None:
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _end(head: ChainHead | None, *, count: int, running: str) -> _Fault | None:
    if head is None:
        return count, ChainFault.HEAD_DIFFERS, "the head row is gone"
    if head.sequence > count:
        detail = f"tail cut: the head row names {head.sequence}, the last event is {count}"
        return count + 1, ChainFault.TAIL_CUT, detail
    if head.sequence < count:
        detail = f"inserted: the head row names {head.sequence}, later events are not from the unit"
        return head.sequence + 1, ChainFault.INSERTED, detail
    if head.hash != running:
        return count, ChainFault.HEAD_DIFFERS, "the head row's hash is not that of the last event"
    return None
