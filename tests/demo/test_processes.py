"""What a demo needs before it starts: a port, a folder of its own, an environment of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import environ
import pytest
from django.conf import settings

from reconciliation.demo import folder as folders
from reconciliation.demo import ports
from reconciliation.demo.folder import DemoFolder, FolderInUse
from reconciliation.demo.ports import HOST, PortInUse, free_port, other_port
from reconciliation.demo.processes import child_environ
from reconciliation.demo.stopping import stop_on_signals

LIVE = {
    "SECRET_KEY": "the portal's own",
    "DATABASE_URL": "postgres://live",
    "OKX_MAIN_API_KEY": "live-key",
    "RECON_INFLIGHT_GRACE_MS": "1",
    "HTTP_PROXY": "http://proxy:3128",
    "PATH": "/bin",
    "LC_ALL": "C.UTF-8",
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_PATIENCE_SECONDS", 0)
    monkeypatch.setattr(folders, "_PATIENCE_SECONDS", 0)


@pytest.fixture
def folder(tmp_path: Path) -> DemoFolder:
    return DemoFolder(tmp_path / "demo")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as listening:
        yield listening


def test_the_processes_get_nothing_of_the_portals_own_settings(folder: DemoFolder) -> None:
    made = child_environ(LIVE, folder=folder, interval=20)

    assert not {"the portal's own", "postgres://live", "live-key", "1"} & set(made.values())
    assert "HTTP_PROXY" not in made
    assert (made["PATH"], made["LC_ALL"]) == ("/bin", "C.UTF-8")
    assert made["ENV_FILE"] == os.devnull
    assert made["DEBUG"] == "false"
    assert made["RECON_INTERVAL_SECONDS"] == "20"


def test_every_demo_has_a_secret_key_of_its_own(folder: DemoFolder) -> None:
    first, second = (child_environ({}, folder=folder, interval=20) for _ in range(2))

    assert first["SECRET_KEY"] != second["SECRET_KEY"]


@pytest.mark.parametrize("name", ["demo", "with space", "50%+ü", "a?b#c"])
def test_the_database_is_the_folders_whatever_its_name(tmp_path: Path, name: str) -> None:
    folder = DemoFolder(tmp_path / name)

    url = child_environ({}, folder=folder, interval=20)["DATABASE_URL"]

    assert environ.Env.db_url_config(url)["NAME"] == str(folder.database)


def test_a_folder_is_for_one_demo_at_a_time_and_says_whose_it_is(folder: DemoFolder) -> None:
    other = DemoFolder(folder.path)
    with (
        folder.locked(),
        pytest.raises(FolderInUse, match=str(os.getpid())),
        other.locked(),
    ):
        pytest.fail("two demos have one folder")
    with DemoFolder(folder.path).locked():
        assert folder.path.is_dir()


def test_a_fresh_start_deletes_the_database_and_nothing_else(folder: DemoFolder) -> None:
    with folder.locked():
        for name in ("demo.sqlite3", "demo.sqlite3-wal", "demo.sqlite3-shm", "notes.txt"):
            (folder.path / name).write_text("x")
        folder.clear()

    assert {path.name for path in folder.path.iterdir()} == {"lock", "notes.txt", "static"}


def test_asking_whether_a_folder_is_used_leaves_nothing_in_it(folder: DemoFolder) -> None:
    folder.refuse_if_used()
    assert not folder.path.exists()
    with folder.locked(), pytest.raises(FolderInUse, match=str(os.getpid())):
        DemoFolder(folder.path).refuse_if_used()
    folder.refuse_if_used()


def test_another_port_is_the_next_one_or_any() -> None:
    assert (other_port(8000), other_port(65535)) == (8001, 0)


def test_a_port_that_something_listens_on_is_in_use(listener: socket.socket) -> None:
    with pytest.raises(PortInUse):
        free_port(listener.getsockname()[1])


def test_port_0_stands_for_any_that_is_free() -> None:
    assert free_port(0) > 0


def test_a_signal_ends_a_wait_and_the_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        assert stop.wait(30)

    assert signal.getsignal(signal.SIGTERM) is before


def test_a_wait_ends_when_its_time_is_up() -> None:
    with stop_on_signals() as stop:
        assert not stop.wait(0.01)


def test_the_web_process_does_without_ccxt_and_the_exchange(folder: DemoFolder) -> None:
    with folder.locked():
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys, django; django.setup()\n"
                "from reconciliation.demo.server import load_application\n"
                "from django.urls import reverse\n"
                "load_application(); reverse('admin:index')\n"
                "print(sorted(name for name in sys.modules"
                " if name.startswith(('ccxt', 'reconciliation.exchange'))))",
            ],
            cwd=settings.BASE_DIR,
            env=child_environ(os.environ, folder=folder, interval=20),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )

    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stderr == ""
