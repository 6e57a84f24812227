"""What the orders and fills of a slice prove: whose it is, and what of it is not resolved yet."""

from collections.abc import Mapping

from reconciliation.domain.amounts import total
from reconciliation.domain.attribution import Attribution, attribute, index_owners
from reconciliation.domain.books import OrderState, ProfileState, TradeState
from reconciliation.domain.id_patterns import ClientOrderIdPattern
from reconciliation.domain.parity_books import EntryEvidence
from reconciliation.domain.types import ExchangeFill, ExchangeOrder
from reconciliation.enums import AttributionMode, Purpose


def is_attributed(
    trade: TradeState,
    evidence: EntryEvidence,
    profiles: Mapping[int, ProfileState],
    pattern: ClientOrderIdPattern | None,
) -> bool:
    """Return whether an entry order or fill carries its own profile's sub tag or client id.

    Evidence that contradicts itself proves nothing; the trade row's own word is no evidence.
    """
    owners = index_owners(profiles, (trade,), pattern)
    own = profiles[trade.profile_id]
    items: list[ExchangeOrder | ExchangeFill] = [
        *(_as_shown(order) for order in evidence.orders if order.purpose == Purpose.ENTRY),
        *(kept.fill for kept in evidence.entry_fills),
    ]
    proven = False
    for item in items:
        found = attribute(item, owners)
        if found is None:
            continue
        if not isinstance(found, Attribution) or found.profile.id != own.id:
            return False
        proven |= found.mode == AttributionMode.CLIENT_ORDER_ID or item.sub_tag == own.sub_tag
    return proven


def unresolved_orders(trade: TradeState, evidence: EntryEvidence) -> list[OrderState]:
    """Return the orders of a slice that could still explain where it went.

    The active ones; and, where its exits are said to be filled for more than is booked, those
    whose fills the exchange has not shown.
    """
    exits = [order for order in evidence.orders if order.purpose == Purpose.EXIT]
    is_short = total(order.filled_quantity for order in exits) > trade.exit_quantity
    return [
        order
        for order in evidence.orders
        if order.is_active or (is_short and order in exits and order.filled_quantity > 0)
    ]


def _as_shown(order: OrderState) -> ExchangeOrder:
    """Return an order of the books in the form in which evidence is judged."""
    return ExchangeOrder(
        exchange_order_id=order.exchange_order_id or "",
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        order_class=order.order_class,
        status=order.status,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        price=order.price,
        average_price=order.average_price,
        created_at=order.created_at,
        updated_at=None,
        client_order_id=order.client_order_id,
        sub_tag=order.sub_tag,
        position_side=order.position_side,
    )
