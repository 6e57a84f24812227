"""Children that end, hang or cannot be started, with processes that do nothing else."""

import errno
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from reconciliation.supervisor import supervise as module
from reconciliation.supervisor.pulse import Pulse, Sign
from reconciliation.supervisor.stopping import Stop
from reconciliation.supervisor.supervise import Child, supervise

PATIENCE = 60.0
CODE = Path(__file__).parents[2]


class Silent:
    def begin(self) -> dict[str, str]:
        return {}

    def look(self) -> Sign:
        return Sign.SILENT


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(module, "FIRST_DELAY_SECONDS", 0.01)


@pytest.fixture
def child(tmp_path: Path) -> Callable[..., Child]:
    """Return what makes a child of a piece of code."""

    def make(code: str, *, pulse: Pulse | None = None) -> Child:
        (tmp_path / "of_a_test.py").write_text(code, encoding="utf-8")
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{CODE}:{tmp_path}"}
        return Child(
            name="thing",
            module="of_a_test",
            arguments=[],
            environ=environ,
            folder=tmp_path,
            pulse=pulse,
        )

    return make


@pytest.fixture
def stop() -> Stop:
    return Stop()


def stopping_when(condition: Callable[[], object], stop: Stop, *, times: int = 1) -> None:
    """Request a stop from another thread once something is so."""

    def watch() -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not condition():
            time.sleep(0.02)
        for _ in range(times):
            stop.request()

    threading.Thread(target=watch, daemon=True).start()


def alive(pid: int) -> bool:
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        return state.split()[0] != "Z"
    return False


def pids_in(file: Path) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(line) for line in file.read_text(encoding="utf-8").split()]
    return []


def test_one_that_keeps_ending_waits_twice_as_long_each_time_and_says_why(
    child: Callable[..., Child], stop: Stop, caplog: pytest.LogCaptureFixture
) -> None:
    def ends() -> list[str]:
        return [r.message for r in caplog.records if "ended by itself" in r.message]

    stopping_when(lambda: len(ends()) >= 3, stop)
    supervise([child("import sys; sys.exit(7)")], stop)
    assert ends()[:3] == [
        f"thing ended by itself (exit status 7); starts again in {delay} s"
        for delay in ("0.01", "0.02", "0.04")
    ]


def test_one_that_gives_no_sign_is_killed_with_all_that_it_has_started(
    child: Callable[..., Child],
    stop: Stop,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pids = tmp_path / "pids"
    code = f"""
import os, time
os.fork()
with open({str(pids)!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
time.sleep(600)
"""
    pulse = Pulse(Silent(), limit=3, every=0.1, first_limit=3)
    stopping_when(lambda: len(pids_in(pids)) >= 4, stop)
    supervise([child(code, pulse=pulse)], stop)
    assert "thing gave no sign of life for 3 s and was killed" in caplog.text
    assert not any(alive(pid) for pid in pids_in(pids))


def test_one_that_does_not_want_to_end_is_killed_when_patience_is_over(
    child: Callable[..., Child],
    stop: Stop,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.5)
    ready = tmp_path / "ready"
    code = f"""
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(ready)!r}).touch()
time.sleep(600)
"""
    stopping_when(ready.exists, stop)
    supervise([child(code)], stop)
    assert "thing did not end in time and was killed" in caplog.text


def test_a_second_request_ends_patience(
    child: Callable[..., Child],
    stop: Stop,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", PATIENCE)
    ready = tmp_path / "ready"
    code = f"""
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(ready)!r}).touch()
time.sleep(600)
"""
    stopping_when(ready.exists, stop, times=2)
    began = time.monotonic()
    supervise([child(code)], stop)
    assert time.monotonic() - began < PATIENCE
    assert "thing did not end in time and was killed" in caplog.text


def test_one_that_cannot_be_started_is_tried_again(
    child: Callable[..., Child],
    stop: Stop,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    opened = len(os.listdir("/proc/self/fd"))
    stopping_when(lambda: caplog.text.count("could not be started") >= 2, stop)
    supervise([child("")], stop)
    assert caplog.text.count("could not be started") >= 2
    assert len(os.listdir("/proc/self/fd")) <= opened + 1


def test_without_a_file_left_for_its_pipe_it_is_tried_again(
    child: Callable[..., Child],
    stop: Stop,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pipe", refuse)
    stopping_when(lambda: caplog.text.count("could not be started") >= 2, stop)
    supervise([child("")], stop)
    assert "Too many open files" in caplog.text
