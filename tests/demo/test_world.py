"""The demo's world at high speed: its bots, its exchange over HTTP, and the real cycle."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model

from reconciliation.conf import Conf, require
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.ports import Ports
from reconciliation.demo import world
from reconciliation.demo.loop import Loop, Refusals
from reconciliation.demo.market import Prices
from reconciliation.demo.plans import make_random
from reconciliation.domain.audit import verify
from reconciliation.enums import (
    Direction,
    MismatchKind,
    MismatchStatus,
    RunStatus,
    TradeStatus,
)
from reconciliation.exchange.ccxt_gateway import clear_instrument_cache
from reconciliation.exchange.paper.server import PaperExchange
from reconciliation.models import ExchangeAccount, Mismatch, Order, Profile, Run, Trade
from reconciliation.selectors.audit import ChainReader
from tests.builders import FixedClock

pytestmark = pytest.mark.django_db
INTERVAL = 20
PATIENCE = INTERVAL + 8


class Demo:
    """The demo without its processes; a second passes when a test says so."""

    def __init__(self, exchange: PaperExchange, clock: FixedClock, conf: Conf) -> None:
        self.clock = clock
        self.exchange = exchange
        self.paper = exchange.accounts[world.ACCOUNT]
        self.refusals = Refusals()
        self.lines: list[str] = []
        self.gateways = AccountGateways(clock=clock, environ=world.exchange_environ(exchange))
        self.loop = Loop(
            ports=Ports(conf=conf, clock=clock, gateways=self.gateways),
            prices=Prices(self.paper, make_random("1")),
            bots=world.make_bots(
                exchange,
                seed=1,
                patience=PATIENCE,
                conf=conf,
                clock=clock,
                on_refused=self.refusals.add,
            ),
            refusals=self.refusals,
            interval=INTERVAL,
            say=self.lines.append,
        )

    def run(self, seconds: int) -> None:
        for second in range(1, seconds + 1):
            self.clock.advance(seconds=1)
            self.loop.tick()
            if second % INTERVAL == 0:
                self.loop.cycle()

    def come_to_rest(self) -> None:
        """Let nothing happen any more until the last happening is no news."""
        self.clock.advance(seconds=INTERVAL)
        self.loop.cycle()

    def stop(self) -> None:
        self.gateways.close()
        self.exchange.stop()
        clear_instrument_cache()


@pytest.fixture
def conf() -> Conf:
    return require(settings.RECON_ENVIRON)


@pytest.fixture
def start(conf: Conf) -> Iterator[Callable[[], Demo]]:
    """Return a starter of demos, one after the other, on one database and clock."""
    clock = FixedClock()
    running: list[Demo] = []

    def start_demo() -> Demo:
        for demo in running:
            demo.stop()
        world.prepare_database(conf=conf, clock=clock)
        running.append(Demo(world.make_exchange(clock).start(), clock, conf))
        return running[-1]

    yield start_demo
    for demo in running:
        demo.stop()


def held_by_trades() -> dict[str, Decimal]:
    held: dict[str, Decimal] = defaultdict(Decimal)
    for trade in Trade.objects.all():
        left = trade.entry_quantity - trade.exit_quantity
        held[trade.symbol] += left if trade.direction == Direction.LONG else -left
    return {symbol: quantity for symbol, quantity in held.items() if quantity}


def held_at_exchange(demo: Demo) -> dict[str, Decimal]:
    return {each.symbol: each.signed for each in demo.paper.positions() if each.signed}


def open_mismatches() -> list[Mismatch]:
    return list(Mismatch.objects.exclude(status=MismatchStatus.RESOLVED))


def test_what_the_bots_miss_is_found_and_repaired(start: Callable[[], Demo]) -> None:
    demo = start()

    demo.run(120)
    demo.come_to_rest()

    kinds = set(Mismatch.objects.values_list("kind", flat=True))
    assert kinds == {
        MismatchKind.MISSING_FROM_EXCHANGE,
        MismatchKind.QUANTITY_MISMATCH,
        MismatchKind.STATUS_MISMATCH,
    }
    assert open_mismatches() == []
    assert held_by_trades() == held_at_exchange(demo)
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.SUCCEEDED}
    assert {TradeStatus.OPEN, TradeStatus.CLOSED} <= set(
        Trade.objects.values_list("status", flat=True)
    )
    reader = ChainReader()
    assert verify(reader.rows(), head=reader.head).intact
    assert "found and repaired" in demo.lines[0]
    assert all("audit chain intact" in line and "refused" not in line for line in demo.lines)


def test_a_restart_goes_on_with_the_books_of_the_demo_before(start: Callable[[], Demo]) -> None:
    start().run(53)
    at_work = set(Order.objects.active().values_list("pk", flat=True))
    open_before = set(Trade.objects.filter(status=TradeStatus.OPEN).values_list("pk", flat=True))
    assert at_work
    assert open_before

    demo = start()
    demo.run(20)

    # The exchange has canceled what was at work; the fills it shows are the ones it showed.
    assert not at_work & set(Order.objects.active().values_list("pk", flat=True))
    assert "found and repaired" in demo.lines[0]

    demo.run(140)
    demo.come_to_rest()

    assert not Trade.objects.filter(pk__in=open_before, status=TradeStatus.OPEN).exists()
    assert open_mismatches() == []
    assert held_by_trades() == held_at_exchange(demo)
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.SUCCEEDED}


def test_a_second_start_creates_nothing_twice(conf: Conf) -> None:
    clock = FixedClock()
    world.prepare_database(conf=conf, clock=clock)
    world.prepare_database(conf=conf, clock=clock)

    assert ExchangeAccount.objects.count() == 1
    assert Profile.objects.count() == len(world.SPECS)


def test_the_user_has_a_new_password_at_every_start_and_only_its_hash_is_kept() -> None:
    first, second = world.make_user(), world.make_user()

    user = get_user_model().objects.get(username=world.USER)
    assert first != second
    assert second not in user.password
    assert user.check_password(second)
    assert not user.check_password(first)
    assert user.is_superuser


def test_a_run_that_a_killed_demo_left_is_waited_for_and_said(start: Callable[[], Demo]) -> None:
    demo = start()
    Run.objects.create(
        account=ExchangeAccount.objects.get(),
        kind="RECONCILE",
        status=RunStatus.RUNNING,
        claim_token="3f0e6a52-5a3c-4c8e-9b6e-2f4f6c0d9b11",
        claim_expires_at=demo.clock.now().replace(minute=1),
        started_at=demo.clock.now(),
    )

    demo.loop.cycle()
    demo.clock.advance(minutes=2)
    demo.loop.cycle()

    assert "waiting: the run of a demo that was killed" in demo.lines[0]
    assert "until 12:01:00 UTC" in demo.lines[0]
    assert "no mismatch" in demo.lines[1]


def test_a_cycle_that_fails_is_said_and_does_not_end_the_demo(start: Callable[[], Demo]) -> None:
    demo = start()
    demo.exchange.stop()

    demo.loop.cycle()
    demo.exchange.start()
    demo.loop.cycle()

    assert "FAILED, nothing was changed" in demo.lines[0]
    assert "no mismatch" in demo.lines[1]
