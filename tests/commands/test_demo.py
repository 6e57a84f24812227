"""`demo` as its user starts it: one command, a console to look at, drift that is repaired."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from reconciliation.demo import folder as folders
from reconciliation.demo import ports
from reconciliation.demo.folder import DemoFolder

# Generous: the machine may have a lot else to do. A demo needs a few seconds to be ready.
SECONDS = 100.0


class RunningDemo:
    """A demo in its own process; what it says is read as it comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = ""
        options = ["--port", "0", "--folder", str(folder)]
        self.process = subprocess.Popen(  # noqa: S603  (our own command)
            [sys.executable, "manage.py", "demo", *options],
            cwd=settings.BASE_DIR,
            # As in a fresh clone: no settings whatever.
            env={"PATH": os.environ["PATH"], "ENV_FILE": os.devnull},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def wait_for(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + SECONDS
        while (found := re.search(pattern, self.said)) is None:
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.said}"
            assert self.process.poll() is None, f"it ended:\n{self.said}"
            time.sleep(0.02)
        return found

    def descendants(self) -> dict[int, str]:
        """Return what runs below the demo's process, each with its command."""
        parents, commands = {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                commands[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            parents[int(folder.name)] = int(stat[1])
        below: set[int] = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in below} - below:
            below |= more
        return {pid: commands[pid] for pid in below - {self.process.pid}}

    def the_one(self, word: str) -> int:
        """Return the process below the demo's, its own child, whose command holds a word."""
        wait_until(lambda: len(self.all_of(word)) > 0)
        return min(self.all_of(word))

    def all_of(self, word: str) -> list[int]:
        return [pid for pid, command in self.descendants().items() if word in command]

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        status = self.process.wait(15)
        self._reader.join(5)
        return status


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], RunningDemo]]:
    running: list[RunningDemo] = []

    def start_demo() -> RunningDemo:
        running.append(RunningDemo(tmp_path / "demo"))
        return running[-1]

    yield start_demo
    for demo in running:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


def paste(line: str) -> str:
    """Return what a line says in the project's folder, in a shell without settings."""
    return subprocess.run(  # noqa: S602  (what the demo printed)
        line,
        shell=True,
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], "ENV_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def log_in(url: str, password: str) -> str:
    """Log in at the console and return the page of mismatches."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    login = browser.open(f"{url}login/?next=/admin/reconciliation/mismatch/", timeout=10)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', login.read().decode())
    assert token is not None
    form = {"csrfmiddlewaretoken": token[1], "username": "demo", "password": password}
    form["next"] = "/admin/reconciliation/mismatch/"
    return browser.open(login.url, urlencode(form).encode(), timeout=10).read().decode()


def test_one_command_starts_a_portal_that_reconciles(start: Callable[[], RunningDemo]) -> None:
    demo = start()
    url = demo.wait_for(r"Open +(\S+)\n")[1]
    password = demo.wait_for(r"\ndemo +(\S+)")[1]
    with pytest.raises(CommandError, match=f"process {demo.process.pid}.*--folder"):
        call_command("demo", folder=demo.folder)

    demo.wait_for(r" drift, ")
    for account in ("main", "hedge", "cases", "storm"):
        demo.wait_for(rf"{account}: run \d+ SUCCEEDED; .*open: ")

    below = set(demo.descendants())
    lines = re.findall(r"^  ((?:curl|DATABASE_URL=)\S* .*)$", demo.said, re.MULTILINE)
    health, metrics, chain = map(paste, lines)
    assert '"reconciliationLoopHealthy": true' in health
    assert "reconciliation_mismatch_total" in metrics
    assert "intact: " in chain
    assert "Mismatches" in log_in(url, password)
    assert "refused" not in demo.said

    assert demo.end(signal.SIGTERM) == 0
    assert "Stopped. The next start goes on with this database" in demo.said
    assert not any(is_alive(pid) for pid in below)
    with pytest.raises(urllib.error.URLError):
        urllib.request.build_opener().open(url, timeout=5)


def test_nothing_survives_a_killed_demo(start: Callable[[], RunningDemo]) -> None:
    demo = start()
    demo.the_one("reconciliation.supervisor.workers")
    demo.the_one("reconciliation.demo world")
    below = set(demo.descendants())

    demo.end(signal.SIGKILL)

    wait_until(lambda: not any(is_alive(pid) for pid in below))


def test_a_process_that_ends_is_started_again_and_the_bots_go_on(
    start: Callable[[], RunningDemo],
) -> None:
    demo = start()
    demo.wait_for(r"Open +(\S+)\n")
    world = demo.the_one("reconciliation.demo world")

    os.kill(world, signal.SIGKILL)

    demo.wait_for(r"world ended by itself \(signal 9, SIGKILL\); starts again")
    demo.wait_for(r"(?s)Open .*Open .*drift, ")
    assert demo.the_one("reconciliation.demo world") != world


def test_a_port_in_use_is_said_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "_PATIENCE_SECONDS", 0)
    with socket.create_server((ports.HOST, 0)) as listener:
        port = listener.getsockname()[1]
        folder = tmp_path / "another demo"
        with pytest.raises(CommandError, match=rf"port {port} is in use") as caught:
            call_command("demo", port=port, seed=3, fresh=True, folder=folder)
    # As it was asked for, but for the port; and nothing is left of the attempt.
    hint = f"manage.py demo --port {port + 1} --seed 3 --folder '{folder}' --fresh"
    assert str(caught.value).endswith(hint)
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_runs_already_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_PATIENCE_SECONDS", 0)
    with (
        DemoFolder(tmp_path).locked(),
        pytest.raises(CommandError, match=f"kill {os.getpid()}.*--port 8001 --folder"),
    ):
        call_command("demo", folder=tmp_path)


@pytest.mark.parametrize("arguments", [["--port", "65536"], ["--port", "x"], ["--seed", "a"]])
def test_a_number_that_makes_no_sense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=arguments[0]):
        call_command("demo", *arguments)
