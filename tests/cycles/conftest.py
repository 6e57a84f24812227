import pytest

from tests.cycles.worlds import World


@pytest.fixture
def world(db: None) -> World:
    return World()
