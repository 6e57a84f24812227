"""Keys, checkpoints and exports by their commands: what they write, refuse and say."""

import json
import stat
import zipfile
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from reconciliation.models import AuditEvent
from tests.attacks import chains

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    """Return what a command says."""
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().strip()


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """A key made by the command, and settings that name it and a folder for checkpoints."""
    for name in ("keys", "checkpoints", "out"):
        (tmp_path / name).mkdir()
    private = tmp_path / "signing.pem"
    run("audit_checkpoint", "--generate-key", str(private), "--public-dir", str(tmp_path / "keys"))
    settings.RECON_ENVIRON = {
        "RECON_AUDIT_SIGNING_KEY_FILE": str(private),
        "RECON_AUDIT_CHECKPOINT_DIR": str(tmp_path / "checkpoints"),
        "RECON_AUDIT_PUBLIC_KEYS_DIR": str(tmp_path / "keys"),
    }
    return tmp_path


def test_a_key_is_for_its_owner_alone_and_is_never_written_over(folder: Path):
    private = folder / "signing.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    kept = private.read_bytes()
    with pytest.raises(CommandError, match="a key is never written over"):
        run("audit_checkpoint", "--generate-key", str(private))
    assert private.read_bytes() == kept


def test_a_checkpoint_is_written_and_the_chain_is_compared_with_it(folder: Path):
    chains.record(4)
    assert run("audit_checkpoint").startswith("event 4 is signed by the key ")
    (path,) = (folder / "checkpoints").iterdir()
    said = json.loads(path.read_text())
    assert said["checkpoint"]["hash"] == AuditEvent.objects.get(sequence=4).hash
    for given in (path, folder / "checkpoints"):
        lines = run("audit_verify", "--checkpoint", str(given)).splitlines()
        assert lines[1] == f"continues the checkpoint {path.name} (event 4)"


def test_a_checkpoint_without_settings_says_which_one_is_missing(settings: Any):
    settings.RECON_ENVIRON = {}
    with pytest.raises(CommandError, match="RECON_AUDIT_CHECKPOINT_DIR is not set"):
        run("audit_checkpoint")


def test_a_folder_that_is_not_there_is_said(folder: Path):
    (folder / "checkpoints").rmdir()
    with pytest.raises(CommandError, match="checkpoints cannot be read: No such file"):
        run("audit_checkpoint")


def test_no_part_of_a_checkpoint_stays_behind_where_the_disk_refuses(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reconciliation.handlers.checkpoints.os.fsync", refuse)
    with pytest.raises(CommandError, match="No space left"):
        run("audit_checkpoint")
    assert not list((folder / "checkpoints").iterdir())


def test_a_comparison_needs_a_key_to_believe(folder: Path, settings: Any):
    run("audit_checkpoint")
    settings.RECON_ENVIRON = {}
    with pytest.raises(CommandError, match="--public-key"):
        run("audit_verify", "--checkpoint", str(folder / "checkpoints"))


def test_an_export_is_written_and_checked(folder: Path):
    chains.record(5)
    said = json.loads(
        run(
            "audit_export",
            "--action",
            "step.*",
            "--format",
            "csv",
            "--out",
            str(folder / "out"),
            "--json",
        )
    )
    assert (said["events"], said["signed"]) == (5, True)
    assert [path.name for path in (folder / "out").iterdir()] == [Path(said["path"]).name]
    lines = run("audit_verify", "--export", said["path"]).splitlines()
    assert lines[0].startswith("intact: 5 events")
    assert lines[1].endswith("asked for: action=step.*")
    event = AuditEvent.objects.get(action="audit.exported")
    assert event.actor_name.endswith("(shell)")


def test_a_broken_export_is_exit_status_1_and_named(folder: Path):
    chains.record(5)
    said = json.loads(run("audit_export", "--out", str(folder / "out"), "--json"))
    with zipfile.ZipFile(said["path"]) as archive:
        archive.extractall(folder / "unpacked")
    data = folder / "unpacked" / "events.jsonl"
    data.write_bytes(data.read_bytes().replace(b"step.3", b"step.4"))
    out = StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("audit_verify", "--export", str(folder / "unpacked"), "--json", stdout=out)
    assert left.value.code == 1
    assert json.loads(out.getvalue())["fault"] == "data_altered"


def test_a_condition_that_cannot_be_understood_is_no_condition_less(folder: Path):
    with pytest.raises(CommandError, match="--since: 'yesterday' is no moment"):
        run("audit_export", "--since", "yesterday", "--out", str(folder))
    assert not AuditEvent.objects.exists()


def test_an_unsigned_export_says_so_loudly(tmp_path: Path, settings: Any):
    settings.RECON_ENVIRON = {}
    err = StringIO()
    call_command("audit_export", "--out", str(tmp_path), stdout=StringIO(), stderr=err)
    assert err.getvalue().startswith("UNSIGNED")
    (path,) = tmp_path.iterdir()
    assert path.name.endswith("-UNSIGNED.zip")
