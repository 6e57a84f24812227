"""What is true at the exchange, by what its bots meant.

A `Ticket` is an order as its bot means it; at the exchange it may be several orders: what replaced
it under the same client order id, the child that an algo order triggered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.domain.amounts import total
from reconciliation.enums import Direction, OrderClass, OrderStatus, Purpose, Side
from reconciliation.exchange.paper.book import PaperAccount, PaperFill, PaperOrder
from reconciliation.models import ExchangeAccount

ENDED_ORDERS_ARE_KEPT = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order of a bot. `exchange_order_id` is its first one, None where none was ever made."""

    profile: str
    sub_tag: str
    trade_id: str
    symbol: str
    direction: Direction
    purpose: Purpose
    quantity: Decimal
    price: Decimal
    created_at: datetime
    client_order_id: str | None
    exchange_order_id: str | None
    order_class: OrderClass = OrderClass.REGULAR

    @property
    def side(self) -> Side:
        """Return the side that enters or exits the trade."""
        buys = (self.direction == Direction.LONG) == (self.purpose == Purpose.ENTRY)
        return Side.BUY if buys else Side.SELL


class Truth:
    """The exchange's side of one account, by ticket and by trade."""

    def __init__(
        self, account: ExchangeAccount, paper: PaperAccount, clock: Callable[[], datetime]
    ) -> None:
        self.account = account
        self.paper = paper
        self._clock = clock
        self.tickets: list[Ticket] = []
        self._seen: object = None
        self._legs: dict[Ticket, list[PaperOrder]] = {}
        self._fills: dict[Ticket, list[PaperFill]] = {}

    def legs(self, ticket: Ticket) -> list[PaperOrder]:
        """Return the orders that a ticket is at the exchange, oldest first."""
        self._look()
        if ticket not in self._legs:
            orders = self.paper.orders()
            own = {
                each.exchange_order_id
                for each in orders
                if each.exchange_order_id == ticket.exchange_order_id
                or (ticket.client_order_id and each.client_order_id == ticket.client_order_id)
            }
            legs = [each for each in orders if each.exchange_order_id in own or each.parent in own]
            legs.sort(key=lambda each: (each.created_at, int(each.exchange_order_id)))
            self._legs[ticket] = legs
        return self._legs[ticket]

    def fills(self, ticket: Ticket) -> list[PaperFill]:
        """Return the fills of a ticket, also those that are not shown yet."""
        self._look()
        if ticket not in self._fills:
            ids = {each.exchange_order_id for each in self.legs(ticket)}
            self._fills[ticket] = [
                each for each in self.paper.fills() if each.exchange_order_id in ids
            ]
        return self._fills[ticket]

    def _look(self) -> None:
        """Forget what was worked out of an older state of the exchange."""
        view = self.paper.view()
        if view is not self._seen:
            self._seen, self._legs, self._fills = view, {}, {}

    def filled(self, ticket: Ticket) -> Decimal:
        """Return the gross quantity that was filled."""
        return total(fill.quantity for fill in self.fills(ticket))

    def is_over(self, ticket: Ticket) -> bool:
        """Return whether nothing of a ticket can be filled any more."""
        return not any(leg.is_open for leg in self.legs(ticket))

    def is_kept(self, order: PaperOrder) -> bool:
        """Return whether the exchange still answers for an order; its fills it keeps anyway."""
        if order.is_open or order.is_algo or order.parent is not None or order.updated_at is None:
            return True
        return self._clock() - order.updated_at <= ENDED_ORDERS_ARE_KEPT

    def is_forgotten(self, ticket: Ticket) -> bool:
        """Return whether nothing but the fills of a ticket says what it was."""
        return not any(self.is_kept(leg) for leg in self.legs(ticket))

    def statuses(self, ticket: Ticket, quantity: Decimal) -> set[OrderStatus]:
        """Return what an order of this quantity may be called, once everything is known.

        Of one that was amended and then forgotten nobody can say that its fills were all of it.
        """
        filled = self.filled(ticket)
        if not self.is_over(ticket):
            return {OrderStatus.PARTIALLY_FILLED if filled > 0 else OrderStatus.OPEN}
        if filled >= quantity:
            return {OrderStatus.FILLED}
        legs = self.legs(ticket)
        if not legs or legs[-1].state != "filled":
            return {OrderStatus.CANCELED}
        return {OrderStatus.FILLED} | (
            {OrderStatus.CANCELED} if self.is_forgotten(ticket) else set()
        )

    def of_trade(self, trade_id: str, purpose: Purpose) -> list[Ticket]:
        """Return the orders that enter, or exit, a trade."""
        return [
            each for each in self.tickets if (each.trade_id, each.purpose) == (trade_id, purpose)
        ]

    def moved(self, trade_id: str, purpose: Purpose) -> Decimal:
        """Return the net quantity that entered, or left, a trade."""
        tickets = self.of_trade(trade_id, purpose)
        return total(self.net(fill) for ticket in tickets for fill in self.fills(ticket))

    def net(self, fill: PaperFill) -> Decimal:
        """Return what a fill moved the holding by: less, or more, the fee in base of spot."""
        instrument = self.paper.instrument(fill.symbol)
        if instrument.is_swap or fill.fee is None or fill.fee_currency != instrument.base:
            return fill.quantity
        return fill.quantity - fill.fee if fill.side == "buy" else fill.quantity + fill.fee
