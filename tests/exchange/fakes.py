"""An exchange without a network: it fails as it is told, and counts what it is asked."""

from reconciliation.exchange.credentials import Credentials
from reconciliation.exchange.gateway import (
    AccountHalted,
    CredentialsRejected,
    RetryableExchangeError,
)
from reconciliation.exchange.transport import NoSuchOrder, Reaction, Rule, Transport
from tests.exchange.builders import Monotonic


class Temporary(Exception):
    pass


class ClockWrong(Exception):
    pass


class KeyWrong(Exception):
    pass


class Limited(Exception):
    pass


class NotFound(Exception):
    pass


RULES = (
    Rule(Limited, Reaction.HALT, AccountHalted),
    Rule(ClockWrong, Reaction.SYNC_CLOCK, RetryableExchangeError),
    Rule(KeyWrong, Reaction.RAISE, CredentialsRejected),
    Rule(NotFound, Reaction.RAISE, NoSuchOrder),
    Rule(Temporary, Reaction.RETRY, RetryableExchangeError),
)


class FakeExchange:
    """Fails with the given errors one after the other, then answers; counts what it is asked."""

    def __init__(
        self,
        *failures: Exception,
        status: int | None = None,
        body: str = "",
        base_url: str | None = None,
    ) -> None:
        self.failures = list(failures)
        self.timeouts: list[float] = []
        self.syncs = 0
        self.monotonic = Monotonic()
        self.transport = Transport(
            name="okx",
            credentials=Credentials(
                api_key="key-0001", secret="secret-0001", password="pass-0001", prefix="MAIN"
            ),
            rules=RULES,
            monotonic=self.monotonic,
            sleep=self.monotonic.sleep,
            random=lambda: 1.0,
            timeout_seconds=10,
            base_url=base_url,
        )
        self.transport.use_clock_sync(self.sync)
        self._status, self._body = status, body

    def sync(self) -> None:
        self.syncs += 1

    def ask(self, interval: float = 0) -> object:
        return self.transport.send(self.request, endpoint="GET trade/order", interval=interval)

    def request(self, timeout: float) -> object:
        self.timeouts.append(timeout)
        if not self.failures:
            return "answer"
        if self._status is not None:
            self.transport.received.take(self._status, self._body)
        raise self.failures.pop(0)
