"""The gateways of the standard world, and what keeps them from an answer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciliation.enums import PositionMode
from reconciliation.exchange.ccxt_gateway import CcxtGateway, clear_instrument_cache
from reconciliation.exchange.credentials import Credentials
from reconciliation.exchange.paper.server import PaperExchange
from tests.cycles.storms.world import OneGateway, World

ACCOUNT = "main"
# Long for a server in the same process; short for one that holds every answer back, or only one.
PATIENT_MS, IMPATIENT_MS, BRIEF_MS = 3000, 40, 250


class Connections:
    """Gives the world real gateways whose waits are over at once."""

    def __init__(self, exchange: PaperExchange, world: World) -> None:
        self._exchange = exchange
        self._world = world
        self._made: list[CcxtGateway] = []

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Connect anew: no fault, no request so far, nothing learned and nothing cached."""
        self._exchange.requests.clear()
        clear_instrument_cache()
        self.mend()
        yield
        while self._made:
            self._made.pop().close()

    def fail(self, endpoint: str, kind: str, times: int | str) -> None:
        """Let answers to an endpoint fail, and an impatient gateway ask where none will come."""
        self._exchange.faults.add(ACCOUNT, endpoint, kind, times)  # type: ignore[arg-type]
        if kind == "timeout":
            self._connect(IMPATIENT_MS if times == "always" else BRIEF_MS)
        if endpoint in ("instruments", "any"):
            clear_instrument_cache()

    def mend(self) -> None:
        """End every fault."""
        self._exchange.faults.clear()
        self._exchange.skew_ms = 0
        self._connect(PATIENT_MS)

    def set_clocks_apart(self, seconds: int) -> None:
        """Let the exchange's clock be ahead."""
        self._exchange.skew_ms = seconds * 1000

    def slow_down(self, seconds: float) -> None:
        """Let every request take so many seconds, by a clock that counts requests."""
        clear_instrument_cache()
        self._connect(PATIENT_MS, monotonic=lambda: seconds * self.asked())

    def asked(self, endpoint: str | None = None) -> int:
        """Return how many requests there were since the world was fresh."""
        return self._exchange.requests.count(ACCOUNT, endpoint)

    def _connect(self, timeout_ms: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        paper = self._world.paper
        gateway = CcxtGateway(
            exchange_id="okx",
            credentials=Credentials(
                api_key=paper.api_key,
                secret=paper.secret,
                password=paper.passphrase,
                prefix="MAIN",
            ),
            position_mode=PositionMode.NET,
            options={"pace": 0, "instrument_types": ["swap"]},
            clock=self._world.clock.now,
            sleep=lambda seconds: None,
            random=lambda: 0.5,
            monotonic=monotonic,
            base_url=self._exchange.url(ACCOUNT),
            timeout_ms=timeout_ms,
        )
        self._made.append(gateway)
        self._world.gateways = OneGateway(gateway)
