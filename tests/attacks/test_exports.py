"""An export of which one byte was changed, or that another key signed, is called what it is."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from reconciliation.domain.audit_filter import AuditFilter
from reconciliation.domain.export_check import ExportFault
from reconciliation.domain.signing import Signer
from reconciliation.enums import Right
from reconciliation.handlers.audit_exports import Export, export_events
from reconciliation.selectors.export_files import check_export
from reconciliation.selectors.signing_keys import load_public_keys, load_signer
from tests.attacks import chains
from tests.builders import FixedClock
from tests.handlers.people import person
from tests.signing import make_key, signed_conf

pytestmark = pytest.mark.django_db
both_forms = pytest.mark.parametrize("form", ["jsonl", "csv"])


def export(folder: Path, form: str, asked: AuditFilter | None = None) -> Path:
    """Write a signed export of eight events and return its path."""
    chains.record(8)
    made = export_events(
        asked=asked or AuditFilter(),
        form=form,
        person=person("clara", Right.EXPORT),
        conf=signed_conf(folder),
        clock=FixedClock(),
        chunk=3,
    )
    assert isinstance(made, Export)
    path = folder / made.filename
    path.write_bytes(b"".join(made.chunks()))
    return path


def fault(path: Path, keys: Path | None = None) -> ExportFault | None:
    return check_export(path, keys=load_public_keys([keys or path.parent])).fault


def altered(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """Pack an export anew with one of its files changed."""
    with zipfile.ZipFile(path) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    files[name] = change(files[name])
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in files.items():
            archive.writestr(each, data)
    return path


def one_byte(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@both_forms
def test_an_untouched_export_proves_its_events_and_the_chain(tmp_path: Path, form: str):
    report = check_export(export(tmp_path, form), keys=load_public_keys([tmp_path]))
    assert report.fault is None
    assert report.chain_proven
    assert report.says.startswith("8 events, each as it was sealed")


@both_forms
def test_of_a_filtered_one_each_event_is_proven_and_not_the_chain(tmp_path: Path, form: str):
    path = export(tmp_path, form, AuditFilter(action="step.2"))
    report = check_export(path, keys=load_public_keys([tmp_path]))
    assert (report.fault, report.chain_proven) == (None, False)


@both_forms
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("data", ExportFault.DATA_ALTERED),
        ("manifest.sig", ExportFault.SIGNATURE),
    ],
)
def test_one_changed_byte_is_found(tmp_path: Path, form: str, name: str, expected: ExportFault):
    path = export(tmp_path, form)
    altered(path, f"events.{form}" if name == "data" else name, one_byte)
    assert fault(path) == expected


def test_a_changed_manifest_is_found(tmp_path: Path):
    path = export(tmp_path, "jsonl")
    altered(path, "manifest.json", lambda text: text.replace(b'"count":8', b'"count":7'))
    assert fault(path) == ExportFault.SIGNATURE


def test_a_manifest_that_is_none_any_more_is_found(tmp_path: Path):
    path = export(tmp_path, "jsonl")
    altered(path, "manifest.json", lambda text: text[1:])
    assert fault(path) == ExportFault.UNREADABLE


def contents(whole: bytes) -> dict[str, bytes]:
    """Return what the files of an export hold, by their names."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# A single bit, and what makes the method of one member another method.
@pytest.mark.parametrize("bits", [0x01, 0x06, 0x80])
def test_one_changed_byte_of_the_zip_never_passes_for_another_content(tmp_path: Path, bits: int):
    path = export(tmp_path, "jsonl")
    whole = path.read_bytes()
    keys = load_public_keys([tmp_path])
    # Of what is packed some bytes, of the directory at its end each.
    directory = whole.index(b"PK\x01\x02")
    for at in (*range(0, directory, 17), *range(directory, len(whole))):
        changed = whole[:at] + bytes([whole[at] ^ bits]) + whole[at + 1 :]
        path.write_bytes(changed)
        if check_export(path, keys=keys).fault is None:
            # The byte belongs to no content: a date, a mode, or that there is a README.
            assert contents(changed).items() <= contents(whole).items(), at


@pytest.mark.parametrize("name", ["events.jsonl", "events.csv", "invoice.html"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_nobody_signed_is_not_let_in_beside_those_that_are(tmp_path: Path, name: str):
    path = export(tmp_path, "jsonl")
    with zipfile.ZipFile(path) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        # Others than the portal may open the first of two that are called alike.
        archive.writestr(name, b"forged")
        for each, data in files.items():
            archive.writestr(each, data)
    report = check_export(path, keys=load_public_keys([tmp_path]))
    assert report.fault == ExportFault.DATA_ALTERED
    assert name in report.says


def test_neither_is_it_in_a_folder(tmp_path: Path):
    path = export(tmp_path, "jsonl")
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    (folder / "notes.txt").write_text("what the reader wrote for himself")
    assert fault(folder, keys=tmp_path) is None
    (folder / "events.csv").write_text("forged")
    assert fault(folder, keys=tmp_path) == ExportFault.DATA_ALTERED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"count":8', b'"count":Infinity'),
        (b'"key_id":"', b'"key_id":["x"],"other":"'),
        (b'"kind":', b'"kind":{},"other":'),
    ],
)
def test_a_manifest_that_makes_no_sense_is_unreadable(tmp_path: Path, old: bytes, new: bytes):
    path = export(tmp_path, "jsonl")
    altered(path, "manifest.json", lambda text: text.replace(old, new))
    assert fault(path) == ExportFault.UNREADABLE


def test_a_wrong_key_is_told_from_an_altered_export(tmp_path: Path):
    path = export(tmp_path, "csv")
    other = tmp_path / "other"
    other.mkdir()
    make_key(other)
    assert fault(path, keys=other) == ExportFault.UNKNOWN_KEY


def test_an_export_whose_signature_was_taken_away_is_not_signed(tmp_path: Path):
    path = export(tmp_path, "jsonl")
    with zipfile.ZipFile(path) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("events.jsonl", "manifest.json"):
            archive.writestr(name, files[name])
    assert fault(path) == ExportFault.UNSIGNED


def test_a_signer_who_leaves_an_event_out_is_found_by_the_chain(tmp_path: Path):
    path = export(tmp_path, "jsonl")
    _signed_anew(path, lambda lines: [*lines[:3], *lines[4:]])
    assert fault(path) == ExportFault.UNLINKED


def test_a_signer_who_edits_an_event_is_found_by_its_seal(tmp_path: Path):
    path = export(tmp_path, "jsonl")
    _signed_anew(path, lambda lines: [lines[0].replace(b"step.1", b"step.9"), *lines[1:]])
    assert fault(path) == ExportFault.EVENT_ALTERED


def _signed_anew(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the events, and manifest and signature with them: whoever has the key can."""
    import hashlib

    from reconciliation import conf

    signer: Signer | None = load_signer(
        conf.require({"RECON_AUDIT_SIGNING_KEY_FILE": str(path.parent / "key.private")})
    )
    assert signer is not None
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("events.jsonl").splitlines(keepends=True)
        said = json.loads(archive.read("manifest.json"))
    data = b"".join(change(lines))
    said["count"] = len(data.splitlines())
    said["data"] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    text = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    altered(path, "events.jsonl", lambda _: data)
    altered(path, "manifest.json", lambda _: text)
    altered(path, "manifest.sig", lambda _: signer.sign(text))


@both_forms
def test_it_is_checked_with_the_public_key_alone_where_there_is_no_database(
    tmp_path: Path, form: str
):
    path = export(tmp_path, form)
    elsewhere = tmp_path / "unpacked"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(elsewhere)
    for place in (path, elsewhere):
        done = subprocess.run(  # noqa: S603  (our own command)
            [
                sys.executable,
                "manage.py",
                "audit_verify",
                *("--export", str(place), "--public-key", str(tmp_path / "key.pem")),
            ],
            cwd=django_settings.BASE_DIR,
            # No secret, no settings, and a database that nobody has.
            env={
                "PATH": os.environ["PATH"],
                "ENV_FILE": os.devnull,
                "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nowhere",
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith("intact: 8 events")
        assert "made by clara" in done.stdout
