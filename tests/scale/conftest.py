"""One grown database for all tests of scale: it takes long to make."""

import os

import pytest

from tests.browser.long_world import long_story
from tests.scale.grown import grow

ROWS = int(os.environ.get("GROWN_ROWS", "200000"))


@pytest.fixture
def grown(db: None) -> None:
    """Add the rows of years beside a story."""
    long_story()
    grow(ROWS)
