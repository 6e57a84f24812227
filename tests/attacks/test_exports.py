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


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.9])
def test_one_changed_byte_of_the_zip_never_passes_for_another_content(tmp_path: Path, share: float):
    path = export(tmp_path, "jsonl")
    whole = path.read_bytes()
    at = int(len(whole) * share)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    report = check_export(path, keys=load_public_keys([tmp_path]))
    if report.fault is None:
        # The byte belongs to no content that is vouched for: a date, a mode, the words for people.
        with zipfile.ZipFile(path) as archive:
            names = ("events.jsonl", "manifest.json", "manifest.sig")
            kept = {name: archive.read(name) for name in names}
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            assert kept == {name: archive.read(name) for name in names}


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
