"""One grown database for all tests of scale: it takes long to make."""

import os

import pytest

from reconciliation import models
from tests.browser.long_world import long_story
from tests.builders import NOW, arranging
from tests.scale.grown import grow

ROWS = int(os.environ.get("GROWN_ROWS", "100000"))


@pytest.fixture
def grown(db: None) -> None:
    """Add the rows of years beside a story."""
    story = long_story()
    with arranging():
        models.OutsideEdit.objects.get_or_create(
            kind="trade",
            row_id=1,
            defaults={
                "account": story.account,
                "profile": story.profile,
                "symbol": "BTC/USDT:USDT",
                "before": {},
                "after": {},
                "edited_at": NOW,
                "settled_at": NOW,
            },
        )
    grow(ROWS)
