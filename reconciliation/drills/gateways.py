"""The real gateways of a drill: the real client over HTTP, at the paper exchange."""

import threading
from contextlib import suppress

from reconciliation.clock import Clock
from reconciliation.enums import PositionMode
from reconciliation.exchange.ccxt_gateway import CcxtGateway, clear_instrument_cache
from reconciliation.exchange.credentials import Credentials
from reconciliation.exchange.gateway import ExchangeError, Gateway
from reconciliation.exchange.paper.server import PaperExchange
from reconciliation.models import ExchangeAccount

# Long for a server on the same machine, short for a drill in which it does not answer.
TIMEOUT_MS = 150
# The paper exchange has no limit to keep to, and a drill's waits are over at once.
OPTIONS: dict[str, object] = {"pace": 0}


class DrillGateways:
    """One gateway an account and thread: a thread of a drill stands for a worker process."""

    def __init__(self, *, exchange: PaperExchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._lock = threading.Lock()
        self._made: dict[tuple[int, str], Gateway] = {}
        self.forget()

    def of(self, account: ExchangeAccount) -> Gateway:
        """Return this thread's gateway of an account."""
        key = threading.get_ident(), account.name
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make(account)
            return self._made[key]

    def forget(self) -> None:
        """Drop what the processes hold in memory, as a restart of all of them does."""
        with self._lock:
            made, self._made = list(self._made.values()), {}
        for gateway in made:
            _close(gateway)
        # Instruments are kept by address, and another drill's exchange may have had this port.
        clear_instrument_cache()

    def forget_thread(self) -> None:
        """Drop the gateways of this thread, which is about to end."""
        with self._lock:
            own = [key for key in self._made if key[0] == threading.get_ident()]
            made = [self._made.pop(key) for key in own]
        for gateway in made:
            _close(gateway)

    def _make(self, account: ExchangeAccount) -> Gateway:
        paper = self._exchange.accounts[account.name]
        return CcxtGateway(
            exchange_id=account.exchange_id,
            credentials=Credentials(
                api_key=paper.api_key,
                secret=paper.secret,
                password=paper.passphrase,
                prefix=account.credential_prefix,
            ),
            position_mode=PositionMode(account.position_mode),
            options=account.options,
            clock=self._clock.now,
            sleep=self._clock.sleep,
            base_url=self._exchange.url(account.name),
            timeout_ms=TIMEOUT_MS,
            # Jitter is for many clients; a drill is the same each time.
            random=lambda: 0.5,
        )


def _close(gateway: Gateway) -> None:
    with suppress(ExchangeError):
        gateway.close()
