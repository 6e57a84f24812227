"""`manage.py drill`: what it prints, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker

from reconciliation.drills.database import scratch_database
from tests.drills.texts import HEAD

ROOT = Path(__file__).parents[2]
PASSING = HEAD + "expect: {mismatches_open: 0}\n"
FAILING = HEAD.replace("example", "failing") + "expect: {mismatches_open: 3}\n"
UNREADABLE = "drill: x\nnow: x\n"
UNSERVED = HEAD + "env: {RECON_NONESUCH: x}\n"


def write(folder: Path, **texts: str) -> list[str]:
    """Write files and return their paths."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [str(folder / name) for name in texts]


def drill(*arguments: str, blocker: DjangoDbBlocker) -> int:
    """Run the command and return its exit status; the live database stays what it was."""
    live = connection.settings_dict["NAME"]
    try:
        with blocker.unblock():
            call_command("drill", *arguments)
    except SystemExit as ended:
        return int(str(ended.code))
    finally:
        assert connection.settings_dict["NAME"] == live
    return 0


def test_passed_drills_end_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], django_db_blocker: DjangoDbBlocker
) -> None:
    status = drill(*write(tmp_path, a=PASSING, b=PASSING), blocker=django_db_blocker)

    assert status == 0
    assert capsys.readouterr().out == "PASS example\nPASS example\n2 passed, 0 failed\n"


def test_a_failed_drill_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], django_db_blocker: DjangoDbBlocker
) -> None:
    status = drill(*write(tmp_path, a=FAILING, b=PASSING), blocker=django_db_blocker)

    assert status == 1
    assert capsys.readouterr().out.splitlines() == [
        "FAIL failing",
        "  mismatches_open: expected 3, got 0 (line 8)",
        "PASS example",
        "1 passed, 1 failed",
    ]


def test_a_file_that_cannot_be_read_ends_with_2_and_stops_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], django_db_blocker: DjangoDbBlocker
) -> None:
    files = write(tmp_path, a=UNREADABLE, b=PASSING, c=UNSERVED)

    status = drill(*files, str(tmp_path / "none"), blocker=django_db_blocker)

    assert status == 2
    out, err = capsys.readouterr()
    assert out == "PASS example\n1 passed, 0 failed\n"
    first, second, third = err.splitlines()
    assert first.startswith(f"{files[0]}:1: a drill needs the key 'accounts'")
    assert second.startswith(f"{files[2]}:8: there is no setting 'RECON_NONESUCH'")
    assert third == f"{tmp_path}/none: cannot be read: No such file or directory"


def test_json_is_one_object_with_the_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], django_db_blocker: DjangoDbBlocker
) -> None:
    files = write(tmp_path, a=FAILING, b=UNREADABLE)

    status = drill("--json", *files, blocker=django_db_blocker)

    assert status == 2
    report = json.loads(capsys.readouterr().out)
    (result,) = report["drills"]
    assert (report["passed"], report["failed"]) == (0, 1)
    assert (result["name"], result["passed"], result["file"]) == ("failing", False, files[0])
    assert result["failures"] == [{"path": "mismatches_open", "line": 8, "expected": 3, "got": 0}]
    assert result["state"]["mismatches_open"] == 0
    assert report["errors"][0]["line"] == 1


def test_a_drill_needs_no_secret_and_leaves_the_live_database_alone(tmp_path: Path) -> None:
    live = tmp_path / "live.sqlite3"
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    environ = {**kept, "ENV_FILE": os.devnull, "DATABASE_URL": f"sqlite:///{live}"}
    command = [sys.executable, "manage.py", "drill", *write(tmp_path, a=PASSING)]

    ended = subprocess.run(  # noqa: S603  (our own command)
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )

    assert (ended.returncode, ended.stdout) == (0, "PASS example\n1 passed, 0 failed\n")
    assert not live.exists()


def test_a_scratch_database_is_given_back_after_an_error(
    django_db_blocker: DjangoDbBlocker,
) -> None:
    live = connection.settings_dict["NAME"]

    def break_down() -> None:
        with scratch_database() as scratch:
            scratch.reset()
            assert connection.settings_dict["NAME"] != live
            raise RuntimeError("broken")

    with django_db_blocker.unblock(), pytest.raises(RuntimeError, match="broken"):
        break_down()

    assert connection.settings_dict["NAME"] == live


def test_a_drill_does_not_run_within_a_transaction_of_the_live_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = SimpleNamespace(in_atomic_block=True)
    monkeypatch.setattr("reconciliation.drills.database.connection", busy)

    with (
        pytest.raises(RuntimeError, match="inside a transaction of the live database"),
        scratch_database(),
    ):
        pass
