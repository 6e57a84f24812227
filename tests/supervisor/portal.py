"""`run_portal` as a real process, its children by what they do, and what it has done so far."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django_q.signing import SignedPackage

from reconciliation.clock import SystemClock
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.server import PaperExchange
from tests.supervisor.scratch import PREFIX, Scratch, environ

# Generous: the machine may have a lot else to do. A healthy portal needs a few seconds.
PATIENCE = 100.0
BEAT_LIMIT = 6
# What the parent says while the database does not answer.
NOT_ASKED = "cannot ask the cluster for a sign of life"
MARK = "PORTAL_UNDER_TEST"
# Of one job it can be said which worker is busy, and whose claim a killed one leaves.
ONE_JOB = {"ENABLE_RECON_POSITION_PARITY_HEARTBEAT": "false"}
HALF_AN_INTERVAL = 30.0
# `forget` makes runs as old as this.
LONG_AGO = datetime(2026, 1, 5, tzinfo=UTC)
_ASK_SECONDS = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the portal, by the environment that it was started with."""

    pid: int
    parent: int
    command: str


class Portal:
    """A portal that runs, and the world around it."""

    def __init__(self, scratch: Scratch, exchange: PaperExchange) -> None:
        self.scratch = scratch
        self.exchange = exchange
        self.mark = uuid4().hex
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.environ = environ(scratch.url) | _keys(exchange) | ONE_JOB | {MARK: self.mark}
        self._log = bytearray()
        self.parent = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        arguments = ["--bind", f"127.0.0.1:{self.port}", "--beat-limit", str(BEAT_LIMIT)]
        started = subprocess.Popen(  # noqa: S603  (our own command)
            [sys.executable, "manage.py", "run_portal", *arguments],
            cwd=settings.BASE_DIR,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        # A pipe: a file could not be written to any more when the disk is full.
        threading.Thread(target=self._listen, args=[started], daemon=True).start()
        return started

    def _listen(self, started: "subprocess.Popen[bytes]") -> None:
        assert started.stdout is not None
        with started.stdout as pipe:
            for line in pipe:
                self._log += line

    def end(self) -> None:
        """Kill what is left, however the test ended."""
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self.parent.wait()

    # What there is.

    def processes(self) -> list[Process]:
        """Return every process that has this portal's mark in its environment, zombies excepted."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if f"{MARK}={self.mark}".encode() not in (entry / "environ").read_bytes():
                    continue
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found.append(Process(int(entry.name), int(state[1]), words))
        return sorted(found, key=lambda process: process.pid)

    def children_of(self, *parents: int) -> list[int]:
        return [process.pid for process in self.processes() if process.parent in parents]

    def leader(self, word: str) -> int:
        """Return the child of the parent that runs a module, once it is there."""

        def found() -> int | None:
            led = [
                process.pid
                for process in self.processes()
                if process.parent == self.parent.pid and word in process.command
            ]
            return led[0] if led else None

        return self.wait_for(f"a process that runs {word}", found)

    def cluster(self) -> tuple[int, int, list[int], int, int]:
        """Return main, sentinel, workers, monitor and pusher of a cluster that is complete."""

        def found() -> tuple[int, int, list[int], int, int] | None:
            main = self.leader("supervisor.workers")
            sentinels = self.children_of(main)
            # They are started in this order, and none of them has been replaced.
            rest = self.children_of(*sentinels)
            if len(sentinels) != 1 or len(rest) != 4:
                return None
            return main, sentinels[0], rest[:2], rest[2], rest[3]

        return self.wait_for("a complete cluster", found)

    def busy_worker(self) -> int:
        """Return the worker that is connected to the exchange, once there is one."""

        def found() -> int | None:
            sockets = _sockets_to(self.exchange.port)
            _, _, workers, _, _ = self.cluster()
            busy = [pid for pid in workers if sockets & _sockets_of(pid)]
            return busy[0] if len(busy) == 1 else None

        return self.wait_for("a worker that asks the exchange", found)

    def strangers(self) -> list[Process]:
        """Return the processes of the portal that do not descend from its parent."""
        processes = self.processes()
        known = {self.parent.pid}
        for _ in processes:
            known |= {process.pid for process in processes if process.parent in known}
        return [process for process in processes if process.pid not in known]

    def answers(self) -> bool:
        """Return whether the console serves its log-in page."""
        try:
            url = f"http://127.0.0.1:{self.port}/admin/login/"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    # What it has done.

    def runs(self) -> list[tuple[str, str]]:
        """Return status and error of each run since `forget`, in order."""
        sql = "SELECT status, error FROM reconciliation_run WHERE started_at > ? ORDER BY id"
        return self.scratch.ask(sql, _text(LONG_AGO))

    def succeeded(self) -> int:
        return [status for status, _ in self.runs()].count("SUCCEEDED")

    def forget(self) -> None:
        """Make every run one of long ago, so that another one is wanted at once."""
        self.scratch.tell(
            "UPDATE reconciliation_run SET started_at = ?, finished_at = ? WHERE status <> ?",
            *(_text(LONG_AGO), _text(LONG_AGO), "RUNNING"),
        )

    def let_claims_end(self) -> None:
        """Make the time of every claim over, instead of waiting ninety seconds for it."""
        self.scratch.tell("UPDATE reconciliation_run SET claim_expires_at = ?", _text(LONG_AGO))

    def queue(self, task: str) -> None:
        """Queue a task as the scheduler does, without waiting for its half minute."""
        number = uuid4().hex
        package = {
            "id": number,
            "name": number,
            "func": task,
            "args": (),
            "kwargs": {},
            "started": datetime.now(UTC),
            "ack_failure": True,
        }
        self.scratch.tell(
            "INSERT INTO django_q_ormq (key, payload, lock) VALUES (?, ?, ?)",
            *("reconciliation", SignedPackage.dumps(package), _text(datetime.now(UTC))),
        )

    def said(self) -> str:
        """Return the log so far."""
        return self._log.decode(errors="replace")

    # What it has to come to.

    def wait_for(self, what: str, look: Callable[[], T | None]) -> T:
        """Return what `look` finds, once it does; fail loudly when it does not in time."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = look()
            if found is not None and found is not False:
                return found
            time.sleep(_ASK_SECONDS)
        listed = "\n".join(map(str, self.processes()))
        pytest.fail(f"{what}: not within {PATIENCE} s\n{listed}\n{self.runs()}\n{self.said()}")

    def wait_for_runs(self, number: int) -> None:
        """Wait until so many runs have succeeded, none of them beside or right after another."""
        self.wait_for(f"run {number}", lambda: self.succeeded() >= number or None)
        rows = self.scratch.ask(
            "SELECT started_at, finished_at FROM reconciliation_run"
            " WHERE status = ? AND started_at > ? ORDER BY started_at",
            *("SUCCEEDED", _text(LONG_AGO)),
        )
        moments = [(_moment(started), _moment(finished)) for started, finished in rows]
        for (before, end), (start, _) in pairwise(moments):
            assert start >= end, moments
            assert (start - before).total_seconds() >= HALF_AN_INTERVAL - 1, moments

    def wait_for_end(self, seconds: float) -> int:
        """Return the exit status of the parent; by then nothing that it started is left."""
        status = self.parent.wait(seconds)
        assert self.processes() == [], self.said()
        return int(status)

    def wait_until_whole(self) -> None:
        """Wait until every process is there again and none is an orphan."""
        self.cluster()
        web = self.leader("gunicorn")
        self.wait_for("the web's worker", lambda: self.children_of(web) or None)
        self.wait_for("the console", lambda: self.answers() or None)
        assert self.strangers() == [], self.said()


@contextmanager
def running(scratch: Scratch) -> Iterator[Portal]:
    """Run a portal with an exchange; it is killed at the end, if it is still there."""
    paper = PaperAccount("main", api_key="key-of-paper", secret="s" * 32, passphrase="p" * 16)
    with PaperExchange([paper], SystemClock().now) as exchange:
        portal = Portal(scratch, exchange)
        try:
            yield portal
        finally:
            portal.end()


def _keys(exchange: PaperExchange) -> dict[str, str]:
    paper = exchange.accounts["main"]
    return {
        f"{PREFIX}_API_KEY": paper.api_key,
        f"{PREFIX}_SECRET": paper.secret,
        f"{PREFIX}_PASSWORD": paper.passphrase,
        f"{PREFIX}_BASE_URL": exchange.url("main"),
    }


def _text(moment: datetime) -> str:
    """Return a moment as Django writes it to SQLite, which PostgreSQL reads as well."""
    utc = moment.astimezone(UTC)
    zone = "" if connection.vendor == "sqlite" else "+00"
    return f"{utc:%Y-%m-%d %H:%M:%S.%f}{zone}"


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)


def _sockets_to(port: int) -> set[str]:
    """Return the inodes of the sockets that are connected to a port of this machine."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return {row[9] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"}


def _sockets_of(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = os.readlink(entry)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
