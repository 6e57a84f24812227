"""One whole cycle at each exchange: the real ccxt class under a real gateway, and the database.

A fill that was missed is booked; what could not be read is unknown, and the run says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from reconciliation import conf
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_accounts
from reconciliation.enums import Coverage, InstrumentType, RunStatus, TradeStatus
from reconciliation.exchange.gateway import Gateway
from reconciliation.models import ExchangeAccount, Order, Run
from tests.builders import NOW, FixedClock, make_account, make_order, make_profile, make_trade
from tests.cycles.worlds import everything, sources
from tests.exchange.binance import wire as binance
from tests.exchange.bybit import wire as bybit
from tests.exchange.kraken import wire as kraken
from tests.exchange.wire import Wire

pytestmark = pytest.mark.django_db
HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An order of 0.5 BTC, half of it filled twice an hour ago, as one exchange shows it."""

    exchange_id: str
    symbol: str
    order_id: str
    wire: Callable[[], Wire]
    orders_place: str
    options: dict[str, object]
    is_swap: bool = True

    @property
    def kind(self) -> InstrumentType:
        return InstrumentType.SWAP if self.is_swap else InstrumentType.SPOT


def _bybit() -> Wire:
    told = bybit.BybitWire()
    told.orders = [bybit.order_row(orderStatus="Filled", cumExecQty="0.5", avgPrice="59990")]
    told.fills = [
        bybit.fill_row("e1", HOUR_MS),
        bybit.fill_row("e2", HOUR_MS, execQty="0.3", execPrice="60000"),
    ]
    told.positions = [bybit.position_row()]
    return told


def _usdm() -> Wire:
    told = binance.BinanceWire()
    told.orders = [binance.order_row(status="FILLED", executedQty="0.5", avgPrice="59990.0")]
    told.fills = [binance.fill_row(1), binance.fill_row(2, qty="0.300", price="60000.0")]
    told.positions = [binance.position_row()]
    return told


def _spot() -> Wire:
    told = binance.BinanceWire()
    told.orders = [binance.spot_order_row(status="FILLED", executedQty="0.50000000")]
    usdt = {"commission": "6.5", "commissionAsset": "USDT"}
    told.fills = [
        binance.spot_fill_row(1, **usdt),
        binance.spot_fill_row(2, qty="0.30000000", price="60000.00000000", **usdt),
    ]
    return told


def _kraken() -> Wire:
    told = kraken.KrakenWire()
    told.orders = {kraken.ORDER: kraken.order_row(status="closed", vol_exec="0.50000000")}
    told.fills = {
        "T1": kraken.fill_row(),
        "T2": kraken.fill_row(vol="0.30000000", price="60000.0"),
    }
    return told


SCENES = [
    Scene(
        exchange_id="bybit",
        symbol="BTC/USDT:USDT",
        order_id="b1001",
        wire=_bybit,
        orders_place="/order/realtime",
        options={},
    ),
    Scene(
        exchange_id="binanceusdm",
        symbol="BTC/USDT:USDT",
        order_id="1001",
        wire=_usdm,
        orders_place="/openOrders",
        options={"symbols": ["BTC/USDT:USDT"]},
    ),
    Scene(
        exchange_id="binance",
        symbol="BTC/USDT",
        order_id="1001",
        wire=_spot,
        orders_place="/openOrders",
        options={"symbols": ["BTC/USDT"]},
        is_swap=False,
    ),
    Scene(
        exchange_id="kraken",
        symbol="BTC/USD",
        order_id=kraken.ORDER,
        wire=_kraken,
        orders_place="/OpenOrders",
        options={},
        is_swap=False,
    ),
]


class OneGateway:
    """Gives every account the one gateway of a test."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def of(self, account: ExchangeAccount) -> Gateway:
        return self._gateway


@pytest.fixture(params=SCENES, ids=lambda scene: scene.exchange_id)
def scene(request: pytest.FixtureRequest) -> Scene:
    found: Scene = request.param
    return found


@pytest.fixture
def wire(scene: Scene) -> Iterator[Any]:
    told = scene.wire()
    yield told
    told.disconnect()


@pytest.fixture
def cycle(scene: Scene, wire: Wire) -> Callable[[], RunOutcome]:
    clock = FixedClock()
    options = {"pace": 0, **scene.options}
    make_account(exchange_id=scene.exchange_id, options=options)
    gateway = wire.connect(scene.exchange_id, options=options, clock=clock.now)

    def run() -> RunOutcome:
        clock.advance(minutes=1)
        ports = Ports(conf=conf.require({}), clock=clock, gateways=OneGateway(gateway))
        (outcome,) = reconcile_accounts(ports=ports)
        return outcome

    return run


def believed(scene: Scene) -> Order:
    """Make what the database believes: the order is open, and none of it filled."""
    trade = make_trade(make_profile(), symbol=scene.symbol)
    return make_order(
        trade,
        symbol=scene.symbol,
        exchange_order_id=scene.order_id,
        client_order_id="alpha01-1",
        created_at=NOW - timedelta(hours=2),
    )


def unread() -> dict[str, str]:
    found: dict[str, str] = Run.objects.order_by("-pk")[0].unread
    return found


def test_a_missed_fill_is_booked_and_a_second_cycle_writes_nothing(
    scene: Scene, cycle: Callable[[], RunOutcome]
) -> None:
    order = believed(scene)

    outcome = cycle()

    order.refresh_from_db()
    assert (order.status, order.trade.status) == ("FILLED", TradeStatus.OPEN)
    assert order.trade.entry_quantity == Decimal("0.5")
    assert sources() == [("ENTRY", "RECONCILED", "0.2"), ("ENTRY", "RECONCILED", "0.3")]
    # An account of spot alone has no positions, so none are missing.
    assert (outcome.status, outcome.coverage) == (RunStatus.SUCCEEDED, Coverage.COMPLETE)
    assert unread() == {}

    before = everything()
    assert cycle().row_errors == ()
    assert everything() == before


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", "", '{"result":{"list":[', "{}"])
def test_orders_that_could_not_be_read_are_unknown_and_the_run_says_so(
    scene: Scene, wire: Wire, cycle: Callable[[], RunOutcome], body: str
) -> None:
    order = believed(scene)
    wire.fills = {} if scene.exchange_id == "kraken" else []  # type: ignore[attr-defined]
    wire.fail(scene.orders_place, body)
    if scene.exchange_id == "bybit":
        wire.fail("/order/history", body)

    outcome = cycle()

    order.refresh_from_db()
    assert (outcome.status, outcome.coverage) == (RunStatus.PARTIAL, Coverage.PARTIAL)
    assert "open_orders.regular" in unread()
    assert (order.status, sources()) == ("OPEN", [])


def test_fills_that_could_not_be_proven_are_unknown_and_the_run_says_so(
    scene: Scene, wire: Wire, cycle: Callable[[], RunOutcome]
) -> None:
    order = believed(scene)
    for path in ("/execution/list", "/userTrades", "/myTrades", "/TradesHistory", "/QueryTrades"):
        wire.fail(path, "<html>Bad gateway</html>")

    outcome = cycle()

    order.refresh_from_db()
    assert outcome.status == RunStatus.PARTIAL
    assert f"fills.{scene.kind.value}" in unread()
    # It is filled, says the exchange: without its fills that is half an answer.
    assert f"order {scene.order_id}" in unread()
    assert (order.status, sources()) == ("OPEN", [])
