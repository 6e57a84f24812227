"""The last mark of a symbol, as it was read."""

from datetime import timedelta
from decimal import Decimal

import pytest

from reconciliation.handlers.marks import keep_marks
from reconciliation.models import MarkPrice
from tests.builders import NOW, make_account

pytestmark = pytest.mark.django_db


def keep(ago: int = 0, **marks: str) -> dict[str, Decimal]:
    keep_marks(
        account_id=make_account().pk,
        marks={symbol: Decimal(price) for symbol, price in marks.items()},
        as_of=NOW - timedelta(seconds=ago),
    )
    return dict(MarkPrice.objects.values_list("symbol", "price"))


def test_a_mark_is_kept_and_a_newer_one_replaces_it():
    assert keep(60, BTC="60000") == {"BTC": 60000}
    assert keep(0, BTC="61000", ETH="3000") == {"BTC": 61000, "ETH": 3000}


def test_an_older_mark_does_not_replace_a_newer_one():
    keep(0, BTC="61000")
    assert keep(60, BTC="60000") == {"BTC": 61000}


def test_a_mark_that_is_none_is_not_kept():
    assert keep(BTC="0") == {}
