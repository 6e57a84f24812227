from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pytest_django import DjangoDbBlocker

from reconciliation.exchange.ccxt_gateway import clear_instrument_cache
from reconciliation.exchange.paper.server import PaperExchange
from tests.cycles.faults.standard import Standard
from tests.cycles.storms.clock import WorldClock
from tests.cycles.storms.world import undone

MORE_THAN_A_PAGE = 105


@contextmanager
def furnished(
    blocker: DjangoDbBlocker, *, scalps: int = 0, strangers: int = 1
) -> Iterator[Standard]:
    clock = WorldClock()
    with PaperExchange([], clock.now) as exchange, blocker.unblock(), undone():
        yield Standard(exchange, clock, scalps=scalps, strangers=strangers)
    clear_instrument_cache()


@pytest.fixture(scope="module")
def standing(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Standard]:
    """The standard world, made once: each test finds it as it was furnished."""
    with furnished(django_db_blocker) as standard:
        yield standard


@pytest.fixture(scope="module")
def standing_with_pages(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Standard]:
    with furnished(
        django_db_blocker, scalps=MORE_THAN_A_PAGE, strangers=MORE_THAN_A_PAGE
    ) as standard:
        yield standard


@pytest.fixture
def standard(standing: Standard, db: None) -> Iterator[Standard]:
    """The standard world without a fault; what a test writes is undone."""
    with standing.fresh():
        yield standing


@pytest.fixture
def standard_with_pages(standing_with_pages: Standard, db: None) -> Iterator[Standard]:
    """The standard world with more fills, and more open orders, than a page holds."""
    with standing_with_pages.fresh():
        yield standing_with_pages
