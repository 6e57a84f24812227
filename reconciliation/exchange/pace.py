"""How fast and how long an exchange may be asked: the pace of requests, the budget of a cycle."""

import threading
from collections.abc import Callable


class Budget:
    """The seconds for the network that a cycle has left; without a cycle there is no limit."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._deadline: float | None = None

    def start(self, seconds: float) -> None:
        """Begin a cycle that may use the network for `seconds` from now on."""
        self._deadline = self._monotonic() + seconds

    def left(self) -> float | None:
        """Return the seconds left, not below zero, or None where nothing limits them."""
        if self._deadline is None:
            return None
        return max(self._deadline - self._monotonic(), 0.0)


class Pace:
    """A least interval between requests; thread-safe, as ccxt's own limiter is not.

    The interval is that of the request before, which is how exchanges count: an expensive request
    is paid for after it.
    """

    def __init__(self, *, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at: float | None = None

    def wait(self, interval: float, *, at_most: float | None) -> bool:
        """Wait for one's turn and take it; return False where that takes `at_most` or longer."""
        with self._lock:
            if self._free_at is not None:
                seconds = self._free_at - self._monotonic()
                if at_most is not None and seconds >= at_most:
                    return False
                if seconds > 0:
                    self._sleep(seconds)
            # From now, not from the turn that was planned: a sleep may have been longer, or, on a
            # clock that stands still, none at all.
            self._free_at = self._monotonic() + interval
            return True
