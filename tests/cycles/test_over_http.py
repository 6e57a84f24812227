"""The whole of it: the real client over HTTP, a paper exchange, and a cycle in between."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from reconciliation import conf
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_accounts
from reconciliation.enums import Coverage, RunStatus, TradeStatus
from reconciliation.exchange.ccxt_gateway import clear_instrument_cache
from reconciliation.exchange.paper.book import PaperAccount, PaperFill, PaperOrder
from reconciliation.exchange.paper.server import PaperExchange
from tests.builders import (
    NOW,
    SYMBOL,
    FixedClock,
    make_account,
    make_order,
    make_profile,
    make_trade,
)
from tests.cycles.worlds import everything, sources

pytestmark = pytest.mark.django_db
HOUR_AGO = NOW - timedelta(hours=1)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def paper(clock: FixedClock) -> Iterator[PaperExchange]:
    clear_instrument_cache()
    with PaperExchange([PaperAccount("main")], clock.now) as running:
        yield running
    clear_instrument_cache()


@pytest.fixture
def ports(paper: PaperExchange, clock: FixedClock) -> Iterator[Ports]:
    account = paper.accounts["main"]
    gateways = AccountGateways(
        clock=clock,
        environ={
            "MAIN_API_KEY": account.api_key,
            "MAIN_SECRET": account.secret,
            "MAIN_PASSWORD": account.passphrase,
            "MAIN_BASE_URL": paper.url("main"),
        },
    )
    yield Ports(conf=conf.require({}), clock=clock, gateways=gateways)
    gateways.close()


def test_a_fill_that_was_missed_is_found_over_http_and_a_second_cycle_writes_nothing(
    paper, ports, clock
):
    make_account(options={"pace": 0})
    trade = make_trade(make_profile())
    order = make_order(trade, exchange_order_id="1001", client_order_id="client1")
    paper.accounts["main"].put_orders(
        [
            PaperOrder(
                exchange_order_id="1001",
                client_order_id="client1",
                symbol=SYMBOL,
                side="buy",
                type="limit",
                quantity=Decimal("0.5"),
                price=Decimal(60000),
                state="filled",
                filled=Decimal("0.5"),
                average_price=Decimal(59990),
                created_at=NOW - timedelta(hours=2),
            )
        ]
    )
    paper.accounts["main"].put_fills(
        [
            PaperFill(
                fill_id=fill_id,
                exchange_order_id="1001",
                client_order_id="client1",
                tag=None,
                symbol=SYMBOL,
                side="buy",
                position_side=None,
                quantity=Decimal(quantity),
                price=Decimal(price),
                fee=Decimal("0.6"),
                fee_currency="USDT",
                executed_at=HOUR_AGO,
            )
            for fill_id, quantity, price in (("9001", "0.2", "59975"), ("9002", "0.3", "60000"))
        ]
    )

    (outcome,) = reconcile_accounts(ports=ports)

    assert (outcome.status, outcome.coverage) == (RunStatus.SUCCEEDED, Coverage.COMPLETE)
    order.refresh_from_db()
    trade.refresh_from_db()
    assert (order.status, order.average_price) == ("FILLED", Decimal(59990))
    assert (trade.status, trade.entry_quantity) == (TradeStatus.OPEN, Decimal("0.5"))
    assert sources() == [("ENTRY", "RECONCILED", "0.2"), ("ENTRY", "RECONCILED", "0.3")]

    before = everything()
    clock.advance(minutes=1)
    (again,) = reconcile_accounts(ports=ports)
    assert again.status == RunStatus.SUCCEEDED
    assert everything() == before


def test_an_exchange_that_is_down_is_a_failed_run_and_no_empty_account(paper, ports):
    make_account(options={"pace": 0})
    order = make_order(make_trade(make_profile()))
    reconcile_accounts(ports=ports)
    paper.faults.add("main", "any", "http_500", "always")
    before = everything()

    (outcome,) = reconcile_accounts(ports=ports)

    assert (outcome.status, outcome.coverage) == (RunStatus.FAILED, Coverage.NONE)
    assert outcome.error.startswith("nothing could be read")
    assert everything() == before
    assert order.pk
