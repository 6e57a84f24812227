"""Link a fill to the delivered exits that have told of it already, without its id."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.books import HistoryRow, KeptFill
from reconciliation.domain.plans.booking import gross_of, net_quantity
from reconciliation.domain.plans.changes import AllocationDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """The links, fill and rows as they are then, and the net quantity that was linked."""

    links: tuple[AllocationDraft, ...]
    kept: KeptFill
    rows: tuple[HistoryRow, ...]
    quantity: Decimal


def link_told(
    kept: KeptFill,
    rows: Sequence[HistoryRow],
    *,
    trade_id: int,
    base_currency: str | None,
    at_most: Decimal | None = None,
) -> Linked:
    """Link what is left of a fill to rows without a fill id, oldest first.

    `at_most` bounds the net quantity, where only a part of the fill is the trade's.
    """
    links: list[AllocationDraft] = []
    after: list[HistoryRow] = []
    linked = ZERO
    for row in rows:
        net = min(net_quantity(kept.fill, kept.remaining, base_currency), row.uncovered)
        if at_most is not None:
            net = min(net, at_most - linked)
        if net > 0:
            gross = gross_of(kept, net, base_currency)
            links.append(
                AllocationDraft(
                    fill_id=kept.id, trade_id=trade_id, quantity=gross, history_id=row.id
                )
            )
            kept = replace(kept, allocated=kept.allocated + gross)
            row = replace(row, covered=row.covered + net)
            linked += net
        after.append(row)
    return Linked(links=tuple(links), kept=kept, rows=tuple(after), quantity=linked)
