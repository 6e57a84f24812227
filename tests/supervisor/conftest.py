from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.portal import Portal, running
from tests.supervisor.scratch import Scratch, copy_of, template


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    """Return the database that others are copied from; nothing is ever connected to it."""
    with template(tmp_path_factory.mktemp("template")) as made:
        yield made


@pytest.fixture
def portal(original: Scratch, tmp_path: Path) -> Iterator[Portal]:
    """Return a portal that has just been started."""
    with copy_of(original, tmp_path) as scratch, running(scratch) as started:
        yield started


@pytest.fixture(scope="module")
def standing(original: Scratch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """Return a portal that the tests of a module share: each leaves it whole."""
    folder = tmp_path_factory.mktemp("standing")
    with copy_of(original, folder) as scratch, running(scratch) as started:
        started.wait_for_runs(1)
        yield started
