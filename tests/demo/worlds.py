"""The demo without its processes: a second passes when a test says so."""

from django.test import Client

from reconciliation.conf import Conf
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.heartbeat import heartbeat_accounts
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_accounts
from reconciliation.demo.accounts import ACCOUNTS
from reconciliation.demo.exchange import make_exchange, make_exchange_environ
from reconciliation.demo.injector import Injector
from reconciliation.demo.ports import free_port
from reconciliation.demo.post import Response
from reconciliation.demo.setup import prepare_database, rotate_keys
from reconciliation.demo.world import World
from reconciliation.exchange.ccxt_gateway import clear_instrument_cache
from tests.builders import FixedClock

INTERVAL = 20
PATIENCE = INTERVAL + 8


class OnRequest(Injector):
    """Makes what a test asks for, and nothing by itself."""

    def tick(self) -> None:
        """Let a second pass."""


class Demo:
    """World, API and cycles in one thread, on one clock."""

    def __init__(
        self,
        *,
        clock: FixedClock,
        conf: Conf,
        injector: type[Injector],
        with_cases: bool = False,
    ) -> None:
        self.clock = clock
        self.lines: list[str] = []
        self.outcomes: list[RunOutcome] = []
        self.web_is_up = True
        prepare_database(conf=conf, clock=clock)
        port = free_port(0)
        environ = make_exchange_environ(port)
        self.exchange = make_exchange(environ, port, clock.now)
        self.world = World(
            exchange=self.exchange,
            seed=1,
            patience=PATIENCE,
            send=self._send,
            keys=rotate_keys(conf=conf, clock=clock),
            say=self.lines.append,
            kill_workers=lambda: True,
            injector=injector,
            with_cases=with_cases,
        )
        self.exchange.start()
        self.gateways = AccountGateways(clock=clock, environ=environ)
        self._ports = Ports(conf=conf, clock=clock, gateways=self.gateways)

    def run(self, seconds: int) -> None:
        """Let seconds pass, with a cycle of the bots' accounts at the end of each interval."""
        for second in range(1, seconds + 1):
            self.clock.advance(seconds=1)
            self.world.tick()
            if second % INTERVAL == 0:
                self.cycle()

    def cycle(self) -> None:
        """Reconcile every account that bots trade on once."""
        for spec in ACCOUNTS:
            self.outcomes += reconcile_accounts(ports=self._ports, account=spec.name)

    def reconcile_and_heartbeat(self, account: str) -> None:
        """Run both jobs of one account."""
        self.outcomes += reconcile_accounts(ports=self._ports, account=account)
        self.outcomes += heartbeat_accounts(ports=self._ports, account=account)

    def come_to_rest(self) -> None:
        """Let nothing happen any more until the last happening is no news."""
        self.clock.advance(seconds=INTERVAL)
        self.cycle()

    def said(self, word: str) -> list[str]:
        """Return the lines that hold a word."""
        return [line for line in self.lines if word in line]

    def stop(self) -> None:
        """Stop what listens."""
        self.gateways.close()
        self.exchange.stop()
        clear_instrument_cache()

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> Response:
        if not self.web_is_up:
            raise ConnectionRefusedError
        answer = Client().post(
            path,
            data=body,
            content_type=headers["Content-Type"],
            headers={"Authorization": headers["Authorization"]},
        )
        return Response(answer.status_code, answer.content)
