"""An export of audit events: the text of each event, and the manifest that vouches for all.

JSON lines hold the payload verbatim beside its seal. CSV holds the same and, before it, what a
reader wants to see as columns. A cell that a spreadsheet would run as a formula is written with
an apostrophe in front, and so is one that begins with an apostrophe: taking one away gives back
what was there (`neutral`, `verbatim`).
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciliation.domain.audit import INDEX_COLUMNS
from reconciliation.domain.keys import canonical_json, iso_utc

KIND = "reconciliation-audit-export"
VERSION = 1
MANIFEST, SIGNATURE, UNSIGNED, README = (
    "manifest.json",
    "manifest.sig",
    "UNSIGNED.txt",
    "README.txt",
)
MARK = "'"
# What a spreadsheet takes for the beginning of a formula, or skips before one; some take the wide
# forms of these signs for them. And the mark itself.
_WIDE = ("\uff1d", "\uff0b", "\uff0d", "\uff20")
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", *_WIDE, MARK)
# Not white space to Python, and nothing to whoever looks at it.
_NOTHING_TO_SEE = "\ufeff\u200b\u2060\x00"
_SAID = (
    "actor_groups",
    "request_id",
    "ip",
    "before",
    "after",
    "reason",
    "comment",
    "maker",
    "checker",
    "evidence",
    "settings_hash",
)
_SEAL = ("leaf", "previous_hash", "hash", "payload")
CSV_COLUMNS = ("sequence", *INDEX_COLUMNS, *_SAID, *_SEAL)


class ExportForm(StrEnum):
    """How the events are written."""

    JSONL = "jsonl"
    CSV = "csv"

    @property
    def data_file(self) -> str:
        """Return the name of the file with the events."""
        return f"events.{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedEvent:
    """An event as it was sealed: all that a check of its seal needs."""

    sequence: int
    payload: str
    leaf: str
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an export holds and what it was made of; its canonical JSON is what is signed.

    `head_sequence` and `head_hash` are the end of the chain when the export began: no later event
    is in it. `first` and `last` are sequences, None where it is empty. `filter` is the filter's
    conditions by name, empty for every event. `key_id` is None where the export is not signed.
    """

    filter: Mapping[str, str]
    count: int
    first: int | None
    last: int | None
    head_sequence: int
    head_hash: str
    form: ExportForm
    sha256: str
    size: int
    created_at: str
    actor: str
    settings_hash: str
    key_id: str | None

    def as_bytes(self) -> bytes:
        """Return the canonical JSON: what is kept and what is signed."""
        return canonical_json(
            {
                "kind": KIND,
                "version": VERSION,
                "filter": self.filter,
                "count": self.count,
                "first_sequence": self.first,
                "last_sequence": self.last,
                "chain_head": {"sequence": self.head_sequence, "hash": self.head_hash},
                "data": {
                    "file": self.form.data_file,
                    "format": self.form,
                    "sha256": self.sha256,
                    "bytes": self.size,
                },
                "created_at": self.created_at,
                "actor": self.actor,
                "settings_hash": self.settings_hash,
                "key_id": self.key_id,
            }
        ).encode("utf-8", "backslashreplace")


class NoManifest(ValueError):
    """A text is no manifest of an export; the message says why."""


def parse_manifest(text: bytes) -> Manifest:
    """Return the manifest that a text is; raises `NoManifest` for any other text."""
    try:
        said: dict[str, Any] = json.loads(text)
        if said["kind"] != KIND or said["version"] != VERSION:
            raise NoManifest("it is of another kind or version")
        if not isinstance(said["key_id"], str | None):
            raise NoManifest("its key_id is no text")
        head, data = said["chain_head"], said["data"]
        manifest = Manifest(
            filter=dict(said["filter"]),
            count=int(said["count"]),
            first=said["first_sequence"],
            last=said["last_sequence"],
            head_sequence=int(head["sequence"]),
            head_hash=str(head["hash"]),
            form=ExportForm(data["format"]),
            sha256=str(data["sha256"]),
            size=int(data["bytes"]),
            created_at=str(said["created_at"]),
            actor=str(said["actor"]),
            settings_hash=str(said["settings_hash"]),
            key_id=said["key_id"],
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise NoManifest(f"it is no manifest: {error}") from error
    return manifest


def export_name(*, created_at: datetime, head_sequence: int, signed: bool) -> str:
    """Return the name of an export's file; one that is not signed says so."""
    mark = "" if signed else "-UNSIGNED"
    return f"audit-{created_at:%Y%m%dT%H%M%SZ}-{head_sequence}{mark}.zip"


def encode(events: Iterable[SealedEvent], *, form: ExportForm) -> bytes:
    """Return some events as they stand in the data file."""
    if form == ExportForm.JSONL:
        return "".join(_line(event) for event in events).encode()
    return _csv(cells(event) for event in events)


def preamble(form: ExportForm) -> bytes:
    """Return what stands before the first event: of CSV a byte order mark and the columns' names.

    Without the mark a spreadsheet reads letters beyond ASCII as something else.
    """
    return b"" if form == ExportForm.JSONL else "\ufeff".encode() + _csv([list(CSV_COLUMNS)])


def cells(event: SealedEvent) -> list[str]:
    """Return an event as the cells of CSV_COLUMNS, told by what was sealed and by nothing else."""
    try:
        said = json.loads(event.payload)
    except (ValueError, RecursionError):
        said = {}
    if not isinstance(said, dict):
        said = {}
    shown = [_cell(said.get(name)) for name in (*INDEX_COLUMNS, *_SAID)]
    seal = [neutral(getattr(event, name)) for name in _SEAL]
    return [str(event.sequence), *shown, *seal]


def neutral(text: str) -> str:
    """Return a text that no spreadsheet runs."""
    # Some take white space away before they look at the first sign.
    seen = text.lstrip().lstrip(_NOTHING_TO_SEE).lstrip()
    is_run = text.startswith(_RUN_BY_SPREADSHEETS) or seen.startswith(_RUN_BY_SPREADSHEETS)
    return MARK + text if is_run else text


def verbatim(text: str) -> str:
    """Return the text of which `neutral` made a cell."""
    return text.removeprefix(MARK)


def parse_event(line: str) -> SealedEvent:
    """Return the event of a line of JSON; raises ValueError for what is none."""
    said = json.loads(line)
    try:
        event = SealedEvent(**said)
    except TypeError as error:
        raise ValueError("it is no event with its seal") from error
    texts = (event.payload, event.leaf, event.previous_hash, event.hash)
    if type(event.sequence) is not int or not all(isinstance(text, str) for text in texts):
        raise ValueError("it is no event with its seal")
    return event


def parse_row(row: list[str]) -> SealedEvent:
    """Return the event of a row of cells; raises ValueError where they do not tell what it says."""
    if len(row) != len(CSV_COLUMNS):
        raise ValueError("it has another number of cells")
    seal = dict(zip(_SEAL, map(verbatim, row[-len(_SEAL) :]), strict=True))
    event = SealedEvent(sequence=int(row[0]), **seal)
    if cells(event) != row:
        raise ValueError("its cells differ from its sealed payload")
    return event


def created(moment: datetime) -> str:
    """Return a moment as manifests write it."""
    return iso_utc(moment)


def _line(event: SealedEvent) -> str:
    said = {
        "sequence": event.sequence,
        "leaf": event.leaf,
        "previous_hash": event.previous_hash,
        "hash": event.hash,
        "payload": event.payload,
    }
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return neutral(value)
    if isinstance(value, int):
        return str(value)
    return "" if value in ([], {}) else neutral(canonical_json(value))


def _csv(rows: Iterable[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def read_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the rows of a CSV, without the one of names; raises ValueError for another file."""
    # A payload may be longer than the reader takes for a cell by default.
    csv.field_size_limit(2**31 - 1)
    rows = csv.reader(lines, strict=True)
    try:
        if next(rows, None) != list(CSV_COLUMNS):
            raise ValueError("its first row does not name the columns")
        yield from rows
    except csv.Error as error:
        raise ValueError(f"it is no CSV: {error}") from error
