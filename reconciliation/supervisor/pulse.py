"""How a supervised process shows that it does its work, beyond that it exists.

A pulse is looked for in a thread of its own, because a look may hang on a database or a network,
and whoever supervises has to answer a signal at once. What cannot be known says nothing against
the process: it is UNKNOWN, and its time begins anew.
"""

import enum
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

# A process that has just been started imports, connects and opens its port before it can answer.
FIRST_SIGN_SECONDS = 60.0


class Sign(enum.Enum):
    """What one look has found."""

    ALIVE = "it answered"
    SILENT = "it did not answer"
    UNKNOWN = "it could not be asked"


class Source(Protocol):
    """Where the signs of one kind of process come from; `look` is called in a thread."""

    def begin(self) -> Mapping[str, str]:
        """Prepare for a new process; return what its environment must hold besides."""

    def look(self) -> Sign:
        """Look for a sign of life; may take long, must not raise for what is to be expected."""


class Pulse:
    """The silence of one process, kept up to date by a thread."""

    def __init__(
        self,
        source: Source,
        *,
        limit: float,
        every: float,
        first_limit: float = FIRST_SIGN_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._every = every
        self._limit = limit
        self._first_limit = max(limit, first_limit)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._last = monotonic()
        self._seen = False
        self._number = 0
        self.silence = 0.0
        """Seconds without a sign, as of the last look that was completed."""

    @property
    def limit(self) -> float:
        """Return how long it may be silent: longer until its first sign."""
        return self._limit if self._seen else self._first_limit

    def overdue(self) -> bool:
        """Return whether the process has been silent for too long."""
        with self._lock:
            return self.silence > self.limit

    def begin(self) -> Mapping[str, str]:
        """Start the time of a new process; return what its environment must hold besides."""
        environ = self._source.begin()
        with self._lock:
            self._number += 1
            self._last, self.silence, self._seen = self._monotonic(), 0.0, False
        return environ

    def look(self) -> Sign:
        """Look once, and count the silence; what was seen of an earlier process does not count."""
        number = self._number
        sign = self._source.look()
        with self._lock:
            if number == self._number:
                now = self._monotonic()
                if sign is Sign.SILENT:
                    self.silence = now - self._last
                else:
                    self._last, self.silence = now, 0.0
                    self._seen |= sign is Sign.ALIVE
        return sign

    def start(self) -> None:
        """Look again and again, in a thread that ends with this process."""
        threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def _run(self) -> None:
        while True:
            if self._number:
                self.look()
            time.sleep(self._every)
