"""Reads that more than one page needs: what belongs together without a foreign key."""

from decimal import Decimal

from django.db.models import Q, QuerySet

from reconciliation.domain.amounts import total
from reconciliation.enums import Direction
from reconciliation.models import (
    AcceptedPosition,
    AuditEvent,
    CapitalBalance,
    CapitalEntry,
    ExternalOrder,
    Fill,
    FillAllocation,
    Order,
    OrderLeg,
    ParityReading,
    ParityWatch,
    Profile,
    Trade,
)

_BOOKINGS_FOLLOWED = 50
ROWS_ADDED_UP = 20_000


def fills_of_order(order: Order, fills: QuerySet[Fill] | None = None) -> QuerySet[Fill]:
    """Return the fills that carry one of the order's ids, or the id of one of its legs.

    An exchange's order id is unique within a symbol; a client order id keeps its fills when the
    order was replaced under it. Each half of the condition names the account, so that each can
    use its own index.
    """
    exchange_ids = list(
        OrderLeg.objects.filter(order=order.pk).values_list("exchange_order_id", flat=True)
    )
    if order.exchange_order_id is not None:
        exchange_ids.append(order.exchange_order_id)
    condition = Q(account=order.account_id, exchange_order_id__in=exchange_ids, symbol=order.symbol)
    if order.client_order_id is not None:
        condition |= Q(account=order.account_id, client_order_id=order.client_order_id)
    return (Fill.objects.all() if fills is None else fills).filter(condition)


def orders_of_fill(fill: Fill) -> QuerySet[Order]:
    """Return the orders that a fill's ids name, also by a leg; none without a known id."""
    condition = Q(pk__in=[])
    if fill.exchange_order_id is not None:
        named = {
            "account": fill.account_id,
            "symbol": fill.symbol,
            "exchange_order_id": fill.exchange_order_id,
        }
        legs = OrderLeg.objects.filter(**named).values_list("order", flat=True)
        condition |= Q(**named) | Q(pk__in=list(legs))
    if fill.client_order_id is not None:
        condition |= Q(account=fill.account_id, client_order_id=fill.client_order_id)
    return Order.objects.filter(condition)


def fills_of_external_order(order: ExternalOrder) -> QuerySet[Fill]:
    """Return the fills that carry the exchange id of an order of nobody."""
    return Fill.objects.filter(
        account=order.account_id, symbol=order.symbol, exchange_order_id=order.exchange_order_id
    )


def events_of_fill(fill: Fill) -> QuerySet[AuditEvent]:
    """Return the events that name a fill, and those of the trades in which it was booked.

    A booking and its event are written in one transaction unit, so they carry one moment.
    """
    condition = Q(object_type="fill", object_id=str(fill.pk))
    bookings = FillAllocation.objects.filter(fill=fill).order_by("-id")
    for trade, recorded_at in bookings.values_list("trade", "recorded_at")[:_BOOKINGS_FOLLOWED]:
        condition |= Q(object_type="trade", object_id=str(trade), occurred_at=recorded_at)
    return AuditEvent.objects.filter(condition)


def open_quantity(trade: Trade) -> Decimal:
    """Return the virtual open quantity of a trade, negative for a short."""
    entered, left = trade.entry_quantity, trade.exit_quantity
    if trade.direction == Direction.SHORT:
        return total([left, entered.copy_negate()])
    return total([entered, left.copy_negate()])


def by_direction(direction: str, quantity: Decimal | None) -> Decimal | None:
    """Return a delivered quantity with the sign of its direction, whichever sign it came with."""
    if quantity is None:
        return None
    size = quantity.copy_abs()
    return total([size.copy_negate() if direction == Direction.SHORT else size])


def unbooked_quantity(fill: Fill) -> Decimal:
    """Return what no history row has consumed of a fill."""
    return total([fill.quantity, fill.allocated_quantity.copy_negate()])


def same_position(
    row: ParityWatch | ParityReading | AcceptedPosition,
) -> QuerySet[ParityReading]:
    """Return the readings of the position that a row is about."""
    return ParityReading.objects.filter(account=row.account_id, symbol=row.symbol, side=row.side)


def free_capital(balance: CapitalBalance) -> Decimal:
    """Return what a profile may still use, in USD; it may be negative."""
    return total((balance.allocated_usd, -balance.reserved_usd, -balance.used_usd))


def ledger_sums(profile: Profile) -> tuple[Decimal, Decimal, Decimal] | None:
    """Return the sums of a ledger's columns, None where it is too long to add up for a page.

    They are added up here: an engine's own sum of exact decimals goes through floats.
    """
    rows = list(
        CapitalEntry.objects.filter(profile=profile)
        .order_by("-id")
        .values_list("allocated_usd", "reserved_usd", "used_usd")[: ROWS_ADDED_UP + 1]
    )
    if len(rows) > ROWS_ADDED_UP:
        return None
    return (
        total(allocated for allocated, _, _ in rows),
        total(reserved for _, reserved, _ in rows),
        total(used for _, _, used in rows),
    )
