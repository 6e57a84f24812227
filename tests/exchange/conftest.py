from collections.abc import Iterator

import pytest

from reconciliation.exchange.ccxt_gateway import clear_instrument_cache
from tests.exchange.builders import PaperWorld, StubExchange


@pytest.fixture(autouse=True)
def _no_instruments_of_another_test() -> Iterator[None]:
    clear_instrument_cache()
    yield
    clear_instrument_cache()


@pytest.fixture
def world() -> Iterator[PaperWorld]:
    """A paper exchange with one account in net mode, and gateways to it."""
    with PaperWorld() as running:
        yield running


@pytest.fixture
def stub() -> Iterator[StubExchange]:
    """A server that answers exactly what a test tells it to."""
    with StubExchange() as running:
        yield running
