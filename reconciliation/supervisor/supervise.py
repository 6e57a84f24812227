"""Keep processes running: start, watch, kill what is silent, start again, end them all.

Each child is the leader of a session and a process group of its own. So Ctrl-C reaches it only
through us, and whatever it has started dies with it: when a child ends, for whatever reason, the
rest of its group is killed before another one is started.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reconciliation.supervisor.pulse import Pulse
from reconciliation.supervisor.stopping import Stop

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.3
# Together with what is killed after it, the end takes less than ten seconds.
PATIENCE_SECONDS = 8.0
# Who is killed is gone at once, but for what nobody collects in a container without an init.
DYING_SECONDS = 1.0
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1.0, 30.0
# Who ran for so long has got over what ended it before.
STEADY_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What is to be kept running: `python -m MODULE ARGUMENTS` in this environment."""

    name: str
    module: str
    arguments: Sequence[str]
    environ: Mapping[str, str]
    folder: Path
    pulse: Pulse | None = None
    quiet: bool = False
    """Whether its standard output is of no interest."""
    pass_fds: Sequence[int] = ()


@dataclass(slots=True)
class _Kept:
    """A child and its process, or the moment when it is to be started again."""

    child: Child
    process: "subprocess.Popen[bytes] | None" = None
    pipe: int = -1
    started_at: float = 0.0
    start_at: float = 0.0
    delay: float = field(default_factory=lambda: FIRST_DELAY_SECONDS)

    def attend(self) -> None:
        """Do what is to be done now; quick, and never raises for what a child does."""
        if self.process is None:
            if time.monotonic() >= self.start_at:
                self.start()
            return
        pulse = self.child.pulse
        status = self.process.poll()
        if status is not None:
            self._again(f"ended by itself ({_how(status)})")
        elif pulse is not None and pulse.overdue():
            self._again(f"gave no sign of life for {pulse.silence:.0f} s and was killed")

    def start(self) -> None:
        child = self.child
        more = {} if child.pulse is None else child.pulse.begin()
        try:
            reading, writing = os.pipe()
        except OSError as error:
            self._delay(f"could not be started ({error})")
            return
        try:
            self.process = subprocess.Popen(  # noqa: S603  (our own module)
                [
                    *(sys.executable, "-m", "reconciliation.supervisor.child"),
                    *(str(reading), child.module, *child.arguments),
                ],
                cwd=child.folder,
                env={**child.environ, **more},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if child.quiet else None,
                start_new_session=True,
                pass_fds=(reading, *child.pass_fds),
            )
        except OSError as error:
            # No memory, no process, no file left: that may pass.
            os.close(writing)
            self._delay(f"could not be started ({error})")
            return
        finally:
            os.close(reading)
        self.pipe = writing
        self.started_at = time.monotonic()
        logger.info("%s started, process %s", child.name, self.process.pid)

    def ask_to_end(self) -> None:
        """Ask the process to end in good order."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.terminate()

    def ended(self) -> bool:
        """Return whether the process itself is gone; what it started may not be."""
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """Kill the process, if it is still there, and all that it has started."""
        if self.process is None:
            return
        group = self.process.pid
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self.process.wait()
        _wait_until_gone(group)
        os.close(self.pipe)
        self.process, self.pipe = None, -1

    def _again(self, why: str) -> None:
        self.kill()
        if time.monotonic() - self.started_at >= STEADY_SECONDS:
            self.delay = FIRST_DELAY_SECONDS
        self._delay(why)

    def _delay(self, why: str) -> None:
        logger.error("%s %s; starts again in %g s", self.child.name, why, self.delay)
        self.start_at = time.monotonic() + self.delay
        self.delay = min(self.delay * 2, LONGEST_DELAY_SECONDS)


def supervise(children: Sequence[Child], stop: Stop) -> None:
    """Keep the children running until a stop is requested, and end them all within ten seconds."""
    kept = [_Kept(child) for child in children]
    for child in children:
        if child.pulse is not None:
            child.pulse.start()
    try:
        while True:
            for each in kept:
                each.attend()
            if stop.wait(TICK_SECONDS):
                break
    finally:
        _end(kept, stop)


def _end(kept: Sequence[_Kept], stop: Stop) -> None:
    running = [each for each in kept if each.process is not None]
    for each in running:
        each.ask_to_end()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(each.ended() for each in running):
        if stop.urgent or time.monotonic() >= deadline:
            break
        time.sleep(TICK_SECONDS / 3)
    for each in running:
        how = "ended" if each.ended() else "did not end in time and was killed"
        each.kill()
        logger.info("%s %s", each.child.name, how)


def _wait_until_gone(group: int) -> None:
    """Wait until the last of a killed group is gone: it may hold a port or a file until then."""
    deadline = time.monotonic() + DYING_SECONDS
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.02)


def _how(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    return f"signal {-status}, {signal.Signals(-status).name}"
