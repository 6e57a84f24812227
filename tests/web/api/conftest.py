"""What made-up requests need: a key, and a connection that outlives each of them."""

from collections.abc import Iterator

import pytest
from django.core import signals
from django.db import close_old_connections

from tests.web.api.bots import make_bot


@pytest.fixture
def fuzzing_bot(db: None) -> Iterator[dict[str, str]]:
    """Give the header of a bot that is let in; the test's transaction stays open behind it."""
    ends = (signals.request_started, signals.request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield {"Authorization": f"Bearer {make_bot().key}"}
    for signal in ends:
        signal.connect(close_old_connections)
