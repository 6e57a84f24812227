"""Read the audit chain as the domain's rows."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import DataError, connections
from django.db.models import QuerySet

from reconciliation.domain.audit import INDEX_COLUMNS, AuditRow, ChainHead
from reconciliation.domain.audit_export import SealedEvent
from reconciliation.domain.audit_filter import ANY_OF, AuditFilter
from reconciliation.domain.keys import iso_utc
from reconciliation.models import AuditEvent, AuditHead

CHUNK = 2000
_COLUMNS = ("sequence", *INDEX_COLUMNS, "payload", "leaf", "previous_hash", "hash")
# What a driver makes something of that it cannot make of every text, or of every moment.
_CONVERTED = ("event_id", "occurred_at")


class ChainReader:
    """The chain while writers go on adding to it.

    A cursor over the whole table would hold a transaction open (on SQLite the only write lock), so
    rows are read in chunks by key. The head is read when they seem to end; where it names more,
    the reading goes on, so that an event committed meanwhile is not taken for a cut tail.
    """

    def __init__(self, *, using: str = "default", chunk: int = CHUNK, after: int = -1) -> None:
        self._after = after
        self._using = using
        self._chunk = chunk
        self._head: ChainHead | None = None

    def rows(self) -> Iterator[AuditRow]:
        """Yield every row that comes after the first ones, in the order of sequences."""
        last = self._after
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
    """Return up to `limit` rows whose sequence is greater than `after`, in order.

    A column that holds what no event's can (by hand, "infinity" passes for a moment) never stops
    the reading: it becomes a text that no payload says.
    """
    found = AuditEvent.objects.using(using).filter(sequence__gt=after).order_by("sequence")
    try:
        return [_row(values) for values in found.values(*_COLUMNS)[:limit]]
    except (DataError, ValueError, TypeError, AttributeError):
        rest = [name for name in _COLUMNS if name not in _CONVERTED]
        return [
            _row(
                values, **{name: _converted(found, values["sequence"], name) for name in _CONVERTED}
            )
            for values in found.values(*rest)[:limit]
        ]


def _row(values: Mapping[str, Any], **converted: str) -> AuditRow:
    columns = {name: values.get(name) for name in INDEX_COLUMNS} | (converted or _texts(values))
    # SQLite keeps whatever it is given in any column.
    number = values["sequence"]
    return AuditRow(
        sequence=number if isinstance(number, int) else 0,
        columns=columns,
        payload=str(values["payload"]),
        leaf=str(values["leaf"]),
        previous_hash=str(values["previous_hash"]),
        hash=str(values["hash"]),
    )


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        "event_id": str(values["event_id"]),
        "occurred_at": iso_utc(values["occurred_at"]),
    }


def _converted(found: QuerySet[AuditEvent], sequence: int, name: str) -> str:
    try:
        value = found.filter(sequence=sequence).values_list(name, flat=True).get()
        return iso_utc(value) if name == "occurred_at" else str(value)
    except (DataError, ValueError, TypeError, AttributeError):
        return "unreadable"


def load_head(*, using: str = "default") -> ChainHead | None:
    """Return the end of the chain as its head row tells it."""
    head = AuditHead.objects.using(using).order_by("pk").first()
    return None if head is None else ChainHead(sequence=head.sequence, hash=head.hash)


def filtered_events(asked: AuditFilter, *, using: str = "default") -> QuerySet[AuditEvent]:
    """Return the events that a filter asks for, newest first; each condition has its index.

    An action that ends with * is looked up when this is called: a kind of action that is new
    after that is in another answer.
    """
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
    wanted: dict[str, object] = {
        name: value for name, value in named.items() if value not in ("", None)
    }
    if asked.action.endswith(ANY_OF):
        start = asked.action.removesuffix(ANY_OF)
        if start:
            # By whole names, so that the index serves it: what lies between two texts is another
            # matter in each collation, and most of PostgreSQL's ignore the dot.
            names = [name for name in known_actions(using=using) if name.startswith(start)]
            wanted["action__in"] = names
    elif asked.action:
        wanted["action"] = asked.action
    return AuditEvent.objects.using(using).filter(**wanted).order_by("-sequence")


def known_actions(*, using: str = "default") -> list[str]:
    """Return every action that there is an event of, sorted; a step in the index for each."""
    table = AuditEvent._meta.db_table
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"""
            WITH RECURSIVE known(action) AS (
                SELECT (SELECT action FROM {table} ORDER BY action LIMIT 1)
                UNION ALL
                SELECT (SELECT action FROM {table} WHERE action > known.action
                        ORDER BY action LIMIT 1)
                FROM known WHERE known.action IS NOT NULL
            )
            SELECT action FROM known WHERE action IS NOT NULL
            """  # noqa: S608  (a name of ours)
        )
        return sorted(action for (action,) in cursor.fetchall())


def sealed_events(
    asked: AuditFilter, *, up_to: int, chunk: int = CHUNK, using: str = "default"
) -> Iterator[list[SealedEvent]]:
    """Yield the events that a filter asks for up to a sequence, oldest first, some at a time.

    Each piece is a query of its own, so that no transaction is open while somebody reads on.
    """
    # The actions of a prefix are looked up once: a piece must not ask for more than the one before.
    wanted = filtered_events(asked, using=using).filter(sequence__lte=up_to).order_by("sequence")
    last = 0
    while True:
        rows = wanted.filter(sequence__gt=last).values_list(
            "sequence", "payload", "leaf", "previous_hash", "hash"
        )[:chunk]
        piece = [
            SealedEvent(sequence=number, payload=payload, leaf=leaf, previous_hash=old, hash=new)
            for number, payload, leaf, old, new in rows
        ]
        if piece:
            last = piece[-1].sequence
            yield piece
        if len(piece) < chunk:
            return


def count_events(
    asked: AuditFilter, *, up_to: int | None = None, cap: int | None = None, using: str = "default"
) -> int:
    """Return how many events a filter asks for; `cap + 1` stands for more than `cap`."""
    if asked == AuditFilter() and up_to is None and cap is None:
        # The chain numbers its events without a gap: its head knows how many there are.
        head = load_head(using=using)
        return 0 if head is None else head.sequence
    wanted = filtered_events(asked, using=using).order_by()
    if up_to is not None:
        wanted = wanted.filter(sequence__lte=up_to)
    return wanted.count() if cap is None else wanted[: cap + 1].count()


def hash_at(sequence: int, *, using: str = "default") -> str | None:
    """Return the hash of the event of that sequence; None where there is no such event."""
    rows = AuditEvent.objects.using(using).filter(sequence=sequence)
    return rows.values_list("hash", flat=True).first()
