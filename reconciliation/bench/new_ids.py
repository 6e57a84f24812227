"""Temporary ids of a change become those of the rows that are added."""

from collections.abc import Callable
from dataclasses import replace

from reconciliation.domain.plans.changes import Change


def with_ids(change: Change, next_id: Callable[[], int]) -> Change:
    """Return a change in which every temporary id is the new row's own."""
    ids: dict[int | None, int] = {}
    if change.trade is not None and change.trade.id < 0:
        ids[change.trade.id] = next_id()
    order_ids: dict[int | None, int] = {
        order.id: next_id() for order in change.orders if order.id < 0
    }
    if not ids and not order_ids:
        return change

    def trade(key: int) -> int:
        return ids.get(key, key)

    def maybe(key: int | None) -> int | None:
        return ids.get(key, key)

    def order(key: int | None) -> int | None:
        return order_ids.get(key, key)

    after = change.trade
    return replace(
        change,
        trade=None
        if after is None
        else replace(
            after,
            id=trade(after.id),
            last_activity_at=after.last_activity_at or after.opened_at,
        ),
        orders=tuple(
            replace(each, id=order_ids.get(each.id, each.id), trade_id=maybe(each.trade_id))
            for each in change.orders
        ),
        history=tuple(
            replace(each, trade_id=trade(each.trade_id), order_id=order(each.order_id))
            for each in change.history
        ),
        allocations=tuple(
            replace(each, trade_id=trade(each.trade_id)) for each in change.allocations
        ),
        mismatches=tuple(
            replace(
                each,
                key=each.key.replace(f"order:{each.order_id}:", f"order:{order(each.order_id)}:"),
                order_id=order(each.order_id),
                trade_id=maybe(each.trade_id),
            )
            for each in change.mismatches
        ),
        reviews=tuple(replace(each, trade_id=trade(each.trade_id)) for each in change.reviews),
        candidates=tuple(
            replace(each, trade_id=maybe(each.trade_id)) for each in change.candidates
        ),
    )
