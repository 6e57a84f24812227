"""Read the audit chain as the domain's rows."""

from collections.abc import Iterator

from django.db.models import QuerySet

from reconciliation.domain.audit import AuditRow, ChainHead
from reconciliation.domain.audit_filter import ANY_OF, AuditFilter
from reconciliation.domain.keys import iso_utc
from reconciliation.models import AuditEvent, AuditHead

CHUNK = 2000
_COLUMNS = (
    "sequence",
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
    "payload",
    "leaf",
    "previous_hash",
    "hash",
)


class ChainReader:
    """The chain while writers go on adding to it.

    A cursor over the whole table would hold a transaction open (on SQLite the only write lock), so
    rows are read in chunks by key. The head is read when they seem to end; where it names more,
    the reading goes on, so that an event committed meanwhile is not taken for a cut tail.
    """

    def __init__(self, *, using: str = "default", chunk: int = CHUNK) -> None:
        self._using = using
        self._chunk = chunk
        self._head: ChainHead | None = None

    def rows(self) -> Iterator[AuditRow]:
        """Yield every row in the order of sequences."""
        last = -1
        while True:
            rows = load_chain(after=last, limit=self._chunk, using=self._using)
            yield from rows
            if rows:
                last = rows[-1].sequence
            elif self._head is not None and self._head.sequence > last:
                return  # nothing came after a head that names more: the tail is cut
            if len(rows) < self._chunk:
                self._head = load_head(using=self._using)
                if self._head is None or self._head.sequence <= last:
                    return

    def head(self) -> ChainHead | None:
        """Return the head as it was when the last row had been read; None where there is none."""
        return self._head


def load_chain(*, after: int, limit: int, using: str = "default") -> list[AuditRow]:
    """Return up to `limit` rows whose sequence is greater than `after`, in order."""
    found = (
        AuditEvent.objects.using(using)
        .filter(sequence__gt=after)
        .order_by("sequence")
        .values(*_COLUMNS)[:limit]
    )
    rows = []
    for values in found:
        columns = {name: values[name] for name in _COLUMNS[1:13]}
        columns["event_id"] = str(values["event_id"])
        columns["occurred_at"] = iso_utc(values["occurred_at"])
        rows.append(
            AuditRow(
                sequence=values["sequence"],
                columns=columns,
                payload=values["payload"],
                leaf=values["leaf"],
                previous_hash=values["previous_hash"],
                hash=values["hash"],
            )
        )
    return rows


def load_head(*, using: str = "default") -> ChainHead | None:
    """Return the end of the chain as its head row tells it."""
    head = AuditHead.objects.using(using).order_by("pk").first()
    return None if head is None else ChainHead(sequence=head.sequence, hash=head.hash)


def filtered_events(asked: AuditFilter, *, using: str = "default") -> QuerySet[AuditEvent]:
    """Return the events that a filter asks for, newest first; each condition has its index."""
    named = {
        "actor_name": asked.actor,
        "outcome": asked.outcome,
        "object_type": asked.object_type,
        "object_id": asked.object_id,
        "profile_name": asked.profile,
        "account_name": asked.account,
        "run_id": asked.run,
        "occurred_at__gte": asked.since,
        "occurred_at__lt": asked.until,
    }
    if asked.action.endswith(ANY_OF):
        start = asked.action.removesuffix(ANY_OF)
        # As a range, so that the index serves it on both engines.
        named |= {"action__gte": start, "action__lt": f"{start}\U0010ffff"}
    else:
        named["action"] = asked.action
    wanted = {name: value for name, value in named.items() if value not in ("", None)}
    return AuditEvent.objects.using(using).filter(**wanted).order_by("-sequence")
