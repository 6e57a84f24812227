from collections.abc import Iterator

import pytest

from tests.exchange.binance.wire import BinanceWire


@pytest.fixture
def wire() -> Iterator[BinanceWire]:
    """An account at Binance; a request that it does not know fails the test."""
    told = BinanceWire()
    yield told
    told.disconnect()
