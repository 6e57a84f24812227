from collections.abc import Iterator

import pytest

from tests.exchange.bybit.wire import BybitWire


@pytest.fixture
def wire() -> Iterator[BybitWire]:
    """An account at Bybit; a request that it does not know fails the test."""
    told = BybitWire()
    yield told
    told.disconnect()
