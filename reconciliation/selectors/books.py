"""Load the books of one account: all that a reconciliation cycle decides on.

The number of statements does not depend on the number of orders, trades or fills.
"""

from collections.abc import Iterable, Mapping

from django.db.models import Q

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.books import (
    Books,
    HistoryRow,
    KeptFill,
    OpenMismatch,
    OrderState,
    ProfileState,
)
from reconciliation.domain.plans.booking import net_quantity
from reconciliation.domain.types import ExchangeOrder, Instrument
from reconciliation.enums import HistorySource, InstrumentType, MismatchStatus
from reconciliation.models import (
    Fill,
    FillAllocation,
    Mismatch,
    Order,
    Profile,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.lists import id_list, text_list
from reconciliation.selectors.states import (
    history_row,
    kept_fill,
    open_mismatch,
    order_state,
    trade_state,
)


def load_books(
    account_id: int,
    *,
    open_orders: Iterable[ExchangeOrder],
    instruments: Mapping[str, Instrument],
    profile_id: int | None = None,
) -> Books:
    """Return the account's books as far as the open orders, or unbooked fills, concern them.

    Orders: the active ones, those that the exchange lists as open, those with unbooked fills and
    those with an open mismatch. `profile_id` narrows orders and mismatches to one profile.
    """
    of_profile = Q() if profile_id is None else Q(profile_id=profile_id)
    profiles = {
        row.pk: ProfileState(id=row.pk, name=row.name, sub_tag=row.sub_tag)
        for row in Profile.objects.filter(account_id=account_id)
    }
    unbooked = {
        row.pk: kept_fill(row)
        for row in Fill.objects.filter(account_id=account_id).unconsumed().defer("raw")
    }
    mismatches = tuple(
        open_mismatch(row)
        for row in Mismatch.objects.filter(of_profile, account_id=account_id)
        .exclude(status=MismatchStatus.RESOLVED)
        .select_related("sighting")
        .order_by("id")
    )
    orders = _load_orders(account_id, of_profile, unbooked.values(), open_orders, mismatches)
    fills = _with_fills_of_orders(account_id, orders.values(), unbooked)
    history, trade_ids = _load_delivered_rows(account_id, orders.values(), unbooked.values())
    trade_ids |= {order.trade_id for order in orders.values() if order.trade_id is not None}
    trades = {row.pk: trade_state(row) for row in Trade.objects.filter(pk__in=id_list(trade_ids))}
    bases = {
        symbol: instrument.base
        for symbol, instrument in instruments.items()
        if instrument.type == InstrumentType.SPOT
    }
    return Books(
        profiles=profiles,
        trades=trades,
        orders=orders,
        fills=tuple(fills.values()),
        history=_with_coverage(history, bases),
        open_mismatches=mismatches,
        amount_steps={symbol: item.amount_step for symbol, item in instruments.items()},
        base_currencies=bases,
    )


def _load_orders(
    account_id: int,
    of_profile: Q,
    unbooked: Iterable[KeptFill],
    open_orders: Iterable[ExchangeOrder],
    mismatches: Iterable[OpenMismatch],
) -> dict[int, OrderState]:
    fills = [kept.fill for kept in unbooked]
    listed = list(open_orders)
    exchange_ids = [
        *(fill.exchange_order_id for fill in fills if fill.exchange_order_id),
        *(order.exchange_order_id for order in listed),
    ]
    client_ids = [
        *(fill.client_order_id for fill in fills if fill.client_order_id),
        *(order.client_order_id for order in listed if order.client_order_id),
    ]
    order_ids = [mismatch.order_id for mismatch in mismatches if mismatch.order_id is not None]
    # Three unions rather than one OR: each branch has an index of its own.
    account = Order.objects.filter(of_profile, account_id=account_id).order_by()
    rows = (
        account.active()
        .union(account.filter(exchange_order_id__in=text_list(exchange_ids)))
        .union(account.filter(client_order_id__in=text_list(client_ids)))
        .union(account.filter(pk__in=id_list(order_ids)))
    )
    return {row.pk: order_state(row) for row in rows}


def _with_fills_of_orders(
    account_id: int, orders: Iterable[OrderState], unbooked: dict[int, KeptFill]
) -> dict[int, KeptFill]:
    """Add the booked fills of the orders: what is visible of an order is the sum of all."""
    known = list(orders)
    account = Fill.objects.filter(account_id=account_id).defer("raw").order_by()
    exchange_ids = [order.exchange_order_id for order in known if order.exchange_order_id]
    client_ids = [order.client_order_id for order in known if order.client_order_id]
    rows = account.filter(exchange_order_id__in=text_list(exchange_ids)).union(
        account.filter(client_order_id__in=text_list(client_ids))
    )
    return unbooked | {row.pk: kept_fill(row) for row in rows}


def _load_delivered_rows(
    account_id: int, orders: Iterable[OrderState], unbooked: Iterable[KeptFill]
) -> tuple[list[TradeHistory], set[int]]:
    """Return the history rows that unbooked fills may be linked to, and their trades."""
    fills = [kept.fill for kept in unbooked]
    exchange_ids = {fill.exchange_order_id for fill in fills}
    client_ids = {fill.client_order_id for fill in fills} - {None}
    trade_ids = {
        order.trade_id
        for order in orders
        if order.trade_id is not None
        and (order.exchange_order_id in exchange_ids or order.client_order_id in client_ids)
    }
    fill_ids = {fill.fill_id for fill in fills}
    account = TradeHistory.objects.filter(
        trade__account_id=account_id, source=HistorySource.BOT, booked_quantity__gt=0
    ).order_by()
    rows = list(
        account.filter(exchange_fill_id__in=text_list(fill_ids)).union(
            account.filter(trade_id__in=id_list(trade_ids), exchange_fill_id__isnull=True)
        )
    )
    return rows, {row.trade_id for row in rows}


def _with_coverage(
    rows: list[TradeHistory], base_currencies: Mapping[str, str]
) -> tuple[HistoryRow, ...]:
    """Return the rows with the net quantity that fills are allocated to them."""
    covered = dict.fromkeys((row.pk for row in rows), ZERO)
    allocations = FillAllocation.objects.filter(history_id__in=id_list(covered)).select_related(
        "fill"
    )
    for allocation in allocations:
        fill = kept_fill(allocation.fill).fill
        net = net_quantity(fill, allocation.quantity, base_currencies.get(fill.symbol))
        covered[allocation.history_id] += -net if allocation.released else net
    return tuple(history_row(row, covered[row.pk]) for row in sorted(rows, key=lambda row: row.pk))
