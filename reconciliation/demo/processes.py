"""Start the demo's two processes, watch them, and leave none behind."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciliation.demo.folder import DemoFolder
from reconciliation.demo.stopping import Stop

PATIENCE_SECONDS = 8.0
WATCH_SECONDS = 0.3

# What a process needs of a shell, and nothing of the portal's own settings: no key of a live
# account, no proxy between the client and the exchange on this machine.
_PASSED_ON = frozenset(
    {"HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "LOG_LEVEL", "PATH", "TMPDIR", "TZ", "USER"}
)
_PASSED_ON_PREFIXES = ("LC_", "PYTHON")


class ChildEnded(RuntimeError):
    """One of the demo's processes ended by itself; the text says which and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the demo was asked for."""

    port: int
    interval: int
    seed: int
    folder: DemoFolder
    code: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process of the demo, in a session of its own: Ctrl-C reaches it only through us."""

    name: str
    process: subprocess.Popen[bytes]

    def ended(self) -> str:
        """Return how it ended, or nothing while it runs."""
        status = self.process.poll()
        if status is None:
            return ""
        how = f"signal {-status}" if status < 0 else f"exit status {status}, its reason is above"
        return f"the {self.name} ended unexpectedly ({how})"

    def stop(self) -> None:
        """Ask it to end."""
        with suppress(ProcessLookupError):
            self.process.terminate()

    def see_off(self, deadline: float) -> None:
        """Wait for its end; kill it, and all that it started, when the time is up."""
        try:
            self.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def run_processes(options: Options, stop: Stop) -> None:
    """Run the demo until it is asked to stop; raises `ChildEnded` when a part of it ends first."""
    environ = child_environ(os.environ, folder=options.folder, interval=options.interval)
    numbers = [str(number) for number in (options.port, options.interval, options.seed)]
    children: list[Child] = []
    try:
        children.append(_start("web server", ["server", numbers[0]], options, environ))
        children.append(_start("worker", ["worker", *numbers], options, environ))
        while not stop.wait(WATCH_SECONDS):
            for child in children:
                if child.ended():
                    raise ChildEnded(child.ended())
    finally:
        for child in children:
            child.stop()
        deadline = time.monotonic() + PATIENCE_SECONDS
        for child in children:
            child.see_off(deadline)


def child_environ(
    environ: Mapping[str, str], *, folder: DemoFolder, interval: int
) -> dict[str, str]:
    """Return the environment of the demo's processes: theirs alone, with a secret of its own."""
    passed = {
        name: value
        for name, value in environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    return passed | {
        "DJANGO_SETTINGS_MODULE": "recon_portal.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "DEBUG": "false",
        "HTTPS_ONLY": "false",
        "DATABASE_URL": folder.database_url,
        "STATIC_ROOT": str(folder.static),
        "RECON_INTERVAL_SECONDS": str(interval),
    }


def _start(
    name: str, arguments: Sequence[str], options: Options, environ: Mapping[str, str]
) -> Child:
    process = subprocess.Popen(  # noqa: S603  (our own module)
        [sys.executable, "-m", "reconciliation.demo", *arguments],
        cwd=options.code,
        env=dict(environ),
        # Never written to: that it closes is how a child learns that its parent is gone.
        stdin=subprocess.PIPE,
        stdout=None if arguments[0] == "worker" else subprocess.DEVNULL,
        start_new_session=True,
        # The folder stays locked until the last process that uses it is gone.
        pass_fds=options.folder.lock_descriptors,
    )
    return Child(name=name, process=process)
