"""Demos on one database and clock, one after the other; the API goes by the same clock."""

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings

from reconciliation.conf import Conf, require
from reconciliation.demo.environment import SHORTENED
from reconciliation.demo.injector import Injector
from reconciliation.web.api import auth, deliveries
from tests.builders import FixedClock
from tests.demo.worlds import Demo

StartDemo = Callable[..., Demo]


@pytest.fixture
def conf() -> Conf:
    return require({**settings.RECON_ENVIRON, **SHORTENED})


@pytest.fixture
def start(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartDemo]:
    """Return a starter of demos; the one before is stopped."""
    clock = FixedClock()
    for module in (auth, deliveries):
        monkeypatch.setattr(module, "SystemClock", lambda: clock)
    running: list[Demo] = []

    def start_demo(injector: type[Injector] = Injector, *, with_cases: bool = False) -> Demo:
        for demo in running:
            demo.stop()
        running.append(Demo(clock=clock, conf=conf, injector=injector, with_cases=with_cases))
        return running[-1]

    yield start_demo
    for demo in running:
        demo.stop()
