"""The scratch database of a module's drills; the test database is not touched by them."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from reconciliation.drills.database import ScratchDatabase, scratch_database


@pytest.fixture(scope="module")
def scratch(django_db_blocker: DjangoDbBlocker) -> Iterator[ScratchDatabase]:
    """Point the default connection to a scratch database until the module's tests are over."""
    with django_db_blocker.unblock(), scratch_database() as made:
        yield made
