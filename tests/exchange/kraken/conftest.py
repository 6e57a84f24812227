from collections.abc import Iterator

import pytest

from tests.exchange.kraken.wire import KrakenWire


@pytest.fixture
def wire() -> Iterator[KrakenWire]:
    """An account at Kraken; a request that it does not know fails the test."""
    told = KrakenWire()
    yield told
    told.disconnect()
