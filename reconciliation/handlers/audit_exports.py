"""Exports of the audit trail, written while they are read: the memory they take does not grow.

An export is one ZIP: the events, a manifest, its signature and how to check them. It is bounded by
the chain's head when it is asked for, so that it holds what the screen counted at that moment.
Three events tell of it: `audit.export_begun` before the first byte leaves, `audit.exported` (with
the hash of the data) before the manifest does, so that no complete export is without its event;
the latter is FAILED where the reader went away before, and DENIED where it was not allowed.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import GENESIS, ChainHead, EventDraft
from reconciliation.domain.audit_export import (
    MANIFEST,
    README,
    SIGNATURE,
    UNSIGNED,
    ExportForm,
    Manifest,
    created,
    encode,
    export_name,
    preamble,
)
from reconciliation.domain.audit_filter import AuditFilter
from reconciliation.domain.export_texts import HOW_TO_CHECK, NOT_SIGNED
from reconciliation.domain.people import Person
from reconciliation.domain.signing import Signer, UnusableKey
from reconciliation.enums import AuditOutcome, DecisionRefusal, Right
from reconciliation.handlers.unit import transaction_unit
from reconciliation.selectors.audit import CHUNK, count_events, load_head, sealed_events
from reconciliation.selectors.signing_keys import load_signer

CONTENT_TYPE = "application/zip"
# Beyond so many events their file may pass 4 GiB, which the older kind of ZIP cannot hold.
_LARGE = 100_000
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why there is no export; `says` tells it in a sentence."""

    refusal: DecisionRefusal
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export that has been asked for, recorded, and not been read yet.

    `count` events will be in it; `filename` is `audit-<moment>-<head>.zip`, with `-UNSIGNED`
    where `is_signed` is False. `chunks()` yields the ZIP's bytes and may be read once.
    """

    count: int
    filename: str
    is_signed: bool
    asked: AuditFilter
    form: ExportForm
    head: ChainHead
    created_at: datetime
    person: Person
    conf: Conf
    clock: Clock
    signer: Signer | None = field(repr=False)
    chunk: int = CHUNK

    def chunks(self) -> Iterator[bytes]:
        """Yield the file, some tens of kilobytes at a time; what it held is recorded at its end."""
        told = _Told()
        try:
            yield from self._write(told)
        finally:
            if not told.is_recorded:
                told_of = EventDraft(
                    action="audit.exported",
                    outcome=AuditOutcome.FAILED,
                    object_type="export",
                    after={**_asked(self.asked, self.form), "count": told.count},
                    comment=f"broken off after {told.count} of {self.count} events",
                )
                _record(told_of, self.person, self.conf, self.clock)

    def _write(self, told: "_Told") -> Iterator[bytes]:
        sink = _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            large = self.head.sequence > _LARGE
            with archive.open(self._member(self.form.data_file), "w", force_zip64=large) as data:
                for piece in self._data(told):
                    data.write(piece)
                    if sink.size >= _PIECE:
                        yield sink.take()
            manifest = self._manifest(told)
            self._exported(manifest, told)
            text = manifest.as_bytes()
            archive.writestr(self._member(MANIFEST), text)
            if self.signer is None:
                archive.writestr(self._member(UNSIGNED), NOT_SIGNED)
            else:
                archive.writestr(self._member(SIGNATURE), self.signer.sign(text))
            archive.writestr(self._member(README), HOW_TO_CHECK)
        yield sink.take()

    def _data(self, told: "_Told") -> Iterator[bytes]:
        yield told.add(preamble(self.form))
        for events in sealed_events(self.asked, up_to=self.head.sequence, chunk=self.chunk):
            told.count += len(events)
            told.first = events[0].sequence if told.first is None else told.first
            told.last = events[-1].sequence
            yield told.add(encode(events, form=self.form))

    def _manifest(self, told: "_Told") -> Manifest:
        return Manifest(
            filter=self.asked.as_text(),
            count=told.count,
            first=told.first,
            last=told.last,
            head_sequence=self.head.sequence,
            head_hash=self.head.hash,
            form=self.form,
            sha256=told.digest.hexdigest(),
            size=told.size,
            created_at=created(self.created_at),
            actor=self.person.actor.name,
            settings_hash=self.conf.hash(),
            key_id=None if self.signer is None else self.signer.key_id,
        )

    def _exported(self, manifest: Manifest, told: "_Told") -> None:
        told_of = EventDraft(
            action="audit.exported",
            object_type="export",
            # By the hash of its data an export that turns up is found in the trail again.
            object_id=manifest.sha256,
            after={
                **_asked(self.asked, self.form),
                "count": manifest.count,
                "sha256": manifest.sha256,
                "head": self.head.sequence,
                "key_id": manifest.key_id,
            },
        )
        _record(told_of, self.person, self.conf, self.clock)
        told.is_recorded = True

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = zipfile.ZipInfo(name, self.created_at.timetuple()[:6])
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = 0o600 << 16
        return member


def export_events(
    *, asked: AuditFilter, form: str, person: Person, conf: Conf, clock: Clock, chunk: int = CHUNK
) -> Export | Refused:
    """Record that somebody takes events out, and return the export for him to read, or why not.

    `form` is `jsonl` or `csv` (ValueError for another). Without a signing key in the settings the
    export is made and says that it is not signed; with one that cannot be used it is refused.
    """
    wanted = ExportForm(form)
    refused = None
    signer = None
    if not person.may(Right.EXPORT):
        refused = Refused(
            refusal=DecisionRefusal.DENIED,
            says=f"{person.actor.name} may not export the audit trail",
        )
    else:
        try:
            signer = load_signer(conf)
        except UnusableKey as error:
            says = f"RECON_AUDIT_SIGNING_KEY_FILE: {error}; put the key right, or unset it"
            refused = Refused(refusal=DecisionRefusal.FAILED, says=says)
    if refused is not None:
        is_denied = refused.refusal == DecisionRefusal.DENIED
        told_of = EventDraft(
            action="audit.exported",
            outcome=AuditOutcome.DENIED if is_denied else AuditOutcome.REFUSED,
            object_type="export",
            after=_asked(asked, wanted),
            reason_code=refused.refusal.value,
            comment=refused.says,
        )
        _record(told_of, person, conf, clock)
        return refused
    head = load_head() or ChainHead(sequence=0, hash=GENESIS)
    count = count_events(asked, up_to=head.sequence)
    now = clock.now()
    told_of = EventDraft(
        action="audit.export_begun",
        object_type="export",
        after={**_asked(asked, wanted), "count": count, "head": head.sequence},
    )
    _record(told_of, person, conf, clock)
    return Export(
        count=count,
        filename=export_name(
            created_at=now, head_sequence=head.sequence, signed=signer is not None
        ),
        is_signed=signer is not None,
        asked=asked,
        form=wanted,
        head=head,
        created_at=now,
        person=person,
        conf=conf,
        clock=clock,
        signer=signer,
        chunk=chunk,
    )


class _Told:
    """What an export has held so far."""

    def __init__(self) -> None:
        self.count = 0
        self.first: int | None = None
        self.last: int | None = None
        self.size = 0
        self.digest = hashlib.sha256()
        self.is_recorded = False

    def add(self, piece: bytes) -> bytes:
        """Count a piece of the data and return it."""
        self.size += len(piece)
        self.digest.update(piece)
        return piece


class _Sink(io.RawIOBase):
    """What a ZIP is written into, to be taken out again while it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(piece))
        self.size += len(piece)
        return len(piece)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = b"".join(self._parts)
        self._parts, self.size = [], 0
        return taken


def _asked(asked: AuditFilter, form: ExportForm) -> dict[str, object]:
    return {"filter": asked.as_text(), "format": form.value}


def _record(draft: EventDraft, person: Person, conf: Conf, clock: Clock) -> None:
    with transaction_unit(
        actor=person.actor,
        clock=clock,
        settings_hash=conf.hash(),
        request_id=person.request_id,
        ip=person.ip,
    ) as unit:
        unit.record(draft)
