from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.cycles.crashes.scene import make_scene
from tests.cycles.storms.world import World, undone


@pytest.fixture(scope="module")
def standing(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), undone():
        yield make_scene()


@pytest.fixture
def scene(standing: World, db: None) -> Iterator[World]:
    """A world with something of everything to write; what a test does to it is undone."""
    moment = standing.clock.moment
    yield standing
    standing.clock.moment = moment
