"""Link fills to the history rows that the trading system delivered of them.

A delivered row that names a fill is that fill's; one without a fill id covers fills of its order
(or, where it names no order, of its trade), oldest first, up to its quantity. What is left of the
fills afterwards is what nobody has booked yet. So it does not matter which of the two, row or
fill, arrives first, and a row that repeats what the portal booked adds nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from reconciliation.domain.attribution import Attribution, Owners, attribute, owners_of
from reconciliation.domain.books import Books, HistoryRow, KeptFill
from reconciliation.domain.order_diff import group_fills
from reconciliation.domain.plans.booking import gross_of, net_quantity
from reconciliation.domain.plans.changes import AllocationDraft
from reconciliation.enums import HistoryKind, HistorySource, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedBooks:
    """The books once every link is made, the links to write by trade, and the fills as before."""

    books: Books
    links: Mapping[int, tuple[AllocationDraft, ...]]
    allocated_before: Mapping[int, Decimal]


def link_delivered_rows(books: Books) -> LinkedBooks:
    """Return the books with each fill allocated to the delivered rows that report it."""
    fills = {kept.id: kept for kept in books.fills}
    rows = {row.id: row for row in books.history}
    owners = {kept.id: order_id for order_id, group in group_fills(books).items() for kept in group}
    owned_by = owners_of(books)
    links: dict[int, list[AllocationDraft]] = {}

    def link(kept: KeptFill, row: HistoryRow) -> None:
        base = books.base_currencies.get(kept.fill.symbol)
        net = min(net_quantity(kept.fill, kept.remaining, base), row.uncovered)
        if net <= 0:
            return
        gross = gross_of(kept, net, base)
        links.setdefault(row.trade_id, []).append(
            AllocationDraft(
                fill_id=kept.id, trade_id=row.trade_id, quantity=gross, history_id=row.id
            )
        )
        fills[kept.id] = replace(kept, allocated=kept.allocated + gross)
        rows[row.id] = replace(row, covered=row.covered + net)

    by_age = sorted(
        (kept for kept in books.fills if kept.remaining > 0),
        key=lambda kept: (kept.fill.executed_at, kept.fill.fill_id, kept.id),
    )
    linkable = sorted(
        (row for row in books.history if row.kind != HistoryKind.REVERSAL), key=lambda row: row.id
    )
    named: dict[str, list[int]] = {}
    nameless: list[int] = []
    for row in linkable:
        if row.exchange_fill_id is not None:
            named.setdefault(row.exchange_fill_id, []).append(row.id)
        elif row.source == HistorySource.BOT:
            nameless.append(row.id)
    for kept in by_age:
        for row_id in named.get(kept.fill.fill_id, ()):
            row = rows[row_id]
            if _fits(kept, row, books) and _may_claim(kept, row, books, owners, owned_by):
                link(fills[kept.id], rows[row_id])
    for kept in by_age:
        for row_id in nameless:
            row = rows[row_id]
            owner = owners.get(kept.id)
            if owner is not None and _is_of_row(owner, row, books) and _fits(kept, row, books):
                link(fills[kept.id], rows[row_id])
    return LinkedBooks(
        books=replace(
            books,
            fills=tuple(fills[kept.id] for kept in books.fills),
            history=tuple(rows[row.id] for row in books.history),
        ),
        links={trade_id: tuple(drafts) for trade_id, drafts in links.items()},
        allocated_before={kept.id: kept.allocated for kept in books.fills},
    )


def link_more(linked: LinkedBooks, books: Books) -> LinkedBooks:
    """Return the links of books that were linked before and have got more orders since.

    A row without a fill id may speak of an order that is only adopted now.
    """
    more = link_delivered_rows(books)
    return LinkedBooks(
        books=more.books,
        links={
            trade_id: linked.links.get(trade_id, ()) + more.links.get(trade_id, ())
            for trade_id in sorted({*linked.links, *more.links})
        },
        allocated_before=linked.allocated_before,
    )


def _fits(kept: KeptFill, row: HistoryRow, books: Books) -> bool:
    """Return whether a fill is of the symbol and side that the row's trade and kind mean."""
    trade = books.trades[row.trade_id]
    return kept.fill.symbol == trade.symbol and kept.fill.side == trade.side_of(Purpose(row.kind))


def _may_claim(
    kept: KeptFill,
    row: HistoryRow,
    books: Books,
    owners: Mapping[int, int],
    owned_by: Owners,
) -> bool:
    """Return whether a row that names a fill is not contradicted by whose the fill proves to be.

    What belongs to another profile, or another trade, is never used, whoever names it.
    """
    trade = books.trades[row.trade_id]
    order = books.orders.get(owners.get(kept.id, 0))
    if order is not None and order.trade_id is not None:
        return order.trade_id == trade.id
    if order is not None:
        return order.profile_id == trade.profile_id
    attribution = attribute(kept.fill, owned_by)
    if not isinstance(attribution, Attribution):
        return attribution is None
    if attribution.trade is not None:
        return attribution.trade.id == trade.id
    # A client id of a trade that nobody knows yet is that trade's, whichever row names the fill.
    return attribution.profile.id == trade.profile_id and attribution.trade_code in (
        None,
        trade.code,
    )


def _is_of_row(owner: int, row: HistoryRow, books: Books) -> bool:
    """Return whether an order is the one a nameless row speaks of, or may be."""
    order = books.orders[owner]
    if row.order_id is not None:
        return row.order_id == owner and order.trade_id in (None, row.trade_id)
    return order.trade_id == row.trade_id and order.purpose == Purpose(row.kind)
