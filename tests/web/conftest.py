"""A server with a token, and questions that show it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.cycles.worlds import World

TOKEN = "a-token-that-is-long-enough"
Ask = Callable[[str], Any]


@pytest.fixture
def ask(settings) -> Ask:
    settings.INTERNAL_API_TOKEN = TOKEN
    client = Client(headers={"authorization": f"Bearer {TOKEN}"})
    return client.get


@pytest.fixture
def world(db: None) -> World:
    return World()
