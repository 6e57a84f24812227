"""Load the books of one account: all that a reconciliation cycle decides on.

The number of statements does not depend on the number of orders, trades or fills.
"""

from collections.abc import Iterable, Mapping, Sequence

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.books import (
    Books,
    CandidateState,
    HistoryRow,
    KeptFill,
    OpenMismatch,
    OrderState,
    PositionRow,
    ProfileState,
    TradeState,
)
from reconciliation.domain.id_patterns import ClientOrderIdPattern
from reconciliation.domain.keys import DELIVERED_PREFIX, parse_client_order_id, trade_code
from reconciliation.domain.plans.booking import net_quantity
from reconciliation.domain.plans.nobodys import GONE_FROM_EXCHANGE
from reconciliation.domain.positions import position_of
from reconciliation.domain.types import ExchangeFill, ExchangeOrder, Instrument
from reconciliation.domain.unowned import OrderKey
from reconciliation.enums import (
    HOLDING_TRADE_STATUSES,
    TERMINAL_ORDER_STATUSES,
    CandidateStatus,
    ExternalStatus,
    HistoryKind,
    HistorySource,
    InstrumentType,
    PositionMode,
)
from reconciliation.models import (
    BackfillCandidate,
    ExchangeAccount,
    ExternalOrder,
    Fill,
    FillAllocation,
    Mismatch,
    Order,
    OrderLeg,
    OrderLookUp,
    Position,
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
    position_row,
    trade_state,
)
from reconciliation.selectors.synthetic_exits import (
    find_synthetically_exited,
    load_synthetic_exits,
)


def load_books(
    account: ExchangeAccount,
    *,
    open_orders: Iterable[ExchangeOrder],
    instruments: Mapping[str, Instrument],
    client_order_ids: ClientOrderIdPattern | None = None,
) -> Books:
    """Return the account's books as far as the open orders, or unbooked fills, concern them.

    Orders: the active ones, those that the exchange lists as open, those with unbooked fills and
    those with an open mismatch. Trades: theirs, and those that an unknown order or fill may be
    of. Profiles: the enabled ones apart, since nothing may be attributed to another.
    """
    listed = list(open_orders)
    profiles: dict[int, ProfileState] = {}
    disabled: dict[int, ProfileState] = {}
    for profile in Profile.objects.filter(account=account):
        state = ProfileState(id=profile.pk, name=profile.name, sub_tag=profile.sub_tag)
        (profiles if profile.enabled else disabled)[profile.pk] = state
    unbooked = {
        row.pk: kept_fill(row)
        for row in Fill.objects.filter(account=account).unconsumed().defer("raw")
    }
    mismatches = tuple(
        open_mismatch(row)
        for row in Mismatch.objects.filter(account=account)
        .current()
        .select_related("sighting")
        .order_by("id")
    )
    orders = _load_orders(account.pk, unbooked.values(), listed, mismatches)
    fills = _with_fills_of_orders(account.pk, orders.values(), unbooked)
    exited = find_synthetically_exited(account.pk, unbooked.values())
    history, trade_ids = _load_delivered_rows(
        account.pk, orders.values(), unbooked.values(), listed, exited
    )
    trade_ids |= exited
    trade_ids |= {order.trade_id for order in orders.values() if order.trade_id is not None}
    trades = _load_trades(account.pk, trade_ids, unbooked.values(), listed, client_order_ids)
    bases = {
        symbol: instrument.base
        for symbol, instrument in instruments.items()
        if instrument.type == InstrumentType.SPOT
    }
    decided_orders, waiting_orders = _load_external_orders(account.pk)
    return Books(
        profiles=profiles,
        trades=trades,
        orders=orders,
        fills=tuple(fills.values()),
        history=_with_coverage(history, bases),
        positions=_load_positions(account.pk),
        open_mismatches=mismatches,
        amount_steps={symbol: item.amount_step for symbol, item in instruments.items()},
        base_currencies=bases,
        decided_orders=decided_orders,
        waiting_orders=waiting_orders,
        is_hedged=account.position_mode == PositionMode.HEDGE,
        baseline_at=account.baseline_at,
        client_order_ids=client_order_ids,
        disabled_profiles=disabled,
        candidates=_load_candidates(account.pk, unbooked),
        synthetic_exits=load_synthetic_exits(trades, unbooked.values()),
    )


def _load_external_orders(account_id: int) -> tuple[frozenset[OrderKey], frozenset[OrderKey]]:
    """Return the external orders that a person decided on, and those that wait for one.

    One that was gone before anybody decided is neither: it is a new question if it comes back.
    """
    account = ExternalOrder.objects.filter(account_id=account_id).order_by()
    ignored = account.filter(status=ExternalStatus.IGNORED)
    # Nearly all are gone: an index finds what lies before and behind them, and not what is unequal.
    rows = account.filter(status__in=[ExternalStatus.ADOPTED, ExternalStatus.PENDING]).union(
        ignored.filter(why__lt=GONE_FROM_EXCHANGE), ignored.filter(why__gt=GONE_FROM_EXCHANGE)
    )
    found = list(rows.values_list("symbol", "exchange_order_id", "status"))
    waiting = frozenset(
        (symbol, name) for symbol, name, status in found if status == ExternalStatus.PENDING
    )
    return frozenset((symbol, name) for symbol, name, _ in found) - waiting, waiting


def _load_candidates(account_id: int, unbooked: Iterable[int]) -> tuple[CandidateState, ...]:
    """Return what was decided of unbooked fills, and every candidate that waits for a person."""
    account = BackfillCandidate.objects.filter(account_id=account_id).order_by()
    of_fills = account.filter(fill_id__in=id_list(unbooked))
    rows = (
        account.waiting()
        .union(of_fills)
        .values_list("pk", "fill_id", "status", "evidence_hash", "version")
    )
    return tuple(
        CandidateState(
            id=pk, fill_id=fill_id, status=CandidateStatus(status), hash=hashed, version=version
        )
        for pk, fill_id, status, hashed, version in sorted(rows)
    )


def _load_positions(account_id: int) -> tuple[PositionRow, ...]:
    """Return the position rows of the account beside the sums of their slices."""
    slices: dict[tuple[int, str, str], list[TradeState]] = {}
    for trade in Trade.objects.filter(account_id=account_id).holding().order_by():
        key = (trade.profile_id, trade.symbol, trade.direction)
        slices.setdefault(key, []).append(trade_state(trade))
    return tuple(
        position_row(row, position_of(slices.get((row.profile_id, row.symbol, row.direction), ())))
        for row in Position.objects.filter(profile__account_id=account_id)
    )


def _load_trades(
    account_id: int,
    trade_ids: Iterable[int],
    unbooked: Iterable[KeptFill],
    listed: Sequence[ExchangeOrder],
    client_order_ids: ClientOrderIdPattern | None,
) -> dict[int, TradeState]:
    """Return the trades by id, those that evidence names, and the open slices of the fills."""
    fills = [kept.fill for kept in unbooked]
    items: list[ExchangeFill | ExchangeOrder] = [*fills, *listed]
    codes = _trade_codes(items)
    names = [item.trade_hint for item in items if item.trade_hint]
    named = [client_order_ids.read(item.client_order_id) for item in items if client_order_ids]
    for owner in named:
        if owner is not None and owner.trade_id is not None:
            names.append(owner.trade_id)
            codes += [trade_code(owner.sub_tag, owner.trade_id)] if owner.sub_tag else []
    account = Trade.objects.filter(account_id=account_id).order_by()
    rows = (
        account.filter(pk__in=id_list(trade_ids))
        .union(account.filter(code__in=text_list(codes)))
        .union(account.filter(trade_id__in=text_list(names)))
        .union(account.holding().filter(symbol__in=text_list(fill.symbol for fill in fills)))
    )
    return {row.pk: trade_state(row) for row in rows}


def _trade_codes(items: Iterable[ExchangeFill | ExchangeOrder]) -> list[str]:
    """Return the trades that deterministic client order ids name."""
    parsed = (parse_client_order_id(item.client_order_id) for item in items)
    return [each.trade_code for each in parsed if each is not None]


def _load_orders(
    account_id: int,
    unbooked: Iterable[KeptFill],
    listed: Sequence[ExchangeOrder],
    mismatches: Iterable[OpenMismatch],
) -> dict[int, OrderState]:
    fills = [kept.fill for kept in unbooked]
    exchange_ids = [
        *(fill.exchange_order_id for fill in fills if fill.exchange_order_id),
        *(order.exchange_order_id for order in listed),
        *(order.parent_id for order in listed if order.parent_id),
    ]
    client_ids = [
        *(fill.client_order_id for fill in fills if fill.client_order_id),
        *(order.client_order_id for order in listed if order.client_order_id),
    ]
    order_ids = [mismatch.order_id for mismatch in mismatches if mismatch.order_id is not None]
    legs = OrderLeg.objects.filter(account_id=account_id).order_by("id")
    of_legs = legs.filter(exchange_order_id__in=text_list(exchange_ids)).order_by()
    # Unions rather than one OR: each branch has an index of its own.
    account = Order.objects.filter(account_id=account_id).order_by()
    rows = list(
        account.active()
        .union(account.filter(exchange_order_id__in=text_list(exchange_ids)))
        .union(account.filter(client_order_id__in=text_list(client_ids)))
        .union(account.filter(pk__in=id_list(order_ids)))
        .union(account.filter(pk__in=of_legs.values("order_id")))
    )
    leg_ids: dict[int, tuple[str, ...]] = {}
    for leg in legs.filter(order_id__in=id_list(row.pk for row in rows)):
        leg_ids[leg.order_id] = (*leg_ids.get(leg.order_id, ()), leg.exchange_order_id)
    asked = OrderLookUp.objects.filter(order_id__in=id_list(row.pk for row in rows))
    asked_at = dict(asked.values_list("order_id", "asked_at"))
    return {row.pk: order_state(row, leg_ids.get(row.pk, ()), asked_at.get(row.pk)) for row in rows}


def _with_fills_of_orders(
    account_id: int, orders: Iterable[OrderState], unbooked: dict[int, KeptFill]
) -> dict[int, KeptFill]:
    """Add the booked fills of the orders: what is visible of an order is the sum of all."""
    known = list(orders)
    account = Fill.objects.filter(account_id=account_id).defer("raw").order_by()
    exchange_ids = [exchange_id for order in known for exchange_id in order.exchange_ids]
    client_ids = [order.client_order_id for order in known if order.client_order_id]
    rows = account.filter(exchange_order_id__in=text_list(exchange_ids)).union(
        account.filter(client_order_id__in=text_list(client_ids))
    )
    return unbooked | {row.pk: kept_fill(row) for row in rows}


def _load_delivered_rows(
    account_id: int,
    orders: Iterable[OrderState],
    unbooked: Iterable[KeptFill],
    listed: Sequence[ExchangeOrder],
    synthetically_exited: Iterable[int],
) -> tuple[list[TradeHistory], set[int]]:
    """Return the history rows that unbooked fills may be linked to, and their trades."""
    fills = [kept.fill for kept in unbooked]
    exchange_ids = {fill.exchange_order_id for fill in fills}
    client_ids = {fill.client_order_id for fill in fills} - {None}
    trade_ids = {
        order.trade_id
        for order in orders
        if order.trade_id is not None
        and (not exchange_ids.isdisjoint(order.exchange_ids) or order.client_order_id in client_ids)
    }
    fill_ids = {fill.fill_id for fill in fills}
    items: list[ExchangeFill | ExchangeOrder] = [*fills]
    items += [order for order in listed if order.exchange_order_id in exchange_ids]
    codes = _trade_codes(items)
    hints = [item.trade_hint for item in items if item.trade_hint]
    # Whatever source a delivery gives: the portal's own rows have their allocations from the start.
    account = TradeHistory.objects.filter(
        trade__account_id=account_id, key__startswith=DELIVERED_PREFIX, booked_quantity__gt=0
    ).order_by()
    nameless = account.filter(source=HistorySource.BOT, exchange_fill_id__isnull=True)
    rows = list(
        account.filter(exchange_fill_id__in=text_list(fill_ids)).union(
            nameless.filter(trade_id__in=id_list(trade_ids)),
            # What a slice has told of without a name may be the very fill that nobody explains.
            nameless.filter(
                kind=HistoryKind.EXIT,
                trade__status__in=sorted(HOLDING_TRADE_STATUSES),
                trade__symbol__in=text_list(fill.symbol for fill in fills),
            ),
            nameless.filter(kind=HistoryKind.EXIT, trade_id__in=id_list(synthetically_exited)),
            # An order that is only adopted now may be what such a row speaks of.
            nameless.filter(trade__code__in=text_list(codes)),
            nameless.filter(trade__trade_id__in=text_list(hints)),
        )
    )
    return rows, {row.trade_id for row in rows}


def load_nameless_exits(
    trade_ids: Iterable[int], base_currencies: Mapping[str, str]
) -> tuple[HistoryRow, ...]:
    """Return the exits of trades that were delivered without a fill id and still stand."""
    rows = TradeHistory.objects.filter(
        trade_id__in=id_list(trade_ids),
        kind=HistoryKind.EXIT,
        source=HistorySource.BOT,
        key__startswith=DELIVERED_PREFIX,
        booked_quantity__gt=0,
        exchange_fill_id__isnull=True,
        reversed_by__isnull=True,
    ).order_by()
    return _with_coverage(list(rows), base_currencies)


def _unnamed_orders(rows: Iterable[TradeHistory]) -> set[int]:
    """Return which orders of the rows have ended, and have no exchange id of their own or a leg."""
    ids = [row.order_id for row in rows if row.order_id is not None]
    orders = Order.objects.filter(
        pk__in=id_list(ids),
        exchange_order_id__isnull=True,
        status__in=sorted(TERMINAL_ORDER_STATUSES),
        legs__isnull=True,
    )
    return set(orders.order_by().values_list("pk", flat=True))


def _with_coverage(
    rows: list[TradeHistory], base_currencies: Mapping[str, str]
) -> tuple[HistoryRow, ...]:
    """Return the rows with the net quantity that fills are allocated to them."""
    unnamed = _unnamed_orders(rows)
    covered = dict.fromkeys((row.pk for row in rows), ZERO)
    allocations = FillAllocation.objects.filter(history_id__in=id_list(covered)).select_related(
        "fill"
    )
    for allocation in allocations:
        fill = kept_fill(allocation.fill).fill
        net = net_quantity(fill, allocation.quantity, base_currencies.get(fill.symbol))
        covered[allocation.history_id] += -net if allocation.released else net
    return tuple(
        history_row(row, covered[row.pk], is_order_unnamed=row.order_id in unnamed)
        for row in sorted(rows, key=lambda row: row.pk)
    )
