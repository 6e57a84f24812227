"""Read an export of the audit trail: the ZIP as it was downloaded, or its files unpacked.

No database is asked for anything.
"""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from reconciliation.domain.audit_export import MANIFEST, SIGNATURE, ExportForm, Manifest
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
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            says = f"{name} was changed: it cannot be unpacked ({error})"
            raise BadExport(ExportFault.DATA_ALTERED, says) from error

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
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        says = f"{path} cannot be read: {error}"
        raise BadExport(ExportFault.UNREADABLE, says) from error
    with archive:
        yield _Files(archive)


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
