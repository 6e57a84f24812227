"""Check an export without the portal's database: signature, hash, count, and each event's seal."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciliation.domain.audit import GENESIS, leaf_of, link
from reconciliation.domain.audit_export import (
    ExportForm,
    Manifest,
    NoManifest,
    SealedEvent,
    parse_event,
    parse_manifest,
    parse_row,
    read_rows,
)
from reconciliation.domain.signing import PublicKeys, SignatureFault, check_signature


class ExportFault(StrEnum):
    """What is wrong with an export."""

    UNREADABLE = "unreadable"
    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    DATA_ALTERED = "data_altered"
    EVENT_ALTERED = "event_altered"
    UNLINKED = "unlinked"
    COUNT_DIFFERS = "count_differs"
    HEAD_DIFFERS = "head_differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """The outcome: `fault` is None where everything is as it was signed; `says` tells it."""

    fault: ExportFault | None
    says: str
    manifest: Manifest | None = None
    chain_proven: bool = False


class BadExport(Exception):
    """An export is not what it should be; `fault` and the message say in what way."""

    def __init__(self, fault: ExportFault, says: str) -> None:
        self.fault = fault
        super().__init__(says)


def check_manifest(text: bytes, *, signature: bytes | None, keys: PublicKeys) -> Manifest:
    """Return the manifest that a key proves; raises `BadExport`."""
    try:
        manifest = parse_manifest(text)
    except NoManifest as error:
        raise BadExport(ExportFault.UNREADABLE, f"manifest.json: {error}") from error
    fault = check_signature(text, signature=signature, key_id=manifest.key_id, keys=keys)
    if fault == SignatureFault.UNSIGNED:
        says = "it is not signed: nothing proves who made it, or that nobody changed it"
        raise BadExport(ExportFault.UNSIGNED, says)
    if fault == SignatureFault.UNKNOWN_KEY:
        known = ", ".join(sorted(keys)) or "none"
        says = f"wrong key: it is signed by the key {manifest.key_id}, given is {known}"
        raise BadExport(ExportFault.UNKNOWN_KEY, says)
    if fault is not None or text != manifest.as_bytes():
        says = "manifest.json or manifest.sig was changed after it was signed"
        raise BadExport(ExportFault.SIGNATURE, says)
    return manifest


def check_data(manifest: Manifest, *, sha256: str, size: int) -> None:
    """Compare the file of events with the manifest; raises `BadExport`."""
    if (sha256, size) != (manifest.sha256, manifest.size):
        says = (
            f"{manifest.form.data_file} was changed: its SHA-256 is {sha256},"
            f" signed was {manifest.sha256}"
        )
        raise BadExport(ExportFault.DATA_ALTERED, says)


def check_events(manifest: Manifest, lines: Iterable[str]) -> bool:
    """Check every event's seal, in constant memory; raises `BadExport`.

    Neighbours in the chain must continue each other, also where a filter left others out. Return
    whether the whole chain is proven, from its first event to the head that the manifest names.
    """
    count, first, last = 0, None, None
    linked, running = True, GENESIS
    for event in _events(manifest.form, lines):
        if last is not None and event.sequence <= last:
            says = f"event {event.sequence} comes after {last}"
            raise BadExport(ExportFault.EVENT_ALTERED, says)
        _check_seal(event)
        follows = event.sequence == (last or 0) + 1
        if follows and event.previous_hash != running:
            says = f"event {event.sequence} does not continue the one before it"
            raise BadExport(ExportFault.UNLINKED, says)
        linked = linked and follows
        first = event.sequence if first is None else first
        count, last, running = count + 1, event.sequence, event.hash
    if (count, first, last) != (manifest.count, manifest.first, manifest.last):
        says = f"{count} events from {first} to {last}, signed were {manifest.count}"
        raise BadExport(ExportFault.COUNT_DIFFERS, says)
    if last == manifest.head_sequence and running != manifest.head_hash:
        says = f"event {last} is not the end of the chain that was signed"
        raise BadExport(ExportFault.HEAD_DIFFERS, says)
    if not manifest.filter and (last or 0) != manifest.head_sequence:
        says = f"it ends at {last or 0}, the chain ended at {manifest.head_sequence}"
        raise BadExport(ExportFault.HEAD_DIFFERS, says)
    if not manifest.filter and not linked:
        says = "it claims to be every event, and some are missing"
        raise BadExport(ExportFault.UNLINKED, says)
    return linked and (last or 0) == manifest.head_sequence


def _events(form: ExportForm, lines: Iterable[str]) -> Iterator[SealedEvent]:
    rows: Iterable[list[str] | str] = lines if form == ExportForm.JSONL else read_rows(lines)
    number = 0
    try:
        for row in rows:
            number += 1
            yield parse_event(row) if isinstance(row, str) else parse_row(row)
    except (ValueError, RecursionError) as error:
        says = f"event no. {number} of {form.data_file}: {error}"
        raise BadExport(ExportFault.EVENT_ALTERED, says) from error


def _check_seal(event: SealedEvent) -> None:
    try:
        sealed = link(event.previous_hash, leaf_of(event.payload))
    except ValueError:
        sealed = ""
    if event.leaf != leaf_of(event.payload) or event.hash != sealed:
        says = f"event {event.sequence}: its payload is not the one that was sealed"
        raise BadExport(ExportFault.EVENT_ALTERED, says)
