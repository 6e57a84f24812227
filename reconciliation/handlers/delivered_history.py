"""Judge delivered history: append-only rows, of which only what the portal has not booked counts.

The portal may have booked the fills of a row before the row arrives. What such a row repeats is
stored as delivered and counts for nothing: its `booked_quantity` is the excess alone.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import StandingExits, TradeState
from reconciliation.domain.deliveries import DeliveredHistory, Delivery
from reconciliation.domain.keys import DELIVERED_PREFIX
from reconciliation.domain.plans.booking import with_quantity
from reconciliation.domain.plans.reversals import is_synthetic
from reconciliation.enums import (
    SYNTHETIC_SOURCES,
    DeliveryOutcome,
    Direction,
    HistoryKind,
    HistorySource,
    Purpose,
    Side,
    TradeStatus,
)
from reconciliation.handlers.bulk import insert_rows
from reconciliation.handlers.delivered_exits import ReplacementDesk, stands_for_a_fill
from reconciliation.handlers.delivered_fills import FillDesk
from reconciliation.handlers.delivered_orders import OrderDesk
from reconciliation.handlers.delivered_rows import Desk, Refused
from reconciliation.handlers.delivered_trades import TradeDesk
from reconciliation.handlers.positions import recalculate_positions
from reconciliation.models import FillAllocation, Order, Trade, TradeHistory
from reconciliation.selectors.lists import id_list
from reconciliation.selectors.states import trade_state


def in_order(rows: Iterable[DeliveredHistory]) -> list[DeliveredHistory]:
    """Return the rows in the order in which they must be judged."""
    return sorted(rows, key=lambda row: (row.executed_at, row.kind != HistoryKind.ENTRY))


class HistoryDesk:
    """History rows; they are judged oldest first, entries before exits of the same moment."""

    def __init__(
        self, desk: Desk, delivery: Delivery, trades: TradeDesk, orders: OrderDesk
    ) -> None:
        self.desk, self.trades, self.orders = desk, trades, orders
        self.fills = FillDesk(desk, delivery, orders)
        self.exits = ReplacementDesk(desk)
        known = {trade.pk for trade in trades.by_trade_id.values() if trade.pk is not None}
        wanted = {row.trade_id for row in delivery.history}
        concerned = {
            trade.pk
            for trade_id, trade in trades.by_trade_id.items()
            if trade_id in wanted and trade.pk in known
        }
        self._rows: dict[str, list[TradeHistory]] = defaultdict(list)
        by_pk = {trade.pk: trade_id for trade_id, trade in trades.by_trade_id.items()}
        rows = TradeHistory.objects.filter(trade_id__in=id_list(concerned)).order_by("pk")
        for row in rows if concerned else ():
            self._rows[by_pk[row.trade_id]].append(row)
        self._order_ids_of = _order_ids_of_fills(
            row
            for rows in self._rows.values()
            for row in rows
            if row.order_id is None and not row.key.startswith(DELIVERED_PREFIX)
        )
        self._new: list[tuple[TradeHistory, Trade, Order | None]] = []
        self._order_of_new: dict[int, Order | None] = {}
        self._touched: dict[str, Trade] = {}

    def judge(self, row: DeliveredHistory) -> DeliveryOutcome:
        """Take a history row, counting only what the portal has not booked already."""
        if row.kind == HistoryKind.REVERSAL:
            raise Refused("kind: a REVERSAL is the portal's own; deliver ENTRY and EXIT rows")
        trade = self.trades.find(row.trade_id)
        order = self._order_of(row, trade)
        net = _net(row, trade)
        key = DELIVERED_PREFIX + row.row_id
        known = next((each for each in self._rows[row.trade_id] if each.key == key), None)
        if known is not None:
            if (known.kind, known.quantity, known.price) != (row.kind, net, row.price):
                raise Refused("row_id: this row is known with other numbers; history never changes")
            return DeliveryOutcome.UNCHANGED
        if row.quantity <= 0:
            raise Refused(f"quantity: {plain(row.quantity)} is not positive")
        if net <= 0:
            raise Refused(f"fee: {plain(row.fee or ZERO)} takes all of the quantity")
        purpose = Purpose(row.kind)
        state = trade_state(trade)
        booked = self._excess(row, trade, order, net)
        standing = None
        if purpose == Purpose.EXIT:
            if stands_for_a_fill(row.source, row.exchange_fill_id):
                standing = self.exits.standing(self._standing(row))
            booked = self._within_trade(row, booked, state, standing)
        added = TradeHistory(
            key=key,
            kind=row.kind,
            source=row.source,
            quantity=net,
            booked_quantity=booked,
            price=row.price,
            fee=row.fee,
            fee_currency=row.fee_currency or "",
            exchange_fill_id=row.exchange_fill_id,
            executed_at=row.executed_at,
            recorded_at=self.desk.now,
        )
        rows = self._rows[row.trade_id]
        rows.append(added)
        self._new.append((added, trade, order))
        self._order_of_new[id(added)] = order
        if booked > 0:
            after = None
            if standing is not None:
                after = self.exits.replace(standing, trade, added, rows)
            if after is None:
                after = with_quantity(state, purpose, booked, row.price)
                after = _with_status(after, row.executed_at)
            _take(trade, after)
            self._touched[row.trade_id] = trade
        self.fills.take(row, trade, booked)
        self.trades.touch(trade)
        # More of the same order may be under way: what it lacks is no drift yet.
        if order is None:
            self.orders.touch_possible(trade, row.kind)
        else:
            self.orders.touch(order)
        return DeliveryOutcome.ACCEPTED

    def _order_of(self, row: DeliveredHistory, trade: Trade) -> Order | None:
        """Return the order that a row names; raises `Refused` for one of another trade."""
        if row.order_ref is None:
            return None
        order = self.orders.find(row.order_ref, trade.symbol)
        if self.orders.is_of_another_trade(order, trade):
            raise Refused(f"order_ref: {row.order_ref!r} is of another trade than {row.trade_id!r}")
        if order.profile_id != trade.profile_id:
            raise Refused(f"order_ref: {row.order_ref!r} is not of {row.trade_id!r}'s profile")
        if order.purpose not in (None, row.kind):
            raise Refused(f"kind: order {row.order_ref!r} is an {order.purpose}")
        side = trade_state(trade).side_of(Purpose(row.kind))
        if (order.symbol, order.side) != (trade.symbol, side):
            raise Refused(
                f"order_ref: {row.order_ref!r} is a {order.side} of {order.symbol};"
                f" an {row.kind} of this trade is a {side} of {trade.symbol}"
            )
        return order

    def write(self) -> None:
        """Write the rows; their trades and orders have their keys by now."""
        for row, trade, order in self._new:
            row.trade_id = trade.pk
            row.order_id = None if order is None else order.pk
        insert_rows(TradeHistory, [row for row, _, _ in self._new])
        self.exits.write()
        by_profile: dict[int, set[tuple[str, Direction]]] = defaultdict(set)
        for trade in self._touched.values():
            by_profile[trade.profile_id].add((trade.symbol, Direction(trade.direction)))
        for profile_id in sorted(by_profile):
            recalculate_positions(
                profile_id=profile_id, touched=by_profile[profile_id], now=self.desk.now
            )

    def released(self) -> dict[int, dict[int, TradeState]]:
        """Return by profile the slices that rows have moved and that are not in quarantine."""
        found: dict[int, dict[int, TradeState]] = {}
        for trade in self._touched.values():
            if trade.status != TradeStatus.QUARANTINED:
                found.setdefault(trade.profile_id, {})[trade.pk] = trade_state(trade)
        return found

    def events(self) -> list[EventDraft]:
        """Return one event a row taken; the rows are written by now."""
        profiles = {profile.pk: profile for profile in self.desk.profiles.values()}
        return [
            self.desk.event(
                "history",
                row,
                profiles[trade.profile_id],
                {
                    "trade_id": trade.trade_id,
                    "kind": row.kind,
                    "quantity": plain(row.quantity),
                    "booked_quantity": plain(row.booked_quantity),
                    "exchange_fill_id": row.exchange_fill_id,
                },
            )
            for row, trade, _ in self._new
        ] + self.exits.events(profiles)

    def _excess(
        self, row: DeliveredHistory, trade: Trade, order: Order | None, net: Decimal
    ) -> Decimal:
        """Return the part of a row that repeats nothing which is booked already."""
        rows = self._standing(row)
        by_portal: dict[str, Decimal] = defaultdict(lambda: ZERO)
        repeats: dict[str, Decimal] = defaultdict(lambda: ZERO)
        told: dict[str, Decimal] = defaultdict(lambda: ZERO)
        loose = ZERO  # what stands for fills that nobody has named
        replaces = row.kind == HistoryKind.EXIT and stands_for_a_fill(
            row.source, row.exchange_fill_id
        )
        for each in rows:
            if replaces and is_synthetic(each.source, each.exchange_fill_id):
                continue  # no repeat of this exit: it stood for it until now
            is_of_order = order is None or self._is_of_order(each, order)
            fill_id = each.exchange_fill_id
            if each.source == HistorySource.BOT:
                if fill_id is not None:
                    repeats[fill_id] += each.quantity - each.booked_quantity
                    told[fill_id] += each.booked_quantity
                elif row.exchange_fill_id is None and is_of_order:
                    loose -= each.quantity - each.booked_quantity
            elif fill_id is None:
                if each.source in SYNTHETIC_SOURCES or (
                    row.exchange_fill_id is None and is_of_order
                ):
                    loose += each.booked_quantity
            elif row.exchange_fill_id is not None or is_of_order:
                by_portal[fill_id] += each.booked_quantity
        if row.exchange_fill_id is None:
            named = (max(booked - repeats[name], ZERO) for name, booked in by_portal.items())
            excess = max(net - max(sum(named, ZERO) + loose, ZERO), ZERO)
            return self._within(order, rows, excess)
        name = row.exchange_fill_id
        share = self.fills.share_of(row, trade)
        if share is None:  # rows that name one fill tell of it again, until it says its quantity
            repeated = max(by_portal[name] - repeats[name], ZERO) + told[name] + loose
            return self._within(order, rows, max(net - repeated, ZERO))
        repeated = max(by_portal[name] + share.nameless - repeats[name], ZERO) + loose
        return min(max(net - repeated, ZERO), share.left)

    def _within(
        self, order: Order | None, rows: Iterable[TradeHistory], quantity: Decimal
    ) -> Decimal:
        """Return what of a quantity that no fill has proven fits into its order.

        An order is filled to its quantity at most; should it have grown, its fills are booked.
        """
        if order is None:
            return quantity
        taken = (row.booked_quantity for row in rows if self._is_of_order(row, order))
        return min(quantity, max(order.quantity - sum(taken, ZERO), ZERO))

    def _within_trade(
        self,
        row: DeliveredHistory,
        booked: Decimal,
        state: TradeState,
        standing: StandingExits | None,
    ) -> Decimal:
        """Return what an exit counts of what its trade has left; raises `Refused` beyond that.

        A slice that was closed without a fill has no more to lose: there the surplus counts for
        nothing, and its fill, should there be one, is put before a person.
        """
        replaceable = ZERO if standing is None else standing.quantity
        room = state.open_quantity + replaceable
        booked = self._without_dust(row, booked, room)
        if booked <= room:
            return booked
        if state.open_quantity == 0 and replaceable > 0:
            return room
        raise Refused(
            f"quantity: exits {plain(booked)} of {plain(room)} that is open;"
            " deliver the missing ENTRY rows first"
        )

    def _without_dust(self, row: DeliveredHistory, booked: Decimal, left: Decimal) -> Decimal:
        """Return what an exit counts: what closed as dust is not there to be exited again."""
        dust = sum((each.booked_quantity for each in self._standing(row) if _is_dust(each)), ZERO)
        return left if left < booked <= left + dust else booked

    def _standing(self, row: DeliveredHistory) -> list[TradeHistory]:
        """Return the rows of the same trade and kind that no reversal has taken back."""
        rows = self._rows[row.trade_id]
        reversed_rows = {each.reverses_id for each in rows} - {None}
        return [
            each
            for each in rows
            if each.kind == row.kind
            and each.pk not in reversed_rows
            and not self.exits.is_reversed(each)
            and (each.kind == HistoryKind.EXIT or each.source not in _EXIT_SOURCES)
        ]

    def _is_of_order(self, row: TradeHistory, order: Order) -> bool:
        delivered = self._order_of_new.get(id(row))
        if delivered is order or (order.pk is not None and row.order_id == order.pk):
            return True
        # The portal booked the fill while nobody had told it of the order.
        exchange_id, client_id = self._order_ids_of.get(row.pk, (None, None))
        return (exchange_id is not None and exchange_id == order.exchange_order_id) or (
            client_id is not None and client_id == order.client_order_id
        )


_EXIT_SOURCES = frozenset({HistorySource.SYNTHETIC, HistorySource.DUST})


def _is_dust(row: TradeHistory) -> bool:
    return row.source == HistorySource.DUST


def _take(trade: Trade, state: TradeState) -> None:
    """Write quantities and status to a trade row."""
    trade.entry_quantity, trade.exit_quantity = state.entry_quantity, state.exit_quantity
    trade.average_entry_price = state.average_entry_price
    trade.average_exit_price = state.average_exit_price
    trade.reversals = state.reversals
    trade.status, trade.closed_at = state.status, state.closed_at


def _with_status(state: TradeState, executed_at: datetime) -> TradeState:
    """Return a trade with the status that its quantities mean."""
    if state.open_quantity == 0:
        return replace(state, status=TradeStatus.CLOSED, closed_at=executed_at)
    if state.status != TradeStatus.QUARANTINED:
        return replace(state, status=TradeStatus.OPEN, closed_at=None)
    return state


def _net(row: DeliveredHistory, trade: Trade) -> Decimal:
    """Return what a row moved the holding by: a gross spot purchase is less its fee in base."""
    side = trade_state(trade).side_of(Purpose(row.kind))
    base = trade.symbol.split("/")[0]
    is_spot = ":" not in trade.symbol
    if row.net_of_fee or not is_spot or row.fee is None or row.fee_currency != base:
        return row.quantity
    return row.quantity - row.fee if side == Side.BUY else row.quantity + row.fee


def _order_ids_of_fills(
    rows: Iterable[TradeHistory],
) -> dict[int, tuple[str | None, str | None]]:
    """Return by row the exchange and client id of the order whose fill it was booked for."""
    ids = [row.pk for row in rows]
    if not ids:
        return {}
    allocations = FillAllocation.objects.filter(history_id__in=id_list(ids), released=False)
    return {
        row_id: (exchange_id, client_id)
        for row_id, exchange_id, client_id in allocations.values_list(
            "history_id", "fill__exchange_order_id", "fill__client_order_id"
        )
    }
