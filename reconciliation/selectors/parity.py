"""Reads of the heartbeat: rows → domain types, in a number of queries that does not grow."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from django.db.models import Max

from reconciliation.domain.amounts import product, total
from reconciliation.domain.books import OrderState, ProfileState, TradeState
from reconciliation.domain.parity import PositionKey
from reconciliation.domain.parity_books import (
    EntryEvidence,
    ParityBooks,
    SpotFlow,
    WaitingReview,
)
from reconciliation.domain.streaks import Streak
from reconciliation.domain.types import Instrument
from reconciliation.enums import (
    PARITY_MISMATCH_KINDS,
    HistoryKind,
    InstrumentType,
    ParityKind,
    PositionSide,
    Purpose,
    QuarantineReason,
    ReviewStatus,
)
from reconciliation.models import (
    AcceptedPosition,
    ExchangeAccount,
    Fill,
    Mismatch,
    Order,
    ParityWatch,
    Position,
    Profile,
    ReviewItem,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.lists import id_list, text_list
from reconciliation.selectors.states import kept_fill, open_mismatch, order_state, trade_state


def load_parity_books(
    account: ExchangeAccount, *, instruments: Mapping[str, Instrument], active_since: datetime
) -> ParityBooks:
    """Return the books of an account for a heartbeat; activity before `active_since` is old."""
    profiles = list(Profile.objects.filter(account=account))
    slices = tuple(
        state
        for row in Trade.objects.filter(account=account).holding().order_by("pk")
        if (state := trade_state(row)).open_quantity > 0
    )
    spot = {symbol for symbol, item in instruments.items() if item.type == InstrumentType.SPOT}
    held = Position.objects.filter(profile__account=account).values_list("symbol", flat=True)
    reviews = list(
        ReviewItem.objects.filter(trade_id__in=id_list(trade.id for trade in slices)).exclude(
            reason=QuarantineReason.OVERCLOSE
        )
    )
    return ParityBooks(
        profiles={
            row.pk: ProfileState(id=row.pk, name=row.name, sub_tag=row.sub_tag) for row in profiles
        },
        disabled=frozenset(row.pk for row in profiles if not row.enabled),
        slices=slices,
        streaks=_load_streaks(account),
        accepted={
            PositionKey(symbol=row.symbol, side=PositionSide(row.side)): row.quantity
            for row in AcceptedPosition.objects.filter(account=account)
        },
        open_mismatches=tuple(
            open_mismatch(row)
            for row in Mismatch.objects.filter(
                account=account, kind__in=sorted(PARITY_MISMATCH_KINDS)
            )
            .current()
            .select_related("sighting")
            .order_by("pk")
        ),
        waiting={
            row.trade_id: WaitingReview(
                trade_id=row.trade_id,
                reason=QuarantineReason(row.reason),
                evidence_hash=row.evidence_hash,
            )
            for row in reviews
            if row.status in (ReviewStatus.PENDING, ReviewStatus.PROPOSED)
        },
        answered=frozenset(
            (row.trade_id, row.evidence_hash)
            for row in reviews
            if row.status == ReviewStatus.REJECTED
        ),
        closing_fills=tuple(
            kept_fill(row)
            for row in Fill.objects.filter(
                account=account,
                set_aside=False,
                symbol__in=text_list(trade.symbol for trade in slices),
            )
            .unconsumed()
            .defer("raw")
            .order_by("executed_at", "pk")
        ),
        last_activity=_load_activity(account, active_since),
        flows=_load_flows(slices, instruments),
        spot_symbols=frozenset(spot & {*held, *(trade.symbol for trade in slices)}),
    )


def load_entry_evidence(
    account: ExchangeAccount, trades: Collection[TradeState]
) -> dict[int, EntryEvidence]:
    """Return, by trade, its orders and the fills of its entries: linked, named, or its orders'."""
    ids = id_list(trade.id for trade in trades)
    orders: dict[int, list[OrderState]] = {trade.id: [] for trade in trades}
    for row in Order.objects.filter(account=account, trade_id__in=ids).order_by("pk"):
        if row.trade_id is not None:
            orders[row.trade_id].append(order_state(row))
    fill_ids: dict[int, set[int]] = {trade.id: set() for trade in trades}
    linked = Fill.objects.filter(
        allocations__trade_id__in=ids, allocations__history__kind=HistoryKind.ENTRY
    )
    for fill_id, trade_id in linked.values_list("pk", "allocations__trade_id"):
        fill_ids[trade_id].add(fill_id)
    rows = TradeHistory.objects.filter(
        trade_id__in=ids, kind=HistoryKind.ENTRY, exchange_fill_id__isnull=False
    )
    named: dict[tuple[str, str | None], int] = {
        (symbol, name): trade_id
        for trade_id, symbol, name in rows.values_list(
            "trade_id", "trade__symbol", "exchange_fill_id"
        )
    }
    of_orders: dict[tuple[str, str | None], int] = {
        (order.symbol, order.exchange_order_id): trade_id
        for trade_id, states in orders.items()
        for order in states
        if order.exchange_order_id is not None and order.purpose == Purpose.ENTRY
    }
    fills = Fill.objects.filter(account=account).defer("raw").order_by()
    found = {
        row.pk: row
        for row in fills.filter(exchange_fill_id__in=text_list(str(key[1]) for key in named)).union(
            fills.filter(exchange_order_id__in=text_list(str(key[1]) for key in of_orders)),
            fills.filter(pk__in=id_list(each for ids in fill_ids.values() for each in ids)),
        )
    }
    for fill in found.values():
        owners = (
            named.get((fill.symbol, fill.exchange_fill_id)),
            of_orders.get((fill.symbol, fill.exchange_order_id)),
        )
        for owner in owners:
            if owner is not None:
                fill_ids[owner].add(fill.pk)
    return {
        trade.id: EntryEvidence(
            orders=tuple(orders[trade.id]),
            entry_fills=tuple(
                kept_fill(found[pk])
                for pk in sorted(fill_ids[trade.id])
                if found[pk].side == trade.side_of(Purpose.ENTRY)
            ),
        )
        for trade in trades
    }


def _load_streaks(account: ExchangeAccount) -> dict[PositionKey, Streak]:
    return {
        PositionKey(symbol=row.symbol, side=PositionSide(row.side)): Streak(
            kind=ParityKind(row.kind),
            fingerprint=row.fingerprint,
            count=row.streak,
            counted_as_of=row.counted_as_of,
            fresh_count=row.fresh_count,
        )
        for row in ParityWatch.objects.filter(account=account)
    }


def _load_activity(account: ExchangeAccount, since: datetime) -> dict[str, datetime]:
    """Return by symbol the newest activity since a moment: orders, trades and history, fills."""
    newest: dict[str, datetime] = {}
    rows = [
        *Order.objects.filter(account=account, last_activity_at__gt=since)
        .order_by()
        .values_list("symbol")
        .annotate(at=Max("last_activity_at")),
        *Trade.objects.filter(account=account, last_activity_at__gt=since)
        .order_by()
        .values_list("symbol")
        .annotate(at=Max("last_activity_at")),
        *Fill.objects.filter(
            account=account, instrument_type__in=InstrumentType.values, executed_at__gt=since
        )
        .order_by()
        .values_list("symbol")
        .annotate(at=Max("executed_at")),
    ]
    for symbol, at in rows:
        newest[symbol] = max(at, newest.get(symbol, at))
    return newest


def _load_flows(
    slices: Iterable[TradeState], instruments: Mapping[str, Instrument]
) -> dict[str, SpotFlow]:
    """Return what the slices of spot symbols did to other currencies that are compared."""
    spot = {
        trade.id: (trade, instruments[trade.symbol])
        for trade in slices
        if trade.symbol in instruments and instruments[trade.symbol].type == InstrumentType.SPOT
    }
    compared = {instrument.base for _, instrument in spot.values()}
    parts: dict[str, list[Decimal | None]] = {}
    for trade, instrument in spot.values():
        if instrument.quote in compared:
            parts.setdefault(instrument.quote, []).append(_quote_leg(trade))
    fees = TradeHistory.objects.filter(
        trade_id__in=id_list(spot), fee_currency__in=text_list(compared), fee__isnull=False
    )
    for trade_id, currency, fee in fees.values_list("trade_id", "fee_currency", "fee"):
        # A fee in the slice's own base is in its net quantities already.
        if fee is not None and currency != spot[trade_id][1].base:
            parts.setdefault(currency, []).append(-fee)
    return {
        currency: SpotFlow(
            currency=currency,
            quantity=None
            if None in amounts
            else total(each for each in amounts if each is not None),
        )
        for currency, amounts in parts.items()
    }


def _quote_leg(trade: TradeState) -> Decimal | None:
    """Return what a slice did to its quote currency: sold for it less bought with it."""
    if trade.average_entry_price is None:
        return None
    spent = product(trade.entry_quantity, trade.average_entry_price)
    if trade.exit_quantity == 0:
        return -spent
    if trade.average_exit_price is None:
        return None
    return product(trade.exit_quantity, trade.average_exit_price) - spent
