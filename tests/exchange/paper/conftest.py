from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.server import PaperExchange
from tests.exchange.paper.builders import FrozenClock, client_of


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def account() -> PaperAccount:
    return PaperAccount("main")


@pytest.fixture
def exchange(account: PaperAccount, clock: FrozenClock) -> Iterator[PaperExchange]:
    with PaperExchange([account], clock) as running:
        yield running


@pytest.fixture
def client(exchange: PaperExchange, account: PaperAccount) -> Any:
    return client_of(exchange, account)


@pytest.fixture
def connect(exchange: PaperExchange) -> Callable[..., Any]:
    """Return a maker of clients for accounts of the running exchange."""

    def make(account: PaperAccount, **config: Any) -> Any:
        if account.name not in exchange.accounts:
            exchange.add_account(account)
        return client_of(exchange, account, **config)

    return make
