"""Read an export of the audit trail: the ZIP as it was downloaded, or its files unpacked.

No database is asked for anything.
"""

import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from reconciliation.domain.audit_export import MANIFEST, README, SIGNATURE, ExportForm, Manifest
from reconciliation.domain.export_check import (
    BadExport,
    ExportFault,
    ExportReport,
    check_data,
    check_events,
    check_manifest,
)
from reconciliation.domain.signing import PublicKeys

_PIECE = 1024 * 1024
# No manifest, and no signature, is longer.
_SMALL = 1024 * 1024
# What a ZIP of which a byte was changed makes of the library: it asks for a password, another
# version, another method, or finds no end.
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError)


def check_export(path: Path, *, keys: PublicKeys) -> ExportReport:
    """Check an export; what is wrong first is the report's fault."""
    manifest = None
    try:
        with _opened(path) as files:
            text = files.small(MANIFEST)
            if text is None:
                says = f"there is no {MANIFEST} in it"
                raise BadExport(ExportFault.UNREADABLE, says)
            manifest = check_manifest(text, signature=files.small(SIGNATURE), keys=keys)
            _check_names(files, manifest)
            _check_hash(files, manifest)
            chain_proven = _check_seals(files, manifest)
    except BadExport as error:
        return ExportReport(fault=error.fault, says=str(error), manifest=manifest)
    events = "1 event" if manifest.count == 1 else f"{manifest.count} events"
    says = f"{events}, each as it was sealed, signed by the key {manifest.key_id}"
    if chain_proven:
        says += f"; the whole chain up to {manifest.head_sequence}"
    return ExportReport(fault=None, says=says, manifest=manifest, chain_proven=chain_proven)


class _Files:
    """The files of an export, wherever they are."""

    def __init__(self, place: Path | zipfile.ZipFile) -> None:
        self._place = place

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file of the export; raises `BadExport` where it cannot be read to its end."""
        try:
            place = self._place
            with (place / name).open("rb") if isinstance(place, Path) else place.open(name) as file:
                yield file
        except (KeyError, FileNotFoundError) as error:
            raise BadExport(ExportFault.UNREADABLE, f"there is no {name} in it") from error
        except (*_BROKEN_ZIP, OSError) as error:
            says = f"{name} was changed: it cannot be unpacked ({error})"
            raise BadExport(ExportFault.DATA_ALTERED, says) from error

    def names(self) -> list[str]:
        """Return what may pass for a part of the export: of a folder the files of events alone."""
        if isinstance(self._place, Path):
            return [path.name for path in self._place.glob("events.*")]
        return self._place.namelist()

    def small(self, name: str) -> bytes | None:
        """Return what a small file holds; None where there is none."""
        place = self._place
        held = (place / name).exists() if isinstance(place, Path) else name in place.namelist()
        if not held:
            return None
        with self.open(name) as file:
            return file.read(_SMALL)


@contextmanager
def _opened(path: Path) -> Iterator[_Files]:
    if path.is_dir():
        yield _Files(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (*_BROKEN_ZIP, OSError) as error:
        says = f"{path} cannot be read: {error}"
        raise BadExport(ExportFault.UNREADABLE, says) from error
    with archive:
        yield _Files(archive)


def _check_names(files: _Files, manifest: Manifest) -> None:
    """Refuse what nobody signed beside what is: another program may show that instead."""
    expected = {manifest.form.data_file, MANIFEST, SIGNATURE, README}
    names = files.names()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadExport(ExportFault.DATA_ALTERED, f"{twice[0]} is in it more than once")
    strangers = sorted(set(names) - expected)
    if strangers:
        says = f"{strangers[0]!r} was added: nobody signed it, and no export has it"
        raise BadExport(ExportFault.DATA_ALTERED, says)
    if README in names:
        # No signature vouches for its words; that they are whole, the ZIP's own sum does.
        files.small(README)


def _check_hash(files: _Files, manifest: Manifest) -> None:
    digest, size = hashlib.sha256(), 0
    with files.open(manifest.form.data_file) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    check_data(manifest, sha256=digest.hexdigest(), size=size)


def _check_seals(files: _Files, manifest: Manifest) -> bool:
    # Without the reader's own idea of where a line ends: a payload may hold any of them.
    encoding, newline = ("utf-8", "\n") if manifest.form == ExportForm.JSONL else ("utf-8-sig", "")
    with files.open(manifest.form.data_file) as file:
        return check_events(manifest, io.TextIOWrapper(file, encoding=encoding, newline=newline))
