"""The world of these tests in one line each."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import ccxt

from reconciliation.exchange.paper.book import PaperAccount, PaperFill, PaperOrder, PaperPosition
from reconciliation.exchange.paper.server import PaperExchange

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
SWAP = "BTC/USDT:USDT"
SPOT = "BTC/USDT"
CLIENT_TIMEOUT_MS = 3000


def wait_until(condition: Callable[[], bool], seconds: float = 2) -> bool:
    """Return whether a condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        threading.Event().wait(0.002)
    return condition()


class FrozenClock:
    """A clock that only `advance` moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)


def ago(**amount: float) -> datetime:
    return NOW - timedelta(**amount)


def order(exchange_order_id: str = "1001", **changes: Any) -> PaperOrder:
    """Build a live limit buy of 0.5 BTC at 60000, an hour old."""
    fields: dict[str, Any] = {
        "exchange_order_id": exchange_order_id,
        "symbol": SWAP,
        "side": "buy",
        "type": "limit",
        "quantity": Decimal("0.5"),
        "price": Decimal("60000"),
        "state": "live",
        "filled": Decimal("0"),
        "average_price": None,
        "created_at": ago(hours=1),
    }
    return PaperOrder(**{**fields, **changes})


def fill(fill_id: str = "9001", **changes: Any) -> PaperFill:
    """Build a buy of 0.5 BTC at 60000 an hour ago, of order 1001, with a fee of 1.5 USDT."""
    fields: dict[str, Any] = {
        "fill_id": fill_id,
        "exchange_order_id": "1001",
        "client_order_id": None,
        "tag": None,
        "symbol": SWAP,
        "side": "buy",
        "position_side": None,
        "quantity": Decimal("0.5"),
        "price": Decimal("60000"),
        "fee": Decimal("1.5"),
        "fee_currency": "USDT",
        "executed_at": ago(hours=1),
    }
    return PaperFill(**{**fields, **changes})


def position(quantity: str, side: Any = "net", symbol: str = SWAP) -> PaperPosition:
    return PaperPosition(symbol, side, Decimal(quantity), Decimal("60000"))


def client_of(exchange: PaperExchange, account: PaperAccount, **config: Any) -> Any:
    """Return the real client class with its URL changed, and its markets loaded."""
    client = ccxt.okx(
        {
            "apiKey": account.api_key,
            "secret": account.secret,
            "password": account.passphrase,
            "urls": {"api": {"rest": exchange.url(account.name)}},
            "options": {"fetchMarkets": {"types": ["spot", "swap"]}},
            "has": {"fetchCurrencies": False},
            "enableRateLimit": False,
            "timeout": CLIENT_TIMEOUT_MS,
            **config,
        }
    )
    client.number = str
    client.load_markets()
    return client
