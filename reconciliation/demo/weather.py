"""Now and then the exchange fails, a bot restarts, or the workers are killed."""

from collections.abc import Callable, Sequence
from random import Random

from reconciliation.exchange.paper.faults import FaultPlan

FIRST_OUTAGE, FIRST_RESTART, FIRST_KILL = 240, 420, 600
_PAUSE = (300, 540)
_LASTS = (35, 70)
OUTAGES = {
    "http_500": "answers every request with HTTP 500",
    "timeout": "does not answer at all",
    "html_200": "answers with a web page instead of data",
    "http_429": "turns every request away as one too many",
}


class Outages:
    """Outages of one account at a time, each over after a while; a second passes with a `tick`."""

    def __init__(
        self,
        *,
        faults: FaultPlan,
        accounts: Sequence[str],
        random: Random,
        say: Callable[[str], None],
    ) -> None:
        self._faults = faults
        self._accounts = accounts
        self._random = random
        self._say = say
        self._left = FIRST_OUTAGE
        self._broken = ""

    def tick(self) -> None:
        """Let a second pass; begin or end an outage when it is time."""
        self._left -= 1
        if self._left > 0:
            return
        if self._broken:
            self._faults.clear()
            self._say(f"the exchange answers again for account {self._broken}")
            self._broken, self._left = "", self._random.randint(*_PAUSE)
            return
        self._broken, self._left = (
            self._random.choice(self._accounts),
            self._random.randint(*_LASTS),
        )
        kind = self._random.choice(list(OUTAGES))
        self._faults.add(self._broken, "any", kind, "always")
        self._say(f"outage: the exchange {OUTAGES[kind]}, for account {self._broken}")


class Recurring:
    """Does something again and again, with pauses that the dice choose."""

    def __init__(self, act: Callable[[], object], *, first: int, random: Random) -> None:
        self._act = act
        self._left = first
        self._random = random

    def tick(self) -> None:
        """Let a second pass, and act when it is time."""
        self._left -= 1
        if self._left <= 0:
            self._left = self._random.randint(*_PAUSE)
            self._act()
