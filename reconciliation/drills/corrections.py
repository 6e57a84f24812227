"""Counts what the portal writes to orders, trades and history.

It compares the rows themselves, before and after a step, and asks no audit event: the count must
hold also where the trail is what is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciliation.models import Order, Trade, TradeHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The version of every order and trade, and how many history rows there are.

    History is only ever added to, so its count says what was written.
    """

    orders: Mapping[int, int]
    trades: Mapping[int, int]
    history: int


def load_books() -> Books:
    """Return the books as they are."""
    return Books(
        orders=dict(Order.objects.order_by().values_list("pk", "version")),
        trades=dict(Trade.objects.order_by().values_list("pk", "version")),
        history=TradeHistory.objects.count(),
    )


def count_corrections(before: Books, after: Books) -> int:
    """Return how many rows were added or changed."""
    return (
        _changed(before.orders, after.orders)
        + _changed(before.trades, after.trades)
        + after.history
        - before.history
    )


def _changed(before: Mapping[int, int], after: Mapping[int, int]) -> int:
    return sum(before.get(key) != version for key, version in after.items())
