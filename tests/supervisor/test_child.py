"""A process ends with the one that started it, and so does what it has forked."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

CODE = Path(__file__).parents[2]
PATIENCE = 20.0
FORKS = """
import os, time
if os.fork():
    print("leader", flush=True)
else:
    print("fork", flush=True)
time.sleep(600)
"""


@contextmanager
def started(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Start a module that forks once; give it and the end of the pipe that is the parent's."""
    (folder / "forks.py").write_text(FORKS, encoding="utf-8")
    reading, writing = os.pipe()
    process = subprocess.Popen(  # noqa: S603  (our own code)
        [sys.executable, "-m", "reconciliation.supervisor.child", str(reading), "forks"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{CODE}:{folder}"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        pass_fds=[reading],
    )
    os.close(reading)
    try:
        assert process.stdout is not None
        assert {process.stdout.readline(), process.stdout.readline()} == {"leader\n", "fork\n"}
        yield process, writing
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def all_of_it_ends(process: "subprocess.Popen[str]") -> bool:
    """Return whether leader and fork end by themselves: both hold the pipe that is read here."""
    try:
        process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_leader_and_fork_end_when_the_parent_is_gone(tmp_path: Path) -> None:
    with started(tmp_path) as (process, pipe):
        assert process.poll() is None
        os.close(pipe)
        assert all_of_it_ends(process)
        assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_fork_ends_though_leader_and_parent_were_ended_together(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path) as (process, pipe):
        process.send_signal(number)
        process.wait()
        os.close(pipe)
        assert all_of_it_ends(process)
