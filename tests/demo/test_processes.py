"""What a demo needs before it starts: a port, a folder of its own, an environment of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import environ
import pytest
from django.conf import settings

from reconciliation.demo import folder as folders
from reconciliation.demo import ports
from reconciliation.demo.accounts import ALL_SPECS
from reconciliation.demo.environment import (
    SHORTENED,
    demo_environ,
    keys_from_environ,
    keys_to_environ,
    passwords_from_environ,
    passwords_to_environ,
)
from reconciliation.demo.exchange import make_exchange, make_exchange_environ
from reconciliation.demo.folder import DemoFolder, FolderInUse
from reconciliation.demo.ports import HOST, PortInUse, free_port, other_port

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
    made = demo_environ(LIVE, folder=folder)

    assert not {"the portal's own", "postgres://live", "live-key", "1"} & set(made.values())
    assert "HTTP_PROXY" not in made
    assert (made["PATH"], made["LC_ALL"]) == ("/bin", "C.UTF-8")
    assert made["ENV_FILE"] == os.devnull
    assert made["DEBUG"] == "false"
    assert made["DEMO"] == "true"
    assert "RECON_INFLIGHT_GRACE_MS" not in made


def test_every_demo_has_a_secret_key_of_its_own(folder: DemoFolder) -> None:
    first, second = (demo_environ({}, folder=folder) for _ in range(2))

    assert first["SECRET_KEY"] != second["SECRET_KEY"]


@pytest.mark.parametrize("name", ["demo", "with space", "50%+ü", "a?b#c"])
def test_the_database_is_the_folders_whatever_its_name(tmp_path: Path, name: str) -> None:
    folder = DemoFolder(tmp_path / name)

    url = demo_environ({}, folder=folder)["DATABASE_URL"]

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


def test_the_bots_keys_reach_their_process_by_its_environment() -> None:
    keys = {spec.profile: f"key of {spec.profile}" for spec in ALL_SPECS}

    assert keys_from_environ(keys_to_environ(keys)) == keys


def test_passwords_reach_whoever_shows_them_by_the_environment_in_their_order() -> None:
    passwords = {"viewer": "b", "approver": "a"}

    found = passwords_from_environ(passwords_to_environ(passwords))

    assert list(found.items()) == list(passwords.items())


def test_the_times_of_a_pause_are_shortened_and_nothing_else_is_set(folder: DemoFolder) -> None:
    made = demo_environ({}, folder=folder)

    assert {name for name in made if name.startswith(("RECON_", "ENABLE_"))} == set(SHORTENED)
    assert {"MIN_PAUSE_MS", "COOLDOWN_MS"} == {name.split("RESUME_")[1] for name in SHORTENED}


def test_the_exchange_has_new_keys_at_every_start_and_one_set_an_account() -> None:
    first, second = make_exchange_environ(8123), make_exchange_environ(8123)

    assert not {v for v in first.values() if "http" not in v} & set(second.values())
    exchange = make_exchange(first, 8123, lambda: datetime.now(UTC))
    assert exchange.accounts["hedge"].position_mode == "hedge"
    assert exchange.accounts["hedge"].secret == first["PAPER_HEDGE_SECRET"]
    assert exchange.url("main") == first["PAPER_MAIN_BASE_URL"]


def test_the_lock_is_handed_on_to_whoever_goes_on_with_the_folder(folder: DemoFolder) -> None:
    with folder.locked() as descriptor:
        os.set_inheritable(descriptor, True)
        holder = subprocess.Popen(
            [sys.executable, "-c", "input()"], pass_fds=[descriptor], stdin=subprocess.PIPE
        )
    with pytest.raises(FolderInUse):
        DemoFolder(folder.path).refuse_if_used()
    holder.communicate(b"\n")
    DemoFolder(folder.path).refuse_if_used()


def test_the_web_process_does_without_ccxt_and_what_talks_to_exchanges(folder: DemoFolder) -> None:
    with folder.locked():
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys, django; django.setup()\n"
                "from recon_portal.wsgi import application\n"
                "from django.urls import reverse\n"
                "reverse('admin:index')\n"
                "print(sorted(name for name in sys.modules"
                " if name.startswith(('ccxt', 'reconciliation.exchange'))))",
            ],
            cwd=settings.BASE_DIR,
            env=demo_environ(os.environ, folder=folder),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )

    # What the set-up tells of exchanges: names and options, and no client.
    told = ("credentials", "gateway", "options", "supported")
    loaded = ["reconciliation.exchange", *(f"reconciliation.exchange.{name}" for name in told)]
    assert done.stdout.splitlines()[-1] == str(loaded)
    # There is no database yet: that the settings in force could not be recorded is said, no more.
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
