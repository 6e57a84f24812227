"""Exchange orders that are parts of an order of ours: replacements and triggered children.

Another exchange id under the same client order id is another leg of the same order; a child that
an algo order triggered fills on its parent's behalf. Knowing the legs comes before everything
else, because the fills of a leg are the order's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciliation.domain.books import Books, OrderState
from reconciliation.domain.order_diff import is_child, match_listed
from reconciliation.domain.types import AccountSnapshot, ExchangeOrder, LookUp, OrderFound
from reconciliation.enums import LegKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LegDraft:
    """A leg that was not known before."""

    order_id: int
    symbol: str
    exchange_order_id: str
    kind: LegKind


def find_legs(
    books: Books, snapshot: AccountSnapshot, look_ups: Mapping[int, LookUp]
) -> tuple[Books, Mapping[int, tuple[LegDraft, ...]]]:
    """Return the books with every leg that is known now, and the new ones by order id.

    The id that an order was known by first stays its own; every later one is a leg.
    """
    listed = match_listed(books, snapshot)
    found: dict[int, tuple[LegDraft, ...]] = {}
    orders = dict(books.orders)
    for order in books.orders.values():
        shown: list[ExchangeOrder] = [listed[order.id]] if order.id in listed else []
        look_up = look_ups.get(order.id)
        if isinstance(look_up, OrderFound):
            shown += look_up.legs
        drafts = _legs_of(order, shown)
        if drafts:
            found[order.id] = drafts
            orders[order.id] = replace(
                order,
                leg_ids=order.leg_ids + tuple(draft.exchange_order_id for draft in drafts),
            )
    return replace(books, orders=orders), found


def _legs_of(order: OrderState, shown: list[ExchangeOrder]) -> tuple[LegDraft, ...]:
    known = set(order.exchange_ids)
    drafts: dict[str, LegDraft] = {}

    def add(exchange_order_id: str, kind: LegKind) -> None:
        if exchange_order_id not in known and exchange_order_id not in drafts:
            drafts[exchange_order_id] = LegDraft(
                order_id=order.id,
                symbol=order.symbol,
                exchange_order_id=exchange_order_id,
                kind=kind,
            )

    for each in shown:
        for child_id in each.child_ids:
            add(child_id, LegKind.CHILD)
        if is_child(order, each):
            add(each.exchange_order_id, LegKind.CHILD)
        elif order.exchange_order_id is not None:
            add(each.exchange_order_id, LegKind.REPLACEMENT)
    return tuple(drafts.values())
