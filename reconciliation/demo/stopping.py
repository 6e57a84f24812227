"""Ending in good order: on a signal, and together with the process that started this one."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STDIN = 0
# A sleep goes on after a signal was handled, so it is cut in slices of this.
_SLICE_SECONDS = 0.2


class Stop:
    """Whether somebody asked this process to stop."""

    def __init__(self) -> None:
        self.requested = False

    def request(self) -> None:
        """Ask it."""
        self.requested = True

    def wait(self, seconds: float) -> bool:
        """Wait, at most until it is asked to stop; return whether it was."""
        deadline = time.monotonic() + seconds
        while not self.requested and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))
        return self.requested


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn SIGINT, SIGTERM and SIGHUP into a request to stop; for the main thread only.

    A signal that is ignored stays so: nohup and a shell's background jobs mean it.
    """
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.request()

    before = {
        number: signal.signal(number, handle)
        for number in _SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """Send this process SIGTERM when the one that holds the other end of its stdin is gone.

    However that one died, the pipe closes; so nothing it started goes on without it.
    """

    def watch() -> None:
        # Not by sys.stdin: a thread that waits in it makes the interpreter's end a fatal error.
        while os.read(_STDIN, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
