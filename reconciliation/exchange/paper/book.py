"""The paper account: its rows, written as they are, and the trading that a simulation does on it.

The trading methods are for the demo and for simulations, which hold the account in their hands.
They are not reachable over HTTP: the server only reads, and its routes know nothing of them.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from reconciliation.exchange.paper import engine
from reconciliation.exchange.paper.paging import to_ms
from reconciliation.exchange.paper.records import (
    BUILT_IN_INSTRUMENTS,
    ZERO,
    FillKind,
    HeldPosition,
    HeldSide,
    OrderClass,
    OrderType,
    PaperFill,
    PaperInstrument,
    PaperOrder,
    PaperPosition,
    PaperTransfer,
    PositionMode,
    PositionSide,
    Side,
    check_amount,
    check_aware,
)
from reconciliation.exchange.paper.store import AccountStore, AccountView
from reconciliation.exchange.paper.units import total

__all__ = [
    "BUILT_IN_INSTRUMENTS",
    "AccountView",
    "FillKind",
    "HeldPosition",
    "HeldSide",
    "OrderClass",
    "OrderType",
    "PaperAccount",
    "PaperFill",
    "PaperInstrument",
    "PaperOrder",
    "PaperPosition",
    "PaperTransfer",
    "PositionMode",
    "PositionSide",
    "Side",
]

# Room for a million ids in a millisecond, in 19 digits: later ids are greater, in every run.
_IDS_PER_MS = 1_000_000


class PaperAccount(AccountStore):
    """One account of the paper exchange, with everything a trader can do to it."""

    _ids_given = 0

    def place(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        price: Decimal | None = None,
        type: OrderType = "limit",
        client_order_id: str | None = None,
        tag: str | None = None,
        position_side: PositionSide | None = None,
        *,
        order_class: OrderClass = "regular",
        parent: str | None = None,
        trade_hint: str | None = None,
        reduce_only: bool = False,
        trigger_price: Decimal | None = None,
        at: datetime | None = None,
    ) -> PaperOrder:
        """Place an order, which rests until it is filled; `quantity` is in base units.

        Raises ValueError for what an exchange would refuse: an unknown symbol, sizes and prices
        off their steps, a client id that an open order already has, a wrong position side.
        """
        with self._lock:
            instrument = self.instrument(symbol)
            engine.check_step("quantity", check_amount("quantity", quantity), self._step(symbol))
            if price is not None:
                engine.check_step("price", check_amount("price", price), instrument.price_tick)
            if price is None and type != "market":
                raise ValueError(f"a {type} order needs a price")
            if (position_side is not None) != (
                instrument.is_swap and self.position_mode == "hedge"
            ):
                raise ValueError(
                    "a swap order in hedge mode names its position side, no other does"
                )
            if client_order_id is not None and any(
                each.client_order_id == client_order_id and each.is_open for each in self.orders()
            ):
                raise ValueError(f"client order id {client_order_id!r} is taken by an open order")
            placed_at = self._time(at)
            order = PaperOrder(
                exchange_order_id=self._new_id(placed_at),
                symbol=symbol,
                side=side,
                type=type,
                quantity=quantity,
                price=price,
                state="live",
                filled=ZERO,
                average_price=None,
                created_at=placed_at,
                updated_at=placed_at,
                client_order_id=client_order_id,
                tag=tag,
                position_side=position_side,
                order_class=order_class,
                parent=parent,
                trade_hint=trade_hint,
                reduce_only=reduce_only,
                trigger_price=trigger_price,
            )
            self.put_orders((order,))
            return order

    def fill(
        self,
        exchange_order_id: str,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        *,
        at: datetime | None = None,
        visible_from: datetime | None = None,
    ) -> PaperFill:
        """Execute an open order, by default all that remains, at its price or else the mark.

        Order, position, balances and fee follow. `visible_from` makes the fill a late one.
        """
        with self._lock:
            order = self._open_order(exchange_order_id)
            if order.is_algo:
                raise ValueError(f"order {exchange_order_id} is an algo order: trigger it")
            instrument = self.instrument(order.symbol)
            executed_at = self._time(at)
            amount = order.quantity - order.filled if quantity is None else quantity
            paid = price if price is not None else order.price
            after = engine.order_after_fill(
                order,
                check_amount("quantity", amount),
                instrument.mark if paid is None else check_amount("price", paid),
                executed_at,
            )
            return self._execute(
                after,
                amount,
                instrument.mark if paid is None else paid,
                kind="trade",
                at=executed_at,
                visible_from=visible_from,
            )

    def cancel(self, exchange_order_id: str, *, at: datetime | None = None) -> PaperOrder:
        """Cancel what remains of an open order; what was filled stays filled."""
        with self._lock:
            order = self._open_order(exchange_order_id)
            canceled = replace(order, state="canceled", updated_at=self._time(at))
            self.put_orders((canceled,))
            return canceled

    def trigger(self, exchange_order_id: str, *, at: datetime | None = None) -> PaperOrder:
        """Trigger an algo order: it becomes effective, and the returned child order rests."""
        with self._lock:
            algo = self._open_order(exchange_order_id)
            if not algo.is_algo:
                raise ValueError(
                    f"order {exchange_order_id} is a regular order: nothing triggers it"
                )
            triggered_at = self._time(at)
            child = replace(
                algo,
                exchange_order_id=self._new_id(triggered_at),
                client_order_id=None,
                order_class="regular",
                parent=algo.exchange_order_id,
                trigger_price=None,
                created_at=triggered_at,
                updated_at=triggered_at,
            )
            self.put_orders((replace(algo, state="filled", updated_at=triggered_at), child))
            return child

    def liquidate(
        self,
        symbol: str,
        side: HeldSide = "net",
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        kind: Literal["liquidation", "adl", "delivery"] = "liquidation",
        at: datetime | None = None,
    ) -> PaperFill:
        """Close a position by the exchange's own order, by default all of it at the mark."""
        with self._lock:
            position = self._position(symbol, side)
            if position is None or position.quantity == ZERO:
                raise ValueError(f"account {self.name} holds no {side} position in {symbol}")
            closed_at = self._time(at)
            amount = abs(position.quantity) if quantity is None else quantity
            paid = self.instrument(symbol).mark if price is None else price
            if amount > abs(position.quantity):
                raise ValueError(
                    f"position {symbol} {side}: closing {amount} of {position.quantity}"
                )
            order = PaperOrder(
                exchange_order_id=self._new_id(closed_at),
                symbol=symbol,
                side="sell" if position.signed > ZERO else "buy",
                type="market",
                quantity=amount,
                price=None,
                state="filled",
                filled=amount,
                average_price=paid,
                created_at=closed_at,
                updated_at=closed_at,
                position_side=None if side == "net" else side,
                reduce_only=True,
            )
            return self._execute(order, amount, paid, kind=kind, at=closed_at)

    def pay_funding(self, symbol: str, amount: Decimal, *, at: datetime | None = None) -> PaperFill:
        """Pay funding on a position (negative: receive it). It becomes a bill, never a fill."""
        with self._lock:
            instrument = self.instrument(symbol)
            paid_at = self._time(at)
            held = [each for each in self.positions() if each.symbol == symbol]
            payment = PaperFill(
                fill_id=self._new_id(paid_at),
                exchange_order_id=None,
                client_order_id=None,
                tag=None,
                symbol=symbol,
                side="buy",
                position_side=None,
                quantity=abs(held[0].quantity) if held else ZERO,
                price=instrument.mark,
                fee=amount,
                fee_currency=instrument.quote,
                executed_at=paid_at,
                kind="funding",
            )
            self.put_fills((payment,))
            self._change_balance(instrument.quote, amount.copy_negate())
            return payment

    def deposit(
        self, currency: str, amount: Decimal, *, at: datetime | None = None
    ) -> PaperTransfer:
        """Move cash into the account (negative: out of it)."""
        with self._lock:
            moved_at = self._time(at)
            transfer = PaperTransfer(self._new_id(moved_at), currency, amount, moved_at)
            self._transfers = self._transfers | {transfer.transfer_id: transfer}
            self._change_balance(currency, amount)
            return transfer

    def _execute(
        self,
        order: PaperOrder,
        quantity: Decimal,
        price: Decimal,
        *,
        kind: FillKind,
        at: datetime,
        visible_from: datetime | None = None,
    ) -> PaperFill:
        """Book an execution of `order` (as it is afterwards) and all that follows from it."""
        instrument = self.instrument(order.symbol)
        fee, fee_currency = engine.fee_of(instrument, order.type, order.side, quantity, price)
        fill = PaperFill(
            fill_id=self._new_id(at),
            exchange_order_id=order.exchange_order_id,
            client_order_id=order.client_order_id,
            tag=order.tag,
            symbol=order.symbol,
            side=order.side,
            position_side=order.position_side,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_currency=fee_currency,
            executed_at=at,
            kind=kind,
            trade_hint=order.trade_hint,
            visible_from=visible_from,
        )
        profit = ZERO
        if instrument.is_swap:
            position, profit = engine.position_after_fill(
                self._position(order.symbol, engine.held_side(order.position_side)),
                symbol=order.symbol,
                position_side=order.position_side,
                side=order.side,
                quantity=quantity,
                price=price,
            )
            self._hold(position)
        self.set_balances(
            engine.balances_after_fill(
                self.balances(),
                instrument,
                side=order.side,
                quantity=quantity,
                price=price,
                profit=profit,
                fee=fee,
                fee_currency=fee_currency,
            )
        )
        self.put_orders((order,))
        self.put_fills((fill,))
        return fill

    def _hold(self, position: PaperPosition) -> None:
        """Keep a position; a flat one stays only where flat ones are shown."""
        if position.quantity != ZERO or self.include_flat_positions:
            self.put_positions((position,))
        else:
            self.replace_positions(each for each in self.positions() if each.key != position.key)

    def _position(self, symbol: str, side: HeldSide) -> PaperPosition | None:
        held = self._positions.get((symbol, side))
        return None if held is None else held.position

    def _open_order(self, exchange_order_id: str) -> PaperOrder:
        order = self._orders.get(exchange_order_id)
        if order is None:
            raise ValueError(f"account {self.name} has no order {exchange_order_id!r}")
        if not order.is_open:
            raise ValueError(f"order {exchange_order_id} is {order.state}")
        return order

    def _change_balance(self, currency: str, change: Decimal) -> None:
        balances = self.balances()
        balances[currency] = total((balances.get(currency, ZERO), change))
        self.set_balances(balances)

    def _step(self, symbol: str) -> Decimal:
        return self.instrument(symbol).quantity_step

    def _time(self, at: datetime | None) -> datetime:
        return self.now() if at is None else check_aware("at", at)

    def _new_id(self, at: datetime) -> str:
        """Return an id that no order, fill or transfer of this account has."""
        taken = {*self._orders, *self._transfers, *(fill.fill_id for fill in self._fills.values())}
        while True:
            self._ids_given += 1
            given = str(to_ms(at) * _IDS_PER_MS + self._ids_given % _IDS_PER_MS)
            if given not in taken:
                return given
