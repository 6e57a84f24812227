"""Ending in good order: a signal is a request to stop, a second one a request to hurry."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A sleep goes on after a signal was handled, so it is cut in slices of this.
_SLICE_SECONDS = 0.2


class Stop:
    """Whether somebody asked this process to stop, and how often."""

    def __init__(self) -> None:
        self.requests = 0

    @property
    def requested(self) -> bool:
        """Return whether it was asked at all."""
        return self.requests > 0

    @property
    def urgent(self) -> bool:
        """Return whether it was asked again, because good order takes too long."""
        return self.requests > 1

    def request(self) -> None:
        """Ask it."""
        self.requests += 1

    def wait(self, seconds: float) -> bool:
        """Wait, at most until it is asked to stop; return whether it was."""
        deadline = time.monotonic() + seconds
        while not self.requested and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))
        return self.requested


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn SIGINT, SIGTERM and SIGHUP into requests to stop; for the main thread only.

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
